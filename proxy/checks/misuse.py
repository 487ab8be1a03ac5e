"""Misuse of a model: attempts to turn it against its instructions, and requests for what harms; judged by the encoder."""

from __future__ import annotations

from pydantic import Field

from proxy.checks.judged import ScreenedOptions, encoder_kind
from proxy.classifier import Classifiers
from proxy.core import CheckKind

CATEGORIES = tuple(
    "jailbreak injection violence weapons self_harm sexual child_safety crime drugs cyber fraud misinformation "
    "privacy_request".split()
)


class MisuseOptions(ScreenedOptions):
    """What a rule may say `with` the check `misuse`."""

    categories: list[str] | None = Field(
        default=None,
        description="what the rule is about; left out: all of them",
        json_schema_extra={"items": {"enum": list(CATEGORIES)}},
    )


def kind(classifiers: Classifiers) -> CheckKind:
    """The check, with where its model comes from."""
    return encoder_kind(
        classifiers,
        name="misuse",
        family="misuse",
        categories=CATEGORIES,
        options=MisuseOptions,
        description="Jailbreaks, injected instructions, and requests for what harms, judged by the encoder.",
        converses=True,
    )
