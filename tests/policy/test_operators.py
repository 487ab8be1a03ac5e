"""How a rule that redacts replaces: one operator, or one for each category."""

from __future__ import annotations

import pytest

from proxy.core import LABEL, Finding, Operator
from proxy.errors import PolicyError
from proxy.policy import Rule, decide, parse
from tests.policy.world import CATALOGUE

POLICY = """policy: p
rules:
  - id: a
    check: pii
    with: {{entities: [CARD, EMAIL]}}
    action: {action}
    as: {as_}
"""


def rule(as_: str) -> Rule:
    return parse(POLICY.format(action="redact", as_=as_), "p.yaml", CATALOGUE).rules[0]


@pytest.mark.parametrize(
    ("as_", "card", "mail"),
    [
        ("label", LABEL, LABEL),
        ("hash", Operator("hash"), Operator("hash")),
        ("mask", Operator("mask", 4), Operator("mask", 4)),
        ("{CARD: {mask: {keep: 6}}, EMAIL: pseudonym}", Operator("mask", 6), Operator("pseudonym")),
        ("{CARD: mask, default: synthetic}", Operator("mask", 4), Operator("synthetic")),
        ("{CARD: {mask: {keep: 0}}}", Operator("mask", 0), LABEL),
        ("{default: {mask: {keep: 2}}}", Operator("mask", 2), Operator("mask", 2)),
    ],
)
def test_each_category_has_its_operator(as_: str, card: Operator, mail: Operator) -> None:
    """What is not named is replaced as `default` says, or by its label."""
    assert (rule(as_).replaces("CARD"), rule(as_).replaces("EMAIL")) == (card, mail)


WAYS = "expected one of label, hash, synthetic, pseudonym, mask, or a mapping of categories to them"


@pytest.mark.parametrize(
    ("as_", "place", "said"),
    [
        ("masque", "7:9: rules[0].as", "'label', 'hash', 'synthetic', 'pseudonym' or 'mask': did you mean 'mask'?"),
        ("{CART: label}", "7:10: rules[0].as.CART", "did you mean 'CARD'? (known: CARD, EMAIL, default)"),
        ("{IBAN: label}", "7:10: rules[0].as.IBAN", "unknown category of this rule 'IBAN' (known: CARD, EMAIL, default)"),
        ("{CARD: {mask: {keep: -1}}}", "7:30: rules[0].as.CARD.mask.keep", "-1: expected it to be greater than or equal to 0"),
        ("{CARD: {mask: {kep: 1}}}", "7:24: rules[0].as.CARD.mask.kep", "unknown key 'kep': did you mean 'keep'?"),
        ("{mask: {keep: 4}}", "7:9: rules[0].as", "or the word default, before mask: {default: {mask: {keep: 4}}}"),
        ("[label]", "7:9: rules[0].as", WAYS),
        ("{}", "7:9: rules[0].as", WAYS),
    ],
)
def test_a_mistake_is_refused_with_its_place(as_: str, place: str, said: str) -> None:
    """And the way out."""
    with pytest.raises(PolicyError) as caught:
        rule(as_)
    [problem] = map(str, caught.value.problems)
    assert problem.startswith(f"p.yaml:{place}: ")
    assert said in problem


def test_only_a_rule_that_redacts_replaces() -> None:
    """Elsewhere the key would say what does not happen."""
    with pytest.raises(PolicyError, match="no key 'as' in a rule whose action is flag: only redact replaces"):
        parse(POLICY.format(action="flag", as_="label"), "p.yaml", CATALOGUE)


def test_a_decision_says_how_each_finding_is_replaced() -> None:
    """So that a recorded decision can be explained without its policies."""
    policy = parse(POLICY.format(action="redact", as_="{CARD: hash}"), "p.yaml", CATALOGUE)
    found = [Finding("pii", "privacy", category, 0.9, 0, 4) for category in ("CARD", "EMAIL")]
    assert [match.operator for match in decide([policy], "prompt", found).matches] == [Operator("hash"), LABEL]
