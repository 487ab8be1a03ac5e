"""Texts as words: what a reader sees as the same words is the same words, however the text comes."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proxy.corpus import code, prints_of, prose
from proxy.corpus.folding import Folding
from proxy.corpus.words import BLOCK, LONG, Reader, read
from tests.examples import examples

ALPHABET = "ab-\n '’中éſıIA1.\u0301ﬁ\u200b\u00ad\u00a0\u2009\u3000\U0001d400\U00020001\ud800\x00_—\r"
pieces = st.one_of(
    st.text(ALPHABET, max_size=6),
    st.text(max_size=4),
    st.builds(lambda char, count: char * count, st.sampled_from(ALPHABET), st.sampled_from((20, LONG - 1, LONG, LONG + 1, 600))),
)
texts = st.lists(pieces, max_size=12).map("".join)
foldings = st.sampled_from((prose, code))


def at_once(text: str, folding: Folding) -> list[tuple[int, int, int, bool]]:
    """The words of a text that is all there."""
    return [
        (int(print_), int(start), int(end), bool(glued))
        for block in read(text, folding)
        for print_, start, end, glued in zip(block.prints, block.starts, block.ends, block.glued, strict=True)
    ]


def in_pieces(text: str, folding: Folding, sizes: list[int]) -> list[tuple[int, int, int, bool]]:
    """The words of a text that comes in pieces of these sizes, and then at once."""
    reader, words, place = Reader(folding), list[tuple[int, int, int, bool]](), 0
    for size in sizes:
        words += reader.push(text[place : place + size])
        place += size
    return words + reader.push(text[place:], end=True)


@given(texts, foldings, st.lists(st.integers(0, 40), max_size=20))
@example("imag-\n  ination--the end-", prose, [5, 1, 1])
def test_the_words_of_a_text_do_not_depend_on_how_it_comes(text: str, folding: object, sizes: list[int]) -> None:
    """A character at a time or at once, cut anywhere: the same fingerprints at the same places."""
    table = folding()  # type: ignore[operator]  # one of two functions
    assert in_pieces(text, table, sizes) == at_once(text, table)


@settings(max_examples=examples(30))
@given(
    st.lists(st.sampled_from(("word", "wo-rd", "-\n", "--", " ", "\n", "中", ",", "x" * 300)), min_size=1, max_size=8),
    st.integers(0, 40),
)
def test_the_words_of_a_text_do_not_depend_on_blocks(parts: list[str], shift: int) -> None:
    """Also not where a block of a long text ends."""
    text = "y" * shift + " " + "".join(parts) * (1 + BLOCK // len("".join(parts)))
    assert in_pieces(text, prose(), []) == at_once(text, prose())


@pytest.mark.parametrize(
    ("written", "same"),
    [
        ("Café", "cafe\u0301"),
        ("CAFÉ", "cafe"),
        ("don’t", "dont"),
        ("imagi-\n    nation", "imagination"),
        ("well-known", "wellknown"),
        ("ﬁnal ＷＯＲＤＳ", "final words"),
        ("раsswоrd", "password"),
        ("𝐛𝐨𝐥𝐝", "bold"),
        ("zero\u200bwidth", "zerowidth"),
        ("«Oui», dit-il", "oui ditil"),
    ],
)
def test_what_looks_the_same_is_read_the_same(written: str, same: str) -> None:
    """Case, accents, apostrophes, hyphens, compatibility forms and lookalikes make no difference."""
    assert prints_of(written, prose()) == prints_of(same, prose())


@pytest.mark.parametrize(("one", "other"), [("seal--the", "sealthe"), ("the sea", "these a"), ("cat", "act"), ("a.b", "ab")])
def test_what_differs_is_read_differently(one: str, other: str) -> None:
    """Dashes and signs part words, letters count in their order."""
    assert prints_of(one, prose()) != prints_of(other, prose())


def test_scripts_without_spaces_are_read_by_character() -> None:
    """Each Han character is a word."""
    assert len(prints_of("吾輩は猫である。名前は", prose())) == 10


def test_code_keeps_case_and_signs() -> None:
    """Identifiers are words, every sign is one, white space is none."""
    assert prints_of("if (Foo_1==b) {", code()) == prints_of("if(Foo_1 == b){", code())
    assert len(prints_of("if(Foo_1==b){", code())) == 8
    assert prints_of("Foo", code()) != prints_of("foo", code())
