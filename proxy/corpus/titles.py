"""Titles as requests name them: the hashes by which an index finds a work that is called by one of its titles."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from proxy.corpus.folding import MASK, Folding, spread
from proxy.corpus.index import NAMESAKES, Shelf
from proxy.corpus.words import prints_of

LONGEST = 12  # words of a title that are compared
ARTICLES = "the a an der die das ein eine le la les un une el los las una il lo gli i uno l d".split()
ARTICLE = re.compile(rf"(?:{'|'.join(ARTICLES)})\s+", re.IGNORECASE)
ELISION = re.compile(r"\b([dl]|qu)['’](?=\w)", re.IGNORECASE)
SUBTITLE = re.compile(r"\s*[:;(\[]\s*|\s+[-–—]\s+|\s*,?\s+or,?\s+(?=the\b|a\b)", re.IGNORECASE)


def title_keys(title: str, folding: Folding) -> set[int]:
    """The keys of a title, with and without its article and its subtitle."""
    forms = {title, SUBTITLE.split(title)[0]}
    forms |= {unelided(form) for form in forms}
    forms |= {form[match.end() :] for form in tuple(forms) if (match := ARTICLE.match(form))}
    found = set()
    for form in forms:
        prints = prints_of(form, folding)
        if prints and sum(map(len, form.split())) > 2:
            found.add(title_key(prints[:LONGEST]))
    return found


def unelided(text: str) -> str:
    """A text with a space after what French and Italian elide: a title begins with a word of its own in `d'Alice`, too."""
    return ELISION.sub(r"\1 ", text)


def title_key(prints: Iterable[int]) -> int:
    """The key of some words as a title."""
    total = 0
    for each in prints:
        total = spread((total * 65537 + each) & MASK)
    return total


def spread_all(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The same as `spread` for many numbers."""
    numbers = numbers + np.uint64(0x9E3779B97F4A7C15)
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))


@dataclass(frozen=True, slots=True)
class Titled:
    """A title of indexed works that stands in some words, from one of them up to another, and the first of these works."""

    first: int
    stop: int
    works: tuple[tuple[Shelf, int], ...]


def titles_in(shelves: Sequence[Shelf], prints: Sequence[int]) -> list[Titled]:
    """The titles that stand in a line of words, the longest at each place."""
    words = np.array(prints, np.uint64)
    totals, rows = np.zeros(len(words), np.uint64), [np.zeros(0, np.uint64)]
    for size in range(1, min(LONGEST, len(words)) + 1):
        totals = spread_all(totals[: len(words) - size + 1] * np.uint64(65537) + words[size - 1 :])
        rows.append(totals)
    keys, begins = np.concatenate(rows), np.cumsum([len(row) for row in rows])
    found: dict[int, Titled] = {}
    for place in np.flatnonzero(np.logical_or.reduce([known(shelf, keys) for shelf in shelves])).tolist():
        size = int(np.searchsorted(begins, place, side="right"))
        first = place - int(begins[size - 1])
        works = [(shelf, number) for shelf in shelves for number in shelf.titled(int(keys[place]))]
        found[first] = Titled(first, first + size, tuple(works[:NAMESAKES]))
    return [found[first] for first in sorted(found)]


def known(shelf: Shelf, keys: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Which keys are those of titles in an index."""
    titles = shelf.arrays["titles"]
    if not len(titles):
        return np.zeros(len(keys), bool)
    places = np.minimum(np.searchsorted(titles, keys), len(titles) - 1)
    return np.asarray(titles[places] == keys)
