"""A small world for the tests of policies: two checks that find nothing, and ways to write policies and findings."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from proxy.core import CheckKind


class PiiOptions(BaseModel):
    """The options of a check whose categories may be left out."""

    model_config = ConfigDict(extra="forbid", strict=True)
    entities: list[Literal["CARD", "IBAN", "EMAIL"]] | None = None
    allow: frozenset[str] = frozenset()


class MisuseOptions(BaseModel):
    """The options of a check whose categories have to be named, and that forgets to forbid unknown keys."""

    model_config = ConfigDict(strict=True)
    categories: tuple[str, ...]
    window: int = Field(default=3, ge=1)


def never(*_: Any) -> Any:
    """Policies are read, decided and tested without building a check."""
    raise AssertionError("a policy built a check")


PII = CheckKind("pii", "privacy", ("CARD", "IBAN", "EMAIL"), ("CARD", "IBAN"), PiiOptions, "entities", never, "Personal data.")
MISUSE = CheckKind("misuse", "misuse", ("jailbreak", "injection"), ("jailbreak",), MisuseOptions, "categories", never)
CATALOGUE = {"pii": PII, "misuse": MISUSE}
PAYMENTS = """\
# yaml-language-server: $schema=schema.json
policy: payments
description: Card data never reaches a model, and never comes out of one.
applies_to: {teams: [payments, "risk-*"], models: ["*"]}
mode: enforce
rules:
  - id: no-card-numbers
    description: Card data must stay inside the cardholder environment.
    controls: [PCI-DSS-3.4, GDPR-5.1.c]
    check: pii
    with: {entities: [CARD, IBAN]}
    direction: [prompt, completion]
    roles: [user, tool]
    threshold: 0.5
    action: redact
    on_error: block
    timeout: 200ms
  - id: no-jailbreaks
    check: misuse
    with: {categories: [jailbreak], window: 5}
    direction: prompt
    action: block
    message: This request was refused by the payments policy.
"""
