"""Which n-grams of a text can be part of a passage, reckoned for many at once; chains are made of these alone.

A run of words that a text shares with a work is hopeless when the longest chain that can be made of it and of all that is near,
whatever agrees around them, is too short to be a passage. That chain would come and go without a trace, so none is begun: a
text of common or chance n-grams costs no more than another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from proxy.corpus.agreement import BACK, DROP
from proxy.corpus.chains import Limits
from proxy.corpus.index import PLACE, Shelf
from proxy.corpus.nearness import Runs, joined, together
from proxy.corpus.passages import AGAIN, CROWD, OPEN, PATIENCE

AHEAD = 16  # words that are compared at once behind a run, until its chain stops
QUERY = 48  # bits of a mark that are its place; those above are its word
STEP = np.uint64(1 << QUERY | 1)  # from one mark to the next one of its run
NONE = np.zeros(0, np.bool_)


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """A part of a text: fingerprints, the first `known` of them of the part before; whether the text begins or ends with it."""

    prints: NDArray[np.uint16]
    known: int
    begins: bool
    ends: bool


@dataclass(frozen=True, slots=True, eq=False)
class Prospects:
    """Which marks of a stretch are worth a look, and which are repetitions that are not."""

    hopeful: NDArray[np.bool_]
    repeated: NDArray[np.bool_]


def prospects(marks: NDArray[np.uint64], shelves: Sequence[Shelf], stretch: Stretch, limits: Limits) -> Prospects:
    """What may come of marks: word of the stretch and, in the lower bits, shelf and place, in order."""
    if not marks.size:
        return Prospects(NONE, NONE)
    n, runs = shelves[0].n, runs_of(marks)
    count = len(stretch.prints) - n + 1
    begin, again = beginning(marks, runs, count)
    longest, stop = reached(runs, shelves, stretch, n)
    reach = max(AGAIN, n + AHEAD + max(limits.text_gap, limits.work_gap))
    edge = np.zeros(len(stop), bool)  # what comes before or after decides as well
    if not stretch.begins:
        edge |= runs.first < reach
    if not stretch.ends:
        edge |= stop >= count - reach
    long = Runs(runs.first, stop, runs.place, runs.of)
    some = joined(long, (begin | edge) & ~again, ~(begin | edge), reach)
    group = None if some is None else together(long, reach, some)
    if some is None or group is None or thronged(runs, longest, count, some & begin, limits, n):
        return Prospects(np.ones(len(marks), bool), np.zeros(len(marks), bool))
    hopeful = np.zeros(len(group), bool)
    hopeful[group[some & edge]] = True
    hopeful = some & (hopeful[group] | (most(runs, longest, group, some) >= limits.words))
    return Prospects(hopeful[runs.of], again[runs.of])


def runs_of(marks: NDArray[np.uint64]) -> Runs:
    """The runs of marks: words that follow each other, at places that do."""
    query, place = (marks >> np.uint64(QUERY)).astype(np.int64), (marks & np.uint64((1 << QUERY) - 1)).astype(np.int64)
    order = np.lexsort((query, place - query))
    query, place = query[order], place[order]
    starts = np.ones(len(marks), bool)
    starts[1:] = (query[1:] != query[:-1] + 1) | (place[1:] != place[:-1] + 1)
    of = np.empty(len(marks), np.int64)
    of[order] = np.cumsum(starts) - 1
    begins = np.flatnonzero(starts)
    return Runs(query[begins], query[np.append(begins[1:], len(query)) - 1], place[begins], of)


def beginning(marks: NDArray[np.uint64], runs: Runs, count: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which runs may begin a chain, while others may only be gone on with; and which of these repeat others and do nothing."""
    queries = (marks >> np.uint64(QUERY)).astype(np.int64)
    free = (np.bincount(queries, minlength=count) <= CROWD)[queries]
    begin = runs.last - runs.first >= PATIENCE
    begin[runs.of[free]] = True
    return begin, repeated(marks, runs, begin & (runs.last == runs.first))


def repeated(marks: NDArray[np.uint64], runs: Runs, single: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which runs are single n-grams whose place has come a moment ago, as single ones: they begin nothing, and join nothing."""
    places = marks & np.uint64((1 << QUERY) - 1)
    order = np.argsort(places, kind="stable")
    place, query, of = places[order], (marks[order] >> np.uint64(QUERY)).astype(np.int64), runs.of[order]
    soon = np.zeros(len(order), bool)
    soon[1:] = (place[1:] == place[:-1]) & (query[1:] - query[:-1] < AGAIN)
    group = np.cumsum(~soon) - 1
    plain = np.ones(int(group[-1]) + 1, bool)
    plain[group[~single[of]]] = False
    found = np.zeros(len(single), bool)
    found[of[soon & plain[group]]] = True
    return found


def reached(runs: Runs, shelves: Sequence[Shelf], stretch: Stretch, n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How long the chain of each run can become by itself, at most, and at which n-gram it has stopped, or meets its next run."""
    room = np.full(len(runs.first), len(stretch.prints), np.int64)
    along = runs.place - runs.first
    same = np.flatnonzero(along[1:] == along[:-1])
    room[same] = runs.first[same + 1]
    longest, stop = runs.last - runs.first + n, np.zeros(len(runs.first), np.int64)
    text = np.concatenate([np.zeros(BACK, np.uint16), stretch.prints, np.zeros(AHEAD, np.uint16)])
    for number, shelf in enumerate(shelves):
        some = np.flatnonzero(runs.place >> 32 == number)
        source, place = shelf.arrays["prints"], runs.place & PLACE
        windows, sources = sliding_window_view(text, BACK), sliding_window_view(source, BACK)
        longest[some] += (windows[runs.first[some]] == sources[np.maximum(place[some] - BACK, 0)]).sum(1)
        windows, sources = sliding_window_view(text, AHEAD), sliding_window_view(source, AHEAD)
        at, surplus = runs.last[some] + n, np.zeros(some.size, np.int64)
        stopped = np.zeros(some.size, bool)
        while some.size:
            seen = np.minimum(along[some] + at & PLACE, len(source) - AHEAD)
            agree = windows[np.minimum(at + BACK, len(windows) - 1)] == sources[seen]
            longest[some] += agree.sum(1)
            some, at, surplus, agree = some[~stopped], at[~stopped] + AHEAD, surplus[~stopped], agree[~stopped]
            stopped = (at >= room[some]) | (at >= len(stretch.prints))
            for column in agree.T:
                surplus = np.minimum(surplus + np.where(column, 1, -1), 0)
                stopped |= surplus <= -DROP
            stop[some[stopped]] = np.minimum(at[stopped] - n, room[some[stopped]])
    return longest, np.maximum(runs.last, stop - AHEAD)


def thronged(runs: Runs, longest: NDArray[np.int64], count: int, some: NDArray[np.bool_], limits: Limits, n: int) -> bool:
    """Whether there may be so many chains at a time that some give way to others."""
    ends = np.minimum(runs.last + 2 * n + AHEAD + np.minimum(limits.text_gap, 2 * longest), count)
    begun, ended = (np.bincount(each[some], minlength=count + 1) for each in (runs.first, ends))
    return bool(np.cumsum(begun - ended).max() > OPEN // 2)


def most(runs: Runs, longest: NDArray[np.int64], group: NDArray[np.int64], some: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The words that the longest chain of each run's group can have: it comes by no place of the index twice."""
    chosen = np.flatnonzero(some)
    order = chosen[np.lexsort((longest[chosen], runs.place[chosen], group[chosen]))]
    last = np.ones(len(order), bool)
    last[:-1] = (group[order][1:] != group[order][:-1]) | (runs.place[order][1:] != runs.place[order][:-1])
    total = np.zeros(len(longest), np.int64)
    np.add.at(total, group[order[last]], longest[order[last]])
    return total[group]
