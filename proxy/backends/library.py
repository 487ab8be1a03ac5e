"""LiteLLM, loaded when a backend needs it, with everything of it switched off that is not translation.

Its settings and its clients are globals of its module, so there is one for the process, with one event loop: LiteLLM computes for
milliseconds at a time, which the loop that serves calls must not wait for.
"""

from __future__ import annotations

import functools
import importlib
import logging
import os
import time
import warnings
from collections.abc import Mapping
from typing import Any
from weakref import WeakSet

import httpx

from proxy.backends.apart import Apart

LOCAL = {  # read while it is imported: without them it fetches tables, and pictures that a request names
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_LOCAL_BLOG_POSTS": "True",
    "LITELLM_MODE": "PRODUCTION",  # else it reads a .env file
    "MAX_IMAGE_URL_DOWNLOAD_SIZE_MB": "0",
}
SILENT = ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy")  # loggers that may quote a request
OFF: Mapping[str, object] = {
    "suppress_debug_info": True,
    "turn_off_message_logging": True,
    "disable_streaming_logging": True,
    "telemetry": False,
    "cache": None,
    "disable_token_counter": True,  # it would count what a provider has not, and load a tokenizer for that while all wait
    "disable_hf_tokenizer_download": True,
    "num_retries": 0,
    "callbacks": [],
    "input_callback": [],
    "success_callback": [],
    "failure_callback": [],
    "service_callback": [],
}
log = logging.getLogger(__name__)


class Library:
    """LiteLLM, and the loop on which it runs as long as a backend uses it."""

    def __init__(self, module: Any, clients: WeakSet[Any]) -> None:
        self.module, self.clients = module, clients
        self.users = 0
        self.loop: Apart | None = None

    @property
    def apart(self) -> Apart:
        """Where it runs."""
        if self.loop is None:
            self.loop = Apart("parapet-litellm")
        return self.loop

    def enter(self) -> None:
        """One more backend uses it."""
        self.users += 1

    async def leave(self) -> None:
        """One backend less uses it; with the last, its connections and its thread go."""
        self.users -= 1
        if self.users or self.loop is None:
            return
        loop, self.loop = self.loop, None
        await loop.run(self.module.close_litellm_async_clients)
        for client in list(self.clients):  # those that it has lost sight of
            await loop.run(client.close)
        session, self.module.aclient_session = self.module.aclient_session, None
        if session is not None:
            await loop.run(session.aclose)
        self.module.in_memory_llm_clients_cache.flush_cache()
        await loop.close()

    async def session(self) -> None:
        """A client for the providers that LiteLLM calls through OpenAI's SDK; it follows no redirect."""
        if self.module.aclient_session is None:
            self.module.aclient_session = httpx.AsyncClient(follow_redirects=False, timeout=None)  # noqa: S113 - each call has one


@functools.cache
def library() -> Library:
    """LiteLLM, which has to be installed."""
    for name, value in LOCAL.items():
        os.environ[name] = value
    begun = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what it imports itself
        module = importlib.import_module("litellm")
        handler: Any = importlib.import_module("litellm.llms.custom_httpx.http_handler")
    for name, off in OFF.items():
        setattr(module, name, off)
    for name in SILENT:
        logging.getLogger(name).disabled = True
    # Its models of answers warn with the values that they do not expect, which are texts of a call.
    warnings.filterwarnings("ignore", message="Pydantic serializer warnings")
    warnings.filterwarnings("ignore", module="pydantic._internal._generate_schema")
    clients = WeakSet[Any]()
    handler.AsyncHTTPHandler = straight(handler.AsyncHTTPHandler, clients)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it loads the rest of itself with the first call: here is one, to nobody
        module.completion(model="openai/none", messages=[{"role": "user", "content": "ready?"}], mock_response="ready")
    log.info("LiteLLM was loaded in %.1f s", time.perf_counter() - begun)
    return Library(module, clients)


def straight(base: Any, made: WeakSet[Any]) -> Any:
    """LiteLLM's HTTP client, but it follows no redirect, which would take the text elsewhere, and sends nothing twice.

    `made` holds those that there are.
    """

    class Straight(base):  # type: ignore[misc]  # a class that is known only now
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **{**options, "follow_redirects": False})
            made.add(self)

        async def single_connection_post_request(self, *_: Any, **__: Any) -> Any:
            raise httpx.ConnectError("the connection broke")

    return Straight
