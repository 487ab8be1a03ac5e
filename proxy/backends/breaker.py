"""When to leave a deployment alone: a circuit breaker over the failures in a row.

closed     calls go there
open       it has failed too often: nothing goes there until it has cooled down
half-open  it has cooled down: one call tries it, and closes or opens the breaker; where the pool probes, a probe does that
"""

from __future__ import annotations

from enum import Enum

LONGEST = 8  # how many times longer than at first a cool-down may get
MISSED = 3  # probes in a row without a good answer that open a breaker


class State(Enum):
    """What a breaker lets through."""

    CLOSED = "closed"
    HALF_OPEN = "half-open"
    OPEN = "open"


class Breaker:
    """The breaker of one deployment. Times are seconds of a clock that only runs forward.

    `probed`: once it is open, only a probe closes it.
    """

    def __init__(self, failures: int, cool_down: float, *, probed: bool = False) -> None:
        self.limit, self.first, self.probed = failures, cool_down, probed
        self.cool_down = cool_down  # how long it will be open next time
        self.until = 0.0  # when it will have cooled down
        self.open = self.trying = False
        self.run = 0  # the failures in a row
        self.hard = False  # one of them was not of a kind that a caller's own request may have caused
        self.callers: set[object] = set()  # who met the others
        self.missed = 0  # the probes in a row that it did not answer

    def state(self, now: float) -> State:
        """What it lets through."""
        if not self.open:
            return State.CLOSED
        return State.HALF_OPEN if self.trying or self.allows(now) else State.OPEN

    def allows(self, now: float) -> bool:
        """Whether a call may go there."""
        return not self.open or (not self.trying and not self.probed and now >= self.until)

    def begin(self) -> None:
        """A call goes there."""
        self.trying = self.open

    def began(self) -> None:
        """A call is being answered: if it was a try, the deployment is taken back, but one more failure ends that."""
        if self.open:
            self.open = self.trying = False
            self.run = self.limit - 1

    def succeeded(self) -> None:
        """A call has ended well."""
        if self.run or self.open:
            self.open = self.trying = self.hard = False
            self.run, self.cool_down = 0, self.first
            self.callers.clear()

    def gave_up(self) -> None:
        """The call ended without a verdict on the deployment: the caller has gone, or the request was at fault."""
        self.trying = False

    def failed(self, now: float, caller: object = None) -> bool:
        """A call has failed; `caller` is who may have caused that by its request. True when this opens it.

        Of failures that requests may cause, those of one caller alone open nothing: else it could close the pool to all others.
        """
        self.run += 1
        if caller is None:
            self.hard = True
        elif len(self.callers) < self.limit:
            self.callers.add(caller)
        if self.trying or (not self.open and self.run >= self.limit and (self.hard or len(self.callers) > 1)):
            self.shut(now)
            return True
        return False

    def answered(self, now: float) -> None:
        """A probe was answered well. That says nothing of the calls that have failed, so they still count."""
        self.missed = 0
        if self.open and now >= self.until:
            self.began()

    def unanswered(self, now: float) -> bool:
        """A probe was not answered well. True when this opens it."""
        self.missed += 1
        if self.missed < MISSED or self.open:
            return False
        self.shut(now)
        return True

    def shut(self, now: float) -> None:
        """Let nothing through until it has cooled down; each time for longer, until a call ends well."""
        self.open, self.trying = True, False
        self.until = now + self.cool_down
        self.cool_down = min(self.cool_down * 2, self.first * LONGEST)
