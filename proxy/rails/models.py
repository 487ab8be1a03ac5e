"""The models that NeMo Guardrails asks: those of our pools, so that its calls are counted and limited like all others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import Future
from typing import Any, Protocol

import orjson

from proxy.errors import CheckDeclined

CHAT = "/v1/chat/completions"
LONGEST = 30.0  # seconds that a model may take
SAID = ("temperature", "max_tokens", "max_completion_tokens", "top_p", "seed", "presence_penalty", "frequency_penalty")


class Asking(Protocol):
    """Who asks the models of the pools."""

    def complete(self, model: str, path: str, payload: Mapping[str, Any], timeout: float) -> Future[bytes]:
        """What a model of a pool answers, whole."""
        ...


class Framework:
    """Where NeMo Guardrails takes models from: our pools."""

    def __init__(self, asking: Asking, table: Mapping[tuple[str, str], str]) -> None:
        self.asking, self.table = asking, table

    def create_model(self, model_name: str, provider_name: str, model_kwargs: object = None) -> Model:  # noqa: ARG002 - its protocol
        """The model of a pool."""
        return Model(self.asking, self.table[provider_name, model_name], model_name, provider_name)

    def register_provider(self, name: str, provider_cls: Any) -> None:
        """There are no others."""

    def get_provider_names(self) -> list[str]:
        """None but the pools."""
        return []

    async def reset(self) -> None:
        """It holds nothing."""


class Model:
    """A model of a pool, as NeMo Guardrails wants one."""

    def __init__(self, asking: Asking, pool: str, name: str, provider: str) -> None:
        self.asking, self.pool, self.model_name, self.provider_name = asking, pool, name, provider
        self.provider_url: str | None = None

    async def generate_async(self, prompt: Any, *, stop: list[str] | None = None, **more: Any) -> Any:
        """What the model says."""
        from nemoguardrails.types import LLMResponse  # noqa: PLC0415 - it takes seconds to import

        turns = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else [each.to_dict() for each in prompt]
        for each in turns:
            each.pop("provider_metadata", None)
        payload = {"messages": turns, **{name: more[name] for name in SAID if more.get(name) is not None}}
        if stop:
            payload["stop"] = stop
        body = await asyncio.wrap_future(self.asking.complete(self.pool, CHAT, payload, LONGEST))
        try:
            text = orjson.loads(body)["choices"][0]["message"]["content"]
        except (orjson.JSONDecodeError, LookupError, TypeError):
            raise CheckDeclined("the model's answer is not of its server's API") from None
        if not isinstance(text, str):
            raise CheckDeclined("the model's answer has no text")
        return LLMResponse(content=text)

    def stream_async(self, *given: Any, **more: Any) -> AsyncIterator[Any]:  # noqa: ARG002 - the library gives them
        """Rails that only judge have nothing to stream: one that asks for it has no verdict to give."""
        raise CheckDeclined("a rail asks its model for a stream, which rails that judge are not given")
