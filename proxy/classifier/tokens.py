"""Word pieces and how they are written: the vocabulary knows no capitals, names do."""

from __future__ import annotations

from collections.abc import Sequence


def cases(text: str, offsets: Sequence[tuple[int, int]]) -> list[int]:
    """For each piece how its word is written: 0 no letters, 1 all lower, 2 Capitalised, 3 ALL UPPER, 4 miXed."""
    found: list[int] = []
    word, end, case = 0, -1, 0
    for begin, stop in offsets:
        if begin != end:  # a new word begins
            word = begin
            case = _case(text[begin : _word_end(text, begin)])
        found.append(case if stop > word else 0)
        end = stop
    return found


def _word_end(text: str, begin: int) -> int:
    end = begin
    while end < len(text) and end - begin < 40 and text[end].isalnum():
        end += 1
    return max(end, begin + 1)


def _case(word: str) -> int:
    if not any(map(str.isalpha, word)):
        return 0
    if word.islower():
        return 1
    if word.istitle() or (len(word) == 1 and word.isupper()):
        return 2
    return 3 if word.isupper() else 4
