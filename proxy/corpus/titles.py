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
# What is told of somebody, who has two names at least.
TOLD = (
    "life|adventures?|voyages|travels|memoirs|confessions|tragedy|case|opinions|papers|autobiography|fortunes|misfortunes|death"
)
HOW = r"(?:(?:the|strange|true|private|surprising|posthumous|complete|extraordinary)\s+)*"
LIFE = re.compile(
    rf"(?i:{HOW}(?:{TOLD})(?:(?:,|,?\s+and)\s+{HOW}(?:{TOLD}))*\s+of)\s+"
    r"((?:(?:the|Mr|Mrs|Dr|St)\.?\s+)*[A-Z]\w+(?:\s+(?:(?:and|of|the|de|von)\s+)?(?:(?:Mr|Mrs|Dr)\.?\s+)?[A-Z]\w+)+)"
)
SUBTITLE = re.compile(r"\s*[:;(\[]\s*|\s+[-–—]\s+|\s*,?\s+or,?\s+(?=the\b|a\b)", re.IGNORECASE)


def title_forms(title: str) -> set[str]:
    """A title with and without its article and its subtitle, and the name in it: Robinson Crusoe, of his life and adventures."""
    forms = {title, SUBTITLE.split(title)[0]}
    forms |= {unelided(form) for form in forms}
    forms |= {form[match.end() :] for form in tuple(forms) if (match := ARTICLE.match(form))}
    forms |= {match[1] for form in tuple(forms) if (match := LIFE.match(form))}
    return forms


def title_keys(title: str, folding: Folding) -> set[int]:
    """The keys of all forms of a title."""
    found = set()
    for form in title_forms(title):
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


def titles_in(shelves: Sequence[Shelf], prints: NDArray[np.uint16]) -> list[Titled]:
    """The titles that stand in some words, in their order, a shorter one before a longer one that begins with it."""
    words = prints.astype(np.uint64)
    totals, rows = np.zeros(len(words), np.uint64), [np.zeros(0, np.uint64)]
    for size in range(1, min(LONGEST, len(words)) + 1):
        totals = spread_all(totals[: len(words) - size + 1] * np.uint64(65537) + words[size - 1 :])
        rows.append(totals)
    keys, begins = np.concatenate(rows), np.cumsum([len(row) for row in rows])
    works: dict[int, tuple[tuple[Shelf, int], ...]] = {}
    found = []
    for place in np.flatnonzero(np.logical_or.reduce([known(shelf, keys) for shelf in shelves])).tolist():
        size, key = int(begins.searchsorted(place, side="right")), int(keys[place])
        if key not in works:
            works[key] = tuple((shelf, number) for shelf in shelves for number in shelf.titled(key))[:NAMESAKES]
        first = place - int(begins[size - 1])
        found.append(Titled(first, first + size, works[key]))
    return sorted(found, key=lambda titled: (titled.first, titled.stop))


def known(shelf: Shelf, keys: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Which keys are those of titles in an index."""
    titles = shelf.arrays["titles"]
    if not len(titles):
        return np.zeros(len(keys), bool)
    places = np.minimum(np.searchsorted(titles, keys), len(titles) - 1)
    return np.asarray(titles[places] == keys)
