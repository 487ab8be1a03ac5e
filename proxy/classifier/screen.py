"""The screen: hashed words and letters, a table of vectors, a small network over their mean. It clears what is plainly harmless.

A bag of n-grams as in fastText (Joulin et al. 2016, arXiv:1607.01759), with one hidden layer, read a stretch at a time so that
one sentence in a long text is not averaged away. NumPy alone: a text that it clears never wakes torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from safetensors import SafetensorError
from safetensors.numpy import load_file

from proxy.classifier.card import CONFIG, KINDS, OUT, Kind, Strict, parsed
from proxy.errors import ModelError

STRETCH = 192  # bytes; a window is two stretches, and shares one with the next
BLOCK = 64 * STRETCH  # bytes that are read at once
LETTERS = 5  # the length of runs of letters, in bytes
STEP = 2  # every second run is read: neighbours say nearly the same
PRIME = 0x100000001B3
MIX = np.uint64(0x9E3779B97F4A7C15)
AGAIN = np.uint64(0xBF58476D1CE4E5B9)
SHIFT = np.uint64(29)
ASCII = 128
FOREIGN = 0.3  # of the bytes that are read

Numbers = NDArray[np.int64]
Hashes = NDArray[np.uint64]
Floats = NDArray[np.float32]
Found = tuple[Hashes, Numbers]  # n-grams, and where each begins, in order


class ScreenCard(Strict):
    """The `config.json` of a screen."""

    name: str = Field(min_length=1)
    version: str = Field(min_length=1)
    buckets: int = Field(ge=2)
    threshold: Mapping[Kind, float]


@lru_cache(maxsize=1)
def folding() -> NDArray[np.uint8]:
    """Bytes as they are compared: ASCII letters lower, ASCII punctuation and spaces 0, all others themselves."""
    kept = [byte if byte >= ASCII or chr(byte).isalnum() else 0 for byte in range(256)]
    return np.array([ord(chr(byte).lower()) if byte < ASCII else byte for byte in kept], np.uint8)


@lru_cache(maxsize=1)
def powers() -> tuple[Hashes, Hashes]:
    """The powers of the prime and of its inverse modulo 2 to the 64, for all places of a block."""
    up, down = (np.full(BLOCK + 2 * STRETCH, base, np.uint64) for base in (PRIME, pow(PRIME, -1, 2**64)))
    up[0] = down[0] = 1
    return np.multiply.accumulate(up), np.multiply.accumulate(down)


def ngrams(raw: NDArray[np.uint8]) -> list[Found]:
    """The n-grams of folded bytes: words, pairs and triples of words, runs of letters. A hash depends on its n-gram alone."""
    n = len(raw)
    up, down = powers()
    before = np.zeros(n + 1, np.uint64)
    np.cumsum(raw * up[:n], out=before[1:])
    edges = np.diff((raw > 0).view(np.int8), prepend=0, append=0)
    starts, ends = (edges == 1).nonzero()[0], (edges == -1).nonzero()[0]
    words = (before.take(ends) - before.take(starts)) * down.take(starts) * MIX + MIX
    found = [(words, starts)]
    found += [(joined(words, more), starts[:-more]) for more in (1, 2) if len(words) > more]
    if n >= LETTERS:
        runs = (before[LETTERS::STEP] - before[: n - LETTERS + 1 : STEP]) * down[: n - LETTERS + 1 : STEP] * AGAIN
        found.append((runs, np.arange(0, n - LETTERS + 1, STEP)))
    return found


def joined(words: Hashes, more: int) -> Hashes:
    """The hashes of `more` + 1 words in a row."""
    out = words[:-more]
    for i in range(1, more + 1):
        out = (out ^ (out >> SHIFT)) * AGAIN + words[i : len(words) - more + i]
    return out


def bucketed(hashes: Hashes, buckets: int) -> Numbers:
    """The bucket of each n-gram; `buckets` is a power of two."""
    mixed = (hashes ^ (hashes >> SHIFT)) * AGAIN
    return (mixed >> np.uint64(65 - buckets.bit_length())).astype(np.int64)


def blocks(text: str) -> Iterator[NDArray[np.uint8]]:
    """The text as folded bytes, a block at a time; neighbours share a stretch, so that no window is missed."""
    raw = folding().take(np.frombuffer(text.encode("utf-8", "replace"), np.uint8))
    for begin in range(0, max(1, len(raw) - STRETCH), BLOCK):
        yield raw[begin : begin + BLOCK + STRETCH]


def foreign(raw: NDArray[np.uint8]) -> bool:
    """Whether a block is mostly in letters beyond ASCII: such words are not told apart well enough to clear anything."""
    return int(np.count_nonzero(raw >= ASCII)) > FOREIGN * int(np.count_nonzero(raw))


class Screen:
    """The network in a folder whose files are verified.

    table: buckets D, int8; scale: D; hidden: D H; bias: H; out: H 2, speaker and material; last: 2.
    """

    def __init__(self, folder: Path) -> None:
        """Raises ModelError when the files do not belong together."""
        self.card = parsed(folder / CONFIG, ScreenCard)
        try:
            given = load_file(folder / "model.safetensors")
            self.table: NDArray[np.int8] = given["table"]
            self.scale, self.hidden, self.bias, self.out, self.last = (
                given[n] for n in ("scale", "hidden", "bias", "out", "last")
            )
        except (SafetensorError, OSError, KeyError) as error:
            raise ModelError(f"{folder / 'model.safetensors'}: it cannot be read ({type(error).__name__}): {OUT}") from None
        if len(self.table) != self.card.buckets or self.card.buckets & (self.card.buckets - 1):
            raise ModelError(f"{folder / CONFIG}: buckets does not fit model.safetensors: {OUT}")

    def passes(self, text: str, kind: Kind) -> bool:
        """Whether the encoder must look at the text."""
        floor, column = self.card.threshold[kind], KINDS.index(kind)
        return any(foreign(raw) or self.logit(raw, column) >= floor for raw in blocks(text))

    def logit(self, raw: NDArray[np.uint8], column: int) -> float:
        """How much the most suspicious window of a block looks like one that the encoder would flag."""
        if not raw.any():
            return float("-inf")
        sums, counts = self.sums(ngrams(raw), (len(raw) - 1) // STRETCH + 1)
        if len(sums) > 1:
            sums, counts = sums[:-1] + sums[1:], counts[:-1] + counts[1:]
        mean = sums * self.scale / np.maximum(counts, 1)[:, None]
        inner = np.maximum(mean @ self.hidden + self.bias, 0)
        return float((inner @ self.out[:, column]).max() + self.last[column])

    def sums(self, found: Sequence[Found], stretches: int) -> tuple[Floats, Floats]:
        """For each stretch the sum of the vectors of its n-grams, and how many they are."""
        sums = np.zeros((stretches, self.table.shape[1]), np.int32)
        counts = np.zeros(stretches, np.int64)
        bounds = np.arange(stretches + 1) * STRETCH
        for hashes, places in found:
            cuts = places.searchsorted(bounds)
            each = np.diff(cuts)
            here = each.nonzero()[0]
            if len(here):
                rows = self.table.take(bucketed(hashes, self.card.buckets), 0)
                sums[here] += np.add.reduceat(rows, cuts[here], axis=0, dtype=np.int32)
                counts += each
        return sums.astype(np.float32), counts.astype(np.float32)
