"""What a set of policies decides about findings and failures."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy import policy
from proxy.core import DIRECTIONS, ROLES, Action, Decision, Direction, Failure, Finding
from tests.policy.world import CATALOGUE, PAYMENTS

CARD = Finding("pii", "privacy", "CARD", 0.9, 3, 9, role="user")


def made(name: str, rules: str, mode: str = "enforce") -> policy.Policy:
    """A policy with these rules, one a line, each the inside of a mapping."""
    lines = "".join(f"  - {{{line.strip()}}}\n" for line in rules.strip().splitlines())
    return policy.parse(f"policy: {name}\nmode: {mode}\nrules:\n{lines}", f"{name}.yaml", CATALOGUE)


def test_the_strongest_action_wins_and_its_rule_decides() -> None:
    """Over all policies, whatever their order."""
    flag, block = made("f", "id: a, check: pii, action: flag"), made("b", "id: c, check: pii, action: block, message: No cards.")
    for order in itertools.permutations([flag, block]):
        decision = policy.decide(order, "prompt", [CARD])
        assert (decision.action, decision.policy, decision.rule, decision.message) == (Action.BLOCK, "b", "c", "No cards.")
        assert {(m.policy, m.rule, m.action) for m in decision.matches} == {("f", "a", Action.FLAG), ("b", "c", Action.BLOCK)}
        assert decision.policies == tuple(f"{p.name}@{p.digest}" for p in order)


def test_among_equals_the_first_rule_of_the_first_policy_decides() -> None:
    """Whichever finding came first."""
    first = made("one", "id: b, check: pii, with: {entities: [IBAN]}, action: block\nid: a, check: pii, action: block")
    second = made("two", "id: c, check: pii, action: block")
    for findings in itertools.permutations([CARD, dataclasses.replace(CARD, category="IBAN")]):
        assert policy.decide([first, second], "prompt", findings).rule == "b"
    assert policy.decide([second, first], "prompt", [CARD]).rule == "c"


@pytest.mark.parametrize(
    ("finding", "direction"),
    [
        (dataclasses.replace(CARD, check="misuse"), "prompt"),
        (dataclasses.replace(CARD, variant="0123456789ab"), "prompt"),
        (dataclasses.replace(CARD, category="EMAIL"), "prompt"),
        (dataclasses.replace(CARD, role="system"), "prompt"),
        (dataclasses.replace(CARD, score=0.49), "prompt"),
        (CARD, "completion"),
    ],
)
def test_a_rule_matches_when_everything_fits(finding: Finding, direction: Direction) -> None:
    """Direction, check, variant, category, role and score: what differs in one of them is left alone, and kept on record."""
    rules = made("p", "id: a, check: pii, direction: prompt, roles: [user], threshold: 0.5, action: block")
    assert policy.decide([rules], "prompt", [dataclasses.replace(CARD, score=0.5)]).action is Action.BLOCK
    decision = policy.decide([rules], direction, [finding])
    assert (decision.action, decision.would, decision.rule, decision.matches) == (Action.ALLOW, Action.ALLOW, "", ())
    assert decision.findings == (finding,)


def test_monitor_says_what_it_would_do_and_does_nothing() -> None:
    """Its matches are on record; the enforced rule beside it decides."""
    watching, acting = made("m", "id: a, check: pii, action: block", "monitor"), made("e", "id: b, check: pii, action: flag")
    alone = policy.decide([watching], "prompt", [CARD])
    assert (alone.action, alone.would, alone.rule, alone.message) == (Action.ALLOW, Action.BLOCK, "", "")
    assert [m.mode for m in alone.matches] == ["monitor"]
    both = policy.decide([watching, acting], "prompt", [CARD])
    assert (both.action, both.would, both.rule) == (Action.FLAG, Action.BLOCK, "b")


@pytest.mark.parametrize(("on_error", "action"), [("block", Action.BLOCK), ("allow", Action.FLAG)])
def test_a_failure_leads_to_on_error(on_error: str, action: Action) -> None:
    """For every rule that uses the check in this direction, whatever its roles; others do not care."""
    rules = made("p", f"id: a, check: pii, direction: prompt, roles: [tool], action: redact, on_error: {on_error}")
    failure = Failure("pii", "", "timeout")
    decision = policy.decide([rules], "prompt", [], [failure])
    assert (decision.action, decision.rule, decision.failures) == (action, "a", (failure,))
    assert [m.failure for m in decision.matches] == [failure]
    assert policy.decide([rules], "completion", [], [failure]).action is Action.ALLOW
    assert policy.decide([rules], "prompt", [], [Failure("pii", "0123456789ab", "error")]).action is Action.ALLOW


@pytest.mark.parametrize("action", ["flag", "redact", "block"])
def test_the_default_message_names_the_policy_and_the_rule(action: str) -> None:
    """And nothing of the text."""
    decision = policy.decide([made("p", f"id: no-cards, check: pii, action: {action}")], "completion", [CARD])
    assert "completion" in decision.message
    assert "the policy p (rule no-cards)" in decision.message


def test_silence_is_decided_once() -> None:
    """Without findings and failures the decision is the prepared one of these policies and this direction."""
    read = policy.parse(PAYMENTS, "p.yaml", CATALOGUE)
    silent = policy.decide([read], "prompt", [])
    assert silent == Decision("prompt", policies=(f"payments@{read.digest}",))
    assert policy.decide([policy.parse(PAYMENTS, "p.yaml", CATALOGUE)], "prompt", ()) is silent
    assert policy.decide([read], "completion", ()).direction == "completion"
    assert policy.decide([], "prompt", [CARD]).action is Action.ALLOW


RULE = st.builds(
    "id: r{}, check: pii, with: {{entities: [{}]}}, direction: [{}], roles: [{}], threshold: {}, action: {}, on_error: {}".format,
    st.integers(0, 10**9),
    st.sampled_from(["CARD", "IBAN", "CARD, EMAIL"]),
    st.sampled_from(["prompt", "completion", "prompt, completion"]),
    st.sampled_from(["user", "assistant", ", ".join(ROLES)]),
    st.sampled_from(["0", "0.5", "1"]),
    st.sampled_from(["flag", "redact", "block"]),
    st.sampled_from(["block", "allow"]),
)
RULES = st.lists(RULE, min_size=1, max_size=4, unique_by=lambda text: text.split(",")[0]).map("\n".join)
POLICY = st.builds(made, st.integers(0, 10**9).map("p{}".format), RULES, st.sampled_from(["enforce", "enforce", "monitor"]))
POLICIES = st.lists(POLICY, max_size=4, unique_by=lambda p: p.name)
FINDINGS = st.lists(
    st.builds(
        Finding,
        st.sampled_from(["pii", "misuse"]),
        st.just("privacy"),
        st.sampled_from(["CARD", "IBAN", "EMAIL"]),
        st.floats(0, 1),
        st.just(0),
        st.just(4),
        st.sampled_from(["", "other"]),
        st.integers(0, 3),
        st.sampled_from(ROLES),
    ),
    max_size=4,
)
FAILURES = st.lists(st.builds(Failure, st.sampled_from(["pii", "misuse"]), st.just(""), st.just("error")), max_size=2)
DIRECTION = st.sampled_from(DIRECTIONS)


@given(POLICIES, POLICY, DIRECTION, FINDINGS, FAILURES)
def test_adding_a_policy_never_weakens(
    policies: list[policy.Policy], more: policy.Policy, direction: Direction, findings: list[Finding], failures: list[Failure]
) -> None:
    """Neither what is done nor what would be done."""
    before = policy.decide(policies, direction, findings, failures)
    after = policy.decide([*policies, more], direction, findings, failures)
    assert after.action >= before.action
    assert after.would >= before.would


@given(st.data(), POLICIES, DIRECTION, FINDINGS, FAILURES)
def test_order_changes_no_action(
    data: st.DataObject, policies: list[policy.Policy], direction: Direction, findings: list[Finding], failures: list[Failure]
) -> None:
    """Of policies and of findings; nor which matches there are."""
    one = policy.decide(policies, direction, findings, failures)
    other = policy.decide(data.draw(st.permutations(policies)), direction, data.draw(st.permutations(findings)), failures)
    assert (one.action, one.would) == (other.action, other.would)
    assert sorted(map(repr, one.matches)) == sorted(map(repr, other.matches))


@given(POLICIES, DIRECTION, FINDINGS, FAILURES)
def test_monitor_never_acts(
    policies: list[policy.Policy], direction: Direction, findings: list[Finding], failures: list[Failure]
) -> None:
    """What is done is what the enforced policies alone would do, and the rule that decided is one of theirs."""
    decision = policy.decide(policies, direction, findings, failures)
    enforced = policy.decide([p for p in policies if p.mode == "enforce"], direction, findings, failures)
    assert (decision.action, decision.policy, decision.rule) == (enforced.action, enforced.policy, enforced.rule)
    assert decision.would == max([m.action for m in decision.matches], default=Action.ALLOW)


@given(POLICIES, DIRECTION, FINDINGS, FAILURES)
def test_a_decision_depends_on_its_arguments_alone(
    policies: list[policy.Policy], direction: Direction, findings: list[Finding], failures: list[Failure]
) -> None:
    """Asked again, with equal arguments in other containers and after other questions, it is equal."""
    first = policy.decide(policies, direction, findings, failures)
    policy.decide(policies[::-1], direction, findings[::-1])
    assert policy.decide(tuple(policies), direction, tuple(findings), tuple(failures)) == first
