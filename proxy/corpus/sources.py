"""Reads works for an index: text files, source code and JSON Lines, plain or gzipped, in pieces that fit into memory.

A JSON line is a work: `text`, and any of `id`, `title`, `author`, `holder`, `rights`, `licence`, `path`. Any other file is a
work; lines such as `Title: …` and `Author: …` at its very top, up to a blank line, are facts about it and not its text.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from proxy.corpus.folding import code, prose
from proxy.corpus.index import FACTS
from proxy.corpus.layout import Tokens
from proxy.corpus.words import read
from proxy.errors import IndexFileError

TEXTS = frozenset("txt text md rst tex html htm xml csv srt lrc".split())
CODE = frozenset(
    "py pyi js mjs cjs jsx ts tsx java kt kts scala c h cc cpp cxx hpp hh cs go rs swift rb php pl pm lua r jl m mm sh bash zsh "
    "ps1 sql hs ml mli fs ex exs erl clj cljs lisp el vue svelte dart groovy cu cuh f f90 asm s v sv vhd zig nim".split()
)
LINES = frozenset("jsonl ndjson".split())
PIECE = 4 << 20  # bytes of text in one piece
LONG = 200  # characters of a fact that are kept
ALIASES = {
    "license": "licence",
    "rights_holder": "holder",
    "rightsholder": "holder",
    "name": "title",
    "url": "path",
    "source": "path",
}
TOP = re.compile(r"([A-Za-z][A-Za-z _-]{1,30}):[ \t]*(.+)")


@dataclass(frozen=True, slots=True)
class Source:
    """One file to be indexed. `name` is its path below the folder that was named."""

    path: Path
    name: str
    size: int

    @property
    def kind(self) -> str:
        """The last part of its name, without `.gz`."""
        return self.path.name.removesuffix(".gz").rpartition(".")[2].lower()


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a source, as workers take it. `first`: it begins a work, whose facts it carries."""

    raw: bytes
    lines: bool
    first: bool
    facts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Read:
    """The fingerprints of a work, or of its next part when `facts` is None."""

    facts: Mapping[str, str] | None
    prints: bytes


def sources(paths: Iterable[Path], tokens: Tokens) -> list[Source]:
    """The files that paths stand for, folders gone through in the order of their names. Raises IndexFileError."""
    wanted = (TEXTS if tokens == "words" else CODE) | LINES
    found: list[Source] = []
    for path in paths:
        if path.is_dir():
            inside = [
                Source(each, str(each.relative_to(path)), each.stat().st_size)
                for each in sorted(path.rglob("*"))
                if each.is_file()
            ]
            found += [each for each in inside if each.kind in wanted]
        elif path.is_file():
            found.append(Source(path, path.name, path.stat().st_size))
        else:
            raise IndexFileError(f"{path}: there is no such file or folder")
    if not found:
        raise IndexFileError(
            f"nothing to index: expected files such as *.{', *.'.join(sorted(wanted)[:8])}, or any of them with .gz"
        )
    return found


def pieces(source: Source, defaults: Mapping[str, str]) -> Iterator[Piece]:
    """A source in pieces, each cut where a line or a word ends."""
    lines, first = source.kind in LINES, True
    facts = {"path": source.name, **defaults}
    try:
        with gzip.open(source.path) if source.path.suffix == ".gz" else source.path.open("rb") as file:
            for raw in _cut(file, lines=lines):
                yield Piece(raw, lines, first, facts)
                first = False
    except (OSError, EOFError) as error:
        raise IndexFileError(f"{source.path}: cannot be read: {error}") from None


def _cut(file: IO[bytes] | gzip.GzipFile, *, lines: bool) -> Iterator[bytes]:
    rest = b""
    while chunk := file.read(PIECE):
        chunk = rest + chunk
        place = chunk.rfind(b"\n") + 1 if lines else _boundary(chunk)
        if place:
            yield chunk[:place]
        rest = chunk[place:]
    if rest:
        yield rest


def _boundary(chunk: bytes) -> int:
    """The last place where a word has ended for certain: behind a letter or a sign, before a space."""
    for place in range(len(chunk) - 1, 0, -1):
        if chunk[place] in b" \n" and chunk[place - 1] < 128 and chr(chunk[place - 1]).isalnum():
            return place
        if len(chunk) - place > PIECE // 2:  # a file without words: any character may end a piece
            break
    return next((p for p in range(len(chunk) - 1, max(0, len(chunk) - 4), -1) if chunk[p] & 0xC0 != 0x80), len(chunk))


def tokenised(piece: Piece, tokens: Tokens) -> list[Read]:
    """What is indexed of a piece. Raises IndexFileError."""
    folding = prose() if tokens == "words" else code()
    if piece.lines:
        return [Read(facts, _prints(text, folding)) for facts, text in _works(piece)]
    text = piece.raw.decode("utf-8", "replace")
    if not piece.first:
        return [Read(None, _prints(text, folding))]
    facts, text = top(text)
    return [Read(tidy({**piece.facts, **facts}), _prints(text, folding))]


def _prints(text: str, folding: object) -> bytes:
    return b"".join(block.prints.astype("<u2").tobytes() for block in read(text, folding))  # type: ignore[arg-type]  # a table of either kind


def _works(piece: Piece) -> Iterator[tuple[dict[str, str], str]]:
    for number, line in enumerate(piece.raw.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            text = row.pop("text")
        except (ValueError, KeyError, AttributeError, TypeError):
            row, text = {}, None
        if not isinstance(text, str):
            where = f"{piece.facts['path']}: line {number} of a piece"
            raise IndexFileError(
                f"{where}: expected a JSON object with a text, and title, author, rights, licence where they are known"
            )
        yield tidy({**piece.facts, **{ALIASES.get(k, k): v for k, v in row.items() if isinstance(v, (str, int))}}), text


def top(text: str) -> tuple[dict[str, str], str]:
    """The facts at the top of a text, and the text below them."""
    facts, place = {}, 0
    for line in text[:8000].splitlines(keepends=True):
        match = TOP.fullmatch(line.strip())
        key = ALIASES.get(match[1].strip().lower().replace(" ", "_"), match[1].strip().lower()) if match else ""
        if match and key in FACTS:
            facts[key] = match[2]
            place += len(line)
        else:
            return (facts, text[place:]) if not line.strip() else ({}, text)
    return {}, text


def tidy(facts: Mapping[str, object]) -> dict[str, str]:
    """The facts that an index keeps, cut to length; a work without a title is called by its file."""
    kept = {name: " ".join(str(facts[name]).split())[:LONG] for name in FACTS if facts.get(name)}
    if "title" not in kept and kept.get("path"):
        stem = re.sub(r"(\.\w{1,5}){1,2}$", "", Path(kept["path"]).name)
        kept["title"] = re.sub(r"^\d+[ _-]+", "", stem).replace("_", " ").strip() or stem
    return kept
