"""What one metric is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from proxy.metrics.tally import Counter, Gauge, Histogram

LONG_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)


@dataclass(frozen=True, slots=True)
class Row:
    """One metric: its kind, its labels, what it means; `across` says what the gauges of several processes come to."""

    kind: type[Counter] | type[Gauge] | type[Histogram]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    across: Literal["livesum", "livemax"] = "livesum"
