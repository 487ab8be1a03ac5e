"""One call, from its first byte to its record."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from proxy.access import Access
from proxy.audit import Record, Trail
from proxy.backends import Pool
from proxy.core import CALLED, Action, Direction
from proxy.dialects import HIDDEN, Dialect, Reading
from proxy.draining import CALLED_OFF, ENDED
from proxy.engine import Engine, Guard, Replaced, Verdict
from proxy.errors import AccessError, BackendError, BackendRefused, CheckTimeout, RequestError
from proxy.gateway.caller import Caller, ClientLeft, Receive, Scope, Send
from proxy.gateway.conversation import conversation_of
from proxy.gateway.exchange import Exchange
from proxy.gateway.overlap import Gate, Overlap
from proxy.gateway.seen import Seen
from proxy.gateway.traced import decided, served
from proxy.metrics import Metrics
from proxy.operators import Conversation, Restorer
from proxy.settings import Settings
from proxy.traces import UNTRACED, Attributes, Traces, step

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Gateway:
    """What all calls share."""

    settings: Settings
    engine: Engine
    access: Access
    pools: Mapping[str, Pool]
    trail: Trail
    metrics: Metrics
    traces: Traces
    seen: Seen = field(default_factory=Seen)

    def endpoint(self, dialect: Dialect) -> Endpoint:
        """The ASGI application that serves a dialect."""
        return Endpoint(self, dialect)


class Endpoint:
    """An ASGI application for one dialect; the state of a call is in a Call."""

    def __init__(self, gateway: Gateway, dialect: Dialect) -> None:
        self.gateway, self.dialect = gateway, dialect
        self.named = f"{dialect.method} {dialect.path}"
        self.about = {"http.request.method": dialect.method, "http.route": dialect.path, "parapet.dialect": dialect.name}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await Call(self.gateway, self.dialect, Caller(scope, receive, send)).run(self.named, self.about)


class Call:
    """One call."""

    def __init__(self, gateway: Gateway, dialect: Dialect, caller: Caller) -> None:
        self.gateway, self.dialect, self.caller = gateway, dialect, caller
        self.record = Record(caller.request_id, dialect.name)
        self.guard: Guard | None = None
        self.begun = time.perf_counter()
        self.about: Conversation | None = None  # the conversation that it belongs to
        self.exchange: Exchange | None = None  # with the backend, once there is one
        self.trace = UNTRACED

    async def run(self, name: str, about: Attributes) -> None:
        """Serve the call; whatever happens, the caller gets an answer in the dialect's shape, and the call a record.

        `name` and `about` are its trace's.
        """
        record = self.record
        self.trace = self.gateway.traces.begin(record.request_id, *self.caller.context, name, about)
        record.trace_id = CALLED.get().trace_id
        with self.trace.step as span:
            try:
                await self.answered()
            finally:
                if span.traced:
                    served(span, record)

    async def answered(self) -> None:
        """Serve the call, and note how it ended."""
        record, metrics = self.record, self.gateway.metrics
        metrics.in_flight(1)
        try:
            await self.serve()
        except RequestError as error:
            record.outcome, record.error = ("denied" if isinstance(error, AccessError) else "bad_request"), error.code
            await self.fail(error.status, error.message, error.code, error.param)
        except BackendError as error:
            await self.backend_failed(error)
            if self.exchange is not None:
                await self.exchange.finish()
        except CheckTimeout as error:
            record.outcome, record.error = "error", "check_timeout"
            await self.fail(500, str(error), "check_timeout")
        except ClientLeft:
            record.outcome, record.status = "client_left", 499
        except asyncio.CancelledError as error:
            if error.args != (CALLED_OFF,):
                record.outcome, record.status = "client_left", 499
                raise
            record.outcome, record.error = "error", "draining"
            await self.fail(503, ENDED, "draining")
        except Exception as error:  # noqa: BLE001 - the next call must work, and this one get an answer
            place = "".join(traceback.format_tb(error.__traceback__))  # without the message, which may quote the user
            log.error("call failed: %s\n%s", type(error).__name__, place, extra={"request_id": record.request_id})
            record.outcome, record.error = "error", "internal_error"
            await self.fail(500, "Parapet failed to serve this call; its log says more under the request id", "internal_error")
        finally:
            if self.exchange is not None:
                self.exchange.note_stream()
            record.seconds = time.perf_counter() - self.begun
            metrics.in_flight(-1)
            metrics.called(self.dialect.name, record.model, record.outcome)
            metrics.took(self.dialect.name, record.model, record.seconds)
            self.gateway.trail.write(record)

    async def serve(self) -> None:
        """The way of one call."""
        gateway, record, caller, dialect = self.gateway, self.record, self.caller, self.dialect
        record.principal = gateway.access.principal(*caller.keys)
        payload = await self.payload()
        reading = dialect.read(payload)
        if caller.params:
            dialect.address(reading, caller.params)
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
        if not guard.policies:
            gateway.metrics.unguarded(record.model, record.principal.team)
        self.refuse_hidden(guard, reading)
        self.about = conversation_of(gateway.engine.conversations, record.principal, caller, reading)
        record.conversation = self.about.source
        if guard.overlaps:
            await Overlap(self, guard, pool, payload).run(reading)
        else:
            await self.proceed(guard, pool, payload, reading, await self.judge("prompt", guard, reading))

    async def proceed(
        self, guard: Guard, pool: Pool, payload: Any, reading: Reading, verdict: Verdict, *, spared: bool = True
    ) -> None:
        """Act on the verdict on the prompt; `spared`: a backend need not write an answer to one that is blocked."""
        self.announce(guard, verdict)
        if verdict.decision.action == Action.BLOCK:
            self.record.outcome = "blocked_prompt"
            if spared:
                self.gateway.metrics.spared(self.record.model, "prompt")
            await self.refuse(verdict)
            return
        reading.write(verdict.texts)
        if verdict.dropped:
            reading.drop(verdict.dropped)
        self.exchange = Exchange(self, guard)
        await self.exchange.run(pool, payload)

    def announce(self, guard: Guard, verdict: Verdict) -> None:
        """Say in the headers of the answer what was decided of the prompt."""
        self.caller.extra += [
            (b"x-parapet-decision", verdict.decision.action.word.encode()),
            (b"x-parapet-policy", guard.names.encode()),
        ]

    def refuse_hidden(self, guard: Guard, reading: Reading) -> None:
        """Text that nobody can read passes no rule that acts on prompts, unless the settings say so. Raises RequestError."""
        seen, principal = self.gateway.seen, self.record.principal
        for place, name in reading.referred.items():
            if seen.has(principal, guard.names, name):
                reading.guarded(place)
        if reading.hidden and self.gateway.settings.hidden_text == "refuse" and guard.acts("prompt"):
            place, reason = next(iter(reading.hidden.items()))
            self.skipped(reading.not_inspected)
            raise RequestError(HIDDEN[reason], code="not_inspected", param=place)

    async def payload(self) -> Any:
        """What the caller sent. Raises RequestError."""
        if self.dialect.method != "POST":
            return {}
        return await self.caller.payload(self.gateway.settings.max_body, form=self.dialect.form)

    async def judge(self, direction: Direction, guard: Guard, reading: Reading, gate: Gate | None = None) -> Verdict:
        """Guard texts that are all there, and note it; where an answer waits at a gate, only for so long it was delayed."""
        begun = time.perf_counter()
        with step(f"guard {direction}") as span:
            verdict = await guard.judge(direction, reading.segments, self.about)
            if span.traced:
                decided(span, verdict.decision)
        spent = time.perf_counter() - begun if gate is None else gate.held
        record, metrics = self.record, self.gateway.metrics
        record.guard_seconds += spent
        metrics.guarded(direction, spent)
        metrics.decided(verdict.decision, record.principal.team, record.revision)
        if reading.not_inspected or verdict.not_inspected:
            self.skipped(reading.not_inspected)
            self.skipped(verdict.not_inspected)
        if verdict.replaced or verdict.restorer is not None:
            self.rewritten(direction, verdict.replaced, verdict.restorer)
        if direction == "prompt":
            if self.about is not None:
                self.about.asked = guard.asked(reading.segments, verdict)
            record.prompt, record.prompt_places = verdict.decision, reading.places
        else:
            record.completion, record.completion_places = verdict.decision, reading.places
        return verdict

    def rewritten(self, direction: Direction, replaced: Replaced, restorer: Restorer | None) -> None:
        """Note what was replaced and what was put back: how often, never what."""
        record, metrics = self.record, self.gateway.metrics
        for (way, category), count in replaced.items():
            counted = record.replaced.setdefault(direction, {}).setdefault(way, {})
            counted[category] = counted.get(category, 0) + count
            metrics.replaced(way, category, direction, count)
        if restorer is None:
            return
        for result, names in (("restored", restorer.restored), ("unknown", restorer.unknown)):
            counted = getattr(record, result)
            for name, count in names.items():
                counted[name] = counted.get(name, 0) + count
                metrics.restored(name, result, count)

    def skipped(self, parts: Mapping[str, int]) -> None:
        """Note parts that no check could read."""
        for reason, count in parts.items():
            self.record.not_inspected[reason] = self.record.not_inspected.get(reason, 0) + count
            self.gateway.metrics.not_inspected(reason, count)

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
        self.caller.extra.append((b"x-parapet-source", b"backend"))
        self.caller.extra += [(name.encode(), value.encode()) for name, value in error.headers.items()]
        if not isinstance(error, BackendRefused):
            await self.fail(error.status, error.message, error.code)
            return
        status = error.status if error.status >= 400 else 502
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
        return orjson.dumps(self.dialect.signed(reading.payload, self.record.request_id))

    async def fail(self, status: int, message: str, code: str, param: str | None = None, **decided: str) -> None:
        """Answer with an error, or end a stream with one."""
        payload = self.shaped(message, status, code, param, **decided)
        if self.caller.streaming:
            if self.exchange is not None and self.exchange.guarded is not None:  # else it stays without an end: it has none
                await self.caller.end(self.exchange.last_words(payload))
        elif not self.caller.started:
            await self.answer(status, orjson.dumps(payload))

    def shaped(self, message: str, status: int, code: str, param: str | None, **decided: str) -> dict[str, Any]:
        request_id = self.record.request_id
        return self.dialect.error(message, status=status, code=code, param=param, request_id=request_id, **decided)

    async def answer(self, status: int, body: bytes, content_type: str = "application/json") -> None:
        """Send a whole answer, and note its status."""
        self.record.status = status
        await self.caller.answer(status, body, content_type.encode())


def decoded(body: bytes) -> object:
    """A backend's body as JSON; None for anything else."""
    with contextlib.suppress(orjson.JSONDecodeError):
        return orjson.loads(body)
    return None
