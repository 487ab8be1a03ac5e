"""A backend that works while its prompt is still judged: nothing of its answer is shown before, and a block cancels it.

Only where every rule that may stop a prompt is of a policy that allows it, see `proxy.policy.overlap`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from proxy.backends import Attempt, Pool
from proxy.core import Action
from proxy.dialects import Reading
from proxy.engine import Guard, Verdict
from proxy.gateway.exchange import SERVED, Exchange

if TYPE_CHECKING:
    from proxy.gateway.call import Call

Judge = Callable[[], Awaitable[Verdict]]


class Gate:
    """Where an answer that has begun waits for the verdict."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.reached: float | None = None  # when the answer came to it, by time.perf_counter
        self.whole = False  # the answer is all there

    async def pass_through(self, attempt: Attempt) -> None:
        """Returns once the prompt was let through; a block cancels whoever waits here."""
        self.reached, self.whole = time.perf_counter(), attempt.chunks is None
        await self.open.wait()

    @property
    def held(self) -> float:
        """For how many seconds the answer has waited: that much guarding has added."""
        return 0.0 if self.reached is None else time.perf_counter() - self.reached


class Overlap:
    """One call whose backend works before the verdict."""

    def __init__(self, call: Call, guard: Guard, pool: Pool, payload: dict[str, Any]) -> None:
        self.call, self.guard, self.pool, self.payload = call, guard, pool, payload
        self.gate = Gate()

    async def run(self, reading: Reading) -> None:
        """Judge the prompt and ask the backend, both at once; then show the answer, refuse, or ask again for what was changed."""
        call = self.call
        call.exchange = Exchange(call, self.guard, self.gate)
        work = asyncio.create_task(call.exchange.run(self.pool, self.payload))
        try:
            verdict = await call.judge("prompt", self.guard, reading, self.gate)
            if verdict.decision.action == Action.BLOCK or verdict.texts or verdict.dropped:
                await self.stop(work, blocked=verdict.decision.action == Action.BLOCK)
                await call.proceed(self.guard, self.pool, self.payload, reading, verdict, spared=not self.gate.whole)
                return
            self.note("passed")
            call.announce(self.guard, verdict)
            self.gate.open.set()
            await work
        finally:
            await end(work)

    async def stop(self, work: asyncio.Task[None], *, blocked: bool) -> None:
        """Cancel the backend's call: its answer is of no use to anybody."""
        await end(work)
        self.note("blocked" if blocked else "replaced")
        self.call.exchange = None
        self.call.caller.extra = [header for header in self.call.caller.extra if header[0] != SERVED]

    def note(self, result: str) -> None:
        """How it went, unless the verdict was there before the backend had been called."""
        if self.call.record.attempts:
            self.call.record.overlap = result
            self.call.gateway.metrics.overlapped(self.call.record.model, result)


async def end(work: asyncio.Task[None]) -> None:
    """Cancel what still runs, and wait until it has let go of everything; what it ended with is nobody's any more."""
    if not work.done():
        work.cancel()
        await asyncio.wait({work})
    if not work.cancelled():
        with contextlib.suppress(BaseException):
            work.exception()
