"""What Parapet counts, and how it is shown to Prometheus."""

from proxy.metrics.counted import METRICS, OTHER, REASONS, Metrics, Row
from proxy.metrics.exposition import Page, fresh, process_died
from proxy.metrics.tally import Tally
from proxy.metrics.tokens import Usage, usage_of

__all__ = ["METRICS", "OTHER", "REASONS", "Metrics", "Page", "Row", "Tally", "Usage", "fresh", "process_died", "usage_of"]
