"""Policies as the engine uses them: immutable, with every default filled in."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal

from pydantic import BaseModel

from proxy.core import LABEL, Action, Direction, Level, Mode, Operator, Role, Thresholds

OnError = Literal["block", "allow"]
StreamMode = Literal["hold", "window", "after"]
History = Literal["redact", "drop", "block"]
DIGEST_LENGTH = 12  # hex characters, of SHA-256


@dataclass(frozen=True, slots=True)
class Rule:
    """Which findings, in which direction, lead to which action.

    `variant` is empty when the check's options, its categories apart, are the defaults; else it is a digest of them.
    `options` says nothing of categories: two rules with one variant have equal options.
    """

    policy: str
    id: str
    description: str
    controls: tuple[str, ...]
    check: str
    variant: str
    categories: frozenset[str]
    directions: frozenset[Direction]
    roles: frozenset[Role] | None  # None: every role
    threshold: float
    action: Action
    on_error: OnError
    timeout: float | None  # seconds; None: the setting check_timeout
    message: str
    mode: Mode
    options: BaseModel = field(hash=False)
    level: Level | None = None
    thresholds: Thresholds = field(default_factory=dict, hash=False)  # that the level stands for, by category and role
    operators: Mapping[str, Operator] = field(default_factory=dict, hash=False)  # by category; of the others: `operator`
    operator: Operator = LABEL
    stream: StreamMode = "window"  # how a streamed completion waits for it
    history: History = "redact"  # what becomes of a turn of the past that it blocks

    def replaces(self, category: str) -> Operator:
        """How it replaces what is of this category."""
        return self.operators.get(category, self.operator)

    @property
    def names(self) -> frozenset[str]:
        """The categories that it gives pseudonyms to."""
        acts = self.mode == "enforce" and self.action == Action.REDACT
        return frozenset(each for each in self.categories if self.replaces(each).way == "pseudonym") if acts else frozenset()

    def least(self, category: str, role: Role) -> float:
        """The score from which a finding matters."""
        return self.thresholds.get((category, role), self.threshold)


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy file. `digest` is of the file's bytes."""

    name: str
    description: str
    teams: tuple[str, ...]
    models: tuple[str, ...]
    mode: Mode
    rules: tuple[Rule, ...]
    digest: str
    file: str
    overlap: bool = False  # the backend may be called while prompts are still judged

    def __hash__(self) -> int:
        """By digest: policies are looked up by tuples of them on every call, and equal ones have equal digests."""
        return hash(self.digest)

    def applies(self, team: str, model: str) -> bool:
        """Whether it concerns a call by `team` to `model`."""
        return _fits(team, self.teams) and _fits(model, self.models)


def _fits(name: str, globs: Sequence[str]) -> bool:
    return "*" in globs or any(fnmatchcase(name, glob) for glob in globs)


@dataclass(frozen=True, slots=True)
class PolicySet:
    """The policies in force, in their order. Build one with `policy_set`, which gives it its revision."""

    policies: tuple[Policy, ...] = ()
    revision: str = ""

    def matching(self, team: str, model: str) -> tuple[Policy, ...]:
        """The policies that hold for a call by `team` to `model`."""
        return tuple(policy for policy in self.policies if policy.applies(team, model))


def policy_set(policies: Sequence[Policy]) -> PolicySet:
    """A set with its revision: a digest of the policies' names and digests, in order."""
    return PolicySet(tuple(policies), digest("".join(f"{p.name}@{p.digest}\n" for p in policies).encode()))


def digest(data: bytes) -> str:
    """A short SHA-256."""
    return hashlib.sha256(data).hexdigest()[:DIGEST_LENGTH]
