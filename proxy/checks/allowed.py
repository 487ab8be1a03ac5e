"""What is let pass: values as they are, and what an expression matches as a whole; and the options that name them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated

import regex
from pydantic import AfterValidator, StringConstraints

from proxy.checks.backtracking import bounded
from proxy.errors import ExpressionError

REACH = 512  # characters of a match
PATTERN = 1000  # characters of an expression
WORD = 128  # characters of a word or phrase
WORDS = 20_000  # of one list
PATIENCE = 1.0  # seconds for the expressions of a rule in one text, or part of a long one
FLAGS = re.MULTILINE  # ^ and $ are the ends of lines: a text may be seen in parts
FOLDED = FLAGS | re.IGNORECASE
ANYTHING = (
    "Jane Doe",
    "jane@example.com",
    "4111 1111 1111 1111",
    "+49 30 901820",
)  # who lets all of these pass, lets all pass


def expression(pattern: str) -> str:
    """The pattern itself, if it can be read and takes little time on any text."""
    try:
        bounded(pattern, FOLDED, REACH)
    except ExpressionError as error:
        raise ValueError(str(error)) from None
    return pattern


def some(pattern: str) -> str:
    """The pattern itself, unless it lets everything pass."""
    if all(regex.compile(pattern, FOLDED).fullmatch(text, timeout=PATIENCE) for text in ANYTHING):
        raise ValueError("this lets everything pass, so that the rule finds nothing: expected a pattern of what may pass alone")
    return pattern


def word(text: str) -> str:
    """The word itself, if it can be looked for."""
    if not text.strip():
        raise ValueError("expected a word or phrase")
    return text


Pattern = Annotated[str, StringConstraints(max_length=PATTERN), AfterValidator(expression)]
Passing = Annotated[Pattern, AfterValidator(some)]
Word = Annotated[str, StringConstraints(max_length=WORD), AfterValidator(word)]


class Allowed:
    """What no rule with these options finds: words as they are, in any case, and what an expression matches as a whole."""

    def __init__(self, words: Sequence[str], patterns: Sequence[str]) -> None:
        self.words = frozenset(map(plain, words))
        self.patterns = tuple(regex.compile(each, FOLDED) for each in patterns)

    def __call__(self, text: str) -> bool:
        """Whether a finding of this text is dropped."""
        if not self.words and not self.patterns:
            return False
        return plain(text) in self.words or any(each.fullmatch(text, timeout=PATIENCE) for each in self.patterns)


def plain(text: str) -> str:
    """A text without regard to case and spaces."""
    return " ".join(text.casefold().split())
