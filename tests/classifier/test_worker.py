"""The queue of a classifier: batches across calls, one answer for all who ask the same, overload, deadlines, a bounded memory."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import pytest

from proxy.classifier import Limits, Logits, Silent, Worker, gathered
from proxy.classifier.worker import Ids
from proxy.errors import CheckError, CheckOverloaded, CheckTimeout
from tests.classifier.world import Script


@dataclass
class Counting(Silent):
    """A meter that can be read."""

    seen: Counter[str] = field(default_factory=Counter)

    def classified(self, classifier: str, result: str, windows: int) -> None:
        self.seen[result] += windows

    def batched(self, classifier: str, windows: int, waited: float) -> None:
        assert waited >= 0
        self.seen[f"batch of {windows}"] += 1

    def classifier_overloaded(self, classifier: str) -> None:
        self.seen["overloaded"] += 1


@dataclass
class Gate:
    """Holds the classifier's thread until it is opened."""

    begun: threading.Event = field(default_factory=threading.Event)
    free: threading.Event = field(default_factory=threading.Event)

    def __call__(self) -> None:
        self.begun.set()
        assert self.free.wait(20)


def results(answers: list[Future[Logits]]) -> list[Logits]:
    return [answer.result(20) for answer in answers]


def busy(limits: Limits, meter: Counting) -> tuple[Worker, Gate, Script]:
    """A worker whose thread is held with one window."""
    gate = Gate()
    script = Script(act=gate)
    worker = Worker("encoder", script, limits, meter)
    worker.ask([[0]])
    assert gate.begun.wait(20)
    return worker, gate, script


def test_windows_of_several_calls_are_judged_together() -> None:
    """What has come while a batch was judged is the next one, up to its size."""
    meter = Counting()
    worker, gate, script = busy(Limits(batch=3), meter)
    answers = [answer for i in range(4) for answer in worker.ask([[i + 1]])]
    gate.free.set()
    assert results(answers) == [script.logits([i + 1]) for i in range(4)]
    assert script.batches == [1, 3, 1]
    assert meter.seen == {"judged": 5, "batch of 1": 2, "batch of 3": 1}


def test_windows_are_collected_for_a_while() -> None:
    """Where a batch costs no more than a window."""
    script = Script()
    worker = Worker("encoder", script, Limits(batch=8, wait=0.2), Counting())
    first = worker.ask([[1]])
    assert results(first + worker.ask([[2]])) == [script.logits([1]), script.logits([2])]
    assert script.batches == [2]


def test_the_same_window_is_judged_once() -> None:
    """For all who wait for it, and from memory for those who come later."""
    meter = Counting()
    worker, gate, script = busy(Limits(), meter)
    answers = worker.ask([[5], [5]]) + worker.ask([[5]])
    gate.free.set()
    assert results(answers) == [script.logits([5])] * 3
    assert results(worker.ask([[5]])) == [script.logits([5])]
    assert worker.known([5]) == script.logits([5])
    assert worker.known([6]) is None
    assert (meter.seen["judged"], meter.seen["cached"]) == (2, 1)


def test_the_memory_is_bounded_and_keeps_what_is_used() -> None:
    """What was asked for least lately goes first."""
    worker = Worker("encoder", Script(), Limits(cache=2), Counting())
    for ids in ([1], [2], [1], [3]):
        results(worker.ask([ids]))
    assert [worker.known([i]) is not None for i in (1, 2, 3)] == [True, False, True]


def test_a_full_queue_turns_calls_away() -> None:
    """At once, with an error of its own; what needs no judging is answered all the same; then all goes on."""
    meter = Counting()
    worker, gate, script = busy(Limits(queue=2), meter)
    waiting = worker.ask([[1], [2], [3]])  # a text is taken as a whole while there is room
    with pytest.raises(CheckOverloaded):
        worker.ask([[4]])
    known = worker.ask([[2]])
    gate.free.set()
    assert results([*waiting, *known]) == [script.logits([i]) for i in (1, 2, 3, 2)]
    assert results(worker.ask([[4]])) == [script.logits([4])]
    assert meter.seen["overloaded"] == 1


def test_windows_that_nobody_waits_for_are_given_up() -> None:
    """They are not judged, and say so; one for which somebody still waits is."""
    meter = Counting()
    worker, gate, script = busy(Limits(), meter)
    late = worker.ask([[1]], time.monotonic() - 1)
    both = worker.ask([[2]], time.monotonic() - 1) + worker.ask([[2]], time.monotonic() + 60)
    gate.free.set()
    with pytest.raises(CheckTimeout):
        late[0].result(20)
    assert results(both) == [script.logits([2])] * 2
    assert meter.seen["expired"] == 1


def test_a_short_text_does_not_wait_behind_a_long_one() -> None:
    """First windows go before later ones."""
    order: list[int] = []
    worker, gate, script = busy(Limits(), Counting())
    judged = script.logits

    def noted(ids: list[int]) -> Logits:
        order.append(ids[0])
        return judged(ids)

    script.logits = noted  # type: ignore[method-assign]  # a spy
    answers = worker.ask([[i] for i in range(10, 15)]) + worker.ask([[20]])
    gate.free.set()
    results(answers)
    assert order == [0, 10, 20, 11, 12, 13, 14] or order == [10, 20, 11, 12, 13, 14]


def test_an_error_of_the_network_is_everybodys() -> None:
    """Who waits hears of it; the next window is judged as ever."""
    broken = [True]

    def act() -> None:
        if broken.pop():
            broken.append(False)
            raise RuntimeError("out of memory")
        broken.append(False)

    script = Script(act=act)
    worker = Worker("encoder", script, Limits(), Counting())
    with pytest.raises(RuntimeError, match="out of memory"):
        worker.ask([[1]])[0].result(20)
    assert results(worker.ask([[1]])) == [script.logits([1])]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_is_no_answer(bad: float) -> None:
    """For the windows that have it, and it is not remembered; their neighbours are judged."""
    gate = Gate()

    def judge(windows: Sequence[Ids]) -> list[Logits]:
        gate()
        return [(1.0, bad if ids[0] == 1 else 2.0) for ids in windows]

    worker = Worker("encoder", judge, Limits(batch=2), Counting())
    worker.ask([[0]])
    assert gate.begun.wait(20)
    broken, good = worker.ask([[1], [2]])
    gate.free.set()
    with pytest.raises(CheckError, match="no number"):
        broken.result(20)
    assert good.result(20) == (1.0, 2.0)
    assert worker.known([1]) is None


@pytest.mark.parametrize("more", [-1, 1])
def test_a_judge_that_gives_another_number_of_answers(more: int) -> None:
    """Nobody can say whose is whose: all fail, nothing is remembered, and the worker goes on."""
    wrong = [True]

    def judge(windows: Sequence[Ids]) -> list[Logits]:
        return [(1.0,)] * (len(windows) + (more if wrong[0] else 0))

    worker = Worker("encoder", judge, Limits(batch=2), Counting())
    for answer in worker.ask([[1], [2]]):
        with pytest.raises(CheckError, match="answers for"):
            answer.result(20)
    assert worker.known([1]) is None
    wrong[0] = False
    assert results(worker.ask([[1], [2]])) == [(1.0,)] * 2


def test_a_meter_that_fails_costs_nobody_an_answer() -> None:
    """Whatever it was to count."""

    class Broken(Silent):
        def classified(self, classifier: str, result: str, windows: int) -> None:
            raise ValueError(result)

        def batched(self, classifier: str, windows: int, waited: float) -> None:
            raise ValueError(classifier)

    worker = Worker("encoder", lambda windows: [(1.0,)] * len(windows), Limits(), Broken())
    assert results(worker.ask([[1]]) + worker.ask([[1], [2]]) + worker.ask([[1], [3]])) == [(1.0,)] * 5
    with pytest.raises(CheckTimeout):
        worker.ask([[4]], time.monotonic() - 1)[0].result(20)
    assert results(worker.ask([[4]])) == [(1.0,)]


class Dead(BaseException):
    """Not an Exception, as a panic of Rust is not."""


def test_what_stops_the_thread_fails_all_who_wait() -> None:
    """And who comes later begins it anew."""
    gate, dead = Gate(), [True]

    def judge(windows: Sequence[Ids]) -> list[Logits]:
        gate()
        if dead[0]:
            raise Dead
        return [(1.0,)] * len(windows)

    worker = Worker("encoder", judge, Limits(), Counting())
    answers = worker.ask([[1], [2]])
    gate.free.set()
    for answer in answers:
        with pytest.raises(CheckError, match="stopped"):
            answer.result(20)
    dead[0] = False
    assert results(worker.ask([[1]])) == [(1.0,)]


def test_many_threads_may_ask() -> None:
    """Each gets the answers to what it asked."""
    script = Script()
    worker = Worker("encoder", script, Limits(batch=4, cache=16), Counting())
    wrong: list[int] = []

    def ask(seed: int) -> None:
        for i in range(100):
            ids = [[seed * i % 37, i % 5], [i % 11]]
            if results(worker.ask(ids)) != [script.logits(each) for each in ids]:
                wrong.append(seed)

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []
    assert not worker.jobs


def test_gathered_is_done_when_all_are() -> None:
    """With none there is nothing to wait for; one that fails counts as done."""
    assert gathered([]).done()
    first, second = Future[int](), Future[int]()
    both = gathered([first, second])
    first.set_exception(ValueError())
    assert not both.done()
    second.set_result(1)
    assert both.done()
