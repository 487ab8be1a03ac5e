"""One pass over a text for many checks: which of their expressions may match, and what may still become a match.

`Screen` holds the expressions of several pattern checks in two automata (Hyperscan's where the package is there, plain
regular expressions where it is not). `Screened` makes one Check of those checks: it runs the screen, and asks a check to
confirm only where one of its expressions may match. Most text is cleared by the screen alone.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import regex

from proxy.checks.expression import fold, screened
from proxy.core import Failure, Finding, Report, Role, Segment

CONTEXT = 120  # characters before a match that its findings may depend on: as much is kept of a text that streams
LARGE = 2048  # a text held back beyond this is looked at again only when it has grown by an eighth: work stays linear
TRIES = 4  # places that are tried, from the end, when the window of a text that streams is moved on


@dataclass(frozen=True, slots=True)
class Expression:
    """A regular expression in the syntax of `re`, with its flags."""

    pattern: str
    flags: int = 0


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

    def __init__(self, checks: Sequence[PatternCheck], *, hyperscan: bool = True) -> None:
        self.keys = [Key(i, key) for i, check in enumerate(checks) for key in check.expressions]
        rows = [
            (number, screened(expression.pattern, expression.flags))
            for number, key in enumerate(self.keys)
            for expression in checks[key.check].expressions[key.key]
        ]
        self.reaches = [checks[key.check].reach for key in self.keys]
        engine = automaton if hyperscan and available() else spelled_out
        self._match = engine([(number, form.superset) for number, form in rows], anchored=False)
        openings = {(self.reaches[number], form.opening) for number, form in rows if form.opening}
        self._open = (
            engine(sorted(openings), anchored=True)
            if engine is automaton
            else Prefixes([(self.reaches[number], form.growing) for number, form in rows])
        )

    def candidates(self, folded: bytes) -> list[Key]:
        """The keys whose expressions may match somewhere in the text."""
        found: list[tuple[int, int]] = []
        self._match.scan(folded, found)
        return [self.keys[number] for number in sorted({number for number, _ in found})]

    def open(self, folded: bytes) -> int:
        """How many characters at the end of the text may be the beginning of a match, or a match that may grow."""
        found: list[tuple[int, int]] = []
        self._open.scan(folded[::-1], found)
        longest = 0
        for reach, length in found:
            if longest < length <= reach:
                longest = length
        return longest


class Scanner(Protocol):
    """Adds (number, end) of each match to `found`."""

    def scan(self, folded: bytes, found: list[tuple[int, int]]) -> None: ...


def available() -> bool:
    """Whether the hyperscan package is installed."""
    return importlib.util.find_spec("hyperscan") is not None


def automaton(rows: Sequence[tuple[int, str]], *, anchored: bool) -> Scanner:
    """The rows in one Hyperscan database; those that it cannot take are spelled out beside it."""
    import hyperscan  # noqa: PLC0415 - the package is optional

    taken, left = [], []
    for number, form in rows:
        source = f"^(?:{form})" if anchored else form
        try:
            hyperscan.ExpressionExt  # noqa: B018 - fails early on a build without the extended interface
            if len(source) > 15_000:
                raise ValueError("longer than the library allows")
            taken.append((number, source.encode("latin-1")))
        except ValueError:
            left.append((number, form))
    flags = hyperscan.HS_FLAG_ALLOWEMPTY | (0 if anchored else hyperscan.HS_FLAG_SINGLEMATCH)
    return Automaton(taken, flags, spelled_out(left, anchored=anchored) if left else None)


class Automaton:
    """A Hyperscan database. Its scratch space serves one scan at a time, so each thread has one of its own."""

    def __init__(self, rows: Sequence[tuple[int, bytes]], flags: int, beside: Scanner | None) -> None:
        import hyperscan  # noqa: PLC0415 - the package is optional

        self.beside = beside
        self.database: Any = hyperscan.Database()
        self.empty = not rows
        if rows:
            self.database.compile(
                expressions=[source for _, source in rows],
                ids=[number for number, _ in rows],
                elements=len(rows),
                flags=[flags] * len(rows),
            )
            self.scratch = hyperscan.Scratch(self.database)
        self.local = threading.local()

    def scan(self, folded: bytes, found: list[tuple[int, int]]) -> None:
        if not self.empty:
            try:
                scratch = self.local.scratch
            except AttributeError:
                scratch = self.local.scratch = self.scratch.clone()
            self.database.scan(folded, match_event_handler=collect, context=found, scratch=scratch)
        if self.beside is not None:
            self.beside.scan(folded, found)


def collect(number: int, _start: int, end: int, _flags: int, found: list[tuple[int, int]]) -> None:
    """What Hyperscan calls for each match."""
    found.append((number, end))


def spelled_out(rows: Sequence[tuple[int, str]], *, anchored: bool) -> Scanner:
    """The rows one after another, without Hyperscan."""
    return Anchored(rows) if anchored else Searches(rows)


class Searches:
    """Looks for each expression on its own: the slower way, with the same answer."""

    def __init__(self, rows: Sequence[tuple[int, str]]) -> None:
        self.rows = [(number, regex.compile(source.encode("latin-1"))) for number, source in rows]

    def scan(self, folded: bytes, found: list[tuple[int, int]]) -> None:
        found += [(number, 0) for number, expression in self.rows if expression.search(folded)]


class Anchored:
    """The longest reversed prefix of each expression that Hyperscan cannot take."""

    def __init__(self, rows: Sequence[tuple[int, str]]) -> None:
        self.rows = [(reach, regex.compile(source.encode("latin-1"), regex.POSIX)) for reach, source in rows]

    def scan(self, folded: bytes, found: list[tuple[int, int]]) -> None:
        for reach, expression in self.rows:
            match = expression.match(folded, endpos=reach)
            found.append((reach, match.end() if match else 0))


class Prefixes:
    """Which ends of a text may become matches, by the partial matching of `regex`: the slower way of the open form."""

    def __init__(self, rows: Sequence[tuple[int, str]]) -> None:
        forms: dict[int, list[str]] = {}
        for reach, source in rows:
            forms.setdefault(reach, []).append(f"(?:{source})")
        self.rows = [(reach, regex.compile("|".join(sources).encode("latin-1"))) for reach, sources in forms.items()]

    def scan(self, folded: bytes, found: list[tuple[int, int]]) -> None:
        text = folded[::-1]
        for reach, expression in self.rows:
            for start in range(max(0, len(text) - reach), len(text)):
                if expression.fullmatch(text, pos=start, partial=True):
                    found.append((reach, len(text) - start))
                    break


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
        return [self.whole(segment.text) for segment in segments]

    def watch(self, role: Role) -> ScreenedWatch:  # noqa: ARG002 - patterns mean the same in every role
        """A watch over one text that comes in pieces."""
        return ScreenedWatch(self)

    def whole(self, text: str) -> Report:
        """The report on a text that is all there."""
        keys = self.screen.candidates(fold(text))
        if not keys:
            return Report((), len(text))
        findings, failures = self.confirm(text, keys)
        return Report(findings, len(text), failures)

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
            except Exception:  # noqa: BLE001 - whatever a check dies of, its rules act by their on_error
                failures.append(Failure(check.name, check.variant, "error"))
            else:
                findings += [finding for finding in found if finding.end - finding.start <= check.reach]
        findings.sort(key=lambda f: (f.start, -f.end, f.check, f.category))
        return findings, failures


class ScreenedWatch:
    """A growing text behind a screen; it keeps no more of it than what may still matter.

    The window begins at a *bound*: a place after white space (or the beginning) that no match can span, so that what is
    found in the window is what would be found in the whole. CONTEXT characters before it are kept for the checks.
    """

    __slots__ = ("base", "bound", "owner", "reported", "seen", "window")

    def __init__(self, owner: Screened) -> None:
        self.owner = owner
        self.window = ""  # CONTEXT characters before the bound, and all that came after it
        self.base = 0  # the offset of the window in the text
        self.bound = 0  # the offset of the bound in the window
        self.reported = 0  # findings that begin before this offset of the text have been reported
        self.seen = 0  # the length of the window when it was last looked at

    def push(self, text: str, *, end: bool = False) -> Report:
        """Take more of the text."""
        self.window += text
        size = len(self.window)
        if not end and size - self.bound > LARGE and size - self.seen < size >> 3:
            return Report((), self.reported)
        self.seen = size
        screen = self.owner.screen
        live = fold(self.window[self.bound :])
        settled = size if end else size - screen.open(live)
        keys = screen.candidates(live)
        if not keys:
            self.reported = max(self.reported, self.base + settled)
            self.move(self.after_space(settled))
            return Report((), self.reported)
        findings, failures = self.owner.confirm(self.window, keys)
        known = [finding for finding in findings if finding.start >= self.bound]
        settled = before_overlaps(known, settled)
        report = self.report(known, settled, failures)
        self.move(self.barrier(live, settled))
        return report

    def report(self, known: Sequence[Finding], settled: int, failures: Sequence[Failure]) -> Report:
        """The findings that have become final since the last report, with offsets of the whole text."""
        base, since = self.base, self.reported
        final = [
            Finding(f.check, f.family, f.category, f.score, f.start + base, f.end + base, f.variant)
            for f in known
            if f.start + base >= since and f.start < settled
        ]
        self.reported = max(since, base + settled)
        return Report(final, self.reported, failures)

    def after_space(self, limit: int) -> int:
        """The last place in the window, up to `limit`, that follows white space; the bound if there is none."""
        window = self.window
        for place in range(limit, self.bound, -1):
            if window[place - 1].isspace():
                return place
        return self.bound

    def barrier(self, live: bytes, limit: int) -> int:
        """The last place after white space, up to `limit`, that no match spans: nothing is open where the text ends there."""
        place, bound = limit, self.bound
        for _ in range(TRIES):
            place = self.after_space(place)
            if place <= bound:
                break
            if not self.owner.screen.open(live[: place - bound]):
                return place
            place -= 1
        return bound

    def move(self, place: int) -> None:
        """Let the window begin at `place`, with its context before it."""
        if place <= self.bound:
            return
        cut = max(0, place - CONTEXT - 1)  # one more shows whether the context begins within a word
        self.window = self.window[cut:]
        self.base += cut
        self.bound = place - cut
        self.seen -= cut


def before_overlaps(findings: Sequence[Finding], place: int) -> int:
    """The last offset up to `place` that no finding spans."""
    moved = True
    while moved:
        moved = False
        for finding in findings:
            if finding.start < place < finding.end:
                place, moved = finding.start, True
    return place
