"""The line of calls that wait: who is next, and who finds room."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from proxy.backends.line import Line, Ticket

NAMES = st.sampled_from(["a", "b", "c"])


def in_loop(test: Callable[[], None]) -> None:
    """Tickets have futures, and these need a loop."""

    async def main() -> None:
        test()

    asyncio.run(main())


def filled(line: Line, *who: str) -> list[Ticket]:
    """Tickets for TEAM or TEAM/KEY, each of which finds room."""
    tickets = []
    for name in who:
        team, _, key = name.partition("/")
        ticket, gone = line.join(team, key)
        assert ticket is not None
        assert gone is None
        tickets.append(ticket)
    return tickets


def order(line: Line) -> list[str]:
    """Who is taken, until nobody waits."""
    taken = []
    while (ticket := line.take()) is not None:
        taken.append(f"{ticket.team}/{ticket.key}".rstrip("/"))
    return taken


def test_teams_take_turns_however_many_calls_each_has() -> None:
    """A flood of one team delays another by one call, not by the flood."""

    def test() -> None:
        line = Line(100)
        filled(line, *["loud"] * 5, "quiet", "quiet")
        assert order(line) == ["loud", "quiet", "loud", "quiet", "loud", "loud", "loud"]

    in_loop(test)


def test_within_a_team_its_keys_take_turns() -> None:
    """And several keys give a team no more turns than one."""

    def test() -> None:
        line = Line(100)
        filled(line, "a/1", "a/1", "a/2", "b/3", "b/3", "b/3")
        assert order(line) == ["a/1", "b/3", "a/2", "b/3", "a/1", "b/3"]

    in_loop(test)


def test_a_full_line_has_room_for_a_team_that_waits_with_less() -> None:
    """The last call of the team that waits with most goes for it; a team that waits with most itself finds none."""

    def test() -> None:
        line = Line(4)
        loud = filled(line, *["loud"] * 4)
        assert line.join("loud", "") == (None, None)
        ticket, gone = line.join("quiet", "")
        assert (ticket is not None, gone) == (True, loud[-1])
        line.join("quiet", "")
        assert line.join("quiet", "") == (None, None), "both have two now"
        assert len(line) == 4

    in_loop(test)


def test_a_full_line_is_shared_by_the_keys_of_a_team() -> None:
    """In the same manner."""

    def test() -> None:
        line = Line(3)
        loud = filled(line, *["a/loud"] * 3)
        ticket, gone = line.join("a", "quiet")
        assert (ticket is not None, gone) == (True, loud[-1])
        assert line.join("a", "loud") == (None, None)

    in_loop(test)


def test_a_line_without_room_takes_nobody() -> None:
    """A queue of 0 means: do not wait."""

    def test() -> None:
        assert Line(0).join("a", "") == (None, None)

    in_loop(test)


@given(st.lists(st.one_of(st.tuples(NAMES, NAMES), st.integers(0, 30), st.none()), max_size=60), st.integers(1, 8))
def test_the_line_never_loses_nor_doubles_a_call(steps: list[tuple[str, str] | int | None], limit: int) -> None:
    """Whatever joins, leaves and is taken, in any order: each ticket leaves once, and the size is what is in it."""

    def test() -> None:
        line, inside = Line(limit), list[Ticket]()
        for step in steps:
            if isinstance(step, tuple):
                ticket, gone = line.join(*step)
                if gone is not None:
                    inside.remove(gone)
                if ticket is not None:
                    inside.append(ticket)
            elif step is None:
                taken = line.take()
                assert (taken is None) == (not inside)
                if taken is not None:
                    inside.remove(taken)
            elif inside:
                line.leave(inside.pop(step % len(inside)))
            assert len(line) == len(inside) <= limit
        assert len(order(line)) == len(inside)
        assert not line.teams

    in_loop(test)
