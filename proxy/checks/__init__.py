"""The checks: one file each, registered here by one line each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from proxy.checks import bias, credentials, custom, desk, guard_model, judged, misuse, nemo, own, pii, services
from proxy.checks import copyright as works
from proxy.checks.judged import Judged
from proxy.checks.plugged import Catalogue
from proxy.checks.screen import PatternCheck, Screened
from proxy.classifier import Classifiers, Meter, Silent
from proxy.core import Check, Outside
from proxy.settings import Settings


class Meters(Meter, desk.Meter, Protocol):
    """Who counts what checks do; `Metrics` is one."""


class Mute(Silent, desk.Silent):
    """Counts nothing."""


def catalogue(settings: Settings | None = None, meter: Meters | None = None, outside: Outside | None = None) -> Catalogue:
    """All checks by name; they take places and bounds from the settings, tell `meter`, and ask others through `outside`.

    Without `outside` there is all that policies, their schema and their tests need, but none of the checks that ask others runs.
    """
    meter = meter or Mute()
    classifiers = Classifiers(settings or Settings(), meter)
    kinds = (
        pii.kind(classifiers, meter),
        credentials.KIND,
        works.kind(classifiers),
        misuse.kind(classifiers),
        bias.kind(classifiers),
        own.kind(classifiers),
        services.kind(outside, meter),
        guard_model.kind(outside, meter),
        custom.KIND,
        nemo.kind(outside, meter),
    )
    return Catalogue({kind.name: kind for kind in kinds}, meter)


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
