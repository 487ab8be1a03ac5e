"""A small world for the tests of a call: policies, guards, an application over a backend, and a server on a real socket."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import orjson
import uvicorn

from proxy.app import Application, create_app
from proxy.checks import CATALOGUE, combined
from proxy.core import CheckKind
from proxy.engine import Engine, Guard
from proxy.metrics import Metrics
from proxy.operators import Conversations, Keys
from proxy.policy import parse, policy_set
from proxy.settings import OpenAIBackend, Pool, Settings

MARKER = "zanzibar-marker-7391"  # a text that must be nowhere but in what caller and backend say to each other
KEY = "a key that opens nothing but the vaults of tests"
CARD = "4111 1111 1111 1111"
IBAN = "DE89 3704 0044 0532 0130 00"
MAIL = "ada.lovelace@example.com"

REDACT = """
policy: redacting
rules:
  - {id: no-cards, check: pii, with: {entities: [CREDIT_CARD, IBAN_CODE, EMAIL_ADDRESS]}, action: redact}
"""
SECRETS = """
policy: secrets
rules:
  - {id: no-secrets, check: secrets, action: redact}
"""
BLOCK = """
policy: blocking
rules:
  - {id: no-iban, check: pii, with: {entities: [IBAN_CODE]}, action: block, message: No bank accounts here.}
  - {id: no-cards, check: pii, with: {entities: [CREDIT_CARD]}, action: redact}
"""
WATCH = """
policy: watching
rules:
  - {id: cards, check: pii, with: {entities: [CREDIT_CARD, EMAIL_ADDRESS]}, action: flag}
"""
MONITOR = """
policy: monitoring
mode: monitor
rules:
  - {id: cards, check: pii, with: {entities: [CREDIT_CARD, EMAIL_ADDRESS]}, action: block}
"""
ROLES = """
policy: by-role
rules:
  - {id: cards-said, check: pii, with: {entities: [CREDIT_CARD]}, roles: [assistant], action: redact}
  - {id: mail-thought, check: pii, with: {entities: [EMAIL_ADDRESS]}, roles: [reasoning], action: redact}
  - {id: cards-thought, check: pii, with: {entities: [CREDIT_CARD]}, roles: [reasoning], action: flag}
"""


@cache
def guard(*texts: str, **settings: Any) -> Guard:
    """The guard of policies written as text, with the real checks."""
    return engine(*texts, **settings).guard("", "m")


def engine(*texts: str, catalogue: Mapping[str, CheckKind] = CATALOGUE, **settings: Any) -> Engine:
    """An engine with these policies in force."""
    made = Engine(Settings(pools={}, record="off", **settings), catalogue, combined, Metrics(["m"]), Conversations(Keys([KEY])))
    made.use(policy_set([parse(text, f"policy{number}.yaml", catalogue) for number, text in enumerate(texts)]))
    return made


def write_policies(folder: Path, *texts: str) -> tuple[Path, ...]:
    """Policy files; without a text, one that finds nothing in anything."""
    made = []
    for number, text in enumerate(texts or (NOTHING,)):
        made.append(folder / f"policy{number}.yaml")
        made[-1].write_text(text)
    return tuple(made)


NOTHING = "policy: nothing\nrules:\n  - {id: none, check: pii, with: {entities: [MAC_ADDRESS]}, action: flag}\n"


@dataclass
class World:
    """An application under test, and what it left behind."""

    app: Application
    record: Path
    client: httpx.AsyncClient = field(init=False)

    async def __aenter__(self) -> World:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=True)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://parapet", timeout=30)
        self.life = contextlib.AsyncExitStack()
        await self.life.enter_async_context(self.app.site.router.lifespan_context(self.app.site))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.aclose()
        await self.life.aclose()

    async def chat(self, text: str = "hello", **more: Any) -> httpx.Response:
        """One call."""
        return await self.client.post("/v1/chat/completions", json=ask(text, **more))

    @property
    def records(self) -> list[dict[str, Any]]:
        """The trail so far."""
        return [orjson.loads(line) for line in self.record.read_bytes().splitlines()]

    async def metrics(self) -> str:
        """What `/metrics` says."""
        return (await self.client.get("/metrics")).text


def ask(text: str = "hello", **more: Any) -> dict[str, Any]:
    """A chat request."""
    return {"model": "m", "messages": [{"role": "user", "content": text}], **more}


def world(folder: Path, *policies: str, backend: str = "", **settings: Any) -> World:
    """An application over the backend at an address, or over the embedded one."""
    pool = Pool(backends=(OpenAIBackend(kind="openai", base_url=backend),)) if backend else Settings().pools["echo"]
    record = folder / "record.jsonl"
    made = {"pools": {"m": pool}, "policies": write_policies(folder, *policies), "record": str(record), "reload": 0.0, **settings}
    return World(create_app(Settings(**made)), record)


@contextlib.asynccontextmanager
async def served(app: Any) -> AsyncIterator[str]:
    """The application on a real socket, in a thread and an event loop of its own; its address."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, access_log=False, lifespan="on"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            if not thread.is_alive():
                raise RuntimeError("the server did not start")
            await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await asyncio.to_thread(thread.join, 20)
        assert not thread.is_alive(), "the server waits for a call that has not ended"


@contextlib.asynccontextmanager
async def misbehaving(behave: Any, heads: list[dict[str, str]] | None = None) -> AsyncIterator[str]:
    """A backend on a socket: `behave(request, writer)` says what it does with each request; its address.

    `heads` gets the headers of each request.
    """
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                if heads is not None:
                    lines = [line.partition(": ") for line in head.decode("latin-1").split("\r\n")[1:] if line]
                    heads.append({name.lower(): value for name, _, value in lines})
                length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
                await behave(orjson.loads(await reader.readexactly(length)), writer, reader)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def http(body: bytes, status: str = "200 OK", content_type: str = "application/json", **headers: str) -> bytes:
    """A whole HTTP response."""
    lines = {"content-type": content_type, "content-length": str(len(body)), **headers}
    return f"HTTP/1.1 {status}\r\n".encode() + b"".join(f"{k}: {v}\r\n".encode() for k, v in lines.items()) + b"\r\n" + body


STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def piece(data: bytes) -> bytes:
    """A chunk of a chunked response; an empty one ends it."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def completion(text: str = "fine", **message: Any) -> dict[str, Any]:
    """A whole completion with one choice."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text, **message}, "finish_reason": "stop"}
    return {"id": "c1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}


def chunk(delta: Mapping[str, Any] | None, index: int = 0, finish: str | None = None, **more: Any) -> dict[str, Any]:
    """One chunk of a stream."""
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    return {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice], **more}


def event(payload: object) -> bytes:
    """A payload as an event."""
    return b"data: " + orjson.dumps(payload) + b"\n\n"
