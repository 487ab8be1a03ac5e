"""Checks that ask somebody else: texts are cut into windows, each is asked about at a `Desk`, and the answers become findings.

Where a window ends depends only on the text before, so that a text that comes in pieces is asked about in the same words as one
that is there, and the same is found. A stream holds back what is not yet answered.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from proxy.checks.desk import LONGEST, Answer, Desk, Limits, Question, done
from proxy.classifier import gathered
from proxy.core import DEADLINE, Family, Finding, Report, Role, Segment
from proxy.errors import CheckTimeout

Category = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}$")]  # a label of metrics
LEAST = 128  # characters of a window: smaller ones make a great many questions of one text
OTHER = "other"  # the category of what nobody has named
SURROGATE = re.compile("[\ud800-\udfff]")  # half a character, which no wire can carry


class ConsultedOptions(BaseModel):
    """How somebody else is asked: what all such checks have in common."""

    model_config = ConfigDict(extra="forbid", strict=True)

    window: int = Field(
        default=4096,
        ge=0,
        le=1_000_000,
        description="characters that are judged at once, and that a stream holds back; 0: a text is judged as one, and a stream "
        "is held back until it ends",
    )
    overlap: int = Field(default=256, ge=0, le=100_000, description="characters that one window and the next have in common")
    at_once: int = Field(default=8, ge=1, le=1024, description="the most requests under way, per worker")
    queue: int = Field(
        default=256, ge=1, le=100_000, description="the windows that may wait, per worker; beyond it the rule's on_error applies"
    )
    cache: int = Field(default=4096, ge=0, le=1_000_000, description="the windows whose answers are remembered, for ten minutes")

    @model_validator(mode="after")
    def _overlapping(self) -> ConsultedOptions:
        if 0 < self.window < LEAST:
            raise ValueError(f"expected a window of at least {LEAST} characters, or 0 for the whole text")
        if self.window and self.overlap * 2 > self.window:
            raise ValueError("expected an overlap of at most half a window")
        return self

    def limits(self, batch: int = 1) -> Limits:
        """The bounds of the desk."""
        return Limits(batch=batch, at_once=self.at_once, queue=self.queue, cache=self.cache)


@dataclass(frozen=True, slots=True)
class Asked:
    """What rules want to know: the categories of one check."""

    check: str
    family: Family
    variant: str
    categories: frozenset[str]


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text that is to be asked about; `before`: recent turns of what the text answers."""

    start: int
    text: str
    role: Role
    before: tuple[Segment, ...] = ()

    def question(self) -> Question:
        """The same, as it is asked."""
        return Question(whole(self.text), self.role, tuple((each.role, whole(each.text)) for each in self.before))


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a text that was asked about."""

    start: int
    end: int
    answer: Future[Answer]
    asked: float


class Cutter:
    """Cuts one text into windows as it comes."""

    __slots__ = ("held", "length", "overlap", "pieces", "size", "start")

    def __init__(self, size: int, overlap: int) -> None:
        self.size, self.overlap = size or math.inf, overlap if size else 0
        self.pieces: list[str] = []  # of the window that is open
        self.held = 0  # characters of it
        self.start = self.length = 0

    def push(self, text: str, *, end: bool) -> Iterator[tuple[int, str]]:
        """The windows that are full, and at the end what is left: each with its offset."""
        self.pieces.append(text)
        self.length += len(text)
        self.held += len(text)
        if self.held <= self.size and not end:  # one that is just full is not cut: the text may end here
            return
        text, begun = "".join(self.pieces), 0
        while len(text) - begun > self.size:
            size = int(self.size)
            yield self.start, text[begun : begun + size]
            begun, self.start = begun + size - self.overlap, self.start + size - self.overlap
        left = text[begun:]
        if end:
            yield self.start, left
            left, self.start = "", self.length
        self.pieces, self.held = [left], len(left)


class Consulted:
    """One check that asks somebody else."""

    def __init__(self, desk: Desk, options: ConsultedOptions, asked: Asked) -> None:
        self.desk, self.options, self.asked = desk, options, asked
        self.names = ((asked.check, asked.variant),)

    def __call__(self, segments: Sequence[Segment]) -> Sequence[Report]:
        left = DEADLINE.get() - time.monotonic()
        try:
            return self.begin(segments).result(min(LONGEST, max(0.0, left)))
        except TimeoutError:
            raise CheckTimeout("there was no answer in time") from None

    def quick(self, segments: Sequence[Segment]) -> Sequence[Report] | None:
        """The reports if there is nothing to ask."""
        return None if any(segment.text.strip() for segment in segments) else [settled(segment) for segment in segments]

    def begin(self, segments: Sequence[Segment]) -> Future[Sequence[Report]]:
        """The reports to come. Raises CheckOverloaded, CheckError."""
        deadline = DEADLINE.get()
        cut = [(place, *each) for place, segment in enumerate(segments) for each in self.cutter().push(segment.text, end=True)]
        pieces = [Piece(start, text, segments[place].role, segments[place].before) for place, start, text in cut]
        windows = self.ask(pieces, deadline)
        made: Future[Sequence[Report]] = Future()
        made.set_running_or_notify_cancel()

        def conclude(_: object) -> None:
            try:
                found: list[list[Finding]] = [[] for _ in segments]
                for (place, _, _), window in zip(cut, windows, strict=True):
                    found[place] += self.findings(window)
                made.set_result([Report(distinct(each), len(s.text)) for each, s in zip(found, segments, strict=True)])
            except Exception as error:  # noqa: BLE001 - whatever went wrong, it is the caller's to hear
                made.set_exception(error)

        gathered(window.answer for window in windows).add_done_callback(conclude)
        return made

    def cutter(self) -> Cutter:
        """A cutter for one text."""
        return Cutter(self.options.window, self.options.overlap)

    def ask(self, pieces: Sequence[Piece], deadline: float) -> list[Window]:
        """Ask about windows; those without a word are answered here."""
        words = [place for place, piece in enumerate(pieces) if piece.text.strip()]
        questions = [pieces[place].question() for place in words]
        answers = dict(zip(words, self.desk.ask(questions, deadline) if questions else [], strict=True))
        now = time.monotonic()
        return [
            Window(piece.start, piece.start + len(piece.text), answers.get(place) or done(()), now)
            for place, piece in enumerate(pieces)
        ]

    def findings(self, window: Window) -> Iterable[Finding]:
        """What the rules want to know of a window that is answered. Raises what came in the answer's place."""
        asked = self.asked
        for noted in window.answer.result():
            if noted.category in asked.categories:
                start, end = window.start + noted.start, window.start + noted.end
                yield Finding(
                    asked.check, asked.family, noted.category, noted.score, start, end, asked.variant, noted.detail,
                    replacement=noted.replacement,
                )  # fmt: skip

    def watch(self, role: Role) -> ConsultedWatch:
        """A watch over one text that comes in pieces."""
        return ConsultedWatch(self, role)

    def watch_answer(self, role: Role, before: tuple[Segment, ...]) -> ConsultedWatch:
        """The same, of an answer to what was said before."""
        return ConsultedWatch(self, role, before)


class ConsultedWatch:
    """One growing text: each window is asked about when it is full, and settled when it is answered. Nothing here waits."""

    __slots__ = ("before", "check", "cutter", "ended", "open", "recent", "role", "timeout")

    def __init__(self, check: Consulted, role: Role, before: tuple[Segment, ...] = ()) -> None:
        self.check, self.role, self.before = check, role, before
        self.cutter = check.cutter()
        self.open: list[Window] = []
        self.recent: set[Finding] = set()  # that the window before has found: the next may find them, too
        self.ended = False
        self.timeout = LONGEST

    def push(self, text: str, *, end: bool = False) -> Report:
        """Take more of the text. Raises CheckError, and what was answered in an answer's place."""
        if not self.ended:
            cut = [Piece(start, piece, self.role, self.before) for start, piece in self.cutter.push(text, end=end)]
            self.ended = end
            if cut:
                self.open += self.check.ask(cut, time.monotonic() + self.timeout)
        found: list[Finding] = []
        while self.open and self.open[0].answer.done():
            findings = set(self.check.findings(self.open.pop(0)))
            found += sorted(findings - self.recent, key=lambda finding: (finding.start, finding.end, finding.category))
            self.recent = findings
        if self.open and not self.ended and self.open[0].asked + self.timeout < time.monotonic():
            raise CheckTimeout("there was no answer in time")
        reach = self.open[0].start if self.open else self.cutter.start
        wait = gathered(window.answer for window in self.open) if self.ended and self.open else None
        return Report(found, reach, wait=wait)


def whole(text: str) -> str:
    """The text without half characters."""
    return SURROGATE.sub("\ufffd", text)


def distinct(findings: Iterable[Finding]) -> list[Finding]:
    """The findings, each once: windows overlap."""
    return list(dict.fromkeys(findings))


def settled(segment: Segment) -> Report:
    """Nothing was found, and nothing will be."""
    return Report((), len(segment.text))
