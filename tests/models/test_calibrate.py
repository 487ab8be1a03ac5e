"""Scores that mean something, and thresholds that keep their word."""

from __future__ import annotations

import numpy as np
import pytest
from calibrate import LEVELS, RATES, TROUBLED, Table, calibration, fitted, levels, scored
from hypothesis import given, settings
from hypothesis import strategies as st
from rows import LABELS, Row


def table(seed: int, hard: float = 1.0) -> Table:
    """Validation rows of every kind; positives score higher, harmless rows of trying sources a little."""
    rng = np.random.default_rng(seed)
    rows, logits = [], []
    for source, role, benign, n in (
        ("plain", "user", 1, 300),
        ("plain2", "tool", 1, 150),
        ("hard-one", "user", 1, 200),
        ("hard-two", "document", 1, 120),
        ("bad", "user", 0, 250),
        ("bad2", "tool", 0, 120),
    ):
        for i in range(n):
            label = LABELS[i % len(LABELS)] if role == "user" else "injection"
            rows.append(Row(f"{source} {i}", {} if benign else {label: 1}, source, role, benign=benign or None))
            made = rng.normal(-4 + hard * source.startswith("hard"), 1.2, len(LABELS))
            made[LABELS.index(label)] += 0 if benign else 6
            logits.append(made)
    return Table(rows, np.array(logits))


@settings(max_examples=3, deadline=None)
@given(st.integers(0, 50))
def test_levels_flag_no_more_than_they_say(seed: int) -> None:
    """On the rows that they were chosen on, all labels together keep each level's rates, for speakers and for material."""
    data = table(seed)
    scores = scored(data, calibration(data))
    found = levels(data, scores)
    for kind in ("speaker", "material"):
        for level in LEVELS:
            floors = np.array([found[label][kind][level] for label in LABELS])
            flagged = np.asarray((scores >= floors).any(1))
            for hard, rate in ((False, RATES[level]), (True, TROUBLED[level])):
                which = data.harmless & data.of(kind) & (data.hard == hard)
                assert flagged[which].mean() <= rate + 1e-9


def test_a_stricter_level_never_has_the_higher_threshold() -> None:
    """strict is at most balanced, and that at most lenient."""
    data = table(1)
    for kinds in levels(data, scored(data, calibration(data))).values():
        for each in kinds.values():
            assert each["strict"] <= each["balanced"] <= each["lenient"]


def test_levels_find_what_is_plain() -> None:
    """Positives far above all harmless rows are found at balanced."""
    data = table(2)
    scores = scored(data, calibration(data))
    found = levels(data, scores)
    floors = np.array([found[label]["speaker"]["balanced"] for label in LABELS])
    wanted = ~data.harmless & data.of("speaker")
    assert (scores >= floors)[wanted].any(1).mean() > 0.8


def test_a_curve_is_fitted_back() -> None:
    """Labels drawn at the chances of a logistic curve give that curve."""
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 3, 20000)
    drawn = (rng.random(20000) < 1 / (1 + np.exp(-(1.5 * logits - 1)))).astype(float)
    assert fitted(logits, drawn, np.ones(20000)) == pytest.approx((1.5, -1), abs=0.1)


def test_noise_does_not_throw_a_fit_off() -> None:
    """Labels that have nothing to do with the logits, or that split them cleanly, leave a usable slope."""
    logits = np.linspace(-4, 4, 400)
    for known in (np.tile([0.0, 1.0], 200), (logits > 0).astype(float)):
        a, b = fitted(logits, known, np.ones(400) * 100)
        assert 0.2 < a <= 5
        assert abs(b) < 50
