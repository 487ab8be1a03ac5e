"""The process of a rails configuration. It ends when the other end of its socket does."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from itertools import count
from pathlib import Path
from typing import Any

from proxy.errors import CheckError
from proxy.rails.line import Line, Message, Plan, Question, RailsError, heard, told
from proxy.rails.runtime import Runtime

MOST = 500  # characters of what a configuration's own code says of itself


class Asking:
    """The models of the pools, which are on the other side."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self.numbers = count()
        self.open: dict[int, Future[bytes]] = {}

    def complete(self, model: str, path: str, payload: Mapping[str, Any], timeout: float) -> Future[bytes]:
        """What a model of a pool answers, whole."""
        number, answer = next(self.numbers), Future[bytes]()
        self.open[number] = answer
        self.child.send({"complete": number, "model": model, "path": path, "payload": payload, "timeout": timeout})
        return answer

    def hear(self, message: Message) -> None:
        """A model has answered."""
        answer = self.open.pop(message["completed"])
        if not answer.set_running_or_notify_cancel():
            return
        if "kind" in message:
            answer.set_exception(heard(message))
        else:
            answer.set_result(message["body"].encode())


class Child:
    """The process."""

    def __init__(self, line: Line) -> None:
        self.line, self.lock = line, threading.Lock()
        self.asking = Asking(self)
        self.loop = asyncio.new_event_loop()
        self.tasks: set[asyncio.Task[None]] = set()
        self.runtime: Runtime | None = None

    def run(self) -> None:
        """Load the configuration, say how that went, and judge."""
        asyncio.set_event_loop(self.loop)
        plan = self.line.receive()["load"]
        threading.Thread(target=self.read, daemon=True).start()
        self.loop.run_until_complete(self.load(plan))
        self.loop.run_forever()

    async def load(self, given: Mapping[str, Any]) -> None:
        sides = tuple(given["sides"]) if given["sides"] is not None else None
        plan = Plan(Path(given["folder"]), sides, given["pools"], tuple(given["models"]))
        try:
            self.runtime = Runtime(plan, self.asking)
            self.send({"loaded": self.runtime.sides})
        except RailsError as error:
            self.send({"refused": error.option, "message": str(error)})
        except Exception as error:  # noqa: BLE001 - whatever its code dies of, the configuration is refused with it
            message = " ".join(str(error).split())[:MOST] or type(error).__name__
            self.send({"refused": "config", "message": f"{plan.folder} cannot be loaded: {type(error).__name__}: {message}"})

    def send(self, message: Message) -> None:
        """Send a message, from any thread."""
        with self.lock:
            self.line.send(message)

    def read(self) -> None:
        """Hear what is said; a thread of its own notices the end even while a rail computes."""
        try:
            while True:
                message = self.line.receive()
                if "completed" in message:
                    self.asking.hear(message)
                else:
                    self.loop.call_soon_threadsafe(self.begin, message)
        finally:
            os._exit(0)  # whoever asked is gone, and nobody waits for what is still at work

    def begin(self, message: Message) -> None:
        task = self.loop.create_task(self.judge(message))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def judge(self, message: Message) -> None:
        number, runtime = message["ask"], self.runtime
        try:
            if runtime is None:
                raise CheckError("the configuration is not loaded")
            question = Question(message["text"], message["side"], message["asked"])
            verdict = await asyncio.wait_for(runtime.judged(question), message["timeout"])
            self.send({"judged": number, "text": verdict.text, "rail": verdict.rail})
        except Exception as error:  # noqa: BLE001 - whatever went wrong, whoever asked is to hear of it
            self.send({"judged": number, **told(error)})


def main(end: int) -> None:
    """Be the process; `end`: the file descriptor of its end of the socket."""
    Child(Line(socket.socket(fileno=end))).run()
