"""Runs of words that are spelt to be read by people alone: leetspeak, and letters set apart."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from string import ascii_letters, ascii_lowercase

from proxy.text.alignment import Edit
from proxy.text.common_words import COMMON
from proxy.text.runs import Run, Source, classes, known, neighbours, pronounceable

LEET = str.maketrans("013456789@$!|+", "oieasgtbgasilt")
ELLS = str.maketrans("1", "l")
LEET_SIGNS = "0123456789@$!|+"
LEET_SHAPE = classes((ascii_letters, "a"), (LEET_SIGNS, "1"), other=" ")
LEET_WORD = re.compile(b"(?<![a1])a*+1[a1]*+")
LONGEST = 24  # characters of a word
NEAR = 40  # characters between words that count together
COUNTED = re.compile(r"\d+[a-z]{1,2}|[a-z]+\d+", re.IGNORECASE)  # 4th, 10am, sha256
HEXLIKE = re.compile(r"[0-9a-fA-F]+")

SPACED_SHAPE = classes((ascii_letters + "0134570@$", "a"), (" .-_*|/~,:\n", "."))
SPACED = re.compile(rb"(?<!a)a(?:\.a)+(?!a)")
SPACED_SIGN = b"a.a.a.a"
# What a word costs when letters are cut into words, by its length; what a stretch of others costs to begin, and for each letter.
COSTS, COST = {1: 1.2, 2: 0.8, 3: 0.7}, 0.5
OTHER, OTHER_LETTER = 2.0, 0.25
LONGEST_COMMON = 14
SINGLE_OR_COMMON = COMMON | {"a", "i"}
APART = 3  # characters between words of letters set apart


@dataclass(frozen=True, slots=True)
class Guess:
    """A word that may be leetspeak. `strong`: it reads as a common word; `weak`: it might be one."""

    start: int
    end: int
    word: str
    strong: bool
    weak: bool


def leet(found: Source) -> Iterator[Run]:
    """Words with digits and signs for letters, where several stand together of which at least one is a common word."""
    shape = found.shape(LEET_SHAPE)
    if b"a1a" not in shape and shape.count(b" 1a") < 2:
        return
    guesses = [guess for match in LEET_WORD.finditer(shape) if (guess := guessed(found.text, *match.span()))]
    for group in neighbours([(guess.start, guess.end) for guess in guesses], NEAR):
        words = [guesses[index] for index in group]
        strong = {guess.word.lower() for guess in words if guess.strong}
        if len(strong) > 1 or (strong and len(max(strong, key=len)) > 3 and any(guess.weak for guess in words)):
            for guess in words:
                yield Run("leet", guess.start, guess.end, (Edit(guess.start, guess.end, guess.word),))


def guessed(text: str, start: int, end: int) -> Guess | None:
    """What a word with digits or signs in it may read as; None if it is no leetspeak."""
    while end > start and text[end - 1] in "!|+":
        end -= 1
    while start < end and text[start] in "!|+":
        start += 1
    if text[start:end][:1] == "$" == text[end - 1 : end]:  # $NAME1$ is a placeholder
        start, end = start + 1, end - 1
    old = text[start:end]
    letters = sum(map(str.isalpha, old))
    if not letters or letters == len(old) or len(old) > LONGEST or "2" in old:
        return None
    new = reading(old)
    word = new.lower()
    if COUNTED.fullmatch(old) and not known(word):
        return None
    hexlike = HEXLIKE.fullmatch(old) is not None
    strong = len(word) > 2 and known(word) and not hexlike
    inside = any(char in LEET_SIGNS for char in old[1:-1])
    weak = inside and len(word) > 3 and not hexlike and letters * 2 >= len(word) and word.isalpha() and pronounceable(word)
    return Guess(start, end, new, strong, weak) if strong or weak or len(word) < 4 or word in COMMON else None


def reading(old: str) -> str:
    """Leetspeak as letters; a 1 is an i or an l, whichever makes a word."""
    options = [old.translate(LEET), old.translate(ELLS).translate(LEET)]
    if old.count("1") > 1:
        options += [old.replace("11", "ll").translate(LEET), old.replace("1", "l", 1).translate(LEET)]
    return next((option for option in options if known(option.lower())), options[0])


def spaced(found: Source) -> Iterator[Run]:
    """Words whose letters are set apart by spaces, dots, dashes or lines, where they make words."""
    shape = found.shape(SPACED_SHAPE)
    if SPACED_SIGN not in shape:
        return
    spans = [match.span() for match in SPACED.finditer(shape)]
    for group in neighbours(spans, APART):
        chains = [chain(found.text, *spans[index]) for index in group]
        words = [word for _, made in chains for word in made]
        if meant(words):
            for index, (edits, _) in zip(group, chains, strict=True):
                yield Run("spaced", *spans[index], tuple(edits))


def chain(text: str, start: int, end: int) -> tuple[list[Edit], list[str]]:
    """The edits that put letters together, and the words that they make. Breaks are where another sign stands between letters."""
    signs = text[start + 1 : end : 2]
    usual = Counter(signs).most_common(1)[0][0]
    letters = text[start:end:2].lower().translate(LEET)
    breaks = {index for index, sign in enumerate(signs) if sign != usual}
    words, done = list[str](), 0
    for index in [*sorted(breaks), len(letters) - 1]:
        parts = segmented(letters[done : index + 1])
        for part in parts[:-1]:
            done += len(part)
            breaks.add(done - 1)
        words += parts
        done = index + 1
    edits = (Edit(start + 2 * i + 1, start + 2 * i + 2, " " if i in breaks else "") for i in range(len(signs)))
    return [edit for edit in edits if edit.new != text[edit.start]], words


def segmented(letters: str) -> list[str]:
    """Letters without spaces as words: the cheapest way to cut them into common words and stretches of others."""
    if known(letters) or len(letters) < 4:
        return [letters]
    best, back = [0.0], [0]  # of the letters before a place: the least cost, and where the last word begins
    stretch, begun = OTHER, 0  # the least cost with a stretch at the end, and where that begins
    for end in range(1, len(letters) + 1):
        stretch += OTHER_LETTER
        cost, begin = stretch, begun
        for start in range(max(end - LONGEST_COMMON, 0), end):
            if best[start] < cost and letters[start:end] in SINGLE_OR_COMMON:
                total = best[start] + COSTS.get(end - start, COST)
                if total < cost:
                    cost, begin = total, start
        best.append(cost)
        back.append(begin)
        if cost + OTHER < stretch:
            stretch, begun = cost + OTHER, end
    parts, end = list[str](), len(letters)
    while end:
        parts.append(letters[back[end] : end])
        end = back[end]
    return parts[::-1]


def listed(word: str) -> bool:
    """Whether a word has four letters in the order of the alphabet."""
    return any(word[i : i + 4] in ascii_lowercase for i in range(min(len(word), LONGEST) - 3))


def meant(words: Sequence[str]) -> bool:
    """Whether letters set apart are likely words: lists, initials and grids are letters as well."""
    total = sum(map(len, words))
    if total < 5 or not any(len(word) > 3 for word in words):
        return False
    sure = sum(len(word) for word in words if len(word) > 2 and known(word))
    likely = sum(len(word) for word in words if len(word) > 6 and pronounceable(word) and len(set(word)) > 5 and not listed(word))
    return (sure + likely) * 10 >= total * 6 or (sure >= 8 and sure * 10 >= total * 4)
