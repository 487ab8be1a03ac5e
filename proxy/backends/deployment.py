"""One backend in its pool, and one call of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable

from proxy.backends.base import Answer, Asked, Backend
from proxy.backends.breaker import Breaker
from proxy.errors import BackendBroken, BackendError, BackendTimeout

EVENTS, JSON = "text/event-stream", "application/json"


class Deployment:
    """What a backend may take, what it has under way, how it fares."""

    __slots__ = ("backend", "breaker", "first", "in_flight", "limit", "name", "spared", "told", "turn", "waiting", "weight")

    def __init__(self, name: str, backend: Backend, breaker: Breaker, weight: int = 1, limit: int = 0) -> None:
        self.name, self.backend, self.breaker, self.weight, self.limit = name, backend, breaker, weight, limit
        self.in_flight = 0
        self.turn = 0.0  # among deployments with equal load the one whose turn is earliest takes the call
        self.spared = 0.0  # until when others are preferred to it
        self.first = 0.0  # seconds until its answers begin, on a running average
        self.told: bool | None = None  # what the metric says: whether its breaker is open
        self.waiting: set[Attempt] = set()  # its calls whose answers have not begun

    @property
    def full(self) -> bool:
        """Whether it has as many calls as it may."""
        return 0 < self.limit <= self.in_flight

    def interrupt(self) -> None:
        """It is known not to work: its calls whose answers have not begun fail now, and may go elsewhere."""
        for attempt in list(self.waiting):
            attempt.interrupt()


class Attempt:
    """One call of one deployment. Once it has run, its answer is all there, or is a stream that has begun; close it in any case.

    Nothing reaches the caller while it runs: until then the call can be made again elsewhere.
    """

    __slots__ = (
        "answer", "answered", "asked", "begun", "body", "chunks", "closed", "deployment", "error", "first", "interrupted",
        "model", "number", "ran", "release", "task",
    )  # fmt: skip

    def __init__(
        self, asked: Asked, model: str, deployment: Deployment, number: int, begun: float, release: Callable[[Attempt], None]
    ) -> None:
        self.asked, self.model, self.deployment, self.number = asked, model, deployment, number
        self.begun, self.release = begun, release
        self.answer: Answer | None = None
        self.answered = 0.0  # when its headers came, by time.perf_counter
        self.body = b""  # the whole answer, unless it is a stream
        self.first = b""  # the first piece of a stream
        self.chunks: AsyncIterator[bytes] | None = None  # the rest of it
        self.error: BackendError | None = None
        self.ran = self.closed = self.interrupted = False
        self.task: asyncio.Task[object] | None = None

    @property
    def name(self) -> str:
        """The deployment's name."""
        return self.deployment.name

    async def run(self) -> None:
        """Call the backend, until its whole answer or the first piece of its stream is there. Raises BackendError."""
        self.task = asyncio.current_task()
        self.deployment.waiting.add(self)
        try:
            await self.ask()
            self.ran = True
        except BackendError as error:
            self.failed(error)
            raise
        except asyncio.CancelledError:
            if self.interrupted and (self.task is None or self.task.uncancel() == 0):
                found = BackendTimeout("the deployment had not begun to answer when it was found not to be well")
                self.failed(found)
                raise found from None
            raise
        finally:
            self.deployment.waiting.discard(self)

    async def ask(self) -> None:
        asked = self.asked
        answer = self.answer = await self.deployment.backend.call(asked)
        self.answered = time.perf_counter()
        kind = answer.content_type
        if (asked.stream and kind == EVENTS) or (asked.media and kind != JSON):
            self.chunks = answer.chunks()
            self.first = await anext(self.chunks, b"")
        elif asked.stream and not asked.media:
            raise BackendBroken("the backend was asked for a stream and did not send one")
        else:
            self.body = await answer.read()

    @property
    def content_type(self) -> str:
        """The media type of the answer."""
        return self.answer.content_type if self.answer is not None else ""

    def interrupt(self) -> None:
        """Stop waiting for the answer."""
        if self.task is not None and not self.interrupted:
            self.interrupted = True
            self.task.cancel()

    def failed(self, error: BackendError) -> None:
        """What came of it is no good answer."""
        self.error = error

    async def settle(self) -> None:
        """All that matters has come: give what follows a moment, so that the connection can serve another call."""
        if self.answer is not None:
            await self.answer.settle()

    def close(self) -> None:
        """Let go of the answer and of the place; the pool learns how it went."""
        if not self.closed:
            self.closed = True
            if self.answer is not None:
                self.answer.close()
            self.release(self)
