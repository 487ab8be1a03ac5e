"""Views of a text as it reads once what hides it from a machine is undone; spans of a view map back to the text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from proxy.text import encoded
from proxy.text.alignment import Alignment, Edit, edited
from proxy.text.ciphers import ciphers
from proxy.text.folding import folded
from proxy.text.letters import leet, spaced
from proxy.text.runs import Run, Source, apart, source
from proxy.text.tags import unseen

DEPTH = 2  # how often what was decoded is looked at again
GROWTH = 4  # characters of all views together for each one of the text or of its folded view
LARGEST = 2**20  # characters of a view with runs decoded
CONTEXT = 1000  # characters kept on either side of a decoded run
# In the order in which they are believed where runs share characters.
READERS: tuple[Callable[[Source], Iterator[Run]], ...] = (
    encoded.base64, encoded.base32, encoded.hexadecimal, encoded.numbers, encoded.escapes, encoded.url,
    encoded.entities, encoded.morse, spaced, leet, ciphers,
)  # fmt: skip  # a list reads better in rows


@dataclass(frozen=True, slots=True)
class Normalised:
    """One view of a text. `name` says what was undone, kinds joined by + and levels by / ("base64+leet", "tags/url/base64")."""

    name: str
    text: str
    ways: tuple[Alignment, ...] = ()  # back to the original, the last first

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The smallest span of the original text that covers what this span of the view came from; `end` is exclusive.

        Between decoded runs, and in leetspeak, escapes and letters set apart, a character leads to its own; in what was
        decoded as a whole (base64, numbers, Morse, backwards) each leads to the whole run.
        """
        end = max(min(end, len(self.text)), 0)
        start = max(min(start, end), 0)
        for way in reversed(self.ways):
            start, end = way.span(start, end)
        return start, end


def normalised(text: str) -> tuple[Normalised, ...]:
    """The views of a text that a classifier should read, the folded one first; most texts have no other.

    "folded": the whole text without what is not seen, letters in other forms and look-alikes as letters. "tags": what is said
    in characters that nobody sees. Then, for each of these and each of two levels, the text with all plausible runs decoded in
    their places, folded again; further than 1,000 characters from any run it is left out, since the folded view has it.
    All views together have at most 4 characters for each one of the text, or of the folded view where that is longer, one with
    decoded runs at most 2**20. Time is linear.
    """
    read, ways = folded(text, len(text))
    views = [Normalised("folded", read, ways)]
    if hidden := unseen(text):
        views.append(_edited(Normalised("", text), hidden, "tags", 0))
    budget = GROWTH * max(len(text), len(read)) - sum(len(view.text) for view in views)
    level = list(views)
    for _ in range(DEPTH):
        level = [deeper for view in level if (deeper := decoded(view)) is not None]
        for view in level:
            if len(view.text) <= budget:
                budget -= len(view.text)
                views.append(view)
    return tuple(views)


def decoded(view: Normalised) -> Normalised | None:
    """The view with its plausible runs decoded; None if there is none."""
    found = source(view.text)
    runs = apart((list(reader(found)) for reader in READERS), len(view.text))
    if not runs:
        return None
    kinds = "+".join(dict.fromkeys(run.kind for run in runs))
    name = kinds if view.name == "folded" else f"{view.name}/{kinds}"
    return _edited(view, bounded(runs, len(view.text)), name, len(view.text))


def bounded(runs: Iterable[Run], length: int) -> Iterator[Edit]:
    """The edits of the runs, without what is far from any run, and without what goes past the largest view."""
    done, size = 0, 0
    for run in runs:
        keep = 2 * CONTEXT if done else CONTEXT
        if run.start - done > keep + 1:
            yield Edit(done + keep - CONTEXT, run.start - CONTEXT, "\n")
        size += min(run.start - done, keep + 1) + run.end - run.start
        if size > LARGEST - CONTEXT - 1:
            yield Edit(max(done, run.start - CONTEXT), length, "")
            return
        yield from run.edits
        done = run.end
    if length - done > CONTEXT:
        yield Edit(done + CONTEXT, length, "")


def _edited(view: Normalised, edits: Iterable[Edit], name: str, largest: int) -> Normalised:
    """The view with edits made, folded again, not longer than `largest`."""
    text, way = edited(view.text, edits)
    text, ways = folded(text, max(largest - len(text), 0))
    return Normalised(name, text, (*view.ways, *(step for step in (way, *ways) if step is not None)))
