"""The models behind: one file for each kind of backend, registered here by one line each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from proxy.backends.base import Answer, Asked, Backend, Pool
from proxy.backends.echo import Echo
from proxy.backends.openai import OpenAI
from proxy.settings import EchoBackend, OpenAIBackend, Settings

KINDS: dict[type[Any], Callable[[str, Any, Settings], Backend]] = {
    EchoBackend: Echo,
    OpenAIBackend: OpenAI,
}


def pools(settings: Settings) -> dict[str, Pool]:
    """The pools of the configuration, by model name. Connections are opened by the first call."""
    return {
        model: Pool(model, tuple(KINDS[type(entry)](model, entry, settings) for entry in pool.backends))
        for model, pool in settings.pools.items()
    }


__all__ = ["KINDS", "Answer", "Asked", "Backend", "Pool", "pools"]
