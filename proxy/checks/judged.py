"""Checks that a classifier judges: one reading of a text serves all of them that read with one model and one set of bounds."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from proxy.classifier import KINDS, Best, Beyond, Bounds, Classifiers, Following, Judgement, Reader, gathered, kind_of
from proxy.core import DEADLINE, ROLES, CheckKind, Family, Finding, Level, Report, Role, Segment, Thresholds
from proxy.errors import CheckTimeout, ModelError

FLOOR = 0.05  # no finding has a lower score: the thresholds of policies lie above it, and records stay short
EACH = 200  # characters that a text counts for at least: what is done for each text takes as long
BRIEF = 4096  # characters that are looked at on the event loop; cutting and screening them takes a millisecond or two
WARM = "the tables behind views are read now, not in a call: \u200b\u043e"  # an unseen character and a Cyrillic letter
BEYOND = "beyond_windows"  # the reason that is counted when a text is longer than what a rule has inspected
Detail = tuple[tuple[str, str | int | float], ...]


class ReadingOptions(BaseModel):
    """How a text is read by a classifier: what all rules on one have in common."""

    model_config = ConfigDict(extra="forbid", strict=True)

    max_windows: int = Field(
        default=64, ge=1, le=100_000, description="the windows of a text, of about 180 words each, that are inspected at any rate"
    )
    beyond: Beyond = Field(
        default="windows",
        description="the rest of a longer text: windows, it is inspected as well; not_inspected, it is counted as such",
    )

    def bounds(self) -> Bounds:
        """The same for the reader."""
        return Bounds(max_windows=self.max_windows, beyond=self.beyond)


class ScreenedOptions(ReadingOptions):
    """The options of checks that the encoder judges."""

    screen: bool | None = Field(
        default=None,
        description="false: the encoder reads every text to the end, also what the screen or a glance would clear; true: it "
        "does not. Left out: it does where a threshold of the rule lies below the level `balanced`, for which they were made",
    )


def nothing(_: str) -> Detail:
    """Says no more of a finding."""
    return ()


def never(_: str) -> bool:
    """Lets nothing pass."""
    return False


@dataclass(frozen=True, slots=True)
class Asked:
    """What rules want of a reading: the categories of one check. `labels`: the category that a label of the model stands for."""

    check: str
    family: Family
    variant: str
    categories: frozenset[str]
    labels: dict[str, str]
    detail: Callable[[str], Detail] = nothing
    spare: Callable[[str], bool] = never  # of the text of a finding: whether it is none


class Judged:
    """One or more checks that share a reading."""

    def __init__(self, reader: Reader, asked: Sequence[Asked]) -> None:
        self.reader, self.asked = reader, tuple(asked)
        self.names = tuple((each.check, each.variant) for each in asked)

    def joined(self, other: Judged) -> Judged | None:
        """Both as one, if they read alike."""
        alike = self.reader.model is other.reader.model and self.reader.bounds == other.reader.bounds
        return Judged(self.reader, (*self.asked, *other.asked)) if alike else None

    def __call__(self, segments: Sequence[Segment]) -> Sequence[Report]:
        left = DEADLINE.get() - time.monotonic()
        try:
            return self.begin(segments).result(None if left == math.inf else max(0.0, left))
        except TimeoutError:
            raise CheckTimeout("the classifier was not done in time") from None

    def quick(self, segments: Sequence[Segment]) -> Sequence[Report] | None:
        """The reports if every text is short, and cleared by the screen or remembered."""
        if sum(max(len(segment.text), EACH) for segment in segments) > BRIEF:
            return None
        begun = self.begin(segments)
        return begun.result() if begun.done() else None

    def begin(self, segments: Sequence[Segment]) -> Future[Sequence[Report]]:
        """The reports to come. Raises CheckOverloaded, CheckTimeout."""
        deadline = DEADLINE.get()
        readings = [self.reader.whole(segment.text, kind_of(segment.role), deadline) for segment in segments]
        made: Future[Sequence[Report]] = Future()
        made.set_running_or_notify_cancel()  # whoever stops waiting must not make the classifier's thread stumble

        def conclude(_: object) -> None:
            try:
                made.set_result([self.report(reading) for reading in readings])
            except Exception as error:  # noqa: BLE001 - whatever the network dies of, it is the caller's to hear
                made.set_exception(error)

        gathered(answer for reading in readings for answer in reading.pending).add_done_callback(conclude)
        return made

    def report(self, reading: Following) -> Report:
        """The report on a text whose windows are all judged."""
        found = [finding for judgement in reading.taken() for finding in self.findings(judgement)]
        return Report(found, reading.length, not_inspected=(BEYOND,) if reading.skipped else ())

    def findings(self, judgement: Judgement) -> Iterable[Finding]:
        """What the rules want to know of a window."""
        known = judgement.best()
        self.score(known)
        window = judgement.window
        for best in known:
            if best.score < FLOOR:
                continue
            said = window.text[best.start - window.start : best.end - window.start]
            for asked in self.asked:
                category = asked.labels.get(best.label)
                if category in asked.categories and not asked.spare(said):
                    detail = (("model", judgement.model.name), *asked.detail(judgement.window.text))
                    yield Finding(asked.check, asked.family, category, best.score, best.start, best.end, asked.variant, detail)

    def score(self, known: Sequence[Best]) -> None:
        """Have the highest score of each check counted, so that it shows when texts or scores are no longer as they were."""
        for asked in self.asked:
            scores = [best.score for best in known if best.label in asked.labels]
            if scores:
                self.reader.meter.scored(asked.check, max(scores))

    def watch(self, role: Role) -> JudgedWatch:
        """A watch over one text that comes in pieces."""
        return JudgedWatch(self, self.reader.follow(kind_of(role)))


class JudgedWatch:
    """One growing text: each window is asked about when it is full, and settled when it is judged. Nothing here waits."""

    __slots__ = ("check", "ended", "reading", "told")

    def __init__(self, check: Judged, reading: Following) -> None:
        self.check, self.reading = check, reading
        self.ended = self.told = False

    def push(self, text: str, *, end: bool = False) -> Report:
        """Take more of the text. Raises CheckOverloaded, and what the network raised."""
        reading = self.reading
        if not self.ended:
            reading.push(text, end=end)
        self.ended = self.ended or end
        found = [finding for judgement in reading.taken() for finding in self.check.findings(judgement)]
        skipped = (BEYOND,) if reading.skipped and not self.told else ()
        self.told = self.told or reading.skipped
        if self.ended and not reading.open:
            return Report(found, reading.length, not_inspected=skipped)
        return Report(found, reading.settled, wait=gathered(reading.pending) if self.ended else None, not_inspected=skipped)


def balanced(classifiers: Classifiers, least: Thresholds) -> bool:
    """Whether no score that matters lies below the level `balanced`."""
    try:
        card = classifiers.card()
    except ModelError:
        return True  # whoever builds the check is told that there is no model
    known = [(category, role) for category, role in least if category in card.labels]
    return all(least[category, role] >= card.threshold(category, kind_of(role), "balanced") for category, role in known)


def encoder_kind(
    classifiers: Classifiers,
    *,
    name: str,
    family: Family,
    categories: tuple[str, ...],
    options: type[ScreenedOptions],
    description: str,
    detail: Callable[[str], Detail] = nothing,
    converses: bool = False,
) -> CheckKind:
    """A check of the encoder that shares its pass with the others of it."""

    def build(given: Any, wanted: frozenset[str], variant: str) -> Judged:
        model = classifiers.encoder(screen=given.screen is not False)
        if missing := sorted(wanted - set(model.labels)):
            raise ModelError(
                f"the model {model.name} knows nothing of {', '.join(missing)}: use one that does, or leave them out"
            )
        reader = Reader(model, given.bounds(), classifiers.meter)
        reader.views(WARM)
        return Judged(reader, [Asked(name, family, variant, wanted, {label: label for label in wanted}, detail)])

    def settled(given: Any, least: Thresholds) -> Any:
        """Screened (None) unless the rule says otherwise or wants findings that a screen may have cleared (False)."""
        screen = given.screen if given.screen is not None else balanced(classifiers, least)
        return given.model_copy(update={"screen": None if screen else False})

    def levels(_: Any, level: Level) -> Thresholds:
        card = classifiers.card()
        known = [category for category in categories if category in card.labels]
        thresholds = {(label, kind): card.threshold(label, kind, level) for label in known for kind in KINDS}
        return {(label, role): thresholds[label, kind_of(role)] for label in known for role in ROLES}

    return CheckKind(
        name=name,
        family=family,
        categories=categories,
        defaults=categories,
        options=options,
        select="categories",
        build=build,
        description=description,
        joins=True,
        levels=levels,
        floor=FLOOR,
        settled=settled,
        converses=converses,
    )


def combined(judged: Iterable[Judged]) -> list[Judged]:
    """The same checks, those that read alike joined."""
    made: list[Judged] = []
    for check in judged:
        for place, other in enumerate(made):
            if both := other.joined(check):
                made[place] = both
                break
        else:
            made.append(check)
    return made
