"""The checks: one file each, registered here by one line each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from proxy.checks import bias, credentials, judged, misuse, own, pii
from proxy.checks import copyright as works
from proxy.checks.judged import Judged
from proxy.checks.screen import PatternCheck, Screened
from proxy.classifier import Classifiers, Meter, Silent
from proxy.core import Check, CheckKind
from proxy.settings import Settings


def catalogue(settings: Settings | None = None, meter: Meter | None = None) -> Mapping[str, CheckKind]:
    """All checks by name; those that a classifier judges take its place and its bounds from the settings, and tell `meter`."""
    classifiers = Classifiers(settings or Settings(), meter or Silent())
    kinds = (
        pii.kind(classifiers),
        credentials.KIND,
        works.KIND,
        misuse.kind(classifiers),
        bias.kind(classifiers),
        own.kind(classifiers),
    )
    return {kind.name: kind for kind in kinds}


CATALOGUE = catalogue()  # under default settings: nothing is read or loaded before a rule needs it


def combined(checks: Iterable[Check]) -> tuple[Check, ...]:
    """The same checks, those joined that can share a pass: patterns behind one screen, categories of one encoder."""
    alone: list[Check] = []
    patterns: list[PatternCheck] = []
    judges: list[Judged] = []
    for check in checks:
        if isinstance(check, Screened):
            patterns += check.checks
        elif isinstance(check, Judged):
            judges.append(check)
        else:
            alone.append(check)
    return (*((Screened(patterns),) if patterns else ()), *judged.combined(judges), *alone)
