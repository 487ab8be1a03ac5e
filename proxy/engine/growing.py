"""The guard of a completion that comes in pieces: what may be shown is shown at once, what is not settled is held back.

For any text and any way to cut it, what the channels let out joins to what the whole text would have been changed to; when
a rule blocks, to a beginning of that.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace

from proxy.core import Action, Decision, Failure, Finding, Form, Role, Timed, Trouble, Watch
from proxy.engine.plan import Plan, Unit
from proxy.engine.rewriting import Rewriting, form_of, span_of, wanted
from proxy.errors import CheckError
from proxy.metrics import Metrics
from proxy.operators import Conversation, Restorer
from proxy.policy import Policy, decide
from proxy.text import Span, joined, unspanned, view, worded
from proxy.traces import step

RECENT = 16_384  # characters of a text that are kept to tell names by


class Growing:
    """All texts of one completion, and what has been found in them so far."""

    def __init__(
        self, policies: Sequence[Policy], plan: Plan, max_hold: int, metrics: Metrics, conversation: Conversation
    ) -> None:
        self.policies, self.plan, self.max_hold, self.metrics = policies, plan, max_hold, metrics
        self.conversation, self.rewriting = conversation, Rewriting(conversation, "completion")
        self.restorer = Restorer(conversation) if conversation.live else None  # what is shown goes through it last
        self.findings: list[Finding] = []
        self.failures: list[Failure] = []
        self.places: list[str] = []  # of the channels, by their index
        self.watches: list[Watching] = []  # of all channels but those that were let go
        self.spent: dict[str, float] = {}  # seconds that the watches of those have taken, by unit
        self.late: list[Channel] = []  # have ended, and some of their watches are still finding out
        self.not_inspected: dict[str, int] = {}  # texts that were not read to their end, by reason
        self.blocked = self.shown = False  # a rule has blocked; all has been shown, and none had
        self.begun = time.time_ns()
        self.most_held = 0  # characters of one channel
        self.length = 0  # characters that have been read, of all channels

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
        return list(map(span_of, wanted(step.matches)))

    @property
    def known(self) -> tuple[int, int, int]:
        """How much is known: it stays the same while nothing is found, fails or is passed over."""
        return len(self.findings), len(self.failures), sum(self.not_inspected.values())

    def let_go(self, first: int) -> None:
        """The watches from this one on are over texts that have ended: only what they took is kept."""
        for watching in self.watches[first:]:
            label = watching.unit.label
            self.spent[label] = self.spent.get(label, 0.0) + watching.seconds
        del self.watches[first:]

    @property
    def free(self) -> bool:
        """Whether nothing that comes is looked at or changed."""
        return not (self.plan.binding or self.plan.advisory or self.restorer)

    @property
    def changes(self) -> bool:
        """Whether what comes may be changed."""
        return bool(self.plan.binding or self.restorer)

    @property
    def decision(self) -> Decision:
        """The decision over everything that has been found; a check that failed when all had been shown can only flag."""
        made = decide(self.policies, "completion", self.findings, self.failures)
        return replace(made, action=Action.FLAG) if self.shown and made.action == Action.BLOCK else made

    async def wait(self, *, binding: bool) -> None:
        """Wait until a watch over a text that has ended knows more, or its time is over; `binding`: one that holds text back."""
        late = [watching for channel in self.late for watching in channel.watches if watching.binds or not binding]
        waits = {watching.wait: watching.deadline for watching in late if watching.wait is not None}
        if waits:
            left = max(0.0, min(waits.values()) - time.monotonic())
            await asyncio.wait(map(asyncio.wrap_future, waits), timeout=left, return_when=asyncio.FIRST_COMPLETED)

    async def finish(self) -> None:
        """Wait for what the watches that hold nothing back still find out, so that the decision is over everything."""
        self.shown = not self.blocked
        while self.late:
            await self.wait(binding=False)
            for channel in self.late[:]:
                channel.harvest()

    def close(self) -> None:
        """The stream has ended: count what it took."""
        self.let_go(0)
        for label, seconds in self.spent.items():
            self.metrics.checked(label, "completion", seconds)
            with step(f"check {label}", {"parapet.check": label, "parapet.direction": "completion"}, begun=self.begun) as span:
                span.note({"parapet.seconds": seconds})  # that it took, of all the time of the stream
        self.metrics.held(self.most_held)


class Channel:
    """One text of the completion."""

    __slots__ = ("free", "held", "index", "last", "length", "owner", "recent", "restoring", "role", "spans", "view", "watches")

    def __init__(self, owner: Growing, index: int, role: Role, form: Form) -> None:
        self.owner, self.index, self.role = owner, index, role
        binding, advisory = owner.plan.binding.get(role, ()), owner.plan.advisory.get(role, ())
        self.free = not binding  # nothing can change this text: it goes on as it comes
        before = owner.conversation.asked
        self.watches = [Watching(unit, unit.watch(role, before), binds=True) for unit in binding]
        self.watches += [Watching(unit, unit.watch(role, before), binds=False) for unit in advisory]
        owner.watches += self.watches
        form = form_of(form, role, owner.conversation)
        self.view = view(form)
        self.restoring = owner.restorer.text(form) if owner.restorer else None
        self.recent = ""  # the last of the text read, by which names are known; where nothing is restored, nothing
        self.spans: list[Span] = []
        self.length = 0  # of the text read so far
        self.held = 0
        self.last = ""  # the raw piece that ended it

    def push(self, raw: str, *, end: bool = False) -> str:
        """Take more of the text and give what may be shown of it; nothing once a rule has blocked.

        At the end, a watch that is still finding out has failed: see `close`, for those who can wait.
        """
        if end:
            self.close(raw)
            return self.rest()
        shown = self.judged(raw)
        return self.restoring.push(shown) if self.restoring else shown

    def judged(self, raw: str) -> str:
        """Let the watches read on; what of the text the rules let through."""
        if not self.watches and self.free:
            return raw
        owner = self.owner
        settled = self.read(raw, end=False)
        if owner.blocked:
            return ""
        if self.free:
            self.view.release(self.length, ())
            return raw
        out = self.release(settled)
        if self.held > owner.max_hold:
            return out + self.give_up()
        return out

    def read(self, raw: str, *, end: bool) -> int:
        """Let all watches read on; how far the text is settled."""
        text = self.view.push(raw, end=end)
        self.length += len(text)
        self.owner.length += len(text)
        if self.restoring:
            self.recent = (self.recent + text)[-RECENT:]
        settled = self.length
        for watching in self.watches[:]:
            reach = self.ask(watching, text, end=end)
            if watching.binds and watching.unit.holds and not end:
                settled = 0
            if watching.binds and reach < settled:
                settled = reach
        return settled

    def close(self, raw: str = "") -> None:
        """Take the last of the text. When nothing `waits` any more, `rest` gives what may be shown of it."""
        self.last = raw
        if not self.watches and self.free:
            return
        self.read(raw, end=True)
        if any(watching.wait is not None for watching in self.watches):
            self.owner.late.append(self)

    @property
    def waits(self) -> bool:
        """Whether something is held back by a watch that is still finding out."""
        return not self.owner.blocked and any(watching.binds and watching.wait is not None for watching in self.watches)

    def harvest(self) -> None:
        """Ask the watches that were still finding out; those whose time is over have failed."""
        now = time.monotonic()
        for watching in [each for each in self.watches if each.wait is not None]:
            if watching.wait is not None and watching.wait.done():
                self.ask(watching, "", end=True)
            elif watching.deadline <= now:
                self.drop(watching, "timeout")
        if self in self.owner.late and all(watching.wait is None for watching in self.watches):
            self.owner.late.remove(self)

    def rest(self) -> str:
        """What may be shown of a text that has ended; what still waits has failed."""
        shown = self.left()
        return self.restoring.push(shown, end=True) if self.restoring and not self.owner.blocked else shown

    def left(self) -> str:
        """What the rules let through of the end."""
        if not self.watches and self.free:
            return self.last
        if not self.owner.blocked:  # else nobody waited for the others
            for watching in [each for each in self.watches if each.binds and each.wait is not None]:
                self.drop(watching, "timeout")
        if self.owner.blocked:
            return ""
        if self.free:
            self.view.release(self.length, ())
            return self.last
        return self.release(self.length)

    def release(self, settled: int) -> str:
        """The text up to where it is settled, with what must be replaced in it replaced."""
        if self.spans:
            place = unspanned(self.spans, settled)
            due = joined(span for span in self.spans if span.start < place)
            out = self.view.release(place, worded(self.view, due, self.owner.rewriting.word))
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
        except CheckError as error:
            self.drop(watching, error.kind)
            return self.length
        except Exception:  # noqa: BLE001 - whatever a check dies of, its rules act by their on_error
            self.drop(watching, "error")
            return self.length
        finally:
            watching.seconds += time.perf_counter() - begun
        if report.findings or report.failures:
            found = [finding.at(self.index, self.role) for finding in report.findings if not self.is_name(finding)]
            self.spans += self.owner.take(found, report.failures)
        for reason in report.not_inspected:
            self.owner.not_inspected[reason] = self.owner.not_inspected.get(reason, 0) + 1
        if report.wait is not None or watching.wait is not None:
            watching.waits(report.wait)
        return report.settled

    def is_name(self, finding: Finding) -> bool:
        """Whether what was found is only a name of this conversation."""
        return bool(self.recent) and self.owner.conversation.is_name(self.recent, self.length - len(self.recent), finding)

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

    __slots__ = ("binds", "deadline", "seconds", "unit", "wait", "watch")

    def __init__(self, unit: Unit, watch: Watch, *, binds: bool) -> None:
        self.unit, self.watch, self.binds = unit, watch, binds
        if unit.waiting is not None and isinstance(self.watch, Timed):
            self.watch.timeout = unit.timeout
        self.seconds = 0.0  # that it has taken
        self.wait: Future[None] | None = None  # the text has ended, and it is still finding out
        self.deadline = math.inf  # on time.monotonic(): when that has taken too long

    def waits(self, wait: Future[None] | None) -> None:
        """What it waits for now; its time begins when it first does."""
        self.wait = wait
        self.deadline = min(self.deadline, time.monotonic() + self.unit.timeout)
