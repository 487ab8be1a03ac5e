"""A streamed answer of Gemini: each event is a piece of an answer, with pieces of its candidates' parts.

Parts of one kind that follow one another are one text; a part of another kind begins the next, so that what is held back of the
first goes out before it. The group of a text is its candidate and its number there.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from proxy.core import Role
from proxy.dialects.base import Delta, Event, Json, Reading, Slot, unnamed
from proxy.dialects.gemini_parts import field, plain, read_beside, read_content, read_part, repeats
from proxy.dialects.openai_chunk import number
from proxy.errors import BackendBroken, RequestError

SAME = frozenset(("modelversion", "responseid", "createtime"))  # of an event that others are made in the manner of


class Shape(Protocol):
    """What a stream needs of its dialect."""

    def read_error(self, payload: object) -> Reading | None:
        """The texts of a backend's error."""
        ...

    def read_answer(self, payload: object) -> Reading:
        """The texts of an answer."""
        ...


class GeminiStream:
    """One stream; it keeps which text each candidate is at."""

    end: bytes = b""
    alike: bool = True
    keeps: bool = False
    ids: Sequence[str] = ()
    said: Mapping[Hashable, list[str]] = {}

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.at: dict[int, tuple[int, str]] = {}  # of each candidate, the number of its text and its kind

    def read_event(self, payload: object) -> Event:
        """One piece of an answer, or an error. Raises BackendBroken."""
        if isinstance(payload, list | dict) and (isinstance(payload, list) or payload.get("error") is not None):
            reading = self.shape.read_error(payload)
            if reading is None:
                raise BackendBroken("the backend's stream ended with an error")
            return Event.of_error(reading)
        if not isinstance(payload, dict):
            raise BackendBroken("the backend's stream has an event that is no object")
        copy = {**payload, "candidates": []}
        beside = self.shape.read_answer(copy)
        moved(beside, copy, payload)
        event = Event(payload, not_inspected=reasons(beside))
        add(event, beside)
        listed = payload.get("candidates") or []
        if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
            raise BackendBroken("the backend's stream has candidates that are no list of objects")
        event.other = not listed
        event.final = not listed and blocked(payload)
        try:
            for candidate in listed:
                self.candidate(event, candidate)
        except RequestError as error:
            raise BackendBroken(f"the backend's stream has an event that is none of Gemini: {error}") from None
        return event

    def candidate(self, event: Event, candidate: Json) -> None:
        """The piece of one candidate."""
        index = number(candidate.get("index"), 0)
        event.groups.append(index)
        content = candidate.get("content")
        beside = Reading()
        if content is not None:
            held = dict(content) if isinstance(content, dict) else content
            parts = held.pop("parts", None) if isinstance(held, dict) else None
            read_content(beside, held, f"candidates[{index}].content", "assistant")  # what stands beside its parts
            moved(beside, held, content)
            if parts is not None and not isinstance(parts, list):
                raise RequestError("parts must be a list")
            for part in parts or ():
                self.part(event, index, part)
        read_beside(beside, candidate, f"candidates[{index}]")
        add(event, beside)
        event.not_inspected += reasons(beside)
        event.repeats += repeats(candidate)
        if any(plain(key) == "finishreason" and value for key, value in candidate.items()):
            event.ending += [index, *([(index, self.at[index][0])] if index in self.at else [])]
            event.other = True

    def part(self, event: Event, index: int, part: Any) -> None:
        """One part: more of a text, or something that is there at once. Raises RequestError."""
        text = part.get("text") if isinstance(part, dict) else None
        thought = isinstance(part, dict) and part.get("thought") is True
        kind = ("thought" if thought else "text") if isinstance(text, str) else "other"
        run, before = self.at.get(index, (-1, ""))
        if kind != before:
            if before in ("text", "thought"):
                event.ending.append((index, run))
            run += 1
            self.at[index] = run, kind
        if not isinstance(text, str):
            event.other = True
            reading = Reading()
            read_part(reading, part, "assistant", f"candidates[{index}].content.parts[{run}]")
            add(event, reading)
            event.not_inspected += reasons(reading)
            return
        role: Role = "reasoning" if thought else "assistant"
        if text:
            place = f"candidates[{index}].content.parts[{run}].text"
            event.deltas.append(Delta((index, run, kind), Slot(part, "text"), text, role, place))
        if rest := {key: value for key, value in part.items() if key not in ("text", "thought")}:
            event.other = True
            reading = Reading()
            read_part(reading, rest, role, f"candidates[{index}].content.parts[{run}]")
            moved(reading, rest, part)
            add(event, reading)
            event.not_inspected += reasons(reading)

    def group(self, channel: Hashable) -> Hashable:
        """The candidate, and the number of its text."""
        return channel[:2] if isinstance(channel, tuple) else channel

    def remainder(self, like: Json, texts: Iterable[tuple[Hashable, str]]) -> list[Json]:
        """One piece for each text that still has something to show."""
        made = []
        for channel, text in texts:
            if isinstance(channel, tuple):
                part = {"text": text, **({"thought": True} if channel[2] == "thought" else {})}
                made.append(piece(like, {"index": channel[0], "content": {"role": "model", "parts": [part]}}))
        return made

    def cut(self, like: Json, groups: Iterable[Hashable], message: str) -> list[Json]:
        """Every candidate that is open ends with SAFETY, and says why."""
        open_ones = [group for group in groups if isinstance(group, int)] or [0]
        return [piece(like, refused(index, message)) for index in open_ones]

    def write(self, payload: Json) -> bytes:
        """An event without a name."""
        return unnamed(payload)


def moved(reading: Reading, copy: Json, holder: Json) -> None:
    """What was read in a copy is written where the copy came from."""
    for slot in reading.slots:
        slot.holder = holder if slot.holder is copy else slot.holder


def blocked(payload: Json) -> bool:
    """Whether the backend itself refuses the prompt: then nothing follows."""
    feedback = field(payload, "promptfeedback")
    return isinstance(feedback, dict) and bool(field(feedback, "blockreason"))


def add(event: Event, reading: Reading) -> None:
    """Texts that are there at once."""
    pairs = zip(reading.segments, reading.slots, strict=True)
    event.deltas += [Delta("once", slot, s.text, s.role, s.place, s.form, once=True) for s, slot in pairs]
    event.other = event.other or bool(reading.segments)


def reasons(reading: Reading) -> list[str]:
    """What was not inspected, each as often as it was met."""
    return [reason for reason, count in reading.not_inspected.items() for _ in range(count)]


def refused(index: object, message: str) -> Json:
    """A candidate that a rule has blocked."""
    return {"index": index, "content": {"role": "model", "parts": []}, "finishReason": "SAFETY", "finishMessage": message}


def piece(like: Json, candidate: Json) -> Json:
    """An event in the manner of another: the same model and id."""
    return {key: value for key, value in like.items() if plain(key) in SAME} | {"candidates": [candidate]}
