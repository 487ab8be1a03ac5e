"""Metrics that cost little to count with, and histograms that take many values at once.

prometheus-client looks at each increase: whether its labels are there, whether it is positive, whether it has an example. Here
labels are given once, by whoever keeps the child, and what is counted only grows by the code that counts; so all of that is left
out where it would be done some twenty times a call.
"""

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


class Counter(prometheus_client.Counter):
    """A counter whose children are increased without a look at how."""

    def inc(self, amount: float = 1, exemplar: dict[str, str] | None = None) -> None:  # noqa: ARG002 - counters have no examples
        """So much more."""
        self._value.inc(amount)


class Gauge(prometheus_client.Gauge):
    """A gauge whose children are increased without a look at how."""

    def inc(self, amount: float = 1) -> None:
        """So much more, or less."""
        self._value.inc(amount)


class Histogram(prometheus_client.Histogram):
    """A histogram that takes a tally, too."""

    def observe(self, amount: float, exemplar: dict[str, str] | None = None) -> None:
        """One more value."""
        if exemplar is not None:
            super().observe(amount, exemplar)
            return
        self._sum.inc(amount)
        self._buckets[bisect_left(self._upper_bounds, amount)].inc(1)

    def add(self, tally: Tally) -> None:
        """All values of a tally."""
        self._sum.inc(tally.total)
        for bucket, count in zip(self._buckets, tally.counts, strict=True):
            if count:
                bucket.inc(count)
