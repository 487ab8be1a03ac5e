"""Names that are labels come from the configuration; a tally is as good as its values one by one; saved tokens are reckoned."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxy.core import Action, Decision, Failure, Match
from proxy.metrics import OTHER, Metrics, Usage, usage_of
from proxy.metrics.counted import REVISIONS
from proxy.metrics.table import MOMENTS


def lines(metrics: Metrics, name: str) -> list[str]:
    """What is shown of a metric."""
    return [line for line in metrics.exposition().decode().splitlines() if line.startswith((f"{name}{{", f"{name} "))]


def test_teams_and_revisions_are_bounded() -> None:
    """A team that is not configured, and the revisions after the 64th, count as other."""
    metrics = Metrics(["m"], ["risk"])
    for team in ("risk", "invented", ""):
        metrics.decided(Decision("prompt"), team, "r0")
    for number in range(2 * REVISIONS):
        metrics.decided(Decision("prompt"), "risk", f"r{number}")
    shown = lines(metrics, "parapet_decisions_total")
    assert len(shown) == 2 + REVISIONS + 1
    assert sum(f'team="{OTHER}"' in line for line in shown) == 1
    [rest] = [line for line in shown if f'revision="{OTHER}"' in line]
    assert rest.endswith(f" {float(REVISIONS)}")


def test_the_revision_in_force_is_one_and_earlier_ones_are_zero() -> None:
    """So that a graph shows when it changed."""
    metrics = Metrics()
    metrics.in_force("a")
    metrics.in_force("b")
    assert sorted(lines(metrics, "parapet_policy_in_force")) == [
        'parapet_policy_in_force{revision="a"} 0.0',
        'parapet_policy_in_force{revision="b"} 1.0',
    ]


def test_a_rule_that_acts_since_its_check_failed_is_counted() -> None:
    """By what its on_error says: whoever lets texts pass unchecked must be seen."""
    metrics = Metrics()
    failure = Failure("misuse", "", "timeout")
    matches = (
        Match("p", "open", Action.FLAG, "enforce", failure=failure),
        Match("p", "closed", Action.BLOCK, "enforce", failure=failure),
    )
    metrics.decided(Decision("prompt", Action.BLOCK, Action.BLOCK, matches=matches))
    rest = 'check="misuse",direction="prompt",kind="timeout",mode="enforce"'
    assert sorted(lines(metrics, "parapet_unanswered_total")) == [
        f'parapet_unanswered_total{{{rest},on_error="allow",policy="p",rule="open"}} 1.0',
        f'parapet_unanswered_total{{{rest},on_error="block",policy="p",rule="closed"}} 1.0',
    ]


@given(st.lists(st.floats(0, 2)))
def test_a_tally_counts_as_its_values_would(values: list[float]) -> None:
    """Each in the bucket that it belongs to."""
    together, apart = Metrics(), Metrics()
    tally = together.tally()
    for value in values:
        tally.count(value)
        apart.child("parapet_chunk_guard_seconds").observe(value)
    together.chunks(tally)
    name = "parapet_chunk_guard_seconds_bucket"
    assert lines(together, name) == lines(apart, name)
    assert len(lines(together, name)) == len(MOMENTS) + 1


def test_saved_tokens_are_the_usual_answer_less_what_had_come() -> None:
    """A model that has not answered yet has no usual answer, and saves nothing that anybody knows of."""
    metrics = Metrics(["m"])
    metrics.spared("m", "prompt")
    metrics.used("m", Usage(50, 100))
    metrics.used("m", Usage(50, 300))
    metrics.spared("m", "prompt")
    metrics.spared("m", "completion", 400)
    metrics.spared("m", "completion", 4000)
    assert lines(metrics, "parapet_tokens_saved_total") == [
        'parapet_tokens_saved_total{direction="prompt",model="m"} 200.0',
        'parapet_tokens_saved_total{direction="completion",model="m"} 100.0',
    ]


def test_usage_is_read_by_either_name_and_only_where_it_is_one() -> None:
    """Whatever a backend sends there."""
    assert usage_of({"usage": {"prompt_tokens": 3, "completion_tokens": 5}}) == Usage(3, 5)
    assert usage_of({"usage": {"input_tokens": 3, "output_tokens": 5}}) == Usage(3, 5)
    odd: list[object] = [
        None,
        [],
        {},
        {"usage": 3},
        {"usage": {"prompt_tokens": "3", "completion_tokens": True}},
        {"usage": None},
    ]
    for each in odd:
        assert usage_of(each) is None
    assert Usage(0, 7).after(Usage(3, 1)) == Usage(3, 7)
