"""Every text of a request and a response is read at its place, and what only the backend has is hidden."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from proxy.dialects import OpenAIResponses
from proxy.errors import BackendBroken, RequestError
from proxy.streaming import GuardedStream
from tests.dialects.places import PLANT, check_place
from tests.world import CARD, REDACT, event, guard

RESPONSES = OpenAIResponses()


def item(**fields: Any) -> dict[str, Any]:
    return {"input": [{"role": "user", "content": "a"}, fields]}


def said(**part: Any) -> dict[str, Any]:
    return item(type="message", role="user", content=[{"type": "input_text", "text": "a"}, part])


AT = "input[1]"
REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "input": ("user", {"input": PLANT}),
    "instructions": ("system", {"input": "a", "instructions": PLANT}),
    "instructions[0].content": ("system", {"input": "a", "instructions": [{"role": "developer", "content": PLANT}]}),
    f"{AT}.content": ("user", item(role="user", content=PLANT)),
    f"{AT}.content[1].text": ("user", said(type="input_text", text=PLANT)),
    f"{AT}.content[1].filename": ("user", said(type="input_file", filename=PLANT, file_data="AAAA")),
    f"{AT}.content[0].text": ("assistant", item(role="assistant", content=[{"type": "output_text", "text": PLANT}])),
    f"{AT}.content[0].refusal": ("assistant", item(role="assistant", content=[{"type": "refusal", "refusal": PLANT}])),
    f"{AT}.arguments": ("assistant", item(type="function_call", call_id="c", name="f", arguments=PLANT)),
    f"{AT}.name": ("assistant", item(type="function_call", call_id="c", name=PLANT, arguments="{}")),
    f"{AT}.input": ("assistant", item(type="custom_tool_call", call_id="c", name="f", input=PLANT)),
    f"{AT}.output": ("tool", item(type="function_call_output", call_id="c", output=PLANT)),
    f"{AT}.output[0].text": (
        "tool",
        item(type="function_call_output", call_id="c", output=[{"type": "input_text", "text": PLANT}]),
    ),
    f"{AT}.output[0].stdout": ("tool", item(type="shell_call_output", call_id="c", output=[{"stdout": PLANT, "stderr": ""}])),
    f"{AT}.summary[0].text": ("reasoning", item(type="reasoning", id="r", summary=[{"type": "summary_text", "text": PLANT}])),
    f"{AT}.content[0].text ": (
        "reasoning",
        item(type="reasoning", summary=[], content=[{"type": "reasoning_text", "text": PLANT}]),
    ),
    f"{AT}.action.query": ("assistant", item(type="web_search_call", id="w", status="completed", action={"query": PLANT})),
    f"{AT}.queries[0]": ("assistant", item(type="file_search_call", id="w", queries=[PLANT])),
    f"{AT}.results[0].text": ("document", item(type="file_search_call", id="w", queries=["a"], results=[{"text": PLANT}])),
    f"{AT}.code": ("assistant", item(type="code_interpreter_call", id="c", code=PLANT, container_id="k", outputs=[])),
    f"{AT}.outputs[0].logs": (
        "tool",
        item(type="code_interpreter_call", id="c", code="", outputs=[{"type": "logs", "logs": PLANT}]),
    ),
    f"{AT}.action.command[1]": ("assistant", item(type="local_shell_call", action={"type": "exec", "command": ["ls", PLANT]})),
    f"{AT}.operation.diff": ("assistant", item(type="apply_patch_call", operation={"type": "create_file", "diff": PLANT})),
    f"{AT}.tools[0].description": ("tool", item(type="mcp_list_tools", tools=[{"name": "t", "description": PLANT}])),
    f"{AT}.error": ("tool", item(type="mcp_call", name="f", arguments="{}", error=PLANT)),
    f"{AT}.reason": ("assistant", item(type="mcp_approval_response", approve=False, reason=PLANT)),
    f"{AT}[1]": ("assistant", item(type="hologram_call", hologram=PLANT)),
    "tools[0].description": ("system", {"input": "a", "tools": [{"type": "function", "name": "f", "description": PLANT}]}),
    "tools[0].parameters.properties[0].description": (
        "system",
        {"input": "a", "tools": [{"type": "function", "parameters": {"properties": {"x": {"description": PLANT}}}}]},
    ),
    "text.format.schema.description": (
        "system",
        {"input": "a", "text": {"format": {"type": "json_schema", "schema": {"description": PLANT}}}},
    ),
    "metadata[0]": ("user", {"input": "a", "metadata": {"ticket": PLANT}}),
    "user": ("user", {"input": "a", "user": PLANT}),
    "prompt[0]": ("user", {"prompt": {"id": "p", "variables": {"city": PLANT}}}),
}


@pytest.mark.parametrize("place", REQUESTS)
def test_a_text_in_a_request_is_read_at_its_place(place: str) -> None:
    """It is found once, named by its place, and writing changes it and nothing else."""
    role, fields = REQUESTS[place]
    assert check_place(RESPONSES, {"model": "m", **fields}, place.strip()) == role


def response(*items: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"id": "resp_1", "object": "response", "status": "completed", "model": "m", "output": list(items), **fields}


def message(**part: Any) -> dict[str, Any]:
    return {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [part]}


ANSWERS = {
    "output[0].content[0].text": response(message(type="output_text", text=PLANT, annotations=[])),
    "output[0].content[0].refusal": response(message(type="refusal", refusal=PLANT)),
    "output[0].content[0].annotations[0].title": response(
        message(
            type="output_text", text="a", annotations=[{"type": "url_citation", "title": PLANT, "url": "u", "start_index": 0}]
        )
    ),
    "output[0].arguments": response({"type": "function_call", "name": "f", "call_id": "c", "arguments": PLANT}),
    "output[0].summary[0].text": response({"type": "reasoning", "summary": [{"type": "summary_text", "text": PLANT}]}),
    "output[0].output": response({"type": "mcp_call", "name": "f", "arguments": "{}", "output": PLANT}),
    "error.message": response(status="failed", error={"code": "server_error", "message": PLANT}),
    "output_text": response(output_text=PLANT),
}


@pytest.mark.parametrize("place", ANSWERS)
def test_a_text_in_a_response_is_read_at_its_place(place: str) -> None:
    """The same for each item of a response."""
    check_place(RESPONSES, ANSWERS[place], place, answer=True)


@pytest.mark.parametrize(
    ("fields", "hidden", "counted"),
    [
        ({"input": "a", "previous_response_id": "resp_0"}, {"previous_response_id"}, {"previous_turns": 1}),
        ({"input": "a", "conversation": {"id": "conv_0"}}, {"conversation"}, {"previous_turns": 1}),
        ({"input": [{"type": "item_reference", "id": "msg_0"}]}, {"input[0]"}, {"previous_turns": 1}),
        ({"input": [{"id": "msg_0"}]}, {"input[0]"}, {"previous_turns": 1}),
        ({"input": [{"type": "compaction", "encrypted_content": "AAAA"}]}, {"input[0]"}, {"previous_turns": 1}),
        ({"prompt": {"id": "pmpt_0"}}, {"prompt"}, {"stored_prompt": 1}),
        (item(type="reasoning", summary=[], encrypted_content="AAAA"), set(), {"encrypted": 1}),
        (said(type="input_image", image_url="data:"), set(), {"image": 1}),
        (
            item(type="computer_call_output", call_id="c", output={"type": "computer_screenshot", "image_url": "u"}),
            set(),
            {"image": 1},
        ),
        (item(type="image_generation_call", id="i", result="AAAA"), set(), {"image": 1}),
    ],
)
def test_what_cannot_be_read_is_counted_and_what_the_backend_alone_has_is_hidden(
    fields: dict[str, Any], hidden: set[str], counted: dict[str, int]
) -> None:
    """Turns, items and prompts that are only named."""
    reading = RESPONSES.read({"model": "m", **fields})
    assert set(reading.hidden) == hidden
    assert reading.not_inspected == counted


def test_credentials_of_tools_are_not_read() -> None:
    """They are for the tool's server and not for the model, and a rule that redacts must not break them."""
    tool = {"type": "mcp", "server_label": "s", "authorization": PLANT, "headers": {"x-key": PLANT}}
    reading = RESPONSES.read({"model": "m", "input": "a", "tools": [tool]})
    assert [segment.text for segment in reading.segments] == ["a", "s"]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": 5}, "input"),
        ({"input": [5]}, "input[0]"),
        ({"input": [{"role": "wizard", "content": "a"}]}, "input[0].role"),
        ({"input": [{"role": "user", "content": 5}]}, "input[0].content"),
        ({"input": [{"role": "user", "content": [5]}]}, "input[0].content[0]"),
        ({"input": "a", "tools": "x"}, "tools"),
        ({"input": "a", "prompt": "x"}, "prompt"),
        ({"input": "a", "background": True}, "background"),
    ],
)
def test_a_bad_request_says_what_is_wrong(fields: dict[str, Any], param: str) -> None:
    """The error names the field."""
    with pytest.raises(RequestError) as caught:
        RESPONSES.read({"model": "m", **fields})
    assert caught.value.param == param


@pytest.mark.parametrize(
    "payload", [{}, [], {"output": 5}, {"output": [5]}, {"output": [{"role": "x"}]}, {"output": [{"type": 5}]}]
)
def test_an_answer_of_another_api_is_broken(payload: Any) -> None:
    """It is the backend's fault, and nothing of it passes."""
    with pytest.raises(BackendBroken):
        RESPONSES.read_answer(payload)


def test_a_refused_response_is_incomplete_and_says_why() -> None:
    """Ids and usage stay, the texts do not."""
    payload = response(message(type="output_text", text=PLANT), usage={"total_tokens": 3}, x=PLANT, output_text=PLANT)
    refused = RESPONSES.refuse(payload, "No.")
    assert PLANT not in str(refused)
    assert (refused["id"], refused["status"], refused["usage"]) == ("resp_1", "incomplete", {"total_tokens": 3})
    assert refused["incomplete_details"] == {"reason": "content_filter"}
    assert refused["output"][0]["content"] == [{"type": "refusal", "refusal": "No."}]


def test_log_probabilities_go_with_the_text_that_was_changed() -> None:
    """Those of other parts stay."""
    part = {"type": "output_text", "text": PLANT, "logprobs": [{"token": PLANT}]}
    payload = response({"type": "message", "role": "assistant", "content": [part, {**part, "text": "a"}]})
    reading = RESPONSES.read_answer(payload)
    assert RESPONSES.redacted(payload, reading.segments[:1]) == ["logprobs"]
    assert [each["logprobs"] for each in payload["output"][0]["content"]] == [[], [{"token": PLANT}]]


def test_what_repeats_the_whole_answer_goes_when_it_changes() -> None:
    """The messages that vLLM adds on request, in which the texts stand once more, and their tokens."""
    payload = response(message(type="output_text", text=PLANT), output_messages=[{"message": PLANT, "tokens": [1]}])
    reading = RESPONSES.read_answer(payload)
    assert RESPONSES.redacted(payload, []) == []
    assert payload["output_messages"]
    assert RESPONSES.redacted(payload, reading.segments) == ["tokens"]
    assert payload["output_messages"] is None


def test_events_that_nobody_knows_are_inspected_and_their_pieces_are_one_text() -> None:
    """A card number in two of them is replaced; held-back text goes out in an event of that name; ids that are texts, too."""
    kind = "response.novel_thing"
    pieces = ("pay 4111 1111 ", "1111 1111", " and 41")
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": {"id": "resp_1", "object": "response", "status": "in_progress", "output": []}},
        *({"type": f"{kind}.delta", "output_index": 0, "item_id": f"item {CARD}", "delta": piece} for piece in pieces),
        {"type": f"{kind}.done", "output_index": 0, "novel": {"x": f"pay {CARD}"}},
        {"type": "response.completed", "response": {"id": "resp_1", "object": "response", "status": "completed", "output": []}},
    ]
    guarded = GuardedStream(RESPONSES, guard(REDACT).growing())
    out = b"".join(guarded.feed(event(each)) for each in events) + guarded.finish()
    shown = [orjson.loads(line[6:]) for line in out.split(b"\n") if line.startswith(b"data: ")]
    assert b"4111" not in out.replace(b" and 41", b"")
    assert "".join(each["delta"] for each in shown if each["type"] == f"{kind}.delta") == "pay <CREDIT_CARD> and 41"
    assert {each["item_id"] for each in shown if "item_id" in each} == {"item <CREDIT_CARD>"}
    [done] = [each for each in shown if each["type"] == f"{kind}.done"]
    assert done["novel"] == {"x": "pay <CREDIT_CARD>"}
    assert [each["sequence_number"] for each in shown] == list(range(len(shown)))
    assert guarded.not_inspected == {}
    assert guarded.trouble is None
