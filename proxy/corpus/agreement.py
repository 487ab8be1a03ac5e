"""Words of a text and of a work compared one by one: before the first n-gram of a chain, and in a gap between two of them."""

from __future__ import annotations

from collections.abc import Sequence

DROP = 4  # words in which text and work differ, beyond those that agree since, before a chain stops to compare
BACK = 40  # words before its first n-gram in which a chain looks for words that agree


def compared_back(prints: Sequence[int], at: int, source: Sequence[int], position: int) -> tuple[int, int]:
    """How many words before two places count, and how many of them agree without a difference."""
    surplus = tried = counted = straight = 0
    for back in range(1, min(BACK, at) + 1):
        if prints[at - back] == source[position - back]:
            surplus += 1
            tried += 1
            straight += back == straight + 1
            if surplus > 0:
                counted, surplus, tried = counted + tried, 0, 0
        else:
            surplus -= 1
            if surplus <= -DROP:
                break
    return counted, straight


def filled(prints: Sequence[int], at: int, source: Sequence[int], position: int, across: int, along: int) -> int:
    """How many words of a gap agree: up to one of them on the diagonal before it, and from there on the one behind it.

    It ends at two places, and has `across` words in the text and `along` in the work.
    """
    size = min(across, along)
    if size <= 0:
        return 0
    text, work = at - across, position - along
    before = [prints[text + j] == source[work + j] for j in range(size)]
    behind = [prints[at - size + j] == source[position - size + j] for j in range(size)]
    best = here = int(sum(behind))
    for j in range(size):
        here += before[j] - behind[j]
        best = max(best, here)
    return best
