"""The check `nemo`: an existing NeMo Guardrails configuration judges the texts, through its own runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo

from proxy.checks.consulted import Asked, Consulted, ConsultedOptions
from proxy.checks.desk import Desk, Meter
from proxy.checks.rails import Plan, Rails, RailsError, Side
from proxy.core import CheckKind, Flaw, Outside
from proxy.errors import ParapetError

NAME = "nemo"
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
    loaded: dict[str, tuple[object, Rails, Desk]] = {}  # by options, the newest state of the files

    def desk(given: NemoOptions) -> Desk:
        """The configuration as its files are now, loaded once. Raises RailsError."""
        if outside is None:
            raise ParapetError("nobody outside can be asked from here")
        key = given.model_dump_json(exclude={"categories", "window", "overlap"})
        state = states(given.files())
        if key not in loaded or loaded[key][0] != state:
            path = Path(given.config)
            rails = Rails(Plan(path, tuple(given.rails) if given.rails else None, given.pools), outside)
            loaded[key] = (state, rails, Desk(NAME, path.name, rails.ask, given.limits(), meter))
        return loaded[key][2]

    def flaw(given: NemoOptions) -> Flaw | None:
        try:
            desk(given)
        except RailsError as error:
            return Flaw(error.option, str(error))
        return None

    def build(given: Any, wanted: frozenset[str], variant: str) -> Consulted:
        return Consulted(desk(given), given, Asked(NAME, "custom", variant, wanted))

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
    )


def states(files: list[Path]) -> object:
    """What tells one state of the files from another."""
    found = [(str(file), file.stat()) for file in sorted(files)]
    return tuple((name, stat.st_mtime_ns, stat.st_size) for name, stat in found)
