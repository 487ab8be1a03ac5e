"""Sources as UTF-8 whatever they are written in: UTF-8, UTF-16 and UTF-32, by their byte order mark or by their zero bytes."""

from __future__ import annotations

import codecs
from typing import Protocol

HEAD = 4096  # bytes that are looked at
BINARY = 50  # one control character among so many bytes is more than texts have
MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark is its beginning
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
CONTROLS = bytes(code for code in range(32) if code not in b"\t\n\v\f\r\x1a\x1b")


class Bytes(Protocol):
    """A file that is read."""

    def read(self, size: int, /) -> bytes: ...


def plain(file: Bytes) -> Bytes:
    """A text as UTF-8, without a byte order mark. Raises ValueError if it is no text."""
    head = file.read(HEAD)
    mark, encoding = next(((mark, name) for mark, name in MARKS if head.startswith(mark)), (b"", ""))
    encoding = encoding or unmarked(head)
    joined = Joined(head[len(mark) :], file)
    return joined if encoding == "utf-8" else Recoded(joined, codecs.getincrementaldecoder(encoding)("replace"))


def unmarked(head: bytes) -> str:
    """The encoding of a text without a mark: in UTF-16 spaces and line ends, at least, have a zero byte, always on one side."""
    even, odd = head[::2].count(0), head[1::2].count(0)
    if 20 * max(even, odd) > len(head) // 2 and 10 * min(even, odd) < max(even, odd):
        return "utf-16-le" if odd > even else "utf-16-be"
    controls = len(head) - len(head.translate(None, CONTROLS))
    if controls * BINARY > len(head):
        raise ValueError("expected a text, and this is other data")
    return "utf-8"


class Joined:
    """What has been read already, and the rest."""

    def __init__(self, head: bytes, file: Bytes) -> None:
        self.head, self.file = head, file

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; none at the end."""
        if self.head:
            chunk, self.head = self.head, b""
            return chunk + self.file.read(max(0, size - len(chunk)))
        return self.file.read(size)


class Recoded:
    """A text of another encoding as UTF-8; what cannot be decoded becomes U+FFFD."""

    def __init__(self, file: Bytes, decoder: codecs.IncrementalDecoder) -> None:
        self.file, self.decoder = file, decoder

    def read(self, size: int, /) -> bytes:
        """About `size` bytes; none at the end."""
        chunk = self.file.read(size)
        return self.decoder.decode(chunk, final=not chunk).encode("utf-8", "replace")
