"""The token head's data: texts whose persons, places, organisations, groups and dates are marked."""

from __future__ import annotations

import argparse
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from batches import CLS, SEP, WINDOW, alike, padded
from card import put, table
from judge import judge
from rows import read, share
from tokenizers import Tokenizer
from torch import Tensor

from proxy.classifier.tokens import cases

ENTITIES = ("PERSON", "LOCATION", "ORGANIZATION", "NRP", "DATE_TIME")
KNOWS = {  # the entities that a set marks; where it marks no others, their absence says nothing
    "pii-wikigold": "PERSON LOCATION ORGANIZATION", "pii-btc": "PERSON LOCATION ORGANIZATION",
    "pii-wnut17": "PERSON LOCATION ORGANIZATION", "pii-uner-ewt": "PERSON LOCATION ORGANIZATION",
    "pii-sec-fin5": "PERSON LOCATION ORGANIZATION", "pii-multiner-gov": "PERSON LOCATION ORGANIZATION",
    "pii-re3d": "PERSON LOCATION ORGANIZATION NRP DATE_TIME", "pii-litbank": "PERSON LOCATION",
    "pii-germeval14": "PERSON LOCATION ORGANIZATION", "pii-synth-chat": "PERSON LOCATION ORGANIZATION NRP DATE_TIME",
    "pii-hard-negatives": "PERSON LOCATION ORGANIZATION NRP DATE_TIME", "pii-anon": "PERSON LOCATION ORGANIZATION DATE_TIME",
}  # fmt: skip
CAPS = {
    "pii-btc": 2200,
    "pii-litbank": 1400,
    "pii-synth-chat": 1600,
    "pii-anon": 700,
    "pii-hard-negatives": 900,
    "pii-multiner-gov": 1600,
}
HELD = ("pii-uner-ewt",)  # left out whole: web text that people marked
INSIDE = 0.1


@dataclass(frozen=True, slots=True)
class Marked:
    """One text: word pieces, how each is written, and its entity; -1 where it is unknown."""

    ids: list[int]
    cases: list[int]
    tags: list[int]
    source: str
    offsets: list[tuple[int, int]]  # of the pieces, without the first and the last id


@dataclass(frozen=True, slots=True)
class TokenBatch:
    """ids, mask, cases, tags: B T; open: B 1+entities, what a token without a mark may be."""

    ids: Tensor
    mask: Tensor
    cases: Tensor
    tags: Tensor
    open: Tensor


def marked(data: Path, tokenizer: Tokenizer, seed: int) -> tuple[list[Marked], list[Marked]]:
    """Texts to train on, and those to validate on."""
    rng = random.Random(seed)
    train: list[Marked] = []
    held: list[Marked] = []
    for name in KNOWS:
        rows = [row for path in sorted((data / name).glob("data.jsonl*")) for row in read(path)]
        rng.shuffle(rows)
        kept = [row for row in rows if name in HELD or share(str(row["text"]), "inside") < INSIDE]
        rest = [row for row in rows if name not in HELD and share(str(row["text"]), "inside") >= INSIDE]
        held += [mark(row, name, tokenizer) for row in kept[:150]]
        train += [mark(row, name, tokenizer) for row in rest[: CAPS.get(name, 5000)]]
    return train, held


def mark(row: dict[str, object], name: str, tokenizer: Tokenizer) -> Marked:
    """One text of a set as the network reads it."""
    text = str(row["text"])
    known = KNOWS[name].split()
    encoded = tokenizer.encode(text, add_special_tokens=False)
    ids, offsets = encoded.ids[: WINDOW - 2], encoded.offsets[: WINDOW - 2]
    tags = [0] * len(ids)
    for span in row["spans"]:  # type: ignore[attr-defined]  # JSON
        label = span["label"]
        tag = ENTITIES.index(label) + 1 if label in ENTITIES and label in known else -1 if label == "OTHER_PII" else 0
        for i, (begin, end) in enumerate(offsets):
            if begin < span["end"] and end > span["start"]:
                tags[i] = tag
    return Marked([CLS, *ids, SEP], [0, *cases(text, offsets), 0], [-1, *tags, -1], name, offsets)


def token_batches(found: Sequence[Marked], tokens: int, seed: int) -> Iterator[TokenBatch]:
    """Batches of about `tokens` word pieces, in random order, for ever."""
    rng = random.Random(seed)
    while True:
        for group in alike([len(each.ids) for each in found], tokens, rng):
            yield token_batch([found[i] for i in group])


def token_batch(found: Sequence[Marked]) -> TokenBatch:
    """The texts as tensors."""
    ids, mask = padded([each.ids for each in found])
    cases, tags = padded([each.cases for each in found])[0], padded([each.tags for each in found], -1)[0]
    return TokenBatch(ids, mask, cases, tags, unmarked([each.source for each in found]))


def unmarked(names: Sequence[str]) -> Tensor:
    """Of each set, what a token without a mark may be: no entity, or one that the set does not mark."""
    return torch.tensor([[True, *(entity not in KNOWS[name].split() for entity in ENTITIES)] for name in names])


def spans(offsets: Sequence[tuple[int, int]], tags: Sequence[int]) -> set[tuple[int, int, str]]:
    """The entities that tags of word pieces say, as spans of the text: a word is what most of its pieces are."""
    found: list[list[int]] = []  # start, end, tag
    word: list[int] = []
    for i, (_, end) in enumerate(offsets):
        word.append(tags[i])
        if i + 1 < len(offsets) and offsets[i + 1][0] == end:
            continue
        first, tag = offsets[i - len(word) + 1][0], max(sorted(set(word)), key=word.count)
        if tag and found and found[-1][2] == tag and first - found[-1][1] <= 1:
            found[-1][1] = end
        elif tag:
            found.append([first, end, tag])
        word = []
    return {(start, end, ENTITIES[tag - 1]) for start, end, tag in found}


def main() -> None:
    """Judge the shipped token head on what was kept from it: exact spans, of entities that the set marks."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, default=Path(__file__).parent / "encoder")
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    model = judge(args.model)
    _, held = marked(args.data, model.pieces.tokenizer, 7)
    counts: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])  # right, said, there
    for each in held:
        with torch.inference_mode():
            seen = model.network.network(torch.tensor([each.ids]))
            tags = model.network.network.entities(seen, torch.tensor([each.cases]))[0].argmax(-1).tolist()
        said, there = spans(each.offsets, tags[1:-1]), spans(each.offsets, each.tags[1:-1])
        for entity in KNOWS[each.source].split():
            mine, right = {s for s in said if s[2] == entity}, {s for s in there if s[2] == entity}
            for i, n in enumerate((len(mine & right), len(mine), len(right))):
                counts[each.source, entity][i] += n
    lines = []
    for (source, entity), (hits, said_n, there_n) in sorted(counts.items()):
        if there_n >= 15 or source == "pii-hard-negatives":
            precision, recall = hits / max(1, said_n), hits / max(1, there_n)
            note = "left out whole" if source in HELD else ""
            lines.append([source, entity, there_n, said_n, precision, recall, 2 * hits / max(1, said_n + there_n), note])
    made = table(["set", "entity", "there", "said", "precision", "recall", "F1", "training"], lines)
    print(made)
    if args.write:
        put(args.model, "entities", made)


if __name__ == "__main__":
    main()
