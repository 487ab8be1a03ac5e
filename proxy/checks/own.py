"""A classifier of one's own: a Hugging Face sequence classifier in a local folder, its labels named as the policy wants them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints, ValidationInfo, model_validator

from proxy.checks.judged import FLOOR, Asked, Judged, ReadingOptions
from proxy.classifier import Classifiers, Reader, chosen, files, usable
from proxy.core import CheckKind
from proxy.errors import ModelError


def there(name: str, info: ValidationInfo) -> str:
    """The folder's path, if a model can be read from it; relative to the policy's file."""
    path = Path((info.context or {}).get("folder", "."), name).resolve()
    try:
        usable(path)
    except ModelError as error:
        raise ValueError(str(error)) from None
    return str(path)


Category = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}$")]  # a label of metrics


class OwnOptions(ReadingOptions):
    """What a rule may say `with` the check `classifier`."""

    model: Annotated[str, AfterValidator(there)] = Field(
        description="the folder with config.json, the tokenizer and the weights as safetensors; nothing is ever downloaded"
    )
    labels: dict[str, Category] = Field(
        min_length=1, description="the labels of the model that count, each with the category that its findings have"
    )
    categories: list[Category] | None = Field(default=None, description="what the rule is about; left out: all that labels name")
    several: bool = Field(default=False, description="true: a text can have several labels (sigmoid); false: one (softmax)")

    @model_validator(mode="after")
    def _named(self) -> OwnOptions:
        known = sorted(set(self.labels.values()))
        if self.categories is None:
            self.categories = known
        elif missing := sorted(set(self.categories) - set(known)):
            raise ValueError(f"expected categories that labels name, {', '.join(known)}; not {', '.join(missing)}")
        return self

    def files(self) -> list[Path]:
        """What the check reads: a rule is put in force anew when one of them is replaced."""
        return files(Path(self.model))


def kind(classifiers: Classifiers) -> CheckKind:
    """The check, with the settings that it runs under."""

    def build(given: Any, wanted: frozenset[str], variant: str) -> Judged:
        model = classifiers.own(chosen(Path(given.model), several=given.several))
        if missing := sorted(set(given.labels) - set(model.labels)):
            known = ", ".join(model.labels)
            raise ModelError(f"{given.model}: it has no label {', '.join(missing)}; mend `labels`: its own are {known}")
        reader = Reader(model, given.bounds(), classifiers.meter)
        return Judged(reader, [Asked("classifier", "custom", variant, wanted, given.labels)])

    return CheckKind(
        name="classifier",
        family="custom",
        categories=(),
        defaults=(),
        options=OwnOptions,
        select="categories",
        build=build,
        description="A sequence classifier of one's own, from a local folder; it needs the extra `transformers`.",
        joins=True,
        floor=FLOOR,
    )
