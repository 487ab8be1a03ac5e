"""What is counted of the pools and their deployments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from proxy.metrics.row import LONG_SECONDS, Row
from proxy.metrics.tally import Counter, Gauge, Histogram

POOLS: dict[str, Row] = {
    "parapet_backend_attempts": Row(
        Counter, "Calls sent to a deployment, retries too, by how they ended: ok, left or a code.", ("model", "backend", "result")
    ),
    "parapet_backend_in_flight": Row(Gauge, "Calls under way at a deployment.", ("model", "backend")),
    "parapet_backend_open": Row(Gauge, "Workers that leave a deployment alone after failures.", ("model", "backend")),
    "parapet_backend_probes": Row(
        Counter, "Times that a deployment was asked whether it is well.", ("model", "backend", "result")
    ),
    "parapet_backend_retries": Row(
        Counter, "Failed calls sent to another deployment, or withheld because of retry_share.", ("model", "result")
    ),
    "parapet_backend_fallbacks": Row(Counter, "Calls that another pool was asked to serve.", ("model",)),
    "parapet_queue_waiting": Row(Gauge, "Calls that wait for a place at a deployment.", ("model",)),
    "parapet_queue_seconds": Row(Histogram, "Time that calls waited for a place.", ("model",), LONG_SECONDS),
    "parapet_queue_refused": Row(
        Counter,
        "Calls refused because deployments were full: the line was full too, would take too long (slow) or did (late), or a "
        "team that waited with fewer calls took the place (displaced).",
        ("model", "cause"),
    ),
}


class PoolMetrics:
    """The metrics of one pool; `child` finds a metric for its labels."""

    def __init__(self, model: str, child: Callable[..., Any]) -> None:
        self.model, self.child = model, child

    def attempted(self, backend: str, result: str) -> None:
        """A call that was sent to a deployment has ended."""
        self.child("parapet_backend_attempts", self.model, backend, result).inc()

    def placed(self, backend: str, change: int) -> None:
        """A call has begun (1) or ended (-1) at a deployment."""
        self.child("parapet_backend_in_flight", self.model, backend).inc(change)

    def opened(self, backend: str, *, is_open: bool) -> None:
        """A deployment is left alone from now on, or is not."""
        self.child("parapet_backend_open", self.model, backend).set(int(is_open))

    def probed(self, backend: str, *, ok: bool) -> None:
        """A deployment has been asked whether it is well."""
        self.child("parapet_backend_probes", self.model, backend, "ok" if ok else "failed").inc()

    def retried(self, *, sent: bool) -> None:
        """A failed call goes to another deployment, or may not."""
        self.child("parapet_backend_retries", self.model, "sent" if sent else "withheld").inc()

    def fell_back(self) -> None:
        """A call goes to another pool."""
        self.child("parapet_backend_fallbacks", self.model).inc()

    def waiting(self, change: int) -> None:
        """A call has begun (1) or ended (-1) to wait for a place."""
        self.child("parapet_queue_waiting", self.model).inc(change)

    def waited(self, seconds: float) -> None:
        """A call has waited for its place for so long."""
        self.child("parapet_queue_seconds", self.model).observe(seconds)

    def refused(self, cause: str) -> None:
        """A call got no place."""
        self.child("parapet_queue_refused", self.model, cause).inc()
