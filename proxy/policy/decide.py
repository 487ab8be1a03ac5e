"""Findings and failures in, a decision out: pure, so a policy can be tested, explained and replayed without a check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from proxy.core import VAULT, Action, Decision, Direction, Failure, Finding, Match
from proxy.policy.compiled import Policy, Rule

PLANS = 256  # sets of policies that calls are matched by, both directions; a plan is rebuilt in microseconds
DEFAULT_MESSAGES = {
    Action.FLAG: "This {direction} was flagged by the policy {policy} (rule {rule}).",
    Action.REDACT: "Parts of this {direction} were replaced by the policy {policy} (rule {rule}).",
    Action.BLOCK: "This {direction} was refused by the policy {policy} (rule {rule}).",
}
FAILED = "This {direction} could not be checked for the policy {policy} (rule {rule}), and so was not let through. Try again."

Use = tuple[str, str]  # of a check: its name and variant


@dataclass(frozen=True, slots=True)
class _Ranked:
    """A rule and its place in the order of the set."""

    rank: int
    rule: Rule


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a set of policies asks for in one direction."""

    silent: Decision
    rules: Mapping[Use, tuple[_Ranked, ...]]


def decide(
    policies: Sequence[Policy], direction: Direction, findings: Sequence[Finding], failures: Sequence[Failure] = ()
) -> Decision:
    """The decision of `policies` together.

    A rule matches a finding of its check and variant when direction, category and role fit and the score reaches the
    threshold. It matches a failure of its check whatever its roles, since nobody knows what the check would have found, and
    then asks for what `on_error` says: `block`, or for `allow` the action flag. The strongest action of all matches of
    enforced rules is taken; among equals the first rule of the first policy is the one that decided.
    """
    plan = _plan(tuple(policies), direction)
    if not findings and not failures:
        return plan.silent
    ranked = _of_findings(plan, findings) + _of_failures(plan, failures)
    action = would = Action.ALLOW
    decider: _Ranked | None = None
    for use, match in ranked:
        would = max(would, match.action)
        if match.mode != "enforce":
            continue
        if match.action > action or (decider is not None and match.action == action and use.rank < decider.rank):
            action, decider = match.action, use
    rule = decider.rule if decider else None
    return Decision(
        direction=direction,
        action=action,
        would=would,
        policy=rule.policy if rule else "",
        rule=rule.id if rule else "",
        message=_message(rule, action, direction, _failed(ranked, decider)) if rule else "",
        findings=tuple(findings),
        matches=tuple(match for _, match in ranked),
        failures=tuple(failures),
        policies=plan.silent.policies,
    )


@lru_cache(maxsize=PLANS)
def _plan(policies: tuple[Policy, ...], direction: Direction) -> _Plan:
    rules: dict[Use, list[_Ranked]] = {}
    concerned = [rule for policy in policies for rule in policy.rules if direction in rule.directions]
    for rank, rule in enumerate(concerned):
        rules.setdefault((rule.check, rule.variant), []).append(_Ranked(rank, rule))
        if rule.names:
            rules.setdefault((VAULT, ""), []).append(_Ranked(rank, rule))
    silent = Decision(direction, policies=tuple(f"{policy.name}@{policy.digest}" for policy in policies))
    return _Plan(silent, {use: tuple(ranked) for use, ranked in rules.items()})


def _of_findings(plan: _Plan, findings: Sequence[Finding]) -> list[tuple[_Ranked, Match]]:
    return [
        (ranked, _matched(ranked.rule, finding, least))
        for finding in findings
        for ranked in plan.rules.get((finding.check, finding.variant), ())
        if finding.category in ranked.rule.categories
        and finding.score >= (least := ranked.rule.least(finding.category, finding.role))
        and (ranked.rule.roles is None or finding.role in ranked.rule.roles)
    ]


def _matched(rule: Rule, finding: Finding, least: float) -> Match:
    """A finding that a rule is about, with what it had to reach."""
    operator = rule.replaces(finding.category)
    return Match(
        rule.policy, rule.id, rule.action, rule.mode, finding=finding, threshold=least, level=rule.level, operator=operator
    )


def _of_failures(plan: _Plan, failures: Sequence[Failure]) -> list[tuple[_Ranked, Match]]:
    asked = {"block": Action.BLOCK, "allow": Action.FLAG}
    return [
        (ranked, Match(ranked.rule.policy, ranked.rule.id, asked[ranked.rule.on_error], ranked.rule.mode, failure=failure))
        for failure in failures
        for ranked in plan.rules.get((failure.check, failure.variant), ())
    ]


def _failed(ranked: Sequence[tuple[_Ranked, Match]], decider: _Ranked | None) -> bool:
    """Whether the rule decided for want of an answer, and not for what was found."""
    return not any(use is decider and match.finding is not None for use, match in ranked)


def _message(rule: Rule, action: Action, direction: Direction, failed: bool) -> str:
    told = FAILED if failed else rule.message or DEFAULT_MESSAGES[action]
    return told.format(direction=direction, policy=rule.policy, rule=rule.id) if failed or not rule.message else told
