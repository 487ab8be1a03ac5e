"""Whether an open segment holds together: the tables of its works all through, its n-grams at a few places.

A checksum says that bytes are as they were written; this says that they make sense. It costs a millisecond, and makes whatever is
looked up later lie within the file: places are proven against `prints`, which are empty at both ends.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from proxy.corpus import grams
from proxy.corpus.table import APART, Segment

SPOTS = 16  # n-grams that are looked up, spread over all
BUCKET = 1 << 12  # n-grams in one bucket, at most; a hundred is a great many
RECORD = 1 << 20  # bytes of the record of a work, at most


class Part(Protocol):
    """A segment as it lies in the file."""

    segment: Segment
    bucket_shift: int
    key_shift: int
    key_mask: int
    arrays: dict[str, NDArray[np.uint64]]


def unsound(part: Part) -> str:
    """What does not hold together in a segment; empty when nothing is seen."""
    return _works(part) or _titles(part) or _buckets(part) or ("prints" in part.arrays and _places(part)) or ""


def _works(part: Part) -> str:
    """Works follow each other with empty words between, and so do their records without."""
    segment, arrays = part.segment, part.arrays
    counts = arrays["counts"].astype(np.int64)
    starts = np.cumsum(counts + APART) - counts
    if not np.array_equal(arrays["starts"], starts) or int(counts.sum()) != segment.words:
        return "the works do not follow each other"
    offsets = arrays["offsets"]
    sizes = offsets[1:] - offsets[:-1]  # unsigned: a step back is a very long record
    if offsets[0] != 0 or int(offsets[-1]) != segment.sections["records"].size or int(sizes.max()) > RECORD:
        return "the records do not follow each other"
    return ""


def _titles(part: Part) -> str:
    titles, titled = part.arrays["titles"], part.arrays["titled"]
    if (titles[1:] < titles[:-1]).any() or (titled >= part.segment.works).any():
        return "the titles are not in order"
    return ""


def _buckets(part: Part) -> str:
    buckets, count = part.arrays["buckets"], part.segment.grams
    some = np.linspace(0, len(buckets) - 2, SPOTS).astype(np.int64)
    low, high = buckets[some].astype(np.int64), buckets[some + 1].astype(np.int64)
    if int(buckets[0]) or int(buckets[-1]) != count or ((high < low) | (high - low > BUCKET) | (high > count)).any():
        return "the buckets are not in order"
    return ""


def _places(part: Part) -> str:
    """N-grams stand where they are said to, with the hashes by which they are found."""
    n, prints = part.segment.n, part.arrays["prints"]
    if prints[:APART].any() or prints[-APART:].any():
        return "there are words where none can be"
    some = np.linspace(0, part.segment.grams - 1, SPOTS).astype(np.int64)
    places = part.arrays["positions"][some].astype(np.int64)
    if (places > len(prints) - n).any():
        return "n-grams do not stand where they are said to"
    words = prints[places[:, None] + np.arange(n)]
    made = grams.hashes(words.ravel(), n)[::n]
    chosen = (made >> np.uint64(part.bucket_shift)).astype(np.int64)
    keys = (made >> np.uint64(part.key_shift)) & np.uint64(part.key_mask)
    buckets = part.arrays["buckets"]
    inside = (buckets[chosen] <= some) & (some < buckets[chosen + 1])
    if not words.all() or not inside.all() or (part.arrays["keys"][some] != keys).any():
        return "n-grams do not stand where they are said to"
    return ""
