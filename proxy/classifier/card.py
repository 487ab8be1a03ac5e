"""What a model folder says of its model: files with their hashes, labels, windows, calibration, the threshold of each level."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from proxy.core import Level, Role
from proxy.errors import ModelError

Kind = Literal["speaker", "material"]  # whose text it is: somebody's who talks to the model, or what was fetched for it
KINDS: tuple[Kind, ...] = ("speaker", "material")
MATERIAL: frozenset[Role] = frozenset(("tool", "document"))
MANIFEST = "manifest.json"
CONFIG = "config.json"
WEIGHTS = "model.safetensors"
TOKENIZER = "tokenizer.json"
CHUNK = 2**20
Read = TypeVar("Read", bound=BaseModel)


def kind_of(role: Role) -> Kind:
    """The same sentence is ordinary from a user and an attack inside a tool's result: roles are calibrated apart."""
    return "material" if role in MATERIAL else "speaker"


class Strict(BaseModel):
    """Nothing unknown, nothing converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Manifest(Strict):
    """The files of a model, each with the SHA-256 of its bytes."""

    files: Mapping[str, Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]] = Field(min_length=1)


class Sizes(Strict):
    """The shape of the network."""

    vocabulary: int = Field(ge=1)
    positions: int = Field(ge=1)
    layers: int = Field(ge=1)
    hidden: int = Field(ge=1)
    heads: int = Field(ge=1)
    intermediate: int = Field(ge=1)


class Thresholds(Strict):
    """The threshold of each level: chosen on the validation sets at the rates of false positives that the card states."""

    strict: float = Field(ge=0, le=1)
    balanced: float = Field(ge=0, le=1)
    lenient: float = Field(ge=0, le=1)


def rising(line: list[float]) -> list[float]:
    """The calibration itself, if it is a slope above 0 and an offset, both finite."""
    if len(line) != 2 or not all(map(math.isfinite, line)) or line[0] <= 0:
        raise ValueError("expected [a, b] with a above 0: a score is 1 / (1 + exp(-(a * logit + b)))")
    return line


Line = Annotated[list[float], AfterValidator(rising)]


class Card(Strict):
    """The `config.json` of an encoder."""

    name: str = Field(min_length=1)
    version: str = Field(min_length=1)
    shape: Sizes
    labels: list[str] = Field(min_length=1)
    entities: list[str]
    window: int = Field(ge=8)
    overlap: int = Field(ge=0)
    markers: Mapping[Kind, int]
    calibration: Mapping[str, Mapping[Kind, Line]]
    levels: Mapping[str, Mapping[Kind, Thresholds]]

    @model_validator(mode="after")
    def _whole(self) -> Card:
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("expected each label once")
        if self.window > self.shape.positions:
            raise ValueError("expected a window of no more ids than the network has positions")
        if self.overlap * 2 > self.window:
            raise ValueError("expected an overlap of half a window at most")
        for name, table in (("calibration", self.calibration), ("levels", self.levels)):
            if missing := [label for label in self.labels if set(table.get(label, ())) != set(KINDS)]:
                raise ValueError(f"expected {name} of {', '.join(missing)} for speaker and material")
        return self

    def score(self, label: int, kind: Kind, logit: float) -> float:
        """The calibrated score of a logit, 0 to 1."""
        a, b = self.calibration[self.labels[label]][kind]
        x = a * logit + b
        return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))

    def threshold(self, label: str, kind: Kind, level: Level) -> float:
        """The score from which a level takes a finding seriously."""
        found: float = getattr(self.levels[label][kind], level)
        return found


def read_card(folder: Path) -> Card:
    """What the encoder in a folder is, from its verified configuration alone. Raises ModelError."""
    verify(folder, CONFIG, only=True)
    return parsed(folder / CONFIG, Card)


def verify(folder: Path, *needed: str, only: bool = False) -> Mapping[str, str]:
    """Compare the files of a model with its manifest: all of them, `needed` among them, or `only` those.

    Returns the SHA-256 of each. Raises ModelError for the first that is not as it should be.
    """
    files = parsed(folder / MANIFEST, Manifest).files
    for name in needed if only else sorted({*files, *needed}):
        expected = files.get(name)
        if expected is None or Path(name).name != name:
            raise ModelError(f"{folder / MANIFEST}: it has no usable entry for {name}: {OUT}")
        found = digest(folder / name)
        if found != expected:
            raise ModelError(f"{folder / name}: its SHA-256 is {found}, and the manifest says {expected}: {OUT}")
    return files


OUT = "the file is damaged or was changed; install Parapet again, or name the folder of a whole model in the setting `models`"


def digest(file: Path) -> str:
    """The SHA-256 of a file. Raises ModelError."""
    made = hashlib.sha256()
    try:
        with file.open("rb") as opened:
            while chunk := opened.read(CHUNK):
                made.update(chunk)
    except OSError as error:
        raise ModelError(f"{file}: cannot be read ({error.strerror}): {OUT}") from None
    return made.hexdigest()


def parsed(file: Path, of: type[Read]) -> Read:
    """A file of JSON as its model. Raises ModelError with the place of the first mistake."""
    try:
        return of.model_validate(json.loads(file.read_bytes()))
    except OSError as error:
        raise ModelError(f"{file}: cannot be read ({error.strerror}): {OUT}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ModelError(f"{file}: {place + ': ' if place else ''}{first['msg']}: {OUT}") from None
    except ValueError:
        raise ModelError(f"{file}: it is not JSON: {OUT}") from None
