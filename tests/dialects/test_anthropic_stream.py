"""A guarded stream of Anthropic's shows what the whole message would show, however the backend cuts it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import cache
from typing import Any

import anthropic
import httpx2
import orjson
import pytest
from anthropic.types import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.core import Action
from proxy.dialects import AnthropicMessages
from proxy.engine import Growing, Guard
from proxy.streaming import GuardedStream
from tests.examples import examples
from tests.test_streaming import cuts, texts, values
from tests.world import BLOCK, CARD, IBAN, MONITOR, REDACT, ROLES, SECRETS, WATCH, guard

Event = dict[str, Any]


def named(payload: Event) -> bytes:
    """An event as Anthropic sends it."""
    return f"event: {payload['type']}\ndata: ".encode() + orjson.dumps(payload) + b"\n\n"


def message(content: Sequence[Event], **more: Any) -> Event:
    """A whole message."""
    usage = {"input_tokens": 3, "output_tokens": 9}
    shape = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": list(content)}
    return {**shape, "stop_reason": "end_turn", "stop_sequence": None, "usage": usage, **more}


def events(content: Sequence[Event], pieces: Sequence[Sequence[str]]) -> list[Event]:
    """The stream of a message whose blocks' texts come in these pieces."""
    begun = message([], stop_reason=None, usage={"input_tokens": 3, "output_tokens": 1})
    made: list[Event] = [{"type": "message_start", "message": begun}, {"type": "ping"}]
    for index, (block, cut) in enumerate(zip(content, pieces, strict=True)):
        kind = block["type"]
        field, delta = {
            "text": ("text", "text_delta"),
            "thinking": ("thinking", "thinking_delta"),
            "tool_use": ("partial_json", "input_json_delta"),
        }[kind]
        opened = {**block, "input": {}} if kind == "tool_use" else {**block, field: ""}
        if kind == "thinking":
            opened["signature"] = ""
        made.append({"type": "content_block_start", "index": index, "content_block": opened})
        made += [{"type": "content_block_delta", "index": index, "delta": {"type": delta, field: piece}} for piece in cut]
        if kind == "thinking":
            signed = {"type": "signature_delta", "signature": block["signature"]}
            made.append({"type": "content_block_delta", "index": index, "delta": signed})
        made.append({"type": "content_block_stop", "index": index})
    made.append(
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 9}}
    )
    return [*made, {"type": "message_stop"}]


@st.composite
def messages(draw: st.DrawFn) -> tuple[list[Event], list[bytes]]:
    """The blocks of a message, and a stream of it in reads of any size."""
    content: list[Event] = []
    for number, kind in enumerate(draw(st.lists(st.sampled_from(("text", "thinking", "tool_use")), min_size=1, max_size=3))):
        if kind == "tool_use":
            arguments = {"to": draw(values), "card": draw(values)}
            content.append({"type": kind, "id": f"toolu_{number}", "name": "send_mail", "input": arguments})
        else:
            content.append({"type": kind, kind: draw(texts)} | ({"signature": "c2lnbmVk"} if kind == "thinking" else {}))
    sources = [orjson.dumps(b["input"]).decode() if b["type"] == "tool_use" else b[b["type"]] for b in content]
    wire = b"".join(map(named, events(content, [cuts(draw, source) for source in sources])))
    return content, cuts(draw, wire.replace(b"\n", draw(st.sampled_from((b"\n", b"\r\n")))))


def run(guard: Guard, reads: Sequence[bytes]) -> tuple[bytes, GuardedStream, Growing]:
    """The reads through the guard."""
    growing = guard.growing()
    guarded = GuardedStream(AnthropicMessages(), growing)
    return b"".join([guarded.feed(read) for read in reads] + [guarded.finish()]), guarded, growing


WIRE: list[bytes] = []  # what the SDK's client is answered


@cache
def client() -> anthropic.Anthropic:
    """The SDK, which is slow to make."""
    headers = {"content-type": "text/event-stream"}
    answer = httpx2.MockTransport(lambda _: httpx2.Response(200, headers=headers, content=WIRE.pop()))
    return anthropic.Anthropic(api_key="k", http_client=httpx2.Client(transport=answer), max_retries=0)


def seen(wire: bytes) -> Message:
    """What the SDK makes of a stream."""
    WIRE.append(wire)
    with client().messages.stream(model="m", max_tokens=9, messages=[{"role": "user", "content": "x"}]) as stream:
        return stream.get_final_message()


def whole(guard: Guard, content: Sequence[Event]) -> tuple[Action, list[Event]]:
    """What is decided of the whole message, and its blocks as they are shown."""
    payload = orjson.loads(orjson.dumps(message(content)))
    reading = AnthropicMessages().read_answer(payload)
    verdict = asyncio.run(guard.judge("completion", reading.segments))
    reading.write(verdict.texts)
    return verdict.decision.action, payload["content"]


def plain(block: Any) -> Event:
    """A block as its type and what it says."""
    given = block if isinstance(block, dict) else block.to_dict()
    return {
        key: given[key] for key in ("type", "text", "thinking", "signature", "input", "name", "id") if given.get(key) is not None
    }


@pytest.mark.parametrize("policies", [(REDACT, SECRETS), (BLOCK,), (ROLES, WATCH), (WATCH, MONITOR)], ids=len)
@settings(max_examples=examples(50))
@given(made=messages())
def test_a_stream_shows_what_the_whole_shows(policies: tuple[str, ...], made: tuple[list[Event], list[bytes]]) -> None:
    """The SDK sees the same blocks with their ids, indexes and usage; when a rule blocks, a beginning and a refusal."""
    content, reads = made
    action, shown = whole(guard(*policies), content)
    out, guarded, growing = run(guard(*policies), reads)
    assert guarded.trouble is None
    assert growing.decision.action == action
    final = seen(out)
    if action == Action.BLOCK:
        assert (final.stop_reason, guarded.cut) == ("refusal", True)
        assert final.stop_details is not None
        assert final.stop_details.explanation == growing.decision.message
        assert final.content[-1].to_dict() == {"type": "text", "text": growing.decision.message}
        assert [block.type for block in final.content[:-1]] == [block["type"] for block in content[: len(final.content) - 1]]
    else:
        assert [plain(block) for block in final.content] == [plain(block) for block in shown]
        assert (final.stop_reason, final.usage.output_tokens) == ("end_turn", 9)
        assert guarded.done


def test_a_stream_that_needs_no_change_passes_byte_for_byte() -> None:
    """Names of events, ids, unknown fields and all."""
    content: list[Event] = [{"type": "text", "text": ""}, {"type": "tool_use", "id": "t", "name": "f", "input": {}}]
    data = b"".join(map(named, events(content, [["Hello ", "you. ", "And you. "], ['{"a": ', '"b "', "}"]])))
    out, guarded, _ = run(guard(REDACT), [data])
    assert out == data
    assert guarded.not_inspected == {}


def test_a_block_closes_what_is_open() -> None:
    """Block by block, in order; the refusal has a block of its own, and the usage so far is kept."""
    data = b"".join(map(named, events([{"type": "text", "text": ""}] * 2, [["fine. "], [f"Pay {IBAN} ", "never seen"]])))
    out, guarded, _ = run(guard(BLOCK), [data])
    payloads = [orjson.loads(block.split(b"\ndata: ")[1]) for block in out.split(b"\n\n") if block]
    assert [(p["type"], p.get("index")) for p in payloads[-6:]] == [
        ("content_block_stop", 1),
        ("content_block_start", 2),
        ("content_block_delta", 2),
        ("content_block_stop", 2),
        ("message_delta", None),
        ("message_stop", None),
    ]
    assert payloads[-2]["usage"] == {"output_tokens": 1}
    assert guarded.cut
    assert b"DE89" not in out
    assert b"never" not in out


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (b"event: x\ndata: {no\n\n", "not JSON"),
        (named({"type": "content_block_delta", "index": "0", "delta": {}}), "no whole number"),
        (named({"type": "content_block_delta", "index": 0, "delta": 5}), "no object"),
        (named({"type": "content_block_start", "index": 0, "content_block": 5}), "no object"),
        (
            named({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": [CARD]}}),
            "text that is none",
        ),
        (named({"type": "content_block_stop", "index": True}), "no whole number"),
        (b"", "ended before"),
    ],
    ids=range(7),
)
def test_a_broken_stream_says_why(broken: bytes, says: str) -> None:
    """What was held back is not lost."""
    held = events([{"type": "text", "text": ""}], [["so far 4111 1111"]])[:4]
    out, guarded, _ = run(guard(REDACT), [b"".join(map(named, held)) + broken])
    assert says in str(guarded.trouble)
    joined = b"".join(line for line in out.split(b"\n") if b"text_delta" in line)
    assert b"so far " in joined
    assert b"4111 1111" in joined


def test_texts_in_other_places_of_a_stream_are_read() -> None:
    """Citations, the results of server tools, the stop sequence; what only the maker can read is counted."""
    cited = {
        "type": "char_location",
        "cited_text": f"card {CARD}",
        "document_index": 0,
        "start_char_index": 0,
        "end_char_index": 9,
    }
    result = {"type": "web_search_result", "title": f"T {CARD}", "url": "http://x", "encrypted_content": "zzz"}
    data: list[Event] = [
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "citations_delta", "citation": cited}},
        {"type": "content_block_stop", "index": 0},
        {
            "type": "content_block_start",
            "index": 1,
            "content_block": {"type": "web_search_tool_result", "tool_use_id": "t", "content": [result]},
        },
        {"type": "content_block_stop", "index": 1},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "stop_sequence", "stop_sequence": CARD},
            "usage": {"output_tokens": 9},
        },
    ]
    out, guarded, growing = run(guard(REDACT), [b"".join(map(named, data))])
    assert b"4111" not in out
    assert out.count(b"<CREDIT_CARD>") == 3
    assert guarded.not_inspected == {"encrypted": 1}
    assert "content[1].content[0].title" in growing.places


@pytest.mark.parametrize(
    "event",
    [
        {"type": "ping", "x": CARD},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}, "x": CARD},
        {"type": "content_block_stop", "index": 0, "content_block": {"type": "text", "text": CARD}},
        {"type": "message_start", "message": message([], x=CARD)},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "x": CARD}, "usage": {"output_tokens": 9}},
        {"type": "message_stop", "message": message([{"type": "text", "text": CARD}])},
    ],
    ids=lambda event: str(event["type"]),
)
def test_text_in_a_field_that_nobody_knows_is_inspected(event: Event) -> None:
    """Of whatever event, also of one that closes something and repeats it."""
    out, guarded, _ = run(guard(REDACT), [named(event)])
    assert b"4111" not in out
    assert b"<CREDIT_CARD>" in out
    assert guarded.not_inspected == {}


def test_pieces_of_a_kind_that_nobody_knows_are_one_text() -> None:
    """A card number in two of them is replaced as in one; held-back text goes out in pieces of that kind."""
    novel = [{"type": "novel_delta", "novel": piece} for piece in ("pay 4111 1111 ", "1111 1111", " and 41")]
    events: list[Event] = [
        {"type": "message_start", "message": message([])},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "novel", "novel": ""}},
        *({"type": "content_block_delta", "index": 0, "delta": delta} for delta in novel),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}},
        {"type": "message_stop"},
    ]
    out, guarded, _ = run(guard(REDACT), [b"".join(map(named, events))])
    shown = [orjson.loads(line[6:]) for line in out.split(b"\n") if line.startswith(b"data: ")]
    deltas = [each["delta"] for each in shown if each["type"] == "content_block_delta"]
    assert "".join(delta["novel"] for delta in deltas) == "pay <CREDIT_CARD> and 41"
    assert {delta["type"] for delta in deltas} == {"novel_delta"}
    assert guarded.not_inspected == {}


def test_an_error_within_a_stream_is_the_last_event_and_is_guarded() -> None:
    """In Anthropic's shape, under its name."""
    error = {"type": "error", "error": {"type": "overloaded_error", "message": f"no: {CARD}"}}
    out, guarded, _ = run(guard(REDACT), [named(error)])
    assert out.startswith(b"event: error\n")
    assert b"no: <CREDIT_CARD>" in out
    assert guarded.told


def test_most_events_are_written_by_a_mould() -> None:
    """The short way is taken for pieces of text, under their names."""
    data = events([{"type": "text", "text": ""}], [["one ", "two ", "three "]])[:5]
    _, guarded, _ = run(guard(REDACT), [b"".join(map(named, data))])
    assert guarded.mould is None  # closed by the end
    guarded = GuardedStream(AnthropicMessages(), guard(REDACT).growing())
    guarded.feed(b"".join(map(named, data)))
    assert guarded.mould is not None
    more = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "x"}}
    assert guarded.mould.text(named(more).strip()) == "x"
