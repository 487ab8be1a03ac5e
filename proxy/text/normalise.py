"""Views of a text as it reads once what hides it from a machine is undone; spans of a view map back to the text."""

from __future__ import annotations

from dataclasses import dataclass

from proxy.text.alignment import Alignment
from proxy.text.folding import folded


@dataclass(frozen=True, slots=True)
class Normalised:
    """One view of a text. `name` says what was undone: "folded" for the first."""

    name: str
    text: str
    ways: tuple[Alignment, ...] = ()  # back to the original, the last first

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The smallest span of the original text that covers what this span of the view came from; `end` is exclusive."""
        end = max(min(end, len(self.text)), 0)
        start = max(min(start, end), 0)
        for way in reversed(self.ways):
            start, end = way.span(start, end)
        return start, end


def normalised(text: str) -> tuple[Normalised, ...]:
    """The views of a text that a classifier should read, the folded one first."""
    read, ways = folded(text, len(text))
    return (Normalised("folded", read, ways),)
