"""Classes of characters for folding: those nobody sees, those with a compatibility form, marks. Tables are made at first use."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from proxy.text.confusables import ENCLOSED

# Code points that show nothing: soft hyphen, joiners, direction marks, invisible operators, fillers, variation selectors, tags.
UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0"
    "\ufff9-\ufffb\U0001d173-\U0001d17a\U000e0000-\U000e0fff]+"
)
# Combining marks of no script; three of them that compose with nothing are no orthography.
INHERITED = "\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
ZALGO = re.compile(f"[{INHERITED}]{{3,}}")
MARKED = re.compile(f"(?<=[A-Za-z])[{INHERITED}]{{3,}}")  # before they are composed: no orthography puts three on a Latin letter
STREAM = 30  # marks in a row: more are no text (UAX 15, stream-safe text), and cost the normalisation quadratic time
JAMO = ((0x1161, 0x1176), (0x11A8, 0x11C3))  # vowels and finals of Hangul, which compose with what stands before
LAST = 0x20000  # combining marks have code points below, but for the variation selectors, which are not seen


@dataclass(frozen=True, slots=True)
class Characters:
    """What folding needs to know of code points."""

    single: dict[int, int]  # characters whose NFKC is one other character
    clusters: re.Pattern[str]  # what NFKC may change beyond that: a character with its marks, one that becomes several
    suspect: re.Pattern[str]  # any of these calls for a closer look
    heaps: re.Pattern[str]  # more marks than any text has


@cache
def characters() -> Characters:
    """The tables, in some tens of milliseconds."""
    single, several, kept = {ord(old): ord(new) for old, new in ENCLOSED.items()}, [], []
    for block in range(0, 0x110000, 128):
        if 0xD800 <= block < 0xE000 or block >= 0xE0000 or unicodedata.is_normalized("NFKC", _spread(block)):
            continue
        for code in range(block, block + 128):
            new = unicodedata.normalize("NFKC", chr(code))
            if new == chr(code) or code in single:
                continue
            if len(new) == 1:
                single[code] = ord(new)
            elif new[0] == " " or (len(new) > 2 and not new.isalpha()):
                kept.append(code)  # an accent alone would stand on a space of its own; signs like … say no more when spelt out
            else:
                several.append(code)
    marks = [c for c in range(0x300, LAST) if not 0x3400 <= c < 0xA000 and unicodedata.category(chr(c))[0] == "M"]
    tails = marks + [code for low, high in JAMO for code in range(low, high)]
    mark, tail, many, alone = _class(marks), _class(tails), _class(several), _class(kept)
    return Characters(
        single=single,
        clusters=re.compile(f"[{many}][{tail}]*|[^{tail}{alone}]?[{tail}]+", re.DOTALL),
        suspect=re.compile(f"[{_class(map(ord, ENCLOSED))}{tail}]|{UNSEEN.pattern}"),
        heaps=re.compile(f"[{INHERITED}]{{9,}}|[{mark}]{{{STREAM + 1},}}"),
    )


def _spread(block: int) -> str:
    return " ".join(map(chr, range(block, block + 128)))


def _class(codes: Iterable[int]) -> str:
    """The code points as ranges of a character class."""
    ranges: list[list[int]] = []
    for code in sorted(codes):
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "".join(re.escape(chr(low)) + ("-" + re.escape(chr(high)) if high > low else "") for low, high in ranges)
