"""Indexes that are damaged: whatever stands in the file, opening and asking it gives answers or one clear error."""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.corpus import (
    IndexFileError,
    Limits,
    Plan,
    contents,
    extend,
    merge,
    opened,
    prints_of,
    prose,
    titles_in,
    trusted,
    verify,
)
from proxy.corpus.layout import MAGIC, PREFIX
from proxy.corpus.matcher import matching
from tests.corpus.catalogue import FOREIGN, WORKS, catalogue
from tests.examples import examples

FORMS = ("full", "winnowed", "hashes")
ASKED = " ".join(FOREIGN[:30] + WORKS["first"][20:90] + FOREIGN[30:60] + WORKS["third"][-60:] + FOREIGN[60:90])


@functools.cache
def built(form: str = "full") -> bytes:
    """An index of WORKS."""
    with tempfile.TemporaryDirectory() as folder:
        return catalogue(Path(folder), Plan(form=form)).read_bytes()  # type: ignore[arg-type]  # one of the forms


@functools.cache
def folder() -> Path:
    """A place for the damaged ones."""
    made = tempfile.TemporaryDirectory(prefix="parapet-test-")
    KEPT.append(made)
    return Path(made.name)


KEPT: list[tempfile.TemporaryDirectory[str]] = []
NUMBERS = itertools.count()


def put(raw: bytes) -> Path:
    """A file with these bytes, under a name of its own: the one before may be mapped still, or known."""
    for old in folder().glob("*.pidx"):
        old.unlink()
    path = folder() / f"damaged{next(NUMBERS)}.pidx"
    path.write_bytes(raw)
    return path


def asked(path: Path) -> str:
    """Ask an index all that can be asked: `answered`, or the error."""
    said = "answered"
    try:
        index = opened(path)
        matcher = matching([index], "words", Limits(words=15), lambda *_: False)
        assert matcher is not None
        matcher.whole(ASKED)
        following = matcher.follow()
        for word in ASKED.split():
            following.push(word + " ")
        following.push("", end=True)
        titles_in(index.shelves, np.array(prints_of("the first and second of all", prose()), np.uint16))
        for shelf in index.shelves:
            for number in range(min(8, shelf.segment.works)):
                shelf.work(number)
    except IndexFileError as error:
        said = str(error)
    assert said == "answered" or (said.startswith(f"{path}: ") and "\n" not in said)
    return said


def signed(raw: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    """An index with another table of contents, all checksums of which fit."""
    _, version, _, place, length, _ = PREFIX.unpack_from(raw)
    table = json.loads(raw[place : place + length])
    made = json.dumps(change(table) or table).encode()
    prefix = PREFIX.pack(MAGIC, version, place + len(made), place, len(made), hashlib.sha256(made).digest())
    return (prefix + hashlib.sha256(prefix).digest()).ljust(4096, b"\0") + raw[4096:place] + made


@settings(max_examples=examples(120))
@given(
    st.sampled_from(FORMS),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), max_size=40),
    st.none() | st.floats(0, 1),
)
def test_flipped_and_missing_bytes_give_one_clear_error_at_most(
    form: str, flips: list[tuple[float, int]], cut: float | None
) -> None:
    """Wherever they are; what is compared with its checksums never answers with damage in it."""
    whole = bytearray(built(form))
    raw = bytearray(whole)
    for place, flip in flips:
        raw[int(place * len(raw))] ^= flip
    if cut is not None:
        del raw[int(cut * len(raw)) :]
    path = put(bytes(raw))
    asked(path)
    try:
        trusted(path)
    except IndexFileError:
        return
    sections = [each for segment in contents(path).segments for each in segment.sections.values()]
    assert all(raw[s.offset : s.offset + s.size] == whole[s.offset : s.offset + s.size] for s in sections)


@settings(max_examples=examples(80))
@given(st.sampled_from(FORMS), st.data())
def test_a_section_of_nonsense_gives_one_clear_error_at_most(form: str, data: st.DataObject) -> None:
    """Zeros, ones, the bytes backwards, or anything, in a whole section."""
    raw = bytearray(built(form))
    sections = contents(put(bytes(raw))).segments[0].sections
    section = sections[data.draw(st.sampled_from(sorted(sections)))]
    old = bytes(raw[section.offset : section.offset + section.size])
    kind = data.draw(st.sampled_from(("zeros", "ones", "backwards", "anything")))
    new = {"zeros": bytes(len(old)), "ones": b"\xff" * len(old), "backwards": old[::-1]}.get(kind)
    if new is None:
        new = bytes(data.draw(st.lists(st.integers(0, 255), min_size=1, max_size=40))) * len(old)
    raw[section.offset : section.offset + section.size] = new[: len(old)]
    path = put(bytes(raw))
    asked(path)
    if new[: len(old)] != old:
        with pytest.raises(IndexFileError, match="damaged"):
            trusted(path)


values = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 300), st.integers(), st.floats(), st.text(max_size=5), st.just([]), st.just({}),
    st.lists(st.integers(-1, 1 << 40), max_size=3),
)  # fmt: skip  # rows


@settings(max_examples=examples(150))
@given(st.sampled_from(FORMS), st.data())
def test_a_table_that_says_something_else_gives_one_clear_error_at_most(form: str, data: st.DataObject) -> None:
    """With checksums that fit: another value, a name more, a name less, another place or size."""

    def change(table: dict[str, Any]) -> object:
        row = table["segments"][0]
        kind = data.draw(st.sampled_from(("field", "section", "place", "less", "more", "whole", "rows")))
        value = data.draw(values)
        if kind == "field":
            row[data.draw(st.sampled_from(sorted(row)))] = value
        elif kind == "section":
            row["sections"][data.draw(st.sampled_from(sorted(row["sections"])))] = value
        elif kind == "place":
            row["sections"][data.draw(st.sampled_from(sorted(row["sections"])))][data.draw(st.integers(0, 2))] = value
        elif kind == "less":
            del row["sections"][data.draw(st.sampled_from(sorted(row["sections"])))]
        elif kind == "more":
            row["sections"]["more"] = value
        elif kind == "rows":
            table["segments"].append(value)
        else:
            return value if isinstance(value, (list, dict)) and value else [value]
        return None

    asked(put(signed(built(form), change)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t["segments"][0].update(n=6), "a number that cannot be"),
        (lambda t: t["segments"][0].update(bits=40), "a number that cannot be"),
        (lambda t: t["segments"][0].update(grams=0), "a number that cannot be"),
        (lambda t: t["segments"][0].update(form="other"), "a form that is not known"),
        (lambda t: t["segments"][0].update(grams=t["segments"][0]["grams"] + 1), "keys has a size that does not fit"),
        (lambda t: t["segments"][0]["sections"]["keys"].__setitem__(0, 1 << 40), "a section lies where none can be"),
        (lambda t: t["segments"][0]["sections"]["keys"].__setitem__(0, 0), "a section lies where none can be"),
        (lambda t: t["segments"][0]["sections"].pop("prints"), "prints is missing"),
        (lambda t: t.update(segments=[]), "it names no segments"),
        (lambda t: t["segments"][0]["sections"].update(positions=t["segments"][0]["sections"]["keys"]), "positions has a size"),
    ],
)
def test_a_table_that_does_not_hold_is_refused(change: Callable[[dict[str, Any]], object], message: str) -> None:
    """The error says what does not hold, though every checksum fits."""
    assert message in asked(put(signed(built(), lambda table: change(table) and None)))


def test_a_table_nested_without_end_is_refused() -> None:
    """It gives the error of a table that names nothing."""
    raw = built()
    _, version, _, place, _, _ = PREFIX.unpack_from(raw)
    made = b'{"segments": ' + b"[" * 200_000
    prefix = PREFIX.pack(MAGIC, version, place + len(made), place, len(made), hashlib.sha256(made).digest())
    assert "it names no segments" in asked(
        put((prefix + hashlib.sha256(prefix).digest()).ljust(4096, b"\0") + raw[4096:place] + made)
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("positions", "n-grams do not stand where they are said to"),
        ("keys", "n-grams do not stand where they are said to"),
        ("prints", "n-grams do not stand where they are said to"),
        ("buckets", "the buckets are not in order"),
        ("starts", "the works do not follow each other"),
        ("offsets", "the records do not follow each other"),
        ("titled", "the titles are not in order"),
    ],
)
def test_nonsense_is_seen_when_the_file_is_opened(name: str, message: str) -> None:
    """Without reading all of it, and whatever the checksums say."""
    raw = bytearray(built())
    section = contents(put(bytes(raw))).segments[0].sections[name]
    middle = section.offset + section.size // 3
    raw[middle : section.offset + section.size] = bytes(
        [0 if name == "prints" else 0xA5] * (section.offset + section.size - middle)
    )
    assert message in asked(put(bytes(raw)))


def test_a_record_of_nonsense_is_said_when_it_is_needed() -> None:
    """It is not read before: the error then names the work."""
    raw = bytearray(built())
    section = contents(put(bytes(raw))).segments[0].sections["records"]
    for new in (b"[" * section.size, b'{"title": 1}'.ljust(section.size), b"\xff" * section.size):
        raw[section.offset : section.offset + section.size] = new
        assert "the record of work 0" in asked(put(bytes(raw)))


def test_works_are_not_taken_from_a_damaged_index(tmp_path: Path) -> None:
    """To extend or merge one is refused, and leaves what was there."""
    path = catalogue(tmp_path)
    raw = bytearray(path.read_bytes())
    section = contents(path).segments[0].sections["prints"]
    raw[section.offset + section.size // 2] ^= 1
    path.write_bytes(raw)
    (tmp_path / "more.txt").write_text(" ".join(FOREIGN[:100]))
    (tmp_path / "sub").mkdir()
    other = catalogue(tmp_path / "sub")
    with pytest.raises(IndexFileError, match="prints"):
        merge([path, other], tmp_path / "merged.pidx")
    with pytest.raises(IndexFileError, match="prints"):
        extend(path, [tmp_path / "more.txt"])
    assert path.read_bytes() == raw
    assert verify(path) == ["segment 0: prints"]


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    """A folder, a pipe that nobody writes to, a name that no file can have."""
    os.mkfifo(tmp_path / "pipe.pidx")
    for path in (tmp_path, tmp_path / "pipe.pidx", tmp_path / "a\0b"):
        with pytest.raises(IndexFileError):
            opened(path)
