"""Hate, harassment, toxicity and stereotypes, and the groups that they are about; judged by the encoder."""

from __future__ import annotations

from pydantic import Field

from proxy.checks.groups import groups_in
from proxy.checks.judged import Detail, ScreenedOptions, encoder_kind
from proxy.classifier import Classifiers
from proxy.core import CheckKind

CATEGORIES = ("hate", "harassment", "toxicity", "stereotype")


class BiasOptions(ScreenedOptions):
    """What a rule may say `with` the check `bias`."""

    categories: list[str] | None = Field(
        default=None,
        description="what the rule is about; left out: all of them",
        json_schema_extra={"items": {"enum": list(CATEGORIES)}},
    )


def about(text: str) -> Detail:
    """The groups that a window names, if any. To be named is not to be meant: it helps whoever reads a record."""
    found = groups_in(text)
    return (("groups", ", ".join(found)),) if found else ()


def kind(classifiers: Classifiers) -> CheckKind:
    """The check, with where its model comes from."""
    return encoder_kind(
        classifiers,
        name="bias",
        family="bias",
        categories=CATEGORIES,
        options=BiasOptions,
        description="Hate, harassment, toxicity and stereotypes, with the groups that a text names, judged by the encoder.",
        detail=about,
    )
