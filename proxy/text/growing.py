"""Text as checks read it and as callers get it back, whole or in pieces.

A *view* takes the raw text of a segment, piece by piece, and gives the text that checks should read: for plain text the
same, for JSON source the text behind its escapes. Findings are spans of what was read; `release` writes the raw text up to a
place, with the spans replaced, so that JSON stays JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Protocol

from proxy.core import Form
from proxy.text.json_source import JsonView
from proxy.text.spans import Span, joined

Wording = Callable[[Span, str], str]  # what stands in the place of a span that held this text


class View(Protocol):
    """A raw text that comes in pieces, as checks read it."""

    def push(self, raw: str, *, end: bool = False) -> str:
        """Take more raw text; give the text to be read that it adds."""
        ...

    def release(self, place: int, spans: Sequence[Span]) -> str:
        """The raw text not yet released, up to the offset `place` of the text read, with `spans` (joined) replaced."""
        ...

    def read(self, start: int, end: int) -> str:
        """What was read from `start` to `end`, and not yet released; nothing if it is not of one piece (two strings of JSON)."""
        ...

    @property
    def held(self) -> int:
        """How many characters have come and not been released."""
        ...


def view(form: Form) -> View:
    """A view for one segment of this form."""
    return JsonView() if form == "json" else EitherView() if form == "either" else PlainView()


def redacted(text: str, spans: Iterable[Span], form: Form = "text", word: Wording | None = None) -> str:
    """The whole of `text` with the spans, given in the text read, replaced."""
    seen = view(form)
    read = seen.push(text, end=True)
    return seen.release(len(read), worded(seen, joined(spans), word))


def worded(seen: View, spans: Sequence[Span], word: Wording | None) -> Sequence[Span]:
    """The spans (joined, not yet released), each with what stands in its place as its label; `word` asks the operators."""
    if word is None:
        return spans
    return [replace(span, label=word(span, seen.read(span.start, span.end))) for span in spans]


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

    def read(self, start: int, end: int) -> str:
        return self.text[start - self.start : end - self.start]

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


class EitherView:
    """Text that is JSON source if it begins with a brace or a bracket, else plain text."""

    __slots__ = ("blank", "view")

    def __init__(self) -> None:
        self.blank = ""  # what has come so far, when it says nothing yet
        self.view: View | None = None

    @property
    def held(self) -> int:
        return self.view.held if self.view else len(self.blank)

    def push(self, raw: str, *, end: bool = False) -> str:
        if self.view is not None:
            return self.view.push(raw, end=end)
        said = (self.blank + raw).lstrip()
        if not said and not end:
            self.blank += raw
            return raw
        self.view = JsonView() if said[:1] in ("{", "[") else PlainView()
        return self.view.push(self.blank + raw, end=end)[len(self.blank) :]

    def read(self, start: int, end: int) -> str:
        return self.view.read(start, end) if self.view else ""

    def release(self, place: int, spans: Sequence[Span]) -> str:
        return self.view.release(place, spans) if self.view else ""
