"""Personal data, found by Presidio's recognizers without a model: patterns, checksums, context words.

Presidio's recognizers, validation and context scores decide; the screen only spares them the text in which none of their
expressions can match. A recognizer sees the same words before a match whether the text came whole or in pieces: the last
five, within `screen.CONTEXT` characters.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from proxy.checks.screen import CONTEXT, Expression, Screened
from proxy.core import CheckKind, Finding
from proxy.errors import CheckTimeout

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
LOCAL = 256  # characters before the @ of an e-mail address; RFC 5321 allows 64
SAMPLE = (
    "call jane@example.co.uk, +1 212-555-0123, 020 7946 0958, card 4111 1111 1111 1111, ssn 536-90-4399, "
    "10.0.0.1, iban DE89370400440532013000"
)
DIGIT = re.compile(r"\d")
SIGNS = "-._/\u00a0\u00ad\u2002\u2003\u2007\u2009\u200b\u2010\u2011\u2012\u2013\u2014\u202f\u2060\u3000\ufeff"
BETWEEN = r"\s" + SIGNS[1:] + "-"  # what may stand between the groups of a card's number, two at most
LISTED = 7  # the digits that a phone number in a long list has at least
WORD = re.compile(r"\w+|[^\w\s]")


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
        presidio()
        from presidio_analyzer.context_aware_enhancers import LemmaContextAwareEnhancer  # noqa: PLC0415 - a second to import
        from presidio_analyzer.pattern_recognizer import REGEX_TIMEOUT_SECONDS  # noqa: PLC0415 - the same

        self.limit = REGEX_TIMEOUT_SECONDS  # seconds after which Presidio goes on without the rest of a pattern's matches
        self.variant = variant
        self.entities = frozenset(entities)
        self.recognizers = {r.id: r for r in recognizers() if self.entities & set(r.supported_entities)}
        self.expressions = {key: tuple(expressions(r)) for key, r in self.recognizers.items()}
        self.enhancer = LemmaContextAwareEnhancer()
        self.language = language_engine()
        self.hints = {key: tuple(word.lower() for word in r.context or ()) for key, r in self.recognizers.items()}
        self.confirm(SAMPLE, tuple(self.recognizers))  # what is read or compiled at a first call is so now

    def confirm(self, text: str, keys: Collection[str]) -> list[Finding]:
        """What the recognizers `keys` find in `text`, with Presidio's scores."""
        results: list[RecognizerResult] = []
        for key in keys:
            recognizer = self.recognizers[key]
            read = text if getattr(recognizer, "patterns", None) else numbers_alone(text)
            begun = time.monotonic()
            found = recognizer.analyze(text=read, entities=recognizer.supported_entities, nlp_artifacts=None)
            if time.monotonic() - begun >= self.limit:
                raise CheckTimeout(f"{recognizer.name} may have left out what it had no time for")  # it says so only in a log
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
        if not any(word.startswith(self.hints[recognizer.id]) for word in WORD.findall(part.lower())):
            return result  # Presidio takes any part of a word for a hint, the end of "headphones" too
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


def build(options: PiiOptions, entities: frozenset[str], variant: str) -> Screened:
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
    joins=True,
)


@cache
def presidio() -> ModuleType:
    """Presidio's package, imported without torch and with its loggers closed.

    spaCy's thinc would import torch for models that are not used here: 1.4 s and 180 MB. Presidio's loggers quote texts.
    """
    with hidden("torch"):
        import presidio_analyzer  # noqa: PLC0415 - a second to import
    for name in ("presidio-analyzer", "decision_process"):
        logger = logging.getLogger(name)
        logger.propagate, logger.disabled = False, True
    return presidio_analyzer


@contextmanager
def hidden(name: str) -> Iterator[None]:
    """The module `name`, unless it is there already, cannot be imported by this thread; by others it can."""
    thread = threading.get_ident()

    class Hidden:
        """As `sys.meta_path` asks for a module."""

        @staticmethod
        def find_spec(fullname: str, path: object = None, target: object = None) -> None:  # noqa: ARG004 - its signature
            if fullname == name and threading.get_ident() == thread:
                raise ModuleNotFoundError(f"{name} is not needed here", name=name)

    sys.meta_path.insert(0, Hidden)
    try:
        yield
    finally:
        sys.meta_path.remove(Hidden)


@cache
def recognizers() -> tuple[Any, ...]:
    """Presidio's predefined recognizers that need no model and no network."""
    presidio()
    from presidio_analyzer.predefined_recognizers import CreditCardRecognizer, EmailRecognizer  # noqa: PLC0415 - a second to import
    from presidio_analyzer.recognizer_registry import RecognizerRegistry  # noqa: PLC0415 - the same

    registry = RecognizerRegistry()
    registry.load_predefined_recognizers(languages=["en"])
    known_here: Iterable[Any] = registry.recognizers
    kept = [r for r in known_here if set(r.supported_entities) & set(ENTITIES) and r.name != "SpacyRecognizer"]
    own: dict[type[Any], Callable[[], Any]] = {EmailRecognizer: offline_email, CreditCardRecognizer: spaced_card}
    return tuple(own[type(r)]() if type(r) in own else r for r in kept)


def spaced_card() -> Any:
    """Presidio's card recognizer, and one more pattern: four groups of four with one other sign between, as people paste them.

    The first digits are those of issuers who write cards so; a column of years or of prices begins otherwise as a rule.
    """
    from presidio_analyzer import Pattern  # noqa: PLC0415 - a second to import
    from presidio_analyzer.predefined_recognizers import CreditCardRecognizer  # noqa: PLC0415 - the same

    spaced = rf"(?<!\d)(?:4\d{{3}}|5[1-5]\d\d|2[2-7]\d\d|6\d{{3}})([{BETWEEN}]{{1,2}})\d{{4}}\1\d{{4}}\1\d{{4}}(?!\d)"
    return CreditCardRecognizer(
        patterns=[*CreditCardRecognizer.PATTERNS, Pattern("Groups of four (weak)", spaced, 0.3)],
        name="CreditCardRecognizer",
        replacement_pairs=[(sign, "") for sign in " \t\r\n" + SIGNS],
    )


def offline_email() -> Any:
    """Presidio's e-mail recognizer with the suffix list that tldextract carries; its own may fetch a newer one.

    The name before the @ has LOCAL characters at most: without a limit Presidio's expression takes time that grows with the
    square of a run without spaces, a minute for 100 kB, and then finds nothing.
    """
    import tldextract  # noqa: PLC0415 - needed only here
    from presidio_analyzer import Pattern  # noqa: PLC0415 - a second to import
    from presidio_analyzer.predefined_recognizers import EmailRecognizer  # noqa: PLC0415 - a second to import

    extract = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)

    class OfflineEmailRecognizer(EmailRecognizer):
        """Validates the domain against the list in the package."""

        def validate_result(self, pattern_text: str) -> bool:
            return bool(extract(pattern_text).fqdn)

    patterns = [Pattern(p.name, p.regex.replace("{0,}", f"{{0,{LOCAL - 2}}}"), p.score) for p in EmailRecognizer.PATTERNS]
    return OfflineEmailRecognizer(patterns=patterns, name="EmailRecognizer")


def expressions(recognizer: Any) -> Iterable[Expression]:
    """The expressions one of which matches wherever the recognizer can find something."""
    patterns = getattr(recognizer, "patterns", None)
    if patterns:
        return [Expression(pattern.regex, int(recognizer.global_regex_flags) & ~int(REGEX_ONLY)) for pattern in patterns]
    return [phone_expression()]


REGEX_ONLY = 0  # flags that `regex` has and `re` has not; Presidio uses none of them


def phone_expression() -> Expression:
    """What phonenumbers may read as a number, extension included; a time of day after it makes it none."""
    extension = known()._EXTN_PATTERNS_FOR_MATCHING  # noqa: SLF001 - the library has no public name for its grammar
    signs = punctuation()
    # Six digits at least, but for some German services: 164x, 168x, 169x. ٠ stands for the digits of other scripts.
    short = signs.join(("[0٠]?", "[1٠]", "[6٠]", "[489٠]", r"\d"))
    number = rf"(?:[(\[（［+＋]{signs}){{0,2}}(?:\d(?:{signs}\d){{5,}}|{short}(?:{signs}\d)?)"
    return Expression(rf"{number}(?:{extension})?(?!:[0-5]\d)", re.IGNORECASE)


def known() -> Any:
    """What phonenumbers knows of how numbers are written."""
    from phonenumbers import phonenumberutil  # noqa: PLC0415 - a large package

    return phonenumberutil


def punctuation() -> str:
    """What may stand between two digits of a phone number."""
    return rf"[{known()._VALID_PUNCTUATION}]{{0,4}}"  # noqa: SLF001 - the library has no public name for its grammar


@cache
def number_form() -> re.Pattern[str]:
    """Where phonenumbers may read a number."""
    expression = phone_expression()
    return re.compile(expression.pattern, expression.flags)


def numbers_alone(text: str) -> str:
    """The text with every digit blanked that cannot be part of a phone number.

    phonenumbers tries each group of digits, for each of its regions, at 0.1 ms a time: 5 s for 100 kB of base64.
    """
    parts, done = [], 0
    for found in number_form().finditer(text):
        number = found[0] if len(found[0]) <= REACH else unspaced_numbers(found[0])
        parts += [DIGIT.sub("\n", text[done : found.start()]), number]
        done = found.end()
    parts.append(DIGIT.sub("\n", text[done:]))
    return "".join(parts)


def unspaced_numbers(run: str) -> str:
    """A long run of digits and signs, a list of numbers as a rule, with what is not a number without spaces blanked."""

    def kept(piece: re.Match[str]) -> str:
        return piece[0] if len(piece[0]) <= REACH and len(DIGIT.findall(piece[0])) >= LISTED else "\n" * len(piece[0])

    return re.sub(r"\S+", kept, re.sub(r"\s", "\n", run))


@cache
def language_engine() -> Any:
    """An NLP engine that needs no model: words and signs as tokens, a word's lemma is the word in lower case."""
    presidio()
    from presidio_analyzer.nlp_engine import NlpArtifacts, NlpEngine  # noqa: PLC0415 - a second to import
    from spacy.lang.en.stop_words import STOP_WORDS  # noqa: PLC0415 - Presidio brings it

    class WordEngine(NlpEngine):
        """Tokens by one expression, so that context words work without a hub."""

        def load(self) -> None:
            """Nothing to load."""

        def is_loaded(self) -> bool:
            return True

        def process_text(self, text: str, language: str) -> Any:
            spans = [(match.group(), match.start()) for match in WORD.finditer(text)]
            words = [word for word, _ in spans]
            tokens: Any = words  # Presidio's own are spaCy's; it asks of them their length alone
            return NlpArtifacts([], tokens, [start for _, start in spans], [w.lower() for w in words], self, language)

        def process_batch(
            self,
            texts: Iterable[str],
            language: str,
            batch_size: int = 1,  # noqa: ARG002 - one at a time
            n_process: int = 1,  # noqa: ARG002 - the same
            **_: Any,
        ) -> Any:
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
