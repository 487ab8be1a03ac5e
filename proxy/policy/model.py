"""What a policy file may say: the pydantic models behind the loader, the JSON Schema and the messages."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from proxy.core import WAYS, Direction, Level, Mode, Role, Way

SLUG = r"[a-z0-9]+(-[a-z0-9]+)*"
SLUG_LENGTH = 64  # names become labels of metrics and parts of response headers
DURATION = r"[0-9]+(\.[0-9]+)?(ms|s)"
DEFAULT = "default"  # in `as`, every category that is not named
LONGEST = 30.0  # seconds; a caller does not wait longer for a check


def slug(text: str) -> str:
    """The name itself, if it is one that a policy or rule can have."""
    if len(text) > SLUG_LENGTH or not re.fullmatch(SLUG, text):
        raise ValueError(f"expected lower-case letters, digits and single dashes, at most {SLUG_LENGTH} characters")
    return text


def seconds(value: object) -> float:
    """A duration such as 200ms or 2s in seconds, more than 0 and at most 30."""
    if not isinstance(value, str) or not re.fullmatch(DURATION, value) or len(value) > 20:
        raise ValueError("expected a duration with its unit, such as 200ms or 2s")
    length = float(value.removesuffix("s").removesuffix("m")) / (1000 if value.endswith("ms") else 1)
    if not 0 < length <= LONGEST:
        raise ValueError(f"expected a duration of more than 0 and at most {LONGEST:g}s")
    return length


def one_or_many(value: object) -> object:
    """A list of one for a value that stands alone."""
    return value if isinstance(value, list) else [value]


def distinct(values: list[str]) -> list[str]:
    """The list itself, if it has at least one entry and none twice."""
    if not values:
        raise ValueError("expected at least one entry: leave the key out for all of them")
    if twice := next((v for i, v in enumerate(values) if v in values[:i]), None):
        raise ValueError(f"expected each entry once: {twice!r} is here twice")
    return values


Text = Annotated[str, Field(min_length=1)]
Slug = Annotated[str, AfterValidator(slug), WithJsonSchema({"type": "string", "pattern": f"^{SLUG}$", "maxLength": SLUG_LENGTH})]
Duration = Annotated[float, BeforeValidator(seconds), WithJsonSchema({"type": "string", "pattern": f"^{DURATION}$"})]
Globs = Annotated[list[Text], AfterValidator(distinct), BeforeValidator(one_or_many, json_schema_input_type=Text | list[Text])]
Directions = Annotated[
    list[Direction], AfterValidator(distinct), BeforeValidator(one_or_many, json_schema_input_type=Direction | list[Direction])
]
Roles = Annotated[list[Role], AfterValidator(distinct), BeforeValidator(one_or_many, json_schema_input_type=Role | list[Role])]
Controls = Annotated[list[Text], AfterValidator(distinct), BeforeValidator(one_or_many, json_schema_input_type=Text | list[Text])]


class Entry(BaseModel):
    """What all parts of a file have in common: nothing unknown, nothing converted, no key without a value."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _given(cls, value: object) -> object:
        if value is None:
            raise ValueError("expected a value: leave the key out for its default")
        return value


class AppliesTo(Entry):
    """Whom a policy concerns. Both lists are of shell patterns, case-sensitive; both have to fit."""

    teams: Globs = Field(default=["*"], description="Teams of callers: names or patterns such as risk-*.")
    models: Globs = Field(default=["*"], description="Model names as callers write them, or patterns such as llama-*.")


class Mask(Entry):
    """A mask's options."""

    keep: int = Field(default=4, ge=0, description="How many letters and digits at the end stay; never more than half of them.")


class Masked(Entry):
    """A mask with options."""

    mask: Mask = Field(description="What of it stays.")


def replaced(value: object) -> object:
    """How each category is replaced, when one way is written for all of them; and what a way with options may look like."""
    if isinstance(value, str):
        return {DEFAULT: value}
    if not isinstance(value, dict) or not value:
        raise ValueError(f"expected one of {', '.join(WAYS)}, or a mapping of categories to them")
    if set(value) == {"mask"}:
        raise ValueError("expected a category, or the word default, before mask: {default: {mask: {keep: 4}}}")
    return value


def shape(value: object) -> str:
    """Whether an operator is written with options."""
    return "options" if isinstance(value, dict) else "name"


Replacing = Annotated[Annotated[Way, Tag("name")] | Annotated[Masked, Tag("options")], Discriminator(shape)]
Operators = Annotated[dict[Text, Replacing], BeforeValidator(replaced, json_schema_input_type=Way | dict[Text, Replacing])]


class RuleEntry(Entry):
    """One rule as the file writes it."""

    id: Slug = Field(description="The rule's name in records, metrics and answers: unique in its policy.")
    description: str = Field(default="", description="What the rule is for, in a sentence.")
    controls: Controls = Field(default=[], description="The controls it serves, as an auditor names them: PCI-DSS-3.4.")
    check: str = Field(description="The check whose findings the rule is about.")
    options: dict[str, Any] = Field(default={}, alias="with", description="The check's options: which categories, and how.")
    direction: Directions = Field(default=["prompt", "completion"], description="Prompts, completions, or both. Left out: both.")
    roles: Roles | None = Field(default=None, description="Whose text is concerned. Left out: every role.")
    threshold: float = Field(default=0.5, ge=0, le=1, description="Findings with a lower score are left alone.")
    level: Level | None = Field(
        default=None,
        description="In place of a threshold, for checks that have levels: the model's card says which scores they stand for.",
    )
    action: Literal["flag", "redact", "block"] = Field(description="What happens: the strongest of all matching rules.")
    operators: Operators | None = Field(
        default=None,
        alias="as",
        description="How a rule that redacts replaces: one operator, or one for each category and for default. Left out: label.",
    )
    on_error: Literal["block", "allow"] = Field(default="block", description="What happens when the check gives no answer.")
    history: Literal["redact", "drop", "block"] = Field(
        default="redact",
        description="What becomes of a turn of the past that the rule blocks, when it is sent again: its text is replaced, "
        "its message is dropped, or it blocks the call.",
    )
    stream: Literal["hold", "window", "after"] = Field(
        default="window",
        description="How a streamed completion waits for the rule: hold shows nothing before all of a text is judged, window "
        "shows what is settled, after shows all and then records, whatever the action.",
    )
    timeout: Duration | None = Field(default=None, description="How long the check may take, such as 200ms; at most 30s.")
    message: Text | None = Field(default=None, description="What the caller is told when the rule blocks.")

    @model_validator(mode="after")
    def _one_measure(self) -> RuleEntry:
        if self.level is not None and "threshold" in self.model_fields_set:
            raise ValueError("expected either a threshold or a level: a level stands for thresholds")
        return self

    @model_validator(mode="after")
    def _replaces(self) -> RuleEntry:
        if self.operators is not None and self.action != "redact":
            raise ValueError(f"expected no key 'as' in a rule whose action is {self.action}: only redact replaces")
        return self


class PolicyFile(Entry):
    """A policy of Parapet: what is done about the findings of checks in prompts and completions."""

    policy: Slug = Field(description="The policy's name: unique among the policies in force.")
    description: str = Field(default="", description="What the policy is for, in a sentence.")
    applies_to: AppliesTo = Field(default=AppliesTo(), description="Teams and models. Left out: everyone, every model.")
    mode: Mode = Field(default="enforce", description="enforce acts; monitor records what would have been done.")
    overlap: bool = Field(
        default=False,
        description="The backend may be called while prompts are still judged: nothing is shown before, and a block cancels the "
        "call. Only for policies whose rules never replace a prompt, and never refuse one for privacy.",
    )
    rules: list[RuleEntry] = Field(min_length=1, description="The rules; they hold together, the strongest action wins.")
