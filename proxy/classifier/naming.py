"""Names in a text: what the encoder's token head makes of the pieces of a window, joined to words and these to entities."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from proxy.classifier.card import Kind
from proxy.classifier.gazetteer import refined
from proxy.classifier.pieces import BEGIN, END, Pieces
from proxy.classifier.reading import Best
from proxy.classifier.tokens import cases
from proxy.classifier.windows import Cutter
from proxy.classifier.worker import Logits

ROOM = 62  # pieces of a window: a stream is held back by one, and to tell a name the words around it are enough
OVERLAP = 16
LEAST = 0.25  # the score of a word that may belong to an entity
NEAR = 1  # characters between words of one entity: a space
Tag = tuple[int, float]  # of a piece: its likeliest entity, by its index, and how likely that is


@dataclass(frozen=True, slots=True)
class Naming:
    """The token head's side of an encoder: what it reads, and what its answers mean."""

    pieces: Pieces
    entities: tuple[str, ...]

    def cutter(self, _: Kind) -> Cutter:
        """Cuts a text to windows."""
        return Cutter(self.pieces.counter, ROOM, OVERLAP)

    def ids(self, text: str, _: Kind) -> list[int] | None:
        """The ids of the pieces, then how each is written; None when it is more than a window."""
        ids, places = self.pieces.placed(text)
        if len(ids) > ROOM:
            return None
        return [BEGIN, *ids, END, 0, *cases(text, places), 0]

    def found(self, text: str, _: Kind, answer: Logits) -> list[Best]:
        """The entities of a window, from what the network said of it: for each piece an entity and its score."""
        tags = [(int(tag), score) for tag, score in zip(answer[2:-2:2], answer[3:-2:2], strict=True)]
        places = self.pieces.placed(text)[1]
        return refined(text, entities(text, places, tags, self.entities), self.entities)


def entities(text: str, places: Sequence[tuple[int, int]], tags: Sequence[Tag], names: Sequence[str]) -> Iterator[Best]:
    """The entities that the tags of word pieces make: words next to each other that are likeliest the same."""
    group: list[tuple[int, int, int, float]] = []
    for word in words(text, places, tags):
        start, _, tag, score = word
        if group and (tag != group[-1][2] or score < LEAST or start - group[-1][1] > NEAR):
            yield entity(group, names)
            group = []
        if score >= LEAST:
            group.append(word)
    if group:
        yield entity(group, names)


def entity(group: Sequence[tuple[int, int, int, float]], names: Sequence[str]) -> Best:
    """One entity; its score is the mean of its words'."""
    score = sum(word[3] for word in group) / len(group)
    return Best(names[group[0][2]], score, group[0][0], group[-1][1])


def words(
    text: str, places: Sequence[tuple[int, int]], tags: Sequence[Tag]
) -> Iterator[tuple[int, int, int, float]]:  # start, end, entity, score
    """The words of pieces that follow each other without a space or a sign between, each with the entity that its pieces mean."""
    at = 0
    while at < len(places):
        last = at + 1
        while last < len(places) and places[last][0] == places[last - 1][1] and within(text, places[last][0]):
            last += 1
        tag, score = meant(tags[at:last])
        yield places[at][0], places[last - 1][1], tag, score
        at = last


def within(text: str, place: int) -> bool:
    """Whether a word goes on at a place."""
    return text[place - 1].isalnum() and text[place].isalnum()


def meant(tags: Iterable[Tag]) -> Tag:
    """What most of a word's pieces mean, and the mean of their scores for it."""
    sums: dict[int, float] = {}
    count = 0
    for tag, score in tags:
        sums[tag] = sums.get(tag, 0.0) + score
        count += 1
    best = max(sums, key=lambda tag: (sums[tag], -tag))
    return best, sums[best] / count
