"""What a detector is worth, from scores alone: areas under curves, recall at a rate of false alarms, thresholds at such rates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]


def auroc(scores: Numbers, positive: Flags) -> float:
    """The chance that a positive scores above a negative; ties count half. NaN without both."""
    n, m = int(positive.sum()), int((~positive).sum())
    if not n or not m:
        return float("nan")
    order = scores.argsort(kind="stable")
    values, inverse, counts = np.unique(scores[order], return_inverse=True, return_counts=True)
    ends = counts.cumsum()
    ranks = (ends - (counts - 1) / 2)[inverse]  # the mean rank of those that are equal
    del values
    return float((ranks[positive[order]].sum() - n * (n + 1) / 2) / (n * m))


def auprc(scores: Numbers, positive: Flags) -> float:
    """Average precision: the mean of the precision at each positive, from the highest score down; ties count together."""
    if not positive.any():
        return float("nan")
    order = (-scores).argsort(kind="stable")
    hits = positive[order].cumsum()
    last = np.append(np.diff(scores[order]) != 0, True)
    precision, recall = hits[last] / (last.nonzero()[0] + 1), hits[last] / positive.sum()
    return float((np.diff(recall, prepend=0.0) * precision).sum())


def threshold_at(scores: Numbers, rate: float, weights: Numbers | None = None) -> float:
    """The least threshold at which at most `rate` of these scores are flagged."""
    if not len(scores):
        return 0.0
    weights = np.ones(len(scores)) if weights is None else weights
    order = (-scores).argsort(kind="stable")
    share = weights[order].cumsum() / weights.sum()
    within = int((share <= rate).sum())
    return float(np.nextafter(scores[order][min(within, len(scores) - 1)], np.inf))


def recall_at(scores: Numbers, positive: Flags, rate: float, negatives: Numbers | None = None) -> float:
    """The share of positives found when at most `rate` of the negatives are flagged."""
    if not positive.any():
        return float("nan")
    floor = threshold_at(scores[~positive] if negatives is None else negatives, rate)
    return float((scores[positive] >= floor).mean())


def even(sources: Sequence[str], more: Sequence[str] = (), factor: float = 3.0) -> Numbers:
    """Weights that give each source the same say, those in `more` a greater one."""
    names, inverse, counts = np.unique(np.array(sources), return_inverse=True, return_counts=True)
    each = np.array([factor if name in more else 1.0 for name in names]) / counts
    return each[inverse]
