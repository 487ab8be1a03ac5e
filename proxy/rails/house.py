"""Our side of the process of a rails configuration: it is started here, asked, watched, and replaced when it dies or hangs.

A rail is Python of somebody else's and may compute for as long as it likes. Whoever asks gets a future and never waits; a thread
sends what is to be sent and keeps the time, another hears what comes.
"""

from __future__ import annotations

import queue
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import count

from proxy.core import Outside
from proxy.errors import CheckError, CheckTimeout
from proxy.process import pause, started
from proxy.rails.line import Line, Message, Plan, Question, RailsError, Side, Verdict, heard, told

LOADING = 120.0  # seconds
HUNG = 5.0  # seconds after its time that a question may still be without an answer: then the process hangs
DIED = "the process of the rails died"


@dataclass(slots=True, eq=False)
class Job:
    """A question that is to be asked."""

    question: Question
    deadline: float
    answer: Future[Verdict] = field(default_factory=Future)


@dataclass(frozen=True, slots=True)
class Word:
    """What one process is to be told, if it is still the one; without a message: it has ended."""

    process: Process
    message: Message | None = None


class Process:
    """One process, which has loaded the configuration."""

    def __init__(self, plan: Plan) -> None:
        """Raises RailsError."""
        try:
            line, self.child = started("proxy.rails.child")
        except OSError as error:
            raise RailsError(
                "config", f"{plan.folder} cannot be loaded: no process could be started ({error.strerror})"
            ) from None
        self.line = Line(line)
        try:
            self.sides = self.load(plan)
        except (OSError, EOFError):
            self.end()
            raise RailsError("config", f"{plan.folder} cannot be loaded: its process died") from None
        except RailsError:
            self.end()
            raise

    def load(self, plan: Plan) -> tuple[Side, ...]:
        """Have the configuration loaded; the sides that it has."""
        sides = list(plan.sides) if plan.sides is not None else None
        self.line.send({"load": {"folder": str(plan.folder), "sides": sides, "pools": plan.pools, "models": list(plan.models)}})
        if not self.line.connection.poll(LOADING):
            raise RailsError("config", f"{plan.folder} cannot be loaded: it took longer than {LOADING:g} seconds")
        answer = self.line.receive()
        if "refused" in answer:
            raise RailsError(answer["refused"], answer["message"])
        return tuple(answer["loaded"])

    def end(self) -> None:
        """Have it gone."""
        self.child.kill()
        self.child.wait()
        self.line.close()


class House:
    """The process of the day, and the questions to it."""

    def __init__(self, plan: Plan, outside: Outside, restarted: Callable[[], None]) -> None:
        """Raises RailsError."""
        self.plan, self.outside, self.restarted = plan, outside, restarted
        self.process: Process | None = Process(plan)
        self.sides = self.process.sides
        self.numbers = count()
        self.open: dict[int, Job] = {}
        self.queue: queue.SimpleQueue[Job | Word | None] = queue.SimpleQueue()
        self.deaths = 0  # since it last answered
        self.pause = 0.0  # on time.monotonic(): until when it is not started again
        self.listen(self.process)
        threading.Thread(target=self.keep, name=f"parapet-nemo-{plan.folder.name}", daemon=True).start()

    def listen(self, process: Process) -> None:
        threading.Thread(
            target=self.read, args=(process,), name=f"parapet-nemo-{self.plan.folder.name}-answers", daemon=True
        ).start()

    def read(self, process: Process) -> None:
        """Hear what a process says, until it ends."""
        try:
            while True:
                self.hear(process, process.line.receive())
        except Exception:  # noqa: BLE001 - whatever ends this, nothing more is heard from it
            self.queue.put(Word(process))

    def hear(self, process: Process, message: Message) -> None:
        if "complete" in message:
            number, timeout = message["complete"], message["timeout"]
            answer = self.outside.complete(message["model"], message["path"], message["payload"], timeout)
            answer.add_done_callback(lambda made: self.queue.put(Word(process, completed(number, made))))
            return
        job = self.open.pop(message["judged"], None)
        if job is None:
            return
        self.deaths = 0
        if "kind" in message:
            job.answer.set_exception(heard(message))
        else:
            job.answer.set_result(Verdict(message["text"], message["rail"]))

    def keep(self) -> None:
        """Send what is to be sent, and notice when nothing comes back, until nobody needs it any more."""
        while self.step():
            pass  # nothing of a question is held here while the next is awaited: who asked it may be the last to need this

    def step(self) -> bool:
        """The next thing to do; False at the end."""
        try:
            item = self.queue.get(timeout=self.left())
        except queue.Empty:
            if self.late():
                self.lose()
            return True
        if item is None:
            self.lose()
            return False
        if isinstance(item, Job):
            self.ask(item)
        elif item.process is self.process:
            self.tell(item)
        return True

    def left(self) -> float | None:
        """Seconds until the first question has been open for too long."""
        ends = [job.deadline for job in list(self.open.values())]
        return max(0.0, min(ends) + HUNG - time.monotonic()) if ends else None

    def late(self) -> bool:
        return any(job.deadline + HUNG <= time.monotonic() for job in list(self.open.values()))

    def tell(self, word: Word) -> None:
        try:
            if word.message is None or self.process is None:
                raise EOFError
            self.process.line.send(word.message)
        except (OSError, EOFError):
            self.lose()

    def ask(self, job: Job) -> None:
        """Send a question to the process, or to a new one."""
        left = job.deadline - time.monotonic()
        if left <= 0:
            job.answer.set_exception(CheckTimeout("the rails were not free in time"))
            return
        if self.process is None and not self.start():
            job.answer.set_exception(CheckError(f"{DIED}, and is not started again for a while"))
            return
        number, question = next(self.numbers), job.question
        self.open[number] = job
        said = {"ask": number, "text": question.text, "side": question.side, "asked": question.asked, "timeout": left}
        if self.process is not None:
            self.tell(Word(self.process, said))

    def start(self) -> bool:
        """Start a new process, unless the last one has only just died."""
        if time.monotonic() < self.pause:
            return False
        self.restarted()
        try:
            self.process = Process(self.plan)
        except RailsError:  # it is refused, or there are no more processes and files to be had
            self.lose()
            return False
        self.listen(self.process)
        return True

    def lose(self) -> None:
        """The process is no good any more: those who wait hear of it, and the next question starts another."""
        if self.process is not None:
            self.process.end()
            self.process = None
        self.deaths += 1
        self.pause = time.monotonic() + pause(self.deaths)
        for number in list(self.open):
            job = self.open.pop(number, None)  # the last answers may still be being heard
            if job is not None:
                job.answer.set_exception(CheckError(DIED))


class Rails:
    """A configuration that is loaded; its process goes when this does."""

    def __init__(self, plan: Plan, outside: Outside, restarted: Callable[[], None] = lambda: None) -> None:
        """`restarted` is told of each new process after the first. Raises RailsError."""
        self.house = House(plan, outside, restarted)
        self.close = weakref.finalize(self, self.house.queue.put, None)

    @property
    def sides(self) -> tuple[Side, ...]:
        """The sides that are judged."""
        return self.house.sides

    def ask(self, question: Question, timeout: float) -> Future[Verdict]:
        """The verdict to come; `timeout` in seconds. It raises CheckError."""
        job = Job(question, time.monotonic() + timeout)
        job.answer.set_running_or_notify_cancel()
        self.house.queue.put(job)
        return job.answer


def completed(number: int, answer: Future[bytes]) -> Message:
    """What a model has answered, as it is sent."""
    try:
        return {"completed": number, "body": answer.result().decode()}
    except BaseException as error:  # noqa: BLE001 - whatever went wrong, the rail is to hear of it
        return {"completed": number, **told(error)}
