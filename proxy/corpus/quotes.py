"""Quotation marks before a word, however they are veiled by characters that nobody sees."""

from __future__ import annotations

import unicodedata

from proxy.corpus.folding import FILLERS

VEILED = 64  # characters before a quotation among which its mark is looked for, if all the others are not seen
QUOTES = frozenset("\"“„«»‹›‟”「『>*_'‘‚")


def marked(text: str, place: int) -> bool:
    """Whether a quotation mark stands before a place of a text, with one character between them at most."""
    place = max(0, place)
    before = text[max(0, place - 2) : place]
    if not before.isascii() and any(char not in QUOTES and unseen(char) for char in before):
        near = text[max(0, place - VEILED) : place]
        before = "".join(char for char in near if char in QUOTES or not unseen(char))[-2:]
    return not QUOTES.isdisjoint(before)


def unseen(char: str) -> bool:
    """Whether nobody sees a character, or only as a mark on another."""
    return not char.isascii() and (char in FILLERS or unicodedata.category(char) in {"Cf", "Mn", "Me"})
