"""The check `custom`: words and patterns of one's own from the policy file, under names of one's own, and what is let pass.

All of them are looked for in the one pass of the screen. Where one may match, its own expression decides: it has been measured
when the policy was loaded (`backtracking`), and is stopped all the same when it takes too long.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import regex
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from proxy.checks import context
from proxy.checks.allowed import FLAGS, FOLDED, PATIENCE, REACH, WORDS, Allowed, Passing, Pattern, Word
from proxy.checks.listed import Listed, listed
from proxy.checks.recognizers import presidio
from proxy.checks.screen import Expression, Screened, awaited
from proxy.checks.validations import VALIDATIONS
from proxy.core import CheckKind, Finding
from proxy.errors import CheckTimeout

NAME = "custom"
Entity = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]{0,63}$")]  # a label of metrics; <ENTITY> stands in its place


class Entry(BaseModel):
    """What the parts of a rule's options have in common."""

    model_config = ConfigDict(extra="forbid", strict=True)


class DenyList(Entry):
    """Words that are an entity wherever they stand."""

    entity: Entity = Field(description="the entity that they are, in capitals: PROJECT")
    words: list[Word] = Field(min_length=1, max_length=WORDS, description="words and phrases, whole words only")
    score: float = Field(default=1.0, ge=0, le=1, description="of each of them")
    case_sensitive: bool = Field(default=False, description="true: capitals have to be as written")


class OwnPattern(Entry):
    """A pattern of one's own."""

    entity: Entity = Field(description="the entity that it finds, in capitals: BADGE")
    pattern: Pattern = Field(description="a regular expression as Python reads it, with an end; ^ and $ are those of lines")
    score: float = Field(default=0.5, ge=0, le=1, description="of a match that nothing else speaks for")
    context: list[Word] = Field(
        default=[], description="words or phrases before a match that add 0.35 to its score, and make it 0.5 at least"
    )
    validation: Literal[tuple(VALIDATIONS)] | None = Field(  # type: ignore[valid-type]  # the names are those of the table
        default=None, description="the check digits without which a match is none"
    )
    case_sensitive: bool = Field(default=False, description="true: capitals have to be as written")


class CustomOptions(Entry):
    """What a rule may say `with` the check `custom`."""

    deny: list[DenyList] = Field(default=[], description="lists of words that are an entity wherever they stand")
    patterns: list[OwnPattern] = Field(
        default=[], description="patterns of one's own, with score, context words and check digits"
    )
    allow: list[Word] = Field(default=[], max_length=WORDS, description="texts that are no finding of this rule, in any case")
    allow_patterns: list[Passing] = Field(
        default=[], description="what one of these regular expressions matches as a whole is no finding of this rule"
    )
    entities: list[Entity] | None = Field(
        default=None, description="the entities that the rule is about; left out: all that its lists and patterns name"
    )

    @model_validator(mode="after")
    def _named(self) -> CustomOptions:
        known = list(dict.fromkeys([*(one.entity for one in self.deny), *(one.entity for one in self.patterns)]))
        if not known:
            raise ValueError("expected deny or patterns: there is nothing to look for")
        if self.entities is None:
            self.entities = known
        elif missing := sorted(set(self.entities) - set(known)):
            raise ValueError(f"expected entities that deny or patterns name, {', '.join(known)}; not {', '.join(missing)}")
        return self


@dataclass(frozen=True, slots=True)
class Sought:
    """One expression of a rule's options, and what a match of it is."""

    entity: str
    place: str  # in the options, for people
    expression: Expression
    compiled: regex.Pattern[str]
    score: float
    hints: context.Hints | None = None
    valid: Callable[[str], bool] | None = None

    def finding(self, text: str, start: int, end: int, variant: str) -> Finding | None:
        """The finding of a match, unless its check digits are wrong."""
        if self.valid and not self.valid(text[start:end]):
            return None
        detail: list[tuple[str, str | int | float]] = [("entry", self.place)]
        if self.valid:
            detail.append(("validation", "passed"))
        score = self.score
        if self.hints and (hint := (said := context.spoken(text, start, self.hints)).hint):
            score = said.raised(score)
            detail.append(("context", hint))
        return Finding(NAME, "custom", self.entity, round(score, 4), start, end, variant, tuple(detail))


class Custom:
    """The lists and patterns of one rule, as a pattern check."""

    name = NAME
    reach = REACH

    def __init__(self, options: CustomOptions, entities: Collection[str], variant: str = "") -> None:
        self.variant = variant
        self.allowed = Allowed(options.allow, options.allow_patterns)
        rows = [*patterned(options.patterns), *denied(options.deny)]
        self.sought = {f"{row.entity} {number}": row for number, row in enumerate(rows) if row.entity in entities}
        self.expressions: Mapping[str, Sequence[Expression]] = {key: [row.expression] for key, row in self.sought.items()}

    def confirm(self, text: str, keys: Collection[str]) -> list[Finding]:
        """The findings of `keys` in `text`; raises CheckTimeout when they take too long."""
        until = time.monotonic() + PATIENCE
        found: dict[tuple[str, int, int], Finding] = {}
        try:
            for row in map(self.sought.__getitem__, keys):
                awaited()
                left = max(until - time.monotonic(), 0.001)
                for match in row.compiled.finditer(text, concurrent=True, timeout=left):
                    start, end = match.span()
                    finding = row.finding(text, start, end, self.variant)
                    if finding is None or self.allowed(match[0]):
                        continue
                    known = found.get(place := (row.entity, start, end))
                    if known is None or known.score < finding.score:
                        found[place] = finding
        except TimeoutError:
            raise CheckTimeout(f"the expressions took longer than {PATIENCE:g} s") from None
        return list(found.values())


def patterned(entries: Sequence[OwnPattern]) -> Iterator[Sought]:
    """What is looked for of patterns."""
    if any(entry.context for entry in entries):
        presidio()  # the words that say nothing are spaCy's, and it must not import torch for them
    for number, entry in enumerate(entries):
        flags = FLAGS if entry.case_sensitive else FOLDED
        valid = VALIDATIONS[entry.validation] if entry.validation else None
        hints = context.hints(entry.context) if entry.context else None
        compiled = regex.compile(entry.pattern, flags)
        yield Sought(entry.entity, f"patterns[{number}]", Expression(entry.pattern, flags), compiled, entry.score, hints, valid)


def denied(entries: Sequence[DenyList]) -> Iterator[Sought]:
    """What is looked for of lists: several expressions of a long one."""
    for number, entry in enumerate(entries):
        flags = FLAGS if entry.case_sensitive else FOLDED
        part: Listed
        for part in listed(entry.words):
            compiled = regex.compile(part.pattern, flags)
            expression = Expression(part.pattern, flags, part.opens)
            yield Sought(entry.entity, f"deny[{number}]", expression, compiled, entry.score)


def build(options: CustomOptions, entities: frozenset[str], variant: str) -> Screened:
    """The check for the entities that some rule needs."""
    return Screened([Custom(options, entities, variant)])


KIND = CheckKind(
    name=NAME,
    family="custom",
    categories=(),
    defaults=(),
    options=CustomOptions,
    select="entities",
    build=build,
    description="Words and patterns of one's own, from the policy file, with what is let pass.",
    joins=True,
)
