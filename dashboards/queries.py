"""Every query by its name: what panels and alerts ask Prometheus. One that may have no answer says why."""

from __future__ import annotations

from dataclasses import dataclass

WINDOW = "$__rate_interval"  # Grafana knows it; rules use windows of their own
TEAM, MODEL, POLICY = 'team=~"$team"', 'model=~"$model"', 'policy=~"$policy"'
FAILED = 'outcome=~"error|backend_error"'


@dataclass(frozen=True, slots=True)
class Query:
    """One question. `legend` names its series as Grafana does; `silent` says why there may be no series when all is well."""

    expr: str
    legend: str = ""
    unit: str = "short"
    silent: str = ""


def rate(metric: str, labels: str = "", by: str = "") -> str:
    """How often in a second, summed."""
    return f"sum{f' by ({by})' if by else ''} (rate({metric}{f'{{{labels}}}' if labels else ''}[{WINDOW}]))"


def quantile(share: float, metric: str, by: str = "", labels: str = "") -> str:
    """What a share of a histogram's values does not exceed."""
    within = ", ".join(part for part in ("le", by) if part)
    return f"histogram_quantile({share}, {rate(f'{metric}_bucket', labels, within)})"


def ratio(above: str, below: str) -> str:
    """One rate in the other; nothing where there is nothing to divide by."""
    return f"{above} / ({below} > 0)"


def part(metric: str, labels: str, by: str = "") -> str:
    """The part of a rate that has these labels; 0 where none has."""
    whole = rate(metric, by=by)
    return f"({rate(metric, labels, by)} or 0 * {whole}) / ({whole} > 0)"


GPU = "only a classifier on a GPU takes its memory"
ANEW = "only a check that runs in a process of its own starts it anew, when that has died or hung"
OVERLAPS = "only policies that say overlap: true let a backend be called before the verdict"
HISTORY = "needs a day or more of history; the rules' own tests have it"

QUERIES: dict[str, Query] = {
    # what an SRE looks at first
    "instances_up": Query('sum(up{job="parapet"})', "instances"),
    "instances_down": Query('sum(up{job="parapet"} == bool 0)', "down"),
    "versions": Query("count by (version) (parapet_build_info == 1)", "{{version}}"),
    "calls_by_outcome": Query(rate("parapet_calls_total", MODEL, "outcome"), "{{outcome}}", "reqps"),
    "calls_by_dialect": Query(rate("parapet_calls_total", MODEL, "dialect"), "{{dialect}}", "reqps"),
    "calls_in_flight": Query("sum(parapet_calls_in_flight)", "in flight"),
    "calls_failed_share": Query(
        f"(sum(rate(parapet_calls_total{{{FAILED}}}[{WINDOW}])) or vector(0)) / sum(rate(parapet_calls_total[{WINDOW}]))",
        "failed",
        "percentunit",
    ),
    "call_seconds_p50": Query(quantile(0.5, "parapet_call_seconds", labels=MODEL), "p50", "s"),
    "call_seconds_p99": Query(quantile(0.99, "parapet_call_seconds", labels=MODEL), "p99", "s"),
    "checks_running": Query(rate("parapet_check_seconds_count", by="check"), "{{check}}", "ops"),
    "check_failures": Query(rate("parapet_check_failures_total", by="check, kind"), "{{check}}: {{kind}}", "ops"),
    "unguarded_calls": Query(
        rate("parapet_unguarded_calls_total", f"{MODEL}, {TEAM}", "model, team"), "{{model}} {{team}}", "reqps"
    ),
    "passed_unchecked": Query(
        rate("parapet_unanswered_total", f'on_error="allow", {POLICY}', "policy, rule, kind"),
        "{{policy}}/{{rule}}: {{kind}}",
        "ops",
    ),
    "blocked_unchecked": Query(
        rate("parapet_unanswered_total", f'on_error="block", {POLICY}', "policy, rule, kind"),
        "{{policy}}/{{rule}}: {{kind}}",
        "ops",
    ),
    "not_inspected": Query(rate("parapet_not_inspected_total", by="reason"), "{{reason}}", "ops"),
    "records": Query(rate("parapet_records_total", by="result"), "{{result}}", "ops"),
    "records_lost": Query('sum(increase(parapet_records_total{result="lost"}[1h]))', "lost in an hour"),
    "spans": Query(rate("parapet_spans_total", by="result"), "{{result}}", "ops"),
    "event_loop_delay_p99": Query(quantile(0.99, "parapet_event_loop_delay_seconds"), "p99", "s"),
    "checks_waiting": Query("sum(parapet_checks_waiting)", "calls of checks in threads"),
    # what guarding costs
    "guard_seconds_p50": Query(quantile(0.5, "parapet_guard_seconds", "direction"), "{{direction}} p50", "s"),
    "guard_seconds_p95": Query(quantile(0.95, "parapet_guard_seconds", "direction"), "{{direction}} p95", "s"),
    "guard_seconds_p99": Query(quantile(0.99, "parapet_guard_seconds", "direction"), "{{direction}} p99", "s"),
    "guard_share": Query(
        ratio(rate("parapet_guard_seconds_sum"), rate("parapet_call_seconds_sum")), "of all time of calls", "percentunit"
    ),
    "chunk_seconds_p50": Query(quantile(0.5, "parapet_chunk_guard_seconds"), "p50", "s"),
    "chunk_seconds_p99": Query(quantile(0.99, "parapet_chunk_guard_seconds"), "p99", "s"),
    "held_characters_p50": Query(quantile(0.5, "parapet_held_characters"), "p50"),
    "held_characters_p99": Query(quantile(0.99, "parapet_held_characters"), "p99"),
    "check_seconds_p95": Query(quantile(0.95, "parapet_check_seconds", "check"), "{{check}}", "s"),
    "check_seconds_mean": Query(
        ratio(rate("parapet_check_seconds_sum", by="check"), rate("parapet_check_seconds_count", by="check")), "{{check}}", "s"
    ),
    "texts_remembered_share": Query(
        part("parapet_remembered_texts_total", 'result="cached"', "check"),
        "{{check}}",
        "percentunit",
    ),
    "windows_by_result": Query(
        rate("parapet_classifier_windows_total", by="classifier, result"), "{{classifier}}: {{result}}", "ops"
    ),
    "windows_remembered_share": Query(
        part("parapet_classifier_windows_total", 'result="cached"', "classifier"),
        "{{classifier}}",
        "percentunit",
    ),
    "screen_cleared_share": Query(
        part("parapet_classifier_screened_total", 'result="cleared"'),
        "cleared by the screen",
        "percentunit",
    ),
    "batch_windows_p95": Query(quantile(0.95, "parapet_classifier_batch_windows", "classifier"), "{{classifier}}"),
    "classifier_queue_p95": Query(quantile(0.95, "parapet_classifier_queue_seconds", "classifier"), "{{classifier}}", "s"),
    "classifier_overloads": Query(
        rate("parapet_classifier_overloads_total", by="classifier"), "{{classifier}}", "ops", "only a full queue turns texts away"
    ),
    "classifier_memory": Query("sum by (classifier) (parapet_classifier_memory_bytes)", "{{classifier}}", "bytes", GPU),
    "score_p90": Query(quantile(0.9, "parapet_classifier_score", "check"), "{{check}}"),
    "score_drift": Query("parapet:classifier_score:drift", "{{check}}"),
    "consultations": Query(
        rate("parapet_consultations_total", by="check, whom, result"), "{{check}} {{whom}}: {{result}}", "ops"
    ),
    "consultation_seconds_p95": Query(quantile(0.95, "parapet_consultation_seconds", "whom"), "{{whom}}", "s"),
    "consultation_restarts": Query(
        "sum by (check, whom) (increase(parapet_consultation_restarts_total[1h]))", "{{check}} {{whom}}", silent=ANEW
    ),
    "consultation_circuits_open": Query("sum by (check, whom) (parapet_consultation_circuit_open)", "{{check}} {{whom}}"),
    # the models behind
    "backend_seconds_p50": Query(quantile(0.5, "parapet_backend_seconds", "model", MODEL), "{{model}}", "s"),
    "backend_seconds_p99": Query(quantile(0.99, "parapet_backend_seconds", "model", MODEL), "{{model}}", "s"),
    "first_chunk_p50": Query(quantile(0.5, "parapet_backend_first_chunk_seconds", "model", MODEL), "{{model}}", "s"),
    "first_chunk_p99": Query(quantile(0.99, "parapet_backend_first_chunk_seconds", "model", MODEL), "{{model}}", "s"),
    "backend_errors": Query(rate("parapet_backend_errors_total", MODEL, "model, code"), "{{model}}: {{code}}", "ops"),
    "attempts": Query(
        rate("parapet_backend_attempts_total", MODEL, "model, backend, result"), "{{model}} {{backend}}: {{result}}", "ops"
    ),
    "backend_in_flight": Query(f"sum by (model, backend) (parapet_backend_in_flight{{{MODEL}}})", "{{model}} {{backend}}"),
    "backends_open": Query(f"sum by (model, backend) (parapet_backend_open{{{MODEL}}})", "{{model}} {{backend}}"),
    "pools_without_deployment": Query(f"sum(min by (model, instance) (parapet_backend_open{{{MODEL}}}) > bool 0)", "pools"),
    "probes": Query(
        rate("parapet_backend_probes_total", MODEL, "model, backend, result"), "{{model}} {{backend}}: {{result}}", "ops"
    ),
    "retries": Query(rate("parapet_backend_retries_total", MODEL, "model, result"), "{{model}}: {{result}}", "ops"),
    "fallbacks": Query(rate("parapet_backend_fallbacks_total", MODEL, "model"), "to {{model}}", "ops"),
    "overlaps": Query(rate("parapet_overlaps_total", MODEL, "model, result"), "{{model}}: {{result}}", "ops", OVERLAPS),
    "queue_waiting": Query(f"sum by (model) (parapet_queue_waiting{{{MODEL}}})", "{{model}}"),
    "queue_seconds_p95": Query(quantile(0.95, "parapet_queue_seconds", "model", MODEL), "{{model}}", "s"),
    "queue_refused": Query(rate("parapet_queue_refused_total", MODEL, "model, cause"), "{{model}}: {{cause}}", "ops"),
    "tokens": Query(rate("parapet_tokens_total", MODEL, "model, kind"), "{{model}} {{kind}}"),
    "tokens_saved": Query(rate("parapet_tokens_saved_total", MODEL, "model, direction"), "{{model}} {{direction}}"),
    "tokens_saved_day": Query(f"sum(increase(parapet_tokens_saved_total{{{MODEL}}}[1d]))", "tokens saved in a day"),
    "cost_saved_day": Query(
        f"sum(increase(parapet_tokens_saved_total{{{MODEL}}}[1d])) * $price / 1e6", "saved in a day, at $price a million tokens"
    ),
    # what was decided
    "decisions_by_action": Query(rate("parapet_decisions_total", TEAM, "action"), "{{action}}", "ops"),
    "decisions_would": Query(rate("parapet_decisions_total", TEAM, "would"), "would {{would}}", "ops"),
    "block_share": Query(
        f'(sum(rate(parapet_decisions_total{{action="block", {TEAM}}}[{WINDOW}])) or vector(0))'
        f" / sum(rate(parapet_decisions_total{{{TEAM}}}[{WINDOW}]))",
        "blocked",
        "percentunit",
    ),
    "would_block_share": Query(
        f'(sum(rate(parapet_decisions_total{{would="block", {TEAM}}}[{WINDOW}])) or vector(0))'
        f" / sum(rate(parapet_decisions_total{{{TEAM}}}[{WINDOW}]))",
        "blocked, were every rule enforced",
        "percentunit",
    ),
    "decisions_by_team": Query(
        rate("parapet_decisions_total", f'action!="allow", {TEAM}', "team, action"), "{{team}}: {{action}}", "ops"
    ),
    "matches_by_policy": Query(
        f"sum by (policy, rule, action, mode) (increase(parapet_matches_total{{{POLICY}, {TEAM}}}[1d]))",
        "{{policy}}/{{rule}}: {{action}} ({{mode}})",
    ),
    "matches_by_family": Query(rate("parapet_matches_total", f"{POLICY}, {TEAM}", "family"), "{{family}}", "ops"),
    "matches_by_category": Query(
        f"topk(20, sum by (family, category) (increase(parapet_matches_total{{{POLICY}, {TEAM}}}[1d])))",
        "{{family}}: {{category}}",
    ),
    "matches_by_direction": Query(
        rate("parapet_matches_total", f"{POLICY}, {TEAM}", "direction, action"), "{{direction}}: {{action}}", "ops"
    ),
    "matches_monitored": Query(
        rate("parapet_matches_total", f'mode="monitor", {POLICY}, {TEAM}', "policy, rule, action"),
        "{{policy}}/{{rule}} would {{action}}",
        "ops",
    ),
    "replaced": Query(rate("parapet_replaced_total", by="operator, category"), "{{category}}: {{operator}}", "ops"),
    "names": Query(rate("parapet_names_total", by="category, result"), "{{category}}: {{result}}", "ops"),
    "findings_by_category": Query(rate("parapet_findings_total", by="check, category"), "{{check}}: {{category}}", "ops"),
    # what changed
    "revision_in_force": Query("max by (revision) (parapet_policy_in_force)", "{{revision}}"),
    "policy_age": Query("time() - max(parapet_policy_changed_timestamp_seconds)", "since the last change", "s"),
    "policy_loads": Query("sum by (result) (increase(parapet_policy_loads_total[1h]))", "{{result}}"),
    "policies_refused": Query("max(parapet_policy_refused)", "refused"),
    "block_share_by_revision": Query(
        f'sum by (revision) (rate(parapet_decisions_total{{action="block", {TEAM}}}[{WINDOW}]))'
        f" / sum by (revision) (rate(parapet_decisions_total{{{TEAM}}}[{WINDOW}]))",
        "{{revision}}",
        "percentunit",
    ),
    "decisions_by_revision": Query(
        rate("parapet_decisions_total", f'action!="allow", {TEAM}', "revision, action"), "{{revision}}: {{action}}", "ops"
    ),
    "block_ratio_now": Query("parapet:decisions:block_ratio15m", "last 15 minutes", "percentunit"),
    "block_ratio_before": Query("parapet:decisions:block_ratio1h offset 1h", "an hour before", "percentunit", HISTORY),
}

EXCUSED: dict[str, str] = {}  # metrics that are on no dashboard, and why
