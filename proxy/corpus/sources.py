"""Reads works for an index: text files, source code and JSON Lines, plain or gzipped, in pieces that fit into memory.

A JSON line is a work: `text`, and any of `id`, `title`, `aliases`, `author`, `holder`, `rights`, `licence`, `path`. Any other
file is a work; lines such as `Title: …` and `Author: …` at its very top, up to a blank line, are facts about it and not its text.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from proxy.corpus.charsets import Bytes, plain
from proxy.corpus.folding import Folding, code, prose
from proxy.corpus.index import FACTS
from proxy.corpus.table import Tokens
from proxy.corpus.words import read
from proxy.errors import IndexFileError

TEXTS = frozenset("txt text md rst tex html htm xml csv srt lrc".split())
CODE = frozenset(
    "py pyi js mjs cjs jsx ts tsx java kt kts scala c h cc cpp cxx hpp hh cs go rs swift rb php pl pm lua r jl m mm sh bash zsh "
    "ps1 sql hs ml mli fs ex exs erl clj cljs lisp el vue svelte dart groovy cu cuh f f90 asm s v sv vhd zig nim".split()
)
LINES = frozenset("jsonl ndjson".split())
PIECE = 4 << 20  # bytes of text in one piece
BYTES = np.arange(256)
SPACES = np.isin(BYTES, list(b" \n"))
LETTERS = np.array([byte < 128 and chr(byte).isalnum() for byte in range(256)])  # that a word may end with for certain
LINE = 32 << 20  # bytes of a JSON line, at most: it is decoded in memory, by every process at once
LONG = 200  # characters of a fact that are kept
TITLES = 50  # further titles of a work that are kept
OTHERWISE = {
    "license": "licence",
    "rights_holder": "holder",
    "rightsholder": "holder",
    "name": "title",
    "url": "path",
    "source": "path",
    "alias": "aliases",
    "titles": "aliases",
    "alternative_titles": "aliases",
    "also_known_as": "aliases",
}
TOP = re.compile(r"([A-Za-z][A-Za-z _-]{1,30}):[ \t]*(.+)")
EXPECTED = "expected a JSON object with a text, and title, author, rights, licence where they are known"

Facts = Mapping[str, str | list[str]]


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
    """A part of a source, as workers take it. `first`: it begins a work, whose facts it carries; `line`: of the file, from 1."""

    raw: bytes
    lines: bool
    first: bool
    facts: Mapping[str, str]
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Read:
    """The fingerprints of a work, or of its next part when `facts` is None."""

    facts: Facts | None
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


def left_out(paths: Iterable[Path], tokens: Tokens) -> dict[str, int]:
    """The kinds of files in folders that are not read, and how many there are of each, the most first."""
    wanted = (TEXTS if tokens == "words" else CODE) | LINES
    files = (each for path in paths if path.is_dir() for each in path.rglob("*") if each.is_file())
    kinds = Counter(each.suffix.lower() or "without an ending" for each in files if Source(each, each.name, 0).kind not in wanted)
    return dict(kinds.most_common())


def pieces(source: Source, defaults: Mapping[str, str]) -> Iterator[Piece]:
    """A source in pieces, each cut where a line or a word ends. Raises IndexFileError."""
    lines, line = source.kind in LINES, 1
    facts = {"path": source.name, **defaults}
    try:
        with gzip.open(source.path) if source.path.suffix == ".gz" else source.path.open("rb") as file:
            for number, raw in enumerate(_cut(plain(file), lines=lines)):
                if lines and len(raw) > LINE and raw.find(b"\n", 0, LINE) < 0:
                    raise IndexFileError(
                        f"{source.path}: line {line}: longer than {LINE >> 20} MB: put such a work into a text file of its own"
                    )
                yield Piece(raw, lines, number == 0, facts, str(source.path), line)
                line += raw.count(b"\n")
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise IndexFileError(f"{source.path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _cut(file: Bytes, *, lines: bool) -> Iterator[bytes]:
    rest = b""
    while chunk := file.read(PIECE):
        chunk = rest + chunk
        place = chunk.rfind(b"\n") + 1 if lines else _boundary(chunk)
        if not place and len(chunk) > LINE:
            place = len(chunk)
        if place:
            yield chunk[:place]
        rest = chunk[place:]
    if rest:
        yield rest


def _boundary(chunk: bytes) -> int:
    """The last place where a word has ended for certain: behind a letter or a sign, before a space."""
    tail = np.frombuffer(chunk, np.uint8)[max(0, len(chunk) - PIECE // 2 - 2) :]
    found = np.flatnonzero(SPACES[tail[1:]] & LETTERS[tail[:-1]])
    if found.size:
        return len(chunk) - len(tail) + int(found[-1]) + 1
    # a file without words: any character may end a piece
    return next((p for p in range(len(chunk) - 1, max(0, len(chunk) - 4), -1) if chunk[p] & 0xC0 != 0x80), len(chunk))


def tokenised(piece: Piece, tokens: Tokens) -> list[Read]:
    """What is indexed of a piece. Raises IndexFileError."""
    folding = prose() if tokens == "words" else code()
    if piece.lines:
        return [Read(facts, _prints(text, folding)) for facts, text in _works(piece)]
    text = decoded(piece)
    if not piece.first:
        return [Read(None, _prints(text, folding))]
    facts, text = top(text)
    return [Read(tidy({**piece.facts, **facts}), _prints(text, folding))]


def decoded(piece: Piece) -> str:
    """A piece of a text: UTF-8, or Windows-1252 if most of what is not ASCII is no UTF-8. Raises IndexFileError."""
    text = piece.raw.decode("utf-8", "replace")
    if text.isascii():
        return text
    lost = text.count("\ufffd") - piece.raw.count("\ufffd".encode())
    foreign = len(text) - len(text.encode("ascii", "ignore"))
    if 2 * lost <= foreign:
        return text
    if 4 * foreign > len(text):
        raise IndexFileError(
            f"{piece.file}: in no encoding of Unicode: expected UTF-8, UTF-16 or UTF-32: convert it, with iconv for example"
        )
    return piece.raw.decode("cp1252", "replace")


def _prints(text: str, folding: Folding) -> bytes:
    return b"".join(block.prints.astype("<u2").tobytes() for block in read(text, folding))


def _works(piece: Piece) -> Iterator[tuple[Facts, str]]:
    for number, line in enumerate(piece.raw.split(b"\n"), piece.line):
        if not line.strip():
            continue
        try:
            row = _row(line)
        except ValueError as error:
            raise IndexFileError(f"{piece.file}: line {number}: {error}: {EXPECTED}") from None
        text = row.pop("text")
        facts = dict(_fact(name, value) for name, value in row.items())
        yield tidy({**piece.facts, **{name: value for name, value in facts.items() if value is not None}}), text


def _row(line: bytes) -> dict[str, Any]:
    """A line as an object with a text. Raises ValueError: why it is none, without what stands there."""
    try:
        row = json.loads(line)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"no JSON from character {error.colno} on") from None
    except ValueError:
        raise ValueError("not in UTF-8, or with a number that is too long") from None
    if not isinstance(row, dict) or not isinstance(row.get("text"), str):
        raise ValueError("a value without a text")
    return row


def _fact(name: str, value: object) -> tuple[str, object]:
    """A fact under its own name; a title that is several is a list of them."""
    name = OTHERWISE.get(name, name)
    if isinstance(value, list):
        return ("aliases", value) if name == "title" else (name, value if name == "aliases" else None)
    return name, value if isinstance(value, (str, int)) else None


def top(text: str) -> tuple[dict[str, str | list[str]], str]:
    """The facts at the top of a text, and the text below them."""
    facts: dict[str, str | list[str]] = {}
    aliases: list[str] = []
    place = 0
    for line in text[:8000].splitlines(keepends=True):
        match = TOP.fullmatch(line.strip())
        key = OTHERWISE.get(match[1].strip().lower().replace(" ", "_"), match[1].strip().lower()) if match else ""
        if match and key == "aliases":
            aliases.append(match[2])
            facts[key] = aliases
        elif match and key in FACTS:
            facts[key] = match[2]
        else:
            return (facts, text[place:]) if not line.strip() else ({}, text)
        place += len(line)
    return {}, text


def tidy(facts: Mapping[str, object]) -> dict[str, str | list[str]]:
    """The facts that an index keeps, cut to length; a work without a title is called by its file."""
    found = {name: clean(facts[name]) for name in FACTS if facts.get(name)}
    kept: dict[str, str | list[str]] = {name: fact for name, fact in found.items() if fact}
    more = facts.get("aliases", [])
    aliases = [clean(each) for each in (more if isinstance(more, list) else [more])[:TITLES] if isinstance(each, str)]
    titles = [each for each in dict.fromkeys([found.get("title", ""), *aliases]) if each]
    if not titles and kept.get("path"):
        stem = re.sub(r"(\.\w{1,5}){1,2}$", "", Path(found["path"]).name)
        titles = [re.sub(r"^\d+[ _-]+", "", stem).replace("_", " ").strip() or stem]
    if titles:
        kept["title"] = titles[0]
    if titles[1:]:
        kept["aliases"] = titles[1:]
    return kept


def clean(fact: object) -> str:
    """A fact in one line, of characters that any encoding can write."""
    return " ".join(str(fact)[: 50 * LONG].split())[:LONG].encode("utf-8", "replace").decode()
