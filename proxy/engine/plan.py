"""What a set of policies asks for in one direction: which checks run, on which roles, and which of them hold a stream back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count

from pydantic import BaseModel

from proxy.core import ROLES, Action, Check, CheckKind, Direction, Failure, Pairing, Role, Segment, Trouble, Waiting, Watch
from proxy.policy import Policy, Rule

NUMBERS = count(1)
Combine = Callable[[Iterable[Check]], tuple[Check, ...]]


@dataclass(frozen=True, slots=True)
class Use:
    """One check as the rules of a plan need it. Two uses with equal keys are one check."""

    check: str
    variant: str
    categories: frozenset[str]


@dataclass(frozen=True, slots=True)
class Unit:
    """A check that runs, for whom, and for how long it may."""

    check: Check
    label: str  # the names of its checks, for metrics
    roles: frozenset[Role] | None
    timeout: float  # seconds: the shortest of the rules that it serves
    waiting: Waiting | None = None  # the check, if it waits for what somebody else computes
    number: int = 0  # of the check as it was built; 0: what it says may change
    converses: bool = False  # it reads what is said over several turns as one text, too
    holds: bool = False  # nothing of a stream is shown before it has read all of it
    pairing: Pairing | None = None  # the check, if it judges an answer together with what was asked

    def reads(self, role: Role) -> bool:
        """Whether a text of this role concerns it."""
        return self.roles is None or role in self.roles

    def watch(self, role: Role, before: tuple[Segment, ...]) -> Watch:
        """A watch over one text of an answer; `before`: recent turns of what it answers."""
        return self.pairing.watch_answer(role, before) if self.pairing is not None else self.check.watch(role)

    def failures(self, kind: Trouble) -> list[Failure]:
        """What it means that the whole unit gave no answer."""
        return [Failure(name, variant, kind) for name, variant in self.check.names]


@dataclass(frozen=True, slots=True)
class Plan:
    """The units of one direction.

    `whole` runs on texts that are all there. On growing texts of a role, `binding` runs for the findings that a rule may redact
    or block for, and what it has not settled is held back; `advisory` runs for the others, and holds nothing back. A role that no
    rule is about is in neither.
    """

    whole: tuple[Unit, ...]
    binding: Mapping[Role, tuple[Unit, ...]]
    advisory: Mapping[Role, tuple[Unit, ...]]
    named: frozenset[str] = frozenset()  # the categories that some rule gives pseudonyms to

    @property
    def pairs(self) -> bool:
        """Whether some check wants to know what an answer answers."""
        return any(unit.pairing is not None for unit in self.whole)


class Planner:
    """Makes plans; checks are made once for each use and shared between plans."""

    def __init__(self, catalogue: Mapping[str, CheckKind], combine: Combine, timeout: float) -> None:
        self.catalogue, self.combine, self.timeout = catalogue, combine, timeout
        self.built: dict[tuple[Use, ...], tuple[Check, ...]] = {}
        self.numbers: dict[int, int] = {}  # of the checks in `built`, which live as long as this

    def plan(self, policies: Sequence[Policy], direction: Direction) -> Plan:
        """The plan of these policies together."""
        rules = [rule for policy in policies for rule in policy.rules if direction in rule.directions]
        named = frozenset().union(*(rule.names for rule in rules))
        plan = Plan(self.units(rules, categories(rules)), {}, {}, named)
        if direction == "prompt":
            return plan
        binding: dict[Role, tuple[Unit, ...]] = {}
        advisory: dict[Role, tuple[Unit, ...]] = {}
        for role in ROLES:
            concerned = [rule for rule in rules if rule.roles is None or role in rule.roles]
            bound = categories([rule for rule in concerned if binds(rule) and rule.stream != "after"])
            others = {use: more - bound.get(use, frozenset()) for use, more in categories(concerned).items()}
            if units := self.units(concerned, bound):
                binding[role] = units
            if units := self.units(concerned, others):
                advisory[role] = units
        return Plan(plan.whole, binding, advisory, named)

    def units(self, rules: Sequence[Rule], needed: Mapping[tuple[str, str], frozenset[str]]) -> tuple[Unit, ...]:
        """The units that find these categories."""
        uses = tuple(sorted((Use(*key, found) for key, found in needed.items() if found), key=lambda u: (u.check, u.variant)))
        if not uses:
            return ()
        options = {(rule.check, rule.variant): rule.options for rule in rules}
        joining = tuple(use for use in uses if self.catalogue[use.check].joins)
        groups = [joining, *((use,) for use in uses if use not in joining)]
        return tuple(self.unit(check, rules) for group in groups if group for check in self.made(group, options))

    def made(self, uses: tuple[Use, ...], options: Mapping[tuple[str, str], BaseModel]) -> tuple[Check, ...]:
        """The checks for these uses, joined; made once."""
        if uses not in self.built:
            made = self.combine(check for use in uses for check in self.build(use, options[use.check, use.variant]))
            for check in made:
                check([Segment("", "user")])  # what a check puts off until it is first asked happens now, not in a call
            self.built[uses] = made
        return self.built[uses]

    def build(self, use: Use, options: BaseModel) -> tuple[Check, ...]:
        made = self.catalogue[use.check].build(options, use.categories, use.variant)
        return made if isinstance(made, tuple) else (made,)

    def unit(self, check: Check, rules: Sequence[Rule]) -> Unit:
        served = [rule for rule in rules if (rule.check, rule.variant) in check.names]
        roles = [rule.roles for rule in served]
        some = None if None in roles else frozenset().union(*(r for r in roles if r is not None))
        label = "+".join(dict.fromkeys(name for name, _ in check.names))
        timeout = min((rule.timeout or self.timeout for rule in served), default=self.timeout)
        kinds = [self.catalogue[name] for name, _ in check.names]
        number = self.numbers.setdefault(id(check), next(NUMBERS)) if all(kind.lasting for kind in kinds) else 0
        waiting = check if isinstance(check, Waiting) else None
        converses, holds = any(kind.converses for kind in kinds), any(binds(rule) and rule.stream == "hold" for rule in served)
        pairing = check if any(kind.pairs for kind in kinds) and isinstance(check, Pairing) else None
        return Unit(check, label, some, timeout, waiting, number, converses, holds, pairing)


def binds(rule: Rule) -> bool:
    """Whether a stream must wait for what this rule looks for."""
    return rule.mode == "enforce" and rule.action >= Action.REDACT


def streamed(policies: Sequence[Policy]) -> tuple[Policy, ...]:
    """The policies as they hold for streams: a rule that looks after the fact can only flag."""
    return tuple(
        replace(policy, rules=tuple(map(after, policy.rules))) if any(rule.stream == "after" for rule in policy.rules) else policy
        for policy in policies
    )


def after(rule: Rule) -> Rule:
    """A rule as it holds for streams."""
    return replace(rule, action=Action.FLAG, on_error="allow") if rule.stream == "after" else rule


def categories(rules: Iterable[Rule]) -> dict[tuple[str, str], frozenset[str]]:
    """The categories that the rules need of each check."""
    needed: dict[tuple[str, str], frozenset[str]] = {}
    for rule in rules:
        key = (rule.check, rule.variant)
        needed[key] = needed.get(key, frozenset()) | rule.categories
    return needed
