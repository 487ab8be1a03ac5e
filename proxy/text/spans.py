"""Spans of a text that are to be replaced.

How overlapping spans resolve: spans that share a character are joined to one. Its label and category are those of the span with
the highest score, then the longest, then the first, then the first label in the alphabet. Its operator is the one that tells the
least of all of them (label, hash, synthetic, pseudonym, mask; of two masks the one that keeps less), and it is applied to all of
the joined text: so a further rule, or a further finding, can only make less be told. Spans that only touch stay two.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from proxy.core import LABEL, Finding, Operator


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a text to be replaced by `label`, or by what the operator makes of it; `end` exclusive."""

    start: int
    end: int
    label: str
    score: float = 1.0
    category: str = ""
    operator: Operator = LABEL

    @classmethod
    def of(cls, finding: Finding, operator: Operator = LABEL) -> Span:
        """What is to be replaced of a finding; where two overlap, one that only says what was there wins over a proposed text."""
        if finding.replacement is not None and operator.way == "label":
            return cls(finding.start, finding.end, finding.replacement, finding.score - 1, finding.category)
        return cls(finding.start, finding.end, f"<{finding.category}>", finding.score, finding.category, operator)


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
    operator = min((span.operator for span in group), key=lambda o: o.tells)
    return Span(group[0].start, max(span.end for span in group), best.label, best.score, best.category, operator)


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
