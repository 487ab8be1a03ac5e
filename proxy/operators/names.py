"""Pseudonyms as they are written, `<PERSON_7f3a9c>`, and as models write them again.

Six hexadecimal digits: of 50 persons in one conversation two share a name by accident once in 14,000 conversations (with four
digits once in 54), and then the second one gets eight; a name that was made up, or is of somebody else, is taken for one of them
once in 300,000 times, and then means what this caller has said himself. Models copy six digits faithfully.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache

import regex

from proxy.core import Finding

DIGITS, MOST = 6, 32  # hexadecimal digits of a name: what it begins with, and what it may be lengthened to
LITERAL = "TEXT"  # the category of a text that only looks like a pseudonym
LONGEST = 200  # characters that a name may be spread over, brackets, escapes and spaces among them
ODD = re.compile(r"[^A-Z0-9]+")
HINTS = ("_", "<", "\\u003", "&", "%3", "＜", "‹", "〈")  # without one of them a text holds no name
SIGN = re.compile(r"[_<&\\%]")  # the signs that a name in ASCII holds one of
LAST = re.compile(r"[A-Za-z0-9]*\Z")
WITHIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
OPEN = r"(?:\\{0,2}<|\\u003c|&lt;|&#0{0,4}60;|&#x0{0,4}3c;|%3c|[＜‹〈])"
CLOSE = r"(?:\\{0,2}>|\\u003e|&gt;|&#0{0,4}62;|&#x0{0,4}3e;|%3e|[＞›〉])"
JOINT = r"\\{0,2}_"  # markdown escapes it
LOOSE = rf"(?:{JOINT}|[\s-]){{1,2}}"  # within brackets


@dataclass(frozen=True, slots=True)
class Written:
    """A pseudonym as it stands in a text, from `start` to `end`; `name` is what is meant."""

    start: int
    end: int
    name: str
    encoded: bool = False  # within a link
    escapes: int = 0  # backslashes that it begins with


def stem(category: str) -> str:
    """What a category's names begin with."""
    return ODD.sub("_", category.upper()).strip("_") or LITERAL


def named(category: str, digits: str) -> str:
    """The name, without its brackets."""
    return f"{stem(category)}_{digits}"


def stem_of(name: str) -> str:
    """What a name begins with."""
    return name.rpartition("_")[0]


@dataclass(frozen=True, slots=True)
class Expressions:
    """What finds the names of some stems: in brackets of any kind, or bare if their parts are joined by underscores."""

    within: regex.Pattern[str]
    bare: regex.Pattern[str]
    either: regex.Pattern[str]
    anywhere: regex.Pattern[str]  # within a word, too
    first: tuple[str, ...]  # what the stems say before their first joint


@lru_cache(maxsize=256)
def expressions(stems: frozenset[str]) -> Expressions:
    """The expressions for these stems."""
    words = sorted((each.split("_") for each in stems), key=lambda parts: ["_".join(parts)], reverse=True)
    loose = "|".join(LOOSE.join(parts) for parts in words)
    tight = "|".join(JOINT.join(parts) for parts in words)
    digits = rf"([0-9a-f]{{{DIGITS},{MOST}}})"
    ended = rf"{digits}(?![0-9a-z_])"
    within = rf"{OPEN}\s{{0,2}}({loose}){LOOSE}{ended}\s{{0,2}}/?{CLOSE}"
    bare = rf"(?<![0-9a-z_])({tight}){JOINT}{ended}"
    told = (within, bare, f"{within}|{bare}", f"{within}|({tight}){JOINT}{digits}")
    made = [regex.compile(each, regex.IGNORECASE) for each in told]
    return Expressions(made[0], made[1], made[2], made[3], tuple({parts[0] for parts in words}))


def may_hold(text: str) -> bool:
    """Whether a text can hold a name at all."""
    return any(hint in text for hint in HINTS)


def written(text: str, stems: frozenset[str], place: int = 0) -> Iterator[Written]:
    """The names in a text that is all there, in order; whether they mean anything is another question."""
    if stems and may_hold(text):
        yield from map(read, expressions(stems).either.finditer(text, place))


def looking(text: str, stems: frozenset[str]) -> Iterator[Written]:
    """What looks like a name, or would if what stands beside it were replaced."""
    if stems and may_hold(text):
        yield from map(read, expressions(stems).anywhere.finditer(text))


def read(match: regex.Match[str]) -> Written:
    """What a match means."""
    words, digits = (match[1], match[2]) if match[1] else (match[3], match[4])
    told = match[0]
    escapes = len(told) - len(told.lstrip("\\")) if told[:2] != "\\u" else 0
    return Written(match.start(), match.end(), f"{stem(words)}_{digits.lower()}", told[:3].lower() == "%3c", escapes)


def last_word(text: str, place: int, first: Collection[str]) -> int:
    """Where a text without a sign ends, or where its last word begins if that is the beginning of a stem."""
    found = LAST.search(text, place)
    if found is None or not found[0] or (found.start() > 0 and text[found.start() - 1] in WITHIN):
        return len(text)
    word = found[0].upper()
    return found.start() if any(each.startswith(word) for each in first) else len(text)


def settled(text: str, stems: frozenset[str], place: int = 0) -> tuple[list[Written], int]:
    """The names from `place` on in a text that goes on, and from where on it may yet become one."""
    made = expressions(stems)
    if text.isascii() and not SIGN.search(text, place):  # as most pieces are, and this is ten times faster
        return [], last_word(text, place, made.first)
    matches = list(made.either.finditer(text, place))
    bracketed = max((match.end() for match in matches if match[1]), default=place)
    last = matches[-1] if matches else None
    begun = (  # of what is left there is no match: only the beginning of one, if any
        made.within.search(text, bracketed, partial=True),  # a bare name may yet turn out to be within brackets
        made.bare.search(text, last.end() if last else place, partial=True),
    )
    held = min((match.start() for match in begun if match is not None), default=len(text))
    if last is not None and not last[1] and last.end() == len(text):
        held = min(held, last.start())  # more digits may come
    return [read(match) for match in matches if match.end() <= held], held


def only_names(text: str, start: int, finding: Finding, live: Collection[str], stems: frozenset[str]) -> bool:
    """Whether what a finding found lies within one of the live names, and so is nobody's. `text` begins at offset `start`."""
    low, high = max(0, finding.start - start - LONGEST), finding.end - start + LONGEST
    around = text[low:high]
    return any(
        each.name in live and start + low + each.start <= finding.start and finding.end <= start + low + each.end
        for each in written(around, stems)
    )
