"""Spans of a text that are to be replaced.

How overlapping spans resolve: spans that share a character are joined to one; its label is that of the span with the highest
score, then the longest, then the first, then the first label in the alphabet. Spans that only touch stay two.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a text to be replaced by `label`; `end` exclusive."""

    start: int
    end: int
    label: str
    score: float = 1.0


def joined(spans: Iterable[Span]) -> list[Span]:
    """The spans in order, those that overlap joined to one under the label of the strongest."""
    groups: list[list[Span]] = []
    end = -1
    for span in sorted(spans, key=lambda s: (s.start, s.end)):
        if groups and span.start < end:
            groups[-1].append(span)
        else:
            groups.append([span])
            end = -1
        end = max(end, span.end)
    return [join(group) for group in groups]


def join(group: Sequence[Span]) -> Span:
    """One span over a group of overlapping ones."""
    best = min(group, key=lambda s: (-s.score, s.start - s.end, s.start, s.label))
    return Span(group[0].start, max(span.end for span in group), best.label, best.score)


def unspanned(spans: Iterable[Span], place: int) -> int:
    """The last offset up to `place` that no span, nor a chain of overlapping ones, goes across."""
    spans = list(spans)
    moved = True
    while moved:
        moved = False
        for span in spans:
            if span.start < place < span.end:
                place, moved = span.start, True
    return place
