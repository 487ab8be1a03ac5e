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
PILES = re.compile(f"[{INHERITED}]{{9,}}")  # as many as no rule for letters with marks needs to look at
ZALGO = re.compile(f"[{INHERITED}]{{3,}}")
MARKED = re.compile(f"(?<=[A-Za-z])[{INHERITED}]{{3,}}")  # before they are composed: no orthography puts three on a Latin letter
STREAM = 30  # marks in a row: more are no text (UAX 15, stream-safe text), and cost the normalisation quadratic time
JAMO = ((0x1161, 0x1176), (0x11A8, 0x11C3))  # vowels and finals of Hangul, which compose with what stands before
# Where above U+FFFF letters, marks and forms are, without pictures and rare ideographs: a class of many ranges there is slow.
COARSE = "\U00010000-\U0001efff\U0001f100-\U0001f1ad\U0001f200-\U0001f265\U0001fbf0-\U0001fbf9\U0002f800-\U0002fa1f"
LAST = 0x20000  # combining marks have code points below, but for the variation selectors, which are not seen


@dataclass(frozen=True, slots=True)
class Characters:
    """What folding needs to know of code points. Each expression begins with one class, which is what makes a search fast."""

    forms: dict[str, str]  # characters whose NFKC is one other character
    formed: re.Pattern[str]  # those, and more above U+FFFF
    clustered: re.Pattern[str]  # what NFKC may change beyond that, and more above U+FFFF
    clusters: re.Pattern[str]  # the same exactly up to U+FFFF, with the marks that follow but not the letter before
    all_clusters: re.Pattern[str]  # the same of all planes
    above: re.Pattern[str]  # what calls for those
    several: re.Pattern[str]  # characters whose NFKC is several, and that are no marks
    kept: re.Pattern[str]  # characters that stay as they are, and so do the marks on them
    heaps: re.Pattern[str]  # more marks than any text has


@cache
def characters() -> Characters:
    """The tables, in some tens of milliseconds."""
    forms, several, kept = dict(ENCLOSED), list[int](), list[int]()
    for block in range(0, 0x110000, 128):
        if 0xD800 <= block < 0xE000 or block >= 0xE0000 or unicodedata.is_normalized("NFKC", _spread(block)):
            continue
        for code in range(block, block + 128):
            new = unicodedata.normalize("NFKC", chr(code))
            if new == chr(code) or chr(code) in forms:
                continue
            if len(new) == 1:
                forms[chr(code)] = new
            elif new[0] == " " or (len(new) > 2 and not new.isalpha()):
                kept.append(code)  # an accent alone would stand on a space of its own; signs like … say no more when spelt out
            else:
                several.append(code)
    marks = [c for c in range(0x300, LAST) if not 0x3400 <= c < 0xA000 and unicodedata.category(chr(c))[0] == "M"]
    tails = marks + [code for low, high in JAMO for code in range(low, high)]
    return Characters(
        forms=forms,
        formed=re.compile(f"[{_class(code for code in map(ord, forms) if code < 0x10000)}{COARSE}]"),
        clustered=re.compile(f"[{_class(code for code in several + tails if code < 0x10000)}{COARSE}]"),
        clusters=re.compile(f"[{_class(code for code in several + tails if code < 0x10000)}][{_class(tails)}]*"),
        all_clusters=re.compile(f"[{_class(several + tails)}][{_class(tails)}]*"),
        above=re.compile(f"[{COARSE}]"),
        several=re.compile(f"[{_class(set(several) - set(tails))}]"),
        kept=re.compile(f"[{_class(kept)}]"),
        heaps=re.compile(f"[{_class(marks)}]{{{STREAM + 1},}}"),
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
