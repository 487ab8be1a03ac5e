"""When a deployment is left alone, and when it is tried again."""

from __future__ import annotations

from proxy.backends.breaker import LONGEST, MISSED, Breaker, State


def opened(**options: bool) -> Breaker:
    """A breaker that two failures at the second 0 have opened, to cool down for 5 seconds."""
    breaker = Breaker(2, 5.0, **options)
    assert [breaker.failed(0.0), breaker.failed(0.0)] == [False, True]
    return breaker


def test_failures_in_a_row_open_it() -> None:
    """A success between them starts the count anew."""
    breaker = Breaker(3, 5.0)
    for step in ("failed", "failed", "succeeded", "failed", "failed"):
        breaker.failed(0.0) if step == "failed" else breaker.succeeded()
        assert breaker.state(0.0) is State.CLOSED
    assert breaker.failed(0.0)
    assert (breaker.state(4.9), breaker.allows(4.9)) == (State.OPEN, False)


def test_when_it_has_cooled_down_one_call_tries_it() -> None:
    """No second one goes there until the first has an answer."""
    breaker = opened()
    assert (breaker.state(5.0), breaker.allows(5.0)) == (State.HALF_OPEN, True)
    breaker.begin()
    assert (breaker.state(5.0), breaker.allows(5.0)) == (State.HALF_OPEN, False)
    breaker.began()
    assert breaker.state(5.0) is State.CLOSED


def test_a_try_that_begins_well_and_fails_then_opens_it_at_once() -> None:
    """A deployment that breaks off every answer does not get a full count each time."""
    breaker = opened()
    breaker.begin()
    breaker.began()
    assert breaker.failed(6.0)


def test_each_failed_try_doubles_the_cool_down_up_to_a_limit() -> None:
    """And a call that ends well sets it back."""
    breaker, now = opened(), 0.0
    for times in (2, 4, 8, LONGEST, LONGEST):
        now = breaker.until
        breaker.begin()
        assert breaker.failed(now)
        assert breaker.until == now + 5.0 * times
    breaker.begin()
    breaker.succeeded()
    breaker.failed(now)
    breaker.failed(now)
    assert breaker.until == now + 5.0


def test_a_try_without_a_verdict_lets_the_next_call_try() -> None:
    """The caller of the first may have left."""
    breaker = opened()
    breaker.begin()
    breaker.gave_up()
    assert breaker.allows(5.0)


def test_one_caller_alone_opens_nothing_with_failures_that_its_requests_may_cause() -> None:
    """Else a request that makes a server fail would close the pool to everyone; with a second caller it is the server."""
    breaker = Breaker(2, 5.0)
    assert not any(breaker.failed(0.0, ("team", "key")) for _ in range(50))
    assert breaker.failed(0.0, ("team", "other"))


def test_where_it_is_probed_only_a_probe_closes_it() -> None:
    """No caller has to try it; and it cools down first."""
    breaker = opened(probed=True)
    assert not breaker.allows(1000.0)
    breaker.answered(4.0)
    assert breaker.state(4.0) is State.OPEN
    breaker.answered(5.0)
    assert breaker.state(5.0) is State.CLOSED
    assert breaker.failed(6.0), "the calls that failed still count"


def test_probes_that_are_not_answered_open_it() -> None:
    """Before any call has failed."""
    breaker = Breaker(5, 5.0, probed=True)
    assert [breaker.unanswered(0.0) for _ in range(MISSED)] == [False] * (MISSED - 1) + [True]
    assert not breaker.unanswered(1.0), "it is open already"


def test_an_answered_probe_says_nothing_of_calls_that_fail() -> None:
    """A server may say that it is well and answer no call."""
    breaker = Breaker(2, 5.0, probed=True)
    breaker.failed(0.0)
    breaker.answered(0.0)
    assert breaker.failed(0.0)
