"""YAML that people write: what is read, what is refused, and where it says the mistake is."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from proxy import yamlfile
from proxy.errors import FileError, Problem
from proxy.yamlfile import Place


def refused(text: str) -> list[Problem]:
    """The problems that reading the text ends with."""
    with pytest.raises(FileError) as caught:
        yamlfile.read(text, file="f.yaml")
    return caught.value.problems


def test_plain_data_comes_with_the_place_of_each_key_and_value() -> None:
    """Values and keys are found by path, lines and columns counting from 1."""
    document = yamlfile.read("# yaml-language-server: x\na: 1\nrules:\n  - {id: x, on_error: [b]}\n", file="f.yaml")
    assert document.data == {"a": 1, "rules": [{"id": "x", "on_error": ["b"]}]}
    assert document.places["rules", 0, "on_error", 0] == Place(4, 24)
    assert document.keys["rules", 0, "on_error"] == Place(4, 13)
    assert document.place(("rules", 0, "absent")) == Place(4, 5)


def test_plain_scalars_are_what_they_look_like() -> None:
    """Decimal numbers, true, false and nothing are read as such; dates, signs and everything quoted stay text."""
    text = "[1, -1.5, true, False, ~, 2026-01-02, '010', \"yes\", '1:30', =, 12:5x, v1.2.3]"
    assert yamlfile.read(text).data == [1, -1.5, True, False, None, "2026-01-02", "010", "yes", "1:30", "=", "12:5x", "v1.2.3"]


@pytest.mark.parametrize("word", ["on", "off", "yes", "no", "y", "n", "On", "NO", "Y"])
def test_words_that_yaml_takes_for_truth_values_are_refused(word: str) -> None:
    """Unquoted, as a key or as a value; the message says what was read and the way out."""
    [key] = refused(f"{word}: 1")
    [value] = refused(f"a: {word}")
    assert (key.line, key.column, value.column) == (1, 1, 4)
    assert "as true" in key.message or "as false" in key.message
    assert "true or false, or put it in quotes" in value.message


@pytest.mark.parametrize(
    ("number", "said"),
    [
        ("010", "octal"),
        ("1:30", "base of 60"),
        ("1:30.5", "base of 60"),
        ("0x1f", "hexadecimal"),
        ("0b11", "binary"),
        (".nan", "not a number"),
        ("-.inf", "not a number"),
        ("1_000", "plain decimal"),
        ("+5", "plain decimal"),
        ("9" * 5000, "plain decimal"),
        ("1.5e+999", "plain decimal"),
        ("1e3", "text to others"),
        ("0o17", "text to others"),
    ],
)
def test_numbers_that_are_not_plainly_decimal_are_refused(number: str, said: str) -> None:
    """What YAML would quietly make another number of, or what readers do not agree on, is an error with advice."""
    [problem] = refused(f"a:\n  b: {number}")
    assert said in problem.message
    assert (problem.line, problem.column, problem.path) == (2, 6, "a.b")


def test_a_key_that_is_there_twice_names_both_places() -> None:
    """The second one is the mistake; the first is named in the message."""
    [problem] = refused("a: 1\nb:\n  c: 1\n  c: 2\n")
    assert str(problem) == "f.yaml:4:3: b.c: the key 'c' is here twice: first at line 3, column 3"


def test_all_mistakes_are_collected_in_the_order_of_the_file() -> None:
    """One reading finds them all."""
    assert [(p.line, p.column) for p in refused("a: no\nb: 010\na: 1\n<<: {x: 1}\n2: 1\n? [x]\n: 1\n")] == [
        (1, 4),
        (2, 4),
        (3, 1),
        (4, 1),
        (5, 1),
        (6, 3),
    ]


@pytest.mark.parametrize(
    ("text", "said", "line"),
    [
        ("a: [1,\n", "flow", 2),
        ("a:\n\t- b: 1", "tab", 2),
        ("a: *x", "alias", 1),
        ("a: &x [*x]", "inside what it stands for", 1),
        ("a: 1\n---\nb: 2", "second document", 2),
        ("a: !!python/object:os.system x", "tag", 1),
        ("a: !!str 1", "tag", 1),
        ("a: x\nb: \x00", "control character", 2),
        ('a: "\\ud800"', "escape", 1),
        ("a: x\nb: \ud800", "surrogate", 2),
        ("", "says nothing", 1),
        ("# only a comment\n", "says nothing", 1),
        ("[" * 10_000, "deeper than", 1),
        ("x" * 1_000_001, "at most", 1),
    ],
)
def test_what_is_not_one_plain_document_is_refused(text: str, said: str, line: int) -> None:
    """With the place and what is wrong, never an exception of another kind."""
    [problem] = refused(text)
    assert said in problem.message
    assert problem.line == line


def test_aliases_stand_for_their_anchors_within_bounds() -> None:
    """An alias is read; ten lines that stand for a billion values are refused."""
    assert yamlfile.read("a: &x [1]\nb: *x").data == {"a": [1], "b": [1]}
    lines = ["a: &a [x]"] + [f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)]
    [problem] = refused("\n".join(lines))
    assert "aliases are expanded" in problem.message


@pytest.mark.parametrize(
    ("raw", "said", "column"),
    [(b"a: caf\xe9", "0xe9 is not UTF-8", 7), ("a: b".encode("utf-16"), "UTF-16", 1), (b"\xef\xbb\xbfa: \xff", "0xff", 4)],
)
def test_bytes_that_are_not_utf_8_are_refused(tmp_path: Path, raw: bytes, said: str, column: int) -> None:
    """With the byte and its place."""
    file = tmp_path / "f.yaml"
    file.write_bytes(raw)
    with pytest.raises(FileError) as caught:
        yamlfile.read(file)
    [problem] = caught.value.problems
    assert said in problem.message
    assert (problem.file, problem.column) == (str(file), column)


def test_a_byte_order_mark_of_utf_8_is_skipped(tmp_path: Path) -> None:
    """Editors on Windows write it."""
    (tmp_path / "f.yaml").write_bytes(b"\xef\xbb\xbfa: 1")
    assert yamlfile.read(tmp_path / "f.yaml").data == {"a": 1}


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Neither a missing file nor a folder ends in an exception of the operating system's."""
    for path in (tmp_path / "absent.yaml", tmp_path):
        with pytest.raises(FileError, match="cannot be read"):
            yamlfile.read(path)


def test_an_empty_file_may_stand_for_something() -> None:
    """Where the caller says so, as for settings that are all left at their defaults."""
    assert yamlfile.read("# nothing\n", empty={}).data == {}


class Inner(BaseModel):
    """Part of a file."""

    model_config = ConfigDict(extra="forbid", strict=True)
    size: int = Field(default=1, ge=1)
    kind: Literal["echo", "openai"] = "echo"


class Outer(BaseModel):
    """A file."""

    model_config = ConfigDict(extra="forbid", strict=True)
    name: str
    parts: dict[str, list[Inner]] = {}
    short: Inner | str = Field(default="", alias="in")


def complaints(text: str) -> list[str]:
    """What is said of a text that should have been an Outer."""
    document = yamlfile.read(text, file="f.yaml")
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(document.data)
    return [str(problem) for problem in yamlfile.problems(document, caught.value, Outer)]


def test_mistakes_against_a_model_are_placed_in_the_file() -> None:
    """Each with its value, what was expected, and what an unknown key may have been meant to be."""
    text = "parts:\n  a:\n    - {sise: hunter2, size: 0}\n    - {kind: opanai, size: '3'}\n    - 7\nnam: x\n"
    assert complaints(text) == [
        "f.yaml:1:1: the key 'name' is missing",
        "f.yaml:3:8: parts.a[0].sise: unknown key 'sise': did you mean 'size'? (known: kind, size)",
        "f.yaml:3:29: parts.a[0].size: 0: expected it to be greater than or equal to 1",
        "f.yaml:4:14: parts.a[1].kind: 'opanai': expected 'echo' or 'openai': did you mean 'openai'?",
        "f.yaml:4:28: parts.a[1].size: '3': expected a whole number",
        "f.yaml:5:7: parts.a[2]: 7: expected a mapping",
        "f.yaml:6:1: nam: unknown key 'nam': did you mean 'name'? (known: in, name, parts)",
    ]


def test_the_branches_of_a_union_are_placed_at_the_value() -> None:
    """Pydantic names the branch in its path; the file has no such key."""
    assert complaints("name: a\nin: {size: x}") == [
        "f.yaml:2:5: in: a mapping of 1: expected text",
        "f.yaml:2:12: in.size: 'x': expected a whole number",
    ]


def test_a_long_value_is_cut_short() -> None:
    """A message is one line that can be read."""
    [said] = complaints(f"name: x\nparts: {'z' * 500}")
    assert len(said) < 150


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15), 10**15) | st.text(st.characters(codec="utf-8", exclude_categories=["Cc"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.from_regex(r"[a-z]{2,6}!", fullmatch=True), inner, max_size=4),
    max_leaves=12,
)


class Quoting(yaml.SafeDumper):
    """Writes all text in quotes: PyYAML itself leaves `y` and `1e3` bare, which are traps."""


Quoting.add_representer(str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"'))


@given(PLAIN.filter(lambda data: data is not None))
def test_what_a_careful_writer_writes_is_read_back(data: object) -> None:
    """Whatever the data, it comes back as it was, and has a place."""
    document = yamlfile.read(yaml.dump(data, Dumper=Quoting, allow_unicode=True))
    assert document.data == data
    assert () in document.places


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text ends in an exception of another kind, or in a place outside it."""
    found: list[Problem] = []
    try:
        yamlfile.read(text)
    except FileError as error:
        found = error.problems
    assert all(problem.line >= 1 and problem.column >= 1 and problem.message for problem in found)
