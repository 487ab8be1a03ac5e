"""How characters are read when texts are compared: two tables over code points, one for prose and one for code.

Prose is read without case, accents, punctuation, apostrophes, zero-width characters and compatibility forms (NFKD), and with
characters that look like Latin letters as those letters, so that what a reader sees as the same words is the same words.
Scripts without spaces (Han, kana, Thai, …) are read a character at a time. Code is read as it stands, without white space.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

SEPARATOR, LETTER, SINGLE, IGNORED, HYPHEN, SPACE, NEWLINE = range(7)
SIZE = 0x20000  # code points with an entry of their own; those above are rare ideographs and symbols and share one
UNSEEN_PLANE, UNSEEN = 0xE0, 0x200B  # tags and selectors, U+E0000 to U+E0FFF, and one of the characters below that show nothing
LONGEST = 4  # characters that one character folds to: ligatures and syllables; the rest of a longer one is left out
MASK = (1 << 64) - 1
BASE = 0x9E3779B97F4A7C15  # of the polynomial over the characters of a word; odd, so that it has an inverse
HYPHENS = "-\u2010\u2011\u00ad\ufe63\uff0d"
APOSTROPHES = "'`\u00b4\u2018\u2019\u201b\u02bc\u02b9\u2032\uff07"
SPACES = " \t\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
FILLERS = "\u115f\u1160\u3164\uffa0"  # letters that show nothing
NEWLINES = "\n\r\x0b\x0c\x1c\x1d\x1e\x1f\x85\u2028\u2029"
# What looks like a Latin letter, and the letter: from the confusables of Unicode TR 39, those that fonts hardly tell apart.
LOOKALIKES = {
    "а": "a", "е": "e", "о": "o", "р": "p", "с": "c", "у": "y", "х": "x", "і": "i", "ј": "j", "ѕ": "s", "һ": "h",
    "ԁ": "d", "ԛ": "q", "ԝ": "w", "в": "b", "к": "k", "м": "m", "н": "h", "т": "t", "г": "r", "п": "n", "и": "u",
    "ӏ": "l", "ѵ": "v", "ь": "b", "ү": "y", "ԍ": "g", "α": "a", "β": "b", "ε": "e", "ι": "i", "κ": "k", "ν": "v",
    "ο": "o", "ρ": "p", "τ": "t", "υ": "u", "χ": "x", "γ": "y", "η": "n", "ω": "w", "ϲ": "c", "ϳ": "j", "μ": "u",
    "ζ": "z", "ı": "i", "ɑ": "a", "ɡ": "g", "ɩ": "i", "ʏ": "y", "ɴ": "n", "ʀ": "r", "ᴀ": "a", "ʙ": "b", "ᴄ": "c",
    "ᴅ": "d", "ᴇ": "e", "ɢ": "g", "ʜ": "h", "ɪ": "i", "ᴊ": "j", "ᴋ": "k", "ʟ": "l", "ᴍ": "m", "ᴏ": "o", "ᴘ": "p",
    "ᴛ": "t", "ᴜ": "u", "ᴠ": "v", "ᴡ": "w", "ᴢ": "z", "օ": "o", "ո": "n", "ս": "u", "հ": "h", "ց": "g", "զ": "q",
    "ք": "p", "ⲟ": "o", "ø": "o", "đ": "d", "ł": "l", "ħ": "h", "ŧ": "t", "æ": "ae", "œ": "oe", "ꞵ": "b", "ⅼ": "l",
    "0": "o", "1": "l", "i": "l",
}  # fmt: skip  # a list reads better in rows
# Scripts that put no spaces between words.
UNSPACED = (
    (0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3040, 0x30FF), (0x31F0, 0x31FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF), (0xFF66, 0xFF9D),
)  # fmt: skip  # the same


@dataclass(frozen=True, slots=True, eq=False)
class Folding:
    """For each code point below SIZE, and at SIZE for all others: its class, its value in the polynomial, its length."""

    kinds: NDArray[np.uint8]
    values: NDArray[np.uint64]
    lengths: NDArray[np.uint8]
    rows: dict[str, tuple[int, int, int]]  # the same for one character at a time, filled as characters come

    def row(self, char: str) -> tuple[int, int, int]:
        """Class, value and length of one character."""
        found = self.rows.get(char)
        if found is None:
            code = UNSEEN if ord(char) >> 12 == UNSEEN_PLANE else min(ord(char), SIZE)
            found = int(self.kinds[code]), int(self.values[code]), int(self.lengths[code])
            self.rows[char] = found
        return found


def spread(number: int) -> int:
    """A number spread over 64 bits (the finalizer of splitmix64)."""
    number = (number + 0x9E3779B97F4A7C15) & MASK
    number = ((number ^ (number >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    number = ((number ^ (number >> 27)) * 0x94D049BB133111EB) & MASK
    return number ^ (number >> 31)


@cache
def prose() -> Folding:
    """The table for texts."""
    kinds, values, lengths = _empty()
    for chars, kind in ((HYPHENS, HYPHEN), (APOSTROPHES + FILLERS, IGNORED), (SPACES, SPACE), (NEWLINES, NEWLINE)):
        for char in chars:
            kinds[ord(char)] = kind
    for code in range(SIZE):
        if kinds[code] != SEPARATOR or 0xD800 <= code < 0xE000:
            continue
        char = chr(code)
        if 0x3400 <= code <= 0x4DBF or 0x4E00 <= code <= 0x9FFF:  # a quarter of all, and each folds to itself
            kinds[code], lengths[code], values[code] = SINGLE, 1, spread(code)
            continue
        category = unicodedata.category(char)
        if category in {"Mn", "Me", "Cf"}:
            kinds[code] = IGNORED
        elif category[0] not in "CZ" and (folded := fold(char)):
            kinds[code] = SINGLE if any(low <= code <= high for low, high in UNSPACED) else LETTER
            lengths[code] = len(folded)
            values[code] = _polynomial(folded)
    kinds[SIZE], lengths[SIZE], values[SIZE] = SINGLE, 1, spread(SIZE)
    return Folding(kinds, values, lengths, {})


@cache
def code() -> Folding:
    """The table for source code: identifiers and numbers as words, every other sign a word of its own."""
    kinds, values, lengths = _empty()
    for number in range(SIZE + 1):
        char = chr(number)
        if char.isspace():
            kinds[number] = SPACE
        if char.isspace() or 0xD800 <= number < 0xE000:
            continue
        if unicodedata.category(char) == "Cf" or 0xFE00 <= number <= 0xFE0F:
            kinds[number] = IGNORED
            continue
        kinds[number] = LETTER if char.isalnum() or char in "_$" else SINGLE
        lengths[number], values[number] = 1, spread(number)
    return Folding(kinds, values, lengths, {})


def fold(char: str) -> str:
    """The letters and digits that a character is read as; empty for a sign."""
    lowered = unicodedata.normalize("NFKD", char).casefold()
    letters = "".join(LOOKALIKES.get(c, c) for c in unicodedata.normalize("NFKD", lowered) if c.isalnum())
    return "".join(LOOKALIKES.get(c, c) for c in letters)[:LONGEST]


def _polynomial(folded: str) -> int:
    total, power = 0, 1
    for char in folded:
        total = (total + spread(ord(char)) * power) & MASK
        power = (power * BASE) & MASK
    return total


def _empty() -> tuple[NDArray[np.uint8], NDArray[np.uint64], NDArray[np.uint8]]:
    return np.zeros(SIZE + 1, np.uint8), np.zeros(SIZE + 1, np.uint64), np.zeros(SIZE + 1, np.uint8)
