"""One pass over a text for many checks: which of their expressions may match, and what may still become a match."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from proxy.core import Finding

CONTEXT = 120  # characters before a match that its findings may depend on: as much is kept of a text that streams


@dataclass(frozen=True, slots=True)
class Expression:
    """A regular expression in the syntax of `re`, with its flags."""

    pattern: str
    flags: int = 0


class PatternCheck(Protocol):
    """A check whose every finding covers, or lies within, a match of an expression that it declares.

    `expressions` maps a key of the check's own to expressions, at least one of which matches wherever a finding of that
    key can be. `confirm` returns the findings of the `keys` given, in the whole of `text`. A finding may depend on the text
    of its match, on what the expressions look ahead for, and on at most CONTEXT characters before it; on nothing else.
    """

    name: str
    variant: str
    expressions: Mapping[str, Sequence[Expression]]

    def confirm(self, text: str, keys: Collection[str]) -> list[Finding]:
        """The findings of `keys` in `text`, in any order; overlapping ones are allowed."""
        ...
