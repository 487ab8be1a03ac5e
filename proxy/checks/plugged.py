"""Checks of one's own, from packages that are installed beside Parapet: found by their entry points when a policy names them."""

from __future__ import annotations

import math
import re
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from importlib import metadata
from queue import SimpleQueue
from typing import Any, Literal

from pydantic import Field, create_model

from proxy.checks.consulted import Asked, Consulted, ConsultedOptions
from proxy.checks.desk import Answer, Consult, Desk, Desks, Limits, Meter, Noted, Question
from proxy.core import FAMILIES, CheckKind
from proxy.errors import CheckDeclined, CheckError, ParapetError
from proxy.plug import GROUP, Hit, Judge, Options, Plug

NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
CATEGORY = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")  # a label of metrics
MOST = 1000  # hits in one text
Answers = Callable[[Sequence[Question]], Sequence[Answer | CheckError]]
Todo = SimpleQueue[tuple[Future[Sequence[Answer | CheckError]], Sequence[Question]] | None]


class Catalogue(dict[str, CheckKind]):
    """Checks by name: our own, and those that packages bring, which are looked for when a name is not ours."""

    def __init__(self, kinds: Mapping[str, CheckKind], meter: Meter) -> None:
        super().__init__(kinds)
        self.meter = meter

    def get(self, name: str, default: Any = None) -> Any:
        """The check of this name. Raises ParapetError for a package whose check cannot be used."""
        return self[name] if name in self or self.plugged(name) else default

    def __missing__(self, name: str) -> CheckKind:
        if self.plugged(name):
            return self[name]
        raise KeyError(name)

    def look(self) -> list[str]:
        """Take in every check that a package brings; what is wrong with those that cannot be used."""
        problems = []
        for name in sorted({point.name for point in metadata.entry_points(group=GROUP)} - self.keys()):
            try:
                self.plugged(name)
            except ParapetError as error:
                problems.append(str(error))
        return problems

    def plugged(self, name: str) -> bool:
        """Whether a package brings this check; it is one of ours from now on."""
        points = [point for point in metadata.entry_points(group=GROUP) if point.name == name]
        if not points:
            return False
        if len(points) > 1:
            several = ", ".join(sorted(point.value for point in points))
            raise ParapetError(f"several packages bring a check {name}: {several}; uninstall all but one")
        self[name] = kind(name, loaded(points[0]), self.meter)
        return True


def loaded(point: metadata.EntryPoint) -> Plug:
    """What an entry point names. Raises ParapetError."""
    try:
        plug = point.load()
    except Exception as error:  # noqa: BLE001 - whatever the package dies of, the policy is refused with it
        raise ParapetError(
            f"the check {point.name} of {point.value} cannot be imported: {type(error).__name__}: {error}"
        ) from None
    if problem := flaw(point.name, plug):
        raise ParapetError(f"the check {point.name} of {point.value} cannot be used: {problem}")
    made: Plug = plug
    return made


def flaw(name: str, plug: object) -> str:
    """What is wrong with what an entry point names; empty for nothing."""
    if not isinstance(plug, Plug):
        return f"expected a proxy.plug.Plug, not a {type(plug).__name__}"
    if not NAME.fullmatch(name):
        return "expected a name of lower-case letters, digits, _ and -"
    if not plug.categories or not all(CATEGORY.fullmatch(each) for each in plug.categories):
        return "expected categories, each of letters, digits, _ and -"
    if plug.family not in FAMILIES:
        return f"expected a family of {', '.join(FAMILIES)}"
    if taken := sorted(plug.options.model_fields.keys() & {*ConsultedOptions.model_fields, "categories"}):
        return f"expected another name for its option {taken[0]}: every check has one of that name"
    return ""


def kind(name: str, plug: Plug, meter: Meter) -> CheckKind:
    """The check as policies name it."""
    listed: Any = list.__class_getitem__(Literal.__getitem__(plug.categories))
    told = "what the rule is about; left out: all of them"
    options: type[Any] = create_model(
        f"{name.title().replace('-', '').replace('_', '')}Options",
        __base__=(plug.options, ConsultedOptions),
        categories=(listed | None, Field(default=None, description=told)),
    )
    desks = Desks()

    def build(given: Any, wanted: frozenset[str], variant: str) -> Consulted:
        key = (given.model_dump_json(exclude={"categories", "window", "overlap"}), wanted)
        desk = desks.get(key)
        if desk is None:
            consult = asking(name, plug, made(name, plug, given, wanted))
            limits = Limits(at_once=plug.threads, queue=given.queue, cache=given.cache)
            desk = desks[key] = Desk(name, name, consult, limits, meter)
        return Consulted(desk, given, Asked(name, plug.family, variant, wanted))

    return CheckKind(
        name=name,
        family=plug.family,
        categories=plug.categories,
        defaults=plug.categories,
        options=options,
        select="categories",
        build=build,
        description=plug.description,
        lasting=False,  # who knows what it asks; it has a cache of its own
    )


def made(name: str, plug: Plug, given: Any, wanted: frozenset[str]) -> Judge:
    """What judges. Raises ParapetError with what the package's own code raised."""
    own: Options = plug.options(**{field: getattr(given, field) for field in plug.options.model_fields})
    try:
        return plug.build(own, wanted)
    except Exception as error:  # noqa: BLE001 - whatever it dies of, the policy is refused with it
        raise ParapetError(f"the check {name} could not be made: {type(error).__name__}: {error}") from None


def asking(name: str, plug: Plug, judge: Judge) -> Consult:
    """How it is asked: in threads of its own, which go when this does; a process that ends does not wait for one that hangs."""
    known, todo = frozenset(plug.categories), Todo()

    def answers(questions: Sequence[Question]) -> Sequence[Answer | CheckError]:
        return [answer(judge, each, known) for each in questions]

    def consult(questions: Sequence[Question], _: float) -> Future[Sequence[Answer | CheckError]]:
        made: Future[Sequence[Answer | CheckError]] = Future()
        todo.put((made, questions))
        return made

    for number in range(plug.threads):
        threading.Thread(target=work, args=(todo, answers), name=f"parapet-{name}-{number}", daemon=True).start()
    weakref.finalize(consult, stop, todo, plug.threads)
    return consult


def work(todo: Todo, answers: Answers) -> None:
    """Answer one batch of questions after another."""
    while step(todo, answers):
        pass  # nothing of a batch is held here while the next is awaited: who asked it may be the last to need this


def step(todo: Todo, answers: Answers) -> bool:
    """The next batch; False at the end."""
    batch = todo.get()
    if batch is None:
        return False
    made, questions = batch
    try:
        made.set_result(answers(questions))
    except BaseException as error:  # noqa: BLE001 - whatever it dies of, those who wait are to hear of it
        made.set_exception(error)
    return True


def stop(todo: Todo, threads: int) -> None:
    """Have the threads end."""
    for _ in range(threads):
        todo.put(None)


def answer(judge: Judge, question: Question, known: frozenset[str]) -> Answer | CheckError:
    """What the check says of one text; what it raises is about that text alone."""
    try:
        return tuple(noted(judge(question.text, question.role), question.text, known))
    except CheckDeclined as error:
        return error
    except Exception as error:  # noqa: BLE001 - whatever a package's code dies of, its rules act by their on_error
        return CheckDeclined(f"the check failed ({type(error).__name__})")


def noted(hits: Any, text: str, known: frozenset[str]) -> Iterator[Noted]:
    """The hits, if they are what they should be. Raises CheckDeclined."""
    for number, hit in enumerate(hits):
        if not isinstance(hit, Hit) or hit.category not in known or number == MOST:
            raise CheckDeclined("expected hits of the categories that the check declares, and not too many")
        if type(hit.start) is not int or type(hit.end) is not int or not isinstance(hit.replacement, str | None):
            raise CheckDeclined("expected spans of whole numbers, and replacements that are texts")
        if not (0 <= hit.start <= hit.end <= len(text) and math.isfinite(hit.score) and 0 <= hit.score <= 1):
            raise CheckDeclined("expected spans within the text, and scores from 0 to 1")
        yield Noted(hit.category, hit.score, hit.start, hit.end, tuple(hit.detail.items()), hit.replacement)
