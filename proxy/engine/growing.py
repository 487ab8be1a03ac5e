"""The guard of a completion that comes in pieces: what may be shown is shown at once, what is not settled is held back.

For any text and any way to cut it, what the channels let out joins to what the whole text would have been changed to; when
a rule blocks, to a beginning of that.
"""

from __future__ import annotations

from collections.abc import Sequence

from proxy.core import Action, Decision, Failure, Finding, Form, Role, Watch
from proxy.engine.plan import Plan, Unit
from proxy.metrics import Metrics
from proxy.policy import Policy, decide
from proxy.text import Span, joined, unspanned, view


class Growing:
    """All texts of one completion, and what has been found in them so far."""

    def __init__(self, policies: Sequence[Policy], plan: Plan, max_hold: int, metrics: Metrics) -> None:
        self.policies, self.plan, self.max_hold, self.metrics = policies, plan, max_hold, metrics
        self.findings: list[Finding] = []
        self.failures: list[Failure] = []
        self.places: list[str] = []  # of the channels, by their index
        self.blocked = False
        self.redacted = False
        self.most_held = 0

    def channel(self, role: Role, place: str, form: Form = "text") -> Channel:
        """A guard for one more text of the completion."""
        self.places.append(place)
        return Channel(self, len(self.places) - 1, role, form)

    def take(self, findings: Sequence[Finding], failures: Sequence[Failure]) -> list[Span]:
        """Judge what is new; the spans of it that must be replaced."""
        new = [failure for failure in failures if failure not in self.failures]
        self.findings += findings
        self.failures += new
        for failure in new:
            self.metrics.check_failed(failure.check, failure.kind)
        step = decide(self.policies, "completion", findings, new)
        self.blocked = self.blocked or step.action == Action.BLOCK
        wanted = (m for m in step.matches if m.mode == "enforce" and m.action == Action.REDACT)
        spans = [Span(f.start, f.end, f"<{f.category}>", f.score) for f in (m.finding for m in wanted) if f is not None]
        self.redacted = self.redacted or bool(spans)
        return spans

    @property
    def decision(self) -> Decision:
        """The decision over everything that has been found."""
        return decide(self.policies, "completion", self.findings, self.failures)


class Watching:
    """A unit's watch over one channel; one that dies is not asked again."""

    __slots__ = ("unit", "watch")

    def __init__(self, unit: Unit, role: Role) -> None:
        self.unit = unit
        self.watch: Watch = unit.check.watch(role)


class Channel:
    """One text of the completion."""

    __slots__ = ("advisory", "binding", "index", "owner", "role", "settled", "spans", "view")

    def __init__(self, owner: Growing, index: int, role: Role, form: Form) -> None:
        self.owner, self.index, self.role = owner, index, role
        self.view = view(form)
        self.binding = [Watching(unit, role) for unit in owner.plan.binding if unit.reads(role)]
        self.advisory = [Watching(unit, role) for unit in owner.plan.advisory if unit.reads(role)]
        self.spans: list[Span] = []
        self.settled = 0  # how far the text read is known

    def push(self, raw: str, *, end: bool = False) -> str:
        """Take more of the text and give what may be shown of it; nothing once a rule has blocked."""
        owner = self.owner
        text = self.view.push(raw, end=end)
        self.settled += len(text)
        settled = self.settled
        for watching in self.binding:
            settled = min(settled, self.ask(watching, self.binding, text, end=end))
        for watching in self.advisory:
            self.ask(watching, self.advisory, text, end=end)
        if owner.blocked:
            return ""
        place = unspanned(self.spans, settled) if self.spans else settled
        out = self.view.release(place, joined(span for span in self.spans if span.start < place) if self.spans else ())
        if self.spans:
            self.spans = [span for span in self.spans if span.end > place]
        held = self.view.held
        if held > owner.most_held:
            owner.most_held = held
            if held > owner.max_hold and not end:
                return out + self.give_up()
        return out

    def ask(self, watching: Watching, among: list[Watching], text: str, *, end: bool) -> int:
        """Let one watch read on; how far it has settled the text."""
        try:
            report = watching.watch.push(text, end=end)
        except Exception:  # noqa: BLE001 - whatever a check dies of, its rules act by their on_error
            self.drop(watching, among, "error")
            return self.settled
        if report.findings or report.failures:
            found = [finding.at(self.index, self.role) for finding in report.findings]
            self.spans += self.owner.take(found, report.failures)
        return report.settled

    def drop(self, watching: Watching, among: list[Watching], kind: str) -> None:
        """A watch that gives no answer is not asked again; its rules act by their on_error."""
        if among is self.binding:
            self.binding = [each for each in among if each is not watching]
        else:
            self.advisory = [each for each in among if each is not watching]
        self.owner.take((), watching.unit.failures(kind))

    def give_up(self) -> str:
        """More is held back than may be: the checks that want it have failed; what no rule blocks for is let out."""
        for watching in self.binding:
            self.drop(watching, self.binding, "overload")
        return "" if self.owner.blocked else self.push("")
