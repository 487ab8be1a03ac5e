"""The models behind: one file for each kind of backend, registered here by one line each."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from typing import Any

from proxy.backends.base import Answer, Asked, Backend
from proxy.backends.deployment import Attempt
from proxy.backends.echo import Echo
from proxy.backends.openai import OpenAI
from proxy.backends.pool import Pool
from proxy.errors import SettingError
from proxy.metrics import Metrics
from proxy.settings import EchoBackend, LiteLLMBackend, OpenAIBackend, Settings
from proxy.settings import Pool as Terms


def by_way_of_litellm(model: str, row: LiteLLMBackend, settings: Settings) -> Backend:
    """A backend that LiteLLM translates for. Importing that takes seconds, so it is imported when it is configured."""
    if importlib.util.find_spec("litellm") is None:
        raise SettingError(f"pools.{model}", "litellm", "LiteLLM to be installed: pip install 'parapet[litellm]'", "pools")
    from proxy.backends.litellm import LiteLLM  # noqa: PLC0415 - see above

    return LiteLLM(model, row, settings)


KINDS: dict[type[Any], Callable[[str, Any, Settings], Backend]] = {
    EchoBackend: Echo,
    OpenAIBackend: OpenAI,
    LiteLLMBackend: by_way_of_litellm,
}


def pools(settings: Settings, metrics: Metrics | None = None, stand_ins: Mapping[str, Backend] | None = None) -> dict[str, Pool]:
    """The pools of the configuration, by model name. Connections are opened by the first call.

    `metrics`: where they are counted, if anywhere that is shown; `stand_ins`: backends to use instead of all that are configured.
    """
    metrics = metrics or Metrics(settings.pools)
    if stand_ins is not None:
        return {model: Pool(model, ALONE, [backend], metrics) for model, backend in stand_ins.items()}
    made = {
        model: Pool(model, terms, [KINDS[type(row)](model, row, settings) for row in terms.backends], metrics)
        for model, terms in settings.pools.items()
    }
    for pool in made.values():
        pool.fallback = [made[name] for name in pool.terms.fallback]
    return made


ALONE = Terms(backends=(EchoBackend(kind="echo"),))  # the terms of a stand-in

__all__ = ["KINDS", "Answer", "Asked", "Attempt", "Backend", "Pool", "pools"]
