"""Our side of an engine's process: it is started here, asked by one thread, and replaced when it dies or hangs."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import orjson

from proxy.errors import CheckDeclined, CheckError, CheckTimeout, ModelError
from proxy.process import pause, started

LOADING = 300.0  # seconds: large models
HUNG = 5.0  # seconds beyond their time after which texts will not be answered
OFFLINE = ("HF_HUB_OFFLINE=1", "TRANSFORMERS_OFFLINE=1")  # nothing is fetched from the hub


@dataclass(frozen=True, slots=True)
class Entity:
    """Something that an engine has found in a text."""

    name: str
    start: int
    end: int
    score: float


Entities = tuple[Entity, ...]


class Process:
    """One process, which has loaded the engine."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        """Raises ModelError."""
        try:
            line, self.child = started("proxy.engines.child", *OFFLINE)
        except OSError as error:
            raise ModelError(f"the engine {given['nlp_engine_name']} could not be started: {error.strerror}") from None
        self.line = Connection(line.detach())
        try:
            said = self.say(dict(given), LOADING)
        except (CheckError, OSError, EOFError):
            self.end()
            raise ModelError(f"the engine {given['nlp_engine_name']} could not be loaded: its process died or hung") from None
        if "refused" in said:
            self.end()
            raise ModelError(said["refused"])
        self.entities: tuple[str, ...] = tuple(said["entities"])

    def say(self, message: object, patience: float) -> Any:
        """What it answers. Raises OSError and EOFError when it is dead, CheckTimeout when it hangs."""
        self.line.send_bytes(orjson.dumps(message))
        if not self.line.poll(patience):
            raise CheckTimeout("the engine gave no answer in time")
        return orjson.loads(self.line.recv_bytes())

    def end(self) -> None:
        """Have it gone."""
        self.child.kill()
        self.child.wait()
        self.line.close()


class Room:
    """The process of the day, and the one thread that asks it."""

    def __init__(self, given: Mapping[str, Any], restarted: Callable[[], None]) -> None:
        """Raises ModelError."""
        self.given, self.restarted = given, restarted
        self.process: Process | None = Process(given)
        self.entities = self.process.entities
        self.threads = ThreadPoolExecutor(1, thread_name_prefix=f"parapet-{given['nlp_engine_name']}")
        self.lock = threading.Lock()  # of the process: its end may come from another thread
        self.deaths, self.pause = 0, 0.0  # in a row; until when it is not started again

    def judge(self, texts: Sequence[str], until: float) -> list[Entities | CheckError]:
        """What is in the texts; waits."""
        left = until - time.monotonic()
        if left <= 0:
            raise CheckTimeout("the engine was not free in time")
        with self.lock:
            process = self.process or self.start()
            try:
                answers = process.say(list(texts), left + HUNG)
            except (CheckTimeout, OSError, EOFError) as error:
                self.lose()
                raise error if isinstance(error, CheckTimeout) else CheckError("the process of the engine died") from None
            self.deaths = 0
        return [heard(answer, text) for answer, text in zip(answers, texts, strict=True)]

    def start(self) -> Process:
        """Another process, unless the last one has only just died. Raises CheckError."""
        if time.monotonic() < self.pause:
            raise CheckError("the process of the engine died, and is not started again for a while")
        self.restarted()
        try:
            self.process = Process(self.given)
        except ModelError:
            self.lose()
            raise CheckError("the process of the engine could not be started again") from None
        return self.process

    def lose(self) -> None:
        """The process is no good any more."""
        if self.process is not None:
            self.process.end()
            self.process = None
        self.deaths += 1
        self.pause = time.monotonic() + pause(self.deaths)

    def close(self) -> None:
        """Nobody asks any more."""
        self.threads.shutdown(wait=False, cancel_futures=True)
        if self.process is not None:
            self.process.child.kill()
            self.process.child.wait()


class House:
    """An engine that is loaded; its process goes when this does."""

    def __init__(self, given: Mapping[str, Any], restarted: Callable[[], None] = lambda: None) -> None:
        """`restarted` is told of each new process after the first. Raises ModelError."""
        self.room = Room(given, restarted)
        self.close = weakref.finalize(self, self.room.close)

    @property
    def entities(self) -> tuple[str, ...]:
        """The entities that the engine knows."""
        return self.room.entities

    def ask(self, texts: Sequence[str], timeout: float) -> Future[list[Entities | CheckError]]:
        """What is in the texts, to come; `timeout` in seconds. It raises CheckError."""
        return self.room.threads.submit(self.room.judge, texts, time.monotonic() + timeout)


def heard(answer: Mapping[str, Any], text: str) -> Entities | CheckError:
    """What the process has said of one text; what is not within it cannot be meant."""
    if "found" not in answer:
        return CheckDeclined(f"the engine failed ({answer['error']})")
    found = (Entity(name, start, end, min(max(score, 0.0), 1.0)) for name, start, end, score in answer["found"])
    return tuple(each for each in found if 0 <= each.start < each.end <= len(text))
