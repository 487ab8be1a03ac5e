"""What cannot be seen in any one call: how late the event loop is, and how many calls of checks are in threads."""

from __future__ import annotations

import asyncio

from proxy.engine.runner import Runner

EVERY = 1.0  # seconds


async def look(runner: Runner) -> None:
    """Look once a second, for ever."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + EVERY
        await asyncio.sleep(EVERY)
        runner.metrics.looked(max(0.0, loop.time() - due), len(runner.given))
