"""Anthropic's messages: which texts a request has, and what is wrong with one that is none."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.dialects import AnthropicCount, AnthropicMessages
from proxy.errors import BackendBroken, RequestError

MESSAGES = AnthropicMessages()


def read(content: Any, role: str = "user", **more: Any) -> Any:
    """A request of one message, read."""
    return MESSAGES.read({"model": "m", "messages": [{"role": role, "content": content}], **more})


def found(reading: Any) -> list[tuple[str, str, str]]:
    return [(segment.role, segment.place, segment.text) for segment in reading.segments]


@pytest.mark.parametrize(
    ("block", "role", "place"),
    [
        ({"type": "text", "text": "X"}, "user", "text"),
        (
            {"type": "text", "text": "", "citations": [{"cited_text": "X"}]},
            "user",
            "citations[0].cited_text",
        ),
        ({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "X"}}, "document", "source.data"),
        ({"type": "document", "source": {"type": "content", "content": "X"}}, "document", "source.content"),
        (
            {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "X"}]}},
            "document",
            "source.content[0].text",
        ),
        ({"type": "search_result", "source": "X", "content": []}, "document", "source"),
        ({"type": "search_result", "content": [{"type": "text", "text": "X"}]}, "document", "content[0].text"),
        ({"type": "tool_result", "tool_use_id": "t", "content": "X"}, "tool", "content"),
        ({"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "X"}]}, "tool", "content[0].text"),
        (
            {"type": "tool_result", "content": [{"type": "document", "source": {"type": "text", "data": "X"}}]},
            "document",
            "content[0].source.data",
        ),
        ({"type": "thinking", "thinking": "X", "signature": ""}, "reasoning", "thinking"),
        ({"type": "bash_code_execution_tool_result", "content": {"type": "r", "stdout": "X"}}, "tool", "content.stdout"),
        ({"type": "something_new", "words": {"of": ["X"]}}, "user", "[1][0][0]"),
    ],
    ids=str,
)
def test_texts_of_blocks(block: dict[str, Any], role: str, place: str) -> None:
    """Each with its role and its place, which holds no word of the caller's; a changed text is written back."""
    reading = read([block])
    assert found(reading) == [(role, f"messages[0].content[0]{'' if place[0] == '[' else '.'}{place}", "X")]
    reading.write({0: "Y"})
    assert "X" not in str(reading.payload)
    assert "'Y'" in str(reading.payload)


def test_the_input_of_a_tool_is_read_as_json_and_stays_json() -> None:
    """As it is in streams."""
    reading = read([{"type": "tool_use", "id": "t", "name": "pay", "input": {"to": "X", "n": [1]}}], "assistant")
    assert found(reading)[1] == ("assistant", "messages[0].content[0].input", '{"to":"X","n":[1]}')
    reading.write({1: '{"to":"<Y>","n":[1]}'})
    assert reading.payload["messages"][0]["content"][0]["input"] == {"to": "<Y>", "n": [1]}


def test_what_cannot_be_read_is_counted() -> None:
    """Pictures, files, and what only the model's maker can read."""
    reading = read(
        [
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aaaa"}},
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "aaaa"}},
            {"type": "document", "source": {"type": "file", "file_id": "f"}},
            {"type": "redacted_thinking", "data": "aaaa"},
            {"type": "thinking", "thinking": "", "signature": "aaaa"},
            {"type": "container_upload", "file_id": "f"},
        ],
        novel="text",
    )
    assert [segment.text for segment in reading.segments] == ["text"], "in a field that nobody knows"
    assert reading.not_inspected == {"image": 1, "file": 3, "encrypted": 2}


@pytest.mark.parametrize(
    ("payload", "param"),
    [
        ([], None),
        ({}, "model"),
        ({"model": "m"}, "messages"),
        ({"model": "m", "messages": [], "stream": 1}, "stream"),
        ({"model": "m", "messages": []}, "messages"),
        ({"model": "m", "messages": ["x"]}, "messages[0]"),
        ({"model": "m", "messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ({"model": "m", "messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"model": "m", "messages": [{"role": "user", "content": [5]}]}, "messages[0].content"),
        ({"model": "m", "messages": [{"role": "user", "content": "x"}], "system": 5}, "system"),
        ({"model": "m", "messages": [{"role": "user", "content": "x"}], "tools": ["x"]}, "tools"),
    ],
    ids=str,
)
def test_a_bad_request_names_the_place(payload: Any, param: str | None) -> None:
    """And what was expected."""
    with pytest.raises(RequestError) as caught:
        MESSAGES.read(payload)
    assert caught.value.param == param


def test_values_that_are_nested_too_deeply() -> None:
    """Are refused, not passed."""
    deep: Any = "x"
    for _ in range(300):
        deep = [deep]
    with pytest.raises(RequestError, match="deeply"):
        read([{"type": "tool_use", "id": "t", "name": "n", "input": deep}], "assistant")


@pytest.mark.parametrize("payload", [[], {}, {"content": "x"}], ids=str)
def test_an_answer_that_is_none(payload: Any) -> None:
    """Is the backend's fault."""
    with pytest.raises(BackendBroken):
        MESSAGES.read_answer(payload)


@pytest.mark.parametrize(
    "error",
    [{"type": "error", "error": {"type": "t", "message": "X"}}, {"error": {"message": "X"}}, {"detail": "X"}, {"error": "X"}],
    ids=str,
)
def test_errors_of_several_servers(error: Any) -> None:
    """Are brought into Anthropic's shape."""
    reading = MESSAGES.read_error(error)
    assert reading is not None
    assert MESSAGES.signed(reading.payload, "r-1") == {
        "type": "error",
        "error": {"type": error["error"]["type"] if "type" in error else "api_error", "message": "X"},
        "request_id": "r-1",
    }


def test_a_count_is_no_stream() -> None:
    """Whatever the request says, as clients send it that count what they are about to stream."""
    asked = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
    assert MESSAGES.read(asked).stream
    assert not AnthropicCount().read(asked).stream
