"""The checks misuse and bias on whole texts: one pass for both, scores by role, what the screen clears, what fails, levels."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from proxy import policy
from proxy.checks import combined
from proxy.checks.groups import GROUPS, groups_in
from proxy.checks.judged import BEYOND, BRIEF, Judged
from proxy.classifier import Limits
from proxy.core import Action, CheckKind, Role, Segment
from proxy.engine import Engine, Verdict
from proxy.errors import ModelError, PolicyError
from tests.classifier.test_worker import Counting
from tests.classifier.world import Script, kinds, model, write_encoder
from tests.world import engine

BOTH = """
policy: both
rules:
  - {id: no-violence, check: misuse, with: {categories: [violence, injection]}, threshold: 0.9, action: block}
  - {id: no-hate, check: bias, with: {categories: [hate]}, threshold: 0.9, action: redact}
"""
ODD = "policy: odd\nrules:\n  - {{id: odd-rule, check: misuse, action: redact, threshold: 0.9, timeout: 100ms, {more}}}\n"


def judge(made: Engine, *texts: str, role: Role = "user") -> Verdict:
    return asyncio.run(made.guard("", "m").judge("prompt", [Segment(text, role) for text in texts]))


def check(kind: CheckKind, **options: Any) -> Judged:
    built = kind.build(kind.options(**options), frozenset(kind.categories), "")
    assert isinstance(built, Judged)
    return built


def test_both_checks_share_one_pass() -> None:
    """One unit, one reading of a text, the findings of both."""
    script = Script()
    made = engine(BOTH, catalogue=kinds(model(script)))
    [unit] = made.guard("", "m").prompt.whole
    assert unit.label == "bias+misuse"
    verdict = judge(made, "some words of hate and then violence")
    assert script.batches == [1]
    assert {(m.rule, m.finding.category) for m in verdict.decision.matches if m.finding} == {
        ("no-violence", "violence"),
        ("no-hate", "hate"),
    }
    assert verdict.decision.action == Action.BLOCK


def test_checks_that_read_otherwise_are_not_joined() -> None:
    """One with the screen off looks at what the other does not."""
    found = kinds(model(Script()))
    first, second, third = check(found["misuse"]), check(found["bias"], screen=False), check(found["bias"])
    assert [each.names for each in combined([first, second, third])] == [(("misuse", ""), ("bias", "")), (("bias", ""),)]


def test_the_window_that_has_it_is_replaced() -> None:
    """Of a long text the windows around it, and nothing else."""
    text = " ".join(f"w{i}" for i in range(16)) + " hate " + " ".join(f"v{i}" for i in range(16))
    verdict = judge(engine(BOTH, catalogue=kinds(model(Script()))), text)
    assert verdict.texts[0] == " ".join(f"w{i}" for i in range(12)) + " <hate> " + " ".join(f"v{i}" for i in range(3, 16))
    assert verdict.decision.findings[0].detail == (("model", "script 1"),)


def test_scores_are_calibrated_by_role() -> None:
    """The same sentence scores otherwise in a tool's result than from a user."""
    asked = check(kinds(model(Script()))["misuse"])
    user, tool = asked([Segment("a violence b", "user"), Segment("a violence b", "tool")])
    scores = [max(f.score for f in report.findings if f.category == "violence") for report in (user, tool)]
    assert 0.98 < scores[0] < scores[1] < 1


def test_what_the_screen_clears_is_not_judged() -> None:
    """Unless the rule turns the screen off; both are counted, and a text that was cleared is not even screened again."""
    script, meter = Script(), Counting()
    passed: list[str] = []
    meter.screened = lambda result, windows: passed.append(result)  # type: ignore[method-assign]  # a spy
    found = kinds(model(script, meter=meter), meter=meter)
    screened, unscreened = check(found["misuse"]), check(found["misuse"], screen=False)
    text = Segment("clear violence", "user")
    assert [list(report.findings) for report in (*screened([text]), *screened([text]))] == [[], []]
    assert (script.batches, passed) == ([], ["cleared"])
    assert [f.category for f in unscreened([text])[0].findings if f.score > 0.9] == ["violence"]
    assert (script.batches, passed) == ([1], ["cleared"])
    assert screened([Segment("violence", "user")])[0].findings
    assert passed == ["cleared", "passed"]


def test_quick_answers_what_needs_no_waiting() -> None:
    """What is cleared, and what is remembered; not what is long."""
    script = Script()
    asked = check(kinds(model(script))["misuse"])
    assert asked.quick([Segment("clear words", "user"), Segment("", "tool")]) is not None
    gate = threading.Event()
    script.act = lambda: gate.wait(20) and None  # type: ignore[assignment]  # holds the thread
    seen = [Segment("violence", "user")]
    assert asked.quick(seen) is None
    gate.set()
    reports = asked(seen)
    assert asked.quick(seen) == reports
    assert asked.quick([Segment("clear " * BRIEF, "user")]) is None


@pytest.mark.parametrize(("on_error", "action"), [("block", Action.BLOCK), ("allow", Action.FLAG)])
def test_what_gives_no_answer_acts_by_on_error(on_error: str, action: Action) -> None:
    """Too late, a queue that is full, and a network that fails; each under its own name."""
    free = threading.Event()

    def act() -> None:
        assert free.wait(20)

    script = Script(act=act)
    judged = model(script, Limits(queue=1))
    made = engine(ODD.format(more=f"on_error: {on_error}"), catalogue=kinds(judged), inline_chars=200)

    async def main() -> list[Verdict]:
        guard = made.guard("", "m")
        first = asyncio.create_task(guard.judge("prompt", [Segment("one", "user")]))
        while not judged.worker.working or judged.worker.waiting:  # noqa: ASYNC110 - a worker tells nobody when it has begun
            await asyncio.sleep(0.001)
        others = (guard.judge("prompt", [Segment(text, "user")]) for text in ("two " * 60, "three"))
        return await asyncio.gather(first, *others)

    verdicts = asyncio.run(main())
    assert [v.decision.action for v in verdicts] == [action] * 3
    assert sorted(v.decision.failures[0].kind for v in verdicts) == ["overload", "timeout", "timeout"]
    free.set()
    while judged.worker.jobs:
        time.sleep(0.01)
    script.act = lambda: 1 // 0  # type: ignore[assignment]  # a network that fails
    failed = judge(made, "four")
    assert (failed.decision.action, failed.decision.failures[0].kind) == (action, "error")


def test_waiting_takes_no_thread() -> None:
    """More calls wait for the classifier at once than there are threads for checks."""
    free = threading.Event()

    def act() -> None:
        assert free.wait(20)

    made = engine(BOTH, catalogue=kinds(model(Script(act=act))), check_threads=1, check_queue=1)

    async def main() -> None:
        calls = [asyncio.create_task(made.guard("", "m").judge("prompt", [Segment(f"w{i} violence", "user")])) for i in range(20)]
        await asyncio.sleep(0.05)
        free.set()
        assert {(await call).decision.action for call in calls} == {Action.BLOCK}

    asyncio.run(main())


def test_a_long_text_is_never_cut_in_silence() -> None:
    """All of it is windows; where the policy says otherwise, the rest is counted as not inspected."""
    text = "w " * 100 + "violence"
    whole = engine(ODD.format(more="with: {max_windows: 3}"), catalogue=kinds(model(Script())))
    assert judge(whole, text).decision.action == Action.REDACT
    part = engine(ODD.format(more="with: {max_windows: 3, beyond: not_inspected}"), catalogue=kinds(model(Script())))
    verdict = judge(part, text, "w violence", "w " * 10)
    assert verdict.not_inspected == {BEYOND: 1}
    assert list(verdict.texts) == [1]


LEVELS = """
policy: levels
rules:
  - {id: strict, check: misuse, with: {categories: [violence]}, level: strict, action: flag}
  - {id: balanced, check: misuse, with: {categories: [violence]}, level: balanced, action: flag}
  - {id: lenient, check: misuse, with: {categories: [violence]}, level: lenient, action: flag}
"""


def test_a_level_is_the_threshold_that_the_card_says(tmp_path: Path) -> None:
    """By category and role: .2, .5 and .9 for what is said, .3, .6 and .95 for what was fetched."""
    write_encoder(tmp_path)
    rules = policy.parse(LEVELS, "levels.yaml", kinds(model(Script()), tmp_path)).rules
    assert [rule.least("violence", "user") for rule in rules] == [0.2, 0.5, 0.9]
    assert [rule.least("violence", "document") for rule in rules] == [0.3, 0.6, 0.95]
    assert [(rule.level, rule.threshold) for rule in rules] == [("strict", 0.5), ("balanced", 0.5), ("lenient", 0.5)]


def test_a_match_says_what_it_reached(tmp_path: Path) -> None:
    """The level and its threshold, so that `parapet check` can show how near a text came."""
    write_encoder(tmp_path)
    made = engine(LEVELS, catalogue=kinds(model(Script()), tmp_path))
    decision = judge(made, "a violence").decision
    assert {(m.rule, m.threshold, m.level) for m in decision.matches} == {
        ("strict", 0.2, "strict"),
        ("balanced", 0.5, "balanced"),
        ("lenient", 0.9, "lenient"),
    }
    low = judge(made, "a", "b", "c", "d").decision
    assert {m.rule for m in low.matches} == {"strict"}
    assert all(m.finding and 0.2 <= m.finding.score < 0.5 for m in low.matches)


def refused(text: str, catalogue: Mapping[str, CheckKind]) -> str:
    with pytest.raises(PolicyError) as caught:
        policy.parse(text, "p.yaml", catalogue)
    return str(caught.value)


def test_a_level_that_nobody_can_explain_is_refused(tmp_path: Path) -> None:
    """Without the model's card, and beside a threshold."""
    told = refused(LEVELS, kinds(model(Script()), tmp_path))
    assert told.startswith("p.yaml:4:65: rules[0].level: nobody can say what the level stands for: ")
    assert "manifest.json: cannot be read (No such file or directory)" in told
    both = refused(LEVELS.replace("level: strict", "level: strict, threshold: 0.7"), kinds(model(Script()), tmp_path))
    assert "expected either a threshold or a level" in both


def test_a_threshold_that_no_finding_is_below_is_refused() -> None:
    """It would seem to ask for more than the check reports."""
    told = refused(BOTH.replace("threshold: 0.9, action: block", "threshold: 0.049, action: block"), kinds(model(Script())))
    assert "rules[0].threshold: expected at least 0.05: the check 'misuse' reports nothing that scores lower" in told
    assert policy.parse(BOTH.replace("0.9", "0.05"), "p.yaml", kinds(model(Script()))).rules


def test_a_score_is_not_rounded_over_a_threshold() -> None:
    """Neither up nor down: the finding has the score that the model gave."""
    script = Script()
    script.logits = lambda ids: (9.2,) * len(script.labels)  # type: ignore[method-assign]  # a fixed answer
    score = 1 / (1 + math.exp(-9.2))
    asked = check(kinds(model(script))["misuse"])
    assert {finding.score for finding in asked([Segment("words", "user")])[0].findings} == {score}
    for least, action in ((score, Action.BLOCK), (math.nextafter(score, 1), Action.ALLOW)):
        made = engine(BOTH.replace("0.9, action: block", f"{least!r}, action: block"), catalogue=kinds(model(script)))
        found = {match.rule for match in judge(made, "words").decision.matches}
        assert ("no-violence" in found) == (action == Action.BLOCK)


def test_without_the_model_a_rule_cannot_be_put_in_force(tmp_path: Path) -> None:
    """The error names the file that is missing."""
    from proxy.checks import catalogue
    from proxy.settings import Settings

    with pytest.raises(ModelError, match=r"encoder/manifest.json: cannot be read .*install Parapet again"):
        engine(BOTH, catalogue=catalogue(Settings(models=tmp_path))).guard("", "m")


def test_hidden_text_is_judged_as_it_is_meant() -> None:
    """Folded: letters of another alphabet and unseen characters hide nothing; the span is in the text as it was sent."""
    made = engine(ODD.format(more="with: {categories: [violence]}"), catalogue=kinds(model(Script())))
    verdict = judge(made, "w w vi\u200bоlеnce w")  # with a Cyrillic о and е
    assert verdict.texts == {0: "<violence>"}


@pytest.mark.parametrize("name", GROUPS)
def test_a_group_is_told_by_its_name(name: str) -> None:
    """Every group of the list is found by the name that it has there."""
    assert name in groups_in(f"They wrote about {name} again.")


def test_the_groups_that_a_text_names_are_in_the_finding() -> None:
    """Of findings of bias; words that only contain a name are none."""
    made = engine(BOTH, catalogue=kinds(model(Script())))
    [found] = [f for f in judge(made, "hate for women and Muslims").decision.findings if f.category == "hate"]
    assert dict(found.detail)["groups"] == "women, Muslims"
    assert groups_in("the womenswear menu of Germany's blacksmiths") == []
