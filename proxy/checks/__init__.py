"""The checks: one file each, registered here by one line each."""

from __future__ import annotations

from collections.abc import Iterable

from proxy.checks import copyright as works
from proxy.checks import credentials, pii
from proxy.checks.screen import PatternCheck, Screened
from proxy.core import Check, CheckKind

CATALOGUE: dict[str, CheckKind] = {
    kind.name: kind
    for kind in (
        pii.KIND,
        credentials.KIND,
        works.KIND,
    )
}


def combined(checks: Iterable[Check]) -> tuple[Check, ...]:
    """The same checks, those that read by patterns joined behind one screen."""
    alone: list[Check] = []
    patterns: list[PatternCheck] = []
    for check in checks:
        if isinstance(check, Screened):
            patterns += check.checks
        else:
            alone.append(check)
    return (Screened(patterns), *alone) if patterns else tuple(alone)
