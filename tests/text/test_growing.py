"""Spans, redaction and views: what is changed is what a span covers, however a text comes."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.core import Form
from proxy.text import Span, joined, readable, redacted, unspanned, view

spans = st.lists(
    st.builds(
        lambda start, length, label, score: Span(start, start + length, label, score),
        st.integers(0, 60), st.integers(1, 20), st.sampled_from(("<A>", "<B>", '<"\\>', "")), st.sampled_from((0.3, 0.5, 1.0)),
    ),
    max_size=8,
)  # fmt: skip  # the fields in one row
words = st.one_of(
    st.text(max_size=12), st.sampled_from(("SECRET", "a SECRET, b", '"SECRET"', "\\u0041", "😀SECRET\ud83d", "\n\t\\", "é\u2028"))
)
scalars = st.one_of(
    words, st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.none(), st.just(731337)
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4), max_leaves=12
)
sources = st.builds(
    lambda value, ascii_only, indent: json.dumps(value, ensure_ascii=ascii_only, indent=indent),
    values, st.booleans(), st.sampled_from((None, 1)),
)  # fmt: skip  # the same
broken = st.text('"\\u{}[]:, ab01dD8cC\n', max_size=60)


def covered(some: Sequence[Span]) -> set[int]:
    return {place for span in some for place in range(span.start, span.end)}


@given(spans)
def test_joined_spans_are_apart_in_order_and_cover_the_same(some: list[Span]) -> None:
    """Joining keeps the characters that are covered, puts spans in order, apart, and has nothing left to join."""
    result = joined(some)
    assert covered(result) == covered(some)
    assert all(a.end <= b.start for a, b in pairwise(result))
    assert joined(result) == result
    assert joined(reversed(some)) == result
    assert {span.label for span in result} <= {span.label for span in some}


def test_the_strongest_span_gives_the_label() -> None:
    """Of spans that share a character the highest score names all, then the longest, then the first; neighbours stay two."""
    assert joined([Span(0, 5, "weak", 0.4), Span(4, 6, "strong", 0.9)]) == [Span(0, 6, "strong", 0.9)]
    assert joined([Span(0, 2, "short", 0.5), Span(1, 9, "long", 0.5)]) == [Span(0, 9, "long", 0.5)]
    assert joined([Span(0, 2, "b", 0.5), Span(0, 2, "a", 0.5)]) == [Span(0, 2, "a", 0.5)]
    assert len(joined([Span(0, 2, "a"), Span(2, 4, "b")])) == 2


@given(spans, st.integers(0, 90))
def test_an_unspanned_place_is_the_last_that_cuts_nothing(some: list[Span], place: int) -> None:
    """No span goes across the place, and any later place up to the limit is within one or before such."""
    found = unspanned(some, place)
    assert found <= place
    assert not any(span.start < found < span.end for span in some)
    assert all(any(span.start < later < span.end for span in joined(some)) for later in range(found + 1, place + 1))


@given(st.text(max_size=80), spans)
def test_plain_text_is_changed_where_spans_are_and_nowhere_else(text: str, some: list[Span]) -> None:
    """Redacted plain text is the text between the joined spans, with their labels in place of what they cover."""
    some = [span for span in some if span.end <= len(text)]
    expected, done = "", 0
    for span in joined(some):
        expected += text[done : span.start] + span.label
        done = span.end
    assert redacted(text, some) == expected + text[done:]


def released(form: Form, text: str, some: list[Span], steps: list[int], places: list[int]) -> str:
    """The text fed in steps and released as far as a check could have settled it, spans told as late as may be."""
    seen, out, fed, read, number = view(form), "", 0, 0, 0
    left = list(some)
    while fed < len(text) or number == 0:
        step = steps[number % len(steps)] if steps else len(text)
        chunk, end = text[fed : fed + step], fed + step >= len(text)
        read += len(seen.push(chunk, end=end))
        fed += step
        place = unspanned(some, read if end else min(read, places[number % len(places)] if places else read))
        place = max(place, 0)
        out += seen.release(place, joined(span for span in left if span.start < place)) if place >= done_of(seen) else ""
        left = [span for span in left if span.end > place]
        number += 1
    assert seen.held == 0
    return out


def done_of(seen: Any) -> int:
    return int(getattr(seen, "start", 0))


rising = st.lists(st.integers(1, 9), min_size=1, max_size=12).map(
    lambda steps: [sum(steps[: i + 1]) for i in range(len(steps))] + [10**6]
)


@pytest.mark.parametrize("form", ["text", "json"])
@given(
    text=st.one_of(sources, broken, st.text(max_size=60)),
    some=spans,
    steps=st.lists(st.integers(1, 7), min_size=1, max_size=5),
    places=rising,
)
@example(text="[12, 345]", some=[Span(1, 3, "<A>")], steps=[3], places=[3, 10**6])
def test_what_is_released_in_pieces_is_what_is_redacted_whole(
    form: Form, text: str, some: list[Span], steps: list[int], places: list[int]
) -> None:
    """For any chunks, and any allowed places of release, the pieces join to the whole text redacted."""
    length = len(readable(text, form))
    some = [span for span in some if span.end <= length]
    limits = [place for place in places if place <= length] + [length] * 200
    assert released(form, text, some, steps, limits) == redacted(text, some, form)


@given(sources)
def test_json_reads_as_its_strings_and_comes_back_as_it_was(source: str) -> None:
    """Without spans the source is untouched; what is read is shorter where escapes stood."""
    assert redacted(source, [], "json") == source
    assert len(readable(source, "json")) <= len(source)


@given(values, st.booleans())
def test_json_is_read_without_escapes(value: Any, ascii_only: bool) -> None:
    """Every string stands in the text read as a decoder would give it."""
    read = readable(json.dumps(value, ensure_ascii=ascii_only), "json")
    for text in strings(value):
        assert re.sub("[\ud800-\udfff]", "\ufffd", text) in re.sub("[\ud800-\udfff]", "\ufffd", read)


def strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for pair in value.items() for part in pair for text in strings(part)]
    return [text for part in value for text in strings(part)] if isinstance(value, list) else []


def decoded(source: str) -> Any:
    return json.loads(source, object_pairs_hook=lambda pairs: ("object", pairs))


def shape(value: Any) -> Any:
    """The structure alone."""
    if isinstance(value, tuple) and value and value[0] == "object":
        return {"pairs": [shape(part) for _, part in value[1]]}
    return [shape(part) for part in value] if isinstance(value, list) else "scalar"


def hidden(value: Any) -> Any:
    """What JSON should hold when each SECRET, and the number 731337, is replaced."""
    if isinstance(value, tuple) and value and value[0] == "object":
        return ("object", [(hidden(key), hidden(part)) for key, part in value[1]])
    if isinstance(value, list):
        return [hidden(part) for part in value]
    if isinstance(value, str):
        return value.replace("SECRET", "<S>")
    return "<N>" if value == 731337 and not isinstance(value, bool | float) else value


@given(sources, spans)
def test_json_stays_json_of_the_same_structure(source: str, some: list[Span]) -> None:
    """Whatever the spans, the source decodes to the same lists and objects."""
    some = [span for span in some if span.end <= len(readable(source, "json"))]
    assert shape(decoded(redacted(source, some, "json"))) == shape(decoded(source))


@given(sources)
def test_json_changes_in_the_strings_and_numbers_that_are_spanned(source: str) -> None:
    """Only what is spanned changes: in a string the part, a number as a whole."""
    read = readable(source, "json")
    some = [Span(m.start(), m.end(), "<S>") for m in re.finditer("SECRET", read)]
    some += [Span(m.start(), m.end(), "<N>") for m in re.finditer(r"(?<![\w.+-])731337(?![\w.+-])", read)]
    result = decoded(redacted(source, some, "json"))
    plain = [text for text in strings(json.loads(source)) if "731337" in text]
    if not plain:
        assert result == hidden(decoded(source))


def test_an_escape_that_is_cut_waits_for_its_rest() -> None:
    """Half an escape, or half of a pair of surrogates, is read when it is complete."""
    seen = view("json")
    assert [seen.push(part) for part in ('["\\', "u00", "e9\\ud83d", "\\ude", "00", '"]')] == ['["', "", "é", "", "😀", '"]']


def test_a_literal_that_is_spanned_becomes_a_string() -> None:
    """A number that a span touches is replaced as a whole and quoted, streamed too."""
    assert redacted('{"card": 4111111111111111}', [Span(9, 20, "<CARD>")], "json") == '{"card": "<CARD>"}'


@pytest.mark.slow
@pytest.mark.parametrize(
    "source", ['["' + "a" * 300_000 + '"]', "[" + "1," * 150_000 + "1]", '"' + "\\n" * 150_000 + '"', "x" * 300_000]
)
def test_long_json_comes_back_as_it_was(source: str) -> None:
    """Long runs, many literals and many escapes are read whole; a test that reads them twice over would not end."""
    assert redacted(source, [], "json") == source
    assert redacted(source, [Span(0, 1, "<A>")], "json") in (source, json.dumps("<A>"))
