"""Personal data, found by Presidio's recognizers without a model: patterns, checksums, context words.

Presidio's recognizers, validation and context scores decide; the screen only spares them the text in which none of their
expressions can match. A recognizer sees the same words before a match whether the text came whole or in pieces: the last
five, within `screen.CONTEXT` characters.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterable
from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from proxy.checks.screen import CONTEXT, Expression, Screened
from proxy.core import CheckKind, Finding

if TYPE_CHECKING:
    from presidio_analyzer import EntityRecognizer, RecognizerResult

ENTITIES = (
    "CREDIT_CARD",
    "CRYPTO",
    "DATE_TIME",
    "EMAIL_ADDRESS",
    "IBAN_CODE",
    "IP_ADDRESS",
    "MAC_ADDRESS",
    "MEDICAL_LICENSE",
    "PHONE_NUMBER",
    "UK_NHS",
    "URL",
    "US_BANK_NUMBER",
    "US_DRIVER_LICENSE",
    "US_ITIN",
    "US_PASSPORT",
    "US_SSN",
    "UUID",
)
# What nobody wants in a prompt by accident; dates, links and identifiers are personal data only in company.
DEFAULTS = tuple(name for name in ENTITIES if name not in {"DATE_TIME", "URL", "UUID", "IP_ADDRESS", "MAC_ADDRESS"})
REACH = 512  # no entity that these recognizers know is longer; a longer match is a run of letters without spaces
WORD = re.compile(r"\w+|[^\w\s]")
# Four signs at most between two digits, as phonenumbers reads them; six digits at least, as the shortest numbers have.
SIGNS = r"-x‐-―−ー－／ \u00a0\u00ad\u200b\u2060\u3000()（）［］.\[\]/~⁓∼\s"


class PiiOptions(BaseModel):
    """What a rule may say `with` the check `pii`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    entities: list[str] | None = Field(
        default=None,
        description="the entities that the rule is about; left out: the usual ones",
        json_schema_extra={"items": {"enum": list(ENTITIES)}},
    )


class Pii:
    """Presidio's recognizers for some entities, as a pattern check."""

    name = "pii"
    reach = REACH

    def __init__(self, entities: Collection[str], variant: str = "") -> None:
        from presidio_analyzer.context_aware_enhancers import LemmaContextAwareEnhancer  # noqa: PLC0415 - seconds to import

        self.variant = variant
        self.entities = frozenset(entities)
        self.recognizers = {r.id: r for r in recognizers() if self.entities & set(r.supported_entities)}
        self.expressions = {key: tuple(expressions(r)) for key, r in self.recognizers.items()}
        self.enhancer = LemmaContextAwareEnhancer()
        self.language = language_engine()

    def confirm(self, text: str, keys: Collection[str]) -> list[Finding]:
        """What the recognizers `keys` find in `text`, with Presidio's scores."""
        results: list[RecognizerResult] = []
        for key in keys:
            recognizer = self.recognizers[key]
            found = recognizer.analyze(text=text, entities=recognizer.supported_entities, nlp_artifacts=None)
            results += [self.in_context(text, result, recognizer) for result in found]
        return [
            Finding(self.name, "privacy", r.entity_type, round(r.score, 4), r.start, r.end, self.variant)
            for r in type(recognizer).remove_duplicates(results)
            if r.entity_type in self.entities
        ]

    def in_context(self, text: str, result: RecognizerResult, recognizer: EntityRecognizer) -> RecognizerResult:
        """The result with the score that the words before it give; more than certain it cannot become."""
        if not recognizer.context or result.score >= 1.0 or result.score == 0:
            return result
        base = context_start(text, result.start)
        part = text[base : result.end]
        result.recognition_metadata[type(result).RECOGNIZER_IDENTIFIER_KEY] = recognizer.id
        start, end, result.start, result.end = result.start, result.end, result.start - base, result.end - base
        [better] = self.enhancer.enhance_using_context(
            text=part,
            raw_results=[result],
            nlp_artifacts=self.language.process_text(part, "en"),
            recognizers=[recognizer],
        )
        better.start, better.end = start, end
        return better


def context_start(text: str, start: int) -> int:
    """Where the words begin that may speak for a match at `start`: CONTEXT characters before, not within a word."""
    base = max(0, start - CONTEXT)
    while 0 < base < start and not text[base - 1].isspace():
        base += 1
    return base


def build(options: PiiOptions, entities: frozenset[str], variant: str) -> Screened:  # noqa: ARG001 - no other options yet
    """The check for `entities`."""
    return Screened([Pii(entities, variant)])


KIND = CheckKind(
    name="pii",
    family="privacy",
    categories=ENTITIES,
    defaults=DEFAULTS,
    options=PiiOptions,
    select="entities",
    build=build,
    description="Personal data by pattern, checksum and context words (Presidio, without a model).",
)


@cache
def recognizers() -> tuple[Any, ...]:
    """Presidio's predefined recognizers that need no model and no network."""
    from presidio_analyzer.predefined_recognizers import EmailRecognizer  # noqa: PLC0415 - seconds to import
    from presidio_analyzer.recognizer_registry import RecognizerRegistry  # noqa: PLC0415 - the same

    quiet = logging.getLogger("presidio-analyzer")  # some of its messages quote the text
    quiet.propagate, quiet.disabled = False, True
    registry = RecognizerRegistry()
    registry.load_predefined_recognizers(languages=["en"])
    kept = [r for r in registry.recognizers if set(r.supported_entities) & set(ENTITIES) and r.name != "SpacyRecognizer"]
    return tuple(offline_email() if isinstance(r, EmailRecognizer) else r for r in kept)


def offline_email() -> Any:
    """Presidio's e-mail recognizer with the suffix list that tldextract carries; its own may fetch a newer one."""
    import tldextract  # noqa: PLC0415 - needed only here
    from presidio_analyzer.predefined_recognizers import EmailRecognizer  # noqa: PLC0415 - seconds to import

    extract = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)

    class OfflineEmailRecognizer(EmailRecognizer):  # type: ignore[misc]  # Presidio's classes are not typed
        """Validates the domain against the list in the package."""

        def validate_result(self, pattern_text: str) -> bool:
            return bool(extract(pattern_text).fqdn)

    return OfflineEmailRecognizer(name="EmailRecognizer")


def expressions(recognizer: Any) -> Iterable[Expression]:
    """The expressions one of which matches wherever the recognizer can find something."""
    patterns = getattr(recognizer, "patterns", None)
    if patterns:
        return [Expression(pattern.regex, int(recognizer.global_regex_flags) & ~int(REGEX_ONLY)) for pattern in patterns]
    return [phone_expression()]


REGEX_ONLY = 0  # flags that `regex` has and `re` has not; Presidio uses none of them


def phone_expression() -> Expression:
    """What phonenumbers may read as a number, extension included; a time of day after it makes it none."""
    from phonenumbers.phonenumberutil import _EXTN_PATTERNS_FOR_MATCHING as extension  # noqa: PLC0415 - a large package

    number = rf"[+＋(（\[［]{{0,2}}[{SIGNS}]{{0,4}}\d(?:[{SIGNS}]{{0,4}}\d){{5,}}[{SIGNS}]{{0,4}}"
    return Expression(rf"{number}(?:{extension})?(?!:[0-5]\d)", re.IGNORECASE)


@cache
def language_engine() -> Any:
    """An NLP engine that needs no model: words and signs as tokens, a word's lemma is the word in lower case."""
    from presidio_analyzer.nlp_engine import NlpArtifacts, NlpEngine  # noqa: PLC0415 - seconds to import
    from spacy.lang.en.stop_words import STOP_WORDS  # noqa: PLC0415 - Presidio brings it

    class WordEngine(NlpEngine):  # type: ignore[misc]  # Presidio's classes are not typed
        """Tokens by one expression, so that context words work without a hub."""

        def load(self) -> None:
            """Nothing to load."""

        def is_loaded(self) -> bool:
            return True

        def process_text(self, text: str, language: str) -> Any:
            spans = [(match.group(), match.start()) for match in WORD.finditer(text)]
            words = [word for word, _ in spans]
            return NlpArtifacts([], words, [start for _, start in spans], [w.lower() for w in words], self, language)

        def process_batch(self, texts: Iterable[str], language: str, **_: Any) -> Any:
            return ((text, self.process_text(text, language)) for text in texts)

        def is_stopword(self, word: str, language: str) -> bool:  # noqa: ARG002 - English only
            return word.lower() in STOP_WORDS

        def is_punct(self, word: str, language: str) -> bool:  # noqa: ARG002 - the same in every language
            return not any(char.isalnum() for char in word)

        def get_supported_entities(self) -> list[str]:
            return []

        def get_supported_languages(self) -> list[str]:
            return ["en"]

    return WordEngine()
