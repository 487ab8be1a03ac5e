"""The forms of an expression: a superset that misses nothing, and an opening that holds what may still match."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

import pytest
import regex
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.checks.expression import CASE_TWINS, fold, folds, screened
from proxy.checks.recognizers import recognizers
from proxy.errors import ExpressionError
from tests.examples import examples

PATTERNS = (
    r"\bab+c\b", r"(?i)sk-(?:proj|live)-[a-z0-9]{4,60}", r"(a|b)\1c", r"(?<![\w-])x\d{2,3}(?![\w.])",
    r"[^\W\d_]{2}\s\S", r"(?i)пароль\s*=",
    r"a{2,}?b{0,3}c*", r"(?P<q>[\"'])[^\"']{2,9}(?P=q)", r"(?:ab?){2,4}-", r"[ſK]i?", r"(?i:k)s",
    r"(a)?(?(1)b|c)d", r"\d+(?=:\d)", r"(?>a+)b",
    r"a++b", r"[^s]x", r"(?s)a.b", r"a.b$", r"é\w[à-ü]",
)  # fmt: skip  # a list of examples reads better in rows
ALPHABET = "abcdkKsSix09-_:.= \n\t\x1c'\"éſKı٣\u0301\u00a0²пПß"
QUICK = settings(max_examples=examples(60), suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])


def found(form: str, text: str) -> bool:
    return any(re.search(form.encode("latin-1"), folded) for folded in folds(text))


def held(form: str, text: str) -> int:
    """How many characters at the end the opening covers, told by trying every length."""
    anchored = re.compile(form.encode("latin-1"))
    return max(
        (n for folded in folds(text) for n in range(len(text) + 1) if anchored.fullmatch(folded[::-1][:n])),
        default=0,
    )  # fmt: skip  # the condition in one row


@pytest.mark.parametrize("pattern", PATTERNS)
@QUICK
@given(data=st.data())
def test_the_superset_matches_where_the_expression_does(pattern: str, data: st.DataObject) -> None:
    """No match is missed, around whatever it stands, for `re` and for `regex`."""
    text = data.draw(st.text(ALPHABET, max_size=5)) + data.draw(st.from_regex(pattern)) + data.draw(st.text(ALPHABET, max_size=5))
    form = screened(pattern).superset
    assert found(form, text) or not (re.search(pattern, text) or regex.search(pattern, text))


@pytest.mark.parametrize("pattern", PATTERNS)
@QUICK
@given(text=st.text(ALPHABET, max_size=30))
def test_the_superset_matches_in_any_text_where_the_expression_does(pattern: str, text: str) -> None:
    """The same for texts that were not made to match."""
    assert found(screened(pattern).superset, text) or not (re.search(pattern, text) or regex.search(pattern, text))


@pytest.mark.parametrize("pattern", PATTERNS)
@QUICK
@given(data=st.data())
def test_every_beginning_of_a_match_is_open(pattern: str, data: st.DataObject) -> None:
    """Where the text ends within a match, or just behind one, all that has come of it is held."""
    text = data.draw(st.text(ALPHABET, max_size=4)) + data.draw(st.from_regex(pattern)) + data.draw(st.text(ALPHABET, max_size=3))
    form = screened(pattern).opening
    for match in regex.finditer(pattern, text):
        for place in range(match.start() + 1, match.end()):
            assert held(form, text[:place]) >= place - match.start()


def of_presidio() -> Iterator[tuple[str, int]]:
    for recognizer in recognizers(frozenset(("us", "uk", "de", "it"))):
        for pattern in getattr(recognizer, "patterns", ()):
            if len(pattern.regex) < 2000:  # those with a list of domains take long to make examples of
                yield pattern.regex, int(recognizer.global_regex_flags)


@pytest.mark.slow
@settings(max_examples=examples(12), suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_presidios_expressions_are_screened_without_a_miss(data: st.DataObject) -> None:
    """Examples of every pattern of Presidio's are matched by its superset, and all their beginnings are open."""
    for pattern, flags in of_presidio():
        try:
            example = data.draw(st.from_regex(re.compile(pattern, flags), alphabet=st.characters(codec="utf-8")))
        except re.error:
            continue
        before, after = data.draw(st.sampled_from(("", "é", " ", "a", "1"))), data.draw(st.sampled_from(("", " ", "b", ".")))
        text = before + example[:80] + after
        forms = screened(pattern, flags)
        match = regex.search(pattern, text, flags)
        assert found(forms.superset, text) or not match
        if match and len(match.group()) > 1:
            place = data.draw(st.integers(match.start() + 1, match.end() - 1))
            opening = re.compile(forms.opening.encode("latin-1"))
            lengths = range(place - match.start(), place + 1)
            assert any(opening.fullmatch(each[::-1][:n]) for each in folds(text[:place]) for n in lengths)


@given(st.text(max_size=60))
def test_folding_keeps_places_and_kinds(text: str) -> None:
    """A folded text has a byte for each character, of the kind that `re`, or `regex`, sees in it."""
    for folded, engine in zip((fold(text), folds(text)[-1]), (re, regex), strict=True):
        assert len(folded) == len(text)
        for byte, char in zip(folded.decode("latin-1"), text, strict=True):
            assert bool(re.match(r"\w", byte, re.ASCII)) == bool(engine.match(r"\w", char))
            assert bool(re.match(r"\d", byte, re.ASCII)) == bool(engine.match(r"\d", char))


def test_letters_whose_other_case_is_ascii_are_all_known() -> None:
    """Every character that some ASCII letter matches without regard to case folds to that letter."""
    everything = "".join(map(chr, [*range(128, 0xD800), *range(0xE000, 0x20000)]))
    for engine in (re, regex):
        assert set(engine.findall(r"[a-z]", everything, engine.IGNORECASE)) <= set(CASE_TWINS)
    assert all(unicodedata.category(char).startswith("L") for char in CASE_TWINS)


@pytest.mark.parametrize("pattern", ["(", "(?P<x>a", "[b-a]"])
def test_what_cannot_be_read_is_refused(pattern: str) -> None:
    """A broken expression says so when it is screened, not when a text comes."""
    with pytest.raises(ExpressionError, match="not a regular expression"):
        screened(pattern)


def test_ascii_expressions_are_refused() -> None:
    """Texts are folded by what Unicode says of characters, so `re.ASCII` would not be what it says."""
    with pytest.raises(ExpressionError, match=r"re\.ASCII"):
        screened(r"\w", re.ASCII)
