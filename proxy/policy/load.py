"""Reads policy files and compiles them to an immutable set, or says everything that is wrong with them."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from proxy import yamlfile
from proxy.core import LABEL, ROLES, Action, CheckKind, Operator, Thresholds, Way
from proxy.errors import FileError, ParapetError, PolicyError, Problem
from proxy.policy.compiled import Policy, PolicySet, Rule, digest, policy_set
from proxy.policy.model import DEFAULT, Mask, Masked, PolicyFile, RuleEntry
from proxy.policy.overlap import held_back

SUFFIXES = (".yaml", ".yml")
Catalogue = Mapping[str, CheckKind]


def load(paths: Sequence[Path], catalogue: Catalogue) -> PolicySet:
    """The policies in these files and folders, as one set.

    Of a folder, its own `*.yaml` and `*.yml` are read in the order of their names, without tests (`NAME_test.yaml`), hidden
    files, pipes, sockets and devices; a file that is named twice is read once. Raises PolicyError with all problems of all files.
    """
    problems: list[Problem] = []
    policies: list[Policy] = []
    first: dict[str, yamlfile.Document] = {}
    for file in _files(paths, problems):
        try:
            document = read(file)
            policy = _compile(document, catalogue)
        except PolicyError as error:
            problems += error.problems
            continue
        if policy.name in first:
            other = first[policy.name]
            place = f"{other.file}:{other.place(('policy',)).line}"
            problems.append(document.problem(("policy",), f"a policy {policy.name!r} is already in {place}"))
        first.setdefault(policy.name, document)
        policies.append(policy)
    if problems:
        raise PolicyError(problems)
    return policy_set(policies)


def parse(text: str, name: str, catalogue: Catalogue) -> Policy:
    """The policy that a text says; `name` stands for the file in errors. Raises PolicyError."""
    return _compile(read(text, name), catalogue)


def read(source: Path | str, name: str = "") -> yamlfile.Document:
    """A file or text of the policy kind, as data with places. Raises PolicyError."""
    if isinstance(source, Path) and _is_other(source):
        # A pipe would be waited for, perhaps for ever.
        raise PolicyError([Problem(str(source), 1, 1, "", "expected a regular file: this is a pipe, a socket or a device")])
    try:
        return yamlfile.read(source, file=name)
    except FileError as error:
        raise PolicyError(error.problems) from None


def is_tests(path: Path) -> bool:
    """Whether a file holds the tests of a policy, by its name."""
    return path.suffix in SUFFIXES and path.stem.endswith("_test")


def _files(paths: Sequence[Path], problems: list[Problem]) -> Iterator[Path]:
    seen: set[Path] = set()
    for path in paths:
        try:
            found = _in_folder(path) if path.is_dir() else [path]
        except OSError as error:
            problems.append(Problem(str(path), 1, 1, "", f"cannot be read: {error.strerror or error}"))
            continue
        if not found:
            problems.append(Problem(str(path), 1, 1, "", "the folder has no policy: expected files named *.yaml"))
        if not path.is_dir() and is_tests(path):
            problems.append(Problem(str(path), 1, 1, "", "these are the tests of a policy: name the policy's file"))
            continue
        places = {file: Path(os.path.realpath(file)) for file in found}  # Path.resolve raises for links in a circle
        yield from (file for file in found if places[file] not in seen)
        seen.update(places.values())


def _in_folder(folder: Path) -> list[Path]:
    files = (f for f in folder.iterdir() if f.suffix in SUFFIXES and not f.name.startswith(".") and not is_tests(f))
    return sorted(f for f in files if not f.is_dir() and not _is_other(f))


def _is_other(path: Path) -> bool:
    """Whether it is there and is neither file nor folder. What is not there is not passed over: reading it says what is wrong."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _compile(document: yamlfile.Document, catalogue: Catalogue) -> Policy:
    try:
        entry = PolicyFile.model_validate(document.data)
    except ValidationError as error:
        problems = yamlfile.problems(document, error, PolicyFile)
        raise PolicyError(sorted([*problems, *_readable_rules(document, catalogue)], key=_order)) from None
    found: list[Problem] = _twice(document, entry)
    rules = tuple(_rule(document, entry, index, catalogue, found) for index in range(len(entry.rules)))
    if entry.overlap:
        found += held_back(document, entry, catalogue)
    if found:
        raise PolicyError(sorted(found, key=_order))
    return Policy(
        name=entry.policy,
        description=entry.description,
        teams=tuple(entry.applies_to.teams),
        models=tuple(entry.applies_to.models),
        mode=entry.mode,
        rules=tuple(rule for rule in rules if rule),
        digest=digest(document.source),
        file=document.file,
        overlap=entry.overlap,
    )


def _order(problem: Problem) -> tuple[int, int]:
    return problem.line, problem.column


def _readable_rules(document: yamlfile.Document, catalogue: Catalogue) -> list[Problem]:
    """What is wrong with the checks and options of a file whose shape is wrong elsewhere: one look finds all mistakes."""
    found: list[Problem] = []
    rules = document.data.get("rules") if isinstance(document.data, dict) else None
    for index, rule in enumerate(rules if isinstance(rules, list) else []):
        if isinstance(rule, dict) and isinstance(rule.get("check"), str) and isinstance(rule.get("with", {}), dict):
            _options(document, index, rule["check"], rule.get("with", {}), catalogue, found)
    return found


def _twice(document: yamlfile.Document, entry: PolicyFile) -> list[Problem]:
    found, first = [], dict[str, int]()
    for index, rule in enumerate(entry.rules):
        if rule.id in first:
            place = document.place(("rules", first[rule.id], "id"))
            message = f"a rule {rule.id!r} is already at line {place.line}, column {place.column}"
            found.append(document.problem(("rules", index, "id"), message))
        first.setdefault(rule.id, index)
    return found


def _rule(document: yamlfile.Document, entry: PolicyFile, index: int, catalogue: Catalogue, found: list[Problem]) -> Rule | None:
    rule = entry.rules[index]
    options = _options(document, index, rule.check, rule.options, catalogue, found)
    if options is None:
        return None
    kind = catalogue[rule.check]
    categories = _categories(document, index, kind, options, found)
    thresholds = _thresholds(document, index, rule, kind, options, found)
    compiled = _compiled(entry, rule, categories, kind, options, thresholds)
    return replace(compiled, **_operators(document, index, rule, categories, found))


def _operators(
    document: yamlfile.Document, index: int, rule: RuleEntry, categories: frozenset[str], found: list[Problem]
) -> dict[str, Any]:
    """How the rule replaces what it finds: by category, and what is not named."""
    given = rule.operators or {}
    known = {*categories, DEFAULT}
    for name in given.keys() - known:
        told = yamlfile.unknown("category of this rule", name, known)
        found.append(document.problem(("rules", index, "as", name), told, key=True))
    made = {name: _operator(each) for name, each in given.items()}
    return {"operator": made.pop(DEFAULT, LABEL), "operators": made}


def _operator(given: Way | Masked) -> Operator:
    if isinstance(given, Masked):
        return Operator("mask", given.mask.keep)
    return Operator(given, Mask().keep if given == "mask" else 0)


def _thresholds(
    document: yamlfile.Document, index: int, rule: RuleEntry, kind: CheckKind, options: BaseModel, found: list[Problem]
) -> Thresholds:
    """What the rule's level stands for, by category and role; nothing for a rule without one."""
    if rule.level is None:
        if rule.threshold < kind.floor:
            told = f"expected at least {kind.floor}: the check {rule.check!r} reports nothing that scores lower"
            found.append(document.problem(("rules", index, "threshold"), told))
        return {}
    problem = f"the check {rule.check!r} has no levels: write a threshold, from 0 to 1"
    if kind.levels is not None:
        try:
            return kind.levels(options, rule.level)
        except ParapetError as error:
            problem = f"nobody can say what the level stands for: {error}"
    found.append(document.problem(("rules", index, "level"), problem, key=True))
    return {}


def _compiled(
    entry: PolicyFile,
    rule: RuleEntry,
    categories: frozenset[str],
    kind: CheckKind,
    options: BaseModel,
    thresholds: Thresholds,
) -> Rule:
    if kind.settled is not None:
        roles = rule.roles or ROLES
        least = {(category, role): thresholds.get((category, role), rule.threshold) for category in categories for role in roles}
        options = kind.settled(options, least)
    select = type(options).model_fields[kind.select]
    if not select.is_required():
        options = options.model_copy(update={kind.select: select.get_default(call_default_factory=True, validated_data={})})
    return Rule(
        policy=entry.policy,
        id=rule.id,
        description=rule.description,
        controls=tuple(rule.controls),
        check=rule.check,
        variant=_variant(options, kind.select),
        categories=categories,
        directions=frozenset(rule.direction),
        roles=None if rule.roles is None else frozenset(rule.roles),
        threshold=rule.threshold,
        action=Action[rule.action.upper()],
        on_error=rule.on_error,
        history=rule.history,
        stream=rule.stream,
        timeout=rule.timeout,
        message=rule.message or "",
        mode=entry.mode,
        options=options,
        level=rule.level,
        thresholds={(category, role): least for (category, role), least in thresholds.items() if category in categories},
    )


def _options(
    document: yamlfile.Document, index: int, check: str, options: dict[str, Any], catalogue: Catalogue, found: list[Problem]
) -> BaseModel | None:
    try:
        kind = catalogue.get(check)
    except ParapetError as error:
        found.append(document.problem(("rules", index, "check"), str(error)))
        return None
    if kind is None:
        found.append(document.problem(("rules", index, "check"), yamlfile.unknown("check", check, catalogue)))
        return None
    model: type[BaseModel] = kind.options
    try:
        # Through JSON: a list in the file may become a tuple or a set, also where the model is strict.
        context = {"folder": Path(document.file).parent}  # what paths in options are relative to
        made = model.model_validate_json(json.dumps(options), extra="forbid", context=context)
    except ValidationError as error:
        found += yamlfile.problems(document, error, model, ("rules", index, "with"))
        return None
    flaw = kind.flaw(made) if kind.flaw is not None else None
    if flaw is not None:
        found.append(document.problem(("rules", index, "with", flaw.option), flaw.message))
        return None
    return made


def _categories(
    document: yamlfile.Document, index: int, kind: CheckKind, options: BaseModel, found: list[Problem]
) -> frozenset[str]:
    """The categories that the rule is about. A kind whose `categories` are empty lets its options name any."""
    path = ("rules", index, "with", kind.select)
    chosen = getattr(options, kind.select)
    if chosen is None:
        return frozenset(kind.defaults)
    if not chosen and path in document.places:
        found.append(document.problem(path, "expected at least one entry: leave the key out for the check's defaults"))
    for position, name in enumerate(chosen):
        if kind.categories and name not in kind.categories:
            found.append(document.problem((*path, position), yamlfile.unknown("category", name, kind.categories)))
    return frozenset(chosen) or frozenset(kind.defaults)


def _variant(options: BaseModel, select: str) -> str:
    changed = options.model_dump(exclude_defaults=True, exclude={select})
    return digest(json.dumps(_plain(changed), sort_keys=True).encode()) if changed else ""


def _plain(value: Any) -> Any:
    """The value for JSON, sets in a stable order: their own changes from process to process."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted((_plain(item) for item in value), key=repr)
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
