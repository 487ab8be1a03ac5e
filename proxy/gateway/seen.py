"""Which answers have been guarded: so that a request may refer to one that only the backend has."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from proxy.core import Principal

MOST = 65_536  # ids that are remembered in a process, about 20 MB; then the oldest go
LONGEST = 128  # characters of an id
Key = tuple[Principal, str, str]


class Seen:
    """The ids of answers that went through the guard, each under its caller and the policies that held.

    What was guarded for others, or under other policies, has not been for this call. Nothing of the answers is kept.
    """

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self.keys: OrderedDict[Key, None] = OrderedDict()

    def add(self, principal: Principal, policies: str, ids: Iterable[str]) -> None:
        """An answer has been guarded."""
        for name in ids:
            if len(name) <= LONGEST:
                self.keys[principal, policies, name] = None
                self.keys.move_to_end((principal, policies, name))
        while len(self.keys) > self.most:
            self.keys.popitem(last=False)

    def has(self, principal: Principal, policies: str, name: str) -> bool:
        """Whether it has been, for this caller and under these policies."""
        return (principal, policies, name) in self.keys
