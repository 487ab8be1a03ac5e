"""What is made of a window's entities with a list of places and peoples beside them; nothing is learnt here.

In this order: signs and small words at an entity's edges are let go; a place that is a list of places becomes several; a date
that is a part of a longer number is none; and what the list knows is a place, or a people, unless it is a part of something else
that the encoder is sure of. The numbers were chosen on tweets, novels and an encyclopaedia, and are judged on web pages and news.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache

from proxy.classifier.places import CITIES, COUNTRIES, OF_SMALL_LETTERS, PEOPLES, REGIONS, UNSURE
from proxy.classifier.reading import Best

PLACE, PEOPLE, DATE, ORGANISATION = "LOCATION", "NRP", "DATE_TIME", "ORGANIZATION"
NAMED = (PLACE, ORGANISATION, "PERSON")
KNOWN = 0.6  # the score of what the list knows at least
SURE = 0.5  # of an entity that what it holds is a part of
ORGANISED = 0.7  # of an organisation that is called like a place, and is one
PLAIN = 0.75  # of a single word in small letters, below which it is no name
LEADING = re.compile(r"(?:(?:of|the|in|at|from|to|and|near|on|by|for|with|'s|’s)\s+|[\s'’\"“(,]+)+")
TRAILING = re.compile(r"(?:['’]s|[\s'’\",(;:]+)$")
TRAILING_PLACE = re.compile(r"(?:\s+(?:district|area|region|city|province|and|of|the)|['’]s|[\s'’\",(;:]+)$")
BETWEEN = re.compile(r"\s*,\s+|\s+(?:and|&|-|/)\s+|\s*/\s*")
WORD = re.compile(r"(?<![\w&'’.@/#-])[A-Za-z][\w.]*")
GOES_ON = re.compile(r"[\w&]|[.@/]\w")  # behind what is then no name: a longer word, a domain
PART = re.compile(r"[\d.,:/-]+")


def refined(text: str, found: Iterable[Best], labels: Sequence[str]) -> list[Best]:
    """The entities of a window; those alone that the model has labels for."""
    hits = [part for hit in found for part in parts(text, trimmed(text, hit)) if not slight(text, part)]
    for start, end, label in listed(text):
        if label in labels:
            hits = settled(text, hits, start, end, label)
    return hits


def trimmed(text: str, hit: Best) -> Best:
    """The entity without signs and small words at its edges."""
    if hit.label == DATE:
        return hit
    said = text[hit.start : hit.end]
    lead = LEADING.match(said)
    begun = lead.end() if lead and lead.end() < len(said) else 0
    tail = (TRAILING_PLACE if hit.label == PLACE else TRAILING).search(said, begun)
    end = tail.start() if tail and tail.start() > begun else len(said)
    if said[begun:end].startswith("The ") and said[begun + 4 : end] in known():
        begun += 4
    return Best(hit.label, hit.score, hit.start + begun, hit.start + end)


def parts(text: str, hit: Best) -> Iterator[Best]:
    """The places of a list of places; an address, which has digits, stays one."""
    said = text[hit.start : hit.end]
    if hit.label != PLACE or any(map(str.isdigit, said)):
        yield hit
        return
    places, at = list[tuple[int, int]](), 0
    for sign in BETWEEN.finditer(said):
        places.append((at, sign.start()))
        at = sign.end()
    places.append((at, len(said)))
    if not all(start < end and said[start].isupper() for start, end in places):
        places = [(0, len(said))]
    for start, end in places:
        yield Best(hit.label, hit.score, hit.start + start, hit.start + end)


def slight(text: str, hit: Best) -> bool:
    """Whether it is a word in small letters that little speaks for, or a date that is a part of a longer number."""
    said = text[hit.start : hit.end]
    if hit.label in (PLACE, ORGANISATION):  # people write their own names in small letters, too
        return hit.score < PLAIN and said.islower() and " " not in said
    if hit.label != DATE or not PART.fullmatch(said):
        return False
    before, after = text[max(0, hit.start - 2) : hit.start], text[hit.end : hit.end + 2]
    return (
        bool(PART.fullmatch(before[-1:]) and any(map(str.isdigit, before)))
        or bool(PART.fullmatch(after[:1]) and after[-1:].isdigit())
        or not any(map(str.isdigit, said))
        or (not said[0].isdigit() and before[-1:].isalnum())
    )


def settled(text: str, hits: Sequence[Best], start: int, end: int, label: str) -> list[Best]:
    """The entities with what the list knows at a place of the text, or as they were."""
    over = [hit for hit in hits if hit.start < end and start < hit.end]
    inner = [hit for hit in over if start <= hit.start and hit.end <= end]
    if any(hit.score >= SURE for hit in over if hit not in inner):
        return list(hits)
    if label == PLACE:
        if any(hit.label in NAMED[1:] and hit.score >= ORGANISED for hit in inner if (hit.start, hit.end) == (start, end)):
            return list(hits)
        if text[start:end] in UNSURE and not any(hit.label in (PLACE, ORGANISATION) for hit in inner):
            return list(hits)
    score = max([KNOWN, *(hit.score for hit in inner if hit.label == label)])
    return [*(hit for hit in hits if hit not in over), Best(label, score, start, end)]


def listed(text: str) -> Iterator[tuple[int, int, str]]:
    """Where the text has a name of the list, the longest at each place, and what it is."""
    names, at = by_word(), 0
    for word in WORD.finditer(text):
        start = word.start()
        if start < at:
            continue
        for name in names.get(first(word[0]), ()):
            end = start + len(name)
            if text.startswith(name, start) and not GOES_ON.match(text, end):
                yield start, end, known()[name]
                at = end
                break


def first(name: str) -> str:
    """What a name is looked up by: its first word, as far as its letters go."""
    letters = re.match(r"\w+", name)
    return letters[0] if letters else name


@cache
def known() -> Mapping[str, str]:
    """All names with what they are."""
    small = {name.lower() for name in COUNTRIES | REGIONS | CITIES} - OF_SMALL_LETTERS
    return dict.fromkeys(PEOPLES, PEOPLE) | dict.fromkeys(COUNTRIES | REGIONS | CITIES | UNSURE | small, PLACE)


@cache
def by_word() -> Mapping[str, Sequence[str]]:
    """The names by their first word, the longest first."""
    made: dict[str, list[str]] = {}
    for name in sorted(known(), key=lambda name: (-len(name), name)):
        made.setdefault(first(name), []).append(name)
    return made
