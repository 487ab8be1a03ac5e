"""How a server stops: it says so, takes no new calls, and lets those under way finish.

SIGTERM ── delay ── refuses ── the last call has ended, or the grace is over ── stopped
   └ /readyz says `draining` from here on: whoever balances load sends calls elsewhere
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

AGAIN = 1  # seconds after which a caller that was refused may try again: another instance answers
ENDING = 1.0  # seconds that calls which are called off have to say so
CALLED_OFF = "the server stops"  # what such a call is cancelled with
STILL = frozenset({"/healthz", "/health", "/readyz", "/metrics"})  # are answered until the end
ENDED = "this instance of Parapet stopped before the call had ended; the same call works elsewhere"
MESSAGE = (
    "this instance of Parapet is about to stop and takes no new calls; the same call works elsewhere, or here when it is back"
)


@dataclass(slots=True)
class Draining:
    """Whether the server is about to stop, and the calls under way. `delay` and `grace` are in seconds."""

    delay: float = 0.0
    grace: float = 0.0
    begun: bool = False
    refuses: bool = False  # new calls
    calls: set[asyncio.Task[Any] | None] = field(default_factory=set)

    async def run(self) -> None:
        """Stop taking calls, and wait for those under way; what takes longer than the grace is called off."""
        self.begun = True
        await asyncio.sleep(self.delay)
        self.refuses = True
        under_way = {task for task in self.calls if task is not None}
        if under_way:
            _, late = await asyncio.wait(under_way, timeout=self.grace)
            for task in late:
                task.cancel(CALLED_OFF)
            if late:
                await asyncio.wait(late, timeout=ENDING)
