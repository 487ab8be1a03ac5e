"""Tokens as backends count them, and an estimate of those that a blocked call saved."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

CHARACTERS = 4  # of a token, about: OpenAI's rule of thumb for English
INPUT = ("prompt_tokens", "input_tokens", "promptTokenCount")  # as the APIs of OpenAI, of Anthropic and of Google name them
OUTPUT = ("completion_tokens", "output_tokens", "candidatesTokenCount")
USAGE = ("usage", "usageMetadata")
WITHIN = ("response", "message")  # events of a stream that are about the whole answer have it there


@dataclass(slots=True)  # not frozen: there is one for each call, and freezing costs five times as much
class Usage:
    """What one answer took, in tokens."""

    input: int = 0
    output: int = 0

    def after(self, earlier: Usage | None) -> Usage:
        """Both together, where the events of one stream say each a part: what was said last of each holds."""
        return Usage(self.input or earlier.input, self.output or earlier.output) if earlier else self


def usage_of(payload: object) -> Usage | None:
    """What an answer says of its tokens; nothing where it says nothing."""
    if not isinstance(payload, dict):
        return None
    given = told(payload)
    for key in WITHIN if given is None else ():
        inner = payload.get(key)
        if isinstance(inner, dict):
            given = given or told(inner)
    if given is None:
        return None
    used = Usage(first(given, INPUT), first(given, OUTPUT))
    return used if used.input or used.output else None


def told(holder: dict[str, Any]) -> dict[str, Any] | None:
    """What is said of tokens here."""
    for key in USAGE:
        given = holder.get(key)
        if isinstance(given, dict):
            return given
    return None


def first(given: dict[str, Any], names: tuple[str, ...]) -> int:
    """The first count under one of these names that can be believed, else 0."""
    for name in names:
        if name in given and (count := number(given[name])):
            return count
    return 0


def number(value: object) -> int:
    """A count of tokens that can be believed, else 0."""
    return value if type(value) is int and 0 < value < 2**31 else 0


@dataclass(slots=True)
class Saved:
    """How long the answers of each model are, so that one that was not written can be reckoned."""

    answers: dict[str, int] = field(default_factory=dict)
    tokens: dict[str, int] = field(default_factory=dict)

    def answered(self, model: str, tokens: int) -> None:
        """An answer was written to its end."""
        self.answers[model] = self.answers.get(model, 0) + 1
        self.tokens[model] = self.tokens.get(model, 0) + tokens

    def left(self, model: str, characters: int) -> float:
        """The tokens that an answer of the usual length still had to come after so many characters."""
        usual = self.tokens.get(model, 0) / max(1, self.answers.get(model, 0))
        return max(0.0, usual - characters / CHARACTERS)
