"""Puts back, in what goes to the caller, the values that this caller gave in this conversation: whole and piece by piece.

It comes after the guard of the completion: checks see what the model wrote, so that a value that nobody here gave is found in it,
and nothing that is put back is judged again. In a text that goes on, only what may be the beginning of a name is held back.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

from proxy.core import Form
from proxy.operators.conversation import Conversation
from proxy.operators.names import Written, settled, stem_of, written
from proxy.text import Span, view


class Restorer:
    """Restores the texts of one answer, and counts."""

    def __init__(self, conversation: Conversation) -> None:
        self.conversation, self.stems = conversation, conversation.stems
        self.restored: dict[str, int] = {}  # by what their names begin with
        self.unknown: dict[str, int] = {}  # look like names of ours, and mean nothing here

    def whole(self, text: str, form: Form) -> str:
        """A text that is all there."""
        return self.text(form).push(text, end=True)

    def text(self, form: Form) -> Restoring:
        """A text that comes in pieces."""
        return Restoring(self, form)

    def spans(self, found: Iterable[Written], offset: int) -> list[Span]:
        """What is to be put in the places of names."""
        spans = []
        for each in found:
            value = self.conversation.value(each.name)
            counted = self.unknown if value is None else self.restored
            counted[stem_of(each.name)] = counted.get(stem_of(each.name), 0) + 1
            if value is not None:
                begins = each.start + (each.escapes if each.name in self.conversation.escaped else 0)
                spans.append(Span(offset + begins, offset + each.end, quote(value, safe="") if each.encoded else value))
        return spans


class Restoring:
    """One text of an answer."""

    __slots__ = ("begun", "buffer", "offset", "owner", "view")

    def __init__(self, owner: Restorer, form: Form) -> None:
        self.owner, self.view = owner, view(form)
        self.buffer = ""  # read and not released, with the character before, which says whether a word begins there
        self.begun = 0  # where in the buffer what was not released begins
        self.offset = 0  # of the buffer, in the text read

    def push(self, raw: str, *, end: bool = False) -> str:
        """Take more of the text; what may be shown of it."""
        self.buffer += self.view.push(raw, end=end)
        if end:
            found, held = list(written(self.buffer, self.owner.stems, self.begun)), len(self.buffer)
        else:
            found, held = settled(self.buffer, self.owner.stems, self.begun)
        out = self.view.release(self.offset + held, self.owner.spans(found, self.offset))
        cut = max(0, held - 1)
        self.buffer, self.begun, self.offset = self.buffer[cut:], held - cut, self.offset + cut
        return out
