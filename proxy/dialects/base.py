"""What a dialect can do: read the texts of a payload, write changed ones back, refuse in its own words; whole and streamed.

How a dialect is written. One file, one class that derives from Dialect, one line in `dialects/__init__.py`; app.py makes the
route. It knows no policy and keeps nothing between calls.

Requests and whole answers. `read` and `read_answer` walk the payload once and add every text to a Reading: with its role, its
place (for people: no word of the caller's in it), its form (`json` for JSON source) and the slot that a changed text is
written to. What holds text and cannot be read is counted (`skip`, `pass_over`), never passed over quietly; unknown fields are
relayed. A path may have parameters, `/v1beta/models/{model}:generateContent`: `address` gets their values.

Samples. `samples/NAME.json` holds requests, answers and streams (lists of events) with every field that the dialect knows, each
text `words`. `parapet coverage` and docs/coverage.md are found out from them; a test sends each of them through a server.

Streams. `stream` gives a Stream for one call; a dialect without state in its streams is its own. Its `read_event` says for
each event

- the pieces of text (`Delta`), each with its channel: pieces of one channel belong to one text and are held back together;
  one that is `once` is a text by itself (a name, an object); one that is `whole` repeats all of a channel that came in
  pieces before (`response.output_text.done`): it is written with what was shown of that, so `keeps` must be true, or judged
  as `once` where nothing came before. A role or form is that of the channel's first piece;
- the groups (choices, content blocks, output items) that it is about and those that end with it. `group` names the one that
  a channel belongs to. When a group ends, what its channels still hold goes out before that event (`remainder`), or in it;
- whether it says something `other` than its texts, so that it goes out even when they are all held back; whether it is the
  `final` one, behind which nothing is to come (Anthropic's message_stop; OpenAI's `[DONE]` needs no event); whether it is the
  backend's error (`failed`).

When a rule blocks, `cut` ends the groups that are open, in the API's own words. Whatever goes out is written by `write`, in
the order in which it goes out, so that is where sequence numbers are given; `named` writes the name of an event, its `type`.
Most events of a stream differ in one piece of text alone, and are then read and written by a mould instead: where each event
has a number of its own `alike` must be false, and where it is true `read_event` must not count events.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol
from urllib.parse import quote

import orjson

from proxy.core import Form, Role, Segment
from proxy.dialects.reading import (
    DEPTH,
    GIVEN,
    HIDDEN,
    LONG_NUMBER,
    MOST_TEXTS,
    Json,
    JsonSlot,
    KeySlot,
    Reading,
    Repeat,
    Slot,
    has_text,
)
from proxy.errors import BackendBroken

NAME = re.compile(r"[\w.]{1,64}", re.ASCII)  # of an event
PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")  # of a path
DONE = b"data: [DONE]\n\n"


@dataclass(slots=True)
class Delta:
    """A piece of text in an event of a stream. Pieces with equal `channel` belong to one text; a `once` is a text by itself."""

    channel: Hashable
    slot: Slot
    text: str
    role: Role
    place: str
    form: Form = "text"
    once: bool = False
    whole: bool = False  # it repeats all of its channel: what was shown of that takes its place


@dataclass(slots=True)
class Event:
    """One event of a stream, read: its pieces of text, and the channels that end with it."""

    payload: Json
    deltas: list[Delta] = field(default_factory=list)
    groups: list[Hashable] = field(default_factory=list)  # the groups (choices, blocks) that it is about
    ending: list[Hashable] = field(default_factory=list)  # those of them that end with it
    repeats: list[Repeat] = field(default_factory=list)  # what repeats the text in a form that cannot be held back
    not_inspected: list[str] = field(default_factory=list)
    other: bool = False  # it says something besides its texts, so it is sent even when they are empty
    final: bool = False  # nothing follows it
    failed: bool = False  # it is the backend's error: nothing follows

    @classmethod
    def of_error(cls, reading: Reading) -> Event:
        """The event of a backend's error, in the dialect's shape."""
        pairs = zip(reading.segments, reading.slots, strict=True)
        deltas = [Delta("error", slot, segment.text, segment.role, segment.place, once=True) for segment, slot in pairs]
        return cls(reading.payload, deltas, failed=True)


@dataclass(frozen=True, slots=True)
class Upload:
    """A file of a multipart form: no check can read it."""

    name: str
    content_type: str
    data: bytes


class Stream(Protocol):
    """One stream of a dialect, from its first event to its last."""

    end: bytes = DONE  # what follows the last event of an answer that is complete, or was cut
    alike: bool = True  # events may differ in one piece of text alone
    keeps: bool = False  # later events repeat whole texts, so that what was shown of each channel must be kept
    ids: Sequence[str] = ()  # by which later requests may refer to the answer, once it has ended
    said: Mapping[Hashable, list[str]]  # where `keeps`: what was shown of each channel so far

    def read_event(self, payload: object) -> Event:
        """The texts of one event. Raises BackendBroken when it is not one."""
        ...

    def group(self, channel: Hashable) -> Hashable:
        """The group (choice, block) that a channel belongs to."""
        ...

    def remainder(self, like: Json, texts: Iterable[tuple[Hashable, str]]) -> list[Json]:
        """Events in the manner of `like`, the last that was read, that carry the last pieces of channels."""
        ...

    def cut(self, like: Json, groups: Iterable[Hashable], message: str) -> list[Json]:
        """Events in the manner of `like` that end the groups because a rule blocked, with that rule's message."""
        ...

    def write(self, payload: Json) -> bytes:
        """An event as bytes; called for each that goes out, in order, and by itself for the shape of one (see `alike`)."""
        ...


def unnamed(payload: Json) -> bytes:
    """An event without a name."""
    return b"data: " + orjson.dumps(payload) + b"\n\n"


def named(payload: Json) -> bytes:
    """An event under the name that its `type` is."""
    name = payload.get("type")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        return unnamed(payload)
    return b"event: " + name.encode() + b"\n" + unnamed(payload)


class Dialect(ABC):
    """One API shape. It knows no policy. Without more said, it has no stream."""

    name: ClassVar[str]
    path: ClassVar[str]  # as routes have it, with {parameters}
    method: ClassVar[str] = "POST"
    headers: ClassVar[tuple[str, ...]] = ()  # of the caller's, in lower case, those that go on to the backend
    form: ClassVar[bool] = False  # a request is a multipart form: its files are Uploads
    plain: ClassVar[bool] = False  # a whole answer may be a plain text: it is read and written as {"text": …}
    media: ClassVar[str] = ""  # answers other than JSON and events are relayed as they are, and counted under this reason
    end: bytes = DONE  # these are a Stream's, for dialects that are their own
    alike: bool = True
    keeps: bool = False
    ids: Sequence[str] = ()
    said: Mapping[Hashable, list[str]] = {}

    def target(self, params: Mapping[str, str]) -> str:
        """The path at the backend; its {model} is filled in there. It may end in a query."""
        if not params:
            return self.path
        return PARAMETER.sub(lambda m: "{model}" if m[1] == "model" else quote(params[m[1]], safe=""), self.path)

    @abstractmethod
    def read(self, payload: object) -> Reading:
        """The texts of a request. Raises RequestError when it is not one."""

    def address(self, reading: Reading, params: Mapping[str, str]) -> None:
        """Take the model of a request, and whether it asks for a stream, from the parameters of its path."""
        reading.model = params.get("model", reading.model)

    @abstractmethod
    def read_answer(self, payload: object) -> Reading:
        """The texts of a whole completion. Raises BackendBroken when it is not one."""

    @abstractmethod
    def read_error(self, payload: object) -> Reading | None:
        """The texts of a backend's error, its `payload` brought into this dialect's shape; None for what is no error."""

    @abstractmethod
    def error(
        self, message: str, *, status: int, code: str, param: str | None, request_id: str, policy: str = "", rule: str = ""
    ) -> Json:
        """An error in this dialect's shape."""

    @abstractmethod
    def signed(self, error: Json, request_id: str) -> Json:
        """A backend's error in this dialect's shape, with the request id where clients look for it."""

    @abstractmethod
    def refuse(self, payload: Json, message: str) -> Json | None:
        """The refusal that stands in the place of a whole completion; None where the API has no word for one: it is an error."""

    def redacted(self, payload: Json, changed: Sequence[Segment]) -> list[str]:  # noqa: ARG002 - others have such fields
        """Remove from a whole completion what repeats texts that were changed; the names of what was removed."""
        return []

    def identities(self, payload: Json) -> list[str]:  # noqa: ARG002 - others have some
        """By what later requests may refer to a whole answer, so that the backend puts it before the prompt."""
        return []

    def stream(self) -> Stream:
        """A stream of this dialect, at its beginning."""
        return self

    def read_event(self, payload: object) -> Event:  # noqa: ARG002 - there is none to read
        """There is no stream. Raises BackendBroken."""
        raise BackendBroken("the backend sent a stream where this API has none")

    def group(self, channel: Hashable) -> Hashable:
        """The first of a tuple, or the channel itself."""
        return channel[0] if isinstance(channel, tuple) else channel

    def remainder(self, like: Json, texts: Iterable[tuple[Hashable, str]]) -> list[Json]:  # noqa: ARG002 - there is no stream
        """There is no stream, and nothing left of it."""
        return []

    def cut(self, like: Json, groups: Iterable[Hashable], message: str) -> list[Json]:  # noqa: ARG002 - there is no stream
        """There is no stream to cut."""
        return []

    def write(self, payload: Json) -> bytes:
        """An event without a name."""
        return unnamed(payload)


__all__ = [
    "DEPTH",
    "DONE",
    "GIVEN",
    "HIDDEN",
    "LONG_NUMBER",
    "MOST_TEXTS",
    "Delta",
    "Dialect",
    "Event",
    "Json",
    "JsonSlot",
    "KeySlot",
    "Reading",
    "Repeat",
    "Slot",
    "Stream",
    "Upload",
    "has_text",
    "named",
    "unnamed",
]
