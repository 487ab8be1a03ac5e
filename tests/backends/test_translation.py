"""What may be sent to LiteLLM, and how what comes from it is written; without LiteLLM itself."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.backends import translation
from proxy.errors import BackendBroken, BackendError, BackendRefused, BackendTimeout, BackendUnreachable, BackendUnsupported


def parts(*content: Any) -> dict[str, Any]:
    """A request with these parts in its message."""
    return {"model": "m", "messages": [{"role": "user", "content": list(content)}]}


@pytest.mark.parametrize(
    "name", ["api_key", "base_url", "custom_llm_provider", "callbacks", "extra_headers", "model_list", "x" * 500]
)
def test_a_field_that_is_not_the_apis_is_refused(name: str) -> None:
    """A caller sets none of LiteLLM's own arguments."""
    with pytest.raises(BackendUnsupported) as caught:
        translation.fit({"messages": [], name: "x"}, translation.CHAT, drop=False)
    assert len(caught.value.message) < 200
    assert translation.fit({"messages": [], name: "x"}, translation.CHAT, drop=True) == {"messages": []}


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "http://169.254.169.254/latest"}},
        {"type": "image_url", "image_url": "HTTPS://example.com/x.png"},
        {"type": "file", "file": {"file_id": "gs://bucket/x"}},
        {"type": "document", "source": {"type": "url", "url": "s3://bucket/x"}},
        {"type": "image_url", "image_url": {"url": " \t\nhttp://169.254.169.254/latest"}},
        {"type": "x", "text": {"url": "ftp://host/x"}},
    ],
)
def test_nothing_is_fetched_for_a_caller(part: dict[str, Any]) -> None:
    """Neither by LiteLLM nor by the provider: an address could be one that only we can reach."""
    with pytest.raises(BackendUnsupported, match="data: URLs"):
        translation.fit(parts(part), translation.CHAT, drop=False)


def test_a_text_may_speak_of_addresses_and_a_picture_may_be_there_itself() -> None:
    """And what is sent is a copy: LiteLLM changes what it is given."""
    request = parts(
        {"type": "text", "text": "http://example.com"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}
    )
    sent = translation.fit(request, translation.CHAT, drop=False)
    assert sent == {"messages": request["messages"]}
    assert sent["messages"][0] is not request["messages"][0]


def test_an_answer_holds_no_copies_of_its_texts() -> None:
    """What no check reads does not go out: LiteLLM repeats thoughts and citations in fields of its own."""
    message = {
        "role": "assistant",
        "content": "x",
        "thinking_blocks": ["y"],
        "provider_specific_fields": {"z": 1},
        "reasoning_content": "y",
    }
    given = {
        "id": "1",
        "model": "m",
        "choices": [{"message": message, "finish_reason": "stop"}],
        "usage": {"cost": 1, "prompt_tokens": 2},
    }
    made = translation.completion(given)
    assert made["choices"][0]["message"] == {"role": "assistant", "content": "x", "reasoning_content": "y"}
    assert made["usage"] == {"prompt_tokens": 2}


class HTTPStatusError(Exception):
    """As httpx has it."""

    def __init__(self, status: int) -> None:
        self.response = type("Response", (), {"status_code": status, "headers": {"Retry-After": "3", "server": "x"}})()


class TransportError(Exception):
    """As httpx has it."""


class Raised(Exception):
    """As LiteLLM raises it."""

    def __init__(self, message: str, status: int | None = None, **more: Any) -> None:
        super().__init__(message)
        self.message, self.status_code = message, status
        for name, value in more.items():
            setattr(self, name, value)


class ContextWindowExceededError(Raised):
    """As LiteLLM raises it."""


def caused(error: Exception, cause: Exception) -> Exception:
    """An error with what it goes back to."""
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (caused(Raised("no", 429), HTTPStatusError(429)), BackendRefused),
        (caused(Raised("no", 307), HTTPStatusError(307)), BackendBroken),
        (caused(Raised("no", 500), TransportError()), BackendUnreachable),
        (Raised("no", 500), BackendUnreachable),
        (Raised("unsupported", 400), BackendRefused),
        (Raised("cannot be read", 422, litellm_response_headers={"x": "y"}), BackendBroken),
        (ValueError("a bug"), BackendBroken),
        (type("Timeout", (Raised,), {})("late", 408), BackendTimeout),
    ],
)
def test_an_exception_becomes_what_it_says_of_the_provider(error: Exception, kind: type[BackendError]) -> None:
    """Whether it refused, broke, was not there, or was too late decides what the pool does."""
    made = translation.failure(error)
    assert type(made) is kind
    if made.headers:
        assert made.headers == {"retry-after": "3"}


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ('litellm.RateLimitError: AnthropicException - {"error": {"type": "x", "message": "slow down"}}', "slow down"),
        ('litellm.BadRequestError: GeminiException - b\'{"error": {"message": "bad"}}\'', "bad"),
        ('litellm.APIError: {"error": "out of memory"}', "out of memory"),
        ("litellm.UnsupportedParamsError: no logprobs. To drop these, set `litellm.drop_params=True`", "no logprobs"),
        ("litellm.InternalServerError: X - boom\nTraceback (most recent call last): ...", "boom"),
        ("x" * 10**6, "x" * translation.LONGEST),
    ],
)
def test_the_words_are_the_providers(message: str, said: str) -> None:
    """Not LiteLLM's, nor a trace of its code."""
    assert translation.words(Raised(message)) == said


def test_a_code_that_clients_look_for_is_there() -> None:
    """Such as the one for too long a prompt."""
    made = translation.failure(caused(ContextWindowExceededError("long", 400), HTTPStatusError(400)))
    assert isinstance(made, BackendRefused)
    assert b'"code":"context_length_exceeded"' in made.body
