"""Runs many expressions over a text at once: in Hyperscan where the package is there, one after another where it is not."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Protocol

import regex

KEPT = 16  # automata that are kept, of those that were wanted last
Note = Callable[[int, int, int, int, object], object]  # as Hyperscan calls it: number, start, end, flags, context


class Scanner(Protocol):
    """Calls `note` for each match."""

    def scan(self, folded: bytes, note: Note) -> None: ...


def size(row: tuple[int, str]) -> tuple[int, str]:
    """By length: Hyperscan compiles openings a third faster when the short ones come first."""
    return len(row[1]), row[1]


def available() -> bool:
    """Whether the hyperscan package is installed."""
    return importlib.util.find_spec("hyperscan") is not None


@lru_cache(maxsize=KEPT)
def automaton(rows: tuple[tuple[int, str], ...], *, anchored: bool) -> Scanner:
    """The rows in one Hyperscan database; those that it cannot take are spelled out beside it.

    Compiling takes seconds, so one is kept for whoever wants the same: the other direction, and the policies after a reload.
    """
    import hyperscan  # noqa: PLC0415 - the package is optional

    taken, left = [], []
    for number, form in rows:
        source = f"^(?:{form})" if anchored else form
        try:
            if len(source) > 15_000:
                raise ValueError("longer than the library allows")
            taken.append((number, source.encode("latin-1")))
        except ValueError:
            left.append((number, form))
    flags = hyperscan.HS_FLAG_ALLOWEMPTY | (0 if anchored else hyperscan.HS_FLAG_SINGLEMATCH)
    return Automaton(taken, flags, spelled_out(left, anchored=anchored) if left else None, least=int(anchored))


class Automaton:
    """A Hyperscan database. Its scratch space serves one scan at a time, so each thread has one of its own.

    `least`: the place at which a match must end at least. What is noted costs more than the scan, and empty prefixes say nothing.
    """

    def __init__(self, rows: Sequence[tuple[int, bytes]], flags: int, beside: Scanner | None, *, least: int = 0) -> None:
        import hyperscan  # noqa: PLC0415 - the package is optional

        self.beside = beside
        self.database: Any = hyperscan.Database()
        self.empty = not rows
        if rows:
            self.database.compile(
                expressions=[source for _, source in rows],
                ids=[number for number, _ in rows],
                elements=len(rows),
                flags=[flags] * len(rows),
                ext=[(hyperscan.HS_EXT_FLAG_MIN_OFFSET, least, 0, 0, 0, 0)] * len(rows) if least else None,
            )
            self.scratch = hyperscan.Scratch(self.database)
        self.local = threading.local()

    def scan(self, folded: bytes, note: Note) -> None:
        if not self.empty:
            try:
                scratch = self.local.scratch
            except AttributeError:
                scratch = self.local.scratch = self.scratch.clone()
            self.database.scan(folded, match_event_handler=note, scratch=scratch)
        if self.beside is not None:
            self.beside.scan(folded, note)


def spelled_out(rows: Sequence[tuple[int, str]], *, anchored: bool) -> Scanner:
    """The rows one after another, without Hyperscan."""
    return Anchored(rows) if anchored else Searches(rows)


class Searches:
    """Looks for each expression on its own: the slower way, with the same answer."""

    def __init__(self, rows: Sequence[tuple[int, str]]) -> None:
        self.rows = [(number, regex.compile(source.encode("latin-1"))) for number, source in rows]

    def scan(self, folded: bytes, note: Note) -> None:
        for number, expression in self.rows:
            if expression.search(folded):
                note(number, 0, 0, 0, None)


class Anchored:
    """The longest reversed prefix of each expression that Hyperscan cannot take."""

    def __init__(self, rows: Sequence[tuple[int, str]]) -> None:
        self.rows = [(reach, regex.compile(source.encode("latin-1"), regex.POSIX)) for reach, source in rows]

    def scan(self, folded: bytes, note: Note) -> None:
        for reach, expression in self.rows:
            match = expression.match(folded, endpos=reach)
            note(reach, 0, match.end() if match else 0, 0, None)


class Prefixes:
    """Which ends of a text may become matches, by the partial matching of `regex`: the slower way of the open form."""

    def __init__(self, rows: Sequence[tuple[int, str]]) -> None:
        # The byte at the end never comes: so nothing matches, and all that gets to the end of the text matches in part.
        self.rows = [(reach, regex.compile(f"(?:{source})[\\xfe\\xff]".encode("latin-1"))) for reach, source in rows]

    def scan(self, folded: bytes, note: Note) -> None:
        text = folded[::-1]  # the expressions are not reversed
        for reach, expression in self.rows:
            start = 0
            while match := expression.search(text, start, partial=True):
                note(reach, 0, len(text) - match.start(), 0, None)
                if len(text) - match.start() <= reach:
                    break
                start = max(match.start() + 1, len(text) - reach)
