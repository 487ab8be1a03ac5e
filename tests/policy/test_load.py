"""Policy files become an immutable set, or a list of everything that is wrong with them."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy import policy
from proxy.core import Action
from proxy.errors import PolicyError, Problem
from tests.policy.world import CATALOGUE, PAYMENTS, PiiOptions

MINIMAL = "policy: {name}\nrules:\n  - {{id: a, check: pii, action: flag}}\n"


def refused(text: str) -> list[str]:
    """What is said of a text that is no policy."""
    with pytest.raises(PolicyError) as caught:
        policy.parse(text, "p.yaml", CATALOGUE)
    return [str(problem) for problem in caught.value.problems]


def rule(text: str) -> policy.Rule:
    """The one rule that has these further keys."""
    return policy.parse(f"policy: p\nrules:\n  - {{id: a, check: pii, action: flag, {text}}}\n", "p.yaml", CATALOGUE).rules[0]


def test_a_policy_is_compiled_as_it_is_written() -> None:
    """Every key of the file arrives in its field, durations in seconds."""
    read = policy.parse(PAYMENTS, "payments.yaml", CATALOGUE)
    cards, jailbreaks = read.rules
    assert (read.name, read.teams, read.models, read.mode) == ("payments", ("payments", "risk-*"), ("*",), "enforce")
    assert read.digest == hashlib.sha256(PAYMENTS.encode()).hexdigest()[:12]
    assert cards == policy.Rule(
        policy="payments",
        id="no-card-numbers",
        description="Card data must stay inside the cardholder environment.",
        controls=("PCI-DSS-3.4", "GDPR-5.1.c"),
        check="pii",
        variant="",
        categories=frozenset({"CARD", "IBAN"}),
        directions=frozenset({"prompt", "completion"}),
        roles=frozenset({"user", "tool"}),
        threshold=0.5,
        action=Action.REDACT,
        on_error="block",
        timeout=0.2,
        message="",
        mode="enforce",
        options=PiiOptions(),
    )
    assert jailbreaks.message == "This request was refused by the payments policy."
    assert (jailbreaks.directions, jailbreaks.roles, jailbreaks.timeout) == (frozenset({"prompt"}), None, None)


def test_what_is_left_out_has_its_default() -> None:
    """Everyone, every model, both directions, every role, the check's own categories, block when the check fails."""
    read = policy.parse(MINIMAL.format(name="p"), "p.yaml", CATALOGUE)
    [only] = read.rules
    assert (read.teams, read.models, read.mode) == (("*",), ("*",), "enforce")
    assert (only.directions, only.roles, only.threshold) == (frozenset({"prompt", "completion"}), None, 0.5)
    assert (only.categories, only.on_error, only.timeout) == (frozenset({"CARD", "IBAN"}), "block", None)


def test_a_compiled_policy_cannot_be_changed() -> None:
    """Neither the policy nor its rules."""
    read = policy.parse(PAYMENTS, "p.yaml", CATALOGUE)
    with pytest.raises(dataclasses.FrozenInstanceError):
        read.mode = "monitor"  # type: ignore[misc]  # what is tested
    with pytest.raises(dataclasses.FrozenInstanceError):
        read.rules[0].threshold = 1.0  # type: ignore[misc]  # the same


def test_rules_that_differ_in_categories_alone_share_a_variant() -> None:
    """The variant is empty for the defaults, and otherwise says what the other options are, in whatever order they stand."""
    assert rule("threshold: 0.1").variant == rule("with: {entities: [EMAIL]}").variant == ""
    first, second = rule("with: {allow: [b, a, c]}"), rule("with: {entities: [CARD], allow: [c, a, b]}")
    assert first.variant == second.variant != ""
    assert first.options == second.options
    assert rule("with: {allow: [a]}").variant not in ("", first.variant)


@pytest.mark.parametrize(("text", "seconds"), [("1ms", 0.001), ("200ms", 0.2), ("2s", 2.0), ("0.5s", 0.5), ("30s", 30.0)])
def test_durations_have_a_unit(text: str, seconds: float) -> None:
    """Milliseconds or seconds."""
    assert rule(f"timeout: {text}").timeout == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("treshold: 0.5", "unknown key 'treshold': did you mean 'threshold'?"),
        ("threshold: 1.1", "1.1: expected it to be less than or equal to 1"),
        ("threshold: -0.1", "-0.1: expected it to be greater than or equal to 0"),
        ("threshold: true", "true: expected a number"),
        ("threshold: '0.5'", "'0.5': expected a number"),
        ("timeout: 200", "200: expected a duration with its unit, such as 200ms or 2s"),
        ("timeout: 0s", "'0s': expected a duration of more than 0 and at most 30s"),
        ("timeout: 31s", "'31s': expected a duration of more than 0 and at most 30s"),
        ("direction: promt", "'promt': expected 'prompt' or 'completion': did you mean 'prompt'?"),
        ("direction: []", "expected at least one entry"),
        ("direction: [prompt, prompt]", "'prompt' is here twice"),
        ("roles: [human]", "'human': expected 'system', 'user'"),
        ("roles: ", "expected a value"),
        ("on_error: ignore", "'ignore': expected 'block' or 'allow'"),
        ("on: prompt", "YAML reads the key on as true"),
        ("level: strict", "the check 'pii' has no levels: write a threshold"),
        ("message: ''", "expected it to have at least 1 character"),
        ("with: {entities: [CRAD]}", "'CRAD': expected 'CARD', 'IBAN' or 'EMAIL': did you mean 'CARD'?"),
        ("with: {entities: []}", "expected at least one entry"),
        ("with: {alow: [x]}", "unknown key 'alow': did you mean 'allow'? (known: allow, entities)"),
        ("with: 7", "7: expected a mapping"),
    ],
)
def test_a_mistake_in_a_rule_is_refused(text: str, said: str) -> None:
    """In the rule's line, with the value and what was expected."""
    [problem] = refused(f"policy: p\nrules:\n  - id: a\n    check: pii\n    action: flag\n    {text}\n")
    assert problem.startswith("p.yaml:6:")
    assert said in problem


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("policy: p\nrules: []", "p.yaml:2:8: rules: a list of 0: expected it to have at least 1 item"),
        ("policy: p", "p.yaml:1:1: the key 'rules' is missing"),
        ("[1]", "p.yaml:1:1: a list of 1: expected a mapping"),
        (MINIMAL.format(name="Pay ments"), "p.yaml:1:9: policy: 'Pay ments': expected lower-case letters"),
        (MINIMAL.format(name="a" * 65), "expected lower-case letters"),
        (MINIMAL.format(name="p") + "mode: montior", "p.yaml:4:7: mode: 'montior': expected 'enforce' or 'monitor'"),
        (MINIMAL.format(name="p") + "applies_to: {team: x}", "unknown key 'team': did you mean 'teams'?"),
        (MINIMAL.format(name="p") + "applies_to: {teams: []}", "expected at least one entry"),
        (MINIMAL.format(name="p") + "  - {id: b, check: pii, action: allow}", "'allow': expected 'flag', 'redact' or 'block'"),
        (
            MINIMAL.format(name="p") + "  - {id: b, check: pi, action: flag}",
            "unknown check 'pi': did you mean 'pii'? (known: misuse",
        ),
        (MINIMAL.format(name="p") + "  - {id: a, check: pii, action: flag}", "a rule 'a' is already at line 3, column 10"),
        (MINIMAL.format(name="p") + "  - {id: b, check: misuse, action: flag}", "rules[1].with: the key 'categories' is missing"),
    ],
)
def test_a_mistake_in_a_policy_is_refused(text: str, said: str) -> None:
    """With its place, and for a second rule of one name with the place of the first."""
    [problem] = refused(text)
    assert said in problem


def test_the_options_of_a_check_are_held_to_its_own_model() -> None:
    """Unknown keys, wrong types and unknown categories are placed in `with`, whether or not the model thought of them."""
    text = "policy: p\nrules:\n  - id: a\n    check: misuse\n    with: {categories: [jailbrek], window: %s}\n    action: flag\n"
    [problem] = refused(text % "4")
    assert problem.startswith("p.yaml:5:25: rules[0].with.categories[0]: unknown category 'jailbrek': did you mean 'jailbreak'?")
    assert refused(text % "2.5, x: 1") == [
        "p.yaml:5:44: rules[0].with.window: 2.5: expected a whole number",
        "p.yaml:5:49: rules[0].with.x: unknown key 'x' (known: categories, window)",
    ]


def test_mistakes_in_shape_and_in_checks_are_found_together() -> None:
    """One look finds them all: nobody mends a file one message at a time."""
    found = refused(
        "policy: p\nmod: x\nrules:\n  - {id: a, check: pi, action: flg}\n  - {id: b, check: pii, with: {x: 1}, action: flag}\n"
    )
    assert [line.split(": ")[1] for line in found] == ["mod", "rules[0].check", "rules[0].action", "rules[1].with.x"]


def write(folder: Path, **texts: str) -> Path:
    """A folder of policy files."""
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder


def test_a_folder_is_read_in_the_order_of_its_names(tmp_path: Path) -> None:
    """Without tests, hidden files and folders; a file that is named again is read once."""
    write(tmp_path, b=MINIMAL.format(name="one"), a=MINIMAL.format(name="two"), a_test="tests: []")
    (tmp_path / ".hidden.yaml").write_text("no policy")
    (tmp_path / "c.yml").write_text(MINIMAL.format(name="three"))
    (tmp_path / "..data.yaml").mkdir()
    read = policy.load([tmp_path / "b.yaml", tmp_path], CATALOGUE)
    assert [p.name for p in read.policies] == ["one", "two", "three"]
    assert read.policies[0].file == str(tmp_path / "b.yaml")


def test_only_regular_files_count(tmp_path: Path) -> None:
    """A pipe would be waited for without end: in a folder it is passed over, by name it is refused."""
    (tmp_path / "a.yaml").write_text(MINIMAL.format(name="a"))
    os.mkfifo(tmp_path / "b.yaml")
    assert [each.name for each in policy.load([tmp_path], CATALOGUE).policies] == ["a"]
    with pytest.raises(PolicyError, match=r"b\.yaml:1:1: expected a regular file"):
        policy.load([tmp_path / "b.yaml"], CATALOGUE)


@pytest.mark.parametrize("target", ["gone.yaml", "b.yaml"])
def test_a_link_that_leads_to_no_file_is_a_mistake(tmp_path: Path, target: str) -> None:
    """To nowhere or to itself: a policy that somebody meant to be in force is not passed over."""
    (tmp_path / "a.yaml").write_text(MINIMAL.format(name="a"))
    (tmp_path / "b.yaml").symlink_to(target)
    with pytest.raises(PolicyError, match=r"b\.yaml:1:1: cannot be read"):
        policy.load([tmp_path], CATALOGUE)


def test_links_are_followed(tmp_path: Path) -> None:
    """A mounted ConfigMap consists of links into a hidden folder."""
    (tmp_path / "..data").mkdir()
    (tmp_path / "..data" / "p.yaml").write_text(MINIMAL.format(name="p"))
    (tmp_path / "p.yaml").symlink_to(Path("..data", "p.yaml"))
    assert [p.name for p in policy.load([tmp_path], CATALOGUE).policies] == ["p"]


def test_the_problems_of_all_files_are_collected(tmp_path: Path) -> None:
    """A bad file, a missing one, an empty folder, a test file and a name given twice, in one error."""
    write(tmp_path, a="policy: [", b=MINIMAL.format(name="x"), c="\n" + MINIMAL.format(name="x"), d_test="tests: []")
    (tmp_path / "empty").mkdir()
    with pytest.raises(PolicyError) as caught:
        policy.load([tmp_path, tmp_path / "absent.yaml", tmp_path / "empty", tmp_path / "d_test.yaml"], CATALOGUE)
    said = str(caught.value).replace(f"{tmp_path}/", "")
    for expected in (
        "a.yaml:2:1: while parsing",
        "absent.yaml:1:1: cannot be read: No such file",
        "empty:1:1: the folder has no policy",
        "d_test.yaml:1:1: these are the tests of a policy",
        "c.yaml:2:9: policy: a policy 'x' is already in b.yaml:1",
    ):
        assert expected in said
    assert len(caught.value.problems) == 5


def test_the_revision_changes_with_any_byte_of_any_file(tmp_path: Path) -> None:
    """And with nothing else: the same files elsewhere have the same revision."""
    (tmp_path / "x").mkdir()
    (tmp_path / "y").mkdir()
    first = policy.load([write(tmp_path / "x", a=MINIMAL.format(name="p"))], CATALOGUE).revision
    assert policy.load([write(tmp_path / "y", b=MINIMAL.format(name="p"))], CATALOGUE).revision == first
    assert policy.load([write(tmp_path / "x", a=MINIMAL.format(name="p") + "\n")], CATALOGUE).revision != first


def test_applies_to_matches_teams_and_models_together() -> None:
    """Both have to fit; patterns are of the shell's kind and tell capitals apart; who has no team fits `*` alone."""
    everyone = policy.parse(MINIMAL.format(name="all"), "all.yaml", CATALOGUE)
    some = policy.parse(
        MINIMAL.format(name="some") + 'applies_to: {teams: "risk-*", models: [llama-*, gpt-4o]}', "some.yaml", CATALOGUE
    )
    both = policy.policy_set([everyone, some])
    names = {
        call: [p.name for p in both.matching(*call)] for call in [("risk-eu", "gpt-4o"), ("risk-eu", "x"), ("Risk-eu", "gpt-4o")]
    }
    assert names == {("risk-eu", "gpt-4o"): ["all", "some"], ("risk-eu", "x"): ["all"], ("Risk-eu", "gpt-4o"): ["all"]}
    assert both.matching("", "llama-3") == (everyone,)


@given(st.text(max_size=80))
def test_any_text_is_a_policy_or_a_policy_error(text: str) -> None:
    """No value in a rule's place ends in an exception of another kind."""
    found: list[Problem] = []
    try:
        policy.parse(f"policy: p\nrules:\n  - {{id: a, check: pii, action: flag}}\n  - {text}", "p.yaml", CATALOGUE)
    except PolicyError as error:
        found = error.problems
    assert all(problem.file == "p.yaml" and problem.line >= 1 and problem.message for problem in found)
