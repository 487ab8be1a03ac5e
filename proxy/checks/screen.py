"""One pass over a text for many checks: which of their expressions may match, and what may still become a match.

`Screen` holds the expressions of several pattern checks in two automata (Hyperscan's where the package is there, plain
regular expressions where it is not). `Screened` makes one Check of those checks: it runs the screen, and asks a check to
confirm only where one of its expressions may match. Most text is cleared by the screen alone.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

from proxy.checks.automaton import Prefixes, Scanner, Searches, automaton, available, size
from proxy.checks.expression import folds, screened
from proxy.core import DEADLINE, Failure, Finding, Report, Role, Segment
from proxy.errors import CheckError, CheckTimeout

CONTEXT = 120  # characters before a match that its findings may depend on: as much is kept of a text that streams
LARGE = 2048  # a text held back beyond this is looked at again only when it has grown by an eighth: work stays linear
HUGE = 32768  # beyond this, by a half: nobody reads a run of so many characters as it comes
BLOCK = 4096  # a text longer than twice this is read as one that streams: what is confirmed is the surroundings of a match
TRIES = 8  # places that are tried, from the end, when the window of a text that streams is moved on


@dataclass(frozen=True, slots=True)
class Expression:
    """A regular expression in the syntax of `re`, with its flags.

    `opens` may be another one, of many expressions alike, that stands for it where a match may begin: all that this one can begin
    with it can, too. In bytes, it is a run of them that may be a match. Automata over what many expressions begin with are dear.
    """

    pattern: str
    flags: int = 0
    opens: str | bytes = ""


class PatternCheck(Protocol):
    """A check whose every finding covers, or lies within, a match of an expression that it declares.

    `expressions` maps a key of the check's own to expressions, at least one of which matches wherever a finding of that
    key can be. `confirm` returns the findings of the `keys` given, in the whole of `text`. A finding may depend on the text
    of its match, on what the expressions look ahead for, and on at most CONTEXT characters before it; on nothing else.
    No match longer than `reach` characters is a finding.
    """

    @property
    def name(self) -> str: ...
    @property
    def variant(self) -> str: ...
    @property
    def reach(self) -> int: ...
    @property
    def expressions(self) -> Mapping[str, Sequence[Expression]]: ...

    def confirm(self, text: str, keys: Collection[str]) -> list[Finding]:
        """The findings of `keys` in `text`, in any order; overlapping ones are allowed."""
        ...


@dataclass(frozen=True, slots=True)
class Key:
    """What the screen reports: an expression of a check's key."""

    check: int
    key: str


class Screen:
    """The automata over the expressions of `checks`; safe to share between threads."""

    _match: Scanner
    _open: Scanner

    def __init__(self, checks: Sequence[PatternCheck], *, hyperscan: bool = True) -> None:
        self.keys = [Key(i, key) for i, check in enumerate(checks) for key in check.expressions]
        rows = [
            (number, expression) for number, key in enumerate(self.keys) for expression in checks[key.check].expressions[key.key]
        ]
        opening = {(checks[self.keys[number].check].reach, each.opens or each.pattern, each.flags) for number, each in rows}
        self._runs = sorted({(reach, run) for reach, run, _ in opening if isinstance(run, bytes)})
        open_forms = [(reach, screened(pattern, flags)) for reach, pattern, flags in opening if isinstance(pattern, str)]
        supersets = tuple((number, screened(each.pattern, each.flags).superset) for number, each in rows)
        if hyperscan and available():
            openings = tuple(sorted({(reach, form.opening) for reach, form in open_forms if form.opening}, key=size))
            with ThreadPoolExecutor() as threads:  # compiling takes time and no lock
                opened = threads.submit(automaton, openings, anchored=True)
                self._match = automaton(supersets, anchored=False)
                self._open = opened.result()
        else:
            self._match = Searches(supersets)
            self._open = Prefixes(sorted({(reach, form.growing) for reach, form in open_forms}))

    def candidates(self, folded: Sequence[bytes]) -> list[Key]:
        """The keys whose expressions may match somewhere in the text, given its foldings."""
        found: list[int] = []
        for each in folded:
            self._match.scan(each, lambda number, *_: found.append(number))
        return [self.keys[number] for number in sorted(set(found))] if found else []

    def open(self, folded: Sequence[bytes]) -> Opening:
        """What may still become a match at the end of the text, given its foldings."""
        opening = Opening()
        for each in folded:
            self._open.scan(each[::-1], opening.note)
            for reach, run in self._runs:
                if length := len(each) - len(each.rstrip(run)):
                    opening.note(reach, 0, length)
                    opening.note(reach, 0, min(length, reach))
        return opening


@dataclass(slots=True)
class Opening:
    """How many characters at the end of a text may be the beginning of a match, or a match that may grow.

    `finding` counts only what is within reach, and so may become a finding; `match` counts all.
    """

    finding: int = 0
    match: int = 0

    def note(self, reach: int, _start: int, length: int, _flags: int = 0, _context: object = None) -> None:
        """One more beginning of a match, with the reach of its check."""
        if length > self.match:
            self.match = length
        if self.finding < length <= reach:
            self.finding = length


def awaited() -> None:
    """Raises CheckTimeout when nobody waits any more for what a text holds."""
    if time.monotonic() > DEADLINE.get():
        raise CheckTimeout("nobody waits any more for what this text holds")


class Screened:
    """Several pattern checks as one Check, behind one screen."""

    def __init__(self, checks: Sequence[PatternCheck], *, hyperscan: bool = True) -> None:
        self.checks = tuple(checks)
        self.names = tuple((check.name, check.variant) for check in checks)
        self.hyperscan = hyperscan

    @cached_property
    def screen(self) -> Screen:
        """Compiled when it is first needed: a check that is joined to others never needs its own."""
        return Screen(self.checks, hyperscan=self.hyperscan)

    def __call__(self, segments: Sequence[Segment]) -> list[Report]:
        reports = []
        for segment in segments:
            awaited()
            reports.append(self.whole(segment.text))
        return reports

    def quick(self, segments: Sequence[Segment]) -> list[Report] | None:
        """The reports if nothing can match."""
        if any(self.screen.candidates(folds(segment.text)) for segment in segments):
            return None
        return [Report((), len(segment.text)) for segment in segments]

    def watch(self, role: Role) -> ScreenedWatch:  # noqa: ARG002 - patterns mean the same in every role
        """A watch over one text that comes in pieces."""
        return ScreenedWatch(self)

    def whole(self, text: str) -> Report:
        """The report on a text that is all there."""
        if len(text) > 2 * BLOCK:
            return self.in_blocks(text)
        keys = self.screen.candidates(folds(text))
        if not keys:
            return Report((), len(text))
        findings, failures = self.confirm(text, keys)
        return Report(findings, len(text), failures)

    def in_blocks(self, text: str) -> Report:
        """The same report, for the price of a look at the surroundings of what may match."""
        watch = ScreenedWatch(self)
        starts = range(0, len(text), BLOCK)
        reports = []
        for start in starts:
            awaited()
            reports.append(watch.push(text[start : start + BLOCK], end=start == starts[-1]))
        failures = dict.fromkeys(failure for report in reports for failure in report.failures)
        return Report([finding for report in reports for finding in report.findings], len(text), list(failures))

    def confirm(self, text: str, keys: Sequence[Key]) -> tuple[list[Finding], list[Failure]]:
        """What the checks say of the keys that may match; one that fails does not silence the others."""
        wanted: dict[int, list[str]] = {}
        for key in keys:
            wanted.setdefault(key.check, []).append(key.key)
        findings: list[Finding] = []
        failures: list[Failure] = []
        for number, names in wanted.items():
            check = self.checks[number]
            try:
                found = check.confirm(text, names)
            except Exception as error:  # noqa: BLE001 - whatever a check dies of, its rules act by their on_error
                kind = error.kind if isinstance(error, CheckError) else "error"
                failures.append(Failure(check.name, check.variant, kind))
            else:
                findings += [finding for finding in found if finding.end - finding.start <= check.reach]
        findings.sort(key=lambda f: (f.start, -f.end, f.check, f.category))
        return findings, failures


class ScreenedWatch:
    """A growing text behind a screen; it keeps no more of it than what may still matter.

    What is looked at begins at a *bound*: the beginning, or a place that no match spans, however long, so that what is found
    behind it is what would be found in the whole. CONTEXT characters before it are kept for the checks.
    """

    __slots__ = ("base", "bound", "fresh", "owner", "reported", "seen", "size", "window")

    def __init__(self, owner: Screened) -> None:
        self.owner = owner
        self.window = ""  # CONTEXT characters before the bound, and what has been looked at since
        self.fresh: list[str] = []  # what has come after it
        self.size = 0  # of the window and what has come after it
        self.seen = 0  # of the window
        self.base = 0  # the offset of the window in the text
        self.bound = 0  # the offset of the bound in the window
        self.reported = 0  # findings that begin before this offset of the text have been reported

    def push(self, text: str, *, end: bool = False) -> Report:
        """Take more of the text."""
        self.size = size = self.size + len(text)
        held = size - self.bound
        if not end and held > LARGE and size - self.seen < size >> (1 if held > HUGE else 3):
            self.fresh.append(text)
            return Report((), self.reported)
        if self.fresh:
            text = "".join((*self.fresh, text))
            self.fresh.clear()
        self.window = window = self.window + text
        self.seen = size
        screen = self.owner.screen
        lead = self.bound - 1 if self.bound else 0  # a word's edge shows by what stands before
        live = folds(window[lead:])
        keys = screen.candidates(live)
        opening = screen.open(live)
        if not keys and not end:
            return self.clear(size - opening.finding, size - opening.match)
        place = size - opening.match if not keys else self.barrier(live, size - opening.match, lead)
        settled = size if end else max(size - opening.finding, self.bound)
        if settled <= self.bound:
            keys = []  # nothing can be said yet
        elif keys and not end and place > self.bound and opening.match == opening.finding:
            settled = place  # what follows is confirmed when it is behind a bound, and so but once
            keys = screen.candidates([each[: place - lead] for each in live])
        findings, failures = self.owner.confirm(window, keys) if keys else ([], [])
        report = self.report(findings, settled, failures)
        self.move(place)
        return report

    def clear(self, settled: int, place: int) -> Report:
        """Nothing can match in what has come, as it is with nearly every piece of a text."""
        if self.base + settled > self.reported:
            self.reported = self.base + settled
        if place > self.bound:
            self.move(place)
        return Report((), self.reported)

    def report(self, findings: Sequence[Finding], settled: int, failures: Sequence[Failure]) -> Report:
        """The findings that have become final since the last report, with offsets of the whole text."""
        base, since = self.base, max(self.reported, self.base + self.bound)
        final = [
            replace(finding, start=finding.start + base, end=finding.end + base)
            for finding in findings
            if finding.start + base >= since and finding.start < settled
        ]
        self.reported = max(self.reported, base + settled)
        return Report(final, self.reported, failures)

    def barrier(self, live: Sequence[bytes], place: int, lead: int) -> int:
        """The last place found, up to `place`, that no match spans; at `place` nothing is open that began before it.

        That is so where nothing is open at the end of the text up to there, or what is matches nowhere in the text that has come.
        """
        screen = self.owner.screen
        for _ in range(TRIES):
            if place <= self.bound:
                break
            across = screen.open([each[: place - lead] for each in live]).match
            if not across or not screen.candidates([each[max(0, place - across - 1 - lead) :] for each in live]):
                return place
            place -= across
        return self.bound

    def move(self, place: int) -> None:
        """Let the bound be at `place`, with its context before it."""
        if place <= self.bound:
            return
        cut = max(0, place - CONTEXT - 1)  # one more shows whether the context begins within a word
        self.window = self.window[cut:]
        self.base += cut
        self.bound = place - cut
        self.seen -= cut
        self.size -= cut
