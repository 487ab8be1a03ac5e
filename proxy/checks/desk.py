"""Where questions to somebody else wait: one bounded queue, a breaker, a time limit and a memory for each one who is asked.

Whoever answers (a service, a served model, a runtime in a thread) is a function that takes a batch of questions and gives a
future. Nothing here waits or knows a wire, and whatever happens there, each question gets an answer or an error.
"""

from __future__ import annotations

import hashlib
import math
import threading
import time
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol

from proxy.core import Role
from proxy.errors import CheckDeclined, CheckError, CheckOverloaded, CheckTimeout

GRACE = 1.0  # seconds: an answer that is so much too late will not come
LONGEST = 30.0  # seconds that a question may take where nobody says how long


@dataclass(frozen=True, slots=True)
class Question:
    """A text, or a window of one, to be judged."""

    text: str
    role: Role
    before: tuple[tuple[Role, str], ...] = ()  # of what a model says: recent turns of what it answers

    @property
    def key(self) -> bytes:
        """A digest of it, by which its answer is remembered: the same words may mean something else after others."""
        made = hashlib.blake2b(digest_size=16)
        for role, text in (*self.before, (self.role, self.text)):
            written = text.encode("utf-8", "surrogatepass")
            made.update(f"{role}\0{len(written)}\0".encode() + written)
        return made.digest()


@dataclass(frozen=True, slots=True)
class Noted:
    """What was found in a question's text; `replacement`: what whoever was asked would put in its place."""

    category: str
    score: float
    start: int
    end: int
    detail: tuple[tuple[str, str | int | float], ...] = ()
    replacement: str | None = field(default=None, repr=False)


Answer = tuple[Noted, ...]
Desks = weakref.WeakValueDictionary[Any, "Desk"]  # shared by checks that ask in the same words, while one of them is in force
Consult = Callable[[Sequence[Question], float], Future[Sequence[Answer | CheckError]]]  # seconds that it may take


class Meter(Protocol):
    """Who counts what is asked; `Metrics` is one."""

    def consulted(self, check: str, whom: str, result: str, questions: int = 1) -> None:
        """So many questions were answered, remembered, or came to nothing."""

    def consultation(self, check: str, whom: str, seconds: float) -> None:
        """A batch was answered, well or badly, after so many seconds."""

    def circuit(self, check: str, whom: str, *, open: bool) -> None:
        """Nobody is asked any more, or again."""

    def restarted(self, check: str, whom: str) -> None:
        """The process of whoever is asked has died or hung, and another is started."""


class Silent:
    """Counts nothing."""

    def consulted(self, check: str, whom: str, result: str, questions: int = 1) -> None: ...
    def consultation(self, check: str, whom: str, seconds: float) -> None: ...
    def circuit(self, check: str, whom: str, *, open: bool) -> None: ...
    def restarted(self, check: str, whom: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Limits:
    """How many questions at a time (`batch`), batches under way (`at_once`), questions that may wait, and answers remembered."""

    batch: int = 1
    at_once: int = 8
    queue: int = 256
    cache: int = 4096
    keep: float = 600.0  # seconds that an answer is remembered
    failures: int = 5  # in a row, after which nobody is asked
    pause: float = 10.0  # seconds until one question is tried again


@dataclass(slots=True, eq=False)
class Job:
    """A question that waits, for all who asked it."""

    key: bytes
    question: Question
    deadline: float
    alone: bool = False  # to be asked by itself: together with others, there was no verdict
    answer: Future[Answer] = field(default_factory=Future)


@dataclass(slots=True, eq=False)
class Batch:
    """Questions that are under way."""

    jobs: list[Job]
    begun: float
    deadline: float
    trial: bool
    given_up: bool = False


class Desk:
    """Takes questions for one who answers. It lives as long as a check that asks through it, and whoever answers goes with it."""

    def __init__(
        self, check: str, whom: str, consult: Consult, limits: Limits, meter: Meter, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.check, self.whom, self.consult, self.limits, self.meter, self.clock = check, whom, consult, limits, meter, clock
        self.lock = threading.RLock()
        self.waiting: deque[Job] = deque()
        self.jobs: dict[bytes, Job] = {}  # that wait or are under way
        self.cache: OrderedDict[bytes, tuple[float, Answer]] = OrderedDict()
        self.under_way: set[Batch] = set()
        self.failed = 0  # batches in a row
        self.closed_until = -math.inf  # when, after too many failures, one is tried again
        self.last: weakref.finalize[Any, Desk] | None = None  # an open circuit is closed when the desk goes: else who would?

    def ask(self, questions: Sequence[Question], deadline: float = math.inf) -> list[Future[Answer]]:
        """The answers to come, in order. Raises CheckOverloaded when the queue is full, CheckError when nobody is asked."""
        now = self.clock()
        deadline = min(deadline, now + LONGEST)
        self.give_up_late(now)
        with self.lock:
            found = {question.key: self.remembered(question.key, now) for question in questions}
            new = [key for key, known in found.items() if known is None and key not in self.jobs]
            if new:
                self.refuse(len(new), now)
            answers = [self.answer(question, found[question.key], deadline) for question in questions]
        known = sum(each is not None for each in found.values())
        if known:
            self.meter.consulted(self.check, self.whom, "remembered", known)
        self.pump()
        return answers

    def refuse(self, new: int, now: float) -> None:
        """Raises when these questions cannot be taken."""
        if self.is_open(now):
            self.meter.consulted(self.check, self.whom, "circuit_open", new)
            raise CheckError(f"{self.whom} has failed {self.limits.failures} times in a row and is not asked for a while")
        if len(self.waiting) + new > self.limits.queue:
            self.meter.consulted(self.check, self.whom, "overload", new)
            raise CheckOverloaded(f"too many questions wait for {self.whom}")

    def is_open(self, now: float) -> bool:
        """Whether nobody is asked for now: too many failures, and either the pause lasts or one is being tried."""
        return self.failed >= self.limits.failures and (now < self.closed_until or any(b.trial for b in self.under_way))

    def remembered(self, key: bytes, now: float) -> Answer | None:
        found = self.cache.get(key)
        if found is None:
            return None
        if found[0] < now:
            del self.cache[key]
            return None
        self.cache.move_to_end(key)
        return found[1]

    def answer(self, question: Question, known: Answer | None, deadline: float) -> Future[Answer]:
        if known is not None:
            return done(known)
        key = question.key
        job = self.jobs.get(key)
        if job is None:
            job = self.jobs[key] = Job(key, question, deadline)
            job.answer.set_running_or_notify_cancel()  # several may wait for it: none of them can call it off
            self.waiting.append(job)
        job.deadline = max(job.deadline, deadline)
        return job.answer

    def pump(self) -> None:
        """Send what waits, as long as there is room."""
        while True:
            with self.lock:
                late = self.expired(self.clock())
                batch = self.next_batch(self.clock())
            for job in late:
                job.answer.set_exception(CheckTimeout(f"{self.whom} was not free in time"))
            if late:
                self.meter.consulted(self.check, self.whom, "timeout", len(late))
            if batch is None:
                return
            self.send(batch)

    def expired(self, now: float) -> list[Job]:
        late = [job for job in self.waiting if job.deadline <= now]
        if late:
            self.waiting = deque(job for job in self.waiting if job.deadline > now)
            for job in late:
                self.jobs.pop(job.key, None)
        return late

    def next_batch(self, now: float) -> Batch | None:
        if not self.waiting or len(self.under_way) >= self.limits.at_once or self.is_open(now):
            return None
        trial = self.failed >= self.limits.failures
        jobs = [self.waiting.popleft()]
        while not (trial or jobs[0].alone) and self.waiting and len(jobs) < self.limits.batch and not self.waiting[0].alone:
            jobs.append(self.waiting.popleft())
        batch = Batch(jobs, now, max(job.deadline for job in jobs), trial)
        self.under_way.add(batch)
        return batch

    def send(self, batch: Batch) -> None:
        try:
            told = self.consult([job.question for job in batch.jobs], batch.deadline - batch.begun)
        except Exception as error:  # noqa: BLE001 - whatever asking dies of, those who wait must hear of it
            self.settle(batch, as_check_error(error))
            return
        told.add_done_callback(lambda future: self.arrived(batch, future))

    def arrived(self, batch: Batch, told: Future[Sequence[Answer | CheckError]]) -> None:
        """Whoever was asked has answered, well or badly."""
        error = CheckError("the question was called off") if told.cancelled() else told.exception()
        answers = as_check_error(error) if error is not None else list(told.result())
        if isinstance(answers, list) and len(answers) != len(batch.jobs):
            answers = CheckDeclined(f"{self.whom} gave {len(answers)} answers to {len(batch.jobs)} questions")
        self.settle(batch, answers)
        self.pump()

    def settle(self, batch: Batch, told: Sequence[Answer | CheckError] | CheckError) -> None:
        """Tell all who wait, remember what is an answer, and open or close the circuit.

        One text that has no verdict must cost others neither theirs nor the circuit: those who were asked about with it are asked
        about again, one by one.
        """
        now = self.clock()
        with self.lock:
            self.under_way.discard(batch)
            if batch.given_up:
                return
            abandoned = self.judge(failed=isinstance(told, CheckError) and not isinstance(told, CheckDeclined), now=now)
            if isinstance(told, CheckDeclined) and len(batch.jobs) > 1:
                for job in reversed(batch.jobs):
                    job.alone = True
                    self.waiting.appendleft(job)
                return
            answers = [told] * len(batch.jobs) if isinstance(told, CheckError) else list(told)
            for job, answer in zip(batch.jobs, answers, strict=True):
                self.jobs.pop(job.key, None)
                if not isinstance(answer, CheckError):
                    self.cache[job.key] = (now + self.limits.keep, answer)
            while len(self.cache) > self.limits.cache:
                self.cache.popitem(last=False)
        self.meter.consultation(self.check, self.whom, now - batch.begun)
        for job, result in zip(batch.jobs, answers, strict=True):
            self.meter.consulted(self.check, self.whom, result.kind if isinstance(result, CheckError) else "answered")
            if isinstance(result, CheckError):
                job.answer.set_exception(result)
            else:
                job.answer.set_result(result)
        self.abandon(abandoned)

    def judge(self, *, failed: bool, now: float) -> list[Job]:
        """Count a success or a failure; the questions that nobody will be asked."""
        was = self.failed >= self.limits.failures
        self.failed = self.failed + 1 if failed else 0
        opened = self.failed >= self.limits.failures
        if opened:
            self.closed_until = now + self.limits.pause
        if was != opened:
            self.meter.circuit(self.check, self.whom, open=opened)
            if self.last is not None:
                self.last.detach()
            self.last = weakref.finalize(self, self.meter.circuit, self.check, self.whom, open=False) if opened else None
        if not opened:
            return []
        left, self.waiting = list(self.waiting), deque()
        for job in left:
            self.jobs.pop(job.key, None)
        return left

    def abandon(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            job.answer.set_exception(CheckError(f"{self.whom} fails too often and is not asked for a while"))
        if jobs:
            self.meter.consulted(self.check, self.whom, "circuit_open", len(jobs))

    def give_up_late(self, now: float) -> None:
        """Batches whose time is long over: whoever was asked hangs. Their places stay taken until it answers."""
        with self.lock:
            late = [batch for batch in self.under_way if not batch.given_up and batch.deadline + GRACE < now]
            left: list[Job] = []
            for batch in late:
                batch.given_up, batch.trial = True, False
                left += self.judge(failed=True, now=now)
            jobs = [job for batch in late for job in batch.jobs]
            for job in jobs:
                self.jobs.pop(job.key, None)
        for job in jobs:
            job.answer.set_exception(CheckTimeout(f"{self.whom} did not answer in time"))
        if jobs:
            self.meter.consulted(self.check, self.whom, "timeout", len(jobs))
        self.abandon(left)


def as_check_error(error: BaseException) -> CheckError:
    """The error as those who wait hear of it: without what it says, which may be the user's text."""
    if isinstance(error, CheckError):
        return error
    if isinstance(error, TimeoutError):
        return CheckTimeout("there was no answer in time")
    return CheckError(f"asking failed ({type(error).__name__})")


def done(answer: Answer) -> Future[Answer]:
    """An answer that is there."""
    made: Future[Answer] = Future()
    made.set_result(answer)
    return made
