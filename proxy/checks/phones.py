"""Phone numbers: where phonenumbers may read one, and how much the way in which it is written says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from proxy.checks.screen import Expression

REACH = 512  # no entity that these recognizers know is longer; a longer match is a run of letters without spaces
DIGIT = re.compile(r"\d")
PLUS = frozenset("+＋")
GROUP = re.compile(r"[0-9]+")
GROUPS = 12  # of a piece whose runs are tried one by one
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
    """Where phonenumbers may read a number; what it begins with is looked at first, which takes a quarter of the time."""
    expression = phone_expression()
    return re.compile(rf"(?=[(\[（［+＋\d]){expression.pattern}", expression.flags)


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


@dataclass(frozen=True, slots=True)
class Number:
    """A phone number in a text, and its country."""

    start: int
    end: int
    region: str | None


def numbers(text: str, regions: Sequence[str]) -> Iterator[Number]:
    """Valid numbers of the regions, and possible ones of all countries, in a text that has been through `numbers_alone`.

    Each run of digits is read by itself, and once where it occurs again; what one reading takes as a whole is not read for other
    regions. phonenumbers takes 0.1 to 0.3 ms for each region.
    """
    known: dict[str, list[Number]] = {}
    for found in number_form().finditer(text):
        start = max(0, found.start() - 1)
        piece = DIGIT.sub("\n", text[start : found.start()]) + found[0] + DIGIT.sub("\n", text[found.end() : found.end() + 2])
        if piece not in known:
            known[piece] = list(readings(piece, regions))
        for number in known[piece]:
            yield Number(number.start + start, number.end + start, number.region)


def readings(piece: str, regions: Sequence[str]) -> Iterator[Number]:
    """The numbers that phonenumbers reads in a piece of text, until one of them has all of its digits."""
    import phonenumbers  # noqa: PLC0415 - a large package

    places = [match.start() for match in DIGIT.finditer(piece)]
    valid, possible = phonenumbers.Leniency.VALID, phonenumbers.Leniency.POSSIBLE
    whole: tuple[tuple[str | None, int], ...] = ((None, possible),) if PLUS & set(piece) else ()
    dialled = runs(piece)
    likely = (region for region in regions if dialled is None or any(map(national(region).fullmatch, dialled)))
    for region, leniency in (*whole, *((region, valid) for region in likely)):
        for match in phonenumbers.PhoneNumberMatcher(piece, region, leniency=leniency):
            yield Number(match.start, match.end, phonenumbers.region_code_for_number(match.number) or region)
            if match.start <= places[0] and match.end > places[-1]:
                return


def blanked(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """The text without the digits in some places, which are known to be something else."""
    parts, done = [], 0
    for start, end in sorted(spans):
        parts += [text[done:start], DIGIT.sub("\n", text[max(start, done) : end])]
        done = max(done, end)
    return "".join((*parts, text[done:]))


def runs(piece: str) -> list[str] | None:
    """The digits of each run of groups in a piece of text: a number is one of them. None where they are too many, or not ours."""
    groups = GROUP.findall(piece)
    if not piece.isascii() or len(groups) > GROUPS:
        return None
    return ["".join(groups[start:end]) for start in range(len(groups)) for end in range(start + 1, len(groups) + 1)]


@cache
def national(region: str) -> re.Pattern[str]:
    """The digits of a region's valid numbers, with what may be dialled before them, and all that is dialled abroad from there.

    More than those where what is dialled is involved.
    """
    import phonenumbers  # noqa: PLC0415 - a large package

    metadata: Any = phonenumbers.PhoneMetadata.metadata_for_region(region)
    if metadata is None or metadata.general_desc is None:
        return re.compile(r"\d*")
    number, code = metadata.general_desc.national_number_pattern, metadata.country_code
    trunk = metadata.national_prefix_for_parsing or metadata.national_prefix or ""
    here = rf"(?:{code})?(?:{trunk})?" if not metadata.national_prefix_transform_rule else rf"\d{{0,6}}(?:{code})?\d{{0,5}}"
    abroad = rf"(?:{metadata.international_prefix})\d{{5,}}|" if metadata.international_prefix else ""
    return re.compile(rf"{abroad}{here}(?:{number})")


def unspaced_numbers(run: str) -> str:
    """A long run of digits and signs, a list of numbers as a rule, with what is not a number without spaces blanked."""

    def kept(piece: re.Match[str]) -> str:
        return piece[0] if len(piece[0]) <= REACH and len(DIGIT.findall(piece[0])) >= LISTED else "\n" * len(piece[0])

    return re.sub(r"\S+", kept, re.sub(r"\s", "\n", run))
