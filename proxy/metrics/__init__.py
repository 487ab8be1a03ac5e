"""What Parapet counts, and how it is shown to Prometheus."""

from proxy.metrics.counted import OTHER, REASONS, Metrics
from proxy.metrics.exposition import Page, fresh, process_died
from proxy.metrics.pools import PoolMetrics
from proxy.metrics.row import Row
from proxy.metrics.table import METRICS
from proxy.metrics.tally import Tally
from proxy.metrics.tokens import Usage, usage_of

__all__ = [
    "METRICS",
    "OTHER",
    "REASONS",
    "Metrics",
    "Page",
    "PoolMetrics",
    "Row",
    "Tally",
    "Usage",
    "fresh",
    "process_died",
    "usage_of",
]
