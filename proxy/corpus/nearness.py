"""Which runs of n-grams lie near each other, in a text and in an index at once: in a cell of one of four grids that overlap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ROUNDS = 16  # after which it is not asked further what is near to what: all may be
WIDTH = 48  # bits of a cell's number that tell places apart
SHIFTS = ((0, 0), (0, 1), (1, 0), (1, 1))  # of four grids, by half a cell


@dataclass(frozen=True, slots=True, eq=False)
class Runs:
    """Runs of hits in the order of their diagonals: first and last n-gram, and the place of the first with its shelf."""

    first: NDArray[np.int64]
    last: NDArray[np.int64]
    place: NDArray[np.int64]
    of: NDArray[np.int64]  # the run that each mark belongs to


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Where some runs begin and end, and points between, so that none is far from the next: run, word, place."""

    run: NDArray[np.int64]
    query: NDArray[np.int64]
    place: NDArray[np.int64]

    def cells(self, reach: int, shift: tuple[int, int]) -> NDArray[np.int64]:
        """The cells of a grid in which they lie. Of points within reach, each two share a cell of one of the four grids."""
        bits = (2 * reach - 1).bit_length()
        across, down = shift
        return (self.query + (across << bits - 1) >> bits) << WIDTH | (self.place + (down << bits - 1) >> bits)


def points(runs: Runs, reach: int, some: NDArray[np.bool_]) -> Points:
    """The points of some runs."""
    chosen = np.flatnonzero(some)
    size = (runs.last - runs.first)[chosen]
    count = np.where(size > 0, size // reach + 2, 1)
    run = np.repeat(chosen, count)
    along = np.minimum((np.arange(len(run)) - np.repeat(np.cumsum(count) - count, count)) * reach, np.repeat(size, count))
    return Points(run, runs.first[run] + along, runs.place[run] + along)


def joined(runs: Runs, some: NDArray[np.bool_], others: NDArray[np.bool_], reach: int) -> NDArray[np.bool_] | None:
    """Some runs, and those others that a chain may go on to: within reach of them or of each other then, and further on.

    None if that goes on and on.
    """
    some, new, others = some.copy(), some, others.copy()
    end = runs.place + runs.last - runs.first
    for _ in range(ROUNDS):
        if not new.any() or not others.any():
            return some
        near, far = points(runs, reach, new), points(runs, reach, others)
        new = np.zeros(len(some), bool)
        for shift in SHIFTS:
            cells = near.cells(reach, shift)
            order = np.argsort(cells, kind="stable")
            begins = np.flatnonzero(np.append(True, cells[order][1:] != cells[order][:-1]))
            cells, least = cells[order][begins], np.minimum.reduceat(runs.place[near.run[order]], begins)
            wanted = far.cells(reach, shift)
            at = np.minimum(cells.searchsorted(wanted), len(cells) - 1)
            new[far.run[(cells[at] == wanted) & (least[at] < end[far.run])]] = True
        some |= new
        others &= ~new
    return None


def together(runs: Runs, reach: int, some: NDArray[np.bool_]) -> NDArray[np.int64] | None:
    """The group of each run: some that are within reach of each other, and those within reach of these; None as above."""
    given, grids = points(runs, reach, some), []
    for shift in SHIFTS:
        cells = given.cells(reach, shift)
        order = np.argsort(cells, kind="stable")
        cells, run = cells[order], given.run[order]
        shared = np.zeros(len(cells) + 1, bool)
        shared[1:-1] = cells[1:] == cells[:-1]
        kept = shared[1:] | shared[:-1]
        if kept.any():
            cells, run = cells[kept], run[kept]
            grids.append((run, np.flatnonzero(np.append(True, cells[1:] != cells[:-1]))))
    group = np.arange(len(runs.first))
    for _ in range(ROUNDS if grids else 1):
        before = group.copy()
        for run, begins in grids:
            least = np.minimum.reduceat(group[run], begins)
            np.minimum.at(group, run, np.repeat(least, np.diff(np.append(begins, len(run)))))
        group = group[group]
        if np.array_equal(group, before):
            return group
    return None
