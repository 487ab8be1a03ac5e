"""Titles as requests name them: the hashes by which an index finds a work that is called by its title."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from proxy.corpus.folding import MASK, Folding, spread
from proxy.corpus.index import Shelf
from proxy.corpus.words import prints_of

LONGEST = 12  # words of a title that are compared
ARTICLES = ("the", "a", "an")
SUBTITLE = re.compile(r"\s*[:;(\[]\s*|\s+[-–—]\s+|\s*,?\s+or,?\s+(?=the\b|a\b)", re.IGNORECASE)


def title_keys(title: str, folding: Folding) -> set[int]:
    """The keys of a title, with and without its article and its subtitle."""
    forms = {title, SUBTITLE.split(title)[0]}
    forms |= {
        form.split(None, 1)[1]
        for form in tuple(forms)
        if form.lower().startswith(tuple(f"{a} " for a in ARTICLES)) and " " in form
    }
    found = set()
    for form in forms:
        prints = prints_of(form, folding)
        if prints and sum(map(len, form.split())) > 2:
            found.add(title_key(prints[:LONGEST]))
    return found


def title_key(prints: Iterable[int]) -> int:
    """The key of some words as a title."""
    total = 0
    for each in prints:
        total = spread((total * 65537 + each) & MASK)
    return total


@dataclass(frozen=True, slots=True)
class Titled:
    """A title of an indexed work that stands in some words, from one of them up to another."""

    first: int
    stop: int
    shelf: Shelf
    number: int


def titles_in(shelves: Sequence[Shelf], prints: Sequence[int]) -> list[Titled]:
    """The titles that stand in a line of words, the longest at each place."""
    found: list[Titled] = []
    for first in range(len(prints)):
        total, best = 0, list[Titled]()
        for stop in range(first + 1, min(len(prints), first + LONGEST) + 1):
            total = spread((total * 65537 + prints[stop - 1]) & MASK)
            here = [Titled(first, stop, shelf, number) for shelf in shelves for number in shelf.titled(total)]
            best = here or best
        found += best
    return found
