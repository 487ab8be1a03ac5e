"""A row of training data: a text, what is known of it, and how much that weighs. What a source does not say is unknown, not 0."""

from __future__ import annotations

import gzip
import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

MISUSE = (
    "jailbreak injection violence weapons self_harm sexual child_safety crime drugs cyber fraud misinformation privacy_request"
).split()
BIAS = "hate harassment toxicity stereotype".split()
LABELS = [*MISUSE, *BIAS]
PLACE = {label: i for i, label in enumerate(LABELS)}
HARMS = [
    label for label in LABELS if label not in ("jailbreak", "injection", "toxicity", "stereotype")
]  # what `benign: 0` may mean
MATERIAL = ("tool", "document")


@dataclass(frozen=True, slots=True)
class Row:
    """One text. `labels`: 0, 1, or left out. `benign`: 1 all labels are 0, 0 at least one harm is there, None unknown."""

    text: str
    labels: Mapping[str, int]
    source: str
    role: str = "user"
    benign: int | None = None
    origin: str = ""
    groups: tuple[str, ...] = ()
    weight: float = 1.0
    soft: float = 0.0  # the weight of 0 for harms that are not named: the row is of one kind, most likely
    focus: str = ""  # a part of the text that a window must hold
    masked: tuple[str, ...] = field(default=())  # labels that are unknown whatever the rest says

    @property
    def material(self) -> bool:
        """Whether the text is something to read, and not somebody who speaks."""
        return self.role in MATERIAL

    def targets(self) -> tuple[list[float], list[float]]:
        """The target and the weight of each label; the weight of what is unknown is 0."""
        values, weights = [0.0] * len(LABELS), [0.0] * len(LABELS)
        for label, i in PLACE.items():
            if label in self.masked:
                continue
            if label in self.labels:
                values[i], weights[i] = float(self.labels[label]), self.weight
            elif self.benign == 1:
                weights[i] = self.weight
            elif self.soft and label in HARMS:
                weights[i] = self.soft * self.weight
        return values, weights

    def some_harm(self) -> bool:
        """Whether it is known to be harmful and not in which way."""
        return self.benign == 0 and not any(value == 1 for label, value in self.labels.items() if label in HARMS)


def share(text: str, salt: str = "") -> float:
    """A number from 0 to 1 that depends on the text alone: splits stay what they are when rows are added."""
    return int.from_bytes(hashlib.blake2b((salt + text).encode(), digest_size=6).digest(), "big") / 2**48


def read(path: Path) -> Iterator[dict[str, object]]:
    """The objects of a JSON Lines file, packed or not."""
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
        for line in lines:
            if line.strip():
                yield json.loads(line)


def plain(given: Mapping[str, object], source: str, **more: object) -> Row:
    """A row as the data sets write it."""
    labels = {k: int(v) for k, v in dict(given["labels"]).items() if not (isinstance(v, float) and math.isnan(v))}  # type: ignore[call-overload]  # JSON
    benign = labels.pop("benign", None)
    known = {"role": str(given.get("role") or "user"), "origin": str(given.get("split_origin") or given.get("kind") or "")}
    known.update(more)  # type: ignore[arg-type]  # fields of Row
    groups = tuple(str(g) for g in given.get("groups") or ())  # type: ignore[attr-defined]  # JSON
    return Row(str(given["text"]), labels, source, benign=benign, groups=groups, **known)  # type: ignore[arg-type]  # fields of Row
