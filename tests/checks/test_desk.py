"""The desk: bounded, remembered, broken off and tried again, and nobody waits for ever."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import pytest

from proxy.checks.desk import Answer, Desk, Limits, Noted, Question, Silent
from proxy.errors import CheckDeclined, CheckError, CheckOverloaded, CheckTimeout


@dataclass
class Somebody:
    """Who is asked, at the pace of the test, and by its clock."""

    now: float = 0.0
    asked: list[list[str]] = field(default_factory=list)
    open: list[Future[Sequence[Answer | CheckError]]] = field(default_factory=list)

    def consult(self, questions: Sequence[Question], timeout: float) -> Future[Sequence[Answer | CheckError]]:
        self.asked.append([question.text for question in questions])
        self.open.append(Future())
        return self.open[-1]

    def desk(self, **limits: float) -> Desk:
        return Desk("c", "somebody", self.consult, Limits(**limits), Silent(), lambda: self.now)  # type: ignore[arg-type]

    def answer(self, *answers: Answer | CheckError) -> None:
        self.open.pop(0).set_result(answers)

    def fail(self, error: Exception) -> None:
        self.open.pop(0).set_exception(error)


FOUND: Answer = (Noted("bad", 0.9, 0, 1),)


def question(text: str) -> Question:
    return Question(text, "user")


def test_an_answer_is_remembered_and_the_same_question_is_asked_once() -> None:
    """Also while it is under way, and until its time is over."""
    somebody = Somebody()
    desk = somebody.desk(keep=60.0)
    [first], [second] = desk.ask([question("a")]), desk.ask([question("a")])
    somebody.answer(FOUND)
    assert first.result(0) == second.result(0) == FOUND
    assert desk.ask([question("a")])[0].result(0) == FOUND
    assert somebody.asked == [["a"]]
    somebody.now = 61.0
    desk.ask([question("a")])
    assert somebody.asked == [["a"], ["a"]]


def test_the_same_words_of_another_role_are_another_question() -> None:
    """A verdict depends on who speaks."""
    somebody = Somebody()
    desk = somebody.desk()
    desk.ask([question("a"), Question("a", "assistant")])
    assert somebody.asked == [["a"], ["a"]]


def test_questions_go_in_batches_and_only_so_many_at_once() -> None:
    """The rest waits its turn."""
    somebody = Somebody()
    desk = somebody.desk(batch=2, at_once=1)
    answers = desk.ask([question(text) for text in "abcde"])
    assert somebody.asked == [["a", "b"]]
    somebody.answer((), FOUND)
    assert somebody.asked == [["a", "b"], ["c", "d"]]
    assert [answer.done() for answer in answers] == [True, True, False, False, False]


def test_a_full_queue_says_so() -> None:
    """Nothing is queued then, and what is remembered is still answered."""
    somebody = Somebody()
    desk = somebody.desk(at_once=1, queue=2)
    desk.ask([question("known")])
    somebody.answer(())
    desk.ask([question(text) for text in "ab"])
    with pytest.raises(CheckOverloaded):
        desk.ask([question(text) for text in "xyz"])
    assert desk.ask([question("known")])[0].result(0) == ()


def test_after_some_failures_nobody_is_asked_until_one_try_succeeds() -> None:
    """What waited fails at once; after the pause there is one try, and its success opens the way for all."""
    somebody = Somebody()
    desk = somebody.desk(at_once=1, failures=2, pause=10.0)
    answers = desk.ask([question(text) for text in "abc"])
    somebody.fail(TimeoutError())
    somebody.fail(OSError("a secret"))
    assert [type(answer.exception(0)) for answer in answers] == [CheckTimeout, CheckError, CheckError]
    assert "secret" not in str(answers[1].exception(0))
    with pytest.raises(CheckError, match="failed 2 times"):
        desk.ask([question("d")])
    assert somebody.asked == [["a"], ["b"]]
    somebody.now = 11.0
    [tried] = desk.ask([question("e")])
    with pytest.raises(CheckError):
        desk.ask([question("f")])
    somebody.answer(FOUND)
    assert tried.result(0) == FOUND
    desk.ask([question("g")])
    assert somebody.asked == [["a"], ["b"], ["e"], ["g"]]


def test_a_desk_that_goes_leaves_no_open_circuit_behind() -> None:
    """Once: nobody else would say that it is closed, and an alert would last."""
    told: list[bool] = []

    class Meter(Silent):
        def circuit(self, check: str, whom: str, *, open: bool) -> None:
            told.append(open)

    somebody = Somebody()
    for recovers in (False, True):
        desk = Desk("c", "somebody", somebody.consult, Limits(failures=1), Meter(), lambda: somebody.now)
        desk.ask([question("a")])
        somebody.fail(OSError())
        if recovers:
            somebody.now += 11.0
            desk.ask([question("b")])
            somebody.answer(FOUND)
            assert told == [True, False]
        del desk
        gc.collect()
        assert told == [True, False]
        told.clear()


def test_a_try_that_fails_makes_another_pause() -> None:
    """Not a flood of them."""
    somebody = Somebody()
    desk = somebody.desk(failures=1, pause=10.0)
    desk.ask([question("a")])
    somebody.fail(OSError())
    somebody.now = 11.0
    desk.ask([question("b")])
    somebody.fail(OSError())
    somebody.now = 20.0
    with pytest.raises(CheckError):
        desk.ask([question("c")])


def test_a_text_without_a_verdict_costs_others_neither_theirs_nor_the_circuit() -> None:
    """Those asked about with it are asked about again, one by one."""
    somebody = Somebody()
    desk = somebody.desk(batch=3, at_once=1, failures=1)
    answers = desk.ask([question(text) for text in "abc"])
    somebody.fail(CheckDeclined("no verdict"))
    assert somebody.asked == [["a", "b", "c"], ["a"]]
    somebody.answer(FOUND)
    somebody.fail(CheckDeclined("no verdict"))
    somebody.answer(())
    assert answers[0].result(0) == FOUND
    assert isinstance(answers[1].exception(0), CheckDeclined)
    assert answers[2].result(0) == ()


def test_an_error_for_one_question_of_a_batch_is_its_own() -> None:
    """And it is not remembered."""
    somebody = Somebody()
    desk = somebody.desk(batch=2, failures=1)
    answers = desk.ask([question(text) for text in "ab"])
    somebody.answer(CheckDeclined("no verdict"), FOUND)
    assert isinstance(answers[0].exception(0), CheckDeclined)
    assert answers[1].result(0) == FOUND
    desk.ask([question("a")])
    assert somebody.asked[-1] == ["a"]


def test_too_few_answers_are_no_answers() -> None:
    """Nobody can say whose they are."""
    somebody = Somebody()
    desk = somebody.desk(batch=2, at_once=1)
    answers = desk.ask([question(text) for text in "ab"])
    somebody.answer(())
    somebody.answer()
    somebody.answer()
    assert [type(answer.exception(0)) for answer in answers] == [CheckDeclined, CheckDeclined]


def test_one_who_hangs_is_given_up_and_its_place_stays_taken() -> None:
    """The questions fail, the circuit hears of it, and nothing is piled up behind."""
    somebody = Somebody()
    desk = somebody.desk(at_once=1, queue=1, failures=3)
    [hung] = desk.ask([question("a")], deadline=1.0)
    somebody.now = 5.0
    [waits] = desk.ask([question("b")], deadline=6.0)
    assert isinstance(hung.exception(0), CheckTimeout)
    assert somebody.asked == [["a"]]
    somebody.now = 7.0
    with pytest.raises(CheckOverloaded):
        desk.ask([question("c"), question("d")])
    somebody.answer(FOUND)
    assert isinstance(waits.exception(0), CheckTimeout)


def test_asking_itself_may_fail() -> None:
    """Those who ask hear of it as of any failure."""

    def broken(_: Sequence[Question], __: float) -> Future[Sequence[Answer | CheckError]]:
        raise RuntimeError("no")

    desk = Desk("c", "somebody", broken, Limits(failures=2), Silent())
    [answer] = desk.ask([question("a")])
    assert isinstance(answer.exception(0), CheckError)
