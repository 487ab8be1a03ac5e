"""Which deployment serves a call, what happens when one fails, who waits, and who is turned away."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from proxy.backends.breaker import MISSED
from proxy.backends.pool import FIRST_RETRIES, LONG
from proxy.errors import (
    BackendBroken,
    BackendError,
    BackendOverloaded,
    BackendRefused,
    BackendTimeout,
    BackendUnavailable,
    BackendUnreachable,
    BackendUnsupported,
)
from tests.backends.world import Clock, Said, Scripted, Well, asked, called, pool, refused, sample

GONE = BackendUnreachable("no connection")


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """The test in a loop of its own."""
    asyncio.run(test())


async def waits(task: asyncio.Task[Any]) -> bool:
    """Whether a task goes on, after everything else has had its turn."""
    for _ in range(10):
        await asyncio.sleep(0)
    return not task.done()


def test_calls_go_where_least_is_under_way_for_its_weight() -> None:
    """With a weight of 3, three times as many; and one after the other they take turns in the same measure."""

    async def test() -> None:
        made = pool(Scripted(), Scripted(), rows=({"weight": 3}, {}))
        open_calls = [await made.call(asked()) for _ in range(8)]
        assert sorted(attempt.name for attempt in open_calls) == ["echo-1"] * 6 + ["echo-2"] * 2
        for attempt in open_calls:
            attempt.close()
        names = [(await called(made)).name for _ in range(8)]
        assert sorted(names) == ["echo-1"] * 6 + ["echo-2"] * 2

    run(test)


@pytest.mark.parametrize(
    "error", [GONE, BackendTimeout("late"), refused(503), refused(429), refused(401), refused(404), refused(500)], ids=repr
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_call_that_fails_goes_to_another_deployment(error: BackendError, stream: bool) -> None:
    """Once, and the caller sees nothing of it."""

    async def test() -> None:
        bad, good = Scripted([error]), Scripted()
        made = pool(bad, good)
        attempt = await called(made, asked(stream=stream))
        assert (attempt.name, attempt.number) == ("echo-2", 2)
        assert (attempt.first if stream else attempt.body) == b"{}"
        assert sample(made, "parapet_backend_retries_total", result="sent") == 1
        assert sample(made, "parapet_backend_attempts_total", backend="echo-1", result=error.code) == 1

    run(test)


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_breaks_off_before_the_caller_has_any_of_it_is_asked_for_again(stream: bool) -> None:
    """The body of a whole answer, or a stream before its first piece; what the first one had said is gone."""

    async def test() -> None:
        kind = "text/event-stream" if stream else "application/json"
        torn = Said((BackendBroken("broke"),) if stream else (b'{"half', BackendBroken("broke")), kind)
        made = pool(Scripted([torn]), Scripted())
        attempt = await called(made, asked(stream=stream))
        assert (attempt.name, attempt.first if stream else attempt.body, torn.closed) == ("echo-2", b"{}", True)

    run(test)


def test_a_stream_that_has_begun_is_never_asked_for_again() -> None:
    """The caller has a part of it."""

    async def test() -> None:
        other = Scripted()
        made = pool(Scripted([Said((b"data: 1\n\n", BackendBroken("broke")), "text/event-stream")]), other)
        attempt = await made.call(asked(stream=True))
        assert attempt.chunks is not None
        with pytest.raises(BackendBroken):
            await anext(attempt.chunks)
        attempt.close()
        assert not other.heard

    run(test)


@pytest.mark.parametrize("error", [refused(400), refused(413), refused(422), BackendUnsupported("no such API")], ids=repr)
def test_a_request_at_fault_is_not_tried_elsewhere_and_is_not_held_against_the_deployment(error: BackendError) -> None:
    """The caller gets the backend's own words."""

    async def test() -> None:
        bad, good = Scripted(default=error), Scripted()
        made = pool(bad, good, failures=1)
        with pytest.raises(type(error)):
            await made.call(asked())
        assert not good.heard
        assert not made.deployments[0].breaker.open

    run(test)


@pytest.mark.parametrize(
    ("call", "error", "tries"),
    [
        (asked(store=True), BackendTimeout("late"), 1),
        (asked(path="/v1/responses"), BackendTimeout("late"), 1),
        (asked(path="/v1/responses", store=False), BackendTimeout("late"), 2),
        (asked(path="/v1/responses"), refused(503), 2),
    ],
)
def test_what_would_be_stored_twice_is_sent_twice_only_if_it_was_refused(call: Any, error: BackendError, tries: int) -> None:
    """A backend that died may have stored it."""

    async def test() -> None:
        backends = Scripted(default=error), Scripted(default=error)
        with pytest.raises(type(error)):
            await pool(*backends).call(call)
        assert sum(len(backend.heard) for backend in backends) == tries

    run(test)


def test_retries_are_a_share_of_all_calls() -> None:
    """When everything fails, the load on what is left does not double."""

    async def test() -> None:
        backends = [Scripted(default=refused(429)) for _ in range(2)]
        made = pool(*backends, retry_share=0.1)
        for _ in range(200):
            with pytest.raises(BackendRefused):
                await made.call(asked())
        retries = sum(len(backend.heard) for backend in backends) - 200
        assert FIRST_RETRIES <= retries <= FIRST_RETRIES + 20
        assert sample(made, "parapet_backend_retries_total", result="withheld") == 200 - retries

    run(test)


def test_a_deployment_that_fails_is_left_alone_and_tried_again() -> None:
    """Calls go to the other; after the cool-down one call finds out."""

    async def test() -> None:
        clock = Clock()
        bad, good = Scripted(default=GONE), Scripted()
        made = pool(bad, good, clock=clock, failures=2, cool_down="5s", retry_share=1)
        for _ in range(6):
            assert (await called(made)).name == "echo-2"
            clock.now += 0.3
        assert len(bad.heard) == 2
        assert sample(made, "parapet_backend_open", backend="echo-1") == 1
        bad.default = b"{}"
        clock.now += 5
        assert (await called(made)).name == "echo-1", "one that may be well again is tried first: a failure costs a retry"
        assert sample(made, "parapet_backend_open", backend="echo-1") == 0

    run(test)


def test_a_deployment_that_fails_fast_does_not_draw_all_calls() -> None:
    """It would always have the fewest calls under way; one caller's failures do not open its breaker."""

    async def test() -> None:
        clock = Clock()
        bad, good = Scripted(default=refused(500)), Scripted()
        made = pool(bad, good, clock=clock, retries=0)
        for _ in range(200):
            with contextlib.suppress(BackendRefused):
                await called(made, asked("team", "key"))
            clock.now += 0.1
        assert not made.deployments[0].breaker.open
        assert len(bad.heard) < 25

    run(test)


def test_a_pool_without_a_deployment_says_so_at_once_and_when_to_come_back() -> None:
    """503 with Retry-After, and nothing is sent."""

    async def test() -> None:
        bad = Scripted(default=GONE)
        made = pool(bad, failures=1, cool_down="7s")
        with pytest.raises(BackendUnreachable):
            await made.call(asked())
        assert made.down
        with pytest.raises(BackendUnavailable) as caught:
            await made.call(asked())
        assert (caught.value.status, caught.value.headers) == (503, {"retry-after": "7"})
        assert len(bad.heard) == 1

    run(test)


def test_another_pool_serves_what_this_one_cannot() -> None:
    """When it has no deployment, or all that it tried failed; a request at fault stays where it is."""

    async def test() -> None:
        bad, spare = Scripted(default=GONE), Scripted()
        made, other = pool(bad, failures=1), pool(spare)
        other.model = "spare"
        made.fallback = [other]
        for _ in range(2):
            assert (await called(made)).model == "spare"
        assert sample(made, "parapet_backend_fallbacks_total") == 2
        spare.default = GONE
        with pytest.raises(BackendUnavailable):
            await made.call(asked())
        bad.default = refused(400)
        made.deployments[0].breaker.succeeded()
        with pytest.raises(BackendRefused):
            await made.call(asked())
        assert len(spare.heard) == 3

    run(test)


def test_a_deployment_that_has_too_much_to_do_is_spared_for_as_long_as_it_says() -> None:
    """It is not broken; and when there is no other, it is asked all the same."""

    async def test() -> None:
        clock = Clock()
        busy, other = Scripted([refused(429, retry_after="3")]), Scripted()
        made = pool(busy, other, clock=clock)
        assert [(await called(made)).name for _ in range(4)] == ["echo-2"] * 4
        clock.now += 3
        assert {(await called(made)).name for _ in range(3)} == {"echo-1", "echo-2"}
        alone = pool(Scripted([refused(429, retry_after="3")]))
        with pytest.raises(BackendRefused):
            await alone.call(asked())
        assert (await called(alone)).name == "echo-1"

    run(test)


def test_a_full_deployment_makes_calls_wait_for_a_place() -> None:
    """The next in line has it as soon as a call ends, and no more than the limit are ever under way."""

    async def test() -> None:
        backend = Scripted()
        made = pool(backend, rows=({"max_in_flight": 2},))
        first, second = await made.call(asked()), await made.call(asked())
        third = asyncio.create_task(made.call(asked()))
        assert await waits(third)
        assert (len(backend.heard), sample(made, "parapet_queue_waiting")) == (2, 1)
        first.close()
        (await third).close()
        second.close()
        assert (len(backend.heard), made.deployments[0].in_flight) == (3, 0)
        assert sample(made, "parapet_queue_seconds_count") == 1

    run(test)


def test_places_go_to_teams_in_turn() -> None:
    """The flood of one does not shut out another."""

    async def test() -> None:
        backend = Scripted()
        made = pool(backend, rows=({"max_in_flight": 1},))
        first = await made.call(asked())
        tasks = []
        for team in ["loud"] * 5 + ["quiet"]:
            tasks.append(asyncio.create_task(called(made, asked(team))))
            assert await waits(tasks[-1])
        first.close()
        await asyncio.gather(*tasks)
        assert [each.team for each in backend.heard] == ["", "loud", "quiet", *["loud"] * 4]

    run(test)


def test_a_call_that_would_wait_too_long_is_refused_at_once() -> None:
    """Before those who wait all wait too long: 503, and when to come back."""

    async def test() -> None:
        clock = Clock()
        made = pool(Scripted(), clock=clock, rows=({"max_in_flight": 1},), queue_timeout="10s")
        first = await made.call(asked())
        clock.now += 6  # a call takes 6 seconds, as far as the pool knows from now on
        first.close()
        first = await made.call(asked())
        waiting = asyncio.create_task(made.call(asked()))
        assert await waits(waiting)
        with pytest.raises(BackendOverloaded) as caught:
            await made.call(asked())
        assert (caught.value.status, caught.value.headers) == (503, {"retry-after": "12"})
        assert sample(made, "parapet_queue_refused_total", cause="slow") == 1
        other = asyncio.create_task(made.call(asked("other")))
        assert not await waits(other), "the estimate is the same for a team that comes second in turn"
        other.exception()
        first.close()
        (await waiting).close()

    run(test)


def test_a_full_line_turns_calls_away() -> None:
    """All but those of a team that waits with less: then the last of the others has to go."""

    async def test() -> None:
        made = pool(Scripted(), rows=({"max_in_flight": 1},), queue=2)
        first = await made.call(asked())
        loud = [asyncio.create_task(made.call(asked("loud"))) for _ in range(2)]
        assert await waits(loud[1])
        with pytest.raises(BackendOverloaded):
            await made.call(asked("loud"))
        quiet = asyncio.create_task(called(made, asked("quiet")))
        with pytest.raises(BackendOverloaded):
            await loud[1]
        first.close()
        (await loud[0]).close()
        await quiet
        for cause in ("full", "displaced"):
            assert sample(made, "parapet_queue_refused_total", cause=cause) == 1

    run(test)


def test_a_call_waits_no_longer_than_the_limit() -> None:
    """Then it is told that all are busy, and its ticket is gone."""

    async def test() -> None:
        made = pool(Scripted(), rows=({"max_in_flight": 1},), queue_timeout="10ms")
        first = await made.call(asked())
        with pytest.raises(BackendOverloaded):
            await made.call(asked())
        assert not made.line
        assert sample(made, "parapet_queue_refused_total", cause="late") == 1
        first.close()

    run(test)


def test_a_place_is_not_lost_when_a_waiting_caller_leaves() -> None:
    """Neither before it has its place nor in the very moment that it gets it."""

    async def test() -> None:
        made = pool(Scripted(), rows=({"max_in_flight": 1},))
        for at_once in (False, True):
            first = await made.call(asked())
            leaving, staying = (asyncio.create_task(called(made)) for _ in range(2))
            assert await waits(leaving)
            if at_once:
                first.close()
                leaving.cancel()
            else:
                leaving.cancel()
                await asyncio.sleep(0)
                first.close()
            with pytest.raises(asyncio.CancelledError):
                await leaving
            await asyncio.wait_for(staying, 5)
            assert (made.deployments[0].in_flight, len(made.line)) == (0, 0)

    run(test)


def test_those_who_wait_are_told_when_the_last_deployment_is_left_alone() -> None:
    """Rather than waiting in vain."""

    async def test() -> None:
        hangs: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        made = pool(Scripted([hangs]), rows=({"max_in_flight": 1},), failures=1)
        tasks = [asyncio.create_task(made.call(asked())) for _ in range(3)]
        assert await waits(tasks[2])
        hangs.set_result(GONE)
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(each) for each in done] == [BackendUnreachable, BackendUnavailable, BackendUnavailable]
        assert (made.deployments[0].in_flight, len(made.line)) == (0, 0)

    run(test)


def test_a_caller_that_leaves_gives_its_place_back() -> None:
    """The call is cancelled at the backend, and the deployment is not to blame unless it had been waited for very long."""

    async def test() -> None:
        clock = Clock()
        made = pool(Scripted(), clock=clock, failures=1)
        for waited, is_open in ((LONG / 2, False), (LONG * 2, True)):
            backend = made.deployments[0].backend
            assert isinstance(backend, Scripted)
            backend.script = [asyncio.get_running_loop().create_future()]
            task = asyncio.create_task(made.call(asked()))
            assert await waits(task)
            clock.now += waited
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert (made.deployments[0].in_flight, made.deployments[0].breaker.open) == (0, is_open)
        assert sample(made, "parapet_backend_attempts_total", backend="echo-1", result="left") == 2

    run(test)


def test_calls_that_hang_move_on_when_probes_are_not_answered() -> None:
    """Nothing of their answers has reached the caller; later calls go elsewhere until a probe is answered."""

    async def test() -> None:
        clock = Clock()
        sick = Well([asyncio.get_running_loop().create_future()], sick=GONE)
        made = pool(sick, Well(), clock=clock, probe="1s", cool_down="5s")
        hanging = asyncio.create_task(made.call(asked()))
        assert await waits(hanging)
        for _ in range(MISSED):
            await made.probe(made.deployments[0])
        attempt = await asyncio.wait_for(hanging, 5)
        attempt.close()
        assert (attempt.name, attempt.number) == ("echo-2", 2)
        assert [(await called(made)).name for _ in range(3)] == ["echo-2"] * 3
        sick.sick, clock.now = None, clock.now + 5
        await made.probe(made.deployments[0])
        assert "echo-1" in [(await called(made)).name for _ in range(3)]
        assert sample(made, "parapet_backend_probes_total", backend="echo-1", result="failed") == MISSED

    run(test)


def test_probes_run_while_the_pool_is_started() -> None:
    """For backends that can be asked; and end with it."""

    async def test() -> None:
        asked_often = asyncio.Event()
        made = pool(Well(sick=GONE, enough=asked_often), Scripted(), probe="1ms")
        made.start()
        await asyncio.wait_for(asked_often.wait(), 20)
        await made.close()
        assert made.deployments[0].breaker.open
        assert len(made.tasks) == 1
        assert all(task.done() for task in made.tasks)

    run(test)


def test_asking_for_what_a_deployment_lacks_takes_it_out_for_nobody() -> None:
    """A caller who goes on asking for an API that is not there gets 404, and the others their answers."""

    async def test() -> None:
        script: list[Any] = [refused(404) for _ in range(50)]
        made = pool(Scripted(script))
        for _ in range(50):
            with pytest.raises(BackendRefused):
                await called(made)
        assert (await called(made)).body == b"{}"

    run(test)
