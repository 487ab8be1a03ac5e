"""`parapet policy lint | test | schema`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from proxy import settings
from proxy.cli import main

POLICY = """\
policy: cards
rules:
  - id: no-cards
    check: pii
    with: {entities: [CREDIT_CARD]}
    direction: prompt
    action: redact
"""
TESTS = """\
tests:
  - name: a card is replaced
    prompt: Charge 4111 1111 1111 1111 please
    expect: {action: redact, rule: no-cards, text: "Charge <CREDIT_CARD> please"}
  - name: a number that is no card passes
    prompt: Order 4111 1111 1111 1112 please
    expect: {action: allow}
"""


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """A policy with tests that hold."""
    (tmp_path / "cards_test.yaml").write_text(TESTS)
    file = tmp_path / "cards.yaml"
    file.write_text(POLICY)
    return file


def test_tests_that_hold_pass(policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each case with its place, and the exit status 0."""
    assert main(["policy", "test", str(policy)]) == 0
    said = capsys.readouterr().out
    assert f"PASS  {policy.with_name('cards_test.yaml')}:2  a card is replaced" in said
    assert said.endswith("2 passed, 0 failed\n")


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        ("expect: {action: allow}", "expect: {action: block}", "expected block, got allow"),
        ("rule: no-cards", "rule: other", "expected the rule other, got no-cards"),
        (
            "<CREDIT_CARD> please",
            "<CARD> please",
            "expected the text ['Charge <CARD> please'], got ['Charge <CREDIT_CARD> please']",
        ),
        (
            "action: redact, rule",
            "findings: [IBAN_CODE], action: redact, rule",
            "expected findings of ['IBAN_CODE'], got ['CREDIT_CARD']",
        ),
        ("1112 please", "1111 please", "expected allow, got redact by no-cards"),
    ],
)
def test_a_case_that_does_not_hold_fails(policy: Path, capsys: pytest.CaptureFixture[str], was: str, now: str, said: str) -> None:
    """It says what was expected and what came, and the exit status is 1."""
    policy.with_name("cards_test.yaml").write_text(TESTS.replace(was, now))
    assert main(["policy", "test", str(policy)]) == 1
    printed = capsys.readouterr().out
    assert "FAIL" in printed
    assert said in printed


def test_a_rule_without_a_near_miss_fails(policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both by `test` and by `lint`."""
    policy.with_name("cards_test.yaml").write_text(TESTS[: TESTS.index("  - name: a number")])
    assert main(["policy", "test", str(policy)]) == 1
    assert main(["policy", "lint", str(policy)]) == 1
    assert "no-cards" in capsys.readouterr().out


def test_a_policy_in_monitor_mode_is_tested_by_what_it_would_do(policy: Path) -> None:
    """So that its tests need no change when it is enforced."""
    policy.write_text(POLICY.replace("rules:", "mode: monitor\nrules:"))
    policy.with_name("cards_test.yaml").write_text(TESTS.replace(', text: "Charge <CREDIT_CARD> please"', ""))
    assert main(["policy", "test", str(policy)]) == 0


def test_a_case_of_another_team_expects_that_the_policy_does_not_apply(policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A case that expects more fails and says why."""
    policy.write_text(POLICY.replace("rules:", "applies_to: {teams: [payments]}\nrules:"))
    policy.with_name("cards_test.yaml").write_text(
        TESTS.replace("  - name: a card is replaced", "  - name: a card is replaced\n    team: sales")
    )
    assert main(["policy", "test", str(policy)]) == 1
    assert "the policy does not apply" in capsys.readouterr().out


def test_lint_prints_the_place_of_every_mistake(policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """File, line, column; 1 as the exit status."""
    policy.write_text(POLICY.replace("action: redact", "action: redct").replace("check: pii", "chek: pii"))
    assert main(["policy", "lint", str(policy)]) == 1
    said = capsys.readouterr().out
    assert f"{policy}:4:5" in said
    assert "redct" in said


def test_the_shipped_policies_have_no_problems() -> None:
    """Lint and tests pass on what is shipped, by folder and by name."""
    assert main(["policy", "lint", str(settings.shipped_policies())]) == 0
    assert main(["policy", "test", "baseline"]) == 0


def test_a_policy_that_does_not_exist_is_refused_with_those_that_do(capsys: pytest.CaptureFixture[str]) -> None:
    """The exit status is 2."""
    assert main(["policy", "lint", "basline"]) == 2
    assert "baseline" in capsys.readouterr().err


def test_the_schema_is_printed_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """An editor can use it."""
    assert main(["policy", "schema"]) == 0
    assert json.loads(capsys.readouterr().out)["type"] == "object"


def test_names_and_hashes_are_the_same_in_every_test(policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Under a key of the tests' own, so that they can be written down; no key has to be configured."""
    policy.write_text(POLICY + "    as: pseudonym\n")
    tests = policy.with_name("cards_test.yaml")
    tests.write_text(TESTS.replace("<CREDIT_CARD>", "<CREDIT_CARD_0a1b2c>"))
    assert main(["policy", "test", str(policy)]) == 1
    name = re.findall(r"<CREDIT_CARD_[0-9a-f]{6}>", capsys.readouterr().out)[-1]
    tests.write_text(TESTS.replace("<CREDIT_CARD>", name))
    assert main(["policy", "test", str(policy)]) == 0
    assert name == "<CREDIT_CARD_1921eb>"
