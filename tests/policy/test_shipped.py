"""The policies that ship: uniform, described, and each rule with a hit and a near miss."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest
import yaml

from proxy import policy
from proxy.checks import CATALOGUE
from proxy.cli import main

FOLDER = Path(__file__).parents[2] / "policies"
SHIPPED = sorted(file for file in FOLDER.glob("*.yaml") if not policy.is_tests(file))


def test_the_shipped_policies_make_a_set() -> None:
    """With the real checks, the baseline among them."""
    assert "baseline" in [p.name for p in policy.load([FOLDER], CATALOGUE).policies]


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_a_shipped_policy_is_whole(file: Path) -> None:
    """Its schema is named on the first line and satisfied; it and each rule say what for, each rule for which controls."""
    [read] = policy.load([file], CATALOGUE).policies
    assert file.read_text().startswith("# yaml-language-server: $schema=schema.json\n")
    jsonschema.Draft202012Validator(policy.schema(CATALOGUE)).validate(yaml.safe_load(file.read_text()))
    assert read.name == file.stem
    assert read.description
    assert [rule.id for rule in read.rules if not (rule.description and rule.controls)] == []


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_a_shipped_policy_is_covered_by_its_tests(file: Path) -> None:
    """Every rule has a hit and a near miss."""
    [read] = policy.load([file], CATALOGUE).policies
    assert policy.coverage(read, policy.load_cases(policy.beside(file))) == []


@pytest.mark.slow
def test_the_shipped_policies_do_what_their_tests_say(capsys: pytest.CaptureFixture[str]) -> None:
    """With the models that ship: whoever runs `parapet policy test` first sees every line pass."""
    ended = main(["policy", "test", str(FOLDER)])
    said = capsys.readouterr().out
    assert [line for line in said.splitlines() if line.startswith("FAIL")] == []
    assert ended == 0
