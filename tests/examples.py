"""How many examples a test with a number of its own tries: a fifth of it where the slow tests are left out."""

from __future__ import annotations

import hypothesis

USUAL = 100  # what Hypothesis tries, if nobody says otherwise


def examples(count: int) -> int:
    """So many, or the share of them that the profile at hand has of the usual number."""
    return max(3, count * hypothesis.settings().max_examples // USUAL)


def thorough() -> bool:
    """Whether all examples are tried; if not, what takes long to be made is replaced by what takes longer to be used."""
    return hypothesis.settings().max_examples >= USUAL
