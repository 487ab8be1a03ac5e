"""Names come back in the streams of other APIs, too: in pieces, in events that repeat a whole text, in the arguments of tools."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from proxy.core import Principal
from proxy.dialects import AnthropicMessages, Dialect, OpenAIResponses
from proxy.operators import Conversations, Keys
from proxy.streaming import GuardedStream
from tests.world import KEY, REDACT, guard

VALUE = 'Jane "J" Doe'
ABOUT = Conversations(Keys([KEY])).of(Principal(), "c", "header")
NAME = ABOUT.name("PERSON", VALUE)
WRITTEN, SHOWN = f"Dear <{NAME}>, or {NAME.lower()}!", f"Dear {VALUE}, or {VALUE}!"


def event(kind: str, **more: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **more})}\n\n".encode()


def pieces(text: str) -> list[str]:
    return [text[place : place + 3] for place in range(0, len(text), 3)]


def shown(dialect: Dialect, events: Sequence[bytes]) -> list[dict[str, Any]]:
    """The events that a caller sees."""
    stream = GuardedStream(dialect, guard(REDACT).growing(ABOUT))
    out = (b"".join(map(stream.feed, events)) + stream.finish()).decode()
    assert stream.trouble is None
    assert NAME.lower() not in out.lower()
    return [json.loads(line[6:]) for line in out.split("\n") if line.startswith("data: {")]


def test_responses() -> None:
    """The pieces and every event that repeats them say the same."""
    at = {"item_id": "m", "output_index": 0, "content_index": 0}
    part = {"type": "output_text", "text": WRITTEN, "annotations": []}
    item = {"id": "m", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
    response = {"id": "r", "object": "response", "model": "m"}
    seen = shown(
        OpenAIResponses(),
        [
            event("response.created", response={**response, "status": "in_progress", "output": []}),
            event("response.output_item.added", output_index=0, item={**item, "status": "in_progress", "content": []}),
            event("response.content_part.added", **at, part={**part, "text": ""}),
            *(event("response.output_text.delta", **at, delta=each) for each in pieces(WRITTEN)),
            event("response.output_text.done", **at, text=WRITTEN),
            event("response.content_part.done", **at, part=part),
            event("response.output_item.done", output_index=0, item=item),
            event("response.completed", response={**response, "status": "completed", "output": [item]}),
        ],
    )
    assert "".join(each.get("delta", "") for each in seen) == SHOWN
    done = {each["type"]: each for each in seen}
    assert done["response.output_text.done"]["text"] == SHOWN
    assert done["response.output_item.done"]["item"]["content"][0]["text"] == SHOWN
    assert done["response.completed"]["response"]["output"][0]["content"][0]["text"] == SHOWN


def test_messages() -> None:
    """A text, and the input of a tool as JSON."""
    message = {"id": "x", "type": "message", "role": "assistant", "content": [], "model": "m", "usage": {"output_tokens": 1}}
    source = json.dumps({"to": WRITTEN})
    tool = {"type": "tool_use", "id": "t", "name": "send", "input": {}}
    seen = shown(
        AnthropicMessages(),
        [
            event("message_start", message=message),
            event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
            *(event("content_block_delta", index=0, delta={"type": "text_delta", "text": each}) for each in pieces(WRITTEN)),
            event("content_block_stop", index=0),
            event("content_block_start", index=1, content_block=tool),
            *(
                event("content_block_delta", index=1, delta={"type": "input_json_delta", "partial_json": each})
                for each in pieces(source)
            ),
            event("content_block_stop", index=1),
            event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 3}),
            event("message_stop"),
        ],
    )
    deltas = [each["delta"] for each in seen if each["type"] == "content_block_delta"]
    assert "".join(delta.get("text", "") for delta in deltas) == SHOWN
    assert json.loads("".join(delta.get("partial_json", "") for delta in deltas)) == {"to": SHOWN}
