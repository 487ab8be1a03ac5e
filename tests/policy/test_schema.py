"""The JSON Schema of policy files says what the loader says."""

from __future__ import annotations

import jsonschema
import pytest
import yaml

from proxy import policy
from proxy.errors import PolicyError
from tests.policy.world import CATALOGUE, PAYMENTS

RULE = "policy: p\nrules:\n  - {id: a, check: pii, action: flag}\n"


def test_the_schema_is_a_schema() -> None:
    """Of the draft that it names, and a good policy satisfies it."""
    made = policy.schema(CATALOGUE)
    assert made["$schema"] == jsonschema.Draft202012Validator.META_SCHEMA["$id"]
    jsonschema.Draft202012Validator.check_schema(made)
    jsonschema.Draft202012Validator(made).validate(yaml.safe_load(PAYMENTS))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("policy: p", "policy: P P"),
        ("policy: p", "policy: p\nmod: enforce"),
        ("policy: p", "policy: p\napplies_to: {team: x}"),
        ("action: flag", "action: allow"),
        ("action: flag", "action: flag, roles: "),
        ("action: flag", "action: flag, direction: up"),
        ("action: flag", "action: flag, threshold: 2"),
        ("action: flag", "action: flag, timeout: 2"),
        ("check: pii", "check: pi"),
        ("check: pii", "check: pii, with: {entities: [CRAD]}"),
        ("check: pii", "check: pii, with: {categories: [jailbreak]}"),
        ("check: pii", "check: misuse"),
        ("check: pii", "check: misuse, with: {categories: [jailbreak], x: 1}"),
        ("check: pii", "check: misuse, with: {categories: [jailbreak], window: 0}"),
    ],
)
def test_what_the_loader_refuses_the_schema_refuses(old: str, new: str) -> None:
    """An editor underlines it before anyone loads it; the options of `with` follow the check."""
    validator = jsonschema.Draft202012Validator(policy.schema(CATALOGUE))
    assert validator.is_valid(yaml.safe_load(RULE))
    text = RULE.replace(old, new)
    assert not validator.is_valid(yaml.safe_load(text))
    with pytest.raises(PolicyError):
        policy.parse(text, "p.yaml", CATALOGUE)


def test_every_key_is_described() -> None:
    """An editor shows it."""
    made = policy.schema(CATALOGUE)
    rule = made["$defs"]["RuleEntry"]["properties"]
    assert [name for name, part in (made["properties"] | rule).items() if not part.get("description")] == []
    assert "with" in rule
    assert "options" not in rule
