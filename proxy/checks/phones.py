"""Phone numbers: where phonenumbers may read one, and how much the way in which it is written says."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from proxy.checks.screen import Expression

REACH = 512  # no entity that these recognizers know is longer; a longer match is a run of letters without spaces
DIGIT = re.compile(r"\d")
LISTED = 7  # the digits that a phone number in a long list has at least
REGIONS = ("US", "GB", "DE", "FR", "IL", "IN", "CA", "BR")  # Presidio's own choice
AREA = re.compile(r"(?:1[-. ])?(?:\([2-9]\d\d\) ?|[2-9]\d\d([-. ]))[2-9]\d\d[-. ]\d{4}(?!\d)")  # the North American plan
TRUNK = re.compile(r"(?!\d\d?([-/. ])\d\d?\1(?:19|20)?\d\d\b)\(?0\d[\d)]*(?:[-/. ]\(?\d{2,}\)?)+")  # in groups, and no date
INTERNATIONAL, GROUPED, DIGITS = "international", "grouped", "digits"
SCORES = {INTERNATIONAL: 0.6, GROUPED: 0.5, DIGITS: 0.2, "": 0.3}  # as measured on lines without personal data


def form(number: str) -> str:
    """How a number is written: with a country's code, in the groups of a plan, as a run of digits, or in some other way."""
    if number.lstrip("([（［").startswith(("+", "＋")) or (number.startswith("00") and not number.isdigit()):
        return INTERNATIONAL
    if AREA.match(number) or TRUNK.match(number):
        return GROUPED
    return DIGITS if number.isdigit() else ""


def phone_expression() -> Expression:
    """What phonenumbers may read as a number, extension included; a time of day after it makes it none."""
    extension = known()._EXTN_PATTERNS_FOR_MATCHING  # noqa: SLF001 - the library has no public name for its grammar
    signs = punctuation()
    # Six digits at least, but for some German services: 164x, 168x, 169x. ٠ stands for the digits of other scripts.
    short = signs.join(("[0٠]?", "[1٠]", "[6٠]", "[489٠]", r"\d"))
    number = rf"(?:[(\[（［+＋]{signs}){{0,2}}(?:\d(?:{signs}\d){{5,}}|{short}(?:{signs}\d)?)"
    return Expression(rf"{number}(?:{extension})?(?!:[0-5]\d)", re.IGNORECASE)


def known() -> Any:
    """What phonenumbers knows of how numbers are written."""
    from phonenumbers import phonenumberutil  # noqa: PLC0415 - a large package

    return phonenumberutil


def punctuation() -> str:
    """What may stand between two digits of a phone number."""
    return rf"[{known()._VALID_PUNCTUATION}]{{0,4}}"  # noqa: SLF001 - the library has no public name for its grammar


@cache
def number_form() -> re.Pattern[str]:
    """Where phonenumbers may read a number."""
    expression = phone_expression()
    return re.compile(expression.pattern, expression.flags)


def numbers_alone(text: str) -> str:
    """The text with every digit blanked that cannot be part of a phone number.

    phonenumbers tries each group of digits, for each of its regions, at 0.1 ms a time: 5 s for 100 kB of base64.
    """
    parts, done = [], 0
    for found in number_form().finditer(text):
        number = found[0] if len(found[0]) <= REACH else unspaced_numbers(found[0])
        parts += [DIGIT.sub("\n", text[done : found.start()]), number]
        done = found.end()
    parts.append(DIGIT.sub("\n", text[done:]))
    return "".join(parts)


def unspaced_numbers(run: str) -> str:
    """A long run of digits and signs, a list of numbers as a rule, with what is not a number without spaces blanked."""

    def kept(piece: re.Match[str]) -> str:
        return piece[0] if len(piece[0]) <= REACH and len(DIGIT.findall(piece[0])) >= LISTED else "\n" * len(piece[0])

    return re.sub(r"\S+", kept, re.sub(r"\s", "\n", run))
