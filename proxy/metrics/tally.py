"""Histograms that take many values at once: one look into the buckets a stream, where there would be one a piece."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import prometheus_client


class Tally:
    """Values counted by bucket, to be added to a histogram with the same bounds."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds, self.total = bounds, 0.0
        self.counts = [0] * (len(bounds) + 1)

    def count(self, value: float) -> None:
        """One more value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class Histogram(prometheus_client.Histogram):
    """A histogram that takes a tally, too."""

    def add(self, tally: Tally) -> None:
        """All values of a tally."""
        self._sum.inc(tally.total)
        for bucket, count in zip(self._buckets, tally.counts, strict=True):
            if count:
                bucket.inc(count)
