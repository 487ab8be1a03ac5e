"""Where a backend may be called while its prompt is still judged, and which policies are refused for asking it."""

from __future__ import annotations

import pytest

from proxy.checks import CATALOGUE
from proxy.errors import PolicyError
from proxy.policy import Policy, overlaps, parse

OVERLAP = "policy: p\noverlap: true\nrules:\n  - {id: a, direction: %s, %s}\n"


@pytest.mark.parametrize(
    ("direction", "rule", "said"),
    [
        ("prompt", "check: custom, with: {deny: [{entity: A, words: [a]}]}, action: redact", "no rule that replaces prompts"),
        ("[prompt, completion]", "check: pii, action: block", "refuses prompts for privacy"),
        ("prompt", "check: secrets, action: flag", "on_error: allow"),
        ("prompt", "check: http, with: {kind: presidio, url: 'http://a'}, action: block", "refuses prompts for privacy"),
        ("prompt", "check: http, with: {kind: parapet, url: 'http://a', family: privacy}, action: block", "for privacy"),
    ],
)
def test_overlap_is_refused_where_a_prompt_must_not_reach_the_backend_first(direction: str, rule: str, said: str) -> None:
    """The place and the way out are named; the same rule for completions alone is fine."""
    with pytest.raises(PolicyError) as caught:
        parse(OVERLAP % (direction, rule), "p.yaml", CATALOGUE)
    [problem] = caught.value.problems
    assert said in problem.message
    assert problem.line == 4
    assert parse(OVERLAP % ("completion", rule), "p.yaml", CATALOGUE).overlap


def test_overlap_holds_where_every_policy_that_may_stop_a_prompt_allows_it() -> None:
    """Policies that only look need not say so; one that may block, also for want of an answer, must."""

    def made(name: str, rule: str, more: str = "") -> Policy:
        return parse(f"policy: {name}\n{more}\nrules:\n  - {{id: a, {rule}}}\n", "p.yaml", CATALOGUE)

    block = "check: custom, with: {deny: [{entity: A, words: [a]}]}, action: block"
    judging = made("a", block, "overlap: true")
    for other, allowed in [
        (made("b", "check: pii, action: flag, on_error: allow"), True),
        (made("b", "check: pii, action: flag"), False),
        (made("b", "check: pii, action: redact, direction: completion"), True),
        (made("b", "check: pii, action: redact", "mode: monitor"), True),
        (made("b", block), False),
        (made("b", block, "overlap: true"), True),
    ]:
        assert overlaps([judging, other]) is allowed
        assert not overlaps([other]) or other.overlap
    assert not overlaps([])
