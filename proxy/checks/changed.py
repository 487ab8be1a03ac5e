"""Where a text was rewritten, and to what: as few and as short parts as can be found in bounded time."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

MOST = 200  # words of each text that are compared word by word, in a tenth of a second; of longer ones the middle is one part
WORD = re.compile(r"\s+|\w+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Change:
    """A part of the old text, and what is there in the new one."""

    start: int
    end: int
    text: str = field(repr=False)


def changed(old: str, new: str) -> Iterator[Change]:
    """The parts of `old` that must be replaced to make it `new`. None is empty unless `old` is: what is put in takes a
    neighbouring character with it."""
    head = agreeing(old, new)
    tail = agreeing(old[head:][::-1], new[head:][::-1])
    before, after = WORD.findall(old[head : len(old) - tail]), WORD.findall(new[head : len(new) - tail])
    if len(before) > MOST or len(after) > MOST:
        yield filled(old, Change(head, len(old) - tail, new[head : len(new) - tail]))
        return
    place = head
    held: Change | None = None
    for tag, first, last, first_new, last_new in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        length = sum(map(len, before[first:last]))
        if tag != "equal":
            change = filled(old, Change(place, place + length, "".join(after[first_new:last_new])))
            if held is not None and change.start < held.end:  # both put something in beside one character: it is taken once
                change = Change(held.start, held.end, held.text + change.text[held.end - change.start :])
            elif held is not None:
                yield held
            held = change
        place += length
    if held is not None:
        yield held


def filled(old: str, change: Change) -> Change:
    """The change with at least one character of the old text in it."""
    if change.start < change.end or not old:
        return change
    if change.start > 0:
        return Change(change.start - 1, change.end, old[change.start - 1] + change.text)
    return Change(0, 1, change.text + old[0])


def agreeing(one: str, other: str) -> int:
    """How many characters both begin with."""
    low, high = 0, min(len(one), len(other))
    while low < high:  # by halves: comparing parts of strings is fast
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
