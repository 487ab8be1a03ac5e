"""A vault in the memory of one process: bounded, and forgetful."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Kept:
    """The sealed values of one conversation, and when they go."""

    until: float
    values: dict[str, bytes] = field(default_factory=dict)


class MemoryVault:
    """Values live `ttl` seconds after their conversation was last heard of; of too many, the one that was quiet longest goes."""

    shared = False

    def __init__(self, ttl: float, values: int, conversations: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.ttl, self.values, self.conversations, self.clock = ttl, values, conversations, clock
        self.kept: OrderedDict[str, Kept] = OrderedDict()  # the one last heard of comes last

    async def load(self, scopes: Sequence[str]) -> Mapping[str, bytes]:
        """All that is kept under the scopes."""
        found: dict[str, bytes] = {}
        for scope in scopes:
            if (kept := self.touched(scope)) is not None:
                found |= kept.values
        return found

    async def keep(self, scope: str, values: Mapping[str, bytes]) -> Mapping[str, bytes]:
        """Keep what is new, as far as there is room."""
        kept = self.touched(scope)
        if kept is None:
            kept = self.kept[scope] = Kept(self.clock() + self.ttl)
            while len(self.kept) > self.conversations:
                self.kept.popitem(last=False)
        there = {name: kept.values[name] for name in values if name in kept.values}
        for name, value in values.items():
            if name not in there and len(kept.values) < self.values:
                kept.values[name] = value
        return there

    async def forget(self, scopes: Sequence[str]) -> int:
        """Delete."""
        gone = [self.kept.pop(scope) for scope in scopes if scope in self.kept]
        return sum(len(each.values) for each in gone)

    async def close(self) -> None:
        """Forget everything."""
        self.kept.clear()

    def touched(self, scope: str) -> Kept | None:
        """A conversation that is heard of again; those whose time is over go."""
        now = self.clock()
        while self.kept and next(iter(self.kept.values())).until <= now:
            self.kept.popitem(last=False)
        kept = self.kept.get(scope)
        if kept is not None:
            kept.until = now + self.ttl
            self.kept.move_to_end(scope)
        return kept
