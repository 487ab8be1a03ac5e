"""Personal data: by Presidio's recognizers (patterns, checksums, context words), and names by the encoder's token head.

Presidio's recognizers and their validation find; the words before a match, and the way a phone number is written, say how much a
match is worth (`context`, `phones`). The screen only spares the recognizers the text in which none of their expressions can
match. The same words are seen before a match whether the text came whole or in pieces: those within `screen.CONTEXT` characters.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from proxy.checks import context, links, phones
from proxy.checks.allowed import WORDS, Allowed, Passing, Word
from proxy.checks.desk import Meter
from proxy.checks.engine import Engines, Given, checked, of
from proxy.checks.judged import never
from proxy.checks.names import FOUND, NAMES, named
from proxy.checks.overlaps import CERTAIN, Matched, resolved, ruling
from proxy.checks.phones import REACH, blanked, numbers_alone
from proxy.checks.recognizers import ENTITIES as PATTERNED
from proxy.checks.recognizers import HOMES, INTERNATIONAL, LOCALES, expressions, presidio, recognizers, usual
from proxy.checks.screen import Screened, awaited
from proxy.classifier import Classifiers
from proxy.core import Check, CheckKind, Finding, Flaw
from proxy.errors import CheckTimeout

if TYPE_CHECKING:
    from presidio_analyzer import RecognizerResult

ENTITIES = tuple(sorted({*PATTERNED, *NAMES}))
USUAL = ("us",)  # the locales of a rule that names none
DEFAULTS = usual(USUAL)
NEUTRAL = frozenset("CREDIT_CARD CRYPTO EMAIL_ADDRESS IBAN_CODE URL UUID MAC_ADDRESS".split())  # structure proves them
PROVEN = NEUTRAL | frozenset(  # what their validation passes by accident is rare; others have one check digit, or less
    "DE_SOCIAL_SECURITY ES_NIE ES_NIF FI_PERSONAL_IDENTITY_CODE FR_NIR IN_GSTIN IT_FISCAL_CODE KR_FRN KR_RRN PL_PESEL".split()
)
PHONE = "PHONE_NUMBER"
PROBABLE, SURE = 0.45, 0.95  # of another number that passes its validation: without a word that speaks for it, and with one
SAMPLE = (
    "call jane@example.co.uk, +1 212-555-0123, 020 7946 0958, card 4111 1111 1111 1111, ssn 536-90-4399, "
    "10.0.0.1, iban DE89370400440532013000"
)


def at_home(name: str, info: ValidationInfo) -> str:
    """The entity itself, unless it is of a locale that the options have not chosen."""
    locales = info.data.get("locales", LOCALES)
    if HOMES.get(name, INTERNATIONAL) in (INTERNATIONAL, *locales):
        return name
    wanted = ", ".join([*locales, HOMES[name]])
    raise ValueError(f"of the locale {HOMES[name]}: write locales: [{wanted}] beside entities")


class PiiOptions(BaseModel):
    """What a rule may say `with` the check `pii`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    locales: list[Literal[LOCALES]] = Field(  # type: ignore[valid-type]  # the names are those of the table
        default=list(USUAL),
        description="the countries whose entities there are beside the international ones; phone numbers of theirs need no code",
    )
    entities: list[Annotated[str, AfterValidator(at_home)]] | None = Field(
        default=None,
        description="the entities that the rule is about; left out: the usual ones of its locales",
        json_schema_extra={"items": {"enum": list(ENTITIES)}},
        validate_default=True,
    )

    allow: list[Word] = Field(
        default=[],
        max_length=WORDS,
        description="values that are no finding of this rule, in any case: one's own addresses",
    )
    allow_patterns: list[Passing] = Field(
        default=[], description="what one of these regular expressions matches as a whole is no finding of this rule"
    )

    engine: dict[str, Any] | str | None = Field(
        default=None,
        description="an engine of one's own that finds names in the place of the encoder: the configuration of Presidio's "
        "NlpEngineProvider (nlp_engine_name: spacy, stanza or transformers, or gliner; models), or a YAML file with it, relative "
        "to the policy's; nothing is downloaded",
    )

    @field_validator("engine")
    @classmethod
    def _usable(cls, given: Given | None, info: ValidationInfo) -> Given | None:
        return None if given is None else checked(given, Path((info.context or {}).get("folder", ".")))

    def files(self) -> list[Path]:
        """What the engine is read from: a rule is put in force anew when one of them changes."""
        return of(self.engine)

    @field_validator("locales", "allow", "allow_patterns")
    @classmethod
    def _sorted(cls, given: list[str]) -> list[str]:
        """Rules that say the same in another order share a check."""
        return sorted(set(given))

    @field_validator("entities")
    @classmethod
    def _chosen(cls, given: list[str] | None, info: ValidationInfo) -> list[str]:
        return list(usual(info.data.get("locales", LOCALES))) if given is None else given


class Pii:
    """Presidio's recognizers for some entities, as a pattern check."""

    name = "pii"
    reach = REACH

    def __init__(
        self,
        entities: Collection[str],
        variant: str = "",
        locales: Collection[str] = LOCALES,
        allowed: Callable[[str], bool] = never,
    ) -> None:
        presidio()
        from presidio_analyzer.pattern_recognizer import REGEX_TIMEOUT_SECONDS  # noqa: PLC0415 - a second to import

        self.limit = REGEX_TIMEOUT_SECONDS  # seconds after which Presidio goes on without the rest of a pattern's matches
        self.variant, self.allowed = variant, allowed
        self.entities = frozenset(entities)
        self.judges = ruling(self.entities, usual(sorted(locales)))
        sought = self.entities | self.judges
        self.recognizers = {r.id: r for r in recognizers(frozenset(locales)) if sought & set(r.supported_entities)}
        self.about = {key: str(r.supported_entities[0]) for key, r in self.recognizers.items()}
        self.asked = {key for key, r in self.recognizers.items() if self.entities & set(r.supported_entities)}
        self.expressions = {key: tuple(expressions(r)) for key, r in self.recognizers.items()}
        self.hints = {key: context.hints(r.context or ()) for key, r in self.recognizers.items()}
        self.confirm(SAMPLE, tuple(self.recognizers))  # what is read or compiled at a first call is so now

    def confirm(self, text: str, keys: Collection[str]) -> list[Finding]:
        """What the recognizers `keys` find in `text`, without what lies within something else (`overlaps`)."""
        phone = [key for key in keys if self.about[key] == PHONE]
        asked = [key for key in keys if key in self.asked and key not in phone]
        certain = [key for key in keys if key not in self.asked and self.about[key] in CERTAIN] if phone else []
        matched = self.matches(text, [*asked, *certain])
        rest = [key for key in keys if key not in (*asked, *certain, *phone)]
        sure = [(m.finding.start, m.finding.end) for m in matched if m.proven and m.finding.category in CERTAIN]
        if phone and (phone[0] in self.asked or matched):
            matched += self.matches(blanked(text, sure), phone)  # reading them is dear, and proven numbers are none
        if rest and matched:  # they only say what is none
            matched += self.matches(text, rest)
        found = distinct(matched)
        left = [each.finding for each in resolved(found, self.judges) if each.finding.category in self.entities]
        return [finding for finding in left if not self.allowed(text[finding.start : finding.end])]

    def matches(self, text: str, keys: Collection[str]) -> list[Matched]:
        """What some of the recognizers find."""
        found: list[Matched] = []
        for key in keys:
            awaited()
            recognizer = self.recognizers[key]
            read = text if getattr(recognizer, "patterns", None) else numbers_alone(text)
            begun = time.monotonic()
            results = recognizer.analyze(text=read, entities=recognizer.supported_entities, nlp_artifacts=None)
            if time.monotonic() - begun >= self.limit:
                raise CheckTimeout(f"{recognizer.name} may have left out what it had no time for")  # it says so only in a log
            near = [result for result in results if result.end - result.start <= self.reach]  # longer ones hide nothing
            found += [self.matched(text, result, recognizer) for result in near]
        return found

    def matched(self, text: str, result: RecognizerResult, recognizer: Any) -> Matched:
        """A result with what it is worth among the words around it, and why."""
        explained: Any = result.analysis_explanation  # None where a recognizer says nothing
        said = context.spoken(text, result.start, self.hints[recognizer.id])
        passed = explained is not None and bool(explained.validation_result)
        detail: list[tuple[str, str | int | float]] = [("recognizer", recognizer.name)]
        if result.entity_type == PHONE:
            detail.append(("form", phones.form(text[result.start : result.end]) or "other"))
        elif explained is not None and explained.pattern_name:
            detail.append(("pattern", explained.pattern_name))
        if passed:
            detail.append(("validation", "passed"))
        detail += [("context", said.hint)] if said.hint else [("against", said.against)] if said.against else []
        base, score = worth(text, result, said, passed=passed)
        entity, place = result.entity_type, (result.start, result.end)
        proven = entity in NEUTRAL or (passed and entity in PROVEN)
        hint = "" if said.hint in context.VAGUE else said.hint
        finding = Finding(self.name, "privacy", entity, score, *place, self.variant, tuple(detail))
        return Matched(finding, proven, hint, base, said.away, passed)


def distinct(found: Iterable[Matched]) -> list[Matched]:
    """The matches without those that lie within another of the same entity whose score is as high."""
    kept: list[Matched] = []
    over: list[Finding] = []  # those kept that the next may lie within
    for match in sorted(found, key=lambda m: (m.finding.category, m.finding.start, -m.finding.end, -m.finding.score)):
        each = match.finding
        over = [other for other in over if other.category == each.category and other.end > each.start]
        if not any(other.end >= each.end and other.score >= each.score for other in over):
            kept.append(match)
            over.append(each)
    return kept


def worth(text: str, result: RecognizerResult, said: context.Spoken, *, passed: bool) -> tuple[float, float]:
    """The score of a result without the words around it, and with them: Presidio's, as far as measurements bear it out.

    `passed`: it has a validation and passes it.
    """
    base = score = float(result.score)
    if result.entity_type == PHONE:
        base = score = phones.SCORES[phones.form(text[result.start : result.end])]
    elif result.entity_type == "URL":
        base = score = min(score, links.worth(text[result.start : result.end]))
    elif passed and result.entity_type not in PROVEN:
        score = SURE if said.hint else PROBABLE
    if said.hint and score < SURE:
        score = said.raised(score)
    elif said.against and result.entity_type not in NEUTRAL:
        score *= context.UNLIKELY
    return base, round(score, 4)


def kind(classifiers: Classifiers, meter: Meter) -> CheckKind:
    """The check, with where the encoder comes from, and who counts what engines do."""
    engines = Engines(meter)

    def flaw(options: PiiOptions) -> Flaw | None:
        if options.engine is None:
            return None
        return engines.flaw(options.engine, sorted(set(options.entities or DEFAULTS) - set(PATTERNED)))

    def build(options: PiiOptions, entities: frozenset[str], variant: str) -> tuple[Check, ...]:
        made: list[Check] = []
        allowed = Allowed(options.allow, options.allow_patterns)
        if patterned := entities & set(PATTERNED):
            made.append(Screened([Pii(patterned, variant, options.locales, allowed)]))
        if options.engine is not None:
            if asked := engines.check(options.engine, entities, variant, allowed):
                made.append(asked)
        elif names := entities & FOUND:
            made.append(named(classifiers, names, variant, allowed))
        return tuple(made)

    return CheckKind(
        name="pii",
        family="privacy",
        categories=ENTITIES,
        defaults=DEFAULTS,
        options=PiiOptions,
        select="entities",
        build=build,
        flaw=flaw,
        description="Personal data by pattern, checksum and context words (Presidio), and names, once asked for, by the encoder.",
        joins=True,
    )
