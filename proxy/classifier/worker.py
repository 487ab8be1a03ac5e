"""One thread that owns a network: windows of all calls wait in one bounded queue, are judged in batches, and remembered."""

from __future__ import annotations

import hashlib
import heapq
import logging
import math
import threading
import time
from array import array
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Protocol

from proxy.errors import CheckError, CheckOverloaded, CheckTimeout

Ids = Sequence[int]  # of a window's word pieces, markers included: what a network reads
Logits = tuple[float, ...]  # one for each label; none where the network was told to clear early, and has
Judge = Callable[[Sequence[Ids]], Sequence[Logits]]
EARLY = 16  # windows of a text; those of longer texts may fill half of the queue, so that one long text shuts nobody out
log = logging.getLogger(__name__)


class Meter(Protocol):
    """Who counts what classifiers do; `Metrics` is one."""

    def classified(self, classifier: str, result: str, windows: int) -> None:
        """So many windows were judged, cleared early, found in the cache, or given up since nobody waited for them any more."""

    def screened(self, result: str, windows: int) -> None:
        """So many windows were passed on to the encoder or cleared by the screen."""

    def scored(self, check: str, score: float) -> None:
        """A window has this score at most in any category of a check."""

    def takes_memory(self, classifier: str, size: int) -> None:
        """The classifier's process has taken so many bytes of a GPU's memory."""

    def batched(self, classifier: str, windows: int, waited: float) -> None:
        """A batch has begun; the first of its windows has waited for so many seconds."""

    def classifier_overloaded(self, classifier: str) -> None:
        """A call was turned away because the queue was full."""


class Silent:
    """Counts nothing."""

    def classified(self, classifier: str, result: str, windows: int) -> None: ...
    def screened(self, result: str, windows: int) -> None: ...
    def scored(self, check: str, score: float) -> None: ...
    def takes_memory(self, classifier: str, size: int) -> None: ...
    def batched(self, classifier: str, windows: int, waited: float) -> None: ...
    def classifier_overloaded(self, classifier: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Limits:
    """How a worker works. `wait`: seconds to collect a batch for; `queue`: windows that may wait; `cache`: those remembered."""

    batch: int = 1
    wait: float = 0.0
    queue: int = 1024
    cache: int = 16384


@dataclass(slots=True, eq=False)
class Job:
    """One window that waits, for all who asked for it."""

    key: bytes
    ids: Ids
    deadline: float
    asked: float
    answer: Future[Logits] = field(default_factory=Future)


class Worker:
    """Judges windows. `judge` is only ever called in the worker's thread."""

    def __init__(
        self,
        name: str,
        judge: Judge,
        limits: Limits,
        meter: Meter,
        *,
        begin: Callable[[], object] = lambda: None,
        memory: Callable[[], int] = lambda: 0,
    ) -> None:
        """`begin` is called once in the thread, before all else; `memory` says how much of a GPU's is taken, in bytes."""
        self.memory = memory
        self.name, self.judge, self.limits, self.meter = name, judge, limits, meter
        self.thread = ThreadPoolExecutor(1, thread_name_prefix=f"parapet-{name}", initializer=begin)
        self.lock = threading.Lock()
        self.waiting: list[tuple[int, int, Job]] = []  # a heap: first the first windows of texts, in the order in which they came
        self.order = count()
        self.jobs: dict[bytes, Job] = {}  # that wait or are being judged
        self.cache: OrderedDict[bytes, Logits] = OrderedDict()
        self.working = False

    def known(self, ids: Ids) -> Logits | None:
        """What the worker remembers of a window."""
        with self.lock:
            return self.remembered(key_of(ids))

    def ask(self, windows: Sequence[Ids], deadline: float = math.inf, *, first: int = 0) -> list[Future[Logits]]:
        """The answers to come, in order. `first`: how many windows of the same text were asked for before.

        Late windows of long texts let the first ones of others go before, so that a long text does not hold up short ones. After
        `deadline`, on time.monotonic(), a window that still waits is given up: its answer raises CheckTimeout. Raises
        CheckOverloaded when the queue is full, of a long text already when half of it is.
        """
        keys = [key_of(ids) for ids in windows]
        answers: list[Future[Logits]] = []
        hits = 0
        with self.lock:
            new = sum(key not in self.cache and key not in self.jobs for key in keys)
            room = self.limits.queue if first + len(keys) <= EARLY else self.limits.queue // 2  # the rest is for short texts
            if new and len(self.waiting) + (new if first + len(keys) > EARLY else 0) >= room:
                self.tell(self.meter.classifier_overloaded)
                raise CheckOverloaded("too many windows wait for the classifier")
            for place, (key, ids) in enumerate(zip(keys, windows, strict=True), first):
                known = self.remembered(key)
                hits += known is not None
                answers.append(done(known) if known is not None else self.job(key, ids, deadline, place).answer)
            begin = bool(self.waiting) and not self.working
            self.working = self.working or begin
        if begin:
            try:
                self.thread.submit(self.work)
            except RuntimeError as error:  # the thread could not begin, or has been shut down
                self.abandon(error)
        if hits:
            self.tell(self.meter.classified, "cached", hits)
        return answers

    def remembered(self, key: bytes) -> Logits | None:
        found = self.cache.get(key)
        if found is not None:
            self.cache.move_to_end(key)
        return found

    def job(self, key: bytes, ids: Ids, deadline: float, place: int) -> Job:
        """The job of a window: a new one, or the one that somebody else waits for."""
        job = self.jobs.get(key)
        if job is None:
            job = self.jobs[key] = Job(key, ids, deadline, time.monotonic())
            job.answer.set_running_or_notify_cancel()  # several may wait for it: none of them can call it off
            heapq.heappush(self.waiting, (place, next(self.order), job))
        job.deadline = max(job.deadline, deadline)
        return job

    def work(self) -> None:
        """Judge what waits, until nothing does."""
        try:
            while batch := self.batch():
                try:
                    found = list(self.judge([job.ids for job in batch]))
                    if len(found) != len(batch):
                        raise CheckError(f"the classifier gave {len(found)} answers for {len(batch)} windows")
                    made: list[Logits | Exception] = [answer_of(logits) for logits in found]
                except Exception as error:  # noqa: BLE001 - whatever the network dies of, those who wait must hear of it
                    made = [error] * len(batch)
                self.settle(batch, made)
        except BaseException as error:
            self.abandon(error)
            raise

    def abandon(self, error: BaseException) -> None:
        """All who wait hear of an error that stopped the thread's work; the next who asks begins anew."""
        with self.lock:
            jobs = list(self.jobs.values())
            self.jobs.clear()
            self.waiting.clear()
            self.working = False
        for job in jobs:
            if not job.answer.done():
                job.answer.set_exception(CheckError(f"the classifier stopped ({type(error).__name__})"))

    def tell(self, count: Callable[..., None], *what: Any) -> None:
        """Have something counted. Nobody's answer depends on it."""
        try:
            count(self.name, *what)
        except Exception as error:  # noqa: BLE001 - whatever a meter raises
            log.error("the classifier %s could not be counted (%s)", self.name, type(error).__name__)

    def batch(self) -> list[Job]:
        """The windows to judge next; none when nothing waits, and then the thread is free."""
        if self.limits.wait and len(self.waiting) < self.limits.batch:
            time.sleep(self.limits.wait)
        batch: list[Job] = []
        late: list[Job] = []
        now = time.monotonic()
        with self.lock:
            while self.waiting and len(batch) < self.limits.batch:
                job = heapq.heappop(self.waiting)[-1]
                (batch if job.deadline > now else late).append(job)
            for job in late:
                del self.jobs[job.key]
            self.working = bool(batch)
        if late:
            self.tell(self.meter.classified, "expired", len(late))
        for job in late:
            job.answer.set_exception(CheckTimeout("nobody waits any more for what this text holds"))
        if batch:
            self.tell(self.meter.batched, len(batch), now - min(job.asked for job in batch))
        return batch

    def settle(self, batch: Sequence[Job], found: Sequence[Logits | Exception]) -> None:
        """Tell all who wait, and remember what is an answer."""
        with self.lock:
            for job, answer in zip(batch, found, strict=True):
                del self.jobs[job.key]
                if not isinstance(answer, Exception):
                    self.cache[job.key] = answer
            while len(self.cache) > self.limits.cache:
                self.cache.popitem(last=False)
        if memory := self.memory():
            self.tell(self.meter.takes_memory, memory)
        answers = [answer for answer in found if not isinstance(answer, Exception)]
        cleared = sum(not answer for answer in answers)
        for result, windows in (("judged", len(answers) - cleared), ("cleared", cleared)):
            if windows:
                self.tell(self.meter.classified, result, windows)
        for job, answer in zip(batch, found, strict=True):
            if isinstance(answer, Exception):
                job.answer.set_exception(answer)
            else:
                job.answer.set_result(answer)


def answer_of(logits: Logits) -> Logits | Exception:
    """The logits, or what is wrong with them: a score of no number is below every threshold."""
    return logits if all(map(math.isfinite, logits)) else CheckError("the classifier gave no number for a window")


def key_of(ids: Ids) -> bytes:
    """A digest of exactly what the network reads; the model itself is the worker's, whose cache it is."""
    return hashlib.blake2b(array("I", ids).tobytes(), digest_size=16).digest()


def done(logits: Logits) -> Future[Logits]:
    """An answer that is there."""
    made: Future[Logits] = Future()
    made.set_result(logits)
    return made


def gathered(answers: Iterable[Future[Any]]) -> Future[None]:
    """Done when all of them are, well or badly."""
    made: Future[None] = Future()
    made.set_running_or_notify_cancel()
    open_ = [answer for answer in answers if not answer.done()]
    left, lock = len(open_), threading.Lock()

    def one_less(_: Future[Any]) -> None:
        nonlocal left
        with lock:
            left -= 1
            last = left == 0
        if last:
            made.set_result(None)

    if not open_:
        made.set_result(None)
    for answer in open_:
        answer.add_done_callback(one_less)
    return made
