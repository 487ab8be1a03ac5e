"""Rows to batches: the window of a text that training sees, small disturbances, and texts of like length together."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from rows import Row
from tokenizers import Tokenizer
from torch import Tensor

CLS, SEP, MATERIAL = 101, 102, 2  # of the vocabulary; [unused1] says that the text is material
WINDOW = 112  # word pieces that training sees of a text at most in the first round; the encoder itself takes 512
WIDE = 176  # and in the second
JOINED = 0.15  # of the rows get an ordinary neighbour, harmless ones too: a harm is one part of a longer text
NOISY = 0.06  # of the rows get typing errors


@dataclass(frozen=True, slots=True)
class Example:
    """One window, ready for the network."""

    ids: list[int]
    values: list[float]
    weights: list[float]
    some_harm: float  # the weight of "one of the harms is there, nobody knows which"


@dataclass(frozen=True, slots=True)
class Batch:
    """Examples of like length. ids, mask: B T; values, weights: B L; some_harm: B."""

    ids: Tensor
    mask: Tensor
    values: Tensor
    weights: Tensor
    some_harm: Tensor


def examples(rows: Sequence[Row], tokenizer: Tokenizer, seed: int, window: int = WINDOW) -> list[Example]:
    """One example of each row, other ones for each seed."""
    rng = random.Random(seed)
    short = {kind: [r.text for r in rows if r.benign == 1 and r.material == kind and len(r.text) < 350] for kind in (False, True)}
    disturbed = [disturb(row, short[row.material], rng) for row in rows]
    found: list[Example] = []
    for begin in range(0, len(disturbed), 2000):
        part = disturbed[begin : begin + 2000]
        encoded = tokenizer.encode_batch([row.text for row in part], add_special_tokens=False)
        found += [example(row, each.ids, each.offsets, rng, window) for row, each in zip(part, encoded, strict=True)]
    return found


def example(row: Row, ids: list[int], offsets: list[tuple[int, int]], rng: random.Random, window: int) -> Example:
    """The window of the row that is trained on."""
    marker = [MATERIAL] if row.material else []
    size = window - 2 - len(marker)
    at = start(row, offsets, size, rng) if len(ids) > size else 0
    values, weights = row.targets()
    return Example([CLS, *marker, *ids[at : at + size], SEP], values, weights, row.weight if row.some_harm() else 0.0)


def start(row: Row, offsets: list[tuple[int, int]], size: int, rng: random.Random) -> int:
    """Where the window begins: around the focus, anywhere in a harmless text, mostly at the beginning of others."""
    last = len(offsets) - size
    if row.focus and (place := row.text.find(row.focus)) >= 0:
        first = next((i for i, (begin, _) in enumerate(offsets) if begin >= place), 0)
        inside = sum(place <= begin < place + len(row.focus) for begin, _ in offsets)
        return min(last, max(0, first - rng.randint(0, max(0, size - min(inside, size)))))
    if row.benign == 1 or rng.random() < 0.2:
        return rng.randint(0, last)
    return 0


def disturb(row: Row, neighbours: Sequence[str], rng: random.Random) -> Row:
    """The row, now and then with an ordinary neighbour or with typing errors."""
    text = row.text
    if rng.random() < NOISY:
        text = mistyped(text, rng)
    if len(text) < 500 and neighbours and rng.random() < JOINED:
        other, between = rng.choice(neighbours), rng.choice((" ", "\n", "\n\n", "\n---\n"))
        text = other + between + text if rng.random() < 0.6 else text + between + other
    return row if text is row.text else replace(row, text=text)


def mistyped(text: str, rng: random.Random) -> str:
    """A few letters left out, doubled or swapped."""
    letters = list(text)
    for _ in range(max(1, len(letters) // 40)):
        i = rng.randrange(len(letters))
        if not letters[i].isalpha():
            continue
        kind = rng.random()
        if kind < 0.4:
            letters[i] = ""
        elif kind < 0.7:
            letters[i] *= 2
        elif i + 1 < len(letters):
            letters[i], letters[i + 1] = letters[i + 1], letters[i]
    return "".join(letters)


def batches(found: Sequence[Example], tokens: int, seed: int) -> Iterator[Batch]:
    """Batches of about `tokens` word pieces, in random order."""
    for group in alike([len(each.ids) for each in found], tokens, random.Random(seed)):
        yield batch([found[i] for i in group])


def alike(lengths: Sequence[int], tokens: int, rng: random.Random) -> list[list[int]]:
    """Texts of like length together, about `tokens` word pieces in a group; the groups in random order."""
    groups: list[list[int]] = [[]]
    for i in sorted(range(len(lengths)), key=lambda i: lengths[i] + rng.random() * 6):
        if groups[-1] and (len(groups[-1]) + 1) * lengths[i] > tokens:
            groups.append([])
        groups[-1].append(i)
    rng.shuffle(groups)
    return groups


def batch(found: Sequence[Example]) -> Batch:
    """The examples as tensors."""
    ids, mask = padded([each.ids for each in found])
    return Batch(
        ids,
        mask,
        torch.tensor([each.values for each in found]),
        torch.tensor([each.weights for each in found]),
        torch.tensor([each.some_harm for each in found]),
    )


def padded(lists: Sequence[Sequence[int]], fill: int = 0) -> tuple[Tensor, Tensor]:
    """Lists of numbers as one tensor, and where there is something in it."""
    longest = max(map(len, lists))
    ids = torch.tensor([[*each, *[fill] * (longest - len(each))] for each in lists])
    mask = torch.tensor([[True] * len(each) + [False] * (longest - len(each)) for each in lists])
    return ids, mask
