"""The way of one call: bytes in, a request guarded, a backend's answer guarded, bytes out, one record, a handful of metrics.

Plain ASGI: this is the hot path.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from random import getrandbits
from typing import Any

import orjson

from proxy.access import Access
from proxy.audit import Record, Trail
from proxy.backends import Answer, Backend, Pool
from proxy.core import Action, Direction
from proxy.dialects import HIDDEN, Dialect, Reading
from proxy.engine import Engine, Guard, Verdict
from proxy.errors import AccessError, BackendBroken, BackendError, BackendRefused, CheckTimeout, RequestError
from proxy.metrics import Metrics
from proxy.settings import Settings
from proxy.streaming import GuardedStream

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
JSON = (b"content-type", b"application/json")
EVENTS = (b"content-type", b"text/event-stream; charset=utf-8")
log = logging.getLogger(__name__)


class ClientLeft(Exception):
    """The caller closed the connection; nobody waits for the answer."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """What all calls share."""

    settings: Settings
    engine: Engine
    access: Access
    pools: Mapping[str, Pool]
    trail: Trail
    metrics: Metrics

    def endpoint(self, dialect: Dialect) -> Endpoint:
        """The ASGI application that serves a dialect."""
        return Endpoint(self, dialect)


class Endpoint:
    """An ASGI application for one dialect; the state of a call is in a Call."""

    def __init__(self, gateway: Gateway, dialect: Dialect) -> None:
        self.gateway, self.dialect = gateway, dialect

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await Call(self.gateway, self.dialect, scope, receive, send).run()


class Call:
    """One call, from its first byte to its record."""

    def __init__(self, gateway: Gateway, dialect: Dialect, scope: Scope, receive: Receive, send: Send) -> None:
        self.gateway, self.dialect, self.receive, self.send = gateway, dialect, receive, send
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        request_id = request_id_of(self.headers.get(b"x-request-id", b""))
        self.record = Record(request_id, dialect.name)
        self.extra: Headers = [(b"x-request-id", request_id.encode())]
        self.guard: Guard | None = None
        self.begun = time.perf_counter()
        self.started = self.streaming = False  # the answer has begun, so its status stands; it is a stream
        self.told = False  # the backend's stream has said itself that it failed
        self.guarded: GuardedStream | None = None  # the answer, if it is a stream

    async def run(self) -> None:
        """Serve the call; whatever happens, the caller gets an answer in the dialect's shape, and the call a record."""
        record, metrics = self.record, self.gateway.metrics
        metrics.in_flight(1)
        try:
            await self.serve()
        except RequestError as error:
            record.outcome, record.error = ("denied" if isinstance(error, AccessError) else "bad_request"), error.code
            await self.fail(error.status, error.message, error.code, error.param)
        except BackendError as error:
            await self.backend_failed(error)
            if self.guarded is not None:
                await self.guarded.growing.finish()
        except CheckTimeout as error:
            record.outcome, record.error = "error", "check_timeout"
            await self.fail(500, str(error), "check_timeout")
        except (ClientLeft, asyncio.CancelledError) as error:
            record.outcome, record.status = "client_left", 499
            if isinstance(error, asyncio.CancelledError):
                raise
        except Exception as error:  # noqa: BLE001 - the next call must work, and this one get an answer
            place = "".join(traceback.format_tb(error.__traceback__))  # without the message, which may quote the user
            log.error("call failed: %s\n%s", type(error).__name__, place, extra={"request_id": record.request_id})
            record.outcome, record.error = "error", "internal_error"
            await self.fail(500, "Parapet failed to serve this call; its log says more under the request id", "internal_error")
        finally:
            self.note_stream()
            record.seconds = time.perf_counter() - self.begun
            metrics.in_flight(-1)
            metrics.called(self.dialect.name, record.model, record.outcome)
            self.gateway.trail.write(record)

    async def serve(self) -> None:
        """The way of one call."""
        gateway, record = self.gateway, self.record
        keys = [self.headers.get(name, b"").decode("latin-1") for name in (b"authorization", b"x-api-key")]
        record.principal = gateway.access.principal(*keys)
        payload = parsed(await self.body())
        reading = self.dialect.read(payload)
        if len(reading.segments) > gateway.settings.max_segments:
            raise RequestError(
                f"the request has {len(reading.segments)} texts; max_segments allows {gateway.settings.max_segments}",
                code="too_many_segments",
            )
        pool = gateway.pools.get(reading.model)
        record.model, record.stream = (reading.model if pool else ""), reading.stream
        if pool is None:
            known = ", ".join(gateway.pools)
            raise RequestError(f"no such model; served here: {known}", status=404, code="model_not_found", param="model")
        self.guard = guard = gateway.engine.guard(record.principal.team, reading.model)
        record.revision = gateway.engine.policies.revision
        self.refuse_hidden(guard, reading)
        verdict = await self.judge("prompt", guard, reading)
        self.extra += [
            (b"x-parapet-decision", verdict.decision.action.word.encode()),
            (b"x-parapet-policy", guard.names.encode()),
        ]
        if verdict.decision.action == Action.BLOCK:
            record.outcome = "blocked_prompt"
            await self.refuse(verdict)
            return
        reading.write(verdict.texts)
        await self.relay(pool, payload, guard)
        if self.guarded is not None:
            await self.tell({"type": "http.response.body", "body": b""})
            await self.guarded.growing.finish()

    def refuse_hidden(self, guard: Guard, reading: Reading) -> None:
        """Text that nobody can read passes no rule that acts on prompts, unless the settings say so. Raises RequestError."""
        if reading.hidden and self.gateway.settings.hidden_text == "refuse" and guard.acts("prompt"):
            place, reason = next(iter(reading.hidden.items()))
            self.skipped(reading.not_inspected)
            raise RequestError(HIDDEN[reason], code="not_inspected", param=place)

    async def body(self) -> bytes:
        """The request's body. Raises RequestError when it is too large."""
        limit = self.gateway.settings.max_body
        too_large = RequestError(f"the body is larger than max_body, {limit} bytes", status=413, code="body_too_large")
        length = self.headers.get(b"content-length", b"")
        if length.isdigit() and int(length) > limit:
            raise too_large
        pieces, size, more = [], 0, True
        while more:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ClientLeft
            pieces.append(message.get("body", b""))
            size += len(pieces[-1])
            if size > limit:
                raise too_large
            more = message.get("more_body", False)
        return b"".join(pieces)

    async def judge(self, direction: Direction, guard: Guard, reading: Reading) -> Verdict:
        """Guard texts that are all there, and note it."""
        begun = time.perf_counter()
        verdict = await guard.judge(direction, reading.segments)
        spent = time.perf_counter() - begun
        record, metrics = self.record, self.gateway.metrics
        record.guard_seconds += spent
        metrics.guarded(direction, spent)
        metrics.decided(verdict.decision)
        self.skipped(reading.not_inspected)
        self.skipped(verdict.not_inspected)
        if direction == "prompt":
            record.prompt, record.prompt_places = verdict.decision, reading.places
        else:
            record.completion, record.completion_places = verdict.decision, reading.places
        return verdict

    def skipped(self, parts: Mapping[str, int]) -> None:
        """Note parts that no check could read."""
        for reason, count in parts.items():
            self.record.not_inspected[reason] = self.record.not_inspected.get(reason, 0) + count
            self.gateway.metrics.not_inspected(reason, count)

    async def relay(self, pool: Pool, payload: dict[str, Any], guard: Guard) -> None:
        """Call a backend, and stop it when the caller leaves."""
        backend = pool.choose()
        self.record.backend = backend.name
        pool.begin(backend)
        work = asyncio.current_task()
        watcher = asyncio.create_task(self.watch_client(work))
        try:
            await self.exchange(backend, payload, guard)
        except asyncio.CancelledError:
            if watcher.done() and not watcher.cancelled() and work is not None and work.uncancel() == 0:
                raise ClientLeft from None
            raise
        finally:
            watcher.cancel()
            pool.end(backend)

    async def watch_client(self, work: asyncio.Task[Any] | None) -> None:
        """Cancel the work when the caller leaves."""
        while (await self.receive())["type"] != "http.disconnect":
            pass
        if work is not None:
            work.cancel()

    async def exchange(self, backend: Backend, payload: dict[str, Any], guard: Guard) -> None:
        """One call of the backend, and its answer to the caller."""
        begun = time.perf_counter()
        answer = await backend.call(self.dialect.path, payload, self.record.request_id)
        try:
            self.gateway.metrics.backend_began(self.record.model, time.perf_counter() - begun)
            if not self.record.stream:
                await self.whole(answer, guard)
            elif answer.content_type == "text/event-stream":
                await self.stream(answer, guard)
            else:
                raise BackendBroken("the backend was asked for a stream and did not send one")
        finally:
            answer.close()

    async def whole(self, answer: Answer, guard: Guard) -> None:
        """Guard a whole completion."""
        body = await answer.read()
        try:
            payload = orjson.loads(body)
        except orjson.JSONDecodeError:
            raise BackendBroken("the backend's answer is not JSON") from None
        reading = self.dialect.read_answer(payload)
        verdict = await self.judge("completion", guard, reading)
        self.record.outcome = "served"
        if verdict.decision.action == Action.BLOCK:
            self.record.outcome = "blocked_completion"
            refusal = self.dialect.refuse(payload, verdict.decision.message)
            if refusal is None:
                await self.refuse(verdict)
                return
            body = orjson.dumps(refusal)
        else:
            reading.write(verdict.texts)
            removed = self.dialect.redacted(payload, [reading.segments[index] for index in verdict.texts])
            self.skipped({name: removed.count(name) for name in removed})
            try:
                body = orjson.dumps(payload)  # never the bytes that came: a field that is there twice was read once
            except orjson.JSONEncodeError:
                raise BackendBroken("the backend's answer is nested too deeply") from None
        await self.answer(200, body)

    async def stream(self, answer: Answer, guard: Guard) -> None:
        """Guard a streamed completion."""
        self.guarded = guarded = GuardedStream(self.dialect, guard.growing())
        self.started = self.streaming = True
        self.record.status = 200
        headers = [EVENTS, (b"cache-control", b"no-cache"), *self.extra]
        await self.tell({"type": "http.response.start", "status": 200, "headers": headers})
        await self.pump(answer.chunks(), guarded)
        self.record.outcome = "blocked_completion" if guarded.cut else "served"
        if guarded.done:
            await answer.settle()

    def note_stream(self) -> None:
        """Note what was decided of a stream."""
        if self.guarded is None:
            return
        growing = self.guarded.growing
        decision = growing.decision
        self.record.completion, self.record.completion_places = decision, growing.places
        self.record.guard_seconds += self.guarded.seconds
        self.gateway.metrics.decided(decision)
        growing.close()
        self.skipped(self.guarded.not_inspected)
        self.skipped(growing.not_inspected)

    async def pump(self, chunks: AsyncIterator[bytes], guarded: GuardedStream) -> None:
        """From the backend through the guard to the caller, as it comes. Raises BackendError once what had come is sent."""
        first = True
        try:
            async for chunk in chunks:
                out = await self.fed(guarded, chunk)
                if out:
                    if first:
                        self.gateway.metrics.guarded("completion", guarded.seconds)
                        first = False
                    await self.pass_on(out)
                await self.resume(guarded)
                if guarded.over:
                    break
        except BackendError:
            await self.pass_on(guarded.finish())
            await self.resume(guarded)
            raise
        await self.pass_on(guarded.finish())
        await self.resume(guarded)
        self.told = guarded.told
        if guarded.trouble is not None:
            raise guarded.trouble

    async def resume(self, guarded: GuardedStream) -> None:
        """While a check is still finding out about a text that has ended, wait for it, and then go on."""
        while guarded.paused is not None:
            await self.pass_on(await guarded.waited())

    async def fed(self, guarded: GuardedStream, chunk: bytes) -> bytes:
        """What the guard makes of a chunk; a large one in a thread, so that other calls go on. Raises CheckTimeout."""
        if len(guarded.buffer) + len(chunk) <= self.gateway.settings.inline_chars:
            return guarded.feed(chunk)
        limit = self.gateway.settings.check_timeout
        try:
            return await asyncio.wait_for(asyncio.to_thread(guarded.feed, chunk), limit)
        except TimeoutError:
            raise CheckTimeout("the answer could not be checked in time") from None

    async def pass_on(self, out: bytes) -> None:
        """Send more of a streamed answer."""
        if out:
            await self.tell({"type": "http.response.body", "body": out, "more_body": True})

    async def tell(self, message: MutableMapping[str, Any]) -> None:
        """Send to the caller. Raises ClientLeft when the caller has gone."""
        try:
            await self.send(message)
        except OSError:
            raise ClientLeft from None

    async def refuse(self, verdict: Verdict) -> None:
        """A blocked prompt, or a completion that the dialect has no refusal for: an error in the dialect's shape."""
        decision = verdict.decision
        places = self.record.prompt_places if decision.direction == "prompt" else self.record.completion_places
        found = (m.finding for m in decision.matches if m.finding and (m.policy, m.rule) == (decision.policy, decision.rule))
        param = next((places[finding.segment] for finding in found), None)
        await self.fail(400, decision.message, "content_filter", param, policy=decision.policy, rule=decision.rule)

    async def backend_failed(self, error: BackendError) -> None:
        """The backend gave no good answer: say so, as its fault and not as a verdict."""
        record = self.record
        record.outcome, record.error = "backend_error", error.code
        self.gateway.metrics.backend_failed(record.model, error.code)
        self.extra.append((b"x-parapet-source", b"backend"))
        if not isinstance(error, BackendRefused):
            await self.fail(error.status, error.message, error.code)
            return
        status = error.status if error.status >= 400 else 502
        self.extra += [(name.encode(), value.encode()) for name, value in error.headers.items()]
        reading = self.dialect.read_error(decoded(error.body))
        if reading is None or self.guard is None:
            if error.body:
                self.skipped({"error_body": 1})
            await self.fail(status, error.message, error.code)
        else:
            await self.answer(status, await self.guarded_error(reading, self.guard))

    async def guarded_error(self, reading: Reading, guard: Guard) -> bytes:
        """A backend's own error, its texts guarded like a completion's: they may quote what it was sent."""
        verdict = await self.judge("completion", guard, reading)
        if verdict.decision.action == Action.BLOCK:
            return orjson.dumps(self.shaped(verdict.decision.message, 502, "content_filter", None))
        reading.write(verdict.texts)
        reading.payload["error"]["request_id"] = self.record.request_id
        return orjson.dumps(reading.payload)

    async def fail(self, status: int, message: str, code: str, param: str | None = None, **decided: str) -> None:
        """Answer with an error, or end a stream with one."""
        body = orjson.dumps(self.shaped(message, status, code, param, **decided))
        if self.streaming:
            event = b"" if self.told else b"data: " + body + b"\n\n"
            with contextlib.suppress(OSError):  # the caller has gone
                await self.send({"type": "http.response.body", "body": event})
        elif not self.started:
            await self.answer(status, body)

    def shaped(self, message: str, status: int, code: str, param: str | None, **decided: str) -> dict[str, Any]:
        request_id = self.record.request_id
        return self.dialect.error(message, status=status, code=code, param=param, request_id=request_id, **decided)

    async def answer(self, status: int, body: bytes) -> None:
        """Send a whole answer."""
        self.record.status, self.started = status, True
        headers = [JSON, (b"content-length", str(len(body)).encode()), *self.extra]
        with contextlib.suppress(OSError):  # the caller has gone
            await self.send({"type": "http.response.start", "status": status, "headers": headers})
            await self.send({"type": "http.response.body", "body": body})


def request_id_of(given: bytes) -> str:
    """The caller's request id, if it is fit to be written down, else a new one."""
    return given.decode() if REQUEST_ID.fullmatch(given) else f"{getrandbits(128):032x}"


def parsed(body: bytes) -> Any:
    """The body as JSON. What is sent on is written anew from this, so the backend sees what was inspected."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise RequestError(f"the body is not valid JSON: {error.msg.partition(':')[0]} at {place}", code="invalid_json") from None


def decoded(body: bytes) -> object:
    """A backend's body as JSON; None for anything else."""
    with contextlib.suppress(orjson.JSONDecodeError):
        return orjson.loads(body)
    return None
