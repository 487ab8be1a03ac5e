"""A provider that does not speak OpenAI's API: LiteLLM translates, and pools retry, limit and count."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from proxy.backends import bridges, translation
from proxy.backends.base import Answer, Asked
from proxy.backends.bridges import Bridge
from proxy.backends.library import Library, library
from proxy.errors import BackendBroken, BackendError, BackendTimeout, BackendUnreachable, BackendUnsupported
from proxy.settings import LiteLLMBackend, Settings

END = object()
MOST = 10_000  # pieces that are thrown away of a stream that nobody reads any more


@dataclass(frozen=True, slots=True)
class Operation:
    """One API: LiteLLM's function for it, what it may be sent, how its answer is written."""

    function: str
    fields: frozenset[str]
    whole: Callable[[Any], dict[str, Any]]
    piece: Callable[[Any], dict[str, Any]] | None = None  # how a piece of its stream is written, if it streams


@dataclass(frozen=True, slots=True)
class Bridged:
    """One API that is served by way of chat completions, and what a request of it may hold."""

    bridge: Callable[[dict[str, Any], str], Bridge]
    fields: frozenset[str]


OPERATIONS = {
    "/v1/chat/completions": Operation("acompletion", translation.CHAT, translation.completion, translation.chunk),
    "/v1/completions": Operation(
        "atext_completion", translation.COMPLETIONS, translation.text_completion, translation.text_completion
    ),
    "/v1/embeddings": Operation("aembedding", translation.EMBEDDINGS, translation.plain),
    "/v1/rerank": Operation("arerank", translation.RERANK, translation.rerank),
}


BRIDGED: dict[str, Bridged] = {
    "/v1/messages": Bridged(bridges.Messages, bridges.MESSAGES),
    "/v1/responses": Bridged(bridges.Responses, bridges.RESPONSES),
}


class LiteLLM:
    """One deployment."""

    def __init__(self, model: str, entry: LiteLLMBackend, settings: Settings) -> None:  # noqa: ARG002 - as all backends are made
        self.library: Library = library()
        self.library.enter()
        self.settings, self.drop = settings, entry.drop_unsupported
        secrets = {name: settings.secrets[variable] for name, variable in entry.options_env.items()}
        self.arguments: dict[str, Any] = {**entry.options, **secrets, "model": entry.model}
        if entry.api_key_env:
            self.arguments["api_key"] = settings.secrets[entry.api_key_env]
        if entry.base_url:
            self.arguments["api_base"] = entry.base_url.rstrip("/")
        if entry.headers:
            self.arguments["extra_headers"] = dict(entry.headers)

    async def call(self, asked: Asked) -> Answer:
        """Ask the provider. Raises BackendError."""
        bridged = BRIDGED.get(asked.path)
        if bridged is not None and asked.method == "POST":
            return await self.translated(bridged, asked)
        operation = OPERATIONS.get(asked.path)
        if operation is None or asked.method != "POST":
            known = ", ".join((*OPERATIONS, *BRIDGED))
            raise BackendUnsupported(f"this model is served by way of LiteLLM, which serves {known} alone")
        sent = translation.fit(asked.payload, operation.fields, drop=self.drop)
        as_base64 = sent.pop("encoding_format", None) == "base64"  # which the SDK asks for and few providers have
        made = await self.patiently(lambda: self.ask(operation, sent), self.settings.first_byte_timeout)
        if operation.piece is not None and sent.get("stream") is True:
            return Streamed(self, operation.piece, made)
        if operation.function == "aembedding":
            return Whole(translation.embeddings(made, as_base64=as_base64))
        return Whole(operation.whole(made))

    async def translated(self, bridged: Bridged, asked: Asked) -> Answer:
        """Ask the provider for a chat completion, and give it the shape that was asked for. Raises BackendError."""
        sent = translation.fit(asked.payload, bridged.fields, drop=self.drop, sent=False)
        operation = OPERATIONS["/v1/chat/completions"]

        async def ask() -> tuple[Bridge, Any, Any]:
            bridge = bridged.bridge(sent, self.arguments["model"])
            chat = translation.fit(bridge.request(), operation.fields, drop=self.drop)
            made = await self.ask(operation, chat)
            return bridge, made, None if sent.get("stream") is True else bridge.whole(made)

        bridge, made, whole = await self.patiently(ask, self.settings.first_byte_timeout)
        return BridgedStream(self, bridge, made) if whole is None else Whole(whole)

    async def ask(self, operation: Operation, sent: dict[str, Any]) -> Any:
        """LiteLLM's answer, or its stream."""
        await self.library.session()
        more: dict[str, Any] = {"timeout": self.settings.first_byte_timeout, "max_retries": 0, "num_retries": 0}
        if operation.function != "arerank":
            more["_skip_mcp_handler"] = True  # else a tool of a request could make it call servers
        if self.drop:
            more["drop_params"] = True
        return await getattr(self.library.module, operation.function)(**sent, **self.arguments, **more)

    async def patiently(self, make: Callable[[], Any], seconds: float) -> Any:
        """What LiteLLM makes of it, on its own loop. Raises BackendError."""
        try:
            async with asyncio.timeout(seconds):
                return await self.library.apart.run(make)
        except BackendError:
            raise
        except TimeoutError:
            raise BackendTimeout("the provider did not answer in time") from None
        except Exception as error:  # noqa: BLE001 - LiteLLM raises whatever its parts do; the message may quote the user
            raise translation.failure(error) from None

    async def close(self) -> None:
        """Let go of LiteLLM."""
        await self.library.leave()


class Whole:
    """An answer that is all there."""

    content_type = "application/json"

    def __init__(self, payload: Mapping[str, Any]) -> None:
        self.payload = payload

    async def read(self) -> bytes:
        try:
            return orjson.dumps(self.payload)
        except (orjson.JSONEncodeError, TypeError):
            raise BackendBroken("the provider's answer cannot be written as JSON") from None

    async def chunks(self) -> AsyncIterator[bytes]:
        yield await self.read()

    async def settle(self) -> None:
        """Nothing follows."""

    def close(self) -> None:
        """Nothing runs on."""


class Streamed:
    """An answer that LiteLLM translates piece by piece."""

    content_type = "text/event-stream"
    end = b"data: [DONE]\n\n"

    def __init__(self, backend: LiteLLM, write: Callable[[Any], dict[str, Any]], stream: Any) -> None:
        self.backend, self.write, self.stream = backend, write, stream
        self.pieces = aiter(stream)
        self.id = ""
        self.ended = False

    async def read(self) -> bytes:
        return b"".join([piece async for piece in self.chunks()])

    async def chunks(self) -> AsyncIterator[bytes]:
        wait = self.backend.settings.first_byte_timeout
        begun = False
        while True:
            try:
                piece = await self.backend.patiently(lambda: following(self.pieces), wait)
            except BackendUnreachable:
                if not begun:
                    raise
                raise BackendBroken("the connection to the provider broke in the middle of its answer") from None
            if piece is END:
                break
            yield self.written(piece)
            wait, begun = self.backend.settings.idle_timeout, True
        self.ended = True
        if self.end:
            yield self.end

    def written(self, piece: Any) -> bytes:
        """A piece as an event. Raises BackendBroken for an end that LiteLLM made up because the provider's stream broke off."""
        payload = self.write(piece)
        self.id = payload["id"] = self.id or payload.get("id", "")  # some providers give each piece one of its own
        finished = any(choice["finish_reason"] for choice in payload["choices"])
        if finished and not told_its_end(self.stream):
            raise BackendBroken("the provider's stream ended before its answer did")
        return translation.event(payload)

    async def settle(self) -> None:
        """Nothing follows."""

    def close(self) -> None:
        if not self.ended:
            self.ended = True
            self.backend.library.apart.begin(self.let_go)

    async def let_go(self) -> None:
        """End the provider's stream: LiteLLM's own `aclose` leaves the connection open, a read that is cancelled closes it."""
        for _ in range(MOST):
            reading = asyncio.create_task(following(self.pieces))
            await asyncio.sleep(0)
            ready = reading.done()  # what it had buffered
            reading.cancel()
            pieces: Any = await asyncio.gather(reading, return_exceptions=True)
            if not ready or pieces[0] is END or isinstance(pieces[0], BaseException):
                return


class BridgedStream(Streamed):
    """The same in another shape: what goes wrong is said by an error here, and not in LiteLLM's words."""

    end = b""

    def __init__(self, backend: LiteLLM, bridge: Bridge, stream: Any) -> None:
        self.watched = bridges.Watched(stream, told_its_end)
        super().__init__(backend, translation.plain, self.watched)
        self.pieces = aiter(bridge.events(self.watched))

    def written(self, piece: Any) -> bytes:
        """An event as it is. Raises BackendError where it is made up for what has failed."""
        if self.watched.error is not None:
            error = self.watched.error
            raise error if isinstance(error, BackendError) else broken(translation.failure(error))
        return bytes(piece)

    def close(self) -> None:
        self.pieces = self.watched.pieces
        super().close()


def broken(error: BackendError) -> BackendError:
    """What a failure is once the answer has begun."""
    if isinstance(error, BackendUnreachable):
        return BackendBroken("the connection to the provider broke in the middle of its answer")
    return error


def told_its_end(stream: Any) -> bool:
    """Whether the provider said how its answer ended."""
    inner: Any = getattr(stream, "completion_stream", None)
    wrapped: Any = inner if hasattr(inner, "received_finish_reason") else stream  # of the older API, it is one within another
    return bool(wrapped.received_finish_reason or wrapped.intermittent_finish_reason)


async def following(pieces: AsyncIterator[Any]) -> Any:
    """The next piece of a stream, or END."""
    return await anext(pieces, END)
