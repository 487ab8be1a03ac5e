"""Lists of words as expressions: trees by what the words begin with, so that a list costs little more than one word."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

TOGETHER = 3000  # characters of an expression: Hyperscan takes no long ones
EXACT = 24  # words whose beginnings are written out for streams; of more, any word may be one
SPACE = r"\s{1,3}"
LEFT, RIGHT = r"(?<!\w)", r"(?!\w)"

Atoms = tuple[str, ...]  # a word, one part of an expression for each character


@dataclass(frozen=True, slots=True)
class Listed:
    """Some of the words as one expression, and what stands for their beginnings (`screen.Expression`)."""

    pattern: str
    opens: str


def listed(words: Iterable[str]) -> Iterator[Listed]:
    """The expressions for all words, whole words only where their script has spaces."""
    kept = sorted({" ".join(word.split()) for word in words})
    for (left, right), group in groupby(sorted(kept, key=edges), key=edges):
        for part in parts(list(group)):
            pattern = f"{LEFT * left}(?:{tree([atoms(word) for word in part])}){RIGHT * right}"
            yield Listed(pattern, beginnings(part) if len(part) > EXACT else "")


def edges(word: str) -> tuple[bool, bool]:
    """Whether no letter or digit may touch the word, on its left and on its right."""
    return edged(word[0]), edged(word[-1])


def edged(char: str) -> bool:
    """Letters of scripts without capitals (Chinese, Japanese, Thai, Arabic) touch the next word, or what is written onto it."""
    return (char.isalnum() or char == "_") and unicodedata.category(char) != "Lo"


def parts(words: Sequence[str]) -> Iterator[list[str]]:
    """The words in their order, so many together as one expression can hold."""
    part, size = list[str](), 0
    for word in words:
        length = len("".join(atoms(word))) + 1
        if part and size + length > TOGETHER:
            yield part
            part, size = [], 0
        part.append(word)
        size += length
    yield part


def atoms(word: str) -> Atoms:
    """A word by its characters; between words, a few white spaces."""
    return tuple(SPACE if char == " " else re.escape(char) for char in word)


def tree(words: Sequence[Atoms]) -> str:
    """One expression for the words, sorted: what they begin with in common is written once, the longer go first."""
    branches: list[str] = []
    for head, group in groupby(words, key=lambda word: word[0]):
        rests = [word[1:] for word in group]
        more = sorted(rest for rest in rests if rest)
        if not more:
            branches.append(head)
            continue
        shared = common(rests)
        tails = sorted(rest[len(shared) :] for rest in rests)
        longer = [tail for tail in tails if tail]
        inner = f"(?:{tree(longer)}){'?' * (len(longer) < len(tails))}" if longer else ""
        branches.append(head + "".join(shared) + inner)
    return "|".join(branches)


def common(words: Sequence[Atoms]) -> Atoms:
    """What all of them begin with."""
    low, high = min(words), max(words)
    size = next((i for i, (one, other) in enumerate(zip(low, high, strict=False)) if one != other), min(len(low), len(high)))
    return low[:size]


def beginnings(words: Sequence[str]) -> str:
    """An expression that begins as any of the words does, and more."""
    signs = "".join(sorted({char for word in words for char in word if char != " "}))
    longest = max(map(len, words))
    if not any(" " in word for word in words):
        return f"[{re.escape(signs)}]{{1,{longest}}}{RIGHT}"
    return rf"(?:[{re.escape(signs)}]|{SPACE}){{1,{longest}}}{RIGHT}"
