"""The tests of a policy, `NAME_test.yaml` beside it, and whether they say enough about every rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, model_validator

from proxy import yamlfile
from proxy.core import Action, Direction, Role, Segment
from proxy.errors import PolicyError, Problem
from proxy.policy.compiled import Policy, Rule
from proxy.policy.load import read
from proxy.policy.model import Entry, Globs, Slug, Text

AUTHORS: dict[Direction, Role] = {"prompt": "user", "completion": "assistant"}


class SegmentEntry(Entry):
    """One text of a case with more than one."""

    role: Role
    text: str


class ExpectEntry(Entry):
    """What has to come out. What is left out is not looked at."""

    action: Literal["allow", "flag", "redact", "block"]
    rule: Slug | None = None
    text: str | list[str] | None = None
    findings: list[Text] | None = None

    @model_validator(mode="after")
    def _whole(self) -> ExpectEntry:
        if self.action == "allow" and self.rule:
            raise ValueError("expected no rule with the action allow: to say which rule is nearly hit, write near beside expect")
        return self


class CaseEntry(Entry):
    """One case as the file writes it."""

    name: Text
    prompt: str | list[SegmentEntry] | None = None
    completion: str | list[SegmentEntry] | None = None
    team: str | None = None
    model: str | None = None
    near: Globs | None = None
    expect: ExpectEntry

    @model_validator(mode="after")
    def _one_direction(self) -> CaseEntry:
        if (self.prompt is None) == (self.completion is None):
            raise ValueError("expected either prompt or completion")
        texts = self.prompt if self.prompt is not None else self.completion
        count = len(texts) if isinstance(texts, list) else 1
        if count == 0:
            raise ValueError("expected at least one text")
        if self.expect.text is not None and count != (len(self.expect.text) if isinstance(self.expect.text, list) else 1):
            raise ValueError(f"expected as many texts in expect.text as there are in the case: {count}")
        return self


class CaseFile(Entry):
    """The tests of one policy."""

    tests: list[CaseEntry] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Expect:
    """What has to come out; None is not looked at. `texts` has one for each segment, after redaction."""

    action: Action
    rule: str | None = None
    texts: tuple[str, ...] | None = None
    findings: frozenset[str] | None = None  # exactly these categories


@dataclass(frozen=True, slots=True)
class Case:
    """One test. `near` names rules that it comes close to and does not hit; team and model None: the policy applies."""

    name: str
    direction: Direction
    segments: tuple[Segment, ...]
    expect: Expect
    team: str | None
    model: str | None
    near: tuple[str, ...]
    file: str
    line: int

    def concerns(self, policy: Policy) -> bool:
        """Whether the policy applies to the call that the case describes."""
        team, model = self.team, self.model
        return policy.applies(team if team is not None else policy.teams[0], model if model is not None else policy.models[0])

    def problem(self, message: str) -> Problem:
        """Something that is wrong with this case."""
        return Problem(self.file, self.line, 1, "", f"{self.name!r}: {message}")


def beside(policy: Path) -> Path:
    """Where the tests of a policy file are."""
    return policy.with_name(f"{policy.stem}_test{policy.suffix}")


def load_cases(path: Path) -> tuple[Case, ...]:
    """The cases in a file. Raises PolicyError with all problems."""
    return _cases(read(path))


def parse_cases(text: str, name: str) -> tuple[Case, ...]:
    """The cases in a text; `name` stands for the file in errors. Raises PolicyError."""
    return _cases(read(text, name))


def coverage(policy: Policy, cases: Sequence[Case]) -> list[Problem]:
    """What the cases leave open: every rule has to be shown to act, and shown to leave something alone.

    A *hit* is a case that expects the rule with the action that the rule asks for (in monitor mode, too: what it would do).
    A *near miss* is a case in one of the rule's directions, about a call that the policy applies to, with a text in one of the
    rule's roles, that does not expect the rule, and that is close to it: because `near` names the rule; or, without `near`,
    because it expects another rule of the same check; or because it expects allow and every rule of the policy in that
    direction is of the same check. So one greeting is no near miss for rules of several checks, of which it is close to none.
    """
    rules = {rule.id: rule for rule in policy.rules}
    problems = [
        case.problem(yamlfile.unknown("rule", name, rules))
        for case in cases
        for name in (*case.near, *([case.expect.rule] if case.expect.rule else []))
        if name not in rules
    ]
    for rule in policy.rules:
        missing = []
        if not any(_hits(rule, case) for case in cases):
            missing.append(f"a hit: a case that expects the action {rule.action.word} and the rule {rule.id}")
        if not any(case.concerns(policy) and _nearly(policy, rule, case) for case in cases):
            missing.append(f"a near miss: a case that passes, with `near: {rule.id}`")
        problems += [Problem(policy.file, 1, 1, rule.id, f"the rule is not tested with {what}") for what in missing]
    return problems


def _hits(rule: Rule, case: Case) -> bool:
    return case.direction in rule.directions and case.expect.rule == rule.id and case.expect.action == rule.action


def _nearly(policy: Policy, rule: Rule, case: Case) -> bool:
    if case.direction not in rule.directions or case.expect.rule == rule.id:
        return False
    if rule.roles is not None and not any(segment.role in rule.roles for segment in case.segments):
        return False
    if case.near:
        return rule.id in case.near
    if case.expect.rule:
        return any(other.id == case.expect.rule and other.check == rule.check for other in policy.rules)
    same = all(other.check == rule.check for other in policy.rules if case.direction in other.directions)
    return case.expect.action == Action.ALLOW and same


def _cases(document: yamlfile.Document) -> tuple[Case, ...]:
    try:
        file = CaseFile.model_validate(document.data)
    except ValidationError as error:
        raise PolicyError(yamlfile.problems(document, error, CaseFile)) from None
    cases = tuple(_case(document, index, entry) for index, entry in enumerate(file.tests))
    first = {case.name: case for case in reversed(cases)}
    twice = [case.problem(f"a test of this name is already at line {first[case.name].line}") for case in cases]
    if problems := [problem for problem, case in zip(twice, cases, strict=True) if first[case.name] is not case]:
        raise PolicyError(problems)
    return cases


def _case(document: yamlfile.Document, index: int, entry: CaseEntry) -> Case:
    direction: Direction = "completion" if entry.prompt is None else "prompt"
    texts = entry.completion if entry.prompt is None else entry.prompt
    expect = entry.expect
    return Case(
        name=entry.name,
        direction=direction,
        segments=_segments(texts or "", direction),
        expect=Expect(
            action=Action[expect.action.upper()],
            rule=expect.rule,
            texts=None if expect.text is None else tuple([expect.text] if isinstance(expect.text, str) else expect.text),
            findings=None if expect.findings is None else frozenset(expect.findings),
        ),
        team=entry.team,
        model=entry.model,
        near=tuple(entry.near or ()),
        file=document.file,
        line=document.place(("tests", index)).line,
    )


def _segments(texts: str | list[SegmentEntry], direction: Direction) -> tuple[Segment, ...]:
    if isinstance(texts, str):
        return (Segment(texts, AUTHORS[direction]),)
    return tuple(Segment(entry.text, entry.role, f"segments[{index}]") for index, entry in enumerate(texts))
