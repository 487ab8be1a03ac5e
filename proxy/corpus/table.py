"""The table of contents of an index, read strictly: what it says has to fit the file and itself before anything is looked up."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

HEADER = 4096
ALIGN = 64
APART = 64  # empty words before, between and behind works: no passage goes across, and none looks out of the file
LARGEST = 16 << 20  # bytes of a table of contents
FEWEST, MOST = 8, 28  # bits of an n-gram that choose a bucket
LIMIT = (1 << 32) - 1  # words of one segment

Tokens = Literal["words", "lexemes"]
Form = Literal["full", "winnowed", "hashes"]
LENGTHS: Mapping[Tokens, int] = {"words": 5, "lexemes": 10}  # of n-grams
FORMS: tuple[Form, ...] = get_args(Form)
CHECKSUM = re.compile(r"[0-9a-f]{32}")
NUMBERS = ("n", "bits", "works", "words", "grams")
FIELDS = ("tokens", "form", *NUMBERS)
NGRAMS = ("buckets", "keys")
PLACES = ("positions", "prints")
WORKS = ("starts", "counts", "offsets", "records", "titles", "titled")


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the file."""

    offset: int
    size: int
    checksum: str


@dataclass(frozen=True, slots=True)
class Segment:
    """Works that were indexed together. `n` is the length of its n-grams, `bits` how many of their bits choose a bucket."""

    tokens: Tokens
    form: Form
    n: int
    bits: int
    works: int
    words: int
    grams: int
    sections: Mapping[str, Section]

    @property
    def row(self) -> dict[str, object]:
        """The segment as the table has it."""
        sections = {name: [each.offset, each.size, each.checksum] for name, each in self.sections.items()}
        return {**{name: getattr(self, name) for name in FIELDS}, "sections": sections}


def segments_of(raw: bytes, end: int) -> tuple[Segment, ...]:
    """The segments that a table of contents names; their sections lie before `end`. Raises ValueError: what does not fit."""
    try:
        table = json.loads(raw)
    except (ValueError, RecursionError):
        table = None
    rows = table.get("segments") if isinstance(table, dict) else None
    if not isinstance(rows, list) or not rows:
        raise ValueError("it names no segments")
    segments = tuple(_segment(number, row) for number, row in enumerate(rows))
    taken = HEADER
    for section in sorted((each for s in segments for each in s.sections.values()), key=lambda each: (each.offset, each.size)):
        if section.offset < taken or section.offset + section.size > end or section.offset % ALIGN:
            raise ValueError("a section lies where none can be")
        taken = section.offset + section.size
    return segments


def _segment(number: int, row: object) -> Segment:
    where = f"segment {number}"
    if not isinstance(row, dict) or set(row) != {*FIELDS, "sections"} or not isinstance(row["sections"], dict):
        raise ValueError(f"{where} is not described as one")
    if row["tokens"] not in tuple(LENGTHS) or row["form"] not in FORMS:
        raise ValueError(f"{where} is of a form that is not known")
    if not all(type(row[name]) is int and 0 <= row[name] <= LIMIT for name in NUMBERS):
        raise ValueError(f"{where} has a number that cannot be")
    if row["n"] != LENGTHS[row["tokens"]] or not FEWEST <= row["bits"] <= MOST or not row["works"] or not row["grams"]:
        raise ValueError(f"{where} has a number that cannot be")
    if row["words"] + APART * (row["works"] + 1) > LIMIT + 1:
        raise ValueError(f"{where} has more words than a segment can have")
    segment = Segment(**{**row, "sections": {name: _section(where, each) for name, each in row["sections"].items()}})
    for name, allowed in _sizes(segment).items():
        section = segment.sections.get(name)
        if section is None or not allowed(section.size):
            raise ValueError(f"{where}: {name} {'is missing' if section is None else 'has a size that does not fit'}")
    if set(segment.sections) != set(_sizes(segment)):
        raise ValueError(f"{where} has sections that are not known")
    return segment


def _section(where: str, row: object) -> Section:
    if isinstance(row, list) and len(row) == 3:
        offset, size, checksum = row
        whole = all(type(each) is int and 0 <= each < 1 << 63 for each in (offset, size))
        if whole and isinstance(checksum, str) and CHECKSUM.fullmatch(checksum):
            return Section(offset, size, checksum)
    raise ValueError(f"{where} has a section that is not described as one")


def _sizes(segment: Segment) -> dict[str, Callable[[int], bool]]:
    """What holds for the size of each section."""
    works, grams = segment.works, segment.grams
    exact = {
        "buckets": 4 * ((1 << segment.bits) + 1),
        "keys": (4 if segment.form == "hashes" else 2) * grams,
        "positions": 4 * grams,
        "prints": 2 * (segment.words + APART * (works + 1)),
        "starts": 4 * works,
        "counts": 4 * works,
        "offsets": 8 * (works + 1),
    }
    titles = segment.sections["titles"].size if "titles" in segment.sections else 0
    checks: dict[str, Callable[[int], bool]] = {name: size.__eq__ for name, size in exact.items()}
    checks |= {"records": lambda size: size >= 2 * works, "titles": lambda size: size % 8 == 0, "titled": (titles // 2).__eq__}
    names = (*NGRAMS, *(PLACES if segment.form != "hashes" else ()), *WORKS)
    return {name: checks[name] for name in names}
