"""The check `nemo`: an existing NeMo Guardrails configuration judges the texts, through its own runtime."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo

from proxy.checks.changed import changed
from proxy.checks.consulted import Asked, Consulted, ConsultedOptions
from proxy.checks.desk import Answer, Consult, Desk, Desks, Meter, Noted, Question
from proxy.checks.guard_formats import SPEAKS
from proxy.core import CheckKind, Flaw, Outside, Role
from proxy.errors import CheckError, ParapetError
from proxy.rails import line
from proxy.rails.house import Rails
from proxy.rails.line import Plan, RailsError, Side

NAME = "nemo"
KEPT = 300.0  # seconds for which what was loaded for a rule waits to be in force
CATEGORIES = ("blocked", "modified")
MOST = 1000  # files of a configuration that are looked at for changes


def folder(name: str, info: ValidationInfo) -> str:
    """The path of a folder that is there, relative to the policy's."""
    path = Path((info.context or {}).get("folder", "."), name).resolve()
    if not path.is_dir():
        raise ValueError(f"expected a folder with a NeMo Guardrails configuration: there is none at {path}")
    return str(path)


class NemoOptions(ConsultedOptions):
    """What a rule may say `with` the check `nemo`."""

    config: Annotated[str, AfterValidator(folder)] = Field(
        description="the folder of the configuration: config.yml, Colang files, actions; relative to the policy's"
    )
    rails: list[Side] | None = Field(
        default=None,
        description="the rails that run: input on what goes to a model, output on what comes, retrieval on documents; left out: "
        "all that the configuration has",
    )
    pools: dict[str, str] = Field(
        default={}, description="the pool for each type of model in the configuration; left out: the pool of the model's name"
    )
    categories: list[Literal["blocked", "modified"]] | None = Field(
        default=None, description="what the rule is about: what a rail blocked, or changed; left out: both"
    )
    window: int = Field(
        default=0,
        ge=0,
        le=1_000_000,
        description="characters that are judged at once; 0: a text is judged as one, and a stream is held back until it ends",
    )
    overlap: int = Field(default=0, ge=0, le=100_000, description="characters that one window and the next have in common")

    def files(self) -> list[Path]:
        """What the check reads: a rule is put in force anew when one of them changes."""
        found = (path for path in Path(self.config).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
        return [path for _, path in zip(range(MOST), found, strict=False)]


def kind(outside: Outside | None, meter: Meter) -> CheckKind:
    """The check, with whom its models are asked through."""
    loaded = Desks()  # by options and the state of the files
    kept: dict[object, Desk] = {}  # loaded when a rule was read, until that is in force

    def desk(given: NemoOptions) -> Desk:
        """The configuration as its files are now, loaded once. Raises RailsError."""
        if outside is None:
            raise ParapetError("nobody outside can be asked from here")
        key = (given.model_dump_json(exclude={"categories", "window", "overlap"}), states(given.files()))
        made = loaded.get(key)
        if made is None:
            path = Path(given.config)
            plan = Plan(path, tuple(given.rails) if given.rails else None, given.pools, tuple(outside.models))
            rails = Rails(plan, outside, lambda: meter.restarted(NAME, path.name))
            made = loaded[key] = Desk(NAME, path.name, asking(rails), given.limits(), meter)
        if key not in kept:
            kept[key] = made
            later = threading.Timer(KEPT, kept.pop, (key, None))
            later.daemon = True
            later.start()
        return made

    def flaw(given: NemoOptions) -> Flaw | None:
        try:
            desk(given)
        except RailsError as error:
            return Flaw(error.option, str(error))
        return None

    def build(given: Any, wanted: frozenset[str], variant: str) -> Consulted:
        made = Consulted(desk(given), given, Asked(NAME, "custom", variant, wanted))
        for key in [key for key, each in list(kept.items()) if each is made.desk]:
            kept.pop(key, None)  # the check holds it from now on
        return made

    return CheckKind(
        name=NAME,
        family="custom",
        categories=CATEGORIES,
        defaults=CATEGORIES,
        options=NemoOptions,
        select="categories",
        build=build,
        description="A NeMo Guardrails configuration, through its own runtime; it needs the extra `nemo`.",
        flaw=flaw if outside is not None else None,
        lasting=False,  # models judge; it has a cache of its own
        pairs=True,
    )


def asking(rails: Rails) -> Consult:
    """How the rails are asked."""

    def consult(questions: Sequence[Question], timeout: float) -> Future[Sequence[Answer | CheckError]]:
        [question] = questions
        made: Future[Sequence[Answer | CheckError]] = Future()
        side = side_of(question.role, rails.sides)
        if side not in rails.sides:
            made.set_result([()])
            return made

        def hear(told: Future[line.Verdict]) -> None:
            try:
                made.set_result([noted(told.result(), question.text)])
            except Exception as error:  # noqa: BLE001 - whatever went wrong, the desk is to hear of it
                made.set_exception(error)

        said = [text for role, text in question.before if role == "user"]
        asked = said[-1] if said and side == "output" else ""
        rails.ask(line.Question(question.text, side, asked), timeout).add_done_callback(hear)
        return made

    return consult


def noted(verdict: line.Verdict, text: str) -> Answer:
    """What the rails found: who blocked the text, or where they have changed it."""
    if verdict.rail:
        return (Noted("blocked", 1.0, 0, len(text), (("rail", verdict.rail[:64]),)),)
    changes = changed(text, verdict.text) if verdict.text != text else ()
    return tuple(Noted("modified", 1.0, each.start, each.end, replacement=each.text) for each in changes)


def side_of(role: Role, sides: Sequence[Side]) -> Side:
    """The rails that a text of this role is for."""
    if role in SPEAKS:
        return "output"
    return "retrieval" if role == "document" and "retrieval" in sides else "input"


def states(files: list[Path]) -> object:
    """What tells one state of the files from another."""
    found = [(str(file), file.stat()) for file in sorted(files)]
    return tuple((name, stat.st_mtime_ns, stat.st_size) for name, stat in found)
