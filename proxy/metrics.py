"""What Parapet counts. One table of metrics; labels hold only names from the configuration, the policies and the code."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from proxy.core import Decision, Direction

SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
LONG_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
WINDOWS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
CHARACTERS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536)
OTHER = "other"  # what any name that is not configured is counted as


@dataclass(frozen=True, slots=True)
class Row:
    """One metric: its kind, its labels, what it means; `across` says what the gauges of several processes come to."""

    kind: type[Counter] | type[Gauge] | type[Histogram]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    across: Literal["livesum", "livemax"] = "livesum"


METRICS: dict[str, Row] = {
    "parapet_calls": Row(Counter, "Calls answered, by how they ended.", ("dialect", "model", "outcome")),
    "parapet_calls_in_flight": Row(Gauge, "Calls that are under way."),
    "parapet_decisions": Row(
        Counter,
        "Rules that matched in a call, and calls in which none did (action allow, policy and rule empty).",
        ("policy", "rule", "family", "action", "mode", "direction"),
    ),
    "parapet_findings": Row(Counter, "Findings that a rule matched, by category.", ("check", "family", "category", "direction")),
    "parapet_guard_seconds": Row(
        Histogram, "Time that guarding added before the first byte of a call in one direction.", ("direction",), SECONDS
    ),
    "parapet_check_seconds": Row(Histogram, "Time that checks took over the texts of a call.", ("check", "direction"), SECONDS),
    "parapet_check_failures": Row(Counter, "Checks that gave no answer.", ("check", "kind")),
    "parapet_held_characters": Row(
        Histogram, "Most characters of a streamed completion held back at once.", (), tuple(map(float, CHARACTERS))
    ),
    "parapet_not_inspected": Row(Counter, "Parts of calls that no check could read.", ("reason",)),
    "parapet_classifier_windows": Row(
        Counter, "Windows of text that were judged, were in the cache, or were given up (expired).", ("classifier", "result")
    ),
    "parapet_classifier_screened": Row(Counter, "Windows of text cleared by the screen, or passed on.", ("result",)),
    "parapet_classifier_batch_windows": Row(Histogram, "Windows of text judged at once.", ("classifier",), WINDOWS),
    "parapet_classifier_queue_seconds": Row(
        Histogram, "Time that the first window of a batch waited for the classifier.", ("classifier",), SECONDS
    ),
    "parapet_classifier_overloads": Row(Counter, "Texts turned away because a classifier's queue was full.", ("classifier",)),
    "parapet_backend_seconds": Row(Histogram, "Time until the backend's answer began.", ("model",), LONG_SECONDS),
    "parapet_backend_errors": Row(Counter, "Calls that the backend gave no good answer to.", ("model", "code")),
    "parapet_policy_loads": Row(Counter, "Times that the policy files were read.", ("result",)),
    "parapet_policy_refused": Row(
        Gauge, "1 while the policy files have mistakes and older ones are in force, else 0.", across="livemax"
    ),
    "parapet_records": Row(Counter, "Decision records written, and those that could not be.", ("result",)),
}
REASONS = frozenset(
    "image audio video file unknown_part unknown_field unknown_event logprobs error_body previous_response_id "
    "beyond_windows tokens embeddings".split()
)


def process_died(pid: int) -> None:
    """A process that counted together with others has ended: what its gauges said is no longer so."""
    mark_process_dead(pid)  # type: ignore[no-untyped-call]  # not annotated there


class Metrics:
    """The metrics of one process, in a registry of their own."""

    def __init__(self, models: Collection[str] = (), *, shared: bool = False) -> None:
        """`models` are the names that may be labels. `shared`: several processes count together (PROMETHEUS_MULTIPROC_DIR)."""
        disable_created_metrics()  # type: ignore[no-untyped-call]  # not annotated there
        self.models, self.shared = frozenset(models), shared
        self.registry = CollectorRegistry()
        self.made: dict[str, Any] = {name: self.make(name, row) for name, row in METRICS.items()}
        self.child = lru_cache(maxsize=4096)(self.labelled)

    def make(self, name: str, row: Row) -> Counter | Gauge | Histogram:
        if row.kind is Histogram:
            return Histogram(name, row.help, row.labels, buckets=row.buckets, registry=self.registry)
        if row.kind is Gauge:
            return Gauge(name, row.help, row.labels, registry=self.registry, multiprocess_mode=row.across)
        return Counter(name, row.help, row.labels, registry=self.registry)

    def labelled(self, name: str, *labels: str) -> Any:
        """The child of a metric for these label values."""
        return self.made[name].labels(*labels) if labels else self.made[name]

    def model(self, name: str) -> str:
        """A model's name as a label: only configured ones are told apart."""
        return name if name in self.models else OTHER

    def called(self, dialect: str, model: str, outcome: str) -> None:
        """A call has been answered."""
        self.child("parapet_calls", dialect, self.model(model), outcome).inc()

    def in_flight(self, change: int) -> None:
        """A call has begun (1) or ended (-1)."""
        self.child("parapet_calls_in_flight").inc(change)

    def decided(self, decision: Decision) -> None:
        """A decision has been taken; each rule counts once."""
        if not decision.matches:
            self.child("parapet_decisions", "", "", "", "allow", "", decision.direction).inc()
            return
        rules, findings = set(), set()
        for match in decision.matches:
            finding = match.finding
            family = finding.family if finding else ""
            rules.add((match.policy, match.rule, family, match.action.word, match.mode))
            if finding:
                findings.add(finding)
        for labels in rules:
            self.child("parapet_decisions", *labels, decision.direction).inc()
        for finding in findings:
            self.child("parapet_findings", finding.check, finding.family, finding.category, decision.direction).inc()

    def guarded(self, direction: Direction, seconds: float) -> None:
        """Guarding has delayed the first byte by so much."""
        self.child("parapet_guard_seconds", direction).observe(seconds)

    def checked(self, check: str, direction: Direction, seconds: float) -> None:
        """A check has run over the texts of a call."""
        self.child("parapet_check_seconds", check, direction).observe(seconds)

    def check_failed(self, check: str, kind: str) -> None:
        """A check gave no answer."""
        self.child("parapet_check_failures", check, kind).inc()

    def classified(self, classifier: str, result: str, windows: int) -> None:
        """So many windows of text were judged, were in the cache, or were given up."""
        self.child("parapet_classifier_windows", classifier, result).inc(windows)

    def screened(self, result: str, windows: int) -> None:
        """So many windows of text were cleared by the screen, or passed on."""
        self.child("parapet_classifier_screened", result).inc(windows)

    def batched(self, classifier: str, windows: int, waited: float) -> None:
        """A classifier has begun with a batch, the first of which has waited for so long."""
        self.child("parapet_classifier_batch_windows", classifier).observe(windows)
        self.child("parapet_classifier_queue_seconds", classifier).observe(waited)

    def classifier_overloaded(self, classifier: str) -> None:
        """A classifier has turned a text away."""
        self.child("parapet_classifier_overloads", classifier).inc()

    def held(self, characters: int) -> None:
        """A stream has ended that held back at most so many characters."""
        self.child("parapet_held_characters").observe(characters)

    def not_inspected(self, reason: str, count: int = 1) -> None:
        """Parts of a call were not read by any check."""
        self.child("parapet_not_inspected", reason if reason in REASONS else OTHER).inc(count)

    def backend_began(self, model: str, seconds: float) -> None:
        """The backend's answer has begun."""
        self.child("parapet_backend_seconds", self.model(model)).observe(seconds)

    def backend_failed(self, model: str, code: str) -> None:
        """The backend gave no good answer."""
        self.child("parapet_backend_errors", self.model(model), code).inc()

    def policies_loaded(self, *, ok: bool) -> None:
        """The policy files have been read."""
        self.child("parapet_policy_loads", "loaded" if ok else "refused").inc()
        self.child("parapet_policy_refused").set(0 if ok else 1)

    def recorded(self, ok: bool) -> None:
        """A decision record was written, or was lost."""
        self.child("parapet_records", "written" if ok else "lost").inc()

    def exposition(self) -> bytes:
        """Everything in Prometheus' text format; of all processes where several count together."""
        if not self.shared:
            return generate_latest(self.registry)
        together = CollectorRegistry()
        MultiProcessCollector(together)  # type: ignore[no-untyped-call]  # not annotated there
        return generate_latest(together)
