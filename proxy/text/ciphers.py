"""Runs of words turned into others letter by letter: Caesar's cipher with the usual shifts, Atbash, text written backwards."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, pairwise
from string import ascii_lowercase

from proxy.text.alignment import Edit
from proxy.text.common_words import COMMON
from proxy.text.runs import Run, Source, whole

WORD = re.compile("[a-z]+")
SHORT = 2  # letters of a word that may be a word of another language
HITS = 3  # longer words that must be hidden ones
CLOSE = 16  # words among which they must be
HIT, PLAIN, OTHER = 5, -5, -2  # what a turned word, a common one and any other add to the score of a stretch
FALL = 15  # how far it may fall before the stretch ends
EDGE = 12  # words beside a stretch that are taken with it, being no common words


ALPHABET = ascii_lowercase
# How to read letters that stand for others: rot13, Caesar's three places and one place either way, Atbash.
ALPHABETS = {
    "rot13": ALPHABET[13:] + ALPHABET[:13],
    "caesar": ALPHABET[-3:] + ALPHABET[:-3],
    "caesar+3": ALPHABET[3:] + ALPHABET[:3],
    "caesar-1": ALPHABET[-1:] + ALPHABET[:-1],
    "caesar+1": ALPHABET[1:] + ALPHABET[:1],
    "atbash": ALPHABET[::-1],
}
TABLES = {kind: str.maketrans(ALPHABET + ALPHABET.upper(), new + new.upper()) for kind, new in ALPHABETS.items()}
BACKWARDS = "reversed"
# Pairs of words that stand in this order far more often than in the other.
PAIRS = frozenset(
    (
        "of the|in the|to the|on the|for the|from the|and the|all the|how to|how do|how can|what is|what are|can you|do not|"
        "you are|to make|to be|is a|is the|in a|tell me|give me|need to|want to|have to|the most|the best|your instructions|"
        "previous instructions|all previous|system prompt|the system|your system|a bomb|the following|this is|that is|i am|i want"
    ).split("|")
)


@cache
def turned() -> dict[str, frozenset[str]]:
    """Common words as they look when turned, by kind, without those that are common words themselves."""
    forms = {kind: frozenset(_encoded(word, table) for word in COMMON) - COMMON for kind, table in TABLES.items()}
    return forms | {BACKWARDS: frozenset(word[::-1] for word in COMMON) - COMMON}


@cache
def any_turned() -> frozenset[str]:
    """The longer of them, of all kinds."""
    return frozenset(word for forms in turned().values() for word in forms if len(word) > SHORT)


def _encoded(word: str, table: dict[int, int]) -> str:
    back = {new: old for old, new in table.items()}
    return word.translate(back)


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a text in lower case with their places."""

    words: Sequence[str]
    spans: Sequence[tuple[int, int]]
    text: str

    def beside(self, at: int) -> bool:
        """Whether no more than a space or a comma is between a word and the one after it."""
        return not self.text[self.spans[at][1] : self.spans[at + 1][0]].strip(" ,;'-")


def ciphers(found: Source) -> Iterator[Run]:
    """Stretches that have clearly more common words when they are turned."""
    plain = found.raw.lower().decode("ascii")
    loose = plain.split()
    if any_turned().isdisjoint(loose):
        return
    hits = [at for at, word in enumerate(loose) if word in any_turned()]
    if not any(last - first < CLOSE for first, last in zip(hits, hits[HITS - 1 :], strict=False)):
        return
    kinds = [kind for kind, forms in turned().items() if len(forms.intersection(loose)) >= HITS]
    matches = list(WORD.finditer(plain))
    words = Words([match[0] for match in matches], [match.span() for match in matches], plain)
    for kind in kinds:
        for first, last in stretches(words, turned()[kind]):
            start, end = words.spans[first][0], words.spans[last][1]
            text = found.text
            if kind == BACKWARDS:
                yield whole(kind, start, end, backwards(text[start:end]))
            else:
                edits = (Edit(a, b, text[a:b].translate(TABLES[kind])) for a, b in words.spans[first : last + 1])
                yield Run(kind, start, end, tuple(edits))


def backwards(text: str) -> str:
    """The text with the last character first, or each word so where that puts the words in the better order."""
    whole_text = text[::-1]
    by_word = re.sub(r"\S+", lambda match: match[0][::-1], text)
    return by_word if ordered(by_word) > ordered(whole_text) else whole_text


def ordered(text: str) -> int:
    """How many pairs of words stand in the order in which they mostly do."""
    return sum(map(PAIRS.__contains__, map(" ".join, pairwise(text.lower().split()))))


def stretches(found: Words, wanted: frozenset[str]) -> Iterator[tuple[int, int]]:
    """The first and last word of each stretch in which turned words outnumber plain ones by far, and of what stands beside it."""
    words = found.words
    reach = Reach(words, wanted)
    at, free = 0, 0
    while at < len(words):
        if words[at] not in wanted:
            at += 1
            continue
        last = reach(at)
        if believed(words[at : last + 1], wanted):
            first = at
            while first > max(free, at - EDGE) and words[first - 1] not in COMMON and found.beside(first - 1):
                first -= 1
            stop = min(last + EDGE, len(words) - 1)
            while last < stop and words[last + 1] not in COMMON and found.beside(last):
                last += 1
            yield first, last
            free = last + 1
        at = last + 1


class Reach:
    """The last word of the stretch that begins at a word: where its score is highest before it falls too far.

    Asked for words in their order, all answers together take linear time: what was read for one is not read again for the next.
    """

    def __init__(self, words: Sequence[str], wanted: frozenset[str]) -> None:
        self.scores = list(accumulate(HIT if word in wanted else PLAIN if word in COMMON else OTHER for word in words))
        self.peaks = deque[int]()  # from the highest score of what was read on, each the highest after the one before
        self.read = 0  # words read, whose score does not fall too far from the first asked for

    def __call__(self, first: int) -> int:
        scores, peaks = self.scores, self.peaks
        while peaks and peaks[0] < first:
            peaks.popleft()
        self.read = max(self.read, first)
        while self.read < len(scores) and (not peaks or scores[self.read] >= scores[peaks[0]] - FALL):
            while peaks and scores[peaks[-1]] < scores[self.read]:
                peaks.pop()
            peaks.append(self.read)
            self.read += 1
        return peaks[0]


def believed(words: Sequence[str], wanted: frozenset[str]) -> bool:
    """Whether enough words of a stretch are turned ones; a few short ones might be another language."""
    hits = {word for word in words if word in wanted and len(word) > SHORT}
    every = sum(word in wanted for word in words)
    plain = sum(word in COMMON for word in words)
    return len(hits) >= HITS and every * 10 >= len(words) * 4 and every >= plain * 3
