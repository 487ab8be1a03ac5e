"""The way of a text through a classifier: windows, the views of each, the screen, the queue, and what came out of it."""

from __future__ import annotations

import hashlib
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Literal, Protocol

from proxy.classifier.card import Kind
from proxy.classifier.windows import Cutter, Window
from proxy.classifier.worker import Ids, Logits, Meter, Worker
from proxy.errors import CheckTimeout
from proxy.text import normalised

Beyond = Literal["windows", "not_inspected"]
SLICE = 16_384  # characters that are cut to windows at once: a long text must neither fill the memory nor outlast its deadline
PATIENCE = 30.0  # seconds for a window of a stream: nobody waits longer, and a rule's timeout cannot be
CLEARED = 8192  # texts that are remembered as cleared: a conversation sends its history again at each turn


class View(Protocol):
    """A text as it may be meant: folded, decoded."""

    @property
    def text(self) -> str: ...
    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where a part of this view comes from in the text that it is a view of."""
        ...


@dataclass(frozen=True, slots=True)
class Best:
    """A label, its score, and the span that has it."""

    label: str
    score: float
    start: int
    end: int

    def moved(self, by: int) -> Best:
        """The same in a text that begins so many characters before."""
        return Best(self.label, self.score, self.start + by, self.end + by)


@dataclass(frozen=True, slots=True)
class Model:
    """A network with all that leads to it and away from it."""

    name: str  # with its version: findings say it
    labels: tuple[str, ...]
    worker: Worker
    cutter: Callable[[Kind], Cutter]
    ids: Callable[[str, Kind], Ids | None]  # what the worker is asked of a text; None: more than a window
    found: Callable[[str, Kind, Logits], Sequence[Best]]  # what an answer means of a text; each label once or, for names, often
    screen: Callable[[str, Kind], bool] | None = None  # whether the network must look
    often: bool = False  # a label can be found several times in a window


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much of a text is read. Beyond `max_windows`, the rest is windows too, or counted as not inspected."""

    max_windows: int = 64
    beyond: Beyond = "windows"


@dataclass(frozen=True, slots=True)
class Part:
    """What the network was asked about a window; the span is in the whole text."""

    start: int
    end: int
    answer: Future[Logits]


@dataclass(frozen=True, slots=True)
class Judgement:
    """A window and what the network says of it."""

    window: Window
    kind: Kind
    model: Model
    parts: Sequence[Part]

    @property
    def done(self) -> bool:
        """Whether all answers are there."""
        return all(part.answer.done() for part in self.parts)

    def best(self) -> list[Best]:
        """What was found; each label at its best where it says something of the whole window. Raises what the network raised."""
        found = [hit for part in self.parts for hit in self.of(part)]
        if self.model.often:
            return found
        strongest: dict[str, Best] = {}
        for hit in found:
            if hit.label not in strongest or hit.score > strongest[hit.label].score:
                strongest[hit.label] = hit
        return list(strongest.values())

    def of(self, part: Part) -> Iterator[Best]:
        text = self.window.text[part.start - self.window.start : part.end - self.window.start]
        for hit in self.model.found(text, self.kind, part.answer.result()):
            yield hit.moved(part.start)


@dataclass(frozen=True, slots=True)
class Piece:
    """A text for the network, with its span in the whole."""

    start: int
    end: int
    ids: Ids


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads texts for a check. `views`: the texts that a text may be meant as, itself first."""

    model: Model
    bounds: Bounds
    meter: Meter
    views: Callable[[str], Sequence[View]] = normalised
    cleared: OrderedDict[bytes, None] = field(default_factory=OrderedDict, compare=False)

    def follow(self, kind: Kind, deadline: float = math.inf) -> Following:
        """A reading of one growing text."""
        return Following(self, kind, deadline)

    def whole(self, text: str, kind: Kind, deadline: float = math.inf) -> Following:
        """The reading of a text that is all there, under way. Raises CheckOverloaded, CheckTimeout."""
        reading = Following(self, kind, deadline)
        key = hashlib.blake2b(f"{kind} {text}".encode("utf-8", "surrogatepass"), digest_size=16).digest()
        if key in self.cleared:
            reading.length = len(text)
            return reading
        reading.push(text, end=True)
        if not reading.open and not reading.skipped:
            self.cleared[key] = None
            if len(self.cleared) > CLEARED:
                self.cleared.popitem(last=False)
        return reading

    def pieces(self, window: Window, kind: Kind) -> list[Piece]:
        """What the network has to read of a window."""
        screen = self.model.screen
        made: list[Piece] = []
        for view in self.views(window.text):
            if view.text.strip() and (screen is None or screen(view.text, kind)):
                for part, ids in self.fitted(Window(0, len(view.text), view.text), kind):
                    start, end = view.span(part.start, part.end)
                    made.append(Piece(window.start + start, window.start + end, ids))
        if screen is not None:
            self.meter.screened("passed" if made else "cleared", 1)
        return made

    def fitted(self, part: Window, kind: Kind) -> Iterator[tuple[Window, Ids]]:
        """A text as one window or, when folding or decoding has made it longer, as several."""
        ids = self.model.ids(part.text, kind)
        if ids is not None:
            yield part, ids
            return
        cut = list(self.model.cutter(kind).push(part.text, end=True))
        if len(cut) == 1 and cut[0].text == part.text:  # words cut in the middle may have more pieces together than apart
            half = len(part.text) // 2
            cut = [Window(0, half, part.text[:half]), Window(half, len(part.text), part.text[half:])]
        for each in cut:
            yield from self.fitted(Window(part.start + each.start, part.start + each.end, each.text), kind)


class Following:
    """One growing text on its way through a classifier."""

    __slots__ = ("count", "cutter", "deadline", "kind", "length", "open", "reader", "skipped")

    def __init__(self, reader: Reader, kind: Kind, deadline: float) -> None:
        self.reader, self.kind, self.deadline = reader, kind, deadline
        self.cutter = reader.model.cutter(kind)
        self.open: list[Judgement] = []  # windows whose judgement has not been taken, in order
        self.count = 0  # of all windows so far
        self.length = 0
        self.skipped = False  # the text goes on beyond what is inspected

    def push(self, text: str, *, end: bool = False) -> None:
        """Take more of the text, and ask about the windows that it fills. Raises CheckOverloaded, CheckTimeout."""
        self.length += len(text)
        for at in range(0, len(text) or 1, SLICE):
            if self.skipped:
                return
            self.take(text[at : at + SLICE], end=end and at + SLICE >= len(text))

    def take(self, text: str, *, end: bool) -> None:
        """Take a slice of the text."""
        bounds, first = self.reader.bounds, self.count
        found: list[tuple[Window, list[Piece]]] = []
        for window in self.cutter.push(text, end=end):
            if time.monotonic() > self.deadline:
                raise CheckTimeout("nobody waits any more for what this text holds")
            if bounds.beyond == "not_inspected" and self.count == bounds.max_windows:
                self.skipped = True
                break
            self.count += 1
            found.append((window, self.reader.pieces(window, self.kind)))
        model = self.reader.model
        asked = [piece.ids for _, pieces in found for piece in pieces]
        deadline = min(self.deadline, time.monotonic() + PATIENCE)
        answers = iter(model.worker.ask(asked, deadline, first=first) if asked else ())
        for window, pieces in found:
            parts = [Part(piece.start, piece.end, next(answers)) for piece in pieces]
            if parts:
                self.open.append(Judgement(window, self.kind, model, parts))

    def taken(self) -> Iterable[Judgement]:
        """The windows that are judged, each once, up to the first that is not."""
        while self.open and self.open[0].done:
            yield self.open.pop(0)

    @property
    def settled(self) -> int:
        """All windows that begin before this offset have been taken; at the end, call `push` with `end` before."""
        if self.open:
            return self.open[0].window.start
        return self.length if self.skipped else self.cutter.start

    @property
    def pending(self) -> list[Future[Logits]]:
        """The answers that have not been taken, those that are there among them."""
        return [part.answer for judgement in self.open for part in judgement.parts]
