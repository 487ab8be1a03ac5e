"""Word n-grams as 64-bit hashes of their words' fingerprints: a whole text's at once, or one at a time."""

from __future__ import annotations

from functools import cache
from operator import mul

import numpy as np
from numpy.typing import NDArray

from proxy.corpus.folding import MASK, spread

STIR = 0x9FB21C651E98DF25


@cache
def factors(size: int) -> tuple[int, ...]:
    """One odd factor for each place in an n-gram."""
    return tuple(spread(1000 + place) | 1 for place in range(size))


def hashes(prints: NDArray[np.uint16], size: int) -> NDArray[np.uint64]:
    """The hash of the n-gram that begins at each word; n-grams that a text's end cuts are left out."""
    count = len(prints) - size + 1
    if count <= 0:
        return np.zeros(0, np.uint64)
    wide = prints.astype(np.uint64)
    total = wide[:count] * np.uint64(factors(size)[0])
    for place in range(1, size):
        total += wide[place : place + count] * np.uint64(factors(size)[place])
    total ^= total >> np.uint64(29)
    total *= np.uint64(STIR)
    total ^= total >> np.uint64(32)
    return total


def hash_of(prints: list[int]) -> int:
    """The hash of one n-gram."""
    total: int = sum(map(mul, prints, factors(len(prints)))) & MASK
    total ^= total >> 29
    total = (total * STIR) & MASK
    return total ^ (total >> 32)


def inside(prints: NDArray[np.uint16], size: int) -> NDArray[np.bool_]:
    """Whether the n-gram at each word lies within one work: 0 stands between works."""
    count = len(prints) - size + 1
    whole = np.ones(max(0, count), bool)
    for place in range(size):
        whole &= prints[place : place + len(whole)] != 0
    return whole


def winnowed(made: NDArray[np.uint64], window: int) -> NDArray[np.bool_]:
    """The n-grams that winnowing keeps: the last smallest of each `window` neighbours (Schleimer, Wilkerson, Aiken 2003)."""
    kept = np.zeros(len(made), bool)
    if len(made) < window:
        kept[:1] = True
        return kept
    views = np.lib.stride_tricks.sliding_window_view(made, window)[:, ::-1]
    kept[np.arange(len(views)) + window - 1 - np.argmin(views, axis=1)] = True
    return kept
