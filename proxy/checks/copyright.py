"""Protected works in texts and code, found in an index of a catalogue; licences; requests for works; styles of living artists.

The score of a passage is w / (w + m), where w is the number of its words that are the work's and m the rule's `min_words`: 0.5
for the shortest passage that is found at all, 0.8 for one four times as long. For code, m is `min_lexemes`.

A passage is reported as soon as it is long enough, and again, as a whole, when it has ended; a very long one piece by piece. All
findings of a passage begin at the same character, so that redaction puts one mark in its place.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal, Protocol

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, model_validator

from proxy.checks.licences import Licences
from proxy.checks.notices import is_copyleft
from proxy.checks.requested import BEYOND, Requests, RequestWatch, waited
from proxy.checks.styles import Styles
from proxy.classifier import Classifiers, Intent, gathered
from proxy.core import CheckKind, Finding, Report, Role, Segment
from proxy.corpus import (
    Following,
    IndexFileError,
    Limits,
    Matcher,
    Passage,
    Shelf,
    Work,
    contents,
    matching,
    opened,
    prints_of,
    prose,
    title_forms,
    trusted,
)
from proxy.settings import shipped_policies

CATEGORIES = ("verbatim_text", "code", "licence", "request_for_work", "artist_style")
DEFAULTS = ("verbatim_text", "code")
INDEXED = frozenset({"verbatim_text", "code", "request_for_work"})
CODE_GAP = 12  # lexemes that may have been put in or left out within a passage of code
SUFFIX = ".pidx"
KNOWN = 4096  # works whose names and rights are remembered
TOKENS = {"verbatim_text": "words", "code": "lexemes"}  # of the indexes that each is compared with
BRIEF = 4096  # characters that are compared with indexes in a millisecond or less
CLOSE = 1024  # the same where licences, requests or styles are looked for, too


def one_or_many(value: object) -> object:
    """A list of one for a value that stands alone."""
    return value if isinstance(value, list) else [value]


def usable(names: list[str], info: ValidationInfo) -> list[str]:
    """The paths that names of indexes stand for, if each can be used: a name alone is that of an index that ships."""
    folder = Path((info.context or {}).get("folder", "."))
    found = []
    for name in names:
        path = shipped_policies() / f"{name}{SUFFIX}" if Path(name).name == name and not name.endswith(SUFFIX) else folder / name
        try:
            trusted(path)
        except IndexFileError as error:
            raise ValueError(str(error)) from None
        found.append(str(path.resolve()))
    return found


Indexes = Annotated[list[str], AfterValidator(usable), BeforeValidator(one_or_many, json_schema_input_type=str | list[str])]


class CopyrightOptions(BaseModel):
    """What a rule may say `with` the check `copyright`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    categories: list[str] | None = Field(
        default=None,
        description="what the rule is about; left out: verbatim_text and code",
        json_schema_extra={"items": {"enum": list(CATEGORIES)}},
    )
    index: Indexes = Field(
        default=[],
        description="the indexes of the catalogue: paths of .pidx files, or names of those that ship, such as public-domain",
    )
    min_words: int = Field(default=25, ge=8, le=10_000, description="the words of a work that make a passage")
    min_lexemes: int = Field(default=65, ge=20, le=10_000, description="the lexemes of a source file that make a passage")
    min_share: float = Field(
        default=0.0, ge=0, le=1, description="the share of the text, up to the end of the passage, that has to be the work's"
    )
    quotation: int = Field(
        default=50,
        ge=0,
        le=2000,
        description="the words that may be quoted, in quotation marks and after the name of work or author; 0: none",
    )
    allow: list[str] = Field(
        default=[],
        description="works that may be reproduced: patterns for their id, title, author, holder, rights, licence or path",
    )
    welcome: list[str] = Field(default=[], description="licences that are not reported: SPDX ids or patterns such as BSD-*")
    intent: Literal["classifier", "pattern"] = Field(
        default="classifier",
        description="what decides whether a prompt asks for a work, where patterns do not: the encoder, or nothing",
    )
    artists: list[str] = Field(default=[], description="the artists whose style may not be asked for")

    def files(self) -> list[Path]:
        """What the check reads: a rule is put in force anew when one of them is replaced."""
        return [Path(each) for each in self.index]

    @model_validator(mode="after")
    def _complete(self) -> CopyrightOptions:
        wanted = set(DEFAULTS if self.categories is None else self.categories)
        if wanted & INDEXED and not self.index:
            raise ValueError(
                "expected an index: the path of a .pidx file that `parapet index build` has made, or the name of one that ships"
            )
        compared = {TOKENS[each] for each in wanted & TOKENS.keys()}
        if compared and not compared & held(self.index):
            raise ValueError("expected an index of texts for verbatim_text, one of `parapet index build --as code` for code")
        if "artist_style" in wanted and not (self.artists and all(name.strip() for name in self.artists)):
            raise ValueError("expected artists: the names whose style may not be asked for, none of them empty")
        return self


def held(paths: Iterable[str]) -> set[str]:
    """The kinds of tokens in some indexes. Raises ValueError."""
    try:
        return {segment.tokens for path in paths for segment in contents(Path(path)).segments}
    except IndexFileError as error:
        raise ValueError(str(error)) from None


class Part(Protocol):
    """One growing text in the eyes of one part of the check. Findings that begin before `settled` are all known and final."""

    def push(self, text: str, *, end: bool = False) -> list[Finding]: ...
    @property
    def settled(self) -> int: ...


class Copyright:
    """The check, for some categories."""

    def __init__(
        self, options: CopyrightOptions, categories: frozenset[str], variant: str = "", intent: Intent | None = None
    ) -> None:
        self.names = (("copyright", variant),)
        self.options, self.variant = options, variant
        self.indexes = [opened(Path(path)) for path in options.index]
        self.facts = lru_cache(KNOWN)(lambda shelf, number: shelf.work(number))
        self.named = lru_cache(KNOWN)(self._names)
        self.welcome = lru_cache(KNOWN)(self._welcome)
        self.matchers: dict[str, Matcher] = {}
        limits = Limits(options.min_words, options.min_share, options.quotation)
        if "verbatim_text" in categories and (found := matching(self.indexes, "words", limits, self.welcome, self.named)):
            self.matchers["verbatim_text"] = found
        limits = Limits(options.min_lexemes, options.min_share, text_gap=CODE_GAP, work_gap=CODE_GAP, glued=0.0)
        if "code" in categories and (found := matching(self.indexes, "lexemes", limits, self.welcome)):
            self.matchers["code"] = found
        self.licences = Licences(options.welcome, variant) if "licence" in categories else None
        self.requests = Requests(self.indexes, variant, self.welcome, intent) if "request_for_work" in categories else None
        self.styles = Styles(options.artists, variant) if "artist_style" in categories else None

    def __call__(self, segments: Sequence[Segment]) -> list[Report]:
        return [self.report(segment.text) for segment in segments]

    def quick(self, segments: Sequence[Segment]) -> list[Report] | None:
        """The reports on short texts: a word takes a microsecond, and up to thirty where somebody makes it take long.

        None, too, where the encoder is asked: who waits for it must not hold up others.
        """
        room = CLOSE if any(True for _ in self.others()) else BRIEF
        if sum(len(segment.text) for segment in segments) > room:
            return None
        if self.requests is not None and self.requests.intent is not None:
            watches = [self.requests.follow() for _ in segments]
            for watch, segment in zip(watches, segments, strict=True):
                watch.push(segment.text, end=True)
            if any(watch.pending for watch in watches):
                return None
        return self(segments)

    def watch(self, role: Role) -> CopyrightWatch:  # noqa: ARG002 - a passage is one in every role
        """A watch over one text that comes in pieces."""
        following: list[Part] = [Passages(self, category, each.follow()) for category, each in self.matchers.items()]
        return CopyrightWatch([*following, *(part.follow() for part in self.others())])

    def others(self) -> Iterable[Licences | Requests | Styles]:
        """The parts that need no passages of the indexes."""
        return (part for part in (self.licences, self.requests, self.styles) if part is not None)

    def whole(self, text: str) -> list[Finding]:
        """The findings in a text that is all there."""
        return list(self.report(text).findings)

    def report(self, text: str) -> Report:
        """The report on a text that is all there."""
        found = [self.finding(category, passage) for category, each in self.matchers.items() for passage in each.whole(text)]
        skipped: tuple[str, ...] = ()
        for part in self.others():
            if isinstance(part, Requests):
                watch = part.follow()
                found += waited(watch, text)
                skipped = (BEYOND,) if watch.skipped else ()
            else:
                found += part.whole(text)
        return Report(ordered(found), len(text), not_inspected=skipped)

    def finding(self, category: str, passage: Passage) -> Finding:
        """A passage as a finding."""
        least = self.options.min_words if category == "verbatim_text" else self.options.min_lexemes
        score = passage.words / (passage.words + least)
        detail = described(passage) if category == "verbatim_text" else (*described(passage), *code_of(passage.work))
        return Finding("copyright", "copyright", category, round(score, 4), passage.start, passage.end, self.variant, detail)

    def _welcome(self, shelf: Shelf, number: int) -> bool:
        return bool(self.options.allow) and permitted(self.facts(shelf, number), self.options.allow)

    def _names(self, shelf: Shelf, number: int) -> list[list[int]]:
        work = self.facts(shelf, number)
        surname = work.author.split(",")[0] if "," in work.author else work.author.rpartition(" ")[2]
        titles = {
            form for title in work.titles for form in title_forms(title) if len(form) > 3 and (form == title or " " in form)
        }
        return [prints_of(name, prose()) for name in (*sorted(titles), surname) if name]


class Passages:
    """The passages of indexed works in one growing text."""

    def __init__(self, check: Copyright, category: str, following: Following) -> None:
        self.check, self.category, self.following = check, category, following

    def push(self, text: str, *, end: bool = False) -> list[Finding]:
        """Take more of the text."""
        return [self.check.finding(self.category, passage) for passage in self.following.push(text, end=end)]

    @property
    def settled(self) -> int:
        return self.following.settled


class CopyrightWatch:
    """One growing text in the eyes of all parts of the check."""

    __slots__ = ("ended", "length", "parts", "requests")

    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts, self.length, self.ended = parts, 0, False
        self.requests = next((part for part in parts if isinstance(part, RequestWatch)), None)

    def push(self, text: str, *, end: bool = False) -> Report:
        """Take more of the text. Raises what the encoder raised."""
        self.length += len(text)
        parts: Sequence[Part] = [] if self.ended else self.parts
        found = [finding for part in parts for finding in part.push(text, end=end)]
        if self.ended and self.requests is not None:
            found += self.requests.answered()
        self.ended = self.ended or end
        skipped = (BEYOND,) if end and self.requests is not None and self.requests.skipped else ()
        if self.ended and (self.requests is None or not self.requests.open):
            return Report(found, self.length, not_inspected=skipped)
        settled = min((part.settled for part in self.parts), default=self.length)
        wait = gathered(self.requests.pending) if self.ended and self.requests is not None else None
        return Report(found, settled, wait=wait, not_inspected=skipped)


def ordered(findings: Iterable[Finding]) -> list[Finding]:
    """Findings by place."""
    return sorted(findings, key=lambda f: (f.start, f.end, f.category))


def described(passage: Passage) -> tuple[tuple[str, str | int | float], ...]:
    """What a record says of a passage: facts of the index and figures, nothing of the text."""
    work = passage.work
    facts = (
        ("work", work.title),
        ("author", work.author),
        ("holder", work.holder),
        ("rights", work.rights),
        ("licence", work.licence),
        ("id", work.id),
    )
    return (
        *((name, value) for name, value in facts if value),
        ("offset", passage.offset),
        ("words", passage.words),
        ("longest_run", passage.longest),
        ("share_of_text", round(passage.share_of_text, 4)),
        ("share_of_work", round(passage.share_of_work, 4)),
    )


def code_of(work: Work) -> tuple[tuple[str, str | int | float], ...]:
    """What else is said of source code."""
    return (("path", work.path), ("copyleft", int(is_copyleft(work.licence))))


def permitted(work: Work, patterns: Iterable[str]) -> bool:
    """Whether one of the patterns fits something that is known of the work; capitals do not matter."""
    facts = [
        fact.casefold()
        for fact in (work.id, *work.titles, work.author, work.holder, work.rights, work.licence, work.path)
        if fact
    ]
    return any(fnmatchcase(fact, pattern.casefold()) for pattern in patterns for fact in facts)


def build(options: CopyrightOptions, categories: frozenset[str], variant: str, intent: Intent | None = None) -> Copyright:
    """The check for `categories`. Without `intent`, patterns alone decide what is a request."""
    return Copyright(options, categories, variant, intent)


def kind(classifiers: Classifiers) -> CheckKind:
    """The check, with where its model comes from."""

    def made(options: CopyrightOptions, categories: frozenset[str], variant: str) -> Copyright:
        asked = "request_for_work" in categories and options.intent == "classifier"
        return build(options, categories, variant, classifiers.requests() if asked else None)

    return CheckKind(
        name="copyright",
        family="copyright",
        categories=CATEGORIES,
        defaults=DEFAULTS,
        options=CopyrightOptions,
        select="categories",
        build=made,
        description="Passages of protected works and of source code, licences, requests for works, styles of living artists.",
    )
