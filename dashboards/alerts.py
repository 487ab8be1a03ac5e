"""Recording rules and alerts. Each alert says how grave it is, and has a runbook of its name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["critical", "warning"]  # somebody must come now; somebody must look today
FAILED = 'outcome=~"error|backend_error"'
SLO = 0.001  # of calls may fail: 99.9 % are answered
SLOW = "0.25"  # seconds that guarding may add before the first byte; a bucket of the histogram


@dataclass(frozen=True, slots=True)
class Recording:
    """A query whose answers Prometheus keeps under a name: level, metric, operation."""

    name: str
    expr: str


@dataclass(frozen=True, slots=True)
class Condition:
    """`left` compared with what `test` says; `also` holds where there is nothing to compare.

    `silent`: why there may be nothing while all is well.
    """

    left: str
    test: str
    also: str = ""
    silent: str = ""

    @property
    def expr(self) -> str:
        """The condition as Prometheus reads it."""
        compared = f"{self.left} {self.test}"
        return f"({compared}) or ({self.also})" if self.also else compared


@dataclass(frozen=True, slots=True)
class Alert:
    """All conditions hold for as long as `lasts` says. Conditions after the first are about the whole, whatever its labels."""

    name: str
    severity: Severity
    lasts: str
    conditions: tuple[Condition, ...]
    summary: str

    @property
    def expr(self) -> str:
        """The alert as Prometheus reads it."""
        if len(self.conditions) == 1:
            return self.conditions[0].expr
        return " and on () ".join(f"({condition.expr})" for condition in self.conditions)

    @property
    def runbook(self) -> str:
        """The file of its runbook: guard-not-running.md for ParapetGuardNotRunning."""
        words = "".join(f"-{c.lower()}" if c.isupper() else c for c in self.name.removeprefix("Parapet"))
        return f"{words.strip('-')}.md"


def share(metric: str, labels: str, window: str, of: str) -> str:
    """The part of one rate that has these labels; nothing without traffic."""
    return f"(sum(rate({metric}{{{labels}}}[{window}])) or vector(0)) / (sum(rate({of}[{window}])) > 0)"


def increased(metric: str, labels: str, by: str, window: str, silent: str = "") -> Condition:
    """A counter went up, or is there for the first time: Prometheus sees no increase in a first value."""
    chosen = f"{metric}{{{labels}}}" if labels else metric
    left = f"sum by ({by}) (increase({chosen}[{window}]))"
    return Condition(left, "> 0", f"sum by ({by}) ({chosen}) > 0 unless sum by ({by}) ({chosen} offset {window})", silent)


RECORDINGS = (
    *(
        Recording(f"parapet:calls:error_ratio{window}", share("parapet_calls_total", FAILED, window, "parapet_calls_total"))
        for window in ("5m", "30m", "1h", "6h")
    ),
    Recording(
        "parapet:guard_seconds:slow_ratio15m",
        f'1 - sum by (direction) (rate(parapet_guard_seconds_bucket{{le="{SLOW}"}}[15m]))'
        " / (sum by (direction) (rate(parapet_guard_seconds_count[15m])) > 0)",
    ),
    *(
        Recording(
            f"parapet:decisions:block_ratio{window}",
            share("parapet_decisions_total", 'action="block"', window, "parapet_decisions_total"),
        )
        for window in ("15m", "1h")
    ),
    *(
        Recording(
            f"parapet:not_inspected:ratio{window}",
            f"(sum(rate(parapet_not_inspected_total[{window}])) or vector(0)) / (sum(rate(parapet_calls_total[{window}])) > 0)",
        )
        for window in ("15m", "1d")
    ),
    *(
        Recording(
            f"parapet:classifier_score:share{window}",
            f"sum by (check, le) (rate(parapet_classifier_score_bucket[{window}]))"
            f" / ignoring (le) group_left () (sum by (check) (rate(parapet_classifier_score_count[{window}])) > 0)",
        )
        for window in ("1h", "7d")
    ),
    Recording(  # Kolmogorov and Smirnov's distance between two distributions
        "parapet:classifier_score:drift",
        "max by (check) (abs(parapet:classifier_score:share1h - parapet:classifier_score:share7d))",
    ),
)

ALERTS = (
    Alert(
        "ParapetDown",
        "critical",
        "2m",
        (Condition('up{job="parapet"}', "== 0", 'absent(up{job="parapet"})'),),
        "Prometheus does not reach Parapet at {{ $labels.instance }}",
    ),
    Alert(
        "ParapetGuardNotRunning",
        "critical",
        "2m",
        (
            Condition("(sum(rate(parapet_check_seconds_count[5m])) or vector(0))", "== 0"),
            Condition('sum(rate(parapet_calls_total{outcome="served"}[5m]))', "> 0"),
        ),
        "Calls are served and no check runs",
    ),
    Alert(
        "ParapetUnguardedCalls",
        "warning",
        "5m",
        (increased("parapet_unguarded_calls_total", "", "model, team", "15m"),),
        "Calls to {{ $labels.model }} by the team '{{ $labels.team }}' go by no policy",
    ),
    Alert(
        "ParapetChecksFailing",
        "critical",
        "5m",
        (
            Condition(
                "sum by (check) (rate(parapet_check_failures_total[5m])) / scalar(sum(rate(parapet_calls_total[5m])))", "> 0.1"
            ),
        ),
        "The check {{ $labels.check }} gives no answer for more than a tenth of the calls",
    ),
    Alert(
        "ParapetErrorBudgetFast",
        "critical",
        "2m",
        tuple(Condition(f"parapet:calls:error_ratio{window}", f"> {14.4 * SLO:.4g}") for window in ("5m", "1h")),
        "Calls fail fourteen times as often as a month's error budget allows",
    ),
    Alert(
        "ParapetErrorBudgetSlow",
        "warning",
        "15m",
        tuple(Condition(f"parapet:calls:error_ratio{window}", f"> {6 * SLO:.4g}") for window in ("30m", "6h")),
        "Calls fail six times as often as a month's error budget allows",
    ),
    Alert(
        "ParapetGuardSlow",
        "warning",
        "10m",
        (Condition("parapet:guard_seconds:slow_ratio15m", "> 0.05"),),
        f"Guarding the {{{{ $labels.direction }}}} adds more than {SLOW} s to more than one call in twenty",
    ),
    Alert(
        "ParapetFailOpen",
        "warning",
        "0m",
        (increased("parapet_unanswered_total", 'on_error="allow",mode="enforce"', "policy, rule, check, kind", "10m"),),
        "{{ $labels.policy }}/{{ $labels.rule }} lets texts pass that {{ $labels.check }} did not look at ({{ $labels.kind }})",
    ),
    Alert(
        "ParapetNotInspectedRising",
        "warning",
        "15m",
        (Condition("parapet:not_inspected:ratio15m", "> 3 * parapet:not_inspected:ratio1d + 0.05"),),
        "Three times as much as on the last day is not inspected",
    ),
    Alert(
        "ParapetRecordsLost",
        "critical",
        "0m",
        (increased("parapet_records_total", 'result="lost"', "instance", "5m"),),
        "Decision records could not be written at {{ $labels.instance }}",
    ),
    Alert(
        "ParapetPolicyRefused",
        "warning",
        "5m",
        (Condition("max by (instance) (parapet_policy_refused)", "== 1"),),
        "The policy files have mistakes: {{ $labels.instance }} goes by older ones",
    ),
    Alert(
        "ParapetBlockRateLeap",
        "warning",
        "5m",
        (
            Condition("parapet:decisions:block_ratio15m", "> 2 * (parapet:decisions:block_ratio1h offset 1h) + 0.02"),
            Condition("time() - max(parapet_policy_changed_timestamp_seconds)", "< 3600"),
        ),
        "More than twice as much is blocked since the policies changed",
    ),
    Alert(
        "ParapetClassifierDrift",
        "warning",
        "30m",
        (
            Condition("parapet:classifier_score:drift", "> 0.15"),
            Condition("sum(increase(parapet_classifier_score_count[1h]))", "> 200"),
        ),
        "The scores of {{ $labels.check }} are not what they were in the last week",
    ),
    Alert(
        "ParapetClassifierOverloaded",
        "warning",
        "5m",
        (increased("parapet_classifier_overloads_total", "", "classifier", "10m", "only a full queue turns texts away"),),
        "The queue of {{ $labels.classifier }} is full: texts are turned away",
    ),
    Alert(
        "ParapetCircuitOpen",
        "warning",
        "2m",
        (Condition("max by (check, whom) (parapet_consultation_circuit_open)", "== 1"),),
        "{{ $labels.check }} does not ask {{ $labels.whom }} any more: it failed too often",
    ),
    Alert(
        "ParapetDeploymentOpen",
        "warning",
        "2m",
        (Condition("max by (model, backend, instance) (parapet_backend_open)", "> 0"),),
        "{{ $labels.backend }} of {{ $labels.model }} failed so often that it is left alone",
    ),
    Alert(
        "ParapetPoolWithoutDeployment",
        "critical",
        "1m",
        (Condition("min by (model, instance) (parapet_backend_open)", "> 0"),),
        "No deployment of {{ $labels.model }} is well",
    ),
    Alert(
        "ParapetEventLoopDelayed",
        "warning",
        "10m",
        (
            Condition(
                "histogram_quantile(0.99, sum by (le, instance) (rate(parapet_event_loop_delay_seconds_bucket[10m])))", "> 0.25"
            ),
        ),
        "Workers of {{ $labels.instance }} come a quarter of a second late to what is due",
    ),
)
