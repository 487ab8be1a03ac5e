"""The words before a match, which speak for it or against it.

Presidio looks for its context words in the five keywords before a match, anywhere within a word ("lic" in "duplicate"), and never
finds the phrases among them. Here a hint begins a word, a hint of three letters or less is one, and phrases count. A word that
says that the number is something else (an order, a version, an ISBN) speaks against, when it stands nearer than the hint.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from proxy.checks.screen import CONTEXT

WORD = re.compile(r"\w+|[^\w\s]")
NEAR = 6  # keywords that may speak: Presidio's five, and the one that the match itself begins with
PHRASE = 12  # tokens before a match in which a phrase may be
BRIEF = 3  # letters of a hint that must be a whole word
BOOST = 0.35  # Presidio's: what a hint adds to a score
LEAST, LEAST_VAGUE = 0.5, 0.4  # what the score then is at least; Presidio's 0.4 for all lies under the threshold of rules
UNLIKELY = 0.3  # of the score is left when a word speaks against it
VAGUE_OF = frozenset(  # words that say whose number, code or id it is: "passport number" speaks for no phone
    "account card case claim client customer employee file flight insurance license licence loan member membership nhs "
    "passport patient personnel policy reference registration room routing security social ssn student tax train transaction "
    "user vat".split()
)
VAGUE = frozenset(("number", "check", "code", "id", "us"))  # hints that count only where no other word says what the number is
OTHERS = frozenset(
    "order orders serial lot batch part parts isbn issn ean upc gtin asin sku version versions release build upgrade port "
    "timeout revenue invoice ticket tracking shipment parcel issue commit sha sha1 sha256 md5 hash checksum digest error page "
    "chapter article section rfc cve cwe price total amount compute multiply add subtract divide sum integer pid offset bytes "
    "bit bits model item product population kernel firmware revision epoch seed line row column pixels".split()
)
AGAINST = re.compile(r"(?:s/n|p/n|no\. of|n°|≈|[=*/^%$€£¥]\s?|0x)\s?[:#]?\s?$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Hints:
    """The context words of a recognizer."""

    begins: tuple[str, ...]  # a word begins with one of them
    whole: frozenset[str]  # or is one of these
    inside: tuple[str, ...]  # or contains one: of scripts that write words without spaces
    phrases: tuple[str, ...]

    def of(self, word: str) -> str:
        """The hint that a word is, or nothing."""
        for part in (word, *word.split("_")) if "_" in word else (word,):
            if part in self.whole:
                return part
            found = next((hint for hint in self.begins if part.startswith(hint)), "")
            if found or (not part.isascii() and (found := next((hint for hint in self.inside if hint in part), ""))):
                return found
        return ""


def hints(words: Iterable[str]) -> Hints:
    """A recognizer's words, sorted by how they are looked for."""
    given = list(dict.fromkeys(" ".join(WORD.findall(word.lower())) for word in words))
    single = [word for word in given if " " not in word]
    return Hints(
        begins=tuple(word for word in single if len(word) > BRIEF and word.isascii()),
        whole=frozenset(word for word in single if len(word) <= BRIEF or not word.isascii()),
        inside=tuple(word for word in single if not word.isascii()),
        phrases=tuple(word for word in given if " " in word),
    )


@dataclass(frozen=True, slots=True)
class Spoken:
    """What the words before a match say: the hint for it, or the word against it; at most one of the two."""

    hint: str = ""
    against: str = ""
    away: int = 0  # words from the hint to the match

    def raised(self, score: float) -> float:
        """The score of a match that its hint speaks for."""
        return min(max(score + BOOST, LEAST_VAGUE if self.hint in VAGUE else LEAST), 1.0)


def spoken(text: str, start: int, known: Hints) -> Spoken:
    """What speaks for a match of the recognizer at `start`, or against it."""
    before, own = tokens(text, start)
    stops = stop_words()
    near = [word for word in before if (word not in stops or known.of(word)) and any(map(str.isalnum, word))][-NEAR + 1 :]
    if own and (hint := known.of(own)):
        return Spoken(hint)
    if near and (hint := known.of(near[-1])) and hint not in VAGUE:
        return Spoken(hint, away=1)  # ssn=…
    if AGAINST.search(text, max(0, start - 8), start):
        return Spoken(against="sign")
    vague = last = ""
    beside = this_line(text, start)
    for away, word in enumerate(reversed(near), 1):
        hint = known.of(word)
        if hint and hint not in VAGUE:
            return Spoken(hint, away=away)
        if (word in OTHERS or (last in VAGUE and word in VAGUE_OF)) and word in beside:
            return Spoken(against=word)
        vague, last = vague or hint, word
    if known.phrases:
        line = f" {' '.join(before[-PHRASE:])} "
        if phrase := next((phrase for phrase in known.phrases if f" {phrase}" in line), ""):
            return Spoken(phrase, away=len(line[line.rindex(f" {phrase}") + len(phrase) :].split()))
    return Spoken(vague, away=NEAR)


def this_line(text: str, start: int) -> frozenset[str]:
    """The words before a match in its own line: a word that speaks against it stands in no other."""
    begun = context_start(text, start)
    return frozenset(word.lower() for word in WORD.findall(text, max(begun, text.rfind("\n", begun, start)), start))


def tokens(text: str, start: int) -> tuple[Sequence[str], str]:
    """The words and signs before a match, in lower case, and the word that it begins with or within."""
    before: list[str] = []
    for found in WORD.finditer(text, context_start(text, start)):
        if found.end() > start:
            return before, found[0].lower()
        before.append(found[0].lower())
    return before, ""


def context_start(text: str, start: int) -> int:
    """Where the words begin that may speak for a match at `start`: CONTEXT characters before, not within a word."""
    base = max(0, start - CONTEXT)
    while 0 < base < start and not text[base - 1].isspace():
        base += 1
    return base


@cache
def stop_words() -> frozenset[str]:
    """English words that say nothing, as spaCy lists them; Presidio brings it."""
    from spacy.lang.en.stop_words import STOP_WORDS  # noqa: PLC0415 - Presidio has to be imported first, without torch

    return frozenset(STOP_WORDS)
