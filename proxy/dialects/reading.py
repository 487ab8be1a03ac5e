"""The texts of a payload: where each stands, whose it is, in which turn it was said, and how a changed one is written back."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

import orjson

from proxy.core import Form, Role, Segment
from proxy.errors import RequestError

Json = dict[str, Any]
DEPTH = 64  # levels of a payload that are looked at for text
LONG_NUMBER = 10**6  # a number of seven digits or more may be somebody's
MOST_TEXTS = 65_536  # in one payload; the setting max_segments says how many are judged
MOST_PARTS = 10_000  # of a value that is not read, and looked at for text only to be counted
HIDDEN = {  # what is said of a text that cannot be read, by the reason that it is counted under
    "tokens": "tokens cannot be read here, and so not be checked; send the text itself",
    "previous_turns": "turns that only the backend has cannot be checked here, unless this process has guarded them for the same "
    "caller under the same policies; send the turns themselves",
    "stored_prompt": "a prompt that only the backend has cannot be checked here; send the text itself",
    "embeddings": "embeddings cannot be read here, and so not be checked; send the text itself",
}
CALLS = frozenset("tool_calls tool_call_id function_call function_response functionCall functionResponse call_id".split())
GIVEN = re.compile(  # the ids that servers and SDKs make up: a prefix of theirs, a UUID, a digest, or too short to say much
    r"(?!.*(?:\d{12}|(?:\d{4}[-_.:]){2}\d{4}|\d{3}[-_.:]\d\d[-_.:]\d{4}))"  # nor a number of somebody's
    r"(?:(?:call|toolu|srvtoolu|mcptoolu|fc|fco|ctc|ctco|msg|rs|resp|item|ws|fs|ci|cu|cuo|ig|mcp|mcpr|mcpl|lsh|sh|apc|cmp|"
    r"chatcmpl|tool|functions|function-call|file|container|cntr|audio|adk)[-_.:][\w.:-]{1,80}|"
    r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f]{32}|\w{1,8})",
    re.ASCII,
)
ASIDE = ("system", "developer")  # what they say is no turn
WORD = re.compile(r"[A-Za-z_$-]*")  # what is a name and nothing else


@dataclass(slots=True)  # not frozen, as `Delta`: there is one for each piece of a stream, and freezing doubles its cost
class Slot:
    """Where a text stands in a parsed payload."""

    holder: Any  # a dict or a list
    key: Any

    @property
    def text(self) -> Any:
        """What stands there now; nothing once its field has another name."""
        return self.holder[self.key] if isinstance(self.holder, list) or self.key in self.holder else ""

    def write(self, text: str | None) -> None:
        """Put another text in its place."""
        self.holder[self.key] = text


@dataclass(slots=True)
class KeySlot(Slot):
    """Where a text stands as the name of a field."""

    @property
    def text(self) -> Any:
        """The name."""
        return self.key

    def write(self, text: str | None) -> None:
        """Give the field another name, in its place; one that is taken gets a mark."""
        rename(self.holder, [(self, text or "")])


@dataclass(slots=True)
class JsonSlot(Slot):
    """Where a value stands that is read as its JSON source."""

    @property
    def text(self) -> Any:
        """The source of the value."""
        return orjson.dumps(self.holder[self.key]).decode()

    def write(self, text: str | None) -> None:
        """Put the value of another source in its place."""
        self.holder[self.key] = None if text is None else orjson.loads(text)


@dataclass(slots=True)
class Repeat(Slot):
    """Where something stands that repeats a text and cannot be held back with it: it is taken out."""

    reason: str = "logprobs"  # what it is counted as then
    empty: Any = None  # what stands in its place

    def write(self, text: str | None) -> None:  # noqa: ARG002 - no text takes its place
        """Take it out."""
        self.holder[self.key] = self.empty


@dataclass(slots=True)
class Reading:
    """The texts of a payload with their places in it, and what could not be read."""

    segments: list[Segment] = field(default_factory=list)
    slots: list[Slot] = field(default_factory=list)
    not_inspected: dict[str, int] = field(default_factory=dict)
    hidden: dict[str, str] = field(default_factory=dict)  # what reaches the model as text and cannot be read: place, and why
    referred: dict[str, str] = field(default_factory=dict)  # of those, what answers were given: place, and id
    model: str = ""
    stream: bool = False
    structured: bool = False  # the answer is asked for as JSON
    payload: Json = field(default_factory=dict)
    spoken: list[Any] = field(default_factory=list)  # the messages of the conversation, as the payload has them
    messages: list[int] = field(default_factory=list)  # which of them each segment is of; -1: of none
    turn: int = -1  # the message that is read now
    age: int = 0  # of it: how many messages came after it, up to those that the call is about

    def add(self, holder: Any, key: Any, role: Role, place: str, form: Form = "text") -> None:
        """A text to inspect, or a long number as one; an empty one is passed over, and what else holds text is counted.

        Raises RequestError when there are too many.
        """
        text = holder[key]
        if not isinstance(text, str):
            if type(text) not in (int, float) or abs(text) < LONG_NUMBER:
                self.pass_over(text)
                return
            text = str(text)
        if text:
            self.take(Segment(text, role, place, form, self.turn >= 0, self.age), Slot(holder, key))

    def add_json(self, holder: Any, key: Any, role: Role, place: str) -> None:
        """A value to inspect as its JSON source: a stream carries it so. Raises RequestError when it is nested too deeply."""
        value, slot = holder[key], JsonSlot(holder, key)
        if value:
            try:
                self.take(self.segment(slot.text, role, place, "json"), slot)
            except orjson.JSONEncodeError:
                raise RequestError("the value is nested too deeply", code="too_deep", param=place) from None

    def add_key(self, holder: Any, key: str, role: Role, place: str) -> None:
        """The name of a field that the caller chose, if it is more than a word."""
        if not WORD.fullmatch(key):
            self.take(self.segment(key, role, place), KeySlot(holder, key))

    def segment(self, text: str, role: Role, place: str, form: Form = "text") -> Segment:
        """A text as it is said in the message that is read now."""
        return Segment(text, role, place, form, self.turn >= 0, self.age)

    def name(self, holder: Any, key: Any, role: Role, place: str) -> None:
        """What names a thing: an id that a machine has made up is passed over, anything else is a text."""
        if not isinstance(holder[key], str) or not GIVEN.fullmatch(holder[key]):
            self.add(holder, key, role, place)

    def look(self, holder: Any, key: Any, role: Role, place: str, depth: int = DEPTH) -> None:
        """A value that nobody knows: every text in it is one to inspect by itself, names of fields among them.

        Numbers stay what they are. Raises RequestError when there are too many.
        """
        value = holder[key]
        if isinstance(value, str):
            self.add(holder, key, role, place)
        elif isinstance(value, dict | list) and depth == 0:
            self.pass_over(value)
        elif isinstance(value, dict | list):
            for number, each in enumerate(list(value) if isinstance(value, dict) else range(len(value))):
                where = f"{place}[{number}]"
                self.look(value, each, role, where, depth - 1)
                if isinstance(value, dict):
                    self.add_key(value, each, role, where)

    def rest(self, holder: Json, known: AbstractSet[str], role: Role, place: str = "") -> None:
        """The fields of an object that are not among the known ones: they are relayed, and their texts inspected."""
        if known >= holder.keys():
            return
        for number, key in enumerate(list(holder)):
            if key not in known:
                self.look(holder, key, role, f"{place}.other[{number}]".removeprefix("."))

    def take(self, segment: Segment, slot: Slot) -> None:
        """A text to inspect. Raises RequestError when there are too many."""
        if len(self.segments) >= MOST_TEXTS:
            raise RequestError(f"there are more than {MOST_TEXTS} texts", code="too_many_segments")
        self.segments.append(segment)
        self.slots.append(slot)
        self.messages.append(self.turn)

    def turns(self, messages: list[Any]) -> Iterator[int]:
        """Each message of a conversation in its turn: what is read meanwhile is said in it."""
        present = len(messages) - 1
        while present > 0 and is_result(messages[present]) and is_result(messages[present - 1]):
            present -= 1
        self.spoken = messages
        for index, message in enumerate(messages):
            if isinstance(message, dict) and message.get("role") in ASIDE:
                self.turn, self.age = -1, 0
            else:
                self.turn, self.age = index, present - index if index < present else 0
            yield index
        self.turn, self.age = -1, 0

    def drop(self, segments: Collection[int]) -> None:
        """Take out the messages that these segments are of, but for those that call tools or answer them."""
        going = {self.messages[index] for index in segments}
        self.spoken[:] = [each for i, each in enumerate(self.spoken) if i not in going or has_tools(each)]

    def pass_over(self, value: object) -> None:
        """A value in a place that is not read: counted when there is text in it."""
        if has_text(value):
            self.skip("unknown_field")

    def skip(self, reason: str) -> None:
        """A part that no check can read."""
        self.not_inspected[reason] = self.not_inspected.get(reason, 0) + 1

    def hide(self, reason: str, place: str, name: object = None) -> None:
        """A text that reaches the model in a form that nobody can read here; policies that act on prompts refuse it.

        `name` is the id of an answer that it is, if it is one.
        """
        self.hidden[place] = reason
        if isinstance(name, str):
            self.referred[place] = name
        self.skip(reason)

    def guarded(self, place: str) -> None:
        """What is hidden at the place has been read before."""
        reason = self.hidden.pop(place)
        self.not_inspected[reason] -= 1
        if not self.not_inspected[reason]:
            del self.not_inspected[reason]

    def write(self, texts: Mapping[int, str]) -> None:
        """Write changed texts, by the index of their segment, into the payload that was read."""
        names: dict[int, list[tuple[KeySlot, str]]] = {}
        for index, text in sorted(texts.items()):
            slot = self.slots[index]
            if isinstance(slot, KeySlot):
                names.setdefault(id(slot.holder), []).append((slot, text))
            else:
                slot.write(text)
        for renamed in names.values():  # the name of a field comes after what it names
            rename(renamed[0][0].holder, renamed)

    @property
    def places(self) -> list[str]:
        """Where each segment came from."""
        return [segment.place for segment in self.segments]


def rename(holder: Json, renamed: Sequence[tuple[KeySlot, str]]) -> None:
    """Give fields of an object other names, in their places; those that are taken get a mark and a number."""
    taken: dict[str, int] = dict.fromkeys(holder, 0)  # how often each has been wanted
    names: dict[str, str] = {}
    for slot, text in renamed:
        name = text
        while name in taken:
            taken[text] += 1
            name = f"{text}_{taken[text] if taken[text] > 1 else ''}"
        taken[name] = 0
        names[slot.key] = slot.key = name
    fields = [(names.get(key, key), value) for key, value in holder.items()]
    holder.clear()
    holder.update(fields)


def is_result(message: object) -> bool:
    """Whether a message is what a tool gave back: several of them answer one message of the model."""
    if not isinstance(message, dict):
        return False
    return message.get("role") in ("tool", "function") or str(message.get("type", "")).endswith("_output")


def has_tools(message: Any) -> bool:
    """Whether a message calls a tool or answers such a call."""
    if isinstance(message, list):
        return any(map(has_tools, message))
    if not isinstance(message, dict):
        return False
    kind = message.get("type")
    if not CALLS.isdisjoint(message) or (isinstance(kind, str) and ("tool" in kind or "function" in kind)):
        return True
    return any(has_tools(message.get(key)) for key in ("content", "parts"))


def has_text(value: object) -> bool:
    """Whether a value holds any text at all; one with very many parts is taken to."""
    left: list[object] = [value]
    for _ in range(MOST_PARTS):
        if not left:
            return False
        each = left.pop()
        if isinstance(each, str) and each:
            return True
        if isinstance(each, dict):
            left += each.values()
        elif isinstance(each, list):
            left += each
    return bool(left)
