"""What Parapet counts, by the table of metrics; labels hold only names from the configuration, the policies and the code."""

from __future__ import annotations

import time
from collections.abc import Collection
from functools import lru_cache
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, disable_created_metrics, generate_latest

from proxy import __version__
from proxy.core import CALLED, Action, Decision, Direction
from proxy.metrics.exemplars import Exemplars
from proxy.metrics.exposition import Page, page
from proxy.metrics.pools import PoolMetrics
from proxy.metrics.row import Row
from proxy.metrics.table import FORESEEN, METRICS, MOMENTS
from proxy.metrics.tally import Counter, Gauge, Histogram, Tally
from proxy.metrics.tokens import Saved, Usage

OTHER = "other"  # what any name that is not configured is counted as
REVISIONS = 64  # that one process tells apart; those after them are `other`
REASONS = frozenset(
    "image audio video file realtime batch unknown_field logprobs timestamps error_body previous_turns "
    "stored_prompt encrypted beyond_windows tokens embeddings".split()
)


class Metrics:
    """The metrics of one process, in a registry of their own."""

    def __init__(self, models: Collection[str] = (), teams: Collection[str] = (), *, shared: Path | None = None) -> None:
        """`models` and `teams` may be labels. `shared`: the folder in which several processes count together."""
        disable_created_metrics()  # type: ignore[no-untyped-call]  # not annotated there
        self.models, self.teams, self.shared = frozenset(models), frozenset(teams), shared
        self.revisions: set[str] = set()
        self.exemplars = Exemplars(shared) if shared else None
        self.saved = Saved()
        self.registry = CollectorRegistry()
        self.made: dict[str, Any] = {name: self.make(name, row) for name, row in METRICS.items()}
        self.child = lru_cache(maxsize=4096)(self.labelled)
        self.child("parapet_build_info", __version__).set(1)
        for name, results in FORESEEN.items():
            for result in results:
                self.child(name, result)

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

    def team(self, name: str) -> str:
        """A team's name as a label; callers without a team have none."""
        return name if not name or name in self.teams else OTHER

    def revision(self, name: str) -> str:
        """A revision as a label."""
        if name not in self.revisions and len(self.revisions) < REVISIONS:
            self.revisions.add(name)
        return name if name in self.revisions else OTHER

    def timed(self, seconds: float, name: str, *labels: str) -> None:
        """Something has taken so long; a call that is traced is remembered as an example of it."""
        histogram, ids = self.child(name, *labels), CALLED.get()
        if not ids.sampled:
            histogram.observe(seconds)
            return
        histogram.observe(seconds, {"trace_id": ids.trace_id})
        if self.exemplars is not None:
            self.exemplars.note(name, dict(zip(METRICS[name].labels, labels, strict=True)), METRICS[name].buckets, seconds, ids)

    def called(self, dialect: str, model: str, outcome: str) -> None:
        """A call has been answered."""
        self.child("parapet_calls", dialect, self.model(model), outcome).inc()

    def took(self, dialect: str, model: str, seconds: float) -> None:
        """A call has taken so long."""
        self.timed(seconds, "parapet_call_seconds", dialect, self.model(model))

    def unguarded(self, model: str, team: str) -> None:
        """No policy applies to a call."""
        self.child("parapet_unguarded_calls", self.model(model), self.team(team)).inc()

    def in_flight(self, change: int) -> None:
        """A call has begun (1) or ended (-1)."""
        self.child("parapet_calls_in_flight").inc(change)

    def decided(self, decision: Decision, team: str = "", revision: str = "") -> None:
        """A decision has been taken: each rule counts once for a category, and each finding once."""
        direction, team, revision = decision.direction, self.team(team), self.revision(revision)
        self.child("parapet_decisions", direction, decision.action.word, decision.would.word, team, revision).inc()
        if not decision.matches:
            return
        matches, findings, unanswered = set(), set(), set()
        for match in decision.matches:
            finding, failure = match.finding, match.failure
            family, category = (finding.family, finding.category) if finding else ("", "")
            matches.add((match.policy, match.rule, family, category, match.action.word, match.mode))
            if finding:
                findings.add(finding)
            if failure:
                on_error = "block" if match.action == Action.BLOCK else "allow"
                unanswered.add((match.policy, match.rule, failure.check, failure.kind, on_error, match.mode))
        for labels in matches:
            self.child("parapet_matches", *labels, direction, team, revision).inc()
        for finding in findings:
            self.child("parapet_findings", finding.check, finding.family, finding.category, direction).inc()
        for labels in unanswered:
            self.child("parapet_unanswered", *labels, direction).inc()

    def guarded(self, direction: Direction, seconds: float) -> None:
        """Guarding has delayed the first byte by so much."""
        self.timed(seconds, "parapet_guard_seconds", direction)

    def chunks(self, tally: Tally) -> None:
        """A stream has ended; guarding has added these times to its pieces."""
        self.child("parapet_chunk_guard_seconds").add(tally)

    def tally(self) -> Tally:
        """An empty tally for the pieces of a stream."""
        return Tally(MOMENTS)

    def checked(self, check: str, direction: Direction, seconds: float) -> None:
        """A check has run over the texts of a call."""
        self.timed(seconds, "parapet_check_seconds", check, direction)

    def remembered(self, check: str, hits: int, misses: int) -> None:
        """A check has been asked about texts, some of which it knew."""
        for result, texts in (("cached", hits), ("judged", misses)):
            if texts:
                self.child("parapet_remembered_texts", check, result).inc(texts)

    def check_failed(self, check: str, kind: str) -> None:
        """A check gave no answer."""
        self.child("parapet_check_failures", check, kind).inc()

    def looked(self, delay: float, waiting: int) -> None:
        """Once a second: how late the event loop was, and how many calls of checks are in threads."""
        self.child("parapet_event_loop_delay_seconds").observe(delay)
        self.child("parapet_checks_waiting").set(waiting)

    def classified(self, classifier: str, result: str, windows: int) -> None:
        """So many windows of text were judged, were in the cache, or were given up."""
        self.child("parapet_classifier_windows", classifier, result).inc(windows)

    def screened(self, result: str, windows: int) -> None:
        """So many windows of text were cleared by the screen, or passed on."""
        self.child("parapet_classifier_screened", result).inc(windows)

    def scored(self, check: str, score: float) -> None:
        """The highest score of a window in any category of a check."""
        self.child("parapet_classifier_score", check).observe(score)

    def takes_memory(self, classifier: str, size: int) -> None:
        """So many bytes of a GPU's memory are taken."""
        self.child("parapet_classifier_memory_bytes", classifier).set(size)

    def batched(self, classifier: str, windows: int, waited: float) -> None:
        """A classifier has begun with a batch, the first of which has waited for so long."""
        self.child("parapet_classifier_batch_windows", classifier).observe(windows)
        self.child("parapet_classifier_queue_seconds", classifier).observe(waited)

    def classifier_overloaded(self, classifier: str) -> None:
        """A classifier has turned a text away."""
        self.child("parapet_classifier_overloads", classifier).inc()

    def consulted(self, check: str, whom: str, result: str, questions: int = 1) -> None:
        """So many questions of a check were answered, remembered, or came to nothing."""
        self.child("parapet_consultations", check, whom, result).inc(questions)

    def consultation(self, check: str, whom: str, seconds: float) -> None:
        """Whom a check asked has answered, well or badly, after so many seconds."""
        self.child("parapet_consultation_seconds", check, whom).observe(seconds)

    def circuit(self, check: str, whom: str, *, open: bool) -> None:
        """Nobody is asked any more, or again."""
        self.child("parapet_consultation_circuit_open", check, whom).set(1 if open else 0)

    def restarted(self, check: str, whom: str) -> None:
        """A process that a check asks has died or hung, and another is started."""
        self.child("parapet_consultation_restarts", check, whom).inc()

    def held(self, characters: int) -> None:
        """A stream has ended that held back at most so many characters."""
        self.child("parapet_held_characters").observe(characters)

    def not_inspected(self, reason: str, count: int = 1) -> None:
        """Parts of a call were not read by any check."""
        self.child("parapet_not_inspected", reason if reason in REASONS else OTHER).inc(count)

    def replaced(self, operator: str, category: str, direction: Direction, count: int) -> None:
        """Findings of a call were replaced."""
        self.child("parapet_replaced", operator, category, direction).inc(count)

    def restored(self, category: str, result: str, count: int) -> None:
        """Pseudonyms in a completion were restored, or are unknown."""
        self.child("parapet_names", category, result).inc(count)

    def backend_began(self, model: str, seconds: float) -> None:
        """The backend's answer has begun."""
        self.timed(seconds, "parapet_backend_seconds", self.model(model))

    def backend_streamed(self, model: str, seconds: float) -> None:
        """The first piece of the backend's stream has come."""
        self.timed(seconds, "parapet_backend_first_chunk_seconds", self.model(model))

    def used(self, model: str, usage: Usage) -> None:
        """A whole answer took so many tokens."""
        label = self.model(model)
        self.child("parapet_tokens", label, "input").inc(usage.input)
        self.child("parapet_tokens", label, "output").inc(usage.output)
        self.saved.answered(label, usage.output)

    def spared(self, model: str, direction: Direction, characters: int = 0) -> None:
        """A call was blocked before its answer, or after so many characters of it."""
        label = self.model(model)
        self.child("parapet_tokens_saved", label, direction).inc(self.saved.left(label, characters))

    def overlapped(self, model: str, result: str) -> None:
        """A backend was called before the verdict, and this came of it."""
        self.child("parapet_overlaps", self.model(model), result).inc()

    def backend_failed(self, model: str, code: str) -> None:
        """The backend gave no good answer."""
        self.child("parapet_backend_errors", self.model(model), code).inc()

    def pool(self, model: str) -> PoolMetrics:
        """The metrics of one pool."""
        return PoolMetrics(self.model(model), self.child)

    def in_force(self, revision: str) -> None:
        """Other policies are in force."""
        for known in self.revisions:
            self.child("parapet_policy_in_force", known).set(0)
        self.child("parapet_policy_in_force", self.revision(revision)).set(1)
        self.child("parapet_policy_changed_timestamp_seconds").set(time.time())

    def policies_loaded(self, *, ok: bool) -> None:
        """The policy files have been read."""
        self.child("parapet_policy_loads", "loaded" if ok else "refused").inc()
        self.child("parapet_policy_refused").set(0 if ok else 1)

    def spanned(self, result: str, count: int) -> None:
        """Spans have ended, were sent, or could not be."""
        self.child("parapet_spans", result).inc(count)

    def recorded(self, ok: bool) -> None:
        """A decision record was written, or was lost."""
        self.child("parapet_records", "written" if ok else "lost").inc()

    def exposition(self) -> bytes:
        """Everything of this process in Prometheus' text format."""
        return generate_latest(self.registry)

    def page(self, accept: str = "") -> Page:
        """Everything, of all processes where several count together, in the format that a scraper asks for."""
        return page(self.registry, accept, self.shared)
