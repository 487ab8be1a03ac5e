"""Every text of a request to Gemini and of its answer is read at its place, under either style of names."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from proxy.dialects import Gemini, GeminiCount, GeminiStreamed, Reading
from proxy.errors import BackendBroken, RequestError
from proxy.streaming import GuardedStream
from tests.dialects.places import PLANT, check_place
from tests.world import CARD, REDACT, event, guard

GEMINI, STREAMED, COUNT = Gemini(), GeminiStreamed(), GeminiCount()


def asked(*parts: dict[str, Any], role: str = "user", **fields: Any) -> dict[str, Any]:
    return {"contents": [{"role": role, "parts": list(parts)}], **fields}


HI = {"text": "hi"}
AT = "contents[0].parts[0]"
CALL = {"name": "pay", "args": {"to": PLANT}}
REQUESTS: list[tuple[str, str, dict[str, Any]]] = [
    (f"{AT}.text", "user", asked({"text": PLANT})),
    (f"{AT}.text", "assistant", asked({"text": PLANT}, role="model")),
    (f"{AT}.text", "reasoning", asked({"text": PLANT, "thought": True}, role="model")),
    (f"{AT}.functionCall.name", "assistant", asked({"functionCall": {"name": PLANT, "args": {}}}, role="model")),
    (f"{AT}.executableCode.code", "assistant", asked({"executableCode": {"language": "PYTHON", "code": PLANT}}, role="model")),
    (f"{AT}.codeExecutionResult.output", "tool", asked({"codeExecutionResult": {"output": PLANT}}, role="model")),
    (f"{AT}.code_execution_result.output", "tool", asked({"code_execution_result": {"output": PLANT}}, role="model")),
    (f"{AT}[0].title", "user", asked({"hologram": {"title": PLANT}})),
    ("systemInstruction.parts[0].text", "system", asked(HI, systemInstruction={"parts": [{"text": PLANT}]})),
    ("systemInstruction.parts[0].text", "system", asked(HI, system_instruction={"parts": [{"text": PLANT}]})),
    ("systemInstruction.parts.text", "system", asked(HI, systemInstruction={"parts": {"text": PLANT}})),
    ("systemInstruction", "system", asked(HI, systemInstruction=PLANT)),
    ("tools[0][0][0].description", "system", asked(HI, tools=[{"functionDeclarations": [{"name": "f", "description": PLANT}]}])),
    ("generationConfig[0][0]", "system", asked(HI, generationConfig={"stopSequences": [PLANT]})),
    ("generation_config[0].description", "system", asked(HI, generation_config={"response_schema": {"description": PLANT}})),
    ("labels[0]", "system", asked(HI, labels={"ticket": PLANT})),
]


@pytest.mark.parametrize(("place", "role", "payload"), REQUESTS, ids=lambda value: str(value)[:50])
def test_a_text_in_a_request_is_read_at_its_place(place: str, role: str, payload: dict[str, Any]) -> None:
    """It is found once, named by its place, and writing changes it and nothing else."""
    assert check_place(GEMINI, payload, place) == role
    assert check_place(COUNT, {"generateContentRequest": payload}, f"generateContentRequest.{place}") == role


@pytest.mark.parametrize(
    ("part", "place", "role"),
    [
        ({"functionCall": CALL}, f"{AT}.functionCall.args", "assistant"),
        ({"function_call": CALL}, f"{AT}.function_call.args", "assistant"),
        ({"functionResponse": {"name": "pay", "response": {"to": PLANT}}}, f"{AT}.functionResponse.response", "tool"),
    ],
)
def test_arguments_and_responses_are_read_as_json(part: dict[str, Any], place: str, role: str) -> None:
    """As one text, and they stay JSON when that is changed."""
    payload = asked(copy.deepcopy(part), role="model")
    reading = GEMINI.read(payload)
    [index] = [i for i, segment in enumerate(reading.segments) if PLANT in segment.text]
    segment = reading.segments[index]
    assert (segment.place, segment.role, segment.form) == (place, role, "json")
    reading.write({index: segment.text.replace(PLANT, "<CHANGED>")})
    assert "<CHANGED>" in str(payload["contents"][0]["parts"][0])


def answered(*parts: dict[str, Any], **fields: Any) -> dict[str, Any]:
    candidate = {"index": 0, "content": {"role": "model", "parts": list(parts)}, "finishReason": "STOP", **fields}
    return {"candidates": [candidate], "usageMetadata": {"totalTokenCount": 3}, "modelVersion": "g", "responseId": "r"}


ANSWERS = {
    "candidates[0].content.parts[1].text": answered(HI, {"text": PLANT}),
    "candidates[0].content.parts[0].functionCall.name": answered({"functionCall": {"name": PLANT, "args": {}}}),
    "candidates[0].groundingMetadata[0][0]": answered(HI, groundingMetadata={"webSearchQueries": [PLANT]}),
    "candidates[0].citationMetadata[0][0].title": answered(HI, citationMetadata={"citationSources": [{"title": PLANT}]}),
    "candidates[0].finishMessage": answered(HI, finishMessage=PLANT),
    "promptFeedback.blockReasonMessage": {"promptFeedback": {"blockReason": "SAFETY", "blockReasonMessage": PLANT}},
}


@pytest.mark.parametrize("place", ANSWERS)
def test_a_text_in_an_answer_is_read_at_its_place(place: str) -> None:
    """The same for each candidate."""
    check_place(GEMINI, ANSWERS[place], place, answer=True)


@pytest.mark.parametrize(
    ("payload", "counted", "hidden"),
    [
        (asked({"inlineData": {"mimeType": "image/png", "data": "AAAA"}}), {"image": 1}, set()),
        (asked({"inline_data": {"mime_type": "audio/mp3", "data": "AAAA"}}), {"audio": 1}, set()),
        (asked({"fileData": {"fileUri": "u"}}, {"fileData": {"mimeType": "video/mp4"}}), {"file": 1, "video": 1}, set()),
        (asked({"text": "a", "thoughtSignature": "AAAA"}), {"encrypted": 1}, set()),
        (asked(HI, cachedContent="cachedContents/1"), {"previous_turns": 1}, {"cachedContent"}),
        (asked(HI, safetySettings=[{"category": "X", "threshold": "Y"}]), {}, set()),
    ],
)
def test_what_cannot_be_read_is_counted(payload: dict[str, Any], counted: dict[str, int], hidden: set[str]) -> None:
    """And what the backend alone has is hidden."""
    reading = GEMINI.read(payload)
    assert reading.not_inspected == counted
    assert set(reading.hidden) == hidden


@pytest.mark.parametrize(
    ("payload", "param"),
    [
        ([], None),
        ({}, "contents"),
        ({"contents": "hi"}, "contents"),
        ({"contents": ["hi"]}, "contents[0]"),
        ({"contents": [{"role": "wizard", "parts": []}]}, "contents[0].role"),
        ({"contents": [{"parts": "hi"}]}, "contents[0].parts"),
        ({"contents": [{"parts": ["hi"]}]}, "contents[0].parts[0]"),
    ],
)
def test_a_bad_request_says_what_is_wrong(payload: Any, param: str | None) -> None:
    """The error names the field."""
    with pytest.raises(RequestError) as caught:
        GEMINI.read(payload)
    assert caught.value.param == param


def test_a_stream_must_be_one_of_events() -> None:
    """A list that grows is no stream that could be guarded piece by piece here: the error says what to do."""
    with pytest.raises(RequestError, match="alt=sse"):
        STREAMED.address(Reading(), {"model": "m"})
    reading = Reading()
    STREAMED.address(reading, {"model": "m", "?alt": "sse"})
    assert (reading.model, reading.stream) == ("m", True)


@pytest.mark.parametrize("payload", [{}, [], {"x": 1}, {"candidates": 5}, {"candidates": [5]}, {"candidates": [{"content": 5}]}])
def test_an_answer_of_another_api_is_broken(payload: Any) -> None:
    """It is the backend's fault, and nothing of it passes."""
    with pytest.raises(BackendBroken):
        GEMINI.read_answer(payload)


def test_a_refused_answer_ends_with_safety_and_says_why() -> None:
    """Usage and ids stay, the texts do not."""
    refused = GEMINI.refuse(answered({"text": PLANT}) | {"x": PLANT}, "No.")
    assert refused is not None
    assert PLANT not in str(refused)
    assert (refused["candidates"][0]["finishReason"], refused["candidates"][0]["finishMessage"]) == ("SAFETY", "No.")
    assert (refused["usageMetadata"], refused["responseId"]) == ({"totalTokenCount": 3}, "r")


def test_log_probabilities_go_with_the_text_that_was_changed() -> None:
    """They repeat it."""
    payload = answered({"text": PLANT}, logprobsResult={"chosenCandidates": [{"token": PLANT}]})
    reading = GEMINI.read_answer(payload)
    assert GEMINI.redacted(payload, []) == []
    assert GEMINI.redacted(payload, reading.segments) == ["logprobs"]
    assert payload["candidates"][0]["logprobsResult"] is None


def streamed(content: Any) -> tuple[bytes, GuardedStream]:
    """One event with this content through the guard."""
    guarded = GuardedStream(STREAMED, guard(REDACT).growing())
    return guarded.feed(event({"candidates": [{"index": 0, "content": content, "finishReason": "STOP"}]})), guarded


def test_what_a_part_of_a_stream_holds_beside_its_text_is_read() -> None:
    """A call in a part with a text, also an empty one; and what nobody knows."""
    out, guarded = streamed({"parts": [{"text": "", "functionCall": {"name": CARD, "args": {"to": CARD}}}], "x": CARD})
    assert b"4111" not in out
    assert out.count(b"<CREDIT_CARD>") == 3
    assert guarded.not_inspected == {}


@pytest.mark.parametrize("payload", [asked({"text": "a", "note": PLANT}), asked(HI, x=PLANT), asked(HI, x={"y": [PLANT]})])
def test_a_text_where_nobody_expects_one_is_inspected(payload: dict[str, Any]) -> None:
    """It is relayed, and what a rule replaces in it is replaced."""
    reading = GEMINI.read(payload)
    reading.write({index: "gone" for index, segment in enumerate(reading.segments) if segment.text == PLANT})
    assert PLANT not in str(payload)
    assert reading.not_inspected == {}


@pytest.mark.parametrize("content", [CARD, [CARD], {"parts": {"text": CARD}}, {"parts": CARD}], ids=range(4))
def test_a_content_of_a_stream_that_is_none_is_broken(content: Any) -> None:
    """Nothing of it passes."""
    out, guarded = streamed(content)
    assert isinstance(guarded.trouble, BackendBroken)
    assert b"4111" not in out


def test_the_contents_of_a_request_are_the_turns_of_a_conversation() -> None:
    """What tools gave back belongs to the present."""
    said = [("user", HI), ("model", HI), ("function", {"functionResponse": {"name": "f", "response": {"a": "b"}}})]
    reading = GEMINI.read({"contents": [{"role": role, "parts": [part]} for role, part in said], "systemInstruction": PLANT})
    assert [(each.turn, each.age) for each in reading.segments[:2]] == [(True, 2), (True, 1)]
    assert [(each.turn, each.age) for each in reading.segments[-2:]] == [(True, 0), (False, 0)]
