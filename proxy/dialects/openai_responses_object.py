"""A response of OpenAI's Responses as an object: its texts, what later requests may refer to, and how it is refused."""

from __future__ import annotations

from proxy.dialects.base import Json, Reading, Repeat
from proxy.dialects.openai_responses_items import read_item
from proxy.dialects.openai_shape import answer_of
from proxy.errors import BackendBroken, RequestError

SAID = ("metadata", "user", "safety_identifier", "prompt_cache_key", "stop", "previous_input_messages")  # the last two are vLLM's
CHOSEN = (  # by the application; the second line is of vLLM
    "text tool_choice truncation service_tier reasoning include context_management stream_options "
    "chat_template chat_template_kwargs structured_outputs mm_processor_kwargs".split()
)
REPEATED = ("input_messages", "output_messages")  # by vLLM on request: the texts once more, with their tokens
PLAIN = (  # without text, or read by itself
    "model stream input instructions tools previous_response_id conversation prompt background max_output_tokens max_tool_calls "
    "parallel_tool_calls store temperature top_logprobs top_p prompt_cache_retention prompt_cache_options seed"
).split()
REQUEST_FIELDS = frozenset((*SAID, *CHOSEN, *PLAIN))
ECHOED = REQUEST_FIELDS - {"input", "stream"}  # what an answer repeats of its request, where it was judged
KEPT = frozenset("id object created_at completed_at status usage error incomplete_details billing moderation".split())
ANSWER_FIELDS = frozenset((*KEPT, *ECHOED, *REPEATED, "output", "output_text"))


def read_response(payload: object) -> Reading:
    """The texts of all items. Raises BackendBroken."""
    reading, items = answer_of(payload, "output", "response")
    payload = reading.payload
    try:
        for index, item in enumerate(items):
            read_item(reading, item, f"output[{index}]")
    except RequestError as error:
        raise BackendBroken(f"the backend's answer is not a response: {error}") from None
    failure = payload.get("error")
    if isinstance(failure, dict) and failure.get("message") is not None:
        reading.add(failure, "message", "assistant", "error.message")
    if payload.get("output_text") is not None:
        reading.add(payload, "output_text", "assistant", "output_text")
    reading.rest(payload, ANSWER_FIELDS, "assistant")
    return reading


def repeats(response: Json) -> list[Repeat]:
    """What repeats all texts of a response in a form that cannot be changed with them."""
    return [Repeat(response, key, "tokens") for key in REPEATED if response.get(key)]


def identities(payload: Json) -> list[str]:
    """The ids of a response and its items."""
    items = payload.get("output")
    named = [payload, *(item for item in (items if isinstance(items, list) else ()) if isinstance(item, dict))]
    return [each["id"] for each in named if isinstance(each.get("id"), str)]


def refusal(name: str, message: str, *, status: str = "incomplete") -> Json:
    """An item that refuses."""
    return {"id": name, "type": "message", "role": "assistant", "status": status, "content": [part(message)]}


def part(message: str) -> Json:
    """The part of a message that refuses."""
    return {"type": "refusal", "refusal": message}


def incomplete(response: Json, output: list[Json]) -> Json:
    """A response in the manner of another that ended because a rule blocked it."""
    made = {key: each for key, each in response.items() if key in KEPT or key in ECHOED}
    made |= {"error": None, "incomplete_details": {"reason": "content_filter"}}
    return made | {"status": "incomplete", "output": output}
