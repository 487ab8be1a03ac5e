"""The file of an index: a header with its checksum, segments of sorted n-grams and their works, a table of contents.

All numbers are little-endian. The header has 4,096 bytes: magic, version, size of the file, place, size and SHA-256 of the table
of contents (JSON, at the end), and a SHA-256 over all of that. Each section of a segment has a BLAKE2b checksum in the table,
which `verify` compares; opening reads the header, this table and those of the works, whatever the size of the texts.

Sections of a segment: `buckets` (u32, where the n-grams with the same first bits begin), `keys` (the next bits of each n-gram:
u16, or u32 in the form `hashes`), `positions` (u32, the word each n-gram begins at, counted over all works), `prints` (u16, the
fingerprint of every word), `starts` and `counts` (u32, first word and number of words of a work), `records` (JSON, a work each)
and `offsets` (u64, where each begins), `titles` and `titled` (u64, u32: hashes of titles in order, and their works).
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import stat
import struct
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from proxy.corpus.table import ALIGN, HEADER, LARGEST, Section, Segment, segments_of
from proxy.errors import IndexFileError

MAGIC = b"PARAPET INDEX\r\n\x1a\n"  # line ends as in PNG: a transfer as text damages it, and shows
VERSION = 1
PREFIX = struct.Struct("<17sIQQQ32s")
CHUNK = 1 << 20
WAY_OUT = "copy it again, or build it anew"


@dataclass(frozen=True, slots=True)
class Contents:
    """The table of contents."""

    segments: tuple[Segment, ...]
    size: int  # of the file
    version: int = VERSION


@contextmanager
def readable(path: Path) -> Iterator[IO[bytes]]:
    """The file of an index, open. Raises IndexFileError, for what goes wrong while it is read, too."""
    try:
        if not path.is_file() and path.exists():
            raise IndexFileError(f"{path}: not an index of Parapet but no file at all: expected the path of a .pidx file")
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise IndexFileError(f"{path}: cannot be read: {error.strerror or error}") from None
    except ValueError as error:  # a path that no file can have, a file that has shrunk
        raise IndexFileError(f"{path}: cannot be read: {error}") from None


def contents(path: Path) -> Contents:
    """The table of contents of an index. Raises IndexFileError."""
    with readable(path) as file:
        return contents_of(path, file)


def contents_of(path: Path, file: IO[bytes]) -> Contents:
    """The same for a file that is open."""
    header = file.read(HEADER)
    if not header.startswith(MAGIC):
        raise IndexFileError(f"{path}: not an index of Parapet: build one with `parapet index build`")
    if len(header) < HEADER:
        raise IndexFileError(f"{path}: truncated: {len(header)} bytes, and a header alone has {HEADER}: {WAY_OUT}")
    if hashlib.sha256(header[: PREFIX.size]).digest() != header[PREFIX.size : PREFIX.size + 32]:
        raise IndexFileError(f"{path}: damaged: the header does not fit its checksum: {WAY_OUT}")
    _, version, size, place, length, digest = PREFIX.unpack_from(header)
    if version != VERSION:
        raise IndexFileError(f"{path}: version {version}, and this Parapet reads version {VERSION}: build it anew")
    real = os.fstat(file.fileno()).st_size
    if real != size:
        raise IndexFileError(f"{path}: truncated or grown: {real} bytes, expected {size}: {WAY_OUT}")
    if place < HEADER or place + length != size or length > LARGEST:
        raise IndexFileError(f"{path}: damaged: the table of contents lies where none can be: {WAY_OUT}")
    file.seek(place)
    table = file.read(length)
    if hashlib.sha256(table).digest() != digest:
        raise IndexFileError(f"{path}: damaged: the table of contents does not fit its checksum: {WAY_OUT}")
    try:
        return Contents(segments_of(table, place), size, version)
    except ValueError as error:
        raise IndexFileError(f"{path}: damaged: the table of contents does not hold: {error}: {WAY_OUT}") from None


def verify(path: Path, progress: Callable[[int, int], None] = lambda *_: None) -> list[str]:
    """The sections whose bytes do not fit their checksums. Raises IndexFileError for what cannot be opened at all."""
    damaged, done = [], 0
    with readable(path) as file:
        table = contents_of(path, file)
        for number, segment in enumerate(table.segments):
            for name, section in segment.sections.items():
                file.seek(section.offset)
                seen, left = hashlib.blake2b(digest_size=16), section.size
                while left and (chunk := file.read(min(CHUNK, left))):
                    seen.update(chunk)
                    left -= len(chunk)
                    done += len(chunk)
                    progress(done, table.size)
                if seen.hexdigest() != section.checksum:
                    damaged.append(f"segment {number}: {name}")
    return damaged


class Writer:
    """Writes an index beside the place where it will be; `written` puts it there when all of it is on the disk."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.segments: list[Segment] = []
        file.write(b"\0" * HEADER)

    def section(self, source: IO[bytes] | bytes) -> Section:
        """Append a section."""
        self.file.write(b"\0" * (-self.file.tell() % ALIGN))
        place, seen = self.file.tell(), hashlib.blake2b(digest_size=16)
        for chunk in [source] if isinstance(source, bytes) else iter(lambda: source.read(CHUNK), b""):
            seen.update(chunk)
            self.file.write(chunk)
        return Section(place, self.file.tell() - place, seen.hexdigest())

    def take(self, path: Path, segment: Segment) -> None:
        """Append a segment of another index as it is. Raises IndexFileError if it is damaged."""
        sections = {}
        with path.open("rb") as other:
            for name, section in segment.sections.items():
                other.seek(section.offset)
                made = self.section(_Part(other, section.size))  # type: ignore[arg-type]  # it reads, and no more is asked of it
                if made.checksum != section.checksum:
                    raise IndexFileError(f"{path}: damaged: {name} does not fit its checksum: build it anew")
                sections[name] = made
        self.segments.append(replace(segment, sections=sections))

    def finish(self) -> None:
        """Append the table of contents and write the header."""
        table = json.dumps({"segments": [segment.row for segment in self.segments]}).encode()
        place = self.file.tell()
        self.file.write(table)
        prefix = PREFIX.pack(MAGIC, VERSION, place + len(table), place, len(table), hashlib.sha256(table).digest())
        self.file.seek(0)
        self.file.write(prefix + hashlib.sha256(prefix).digest())
        self.file.flush()
        os.fsync(self.file.fileno())


@dataclass(slots=True)
class _Part:
    """The next `left` bytes of a file."""

    file: IO[bytes]
    left: int

    def read(self, size: int) -> bytes:
        chunk = self.file.read(min(size, self.left))
        self.left -= len(chunk)
        return chunk


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """The only process of those that ask that reads an index to write it anew; the others wait. Raises IndexFileError."""
    try:
        folder = os.open(path.parent, os.O_RDONLY)  # the folder, since the file itself is replaced
    except OSError as error:
        raise IndexFileError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


@contextmanager
def written(path: Path) -> Iterator[Writer]:
    """A writer whose index appears at `path` in one step, or not at all, with the mode of the one before.

    Raises IndexFileError, OSError.
    """
    if not path.parent.is_dir():
        raise IndexFileError(f"{path}: cannot be written: there is no folder {path.parent}: expected one that exists")
    if path.is_dir():
        raise IndexFileError(f"{path}: cannot be written: it is a folder: expected the path of a .pidx file")
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o644
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            writer = Writer(file)
            yield writer
            writer.finish()
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
