"""The guard of a completion that comes in pieces: what may be shown is shown at once, what is not settled is held back.

For any text and any way to cut it, what the channels let out joins to what the whole text would have been changed to; when
a rule blocks, to a beginning of that.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from proxy.core import Action, Decision, Failure, Finding, Form, Role, Trouble, Watch
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
        self.watches: list[Watching] = []  # of all channels
        self.blocked = False
        self.most_held = 0  # characters of one channel

    def channel(self, role: Role, place: str, form: Form = "text") -> Channel:
        """A guard for one more text of the completion."""
        self.places.append(place)
        return Channel(self, len(self.places) - 1, role, form)

    def take(self, findings: Sequence[Finding], failures: Sequence[Failure]) -> list[Span]:
        """Judge what is new; the spans of it that must be replaced."""
        new = [failure for failure in dict.fromkeys(failures) if failure not in self.failures]
        self.findings += findings
        self.failures += new
        for failure in new:
            self.metrics.check_failed(failure.check, failure.kind)
        step = decide(self.policies, "completion", findings, new)
        self.blocked = self.blocked or step.action == Action.BLOCK
        wanted = (m for m in step.matches if m.mode == "enforce" and m.action == Action.REDACT)
        return [Span(f.start, f.end, f"<{f.category}>", f.score) for f in (m.finding for m in wanted) if f is not None]

    @property
    def decision(self) -> Decision:
        """The decision over everything that has been found."""
        return decide(self.policies, "completion", self.findings, self.failures)

    def close(self) -> None:
        """The stream has ended: count what it took."""
        spent: dict[str, float] = {}
        for watching in self.watches:
            spent[watching.unit.label] = spent.get(watching.unit.label, 0.0) + watching.seconds
        for label, seconds in spent.items():
            self.metrics.checked(label, "completion", seconds)
        self.metrics.held(self.most_held)


class Channel:
    """One text of the completion."""

    __slots__ = ("free", "held", "index", "length", "owner", "role", "spans", "view", "watches")

    def __init__(self, owner: Growing, index: int, role: Role, form: Form) -> None:
        self.owner, self.index, self.role = owner, index, role
        binding, advisory = owner.plan.binding.get(role, ()), owner.plan.advisory.get(role, ())
        self.free = not binding  # nothing can change this text: it goes on as it comes
        self.watches = [Watching(unit, role, binds=True) for unit in binding]
        self.watches += [Watching(unit, role, binds=False) for unit in advisory]
        owner.watches += self.watches
        self.view = view(form)
        self.spans: list[Span] = []
        self.length = 0  # of the text read so far
        self.held = 0

    def push(self, raw: str, *, end: bool = False) -> str:
        """Take more of the text and give what may be shown of it; nothing once a rule has blocked."""
        if not self.watches and self.free:
            return raw
        owner = self.owner
        text = self.view.push(raw, end=end)
        self.length += len(text)
        settled = self.length
        for watching in self.watches[:]:
            reach = self.ask(watching, text, end=end)
            if watching.binds and reach < settled:
                settled = reach
        if owner.blocked:
            return ""
        if self.free:
            self.view.release(self.length, ())
            return raw
        out = self.release(settled)
        if self.held > owner.max_hold and not end:
            return out + self.give_up()
        return out

    def release(self, settled: int) -> str:
        """The text up to where it is settled, with what must be replaced in it replaced."""
        if self.spans:
            place = unspanned(self.spans, settled)
            out = self.view.release(place, joined(span for span in self.spans if span.start < place))
            self.spans = [span for span in self.spans if span.end > place]
        else:
            out = self.view.release(settled, ())
        self.held = held = self.view.held
        self.owner.most_held = max(self.owner.most_held, held)
        return out

    def ask(self, watching: Watching, text: str, *, end: bool) -> int:
        """Let one watch read on; how far it has settled the text."""
        begun = time.perf_counter()
        try:
            report = watching.watch.push(text, end=end)
        except Exception:  # noqa: BLE001 - whatever a check dies of, its rules act by their on_error
            self.drop(watching, "error")
            return self.length
        finally:
            watching.seconds += time.perf_counter() - begun
        if report.findings or report.failures:
            found = [finding.at(self.index, self.role) for finding in report.findings]
            self.spans += self.owner.take(found, report.failures)
        return report.settled

    def drop(self, watching: Watching, kind: Trouble) -> None:
        """A watch that gives no answer is not asked again; its rules act by their on_error."""
        self.watches.remove(watching)
        self.owner.take((), watching.unit.failures(kind))

    def give_up(self) -> str:
        """More is held back than may be: the checks that want it have failed; what no rule blocks for is let out."""
        for watching in [each for each in self.watches if each.binds]:
            self.drop(watching, "overload")
        if self.owner.blocked:
            return ""
        self.length += len(self.view.push("", end=True))
        self.free = True
        return self.release(self.length)


class Watching:
    """A unit's watch over one channel. `binds`: what it has not settled is held back."""

    __slots__ = ("binds", "seconds", "unit", "watch")

    def __init__(self, unit: Unit, role: Role, *, binds: bool) -> None:
        self.unit, self.binds = unit, binds
        self.watch: Watch = unit.check.watch(role)
        self.seconds = 0.0  # that it has taken
