"""The soak tells memory that grows from memory that does not; the bench of dialects has a figure for each."""

from __future__ import annotations

import asyncio

import pytest

from bench.dialects import costs
from bench.soak import GROWTH, growth
from proxy.dialects import DIALECTS


def test_growth_is_that_after_warming_up() -> None:
    """What is taken at the beginning does not count; a leak does, and so does a step; one high reading does not."""
    warming = [50, 80, 95, 100]
    assert growth([*warming, *[100] * 16]) == 0
    assert growth([*warming, *(100 + number for number in range(16))]) > GROWTH
    assert growth([*warming, *[100] * 8, *[110] * 8]) > GROWTH
    assert growth([*warming, *[100] * 13, 900, 100, 100]) == 0


@pytest.mark.slow
def test_every_dialect_has_its_figures() -> None:
    """Those that stream have all of them."""
    made = {each.dialect: each for each in asyncio.run(costs(1))}
    assert list(made) == [dialect.name for dialect in DIALECTS.values()]
    assert all(each.prompt > 0 for each in made.values())
    assert {name for name, each in made.items() if each.piece > 0} == {
        "openai-chat", "openai-completions", "openai-responses", "anthropic-messages", "gemini-stream",
    }  # fmt: skip
