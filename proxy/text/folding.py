"""Folds what only people can read: characters that are not seen, other forms of letters, heaps of marks, look-alikes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from proxy.text.alignment import Alignment, Edit, edited
from proxy.text.characters import MARKED, UNSEEN, ZALGO, Characters, characters
from proxy.text.confusables import latinised


def folded(text: str, room: int) -> tuple[str, tuple[Alignment, ...]]:
    """The text folded, at most `room` characters longer than it was, and its way back.

    NFKC, without what is not seen and without three and more marks on a letter, look-alikes as Latin letters. An accent that
    stands by itself and a sign that NFKC spells out stay as they are, and so does what it makes longer when the room is used up.
    """
    if text.isascii():
        return text, ()
    table, ways = characters(), list[Alignment | None]()
    text, way = edited(text, removed(text, UNSEEN))
    ways.append(way)
    text, way = edited(text, removed(text, table.heaps))
    ways.append(way)
    if table.suspect.search(text) or not unicodedata.is_normalized("NFKC", text):
        text, way = edited(text.translate(table.single), composed(text.translate(table.single), table, room))
        ways.append(way)
    return latinised(text), tuple(way for way in ways if way is not None)


def removed(text: str, what: re.Pattern[str]) -> Iterator[Edit]:
    """Edits that take out what matches."""
    return (Edit(match.start(), match.end(), "") for match in what.finditer(text))


def composed(text: str, table: Characters, room: int) -> Iterator[Edit]:
    """Edits that bring a text to NFKC, letter by letter with its marks."""
    for match in table.clusters.finditer(text):
        old = match[0]
        new = unicodedata.normalize("NFKC", MARKED.sub("", unicodedata.normalize("NFKD", old)))
        while (less := table.heaps.sub("", ZALGO.sub("", new))) != new:
            new = unicodedata.normalize("NFKC", less)
        if new != old and len(new) - len(old) <= room:
            room -= len(new) - len(old)
            yield Edit(match.start(), match.end(), new)
