"""Folds what only people can read: characters that are not seen, other forms of letters, heaps of marks, look-alikes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from proxy.text.alignment import Alignment, Edit, edited
from proxy.text.characters import MARKED, PILES, UNSEEN, ZALGO, Characters, characters
from proxy.text.confusables import latinised


def folded(text: str, room: int) -> tuple[str, tuple[Alignment, ...]]:
    """The text folded, at most `room` characters longer than it was, and its way back.

    NFKC, without what is not seen and without three and more marks on a letter, look-alikes as Latin letters. An accent that
    stands by itself and a sign that NFKC spells out stay as they are, and so does what it makes longer when the room is used up.
    """
    if text.isascii():
        return text, ()
    table = characters()
    text, unseen = edited(text, removed(text, UNSEEN))
    text = table.formed.sub(lambda match: table.forms.get(match[0], match[0]), text)
    piled = composed_way = None
    if table.clustered.search(text):
        text, piled = edited(text, _piles(text, table))
        text, composed_way = edited(text, composed(text, table, room))
    return latinised(text), tuple(way for way in (unseen, piled, composed_way) if way is not None)


def removed(text: str, what: re.Pattern[str]) -> Iterator[Edit]:
    """Edits that take out what matches."""
    return (Edit(match.start(), match.end(), "") for match in what.finditer(text))


def _piles(text: str, table: Characters) -> Iterator[Edit]:
    """Edits that take out so many marks in a row that ordering them takes quadratic time."""
    piles = PILES.search(text), table.heaps.search(text)
    if not any(piles):
        return iter(())
    return removed(text, re.compile(f"{PILES.pattern}|{table.heaps.pattern}"))


def composed(text: str, table: Characters, room: int) -> Iterator[Edit]:
    """Edits that bring a text to NFKC, letter by letter with its marks."""
    done = 0
    clusters = table.all_clusters if table.above.search(text) else table.clusters
    for match in clusters.finditer(text):
        start, end = match.span()
        if start > done and not table.several.match(text, start) and not table.kept.match(text, start - 1):
            start -= 1
        done = end
        old = text[start:end]
        if len(old) == 2 and unicodedata.is_normalized("NFKC", old):
            continue
        new = unicodedata.normalize("NFKC", MARKED.sub("", unicodedata.normalize("NFKD", old)))
        while (less := table.heaps.sub("", ZALGO.sub("", new))) != new:
            new = unicodedata.normalize("NFKC", less)
        if new != old and len(new) - len(old) <= room:
            room -= len(new) - len(old)
            yield Edit(start, end, new)
