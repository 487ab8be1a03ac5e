"""The backend's side of a call: what it is asked, and its answer guarded on the way to the caller."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import orjson

from proxy.backends import Answer, Asked, Backend, Pool
from proxy.core import Action
from proxy.engine import Guard
from proxy.errors import BackendBroken, BackendError, CheckTimeout
from proxy.gateway.caller import ClientLeft
from proxy.gateway.traced import asking, decided, tokens
from proxy.metrics import usage_of
from proxy.streaming import GuardedStream
from proxy.traces import current, step

if TYPE_CHECKING:
    from proxy.gateway.call import Call

EVENTS = b"text/event-stream; charset=utf-8"
TEXT = "text/plain"


class Exchange:
    """What happens between a call and a backend."""

    def __init__(self, call: Call, guard: Guard) -> None:
        self.call, self.guard = call, guard
        self.gateway, self.dialect, self.caller, self.record = call.gateway, call.dialect, call.caller, call.record
        self.told = False  # the backend's stream has said itself that it failed
        self.guarded: GuardedStream | None = None  # the answer, if it is a stream
        self.begun: int | None = None  # when that began, in nanoseconds since 1970

    async def run(self, pool: Pool, payload: dict[str, Any]) -> None:
        """Call a backend, and stop it when the caller leaves."""
        dialect, caller = self.dialect, self.caller
        path, headers = dialect.target(caller.params), caller.named(dialect.headers)
        backend = pool.choose()
        self.record.backend = backend.name
        pool.begin(backend)
        work = asyncio.current_task()
        watcher = asyncio.create_task(self.caller.watch(work))
        try:
            with step(*asking(dialect, self.record, payload), kind="client") as span:
                headers |= self.call.trace.headers(span)
                await self.ask(backend, Asked(path, payload, self.record.request_id, headers, dialect.method, dialect.form))
        except asyncio.CancelledError:
            if watcher.done() and not watcher.cancelled() and work is not None and work.uncancel() == 0:
                raise ClientLeft from None
            raise
        finally:
            watcher.cancel()
            pool.end(backend)
        if self.caller.streaming:
            await self.caller.end()
        await self.finish()

    async def finish(self) -> None:
        """Wait for what is still being found out about a stream that has been shown."""
        if self.guarded is not None:
            await self.guarded.growing.finish()

    async def ask(self, backend: Backend, asked: Asked) -> None:
        """One call of the backend, and its answer to the caller."""
        begun = time.perf_counter()
        answer = await backend.call(asked)
        try:
            self.gateway.metrics.backend_began(self.record.model, time.perf_counter() - begun)
            if self.record.stream and answer.content_type == "text/event-stream":
                await self.stream(answer, begun)
            elif self.record.stream and not self.dialect.media:
                raise BackendBroken("the backend was asked for a stream and did not send one")
            elif self.dialect.media and answer.content_type != "application/json":
                await self.media(answer)
            else:
                await self.whole(answer)
        finally:
            answer.close()

    async def whole(self, answer: Answer) -> None:
        """Guard a whole completion."""
        plain = self.dialect.plain and answer.content_type == TEXT
        payload = await self.payload(answer, plain=plain)
        if usage := usage_of(payload):
            self.gateway.metrics.used(self.record.model, usage)
            current().note(tokens(usage))
        reading = self.dialect.read_answer(payload)
        verdict = await self.call.judge("completion", self.guard, reading)
        self.record.outcome = "served"
        if verdict.decision.action == Action.BLOCK:
            self.record.outcome = "blocked_completion"
            payload = self.dialect.refuse(payload, verdict.decision.message)
            if payload is None:
                await self.call.refuse(verdict)
                return
        else:
            reading.write(verdict.texts)
            removed = self.dialect.redacted(payload, [reading.segments[index] for index in verdict.texts])
            self.call.skipped({name: removed.count(name) for name in removed})
        if plain:
            await self.call.answer(200, payload["text"].encode(), f"{TEXT}; charset=utf-8")
            return
        try:
            body = orjson.dumps(payload)  # never the bytes that came: a field that is there twice was read once
        except orjson.JSONEncodeError:
            raise BackendBroken("the backend's answer is nested too deeply") from None
        await self.call.answer(200, body)

    async def payload(self, answer: Answer, *, plain: bool) -> Any:
        """A whole answer, read: JSON, or a plain text as the `text` of an object."""
        body = await answer.read()
        try:
            return {"text": body.decode()} if plain else orjson.loads(body)
        except ValueError:
            raise BackendBroken(f"the backend's answer is not {'UTF-8' if plain else 'JSON'}") from None

    async def media(self, answer: Answer) -> None:
        """An answer that no check can read goes on as it comes, and is counted."""
        self.call.skipped({self.dialect.media: 1})
        self.record.status, self.record.outcome = 200, "served"
        await self.caller.begin(answer.content_type.encode())
        async for chunk in answer.chunks():
            await self.caller.pass_on(chunk)

    async def stream(self, answer: Answer, begun: float) -> None:
        """Guard a streamed completion."""
        metrics, model = self.gateway.metrics, self.record.model
        self.guarded = guarded = GuardedStream(self.dialect, self.guard.growing(), metrics.tally())
        self.record.status, self.begun = 200, time.time_ns()
        await self.caller.begin(EVENTS)
        await self.pump(answer.chunks(), guarded, begun)
        self.record.outcome = "blocked_completion" if guarded.cut else "served"
        if guarded.cut:
            metrics.spared(model, "completion", guarded.growing.length)
        elif guarded.usage is not None:
            metrics.used(model, guarded.usage)
            current().note(tokens(guarded.usage))
        if guarded.done:
            await answer.settle()

    def note_stream(self) -> None:
        """Note what was decided of a stream."""
        if self.guarded is None:
            return
        growing = self.guarded.growing
        decision = growing.decision
        with step("guard completion", begun=self.begun) as span:
            growing.close()
            if span.traced:
                decided(span, decision)
        self.record.completion, self.record.completion_places = decision, growing.places
        self.record.guard_seconds += self.guarded.seconds
        self.gateway.metrics.decided(decision, self.record.principal.team, self.record.revision)
        self.gateway.metrics.chunks(self.guarded.tally)
        self.call.skipped(self.guarded.not_inspected)
        self.call.skipped(growing.not_inspected)

    def last_words(self, error: dict[str, Any]) -> bytes:
        """What ends an answer that has begun and cannot go on: an event with the error, unless the backend has said so itself."""
        return b"" if self.guarded is None or self.told else self.guarded.stream.write(error)

    async def pump(self, chunks: AsyncIterator[bytes], guarded: GuardedStream, begun: float) -> None:
        """From the backend through the guard to the caller, as it comes. Raises BackendError once what had come is sent."""
        metrics, began, first = self.gateway.metrics, False, True
        try:
            async for chunk in chunks:
                if not began:
                    metrics.backend_streamed(self.record.model, time.perf_counter() - begun)
                    current().note({"gen_ai.response.time_to_first_chunk": time.perf_counter() - begun})
                    began = True
                spent = guarded.seconds
                out = await self.fed(guarded, chunk)
                if out:
                    if first:
                        metrics.guarded("completion", guarded.seconds)
                        first = False
                    await self.caller.pass_on(out)
                await self.resume(guarded)
                guarded.tally.count(guarded.seconds - spent)
                if guarded.over:
                    break
        except BackendError:
            await self.caller.pass_on(guarded.finish())
            await self.resume(guarded)
            raise
        await self.caller.pass_on(guarded.finish())
        await self.resume(guarded)
        self.told = guarded.told
        if guarded.trouble is not None:
            raise guarded.trouble

    async def resume(self, guarded: GuardedStream) -> None:
        """While a check is still finding out about a text that has ended, wait for it, and then go on."""
        while guarded.paused is not None:
            await self.caller.pass_on(await guarded.waited())

    async def fed(self, guarded: GuardedStream, chunk: bytes) -> bytes:
        """What the guard makes of a chunk; a large one in a thread, so that other calls go on. Raises CheckTimeout."""
        if len(guarded.buffer) + len(chunk) <= self.gateway.settings.inline_chars:
            return guarded.feed(chunk)
        limit = self.gateway.settings.check_timeout
        try:
            return await asyncio.wait_for(asyncio.to_thread(guarded.feed, chunk), limit)
        except TimeoutError:
            raise CheckTimeout("the answer could not be checked in time") from None
