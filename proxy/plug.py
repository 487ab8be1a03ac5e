"""Checks of your own, in Python: the one protocol. An entry point of the group `parapet.checks` names a `Plug`.

    # pyproject.toml of your package
    [project.entry-points."parapet.checks"]
    codenames = "codenames:PLUG"

The check then has the name of the entry point, and is in policies like any other. It runs in threads of its own, behind a
bounded queue, a time limit, a breaker and a memory of answers; what it raises leads to the rule's `on_error`. It sees texts, or
windows of long ones, one by one, and decides nothing. Nothing is imported before a policy names it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict

from proxy.core import Family, Role

GROUP = "parapet.checks"


class Options(BaseModel):
    """What a rule may say `with` the check; derive from it and add fields, each with a description and a default."""

    model_config = ConfigDict(extra="forbid", strict=True)


@dataclass(frozen=True, slots=True)
class Hit:
    """What was found in a text: the span is in characters, `end` exclusive. `replacement`: what a rule that redacts puts there.

    `detail` says more of it, by name; it goes into records, so it must not hold the user's text.
    """

    category: str
    start: int
    end: int
    score: float = 1.0
    detail: Mapping[str, str | int | float] = field(default_factory=dict)
    replacement: str | None = field(default=None, repr=False)


Judge = Callable[[str, Role], Iterable[Hit]]  # the text, and whose it is


@dataclass(frozen=True, slots=True)
class Plug:
    """One check. `categories` are all that its hits can have; they become labels of metrics.

    `build` makes what judges, for the options of a rule and the categories that some rule needs; it is called when a policy is
    put in force, and what it raises refuses the policy. What judges is called in `threads` threads at once.
    """

    categories: tuple[str, ...]
    build: Callable[[Any, frozenset[str]], Judge]
    description: str = ""
    family: Family = "custom"
    options: type[Options] = Options
    threads: int = 1
