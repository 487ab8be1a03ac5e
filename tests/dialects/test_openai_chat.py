"""Every text of a chat request, an answer and a stream is read at its place, and writing changes that place alone."""

from __future__ import annotations

import copy
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.dialects import OpenAIChat, Reading
from proxy.errors import BackendBroken, RequestError

CHAT = OpenAIChat()
PLANT = "planted"
FUNCTION = {"name": "f", "arguments": "{}"}


def message(**fields: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": "hi"}, {"role": "assistant", **fields}]}


def request(**fields: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": "hi"}], **fields}


def tool(**function: Any) -> dict[str, Any]:
    return request(tools=[{"type": "function", "function": {"name": "f", **function}}])


M = "messages[1]"
REQUESTS: dict[str, dict[str, Any]] = {
    f"{M}.content": message(content=PLANT),
    f"{M}.content[0].text": message(content=[{"type": "text", "text": PLANT}]),
    f"{M}.content[1]": message(content=["a", PLANT]),
    f"{M}.content[0].refusal": message(content=[{"type": "refusal", "refusal": PLANT}]),
    f"{M}.content[0].thinking": message(content=[{"type": "thinking", "thinking": PLANT}]),
    f"{M}.content[0].thinking[0].text": message(content=[{"type": "thinking", "thinking": [{"type": "text", "text": PLANT}]}]),
    f"{M}.name": message(content="a", name=PLANT),
    f"{M}.refusal": message(refusal=PLANT),
    f"{M}.reasoning": message(reasoning=PLANT),
    f"{M}.reasoning_content": message(reasoning_content=PLANT),
    f"{M}.tool_calls[0].function.name": message(tool_calls=[{"id": "1", "function": {"name": PLANT, "arguments": ""}}]),
    f"{M}.tool_calls[1].function.arguments": message(tool_calls=[{"function": FUNCTION}, {"function": {"arguments": PLANT}}]),
    f"{M}.tool_calls[0].function.arguments[0]": message(tool_calls=[{"function": {"arguments": {"to": PLANT}}}]),
    f"{M}.tool_calls[0].custom.input": message(tool_calls=[{"type": "custom", "custom": {"name": "c", "input": PLANT}}]),
    f"{M}.function_call.arguments": message(function_call={"name": "f", "arguments": PLANT}),
    f"{M}.function_call.name": message(function_call={"name": PLANT, "arguments": "{}"}),
    f"{M}.audio.transcript": message(audio={"id": "a", "transcript": PLANT}),
    "tools[0].function.name": request(tools=[{"type": "function", "function": {"name": PLANT}}]),
    "tools[0].function.description": tool(description=PLANT),
    "tools[0].function.parameters.properties[0].description": tool(parameters={"properties": {"x": {"description": PLANT}}}),
    "tools[0].function.parameters.properties.type.description": tool(parameters={"properties": {"type": {"description": PLANT}}}),
    "tools[0].function.parameters.properties[0].enum[1]": tool(parameters={"properties": {"x": {"enum": ["a", PLANT]}}}),
    "tools[0].function.parameters.properties[0].pattern": tool(parameters={"properties": {"x": {"pattern": PLANT}}}),
    "tools[0].function.parameters.required[0]": tool(parameters={"required": [PLANT]}),
    "tools[0].function.parameters.default": tool(parameters={"default": PLANT}),
    "tools[0].custom.format.grammar.definition": request(tools=[{"custom": {"format": {"grammar": {"definition": PLANT}}}}]),
    "functions[0].description": request(functions=[{"name": "f", "description": PLANT}]),
    "response_format.json_schema.description": request(
        response_format={"type": "json_schema", "json_schema": {"description": PLANT}}
    ),
    "prediction.content": request(prediction={"type": "content", "content": PLANT}),
    "prediction.content[0].text": request(prediction={"content": [{"type": "text", "text": PLANT}]}),
    "stop": request(stop=PLANT),
    "stop[1]": request(stop=["a", PLANT]),
    "user": request(user=PLANT),
    "metadata[0]": request(metadata={"ticket": PLANT}),
    "metadata.type": request(metadata={"type": PLANT}),
    "safety_identifier": request(safety_identifier=PLANT),
    "prompt_cache_key": request(prompt_cache_key=PLANT),
    "documents[0].title": request(documents=[{"title": PLANT, "text": "a"}]),
    "guided_regex": request(guided_regex=PLANT),
    "guided_json.properties[0].description": request(guided_json={"properties": {"x": {"description": PLANT}}}),
    "chat_template_kwargs[0]": request(chat_template_kwargs={"persona": PLANT}),
    "structured_outputs[0][1]": request(structured_outputs={"choice": ["a", PLANT]}),
}


def answer(**fields: Any) -> dict[str, Any]:
    other = {"index": 0, "message": {"role": "assistant", "content": "a"}, "finish_reason": "stop"}
    return {"id": "c", "choices": [other, {"index": 1, "message": {"role": "assistant", **fields}, "finish_reason": "stop"}]}


A = "choices[1].message"
ANSWERS: dict[str, dict[str, Any]] = {
    f"{A}.content": answer(content=PLANT),
    f"{A}.content[0].text": answer(content=[{"type": "text", "text": PLANT}]),
    f"{A}.refusal": answer(content=None, refusal=PLANT),
    f"{A}.reasoning": answer(content=None, reasoning=PLANT),
    f"{A}.reasoning_content": answer(content="", reasoning_content=PLANT),
    f"{A}.tool_calls[0].function.arguments": answer(tool_calls=[{"id": "1", "function": {"name": "f", "arguments": PLANT}}]),
    f"{A}.tool_calls[0].function.name": answer(tool_calls=[{"id": "1", "function": {"name": PLANT, "arguments": ""}}]),
    f"{A}.tool_calls[0].custom.input": answer(tool_calls=[{"id": "1", "custom": {"input": PLANT}}]),
    f"{A}.function_call.arguments": answer(function_call={"name": "f", "arguments": PLANT}),
    f"{A}.audio.transcript": answer(content=None, audio={"transcript": PLANT, "data": "AAAA"}),
    f"{A}.annotations[0].url_citation.title": answer(
        content="a", annotations=[{"type": "url_citation", "url_citation": {"title": PLANT}}]
    ),
    f"{A}.reasoning_details[0].text": answer(content="a", reasoning_details=[{"type": "reasoning.text", "text": PLANT}]),
}


def planted(reading: Reading) -> list[int]:
    return [index for index, segment in enumerate(reading.segments) if segment.text == PLANT]


def check_place(reading: Reading, payload: dict[str, Any], place: str) -> None:
    before = orjson.dumps(payload)
    [index] = planted(reading)
    assert reading.segments[index].place == place
    reading.write({index: "<CHANGED>"})
    assert orjson.dumps(payload) == before.replace(PLANT.encode(), b"<CHANGED>")


@pytest.mark.parametrize("place", REQUESTS)
def test_a_text_in_a_request_is_read_at_its_place(place: str) -> None:
    """It is found once, named by its place, and writing changes it and nothing else."""
    payload = copy.deepcopy(REQUESTS[place])
    check_place(CHAT.read(payload), payload, place)


@pytest.mark.parametrize("place", ANSWERS)
def test_a_text_in_an_answer_is_read_at_its_place(place: str) -> None:
    """The same for each choice of a completion."""
    payload = copy.deepcopy(ANSWERS[place])
    check_place(CHAT.read_answer(payload), payload, place)


@pytest.mark.parametrize(
    ("role", "seen"),
    [
        ("system", "system"),
        ("developer", "system"),
        ("user", "user"),
        ("assistant", "assistant"),
        ("tool", "tool"),
        ("function", "tool"),
    ],
)
def test_every_role_is_known(role: str, seen: str) -> None:
    """The roles of the API are those that policies name."""
    reading = CHAT.read({"model": "m", "messages": [{"role": role, "content": "x", "tool_call_id": "t"}]})
    assert [segment.role for segment in reading.segments] == [seen]
    assert reading.not_inspected == {}


@pytest.mark.parametrize(
    ("payload", "counted"),
    [
        (message(content=[{"type": "image_url", "image_url": {"url": "data:..."}}]), {"image": 1}),
        (message(content=[{"type": "input_audio", "input_audio": {}}, {"type": "file", "file": {}}]), {"audio": 1, "file": 1}),
        (message(content=[{"type": "video_url"}]), {"video": 1}),
        (message(content=[{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}]), {}),
    ],
)
def test_what_no_check_can_read_is_counted(payload: dict[str, Any], counted: dict[str, int]) -> None:
    """Silence is never consent; what holds no text is not counted."""
    assert CHAT.read(payload).not_inspected == counted


@pytest.mark.parametrize(
    "payload",
    [
        message(content=[{"type": "hologram", "data": {"x": [PLANT]}}]),
        message(content=[{"type": PLANT}]),
        message(content=[{"type": "text", "text": "a", "note": PLANT}]),
        message(content=[{"type": "file", "file": {"filename": PLANT, "file_data": "AAAA"}}]),
        message(content=[{"type": "image_url", "image_url": {"url": f"https://a.example/{PLANT}"}}]),
        message(content=[{"type": "image_url", "image_url": {"url": "https://a.example", "notes": [{"x": [PLANT]}]}}]),
        message(content="a", x_note=PLANT, y=7, z=[]),
        message(content="a", name={"first": PLANT}),
        message(content="a", reasoning_content=[PLANT]),
        message(content="a", tool_call_id=f"call {PLANT}"),
        message(tool_calls=[{"id": f"call {PLANT}", "function": {"name": "f", "arguments": "{}"}}]),
        message(tool_calls=[{"function": {"name": "f", "arguments": "{}", "x": PLANT}}]),
        message(tool_calls=[{"function": PLANT}]),
        message(tool_calls=[{"mcp": {"x": PLANT}}]),
        request(x_documents=[{f"{PLANT} 1": 1}], seed=1, top_k=5, x=None, y=0.5),
        request(prediction=[PLANT]),
    ],
)
def test_a_text_where_nobody_expects_one_is_inspected(payload: dict[str, Any]) -> None:
    """A field, a part or an id that nobody knows: it is relayed, and what a rule replaces in it is replaced."""
    reading = CHAT.read(payload)
    reading.write({i: each.text.replace(PLANT, "gone") for i, each in enumerate(reading.segments) if PLANT in each.text})
    assert PLANT not in str(payload)
    assert "gone" in str(payload)
    assert PLANT not in str(reading.places)
    assert "unknown_field" not in reading.not_inspected


def test_ids_that_machines_make_up_are_not_texts() -> None:
    """No check is asked of them, so that none takes one for a secret; long runs of digits are never such an id."""
    made = [
        "call_9pyDDQkLkpYoxAoVkOuhrrqE",
        "toolu_01A09q90qw90lq917835lq9",
        "chatcmpl-tool-5ac0f0c91b184e26b8d1a3d5b2ee7c11",
        "c1",
    ]
    made += ["functions.pay:0", "0b1cf4b6-0d3f-4f57-9c0e-1a2b3c4d5e6f"]
    for name in (*made, "call_4111111111111111", "call_4111-1111-1111-1111", "tool_123-45-6789"):
        reading = CHAT.read(message(content="a", tool_call_id=name))
        assert (name in [segment.text for segment in reading.segments]) == (name not in made)


def test_a_part_that_is_nested_without_end_costs_no_more_than_it_is_long() -> None:
    """What lies below the levels that are looked at is counted, and no place grows with the levels."""
    held: Any = {f"{PLANT} {number}": PLANT for number in range(50)}
    shallow = CHAT.read(message(content=[{"type": "image_url", "image_url": nested(held, 40)}]))
    assert len(planted(shallow)) == 50
    assert max(map(len, shallow.places)) < 100
    deep = CHAT.read(message(content=[{"type": "image_url", "image_url": nested(held, 900)}]))
    assert deep.not_inspected == {"image": 1, "unknown_field": 1}


def nested(value: Any, levels: int) -> Any:
    """The value, so many levels deep."""
    for _ in range(levels):
        value = {"x": value}
    return value


def test_unknown_fields_of_an_answer_are_inspected() -> None:
    """At the top, in a choice, in its message."""
    payload = answer(content="a", x_annotations=[{"url": PLANT}])
    payload["x_prompt"] = [PLANT]
    payload["choices"][0]["text"] = PLANT
    reading = CHAT.read_answer(payload)
    reading.write(dict.fromkeys(planted(reading), "gone"))
    assert reading.not_inspected == {}
    assert PLANT not in str(payload)


@pytest.mark.parametrize(
    ("delta", "shown"),
    [
        ({"content": [{"type": "x", "x": PLANT}]}, {"content": [{"type": "x", "x": "gone"}]}),
        ({"x": PLANT, "y": 1, "role": "assistant"}, {"x": "gone", "y": 1, "role": "assistant"}),
        ({"x": {"y": [PLANT]}}, {"x": {"y": ["gone"]}}),
        ({"status": PLANT}, {"status": "gone"}),
        (
            {"tool_calls": [{"index": 0, "id": f"id {PLANT}", "function": {"x": PLANT}, "y": PLANT}]},
            {"tool_calls": [{"index": 0, "id": "gone", "function": {"x": "gone"}, "y": "gone"}]},
        ),
    ],
)
def test_a_text_where_nobody_expects_one_is_inspected_in_a_stream(delta: dict[str, Any], shown: dict[str, Any]) -> None:
    """As in a whole answer."""
    event = CHAT.read_event({"choices": [{"index": 0, "delta": delta}]})
    for each in event.deltas:
        if PLANT in each.text:
            each.slot.write("gone")
    assert delta == shown
    assert event.not_inspected == []


def test_what_no_check_can_read_of_a_stream_is_counted() -> None:
    """As in a whole answer."""
    assert CHAT.read_event({"choices": [{"index": 0, "delta": {"audio": {"data": "AAAA"}}}]}).not_inspected == ["audio"]
    image = {"type": "image_url", "image_url": {"url": "data:"}}
    assert CHAT.read_event({"choices": [{"index": 0, "delta": {"content": [image]}}]}).not_inspected == ["image"]


def test_what_repeats_a_changed_text_goes() -> None:
    """Log-probabilities and tokens of the choice and the prompt, and the sound of a transcript; other choices keep theirs."""
    payload = answer(content=None, audio={"transcript": PLANT, "data": "AAAA"})
    for choice in payload["choices"]:
        choice |= {"logprobs": {"content": [{"token": PLANT}]}, "token_ids": [1, 2]}
    payload["prompt_token_ids"] = [3]
    reading = CHAT.read_answer(payload)
    assert CHAT.redacted(payload, []) == []
    removed = CHAT.redacted(payload, [reading.segments[index] for index in planted(reading)])
    assert sorted(removed) == ["audio", "logprobs", "tokens", "tokens"]
    assert payload["choices"][0]["token_ids"] == [1, 2]
    assert PLANT not in str(payload["choices"][1]["logprobs"])
    assert payload["choices"][1]["message"]["audio"]["data"] == ""


def test_the_prompt_in_log_probabilities_is_read_as_one_text_and_goes_when_it_changes() -> None:
    """vLLM lists the tokens of the prompt: a text cut into tokens is found; what has another shape is counted."""
    payload = answer(content="a")
    payload["prompt_logprobs"] = [
        None,
        {"1": {"decoded_token": "plan"}, "2": {"decoded_token": "x"}},
        {"3": {"decoded_token": "ted"}},
    ]
    reading = CHAT.read_answer(payload)
    [index] = planted(reading)
    assert reading.segments[index].place == "prompt_logprobs"
    reading.write({index: "<CHANGED>"})
    assert payload["prompt_logprobs"] is None
    assert CHAT.read_answer(answer(content="a") | {"prompt_logprobs": "odd"}).not_inspected == {"logprobs": 1}


def test_places_do_not_quote_the_caller() -> None:
    """Names of fields are the caller's words where the API leaves them free: places, which go into records, number them."""
    reading = CHAT.read(
        request(metadata={PLANT: "x"}, tools=[{"function": {"parameters": {"properties": {PLANT: {"title": "y"}}}}}])
    )
    assert not any(PLANT in place for place in reading.places)


def test_a_refusal_keeps_nothing_of_the_completion() -> None:
    """Every choice is refused; ids and usage stay."""
    payload = answer(content=PLANT) | {"usage": {"total_tokens": 3}, "x": PLANT}
    refused = CHAT.refuse(payload, "No.")
    assert PLANT not in str(refused)
    assert [(c["index"], c["message"]["refusal"], c["finish_reason"]) for c in refused["choices"]] == [
        (0, "No.", "content_filter"),
        (1, "No.", "content_filter"),
    ]
    assert (refused["id"], refused["usage"]) == ("c", {"total_tokens": 3})


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
KNOWN_FIELDS = (
    *(
        "model",
        "messages",
        "stream",
        "tools",
        "functions",
        "response_format",
        "prediction",
        "stop",
        "metadata",
        "user",
        "n",
        "role",
    ),
    *(
        "content",
        "name",
        "tool_calls",
        "function_call",
        "refusal",
        "reasoning",
        "audio",
        "function",
        "arguments",
        "custom",
        "input",
    ),
    *(
        "type",
        "text",
        "thinking",
        "parameters",
        "choices",
        "message",
        "index",
        "delta",
        "finish_reason",
        "logprobs",
        "error",
        "detail",
    ),
)
words = st.sampled_from(("user", "assistant", "text", "thinking", "function", "image_url", "stop", "error"))
likely = st.recursive(
    json | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KNOWN_FIELDS), inner, max_size=5),
    max_leaves=20,
)
FIELDS = {
    "messages": st.lists(
        st.fixed_dictionaries({"role": words | json}, optional={"content": likely, "tool_calls": likely}), max_size=3
    )
}


@given(
    payload=likely
    | st.fixed_dictionaries({"model": st.just("m"), **FIELDS}, optional={"tools": likely, "stop": likely, "x": json})
)
def test_no_request_raises_anything_but_request_error(payload: Any) -> None:
    """Whatever a caller sends is read or refused, and reading changes nothing; so does writing what was read."""
    before = copy.deepcopy(payload)
    try:
        reading = CHAT.read(payload)
    except RequestError:
        pass
    else:
        assert all(segment.text for segment in reading.segments)
        reading.write({index: segment.text for index, segment in enumerate(reading.segments)})
    assert repr(payload) == repr(before)


@given(
    payload=likely
    | st.fixed_dictionaries({"choices": st.lists(st.fixed_dictionaries({"message": likely}, optional={"index": json}))})
)
def test_no_answer_raises_anything_but_backend_broken(payload: Any) -> None:
    """A backend's answer is read or broken; one that was read can be refused."""
    try:
        payload = orjson.loads(orjson.dumps(payload, default=repr))
    except (TypeError, ValueError):
        return  # nothing that comes over the wire: a number beyond 64 bits
    try:
        CHAT.read_answer(payload)
    except BackendBroken:
        return
    orjson.dumps(CHAT.refuse(payload, "No."))


@given(
    payload=likely
    | st.fixed_dictionaries({"choices": st.lists(st.fixed_dictionaries({"delta": likely}, optional={"index": json}))})
)
def test_no_event_raises_anything_but_backend_broken(payload: Any) -> None:
    """The same for an event of a stream, and for an error."""
    CHAT.read_error(payload)
    try:
        event = CHAT.read_event(payload)
    except BackendBroken:
        return
    assert all(delta.slot.text == delta.text for delta in event.deltas)
    assert {CHAT.group(delta.channel) for delta in event.deltas if not delta.once} <= set(event.groups)


def test_fields_that_get_one_name_are_told_apart() -> None:
    """Each has a mark of its own, however many they are, and keeps its place and what it holds."""
    metadata: dict[str, Any] = {"<EMAIL_ADDRESS>": 0} | {f"a{number}@example.org": number for number in range(1, 5000)}
    reading = OpenAIChat().read({"model": "m", "messages": [{"role": "user", "content": "hi"}], "metadata": metadata})
    reading.write({i: "<EMAIL_ADDRESS>" for i, segment in enumerate(reading.segments) if "@" in segment.text})
    assert list(metadata.values()) == list(range(5000))
    assert list(metadata)[:4] == ["<EMAIL_ADDRESS>", "<EMAIL_ADDRESS>_", "<EMAIL_ADDRESS>_2", "<EMAIL_ADDRESS>_3"]
    assert not any("@" in name for name in metadata)
