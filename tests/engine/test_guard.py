"""Checks that fail, take too long or are overloaded act by their rules' on_error, are counted, and are never passed over."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from proxy.core import Action, CheckKind, Family, Finding, Report, Role, Segment
from proxy.dialects import OpenAIChat
from proxy.engine import Engine, Verdict
from proxy.streaming import GuardedStream
from tests.world import CARD, MAIL, REDACT, ROLES, WATCH, chunk, engine, event, guard

POLICY = """
policy: odd-ones
rules:
  - {{id: odd-rule, check: odd, action: redact, on_error: {on_error}, timeout: 100ms}}
"""
LONG = "a text that is longer than what is checked inline"


class Options(BaseModel):
    """The odd check has no options but its categories."""

    model_config = ConfigDict(extra="forbid")
    kinds: list[str] | None = None


@dataclass
class Odd:
    """A check that does as it is told, when there is text; `settles` says how far its watches are sure."""

    act: Callable[[], None] = lambda: None
    settles: Callable[[int], int] = lambda length: length
    names = (("odd", ""),)

    def __call__(self, segments: Sequence[Segment]) -> list[Report]:
        if any(segment.text for segment in segments):
            self.act()
        return [Report((), len(segment.text)) for segment in segments]

    def quick(self, segments: Sequence[Segment]) -> None:
        return None

    def watch(self, role: Role) -> OddWatch:
        return OddWatch(self)


@dataclass
class OddWatch:
    """Its watch; `act` happens at an exclamation mark."""

    check: Odd
    length: int = 0

    def push(self, text: str, *, end: bool = False) -> Report:
        self.length += len(text)
        if "!" in text:
            self.check.act()
        return Report((), self.length if end else self.check.settles(self.length))


def odd(check: Any, on_error: str = "block", **settings: Any) -> Engine:
    """An engine whose only rule is on an odd check."""
    family: Family = "custom"
    kind = CheckKind("odd", family, ("ODD",), ("ODD",), Options, "kinds", lambda *_: check)
    return engine(POLICY.format(on_error=on_error), catalogue={"odd": kind}, **settings)


def wait(free: threading.Event) -> None:
    free.wait(20)


def fail() -> None:
    raise RuntimeError("its reason")


def judge(made: Engine, text: str = LONG) -> Verdict:
    return asyncio.run(made.guard("", "m").judge("prompt", [Segment(text, "user")]))


def failures(made: Engine) -> list[str]:
    text = made.runner.metrics.exposition().decode()
    return sorted(line for line in text.splitlines() if line.startswith("parapet_check_failures_total"))


ON_ERROR = [("block", Action.BLOCK), ("allow", Action.FLAG)]


@pytest.mark.parametrize(("on_error", "action"), ON_ERROR)
@pytest.mark.parametrize("inline", [5, 5000], ids=["in a thread", "inline"])
def test_a_check_that_raises(on_error: str, action: Action, inline: int) -> None:
    """It blocks unless the rule says allow, which flags; the failure is in the decision and counted."""
    made = odd(Odd(fail), on_error, inline_chars=inline)
    decision = judge(made).decision
    assert (decision.action, decision.rule) == (action, "odd-rule")
    assert [(f.check, f.kind) for f in decision.failures] == [("odd", "error")]
    assert failures(made) == ['parapet_check_failures_total{check="odd",kind="error"} 1.0']
    made.close()


@pytest.mark.parametrize(("on_error", "action"), ON_ERROR)
def test_a_check_that_hangs_and_what_waits_behind_it(on_error: str, action: Action) -> None:
    """The rule's timeout holds; while threads and queue are full, calls are turned away at once; then all goes on as before."""
    free = threading.Event()
    made = odd(Odd(lambda: wait(free)), on_error, inline_chars=5, check_threads=1, check_queue=1)

    async def main() -> None:
        asked = [made.guard("", "m").judge("prompt", [Segment(LONG, "user")]) for _ in range(3)]
        decisions = [verdict.decision for verdict in await asyncio.gather(*asked)]
        assert [d.action for d in decisions] == [action] * 3
        assert sorted(d.failures[0].kind for d in decisions) == ["overload", "timeout", "timeout"]
        free.set()
        for _ in range(200):
            if not made.runner.given:
                break
            await asyncio.sleep(0.01)
        later = await made.guard("", "m").judge("prompt", [Segment(LONG, "user")])
        assert later.decision.action == Action.ALLOW

    asyncio.run(main())
    assert failures(made) == [
        'parapet_check_failures_total{check="odd",kind="overload"} 1.0',
        'parapet_check_failures_total{check="odd",kind="timeout"} 2.0',
    ]
    made.close()


def stream(made: Engine, *texts: str, end: bool = True) -> tuple[str, GuardedStream, Any]:
    growing = made.guard("", "m").growing()
    guarded = GuardedStream(OpenAIChat(), growing)
    data = [event(chunk({"content": text})) for text in texts] + ([event(chunk({}, finish="stop"))] if end else [])
    out = b"".join(guarded.feed(each) for each in data)
    growing.close()
    return out.decode(), guarded, growing


def said(out: str) -> str:
    """The content of the stream's events."""
    from orjson import loads

    events = [loads(line[6:]) for line in out.split("\n\n") if line.startswith("data: {")]
    return "".join(e["choices"][0]["delta"].get("content", "") for e in events)


@pytest.mark.parametrize(("on_error", "action"), ON_ERROR)
def test_a_watch_that_raises_in_the_middle_of_a_stream(on_error: str, action: Action) -> None:
    """The stream is cut there, or flagged and served to its end; the failure is counted once."""
    made = odd(Odd(fail), on_error)
    out, guarded, growing = stream(made, "one ", "two! ", "three! ")
    assert guarded.cut == (on_error == "block")
    assert said(out) == ("one " if on_error == "block" else "one two! three! ")
    assert growing.decision.action == action
    assert failures(made) == ['parapet_check_failures_total{check="odd",kind="error"} 1.0']
    assert 'parapet_check_seconds_count{check="odd",direction="completion"} 1.0' in made.runner.metrics.exposition().decode()


@pytest.mark.parametrize(("on_error", "action"), ON_ERROR)
def test_a_watch_that_holds_back_more_than_it_may(on_error: str, action: Action) -> None:
    """Beyond max_hold it has failed: the stream is cut, or what was held back is shown; for every text of the completion."""
    made = odd(Odd(settles=lambda _: 0), on_error, max_hold=10)
    out, guarded, growing = stream(made, "1234", "56789", "012345", end=False)
    assert guarded.cut == (on_error == "block")
    assert said(out) == ("" if on_error == "block" else "123456789012345")
    assert growing.decision.action == action
    if on_error == "allow":
        other = growing.channel("assistant", "another")
        assert "".join(other.push(text) for text in ("1234", "56789", "0123")) == "1234567890123"
    assert growing.most_held >= 11
    assert failures(made) == ['parapet_check_failures_total{check="odd",kind="overload"} 1.0']


def test_a_text_is_held_back_for_the_rules_of_its_role_alone() -> None:
    """Cards are redacted in what is said and only flagged in thoughts, which wait for e-mail addresses, not for cards."""
    growing = guard(ROLES).growing()
    said, thought = growing.channel("assistant", "content"), growing.channel("reasoning", "reasoning")
    assert thought.push(CARD[:14]) == "4111 1111 "
    assert said.push(CARD[:14]) == ""
    assert thought.push(f" {MAIL} and {CARD} ") == "1111 <EMAIL_ADDRESS> and 4111 1111 1111 1111 "
    assert thought.push("", end=True) == ""
    assert {m.rule for m in growing.decision.matches} == {"mail-thought", "cards-thought"}


def test_roles_that_no_rule_is_about_are_not_judged() -> None:
    """A rule for what is said finds nothing in what the user asked."""
    found = asyncio.run(guard(ROLES).judge("prompt", [Segment(CARD, "user"), Segment(CARD, "assistant")]))
    assert found.decision.action == Action.REDACT
    assert found.texts == {1: "<CREDIT_CARD>"}


def test_policies_hold_together_for_those_whom_they_concern() -> None:
    """A guard is made of the policies whose applies_to fits the caller and the model, once for each set."""
    made = engine(REDACT + "applies_to: {teams: [a]}\n", WATCH)
    assert [p.name for p in made.guard("a", "m").policies] == ["redacting", "watching"]
    assert [p.name for p in made.guard("b", "m").policies] == ["watching"]
    assert made.guard("b", "m") is made.guard("c", "m")


def test_findings_name_their_segment_and_role() -> None:
    """So that a record can say where something was found."""
    verdict = asyncio.run(guard(REDACT).judge("prompt", [Segment("hi", "system"), Segment(f"to {MAIL}", "user")]))
    [found] = verdict.decision.findings
    assert isinstance(found, Finding)
    assert (found.segment, found.role, found.start) == (1, "user", 3)
