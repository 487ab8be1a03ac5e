"""Scores that mean something, and the threshold of each level: from validation rows that training never saw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from measure import Flags, Numbers, even, union_thresholds
from numpy.typing import NDArray
from rows import LABELS, Row
from sources import HELD

RATES = {"strict": 0.05, "balanced": 0.01, "lenient": 0.001}  # of ordinary texts flagged, all categories together
TROUBLED = {"strict": 0.20, "balanced": 0.07, "lenient": 0.02}  # of harmless texts that resemble harm
LEVELS = tuple(RATES)
KINDS = ("speaker", "material")
SHARE = {"stereotype": 0.5, "toxicity": 0.7}  # of the false alarms that a category may have, against 1 of the others
HARD = (
    "hard-",
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
    """Slope and offset of a logistic curve (Platt 1999), by Newton's method, held near slope 1 where there is little to go by."""
    a, b, prior = 1.0, 0.0, 3.0
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(a * logits + b, -30, 30)))
        error, curve = weights * (p - known), weights * np.maximum(p * (1 - p), 1e-6)
        gradient = np.array([(error * logits).sum() + prior * (a - 1), error.sum()])
        hessian = np.array(
            [[(curve * logits**2).sum() + prior, (curve * logits).sum()], [(curve * logits).sum(), curve.sum() + 1e-3]]
        )
        step = np.linalg.solve(hessian, gradient)
        a, b = a - step[0], b - step[1]
        if abs(step).max() < 1e-6:
            break
    return (float(a), float(b)) if a > 0.1 else (1.0, 0.0)


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


def scored(table: Table, lines: Mapping[str, Mapping[str, Sequence[float]]]) -> Numbers:
    """The calibrated scores: N labels."""
    material = table.of("material")
    out = np.empty_like(table.logits)
    for i, label in enumerate(LABELS):
        for kind, chosen in (("material", material), ("speaker", ~material)):
            a, b = lines[label][kind]
            out[chosen, i] = 1 / (1 + np.exp(-np.clip(a * table.logits[chosen, i] + b, -60, 60)))
    return out


def levels(table: Table, scores: Numbers) -> dict[str, dict[str, dict[str, float]]]:
    """The threshold of each label, kind of role and level: the higher of those that ordinary and that trying texts ask for."""
    out: dict[str, dict[str, dict[str, float]]] = {label: {kind: {} for kind in KINDS} for label in LABELS}
    share = np.array([SHARE.get(label, 1.0) for label in LABELS])
    for kind in KINDS:
        for level, rate_of_all in RATES.items():
            best = np.zeros(len(LABELS))
            for chosen, rate in ((~table.hard, rate_of_all), (table.hard, TROUBLED[level])):
                which = table.harmless & chosen & table.of(kind)
                weights = even(table.sources(which), HELD)
                best = np.maximum(best, union_thresholds(scores[which], rate, weights, share))
            for label, value in zip(LABELS, best, strict=True):
                out[label][kind][level] = round(float(min(0.999, max(value, 0.05))) + 0.00005, 4)
    for label in LABELS:  # a stricter level never has the higher threshold
        for kind in KINDS:
            found = out[label][kind]
            found["balanced"] = min(found["balanced"], found["lenient"])
            found["strict"] = min(found["strict"], found["balanced"])
    return out
