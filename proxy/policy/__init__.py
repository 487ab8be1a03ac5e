"""Policy files: read strictly, compiled to an immutable set, decided by a pure function, tested beside the file."""

from proxy.policy.cases import Case, Expect, beside, coverage, load_cases, parse_cases
from proxy.policy.compiled import Policy, PolicySet, Rule, policy_set
from proxy.policy.decide import decide
from proxy.policy.load import is_tests, load, parse
from proxy.policy.overlap import overlaps
from proxy.policy.schema import schema

__all__ = [
    "Case",
    "Expect",
    "Policy",
    "PolicySet",
    "Rule",
    "beside",
    "coverage",
    "decide",
    "is_tests",
    "load",
    "load_cases",
    "overlaps",
    "parse",
    "parse_cases",
    "policy_set",
    "schema",
]
