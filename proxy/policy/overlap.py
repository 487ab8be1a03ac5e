"""Whether a backend may be called while its prompt is still judged: only where every rule that may stop the prompt allows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from proxy import yamlfile
from proxy.core import Action, CheckKind
from proxy.errors import ParapetError, Problem
from proxy.policy.compiled import Policy, Rule
from proxy.policy.model import PolicyFile, RuleEntry

OUT = "leave `overlap` out, or move the rule to a policy without it"


def overlaps(policies: Sequence[Policy]) -> bool:
    """Whether the backend may be called before the verdict: some policy says so, and no other may stop or replace a prompt."""
    allowed = any(policy.overlap for policy in policies)
    return allowed and not any(stops(rule) for policy in policies if not policy.overlap for rule in policy.rules)


def stops(rule: Rule) -> bool:
    """Whether a rule may keep a prompt, or its text, from the backend."""
    acts = rule.action >= Action.REDACT or rule.on_error == "block"
    return acts and rule.mode == "enforce" and "prompt" in rule.directions


def held_back(document: yamlfile.Document, entry: PolicyFile, catalogue: Mapping[str, CheckKind]) -> list[Problem]:
    """What is wrong with a policy that allows it: rules that must have their say before a backend reads the text."""
    found = []
    for index, rule in enumerate(entry.rules):
        if "prompt" not in rule.direction:
            continue
        if rule.action == "redact":
            told = f"expected no rule that replaces prompts in a policy with overlap: true; {OUT}"
            found.append(document.problem(("rules", index, "action"), told))
        elif private(rule, catalogue):
            if rule.action == "block":
                told = f"expected no rule that refuses prompts for privacy in a policy with overlap: true; {OUT}"
                found.append(document.problem(("rules", index, "action"), told))
            elif rule.on_error == "block":
                told = "expected on_error: allow: with overlap: true, the backend has the text when a check for privacy fails"
                found.append(document.problem(("rules", index, "check"), f"{told}; or {OUT}"))
    return found


def private(rule: RuleEntry, catalogue: Mapping[str, CheckKind]) -> bool:
    """Whether what the rule looks for is of the family privacy; options that are wrong are another's to tell."""
    try:
        kind = catalogue.get(rule.check)
    except ParapetError:
        return False
    if kind is None or kind.about is None:
        return kind is not None and kind.family == "privacy"
    options: Any = kind.options
    try:
        return kind.about(options.model_validate(rule.options)) == "privacy"
    except ValidationError:
        return False
