"""The tests beside a policy: how they are read, and when they say enough."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy import policy
from proxy.core import Action, Segment
from proxy.errors import PolicyError
from tests.policy.world import CATALOGUE, PAYMENTS

CARDS = policy.parse(PAYMENTS, "payments.yaml", CATALOGUE)
ONE = policy.parse("policy: one\nrules:\n  - {id: a, check: pii, action: flag, roles: [user]}\n", "one.yaml", CATALOGUE)
HITS = """\
tests:
  - {name: hit 1, prompt: x, expect: {action: redact, rule: no-card-numbers}}
  - {name: hit 2, prompt: x, expect: {action: block, rule: no-jailbreaks}}
"""


def uncovered(of: policy.Policy, text: str) -> list[str]:
    """What the cases in the text leave open."""
    return [str(problem) for problem in policy.coverage(of, policy.parse_cases(text, "t.yaml"))]


def refused(text: str) -> str:
    """What is said of a text that holds no cases."""
    with pytest.raises(PolicyError) as caught:
        policy.parse_cases(text, "t.yaml")
    return str(caught.value)


def test_a_case_knows_its_place_and_its_texts(tmp_path: Path) -> None:
    """A text alone is the user's, or in a completion the assistant's; a list says whose each is."""
    file = policy.beside(tmp_path / "payments.yaml")
    assert file == tmp_path / "payments_test.yaml"
    file.write_text(
        "tests:\n"
        "  - name: one\n"
        "    completion: hello\n"
        "    expect: {action: allow}\n"
        "  - name: two\n"
        "    prompt: [{role: system, text: be kind}, {role: tool, text: '4111'}]\n"
        "    team: risk\n"
        "    model: m\n"
        "    near: r\n"
        "    expect: {action: redact, rule: r, text: [be kind, <CARD>], findings: [CARD]}\n"
    )
    one, two = policy.load_cases(file)
    assert one == policy.Case(
        "one", "completion", (Segment("hello", "assistant"),), policy.Expect(Action.ALLOW), None, None, (), str(file), 2
    )
    assert [(s.text, s.role) for s in two.segments] == [("be kind", "system"), ("4111", "tool")]
    assert (two.line, two.team, two.model, two.near) == (5, "risk", "m", ("r",))
    assert two.expect == policy.Expect(Action.REDACT, "r", ("be kind", "<CARD>"), frozenset({"CARD"}))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tests: []", "at least 1 item"),
        ("tests:\n  - {name: a, expect: {action: allow}}", "t.yaml:2:5: tests[0]: a mapping of 2: expected either prompt or"),
        ("tests:\n  - {name: a, prompt: x, completion: z, expect: {action: allow}}", "expected either prompt or completion"),
        ("tests:\n  - {name: a, prompt: [], expect: {action: allow}}", "expected at least one text"),
        ("tests:\n  - {name: a, prompt: x, expect: {action: alow}}", "did you mean 'allow'?"),
        ("tests:\n  - {name: a, prompt: x, expct: {action: allow}}", "did you mean 'expect'?"),
        ("tests:\n  - {name: a, prompt: x, expect: {action: allow, rule: r}}", "expected no rule with the action allow"),
        ("tests:\n  - {name: a, prompt: x, expect: {action: redact, text: [x, z]}}", "expected as many texts in expect.text"),
        (
            "tests:\n  - {name: a, prompt: x, expect: {action: allow}}\n  - {name: a, prompt: z, expect: {action: allow}}",
            "t.yaml:3:1: 'a': a test of this name is already at line 2",
        ),
    ],
)
def test_a_mistake_in_a_case_is_refused(text: str, said: str) -> None:
    """With its place and what was expected."""
    assert said in refused(text)


def test_every_rule_needs_a_hit_and_a_near_miss() -> None:
    """Each rule that has none of one kind is named, with what is missing."""
    said = uncovered(CARDS, "tests:\n  - {name: a, prompt: x, near: no-card-numbers, expect: {action: allow}}")
    at, untested = "payments.yaml:1:1:", "the rule is not tested with"
    hit, miss = f"{untested} a hit: a case that expects the action", f"{untested} a near miss: a case that passes, with"
    assert said == [
        f"{at} no-card-numbers: {hit} redact and the rule no-card-numbers",
        f"{at} no-jailbreaks: {hit} block and the rule no-jailbreaks",
        f"{at} no-jailbreaks: {miss} `near: no-jailbreaks`",
    ]


def test_a_greeting_is_close_to_no_rule_of_several_checks() -> None:
    """So it is a near miss where it says so, and in a policy of one check."""
    greeting = "  - {name: g, prompt: hello, expect: {action: allow}}\n"
    assert [line.split(":")[3] for line in uncovered(CARDS, HITS + greeting)] == [" no-card-numbers", " no-jailbreaks"]
    assert uncovered(CARDS, HITS + greeting.replace("expect", "near: [no-card-numbers, no-jailbreaks], expect")) == []
    assert uncovered(ONE, "tests:\n  - {name: h, prompt: x, expect: {action: flag, rule: a}}\n" + greeting) == []


def test_a_hit_of_another_rule_of_the_same_check_is_a_near_miss() -> None:
    """It shows that the rule tells its own categories from the other's; a hit of another check shows nothing."""
    text = "policy: two\nrules:\n  - {id: a, check: pii, with: {entities: [CARD]}, action: flag}\n"
    same = policy.parse(text + "  - {id: b, check: pii, with: {entities: [IBAN]}, action: block}\n", "two.yaml", CATALOGUE)
    other = policy.parse(
        text + "  - {id: b, check: misuse, with: {categories: [jailbreak]}, action: block}\n", "two.yaml", CATALOGUE
    )
    hits = (
        "tests:\n"
        "  - {name: hit 1, prompt: x, expect: {action: flag, rule: a}}\n"
        "  - {name: hit 2, prompt: x, expect: {action: block, rule: b}}\n"
    )
    assert uncovered(same, hits) == []
    assert len(uncovered(other, hits)) == 2


@pytest.mark.parametrize(
    "case",
    [
        "completion: x, near: no-jailbreaks",
        "prompt: [{role: system, text: x}], near: no-card-numbers",
        "prompt: x, team: sales, near: [no-card-numbers, no-jailbreaks]",
    ],
)
def test_what_a_rule_never_sees_is_no_near_miss(case: str) -> None:
    """Another direction, another role, a call that the policy does not apply to."""
    rest = "  - {name: miss, prompt: x, near: [no-card-numbers, no-jailbreaks], expect: {action: allow}}\n"
    assert uncovered(CARDS, HITS + rest) == []
    assert uncovered(CARDS, HITS + rest.replace("prompt: x, near: [no-card-numbers, no-jailbreaks]", case)) != []


def test_a_wrong_action_is_no_hit() -> None:
    """The case has to expect what the rule asks for."""
    text = (
        HITS.replace("redact", "flag")
        + "  - {name: miss, prompt: x, near: [no-card-numbers, no-jailbreaks], expect: {action: allow}}"
    )
    assert len(uncovered(CARDS, text)) == 1


def test_a_rule_that_the_policy_does_not_have_is_named() -> None:
    """In the case's line, with what it may have been meant to be."""
    text = "tests:\n  - {name: miss, prompt: x, near: b, expect: {action: flag, rule: aa}}"
    unknown = [line for line in uncovered(ONE, text) if "unknown rule" in line]
    assert unknown[0] == "t.yaml:2:1: 'miss': unknown rule 'b' (known: a)"
    assert len(unknown) == 2
