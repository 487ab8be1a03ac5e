"""The moments at which alerts must fire, and those at which they must not: what `promtool test rules` holds the rules to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dashboards.alerts import ALERTS

Series = Mapping[str, str]  # as promtool writes them, a value a minute
Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Moment:
    """A story, and at which minute an alert fires with which labels; None: it does not."""

    alert: str
    story: str
    series: Series
    fires: Mapping[int, Labels | None]


UNANSWERED = (
    'parapet_unanswered_total{policy="p",rule="r",check="misuse",kind="timeout",mode="enforce",direction="prompt",on_error="%s"}'
)
SERVED = 'parapet_calls_total{outcome="served"}'
FAILED = 'parapet_calls_total{outcome="backend_error"}'
SCORE, SCORES = 'parapet_classifier_score_bucket{check="misuse",le="%s"}', 'parapet_classifier_score_count{check="misuse"}'
BLOCKED, ALLOWED = 'parapet_decisions_total{action="block"}', 'parapet_decisions_total{action="allow"}'
CHANGED = "parapet_policy_changed_timestamp_seconds"
OPEN = 'parapet_backend_open{model="m",backend="%s",instance="a"}'
DELAY = 'parapet_event_loop_delay_seconds_bucket{instance="a",le="%s"}'
GUARD = "parapet_guard_seconds_%s"
A = {"instance": "a"}
RULE = {"policy": "p", "rule": "r", "check": "misuse", "kind": "timeout"}

MOMENTS = (
    Moment(
        "ParapetDown",
        "an instance goes away",
        {'up{job="parapet",instance="a"}': "1x10 0x20"},
        {12: None, 14: {"job": "parapet", **A}},
    ),
    Moment("ParapetDown", "there is no instance", {"up": "1x10"}, {1: None, 5: {"job": "parapet"}}),
    Moment(
        "ParapetGuardNotRunning",
        "checks stop while calls are served",
        {SERVED: "0+60x60", "parapet_check_seconds_count": "0+60x20 1200x40"},
        {15: None, 35: {}},
    ),
    Moment("ParapetGuardNotRunning", "nobody calls", {SERVED: "100x60", "parapet_check_seconds_count": "100x60"}, {30: None}),
    Moment("ParapetGuardNotRunning", "no check has ever run", {SERVED: "0+60x60"}, {30: {}}),
    Moment(
        "ParapetUnguardedCalls",
        "one call, the first of its kind",
        {'parapet_unguarded_calls_total{model="m",team="risk"}': "_x20 1x60"},
        {15: None, 28: {"model": "m", "team": "risk"}, 60: None},
    ),
    Moment(
        "ParapetChecksFailing",
        "half of the calls",
        {SERVED: "0+60x60", 'parapet_check_failures_total{check="misuse",kind="timeout"}': "0+30x60"},
        {3: None, 20: {"check": "misuse"}},
    ),
    Moment(
        "ParapetChecksFailing",
        "one call in twenty",
        {SERVED: "0+60x60", 'parapet_check_failures_total{check="misuse",kind="timeout"}': "0+3x60"},
        {30: None},
    ),
    Moment(
        "ParapetErrorBudgetFast", "a tenth fails for long", {SERVED: "0+100x120", FAILED: "0x60 10+10x60"}, {62: None, 80: {}}
    ),
    Moment(
        "ParapetErrorBudgetFast",
        "a tenth fails for three minutes",
        {SERVED: "0+100x180", FAILED: "0x60 10+10x2 30x100"},
        {64: None, 90: None},
    ),
    Moment("ParapetErrorBudgetSlow", "7 in 1000 fail", {SERVED: "0+993x120", FAILED: "0+7x120"}, {10: None, 60: {}}),
    Moment("ParapetErrorBudgetSlow", "4 in 1000 fail", {SERVED: "0+996x120", FAILED: "0+4x120"}, {100: None}),
    Moment(
        "ParapetGuardSlow",
        "one in ten is slow",
        {GUARD % 'bucket{direction="prompt",le="0.25"}': "0+90x60", GUARD % 'count{direction="prompt"}': "0+100x60"},
        {5: None, 20: {"direction": "prompt"}},
    ),
    Moment(
        "ParapetGuardSlow",
        "one in fifty is slow",
        {GUARD % 'bucket{direction="prompt",le="0.25"}': "0+98x60", GUARD % 'count{direction="prompt"}': "0+100x60"},
        {30: None},
    ),
    Moment(
        "ParapetFailOpen", "a text passes for the first time", {UNANSWERED % "allow": "_x20 1x60"}, {19: None, 21: RULE, 45: None}
    ),
    Moment("ParapetFailOpen", "another one passes", {UNANSWERED % "allow": "1x20 2x60"}, {18: None, 22: RULE, 45: None}),
    Moment("ParapetFailOpen", "texts are blocked unchecked", {UNANSWERED % "block": "0+5x60"}, {30: None}),
    Moment(
        "ParapetNotInspectedRising",
        "from one in a hundred calls to every second",
        {SERVED: "0+100x600", 'parapet_not_inspected_total{reason="image"}': "0+1x400 450+50x100"},
        {350: None, 402: None, 440: {}},
    ),
    Moment(
        "ParapetRecordsLost",
        "one is lost",
        {'parapet_records_total{result="lost",instance="a"}': "0x10 1x30"},
        {9: None, 12: A, 30: None},
    ),
    Moment("ParapetPolicyRefused", "files stay wrong", {'parapet_policy_refused{instance="a"}': "0x10 1x20"}, {13: None, 17: A}),
    Moment(
        "ParapetPolicyRefused",
        "they are corrected at once",
        {'parapet_policy_refused{instance="a"}': "0x10 1x2 0x20"},
        {17: None},
    ),
    Moment(
        "ParapetBlockRateLeap",
        "ten times as much since a change",
        {BLOCKED: "0+1x180 190+10x100", ALLOWED: "0+99x300", CHANGED: "0x180 10800x120"},
        {175: None, 182: None, 205: {}},
    ),
    Moment(
        "ParapetBlockRateLeap",
        "as much more, without a change",
        {BLOCKED: "0+1x180 190+10x100", ALLOWED: "0+99x300", CHANGED: "0x300"},
        {205: None},
    ),
    Moment(
        "ParapetBlockRateLeap",
        "a change, and no more",
        {BLOCKED: "0+1x300", ALLOWED: "0+99x300", CHANGED: "0x180 10800x120"},
        {205: None},
    ),
    Moment(
        "ParapetClassifierDrift",
        "half of the windows score high, where one in ten did",
        {SCORE % "0.5": "0+90x480 43250+50x120", SCORE % "+Inf": "0+100x600", SCORES: "0+100x600"},
        {400: None, 500: None, 590: {"check": "misuse"}},
    ),
    Moment(
        "ParapetClassifierDrift",
        "the same, of very few windows",
        {SCORE % "0.5": "0+1x480 480x120", SCORE % "+Inf": "0+1x600", SCORES: "0+1x600"},
        {590: None},
    ),
    Moment(
        "ParapetClassifierOverloaded",
        "texts are turned away",
        {'parapet_classifier_overloads_total{classifier="encoder"}': "0+1x30 30x60"},
        {3: None, 12: {"classifier": "encoder"}, 60: None},
    ),
    Moment(
        "ParapetCircuitOpen",
        "a service is not asked any more",
        {'parapet_consultation_circuit_open{check="http",whom="s"}': "0x10 1x20"},
        {12: None, 14: {"check": "http", "whom": "s"}},
    ),
    Moment(
        "ParapetDeploymentOpen",
        "one is left alone",
        {OPEN % "x": "0x10 1x20"},
        {12: None, 14: {"model": "m", "backend": "x", **A}},
    ),
    Moment(
        "ParapetPoolWithoutDeployment",
        "one, and then the other is left alone",
        {OPEN % "x": "0x10 1x30", OPEN % "y": "0x20 1x20"},
        {15: None, 23: {"model": "m", **A}},
    ),
    Moment(
        "ParapetEventLoopDelayed",
        "half of the time",
        {DELAY % "0.25": "0+50x60", DELAY % "0.5": "0+100x60", DELAY % "+Inf": "0+100x60"},
        {5: None, 20: A},
    ),
    Moment(
        "ParapetEventLoopDelayed",
        "never",
        {DELAY % "0.25": "0+100x60", DELAY % "0.5": "0+100x60", DELAY % "+Inf": "0+100x60"},
        {30: None},
    ),
)


def cases(runbooks: str) -> dict[str, Any]:
    """All moments as promtool reads them."""
    return {
        "rule_files": ["recordings.yaml", "alerts.yaml"],
        "evaluation_interval": "1m",
        "tests": [case(each, runbooks) for each in MOMENTS],
    }


def case(moment: Moment, runbooks: str) -> dict[str, Any]:
    """One story."""
    return {
        "name": f"{moment.alert}: {moment.story}",
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in moment.series.items()],
        "alert_rule_test": [
            {
                "eval_time": f"{minute}m",
                "alertname": moment.alert,
                "exp_alerts": [] if labels is None else [fired(moment.alert, labels, runbooks)],
            }
            for minute, labels in moment.fires.items()
        ],
    }


def fired(name: str, labels: Labels, runbooks: str) -> dict[str, Any]:
    """An alert that has fired."""
    alert = next(each for each in ALERTS if each.name == name)
    summary = re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda match: labels.get(match[1], ""), alert.summary)
    return {
        "exp_labels": {"severity": alert.severity, **labels},
        "exp_annotations": {"summary": summary, "runbook_url": f"{runbooks}/{alert.runbook}"},
    }
