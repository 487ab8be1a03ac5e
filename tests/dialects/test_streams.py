"""In every dialect a guarded stream shows what the whole answer would show, however the backend cuts it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.core import Action
from proxy.dialects import Dialect, GeminiStreamed, OpenAICompletions, OpenAIResponses, Reading
from proxy.engine import Guard
from proxy.engine.rewriting import by_segment
from proxy.streaming import GuardedStream
from proxy.text import redacted
from tests.examples import examples
from tests.test_streaming import TELLING, cuts, wire
from tests.world import BLOCK, MONITOR, REDACT, ROLES, SECRETS, WATCH, guard

texts = st.lists(st.sampled_from(TELLING) | st.text(max_size=4), min_size=1, max_size=8).map("".join).filter(bool)
Pieces = Sequence[tuple[str, str]]  # places and pieces of their texts, in the order in which they come


class Api(Protocol):
    """How a dialect's answers are made for a test, and how a client reads its streams."""

    dialect: Dialect
    places: Sequence[str]  # of texts that an answer may have
    done: bool  # the stream ends with [DONE]

    def whole(self, made: dict[str, str]) -> dict[str, Any]:
        """An answer with these texts, by place."""
        ...

    def events(self, made: dict[str, str], pieces: Pieces) -> list[dict[str, Any]]:
        """The same as a stream."""
        ...

    def read(self, events: list[tuple[str, dict[str, Any]]]) -> tuple[dict[str, str], bool]:
        """The texts that a client sees, and whether the stream was cut; asserts that it is a good one."""
        ...


class Completions:
    """Legacy completions: each choice is a text."""

    dialect: Dialect = OpenAICompletions()
    places: Sequence[str] = ("choices[0].text", "choices[1].text", "choices[2].text")
    done = True

    def choice(self, place: str, text: str, finish: str | None = None) -> dict[str, Any]:
        return {"index": int(place[8]), "text": text, "finish_reason": finish, "logprobs": None}

    def whole(self, made: dict[str, str]) -> dict[str, Any]:
        return {"id": "c", "choices": [self.choice(place, made.get(place, ""), "stop") for place in self.places]}

    def events(self, made: dict[str, str], pieces: Pieces) -> list[dict[str, Any]]:
        base = {"id": "c", "object": "text_completion"}
        events = [base | {"choices": [self.choice(place, text)]} for place, text in pieces]
        return events + [base | {"choices": [self.choice(place, "", "stop")]} for place in made]

    def read(self, events: list[tuple[str, dict[str, Any]]]) -> tuple[dict[str, str], bool]:
        shown: dict[str, str] = {}
        finished: dict[int, str] = {}
        for _, event in events:
            for choice in event["choices"]:
                assert choice["index"] not in finished, "something follows the end of a choice"
                place = f"choices[{choice['index']}].text"
                shown[place] = shown.get(place, "") + choice["text"]
                if choice["finish_reason"]:
                    finished[choice["index"]] = choice["finish_reason"]
                    assert (choice["finish_reason"] == "content_filter") == ("refusal" in choice)
        return {place: text for place, text in shown.items() if text}, "content_filter" in finished.values()


NAMED = {  # the events with pieces of each text
    "output[0].summary[0].text": "response.reasoning_summary_text",
    "output[1].content[0].text": "response.output_text",
    "output[1].content[1].refusal": "response.refusal",
    "output[2].arguments": "response.function_call_arguments",
    "output[3].input": "response.custom_tool_call_input",
}


class Responses:
    """Responses: the texts of items, each repeated by the events that say they are done."""

    dialect: Dialect = OpenAIResponses()
    places: Sequence[str] = tuple(NAMED)
    done = False

    def items(self, made: dict[str, str]) -> list[dict[str, Any]]:
        texts = [made.get(place, "") for place in self.places]
        content = [{"type": "output_text", "text": texts[1], "annotations": []}, {"type": "refusal", "refusal": texts[2]}]
        return [
            {"id": "rs", "type": "reasoning", "summary": [{"type": "summary_text", "text": texts[0]}]},
            {"id": "msg", "type": "message", "role": "assistant", "status": "completed", "content": content},
            {"id": "fc", "type": "function_call", "call_id": "c", "name": "pay", "arguments": texts[3]},
            {"id": "ct", "type": "custom_tool_call", "call_id": "c", "name": "say", "input": texts[4]},
        ]

    def whole(self, made: dict[str, str]) -> dict[str, Any]:
        return {"id": "resp", "object": "response", "status": "completed", "output": self.items(made)}

    def at(self, place: str) -> dict[str, Any]:
        index = int(place[7])
        found: dict[str, Any] = {"item_id": ("rs", "msg", "fc", "ct")[index], "output_index": index}
        if "content" in place:
            found["content_index"] = int(place[18])
        if "summary" in place:
            found["summary_index"] = int(place[18])
        return found

    def events(self, made: dict[str, str], pieces: Pieces) -> list[dict[str, Any]]:
        empty, full = self.items({}), self.items(made)
        base = {"id": "resp", "object": "response", "status": "in_progress", "output": []}
        events: list[dict[str, Any]] = [{"type": "response.created", "response": base}]
        events += [{"type": "response.output_item.added", "output_index": i, "item": item} for i, item in enumerate(empty)]
        events += [{"type": f"{NAMED[place]}.delta", **self.at(place), "delta": text} for place, text in pieces]
        for place, text in made.items():
            events.append({"type": f"{NAMED[place]}.done", **self.at(place), place.rpartition(".")[2]: text})
            if "content" in place:
                part = full[1]["content"][self.at(place)["content_index"]]
                events.append({"type": "response.content_part.done", **self.at(place), "part": part})
        events += [{"type": "response.output_item.done", "output_index": i, "item": item} for i, item in enumerate(full)]
        events.append({"type": "response.completed", "response": self.whole(made) | {"usage": {"total_tokens": 7}}})
        return [event | {"sequence_number": number} for number, event in enumerate(events)]

    def read(self, events: list[tuple[str, dict[str, Any]]]) -> tuple[dict[str, str], bool]:
        shown: dict[str, str] = {}
        for number, (name, event) in enumerate(events):
            assert (event["type"], event["sequence_number"]) == (name, number)
            kind, _, step = name.rpartition(".")
            places = [place for place, of in NAMED.items() if of == kind and step in ("delta", "done")]
            if not places or event["output_index"] > 3:
                continue
            [place] = places
            if step == "delta":
                shown[place] = shown.get(place, "") + event["delta"]
            else:
                assert event[place.rpartition(".")[2]] == shown.get(place, ""), "what is done is not what was shown"
        name, last = events[-1]
        if name == "response.incomplete":
            assert last["response"]["incomplete_details"] == {"reason": "content_filter"}
            assert last["response"]["output"][-1]["content"][0]["type"] == "refusal"
            return shown, True
        assert name == "response.completed"
        assert last["response"]["output"] == self.items(shown), "the whole is not what was shown"
        assert last["response"]["usage"] == {"total_tokens": 7}
        return shown, False


class Gemini:
    """Gemini: each candidate thinks, speaks, and calls a function at once."""

    dialect: Dialect = GeminiStreamed()
    places: Sequence[str] = tuple(f"candidates[{index}].content.parts[{part}].text" for index in range(2) for part in range(2))
    done = False

    def candidate(self, place: str, text: str, **more: Any) -> dict[str, Any]:
        part = {"text": text, **({"thought": True} if "parts[0]" in place else {})}
        return {"index": int(place[11]), "content": {"role": "model", "parts": [part]}, **more}

    def whole(self, made: dict[str, str]) -> dict[str, Any]:
        listed = []
        for index in range(2):
            thought, said = (made.get(self.places[2 * index + part], "") for part in range(2))
            parts = [{"text": thought, "thought": True}, {"text": said}]
            listed.append({"index": index, "content": {"role": "model", "parts": parts}, "finishReason": "STOP"})
        return {"candidates": listed}

    def events(self, made: dict[str, str], pieces: Pieces) -> list[dict[str, Any]]:
        base = {"responseId": "r", "modelVersion": "g"}
        inner = sorted(pieces, key=lambda piece: "parts[0]" not in piece[0])  # a model thinks before it speaks
        events = [base | {"candidates": [self.candidate(place, text)], "usageMetadata": {"n": 1}} for place, text in inner]
        ends = [{"index": int(index), "finishReason": "STOP"} for index in sorted({place[11] for place in made})]
        return [*events, base | {"candidates": ends, "usageMetadata": {"totalTokenCount": 7}}]

    def read(self, events: list[tuple[str, dict[str, Any]]]) -> tuple[dict[str, str], bool]:
        shown: dict[str, str] = {}
        finished: dict[int, str] = {}
        for name, event in events:
            assert name in ("", "message")
            for candidate in event["candidates"]:
                assert candidate["index"] not in finished, "something follows the end of a candidate"
                for part in candidate.get("content", {}).get("parts", ()):
                    place = f"candidates[{candidate['index']}].content.parts[{0 if part.get('thought') else 1}].text"
                    shown[place] = shown.get(place, "") + part["text"]
                if candidate.get("finishReason"):
                    finished[candidate["index"]] = candidate["finishReason"]
                    assert (candidate["finishReason"] == "SAFETY") == ("finishMessage" in candidate)
        return {place: text for place, text in shown.items() if text}, "SAFETY" in finished.values()


APIS: list[Api] = [Completions(), Responses(), Gemini()]
NAMES = [api.dialect.name for api in APIS]


def shown_whole(guard: Guard, reading: Reading) -> tuple[Action, dict[str, str]]:
    """What is decided of a whole answer, and its texts as far as they are redacted, whether it is blocked or not."""
    verdict = asyncio.run(guard.judge("completion", reading.segments))
    spans = by_segment(verdict.decision)
    changed = [redacted(s.text, spans.get(i, []), s.form) for i, s in enumerate(reading.segments)]
    return verdict.decision.action, dict(zip(reading.places, changed, strict=True))


def events_of(out: bytes, *, done: bool) -> list[tuple[str, dict[str, Any]]]:
    """The events of a stream, each with its name."""
    blocks = [block for block in out.decode().split("\n\n") if any(line.startswith("data:") for line in block.split("\n"))]
    if done:
        assert blocks.pop() == "data: [DONE]"
    events = []
    for block in blocks:
        lines = [line for line in block.split("\n") if not line.startswith(":")]
        name = "".join(line[6:].strip() for line in lines if line.startswith("event:"))
        events.append((name, orjson.loads("\n".join(line[5:] for line in lines if line.startswith("data:")))))
    return events


@st.composite
def streams(draw: st.DrawFn, api: Api) -> tuple[dict[str, str], list[bytes]]:
    """An answer's texts by place, and a stream of it in reads of any size."""
    places = [place for place in api.places if draw(st.booleans())] or [api.places[0]]
    made = {place: draw(texts) for place in places}
    queues = {place: cuts(draw, text) for place, text in made.items()}
    pieces = []
    while queues:
        place = draw(st.sampled_from(sorted(queues)))
        pieces.append((place, queues[place].pop(0)))
        if not queues[place]:
            del queues[place]
    data = wire(draw, api.events(made, pieces))
    if not api.done:
        data = data.replace(b"data:[DONE]", b"").replace(b"data: [DONE]", b"")
    return made, cuts(draw, data)


def run(api: Api, guard: Guard, reads: Sequence[bytes]) -> tuple[bytes, GuardedStream]:
    """The reads through the guard."""
    guarded = GuardedStream(api.dialect, guard.growing())
    return b"".join([guarded.feed(read) for read in reads] + [guarded.finish()]), guarded


@pytest.mark.parametrize("api", APIS, ids=NAMES)
@pytest.mark.parametrize("policies", [(REDACT, SECRETS), (REDACT, BLOCK), (ROLES, WATCH)], ids=["redact", "block", "roles"])
@settings(max_examples=examples(25), suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_stream_shows_what_the_whole_shows(api: Api, policies: tuple[str, ...], data: st.DataObject) -> None:
    """However an answer is cut, a client sees the redacted text, or when a rule blocks a beginning of it."""
    made, reads = data.draw(streams(api))
    action, whole = shown_whole(guard(*policies), api.dialect.read_answer(api.whole(made)))
    out, guarded = run(api, guard(*policies), reads)
    assert guarded.trouble is None
    assert guarded.growing.decision.action == action
    shown, cut = api.read(events_of(out, done=api.done))
    assert cut == guarded.cut == (action == Action.BLOCK)
    if cut:
        assert all(whole[place].startswith(text) for place, text in shown.items())
    else:
        assert shown == {place: whole[place] for place in made if whole[place]}


@pytest.mark.parametrize("api", APIS, ids=NAMES)
@settings(max_examples=examples(10), suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_what_only_looks_holds_nothing_back(api: Api, data: st.DataObject) -> None:
    """Rules that flag or monitor change nothing, and see the same as in the whole."""
    made, reads = data.draw(streams(api))
    verdict = asyncio.run(guard(WATCH, MONITOR).judge("completion", api.dialect.read_answer(api.whole(made)).segments))
    out, guarded = run(api, guard(WATCH, MONITOR), reads)
    assert api.read(events_of(out, done=api.done)) == (made, False)
    assert guarded.growing.most_held == 0
    assert guarded.growing.decision.would == verdict.decision.would
