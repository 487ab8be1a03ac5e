"""A history is judged once, a turn of it that was blocked blocks nothing else, and what turns say together is read."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.checks import CATALOGUE
from proxy.core import Action, CheckKind, Failure, Finding, Report, Segment
from proxy.engine import Verdict
from proxy.engine.memory import Memory
from proxy.engine.turns import RECENT, TOGETHER, before, together
from tests.world import IBAN, engine, world

SPLIT = "policy: p\nrules:\n  - {id: attack, check: asked, action: block, direction: prompt, message: No attacks.}\n"
HISTORY = "policy: p\nrules:\n  - {id: iban, check: pii, with: {entities: [IBAN_CODE]}, action: block, direction: prompt%s}\n"


@dataclass
class Asking:
    """A check that notes what it is asked, and finds `drop … table` over at most a line end."""

    asked: list[str] = field(default_factory=list)
    failing: bool = False
    names = (("asked", ""),)

    def __call__(self, segments: Sequence[Segment]) -> list[Report]:
        return [self.report(segment) for segment in segments]

    def quick(self, segments: Sequence[Segment]) -> list[Report]:
        return self(segments)

    def report(self, segment: Segment) -> Report:
        if segment.text:  # else it is being made
            self.asked.append(segment.text)
        if self.failing and segment.text:
            return Report(failures=[Failure("asked", "", "error")])
        found = [Finding("asked", "custom", "attack", 1.0, *m.span()) for m in re.finditer(r"drop\s?the\s?table", segment.text)]
        return Report(found, len(segment.text))

    def watch(self, role: str) -> Any:
        raise AssertionError


def catalogue(check: Asking, **more: Any) -> dict[str, CheckKind]:
    kind = replace(CATALOGUE["secrets"], name="asked", categories=("attack",), defaults=("attack",), converses=True)
    return {**CATALOGUE, "asked": replace(kind, build=lambda *_: check, joins=False, **more)}


def turns(*texts: str) -> list[Segment]:
    """What a user and a model said to each other, the user last."""
    last = len(texts) - 1
    return [
        Segment(text, "user" if (last - i) % 2 == 0 else "assistant", f"messages[{i}].content", turn=True, age=last - i)
        for i, text in enumerate(texts)
    ]


def judged(made: Any, segments: Sequence[Segment]) -> Verdict:
    verdict: Verdict = asyncio.run(made.guard("", "m").judge("prompt", segments))
    return verdict


def test_a_history_is_judged_once() -> None:
    """The next call asks only about what is new, and finds the same; the metric counts both."""
    check = Asking()
    made = engine(SPLIT.replace("block", "flag"), catalogue=catalogue(check))
    first = judged(made, turns("drop the table"))
    second = judged(made, turns("drop the table", "I will not.", "And now?"))
    assert [f.category for f in first.decision.findings] == [f.category for f in second.decision.findings] == ["attack"]
    assert check.asked == ["drop the table", "I will not.", "And now?", "drop the table\nAnd now?"]
    counted = made.runner.metrics.exposition().decode()
    assert 'parapet_remembered_texts_total{check="asked",result="cached"} 1.0' in counted
    assert 'parapet_remembered_texts_total{check="asked",result="judged"} 4.0' in counted


def test_a_failure_is_not_remembered() -> None:
    """What could not be checked is asked about again."""
    check = Asking(failing=True)
    made = engine(SPLIT, catalogue=catalogue(check))
    assert judged(made, turns("hello")).decision.action == Action.BLOCK
    check.failing = False
    assert judged(made, turns("hello")).decision.action == Action.ALLOW
    assert check.asked == ["hello", "hello"]


@pytest.mark.parametrize(("more", "settings"), [({"lasting": False}, {}), ({}, {"verdict_cache": 0})])
def test_what_may_change_is_not_remembered(more: dict[str, Any], settings: dict[str, Any]) -> None:
    """The answers of services; nothing at all without room for it."""
    check = Asking()
    made = engine(SPLIT, catalogue=catalogue(check, **more), **settings)
    for _ in range(2):
        judged(made, turns("hello"))
    assert check.asked == ["hello", "hello"]


def test_another_policy_set_remembers_nothing_of_the_one_before() -> None:
    """Its checks may have other options, or read other files."""
    check = Asking()
    made = engine(SPLIT, catalogue=catalogue(check))
    judged(made, turns("hello"))
    made.use(made.policies)
    judged(made, turns("hello"))
    assert check.asked == ["hello", "hello"]


def test_the_memory_is_bounded_and_tells_roles_apart() -> None:
    """The one that nobody asked about for longest goes."""
    memory = Memory(2)
    keys = memory.keys(1, [Segment("a", "user"), Segment("a", "tool"), Segment("b", "user")])
    assert len(set(keys)) == 3
    assert memory.keys(2, [Segment("a", "user")])[0] != keys[0]
    for key in (keys[0], keys[1]):
        memory.keep(key, Report(settled=1))
    assert memory.recall(keys[0]) is not None
    memory.keep(keys[2], Report())
    assert [memory.recall(key) is not None for key in keys] == [True, False, True]


def test_findings_are_remembered_up_to_as_many_as_texts() -> None:
    """A text of which there is much to say takes the place of many; one of which there is too much is not remembered."""
    memory = Memory(4)
    keys = memory.keys(1, [Segment(name, "user") for name in "abcd"])
    found = [Finding("asked", "custom", "attack", 1.0, 0, 1)] * 5
    for key, count in zip(keys, (1, 3, 2, 5), strict=True):
        memory.keep(key, Report(found[:count]))
    assert [memory.recall(key) is not None for key in keys] == [False, False, True, False]
    memory.keep(keys[2], Report(found[:4]))
    assert (memory.findings, len(memory.reports)) == (4, 1)


def test_an_attack_split_over_turns_or_parts_is_found() -> None:
    """In what the user said in recent turns, put together; each part is a finding at its own place."""
    made = engine(SPLIT, catalogue=catalogue(Asking()))
    verdict = judged(made, turns("Remember: drop", "Yes.", "the table"))
    assert verdict.decision.action == Action.BLOCK
    assert [(f.segment, f.start, f.end) for f in verdict.decision.findings] == [(0, 10, 14), (2, 0, 9)]
    parts = [Segment("dro", "user", turn=True), Segment("p the table", "user", turn=True)]
    assert judged(made, parts).decision.action == Action.BLOCK
    assert judged(made, [Segment("dro", "system"), Segment("p the table", "user", turn=True)]).decision.action == Action.ALLOW


def test_a_split_attack_of_the_past_does_not_block_what_follows() -> None:
    """What was said before is at fault alone: its parts are replaced, and the present passes."""
    made = engine(SPLIT, catalogue=catalogue(Asking()))
    verdict = judged(made, turns("Remember: drop", "Yes.", "the table", "No.", "What is the weather?"))
    assert verdict.decision.action == Action.REDACT
    assert verdict.texts == {0: "[removed: No attacks.]", 2: "[removed: No attacks.]"}


class Vague(Asking):
    """The same as a classifier does it: a finding is all of a text, and what only looks like one is a weak finding."""

    def report(self, segment: Segment) -> Report:
        score = 1.0 if re.search(r"drop\s?the\s?table", segment.text) else 0.1 if "drop" in segment.text else 0.0
        found = [Finding("asked", "custom", "attack", score, 0, len(segment.text))] if score else []
        return Report(found, len(segment.text))


def test_a_weak_finding_in_one_part_hides_nothing_of_what_the_parts_say_together() -> None:
    """It reaches no rule's threshold by itself; the whole does."""
    made = engine(SPLIT, catalogue=catalogue(Vague()))
    assert judged(made, turns("Remember: drop")).decision.action == Action.ALLOW
    assert judged(made, turns("Remember: drop", "Yes.", "the table")).decision.action == Action.BLOCK


def test_a_blocked_turn_of_the_past_hides_nothing_of_what_the_others_say_together() -> None:
    """It is replaced, and the others are judged without it; nor does it make them an attack."""
    made = engine(SPLIT, catalogue=catalogue(Vague()))
    past = ("drop the table", "No.")
    assert judged(made, turns(*past, "Remember: drop", "Yes.", "the table")).decision.action == Action.BLOCK
    assert judged(made, turns(*past, "What is", "What?", "the weather?")).texts == {0: "[removed: No attacks.]"}


class Forgetful(Asking):
    """A check that reports on the first text alone."""

    def __call__(self, segments: Sequence[Segment]) -> list[Report]:
        return super().__call__(segments[:1])


def test_a_check_that_reports_on_fewer_texts_than_it_was_given_has_failed() -> None:
    """The others would pass without having been looked at."""
    made = engine(SPLIT, catalogue=catalogue(Forgetful()))
    verdict = judged(made, [Segment("hello", "system"), *turns("drop the table")])
    assert verdict.decision.action == Action.BLOCK
    assert [failure.kind for failure in verdict.decision.failures] == ["error"]


@given(st.lists(st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=900), max_size=12))
def test_findings_in_the_joined_text_come_back_to_their_parts(texts: list[str]) -> None:
    """Whatever the parts, a span over all of the joined text is each part's own end."""
    read = turns(*texts)
    joined = together(read, past=False)
    if joined is None:
        return
    assert len(joined.segment.text) <= 4000 + len(joined.parts)
    whole = Finding("asked", "custom", "attack", 1.0, 0, len(joined.segment.text))
    pieces = joined.pieces(whole, read)
    assert "".join(read[p.segment].text[p.start : p.end] for p in pieces) == joined.segment.text.replace("\n", "")
    assert all(0 <= p.start < p.end <= len(read[p.segment].text) for p in pieces)


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_blocked_turn_of_the_past_is_replaced(form: Any) -> None:
    """It would block again and again; the decision says what was done, and what the rule would have."""
    made = engine(HISTORY % "")
    text = f'{{"to": "{IBAN}"}}' if form == "json" else f"Pay {IBAN} now"
    past = replace(turns("x", "y", "z")[1], text=text, form=form)
    verdict = judged(made, [past, *turns("And now?")])
    assert verdict.decision.action == Action.REDACT
    assert (verdict.decision.rule, verdict.decision.would) == ("iban", Action.BLOCK)
    assert "DE89" not in verdict.texts[0]
    assert "[removed: " in verdict.texts[0]
    assert verdict.texts[0].startswith("[" if form == "text" else '{"')


def test_a_blocked_turn_of_the_present_blocks_whatever_the_past() -> None:
    """Also when both are blocked, and what is said beside the conversation."""
    made = engine(HISTORY % "")
    assert judged(made, turns(IBAN, "no", f"Pay {IBAN}")).decision.action == Action.BLOCK
    assert judged(made, [Segment(IBAN, "system"), *turns("hello")]).decision.action == Action.BLOCK
    assert judged(engine(HISTORY % ", history: block"), turns(IBAN, "no", "hello")).decision.action == Action.BLOCK


ROLES = {"user": "user", "assistant": "model"}
GEMINI = "/v1beta/models/m:generateContent"


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", GEMINI])
@pytest.mark.parametrize("history", ["redact", "drop", "block"])
def test_a_conversation_goes_on_after_a_blocked_turn(path: str, history: str, tmp_path: Path) -> None:
    """As the policy says: the turn is replaced, its message is dropped, or the call is blocked."""
    from tests.test_coverage import Scripted

    heard = Scripted()
    heard.answer = {"choices": [], "content": [], "candidates": [], "id": "x"}
    bad, call = (
        {"role": "user", "content": f"Pay {IBAN}"},
        {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}},
    )
    calling = {"role": "assistant", "content": None, "tool_calls": [call]}
    answered = {"role": "tool", "tool_call_id": "c", "content": f"It is {IBAN}"}
    said: list[Any] = [bad, {"role": "assistant", "content": "no"}, {"role": "user", "content": "Hello"}]
    if path == "/v1/chat/completions":
        said[2:2] = [calling, answered, {"role": "assistant", "content": "well"}]
    asked: Any = {"model": "m", "max_tokens": 9, "messages": said}
    if path == GEMINI:
        asked = {"contents": [{"role": ROLES[each["role"]], "parts": [{"text": each["content"]}]} for each in said]}

    async def main() -> tuple[int, Any]:
        async with world(tmp_path, HISTORY % f", history: {history}") as parapet:
            pool = next(iter(parapet.app.endpoints.values())).gateway.pools["m"]
            for deployment in pool.deployments:
                deployment.backend = heard
            answer = await parapet.client.post(path, json=asked)
            return answer.status_code, answer

    status, _ = asyncio.run(main())
    if history == "block":
        assert (status, heard.heard) == (400, None)
        return
    assert status == 200
    assert b"DE89" not in heard.heard
    assert b"Hello" in heard.heard
    assert (b'"Pay' in heard.heard, heard.heard.count(b"[removed: ")) == (
        False,
        (1 if history == "drop" else 2) if "chat" in path else (0 if history == "drop" else 1),
    )


TURNS = st.lists(st.tuples(st.sampled_from(["user", "assistant", "system", "tool"]), st.text(max_size=3000)), max_size=12)


@given(TURNS)
def test_what_an_answer_answers_is_the_end_of_the_conversation(said: list[tuple[Any, str]]) -> None:
    """At most so many characters and turns of it, in order, and nothing but what user and model said."""
    ages = range(len(said) - 1, -1, -1)
    segments = [Segment(text, role, turn=True, age=age) for (role, text), age in zip(said, ages, strict=True)]
    told = before(segments, {}, ())
    known = [segment for segment in segments if segment.role in ("user", "assistant") and segment.age < 2 * RECENT]
    assert sum(len(each.text) for each in told) == min(TOGETHER, sum(len(each.text) for each in known))
    for mine, theirs in zip(reversed(told), reversed(known), strict=False):
        assert (mine.role, mine.age) == (theirs.role, theirs.age)
        assert theirs.text.endswith(mine.text)


def test_what_an_answer_answers_is_as_it_went_to_the_model() -> None:
    """Replaced and dropped texts, the parts of one message together; where nothing is said in turns, what the user says."""
    parts = [Segment("one", "user", turn=True, age=2), Segment("two", "user", turn=True, age=2)]
    rest = [Segment("gone", "assistant", turn=True, age=1), Segment("card", "user", turn=True), Segment("rules", "system")]
    told = before([*parts, *rest], {3: "<CARD>"}, {2})
    assert [(each.role, each.text) for each in told] == [("user", "one\ntwo"), ("user", "<CARD>")]
    assert [each.text for each in before([Segment("say", "user"), Segment("rules", "system")], {}, ())] == ["say"]
