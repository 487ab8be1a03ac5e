"""What Parapet counts. One table of metrics; labels hold only names from the configuration, the policies and the code."""

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
from proxy.metrics.pools import POOLS, PoolMetrics
from proxy.metrics.row import LONG_SECONDS, Row
from proxy.metrics.tally import Counter, Gauge, Histogram, Tally
from proxy.metrics.tokens import Saved, Usage

MOMENTS = (0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5)
SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
WINDOWS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
CHARACTERS = (1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0)
SCORES = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95, 0.98, 0.99, 1.0)
OTHER = "other"  # what any name that is not configured is counted as
REVISIONS = 64  # that one process tells apart; those after them are `other`


METRICS: dict[str, Row] = {
    "parapet_build_info": Row(Gauge, "1; the label says which version runs.", ("version",), across="livemax"),
    "parapet_calls": Row(Counter, "Calls answered, by how they ended.", ("dialect", "model", "outcome")),
    "parapet_calls_in_flight": Row(Gauge, "Calls that are under way."),
    "parapet_call_seconds": Row(
        Histogram, "Time from the beginning of a call to the end of its answer.", ("dialect", "model"), LONG_SECONDS
    ),
    "parapet_unguarded_calls": Row(Counter, "Calls that no policy in force applied to.", ("model", "team")),
    "parapet_decisions": Row(
        Counter,
        "Decisions, one for each direction of a call: the action taken, and what it would be with every rule enforced.",
        ("direction", "action", "would", "team", "revision"),
    ),
    "parapet_matches": Row(
        Counter,
        "Rules that matched in a call, once for each category that they matched for; in the mode monitor, the action is what "
        "the rule would have done.",
        ("policy", "rule", "family", "category", "action", "mode", "direction", "team", "revision"),
    ),
    "parapet_findings": Row(Counter, "Findings that a rule matched, by category.", ("check", "family", "category", "direction")),
    "parapet_unanswered": Row(
        Counter,
        "Rules that acted by their on_error, since their check gave no answer: `allow` let the text pass.",
        ("policy", "rule", "check", "kind", "on_error", "mode", "direction"),
    ),
    "parapet_guard_seconds": Row(
        Histogram, "Time that guarding added before the first byte of a call in one direction.", ("direction",), SECONDS
    ),
    "parapet_chunk_guard_seconds": Row(
        Histogram, "Time that guarding added to one piece of a streamed completion, waits for checks among it.", (), MOMENTS
    ),
    "parapet_check_seconds": Row(Histogram, "Time that checks took over the texts of a call.", ("check", "direction"), SECONDS),
    "parapet_check_failures": Row(Counter, "Checks that gave no answer.", ("check", "kind")),
    "parapet_checks_waiting": Row(
        Gauge, "Calls of checks that were given to threads and have not ended, looked at once a second."
    ),
    "parapet_event_loop_delay_seconds": Row(
        Histogram, "How late a worker's event loop came to what was due, looked at once a second.", (), SECONDS
    ),
    "parapet_held_characters": Row(Histogram, "Most characters of a streamed completion held back at once.", (), CHARACTERS),
    "parapet_not_inspected": Row(Counter, "Parts of calls that no check could read.", ("reason",)),
    "parapet_replaced": Row(Counter, "Findings that were replaced, by how.", ("operator", "category", "direction")),
    "parapet_names": Row(
        Counter,
        "Pseudonyms in completions: restored to the values that the caller gave, or unknown to this caller and left as they are.",
        ("category", "result"),
    ),
    "parapet_remembered_texts": Row(
        Counter,
        "Texts that a check was asked about: those that it judged, and those whose findings were remembered (cached).",
        ("check", "result"),
    ),
    "parapet_classifier_windows": Row(
        Counter,
        "Windows of text that were judged, cleared by a glance, were in the cache, or were given up (expired).",
        ("classifier", "result"),
    ),
    "parapet_classifier_screened": Row(Counter, "Windows of text cleared by the screen, or passed on.", ("result",)),
    "parapet_classifier_score": Row(
        Histogram,
        "Highest score that a window has in any category of the check, remembered windows among them.",
        ("check",),
        SCORES,
    ),
    "parapet_classifier_batch_windows": Row(Histogram, "Windows of text judged at once.", ("classifier",), WINDOWS),
    "parapet_classifier_queue_seconds": Row(
        Histogram, "Time that the first window of a batch waited for the classifier.", ("classifier",), SECONDS
    ),
    "parapet_classifier_overloads": Row(Counter, "Texts turned away because a classifier's queue was full.", ("classifier",)),
    "parapet_classifier_memory_bytes": Row(
        Gauge, "Memory of the GPU that is taken for a classifier's process; nothing on a CPU.", ("classifier",)
    ),
    "parapet_consultations": Row(
        Counter,
        "Texts that a check asked somebody else about: answered, remembered, error, timeout, overload or circuit_open.",
        ("check", "whom", "result"),
    ),
    "parapet_consultation_seconds": Row(
        Histogram, "Time that somebody whom a check asked took to answer.", ("check", "whom"), SECONDS
    ),
    "parapet_consultation_circuit_open": Row(
        Gauge, "1 while somebody failed too often and is not asked, else 0.", ("check", "whom"), across="livemax"
    ),
    "parapet_consultation_restarts": Row(
        Counter, "Processes that were started anew, since one that a check asks had died or hung.", ("check", "whom")
    ),
    "parapet_backend_seconds": Row(Histogram, "Time until the backend's answer began.", ("model",), LONG_SECONDS),
    "parapet_backend_first_chunk_seconds": Row(
        Histogram, "Time until the first piece of a backend's stream came, before it was guarded.", ("model",), LONG_SECONDS
    ),
    "parapet_backend_errors": Row(Counter, "Calls that the backend gave no good answer to.", ("model", "code")),
    **POOLS,
    "parapet_tokens": Row(Counter, "Tokens that backends say they have read (input) and written (output).", ("model", "kind")),
    "parapet_tokens_saved": Row(
        Counter,
        "Tokens, estimated, that backends had not to write since the call was blocked or the caller left a stream: the mean of "
        "the model's answers so far, less what had come.",
        ("model", "direction"),
    ),
    "parapet_overlaps": Row(
        Counter,
        "Calls whose backend was called before the verdict on the prompt, which then passed it; or blocked or replaced it, so "
        "that the backend's call was cancelled.",
        ("model", "result"),
    ),
    "parapet_policy_loads": Row(Counter, "Times that the policy files were read.", ("result",)),
    "parapet_policy_refused": Row(
        Gauge, "1 while the policy files have mistakes and older ones are in force, else 0.", across="livemax"
    ),
    "parapet_policy_in_force": Row(
        Gauge, "1 for the revision of the policies in force, 0 for earlier ones.", ("revision",), across="livemax"
    ),
    "parapet_policy_changed_timestamp_seconds": Row(
        Gauge, "When the policies in force were put in force (Unix time).", across="livemax"
    ),
    "parapet_spans": Row(
        Counter,
        "Spans of traced calls that have ended, were sent, or could not be; the rest was given up.",
        ("result",),
    ),
    "parapet_records": Row(Counter, "Decision records written, and those that could not be.", ("result",)),
}
FORESEEN = {  # are shown as 0 before they happen: Prometheus takes no first value for an increase
    "parapet_records": ("written", "lost"),
    "parapet_policy_loads": ("loaded", "refused"),
}
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
