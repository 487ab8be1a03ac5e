"""Figures of merit against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from measure import auprc, auroc, even, recall_at, threshold_at

SCORES = st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=2, max_size=40)


def both(pairs: list[tuple[int, bool]]) -> bool:
    """Whether there are positives and negatives."""
    return {positive for _, positive in pairs} == {True, False}


@given(SCORES.filter(both))
def test_the_area_under_the_curve_is_the_chance_that_a_positive_scores_higher(pairs: list[tuple[int, bool]]) -> None:
    """AUROC is what counting all pairs gives, ties as half."""
    good = [score for score, positive in pairs if positive]
    bad = [score for score, positive in pairs if not positive]
    counted = sum((g > b) + 0.5 * (g == b) for g in good for b in bad) / (len(good) * len(bad))
    found = auroc(np.array([s for s, _ in pairs], float), np.array([p for _, p in pairs]))
    assert found == pytest.approx(counted)


def test_average_precision_of_a_known_ranking() -> None:
    """Hits at ranks 1 and 3 of 4: the mean of 1/1 and 2/3."""
    assert auprc(np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, False, True, False])) == pytest.approx((1 + 2 / 3) / 2)


def test_average_precision_does_not_depend_on_the_order_of_ties() -> None:
    """Rows that score the same are ranked together."""
    scores = np.zeros(10)
    first = np.array([True] + [False] * 9)
    assert auprc(scores, first) == pytest.approx(auprc(scores, first[::-1])) == pytest.approx(0.1)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60), st.floats(0, 0.9))
def test_a_threshold_flags_no_more_than_its_rate(scores: list[float], rate: float) -> None:
    """Whatever the ties, at most that share of the scores reaches the threshold."""
    values = np.array(scores)
    assert (values >= threshold_at(values, rate)).mean() <= rate + 1e-9


def test_recall_at_a_rate_counts_negatives_that_are_named() -> None:
    """Of three positives two stand above all given negatives."""
    scores, positive = np.array([0.9, 0.8, 0.1, 0.85]), np.array([True, True, True, False])
    assert recall_at(scores, positive, 0.0, np.array([0.5, 0.6])) == pytest.approx(2 / 3)


def test_each_source_has_the_same_say() -> None:
    """A source with many rows weighs as much as one with few, a named one three times as much."""
    weights = even(["a", "a", "b", "c"], ["c"])
    assert weights.tolist() == [0.5, 0.5, 1.0, 3.0]
