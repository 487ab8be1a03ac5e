"""A request that asks for JSON is known as one, in each API's words."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.dialects import AnthropicMessages, Dialect, OpenAIChat, OpenAICompletions, OpenAIResponses

MESSAGES = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 5}
SCHEMA = {"type": "json_schema", "schema": {"type": "object"}}


@pytest.mark.parametrize(
    ("dialect", "request_", "structured"),
    [
        (OpenAIChat(), {**MESSAGES, "response_format": {"type": "json_object"}}, True),
        (OpenAIChat(), {**MESSAGES, "response_format": {"type": "json_schema", "json_schema": {}}}, True),
        (OpenAIChat(), {**MESSAGES, "guided_json": {"type": "object"}}, True),
        (OpenAIChat(), {**MESSAGES, "response_format": {"type": "text"}}, False),
        (OpenAIChat(), MESSAGES, False),
        (OpenAICompletions(), {"model": "m", "prompt": "hi", "response_format": {"type": "json_object"}}, True),
        (OpenAICompletions(), {"model": "m", "prompt": "hi"}, False),
        (OpenAIResponses(), {"model": "m", "input": "hi", "text": {"format": SCHEMA}}, True),
        (OpenAIResponses(), {"model": "m", "input": "hi", "text": {"verbosity": "low"}}, False),
        (AnthropicMessages(), {**MESSAGES, "output_config": {"format": SCHEMA}}, True),
        (AnthropicMessages(), {**MESSAGES, "output_format": SCHEMA}, True),
        (AnthropicMessages(), MESSAGES, False),
    ],
)
def test_an_answer_is_asked_for_as_json(dialect: Dialect, request_: dict[str, Any], structured: bool) -> None:
    """Its texts are then changed as JSON."""
    assert dialect.read(request_).structured is structured
