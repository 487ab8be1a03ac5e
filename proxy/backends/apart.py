"""An event loop in a thread of its own, for work that may hold up the loop that it runs on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

Made = TypeVar("Made")


class Apart:
    """The loop and its thread, which ends when it is closed."""

    def __init__(self, name: str) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.turn, name=name, daemon=True)
        self.thread.start()

    def turn(self) -> None:
        """What the thread does."""
        self.loop.run_forever()
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()

    async def run(self, make: Callable[[], Coroutine[Any, Any, Made]]) -> Made:
        """The result of a coroutine that is made and run there. Who stops waiting for it cancels it."""

        async def made() -> Made:
            return await make()

        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(made(), self.loop))

    def begin(self, make: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        """The same for what nobody waits for."""

        async def made() -> None:
            await make()

        asyncio.run_coroutine_threadsafe(made(), self.loop)

    async def close(self) -> None:
        """Cancel what still runs there, and end the thread."""
        await self.run(self.calm)
        self.loop.call_soon_threadsafe(self.loop.stop)
        await asyncio.to_thread(self.thread.join)

    async def calm(self) -> None:
        """Cancel all else that runs there."""
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
