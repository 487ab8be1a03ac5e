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
from judge import Judge, judge
from rows import read, share
from tokenizers import Tokenizer
from torch import Tensor

from proxy.classifier import Best
from proxy.classifier.naming import Naming
from proxy.classifier.tokens import cases

Json = dict[str, object]
Span = tuple[int, int, str]
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
THRESHOLD = 0.5
LOWER = 0.1  # of the texts


@dataclass(frozen=True, slots=True)
class Marked:
    """One text: word pieces, how each is written, and its entity; -1 where it is unknown."""

    ids: list[int]
    cases: list[int]
    tags: list[int]
    source: str


@dataclass(frozen=True, slots=True)
class TokenBatch:
    """ids, mask, cases, tags: B T; open: B 1+entities, what a token without a mark may be."""

    ids: Tensor
    mask: Tensor
    cases: Tensor
    tags: Tensor
    open: Tensor


def chosen(data: Path, seed: int) -> tuple[list[tuple[str, Json]], list[tuple[str, Json]]]:
    """The rows to train on, and those to validate on, each with the name of its set."""
    rng = random.Random(seed)
    train: list[tuple[str, Json]] = []
    held: list[tuple[str, Json]] = []
    for name in KNOWS:
        rows = [row for path in sorted((data / name).glob("data.jsonl*")) for row in read(path)]
        rng.shuffle(rows)
        kept = [row for row in rows if name in HELD or share(str(row["text"]), "inside") < INSIDE]
        rest = [row for row in rows if name not in HELD and share(str(row["text"]), "inside") >= INSIDE]
        held += [(name, row) for row in kept[:150]]
        train += [(name, row) for row in rest[: CAPS.get(name, 5000)]]
    return train, held


def marked(data: Path, tokenizer: Tokenizer, seed: int) -> list[Marked]:
    """The texts to train on, some of them as people type who care for no capitals."""
    rng = random.Random(seed)
    return [mark(uncapitalised(row) if rng.random() < LOWER else row, name, tokenizer) for name, row in chosen(data, seed)[0]]


def uncapitalised(row: Json) -> Json:
    """The same in lower case, where that is as long."""
    lower = str(row["text"]).lower()
    return row | {"text": lower} if len(lower) == len(str(row["text"])) else row


def mark(row: Json, name: str, tokenizer: Tokenizer) -> Marked:
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
    return Marked([CLS, *ids, SEP], [0, *cases(text, offsets), 0], [-1, *tags, -1], name)


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


def said(judge: Judge, text: str) -> set[Span]:
    """The entities that the shipped token head finds, by the product's own way of a text."""
    naming = Naming(judge.pieces, tuple(judge.card.entities))
    found: list[Best] = []
    for window in naming.cutter("speaker").push(text, end=True):
        if ids := naming.ids(window.text, "speaker"):
            [answer] = judge.network.named([ids])
            found += [hit.moved(window.start) for hit in naming.found(window.text, "speaker", answer)]
    kept = [hit for hit in found if hit.score >= THRESHOLD]
    inner = {(hit.start, hit.end, hit.label) for hit in kept}
    return {  # an entity cut by the end of a window is whole in the next
        each for each in inner if not any(o != each and o[2] == each[2] and o[0] <= each[0] and o[1] >= each[1] for o in inner)
    }


def main() -> None:
    """Judge the shipped token head on what was kept from it: exact spans, of entities that the set marks."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, default=Path(__file__).parent / "encoder")
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    model = judge(args.model)
    counts: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])  # right, said, there
    for source, row in chosen(args.data, 7)[1]:
        text = str(row["text"])
        mine = said(model, text)
        there = {(span["start"], span["end"], span["label"]) for span in row["spans"]}  # type: ignore[attr-defined]  # JSON
        for entity in KNOWS[source].split():
            here, right = {s for s in mine if s[2] == entity}, {s for s in there if s[2] == entity}
            for i, n in enumerate((len(here & right), len(here), len(right))):
                counts[source, entity][i] += n
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
