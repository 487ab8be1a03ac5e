"""`parapet policy lint | test | schema`: what an officer runs before a policy goes into force."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from proxy import policy
from proxy.checks import catalogue, combined
from proxy.cli.common import Commands, add_config, loaded, outside, policy_files
from proxy.core import Action, CheckKind
from proxy.engine import Engine, Verdict
from proxy.errors import PolicyError, Problem
from proxy.metrics import Metrics
from proxy.operators import Conversations, Keys
from proxy.policy import Case, Policy
from proxy.settings import Settings

TESTED = Conversations(Keys(["the key of policy tests, which is no secret"]))  # so that names and hashes are the same everywhere


def add(commands: Commands) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser("policy", help="check and test policy files")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, help_, run in (
        ("lint", "say what is wrong with policy files and their tests", lint),
        ("test", "run the tests beside policy files", test),
    ):
        action = actions.add_parser(name, help=help_)
        action.add_argument("policies", nargs="*", metavar="POLICY", help="a file, a folder or a name (default: those in force)")
        add_config(action)
        action.set_defaults(run=run)
    schema = actions.add_parser(
        "schema", help="print the JSON Schema of policy files, with the checks of installed packages, for editors"
    )
    schema.set_defaults(run=print_schema)


def print_schema(_: argparse.Namespace) -> int:
    """Print the schema, with the checks of the packages that are installed; what is wrong with one of them goes to stderr."""
    known = catalogue()
    for problem in known.look():
        print(f"parapet: left out: {problem}", file=sys.stderr)
    print(json.dumps(policy.schema(known), indent=2))
    return 0


def lint(arguments: argparse.Namespace) -> int:
    """Read everything; print every problem with its place. 1 if there is one."""
    given = loaded(arguments)
    paths = policy_files(arguments.policies, given)
    try:
        found = policy.load(paths, catalogue(given, outside=outside(given)))
    except PolicyError as error:
        return report(error.problems)
    problems: list[Problem] = []
    for each in found.policies:
        try:
            problems += policy.coverage(each, cases(each))
        except PolicyError as error:
            problems += error.problems
    if problems:
        return report(problems)
    count = sum(len(each.rules) for each in found.policies)
    print(f"{len(found.policies)} policies, {count} rules, revision {found.revision}: no problems")
    return 0


def report(problems: list[Problem]) -> int:
    for problem in problems:
        print(problem)
    print(f"{len(problems)} problem{'s' if len(problems) > 1 else ''}", file=sys.stderr)
    return 1


def cases(of: Policy) -> tuple[Case, ...]:
    """The tests beside a policy. Raises PolicyError; a policy without tests has none."""
    file = policy.beside(Path(of.file))
    return policy.load_cases(file) if file.exists() else ()


def test(arguments: argparse.Namespace) -> int:
    """Run every case; 1 if one fails or a policy says nothing of a rule."""
    given = loaded(arguments)
    checks = catalogue(given, outside=outside(given))
    found = policy.load(policy_files(arguments.policies, given), checks)
    passed = failed = 0
    for each in found.policies:
        tests = cases(each)
        for case, problem in asyncio.run(outcomes(each, tests, given, checks)):
            print(f"{'FAIL' if problem else 'PASS'}  {case.file}:{case.line}  {case.name}{': ' + problem if problem else ''}")
            passed, failed = passed + (not problem), failed + bool(problem)
        for gap in policy.coverage(each, tests):
            print(f"FAIL  {gap}")
            failed += 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


async def outcomes(
    of: Policy, tests: tuple[Case, ...], given: Settings, checks: Mapping[str, CheckKind]
) -> list[tuple[Case, str]]:
    """Each case with what is wrong; empty for nothing."""
    engine = Engine(given, checks, combined, Metrics(), TESTED)
    try:
        everyone = replace(of, teams=("*",), models=("*",))  # whether it applies is part of the case, see `concerns`
        engine.use(policy.policy_set([everyone]))
        guard = engine.guard("", next(iter(given.pools)))
        found = []
        for case in tests:
            if case.concerns(of):
                found.append((case, "; ".join(differences(case, of, await guard.judge(case.direction, case.segments)))))
            else:
                expected = case.expect.action != Action.ALLOW
                found.append((case, "the policy does not apply to this team and model" if expected else ""))
        return found
    finally:
        engine.close()


def differences(case: Case, of: Policy, verdict: Verdict) -> Iterator[str]:
    """What came out otherwise than the case expects. A policy in monitor mode is judged by what it would have done."""
    decision, expect = verdict.decision, case.expect
    action = decision.would if of.mode == "monitor" else decision.action
    rules = {match.rule for match in decision.matches if match.action == action}
    if action != expect.action:
        yield f"expected {expect.action.word}, got {action.word}" + (f" by {', '.join(sorted(rules))}" if rules else "")
    elif expect.rule and (decision.rule != expect.rule if decision.rule else expect.rule not in rules):
        yield f"expected the rule {expect.rule}, got {decision.rule or ', '.join(sorted(rules))}"
    if expect.texts is not None:
        texts = tuple(verdict.texts.get(i, segment.text) for i, segment in enumerate(case.segments))
        if texts != expect.texts:
            yield f"expected the text {list(expect.texts)}, got {list(texts)}"
    if expect.findings is not None:
        matched = {match.finding.category for match in decision.matches if match.finding}
        if matched != expect.findings:
            yield f"expected findings of {sorted(expect.findings)}, got {sorted(matched)}"
