"""The backend's side of a call: what it is asked, and its answer guarded on the way to the caller."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from proxy.backends import Asked, Attempt, Pool
from proxy.core import Action
from proxy.engine import Guard
from proxy.errors import BackendBroken, BackendError, BackendTimeout, CheckTimeout
from proxy.gateway.caller import ClientLeft, Watch
from proxy.gateway.traced import asking, decided, tokens
from proxy.metrics import usage_of
from proxy.streaming import GuardedStream
from proxy.traces import NOTHING, Step, current, followed, step

if TYPE_CHECKING:
    from proxy.gateway.call import Call
    from proxy.gateway.overlap import Gate

EVENTS = b"text/event-stream; charset=utf-8"
TEXT = "text/plain"
TOO_LONG = "the call took longer than the deadline of this model"
SERVED = b"x-parapet-backend"


class Exchange:
    """What happens between a call and a backend."""

    def __init__(self, call: Call, guard: Guard, gate: Gate | None = None) -> None:
        """`gate`: where the answer waits for the verdict on the prompt, if there is none yet."""
        self.call, self.guard, self.gate = call, guard, gate
        self.gateway, self.dialect, self.caller, self.record = call.gateway, call.dialect, call.caller, call.record
        self.told = False  # the backend's stream has said itself that it failed
        self.guarded: GuardedStream | None = None  # the answer, if it is a stream
        self.begun: int | None = None  # when that began, in nanoseconds since 1970
        self.deadline: asyncio.Timeout | None = None  # of the call, where its model has one

    async def run(self, pool: Pool, payload: dict[str, Any]) -> None:
        """Call a backend, and stop it when the caller leaves."""
        watch = Watch(self.caller)
        try:
            with self.step(payload) as span:
                await self.ask(pool, self.asked(payload, self.call.trace.headers(span)))
        except asyncio.CancelledError:
            if watch.left:
                raise ClientLeft from None
            raise
        finally:
            watch.stop()
        if self.caller.streaming:
            await self.caller.end()
        await self.finish()

    def step(self, payload: dict[str, Any]) -> Step:
        """The step in which a backend is asked."""
        return step(*asking(self.dialect, self.record, payload), kind="client") if followed() else NOTHING

    async def finish(self) -> None:
        """Wait for what is still being found out about a stream that has been shown."""
        if self.guarded is not None:
            await self.guarded.growing.finish()

    def asked(self, payload: dict[str, Any], headers: Mapping[str, str]) -> Asked:
        """What a backend is asked; with these headers, and those of the caller's that the API needs."""
        dialect, caller, record = self.dialect, self.caller, self.record
        return Asked(
            path=dialect.target(caller.params),
            payload=payload,
            request_id=record.request_id,
            headers={**caller.named(dialect.headers), **headers},
            method=dialect.method,
            form=dialect.form,
            stream=record.stream,
            media=bool(dialect.media),
            team=record.principal.team,
            key=record.principal.key,
        )

    async def ask(self, pool: Pool, asked: Asked) -> None:
        """One call of the pool, and its answer to the caller, before the deadline if there is one. Raises BackendError."""
        if not pool.terms.deadline:
            await self.served(pool, asked)
            return
        try:
            async with asyncio.timeout(pool.terms.deadline) as self.deadline:
                await self.served(pool, asked)
        except TimeoutError:
            if not self.late:
                raise
            raise BackendTimeout(TOO_LONG) from None

    @property
    def late(self) -> bool:
        """Whether the deadline has passed."""
        return self.deadline is not None and self.deadline.expired()

    async def served(self, pool: Pool, asked: Asked) -> None:
        """The same, however long it takes."""
        begun = time.perf_counter()
        attempt = await pool.call(asked, self.note)
        try:
            self.gateway.metrics.backend_began(self.record.model, attempt.answered - begun)
            if self.gate is not None:
                await self.gate.pass_through(attempt)
            await self.answer(attempt, begun)
        except BackendError as error:
            attempt.failed(error)
            raise
        finally:
            attempt.close()

    def note(self, attempt: Attempt) -> None:
        """A deployment is called: the record and the caller learn which."""
        self.record.pool, self.record.backend = attempt.model, attempt.name
        self.record.attempts += 1
        if self.record.attempts > 1:
            self.caller.extra = [header for header in self.caller.extra if header[0] != SERVED]
        self.caller.extra.append((SERVED, attempt.name.encode()))
        if followed():
            current().note({"parapet.backend": attempt.name, "parapet.attempts": self.record.attempts})

    async def answer(self, attempt: Attempt, begun: float) -> None:
        """An answer that has begun; the call did at `begun`."""
        if attempt.chunks is None:
            await self.whole(attempt)
        elif self.record.stream and attempt.content_type == "text/event-stream":
            spent = time.perf_counter() - begun
            self.gateway.metrics.backend_streamed(self.record.model, spent)
            current().note({"gen_ai.response.time_to_first_chunk": spent})
            await self.stream(attempt)
        else:
            await self.media(attempt)

    async def whole(self, attempt: Attempt) -> None:
        """Guard a whole completion."""
        plain = self.dialect.plain and attempt.content_type == TEXT
        payload = read(attempt.body, plain=plain)
        if usage := usage_of(payload):
            self.gateway.metrics.used(self.record.model, usage)
            if followed():
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
            self.remember(self.dialect.identities(payload))
        if plain:
            await self.call.answer(200, payload["text"].encode(), f"{TEXT}; charset=utf-8")
            return
        try:
            body = orjson.dumps(payload)  # never the bytes that came: a field that is there twice was read once
        except orjson.JSONEncodeError:
            raise BackendBroken("the backend's answer is nested too deeply") from None
        await self.call.answer(200, body)

    async def media(self, attempt: Attempt) -> None:
        """An answer that no check can read goes on as it comes, and is counted."""
        self.call.skipped({self.dialect.media: 1})
        self.record.status, self.record.outcome = 200, "served"
        await self.caller.begin(attempt.content_type.encode())
        chunk, chunks = attempt.first, attempt.chunks
        while chunk and chunks is not None:
            await self.caller.pass_on(chunk)
            chunk = await anext(chunks, b"")

    async def stream(self, attempt: Attempt) -> None:
        """Guard a streamed completion."""
        metrics, model = self.gateway.metrics, self.record.model
        self.guarded = guarded = GuardedStream(self.dialect, self.guard.growing(self.call.about), metrics.tally())
        self.record.status, self.begun = 200, time.time_ns()
        await self.caller.begin(EVENTS)
        await self.pump(attempt, guarded)
        self.record.outcome = "blocked_completion" if guarded.cut else "served"
        if guarded.cut:
            metrics.spared(model, "completion", guarded.growing.length)
        else:
            self.remember(guarded.stream.ids)
            if guarded.usage is not None:
                metrics.used(model, guarded.usage)
                current().note(tokens(guarded.usage))
        if guarded.done:
            await attempt.settle()

    def remember(self, ids: Sequence[str]) -> None:
        """The answer has been guarded: later requests may refer to it."""
        if ids:
            self.gateway.seen.add(self.record.principal, self.guard.names, ids)

    def note_stream(self) -> None:
        """Note what was decided of a stream."""
        if self.guarded is None:
            return
        growing = self.guarded.growing
        if self.record.outcome == "client_left" and growing.length and not self.guarded.over:
            self.gateway.metrics.spared(self.record.model, "completion", growing.length)
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
        self.call.rewritten("completion", growing.rewriting.replaced, growing.restorer)

    def last_words(self, error: dict[str, Any]) -> bytes:
        """What ends an answer that has begun and cannot go on: an event with the error, unless the backend has said so itself."""
        return b"" if self.guarded is None or self.told else self.guarded.stream.write(error)

    async def pump(self, attempt: Attempt, guarded: GuardedStream) -> None:
        """From the backend through the guard to the caller, as it comes. Raises BackendError once what had come is sent."""
        metrics, first, chunk, chunks = self.gateway.metrics, True, attempt.first, attempt.chunks
        waiting = False  # for the backend, and not for the caller
        try:
            while chunk and chunks is not None:
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
                waiting = True
                chunk = await anext(chunks, b"")
                waiting = False
        except (BackendError, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError) and not (waiting and self.late):
                raise
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


def read(body: bytes, *, plain: bool) -> Any:
    """A whole answer: JSON, or a plain text as the `text` of an object. Raises BackendBroken."""
    try:
        return {"text": body.decode()} if plain else orjson.loads(body)
    except ValueError:
        raise BackendBroken(f"the backend's answer is not {'UTF-8' if plain else 'JSON'}") from None
