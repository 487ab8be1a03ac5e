"""What a process that serves does on SIGTERM: it drains, and only then lets the server close."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from proxy.app import Application
from proxy.draining import Draining


class Stopping:
    """Stands before the server's own handler of SIGTERM.

    `ending`: the file that is there when all workers are told to stop. One that stops alone lets go of the socket at once
    instead, since the others go on taking calls from it.
    """

    def __init__(self, draining: Draining, ending: Path | None = None) -> None:
        self.draining, self.ending = draining, ending
        self.close: Callable[[], Any] = lambda: None
        self.loop = asyncio.get_running_loop()
        self.work: asyncio.Task[None] | None = None

    def heeded(self, app: Application) -> Application:
        """The application, once the signal is heard here first. The server's handlers are in place, and its loop runs."""
        before = signal.getsignal(signal.SIGTERM)
        if threading.current_thread() is threading.main_thread() and callable(before):
            self.close = lambda: before(signal.SIGTERM, None)
            signal.signal(signal.SIGTERM, self.heard)
        return app

    def heard(self, _: int, __: FrameType | None) -> None:
        """Drain when it is heard first; whoever says it twice wants it now."""
        alone = self.ending is not None and not self.ending.exists()
        if alone or self.draining.begun:
            self.close()
        else:
            self.loop.call_soon_threadsafe(self.begin)

    def begin(self) -> None:
        self.work = self.loop.create_task(self.drain())

    async def drain(self) -> None:
        """Drain, and let the server close."""
        try:
            await self.draining.run()
        finally:
            self.close()
