"""Text as checks read it and as callers get it back, whole or in pieces.

A *view* takes the raw text of a segment, piece by piece, and gives the text that checks should read: for plain text the
same, for JSON source the text behind its escapes. Findings are spans of what was read; `release` writes the raw text up to a
place, with the spans replaced, so that JSON stays JSON.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from proxy.core import Form
from proxy.text.json_source import JsonView
from proxy.text.spans import Span, joined


class View(Protocol):
    """A raw text that comes in pieces, as checks read it."""

    def push(self, raw: str, *, end: bool = False) -> str:
        """Take more raw text; give the text to be read that it adds."""
        ...

    def release(self, place: int, spans: Sequence[Span]) -> str:
        """The raw text not yet released, up to the offset `place` of the text read, with `spans` (joined) replaced."""
        ...

    @property
    def held(self) -> int:
        """How many characters have come and not been released."""
        ...


def view(form: Form) -> View:
    """A view for one segment of this form."""
    return JsonView() if form == "json" else PlainView()


def redacted(text: str, spans: Iterable[Span], form: Form = "text") -> str:
    """The whole of `text` with the spans, given in the text read, replaced."""
    seen = view(form)
    read = seen.push(text, end=True)
    return seen.release(len(read), joined(spans))


def readable(text: str, form: Form) -> str:
    """The whole of `text` as checks read it."""
    return text if form == "text" else view(form).push(text, end=True)


class PlainView:
    """Text that is read as it stands."""

    __slots__ = ("start", "text")

    def __init__(self) -> None:
        self.text = ""
        self.start = 0

    @property
    def held(self) -> int:
        return len(self.text)

    def push(self, raw: str, *, end: bool = False) -> str:  # noqa: ARG002 - nothing is pending in plain text
        self.text += raw
        return raw

    def release(self, place: int, spans: Sequence[Span]) -> str:
        if not spans:
            cut = place - self.start
            out, self.text = self.text[:cut], self.text[cut:]
            self.start = place
            return out
        parts, done = [], self.start
        for span in spans:
            if span.end > done and span.start < place:
                parts.append(self.text[done - self.start : max(span.start, done) - self.start])
                parts.append(span.label)
                done = span.end
        parts.append(self.text[done - self.start : place - self.start])
        self.text, self.start = self.text[place - self.start :], place
        return "".join(parts)
