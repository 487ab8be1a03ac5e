"""The line of calls that wait for a place: bounded, and fair to teams and to the keys of each.

Places go to the teams in turn, within a team to its keys in turn, within a key in the order of arrival. When the line is full, a
team that waits with more calls than another loses its last one to it; so a flood of one team shuts out nobody else.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True, eq=False)
class Ticket:
    """One call in the line; its future is done when it has a place, or has lost its own."""

    team: str
    key: str
    place: asyncio.Future[Any] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Line:
    """Who waits."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.teams: dict[str, dict[str, deque[Ticket]]] = {}  # in the order of their turns, as are the keys of each
        self.size = 0

    def __len__(self) -> int:
        return self.size

    def ahead(self, team: str) -> int:
        """How many of those who wait now come before one more call of the team, about."""
        rounds = count(self.teams.get(team, {})) + 1
        return sum(min(count(keys), rounds) for name, keys in self.teams.items() if name != team) + rounds - 1

    def join(self, team: str, key: str) -> tuple[Ticket | None, Ticket | None]:
        """The call's ticket, None when there is no room; and the ticket that had to go for it, if one had to."""
        gone = None
        if self.size >= self.limit:
            gone = self.displaced(team, key)
            if gone is None:
                return None, None
            self.leave(gone)
        ticket = Ticket(team, key)
        self.teams.setdefault(team, {}).setdefault(key, deque()).append(ticket)
        self.size += 1
        return ticket, gone

    def displaced(self, team: str, key: str) -> Ticket | None:
        """Who goes when the line is full and this call comes."""
        if not self.teams:
            return None
        most = max(self.teams, key=lambda name: count(self.teams[name]))
        keys = self.teams[most]
        longest = max(keys.values(), key=len)
        if most == team or count(keys) <= count(self.teams.get(team, {})) + 1:
            keys = self.teams.get(team, {})
            longest = max(keys.values(), key=len, default=deque())
            if len(longest) <= len(keys.get(key, ())) + 1:
                return None
        return longest[-1]

    def leave(self, ticket: Ticket) -> None:
        """The call waits no longer; nothing happens if it has left already."""
        keys = self.teams.get(ticket.team, {})
        waiting = keys.get(ticket.key)
        if waiting is None or ticket not in waiting:
            return
        waiting.remove(ticket)
        self.size -= 1
        if not waiting:
            del keys[ticket.key]
        if not keys:
            del self.teams[ticket.team]

    def take(self) -> Ticket | None:
        """The next in turn, who leaves the line."""
        if not self.teams:
            return None
        team, keys = next(iter(self.teams.items()))
        key, waiting = next(iter(keys.items()))
        ticket = waiting[0]
        self.leave(ticket)
        if waiting:
            keys[key] = keys.pop(key)
        if keys:
            self.teams[team] = self.teams.pop(team)
        return ticket


def count(keys: dict[str, deque[Ticket]]) -> int:
    """How many calls of a team wait."""
    return sum(map(len, keys.values()))
