"""How long to wait for a backend: one timer for all the waits of a call.

`asyncio.timeout` makes and cancels a timer for each wait. Here a wait only writes down until when it may last; the timer
looks when it fires, and goes on if that is later. A stream of 200 chunks then costs one or two timers and not 200.
"""

from __future__ import annotations

import asyncio
import math
from types import TracebackType
from typing import Self


class Patience:
    """Raises TimeoutError within `with patience(seconds):` when the wait takes longer. One task uses it, one wait at a time."""

    __slots__ = ("handle", "loop", "spent", "task", "until")

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.task: asyncio.Task[object] | None = None  # that waits
        self.until = math.inf
        self.spent = False  # the timer has ended the wait
        self.handle: asyncio.TimerHandle | None = None

    def __call__(self, seconds: float) -> Self:
        """How long the next wait may last."""
        self.until = self.loop.time() + seconds
        if self.handle is None or self.handle.when() > self.until:
            self.close()
            self.handle = self.loop.call_at(self.until, self.look)
        return self

    def __enter__(self) -> None:
        self.task = asyncio.current_task(self.loop)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.until = math.inf
        if self.spent and kind is asyncio.CancelledError:
            self.spent = False
            if self.task is None or self.task.uncancel() == 0:
                raise TimeoutError from error

    def look(self) -> None:
        """The timer has fired: end the wait if it has lasted too long, else look again when it will have."""
        self.handle = None
        if self.until == math.inf:
            return
        if self.loop.time() < self.until:
            self.handle = self.loop.call_at(self.until, self.look)
        elif self.task is not None:
            self.spent = True
            self.task.cancel()

    def close(self) -> None:
        """There will be no more waits."""
        if self.handle is not None:
            self.handle.cancel()
            self.handle = None
