"""Where checks run: little is read on the event loop, much in a thread, and what is known not at all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Any, TypeVar

from proxy.core import DEADLINE, Direction, Failure, Report, Segment, Waiting
from proxy.engine.memory import Memory
from proxy.engine.plan import Unit
from proxy.errors import CheckError, CheckOverloaded
from proxy.metrics import Metrics
from proxy.operators import Conversations
from proxy.settings import Settings

Made = TypeVar("Made")
NO_KEYS = Conversations()
BRIEF = 2  # a fourth of them may be cut to windows and screened there, which takes a millisecond for each thousand or two
EACH = 200  # characters that a text counts for at least there: what is done for each text takes as long
CLOSER = 5  # a thirty-second of `inline_chars` may be looked at closely on the event loop: that takes a hundred times longer


@dataclass(frozen=True, slots=True)
class Runner:
    """Where checks run: on the event loop when there is little to read, in a thread when there is much."""

    settings: Settings
    metrics: Metrics
    threads: ThreadPoolExecutor
    conversations: Conversations = NO_KEYS
    memory: Memory = field(default_factory=lambda: Memory(0))
    given: set[Future[Any]] = field(default_factory=set)  # to the threads; until it has ended, whoever waits for it

    async def reports(
        self, unit: Unit, segments: Sequence[Segment], direction: Direction
    ) -> tuple[Sequence[Report], list[Failure]]:
        """The unit's reports, or its failures when it has none to give; of texts that it knows it is not asked."""
        if not unit.number or not self.memory.size:
            return await self.run(unit, segments, direction)
        keys = await self.apart(segments, lambda given: self.memory.keys(unit.number, given))
        known = [self.memory.recall(key) for key in keys]
        new = [i for i, report in enumerate(known) if report is None]
        self.metrics.remembered(unit.label, len(segments) - len(new), len(new))
        reports, failures = await self.run(unit, [segments[i] for i in new], direction) if new else ((), [])
        for i, report in zip(new, reports, strict=False):
            known[i] = report
            if not failures:
                self.memory.keep(keys[i], report)
        return [report or Report() for report in known], failures

    async def run(self, unit: Unit, segments: Sequence[Segment], direction: Direction) -> tuple[Sequence[Report], list[Failure]]:
        """The unit's reports, or its failures when it has none to give."""
        begun = time.perf_counter()
        try:
            reports = await self.answers(unit, segments)
            if len(reports) != len(segments):
                raise CheckError("the check did not report on every text")
            return reports, []
        except TimeoutError:
            return (), unit.failures("timeout")
        except CheckError as error:
            return (), unit.failures(error.kind)
        except Exception:  # noqa: BLE001 - whatever a check dies of, its rules act by their on_error
            return (), unit.failures("error")
        finally:
            self.metrics.checked(unit.label, direction, time.perf_counter() - begun)

    async def answers(self, unit: Unit, segments: Sequence[Segment]) -> Sequence[Report]:
        """What the check says, wherever it runs. Raises what it raises, and as `in_thread` does."""
        size = sum(len(segment.text) for segment in segments)
        if unit.waiting is not None:
            return await self.waited(unit.waiting, segments, size, unit.timeout)
        if size <= self.settings.inline_chars:
            reports = unit.check.quick(segments)
            if reports is None and size <= self.settings.inline_chars >> CLOSER:
                reports = unit.check(segments)
            if reports is not None:
                return reports
        return await self.in_thread(unit.check, segments, unit.timeout)

    async def apart(self, segments: Sequence[Segment], work: Callable[[Sequence[Segment]], Made]) -> Made:
        """Work on texts that is no check's: on the event loop when it is little, in a thread when it is much."""
        if sum(len(segment.text) for segment in segments) <= self.settings.inline_chars:
            return work(segments)
        return await asyncio.to_thread(work, segments)

    async def waited(self, check: Waiting, segments: Sequence[Segment], size: int, timeout: float) -> Sequence[Report]:
        """The reports of a check that waits; a long text is prepared in a thread, no thread waits. Raises as `in_thread` does."""
        deadline = time.monotonic() + timeout
        if max(size, len(segments) * EACH) <= self.settings.inline_chars >> BRIEF:
            begun = copy_context().run(in_time, check.begin, segments, deadline)
        else:
            begun = await self.in_thread(check.begin, segments, timeout)
        if begun.done():
            return begun.result()
        return await asyncio.wait_for(asyncio.wrap_future(begun), deadline - time.monotonic())

    async def in_thread(self, work: Callable[[Sequence[Segment]], Made], segments: Sequence[Segment], timeout: float) -> Made:
        """Off the event loop; raises CheckOverloaded when too many wait, TimeoutError when it takes too long."""
        if len(self.given) >= self.settings.check_queue + self.settings.check_threads:
            raise CheckOverloaded("too many calls of checks wait for a thread")
        future = self.threads.submit(in_time, work, segments, time.monotonic() + timeout)
        self.given.add(future)
        future.add_done_callback(self.given.discard)
        return await asyncio.wait_for(asyncio.wrap_future(future), timeout)


def in_time(work: Callable[[Sequence[Segment]], Made], segments: Sequence[Segment], deadline: float) -> Made:
    """What comes of the work; one that is long at it stops at the deadline by itself, since a thread cannot be stopped."""
    DEADLINE.set(deadline)
    return work(segments)
