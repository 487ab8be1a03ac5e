"""Scores that mean something, and the threshold of each level: from validation rows that training never saw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from measure import Flags, Numbers, even
from numpy.typing import NDArray
from rows import LABELS, Row
from sources import HELD

RATES = {"strict": 0.05, "balanced": 0.01, "lenient": 0.001}  # of ordinary texts flagged, all categories together
TROUBLED = {"strict": 0.20, "balanced": 0.07, "lenient": 0.02}  # of harmless texts that resemble harm
LEVELS = tuple(RATES)
SPENT = 0.8  # of those rates: the rest is for what validation does not show
LEAST = {"strict": 0.1, "balanced": 0.3, "lenient": 0.5}  # no level has a lower threshold
AHEAD = 15  # steps of a label that are looked at together: the next one alone may find nothing
STEPS = 400  # of one label, at most
SOME = 60  # positives that a label needs in material to have a threshold of its own there
KINDS = ("speaker", "material")
HARD = (
    "hard-",
    "toxigen_seeds",
    "own-trigger",
    "own-harm",
    "own-jailbreak",
    "own-bias",
    "own-groups",
    "own-moderation",
    "own-clean",
    "own-alone",
    "own-commands",
    "own-adversarial",
    "own-instruction",
)


@dataclass(frozen=True, slots=True)
class Table:
    """Validation rows and their logits. logits: N labels."""

    rows: Sequence[Row]
    logits: Numbers

    @property
    def harmless(self) -> Flags:
        """Rows that violate nothing."""
        return np.array([row.benign == 1 for row in self.rows])

    @property
    def hard(self) -> Flags:
        """Rows of sources that resemble harm."""
        return np.array([row.source.startswith(HARD) for row in self.rows])

    def of(self, kind: str) -> Flags:
        """Rows of a kind of role."""
        return np.array([row.material == (kind == "material") for row in self.rows])

    def known(self, label: str) -> NDArray[np.int64]:
        """Of each row 1, 0, or -1 where the label is unknown."""
        return np.array([-1 if label in r.masked else r.labels.get(label, 0 if r.benign == 1 else -1) for r in self.rows])

    def sources(self, which: Flags) -> list[str]:
        """The sources of the rows that are chosen."""
        return [row.source for row, chosen in zip(self.rows, which, strict=True) if chosen]


def fitted(logits: Numbers, known: Numbers, weights: Numbers) -> tuple[float, float]:
    """Slope and offset of a logistic curve (Platt 1999), held near slope 1 where there is little to go by.

    Newton's method with steps of at most 1/2, which neither well separated nor noisy labels can throw off.
    """
    a, b, prior = 1.0, 0.0, 3.0
    for _ in range(200):
        p = 1 / (1 + np.exp(-np.clip(a * logits + b, -30, 30)))
        error, curve = weights * (p - known), weights * np.maximum(p * (1 - p), 1e-6)
        gradient = np.array([(error * logits).sum() + prior * (a - 1), error.sum() + 1e-3 * b])
        slope = (curve * logits).sum()
        hessian = np.array([[(curve * logits**2).sum() + prior, slope], [slope, curve.sum() + 1e-3]])
        step = np.linalg.solve(hessian, gradient)
        step *= min(1.0, 0.5 / np.abs(step).max())
        a, b = a - step[0], b - step[1]
        if np.abs(step).max() < 1e-6:
            break
    return (float(a), float(b)) if 0.2 < a < 5 else (1.0, 0.0)


def calibration(table: Table) -> dict[str, dict[str, list[float]]]:
    """Slope and offset of each label and kind of role; kinds with few positives share those of all."""
    out: dict[str, dict[str, list[float]]] = {}
    for i, label in enumerate(LABELS):
        known, found = table.known(label), {}
        for kind in KINDS:
            chosen = (known >= 0) & table.of(kind)
            if (known[chosen] == 1).sum() < 60:
                chosen = known >= 0
            if not chosen.any() or not (known[chosen] == 1).any():
                found[kind] = [1.0, 0.0]
                continue
            weights = even(table.sources(chosen)) * 100
            found[kind] = [round(x, 4) for x in fitted(table.logits[chosen, i], known[chosen].astype(float), weights)]
        out[label] = found
    return out


def scored(table: Table, lines: Mapping[str, Mapping[Any, Sequence[float]]]) -> Numbers:
    """The calibrated scores: N labels."""
    material = table.of("material")
    out = np.empty_like(table.logits)
    for i, label in enumerate(LABELS):
        for kind, chosen in (("material", material), ("speaker", ~material)):
            a, b = lines[label][kind]
            out[chosen, i] = 1 / (1 + np.exp(-np.clip(a * table.logits[chosen, i] + b, -60, 60)))
    return out


def levels(table: Table, scores: Numbers) -> dict[str, dict[str, dict[str, float]]]:
    """The threshold of each label, kind of role and level.

    All labels share the false alarms that a level may give. From thresholds without any, the one whose next step finds the most
    positives for its false alarms goes down, until the rates are reached.
    """
    out: dict[str, dict[str, dict[str, float]]] = {label: {kind: {} for kind in KINDS} for label in LABELS}
    material = table.of("material")
    few = np.array([(table.known(label)[material] == 1).sum() < SOME for label in LABELS])
    for level in RATES:
        spoken = lowered(table, scores, ~material, level, np.full(len(LABELS), LEAST[level]))
        fetched = lowered(table, scores, material, level, np.where(few, spoken, LEAST[level]))
        for kind, found in (("speaker", spoken), ("material", fetched)):
            for label, value in zip(LABELS, found, strict=True):
                out[label][kind][level] = round(float(min(0.9999, value)), 4)
    for kinds in out.values():  # a stricter level never has the higher threshold
        for each in kinds.values():
            each["balanced"] = min(each["balanced"], each["lenient"])
            each["strict"] = min(each["strict"], each["balanced"])
    return out


@dataclass(frozen=True, slots=True)
class Steps:
    """The thresholds that a label may have, from the highest: each lets more harmless rows through."""

    values: Numbers
    hits: Sequence[Flags]  # of harmless rows
    gains: Numbers  # what is found of the positives: the label's own, and any


def lowered(table: Table, scores: Numbers, kind: Flags, level: str, least: Numbers) -> Numbers:
    """The thresholds of one kind of role and level, none below `least`."""
    harmless, positive = table.harmless & kind, ~table.harmless & kind
    weights = np.zeros(len(table.rows))
    for trying, rate in ((False, RATES[level]), (True, TROUBLED[level])):
        which = harmless & (table.hard == trying)
        shares = even(table.sources(which), HELD)
        weights[which] = shares / shares.sum() / (rate * SPENT)  # what a false alarm costs of what may be spent
    some = even(table.sources(positive))
    steps = [steps_of(table, scores, i, harmless, positive, some / some.sum(), float(least[i])) for i in range(len(LABELS))]
    at, cost, hard = np.zeros(len(LABELS), int), weights[harmless], table.hard[harmless]
    flagged: Flags = np.array(np.stack([each.hits[0] for each in steps]).any(0))
    while True:
        best, choice, to = 0.0, -1, 0
        for i, each in enumerate(steps):
            for further in range(at[i] + 1, min(at[i] + AHEAD, len(each.values))):
                added: Flags = flagged | each.hits[further]
                if max(cost[added & hard].sum(), cost[added & ~hard].sum()) > 1:
                    break
                worth = (each.gains[further] - each.gains[at[i]] + 1e-6) / (cost[added & ~flagged].sum() + 1e-3)
                if worth > best:
                    best, choice, to = worth, i, further
        if choice < 0:
            return np.array([each.values[k] for each, k in zip(steps, at, strict=True)])
        at[choice] = to
        flagged = flagged | steps[choice].hits[to]


def steps_of(table: Table, scores: Numbers, i: int, harmless: Flags, positive: Flags, some: Numbers, least: float) -> Steps:
    """The steps of one label."""
    bad, good = scores[harmless, i], scores[positive, i]
    highest = np.unique(bad)[::-1][:STEPS]
    values = np.maximum(np.append(highest + 1e-4, least), least)
    values = values[: int(np.argmax(values <= least)) + 1]
    known = table.known(LABELS[i])[positive] == 1
    own = known / max(1, known.sum()) + some
    gains = np.array([float(own[good >= value].sum()) for value in values])
    return Steps(values, [bad >= value for value in values], gains)
