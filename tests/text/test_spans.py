"""Overlapping findings are replaced by one rule, and what is replaced in JSON leaves it JSON."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from proxy.core import WAYS, Operator
from proxy.text import Span, joined, redacted

LETTERS = "abcdefghijklmnopqrstuvwxyz"
operators = st.builds(Operator, st.sampled_from(WAYS), st.integers(0, 6))


@st.composite
def spans(draw: st.DrawFn) -> list[Span]:
    """Spans of the alphabet."""
    made = []
    for number in range(draw(st.integers(0, 6))):
        start = draw(st.integers(0, 24))
        end = draw(st.integers(start + 1, 26))
        made.append(Span(start, end, f"<{number}>", draw(st.sampled_from((0.4, 0.9))), str(number), draw(operators)))
    return made


def tag(span: Span, text: str) -> str:
    return f"[{span.operator.way}{span.operator.keep}:{text}]"


@given(given_spans=spans())
def test_every_character_of_a_finding_is_replaced_and_no_other(given_spans: list[Span]) -> None:
    """Joined spans do not overlap, are in order, and cover what the findings cover."""
    made = joined(given_spans)
    covered = [place for span in made for place in range(span.start, span.end)]
    assert covered == sorted({place for span in given_spans for place in range(span.start, span.end)})


@given(given_spans=spans(), more=spans())
def test_a_further_finding_can_only_make_less_be_told(given_spans: list[Span], more: list[Span]) -> None:
    """Wherever a character is replaced, the operator that replaces it tells no more than that of any finding over it."""
    for span in joined([*given_spans, *more]):
        over = [other for other in given_spans if other.start < span.end and span.start < other.end]
        assert all(span.operator.tells <= other.operator.tells for other in over)


@given(given_spans=spans(), shuffled=st.randoms())
def test_the_order_of_findings_is_no_matter(given_spans: list[Span], shuffled: Any) -> None:
    """Rules and files may stand in any order."""
    other = list(given_spans)
    shuffled.shuffle(other)
    assert redacted(LETTERS, given_spans, "text", tag) == redacted(LETTERS, other, "text", tag)


@given(given_spans=spans())
def test_an_operator_is_given_the_whole_of_the_joined_text(given_spans: list[Span]) -> None:
    """What comes back, or is hashed, is all that was taken out."""
    whole = redacted(LETTERS, given_spans, "text", lambda span, text: text)
    assert whole == LETTERS


values = st.recursive(
    st.text(max_size=8) | st.integers(-(10**12), 10**12) | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(
    value=values,
    starts=st.lists(st.tuples(st.integers(0, 60), st.integers(1, 9), operators), max_size=4),
    ascii_only=st.booleans(),
)
@example(
    value={"a": 'b"c', "d": 4111111111111111}, starts=[(0, 9, Operator("pseudonym")), (9, 9, Operator("mask"))], ascii_only=True
)
def test_json_stays_json_whatever_is_replaced_by_whatever(
    value: Any, starts: list[tuple[int, int, Operator]], ascii_only: bool
) -> None:
    """Quotes, line ends and backslashes in what is put in are escaped; a number becomes a string."""
    source = json.dumps(value, ensure_ascii=ascii_only)
    asked = [Span(start, start + length, "<X>", 1.0, "X", operator) for start, length, operator in starts]
    json.loads(redacted(source, asked, "json", lambda span, text: f'"\\\n{text}\t"'))


def test_an_operator_does_not_see_two_strings_as_one_value() -> None:
    """A finding over the end of a string, or over a part of a number, is replaced by its label."""
    seen = list[str]()

    def note(span: Span, text: str) -> str:
        seen.append(text)
        return text or span.label

    source = '{"a":"one","b":12345}'
    assert json.loads(redacted(source, [Span(7, 13, "<X>")], "json", note)) == {"a": "o<X>", "<X>": 12345}
    assert json.loads(redacted(source, [Span(16, 18, "<X>")], "json", note)) == {"a": "one", "b": "<X>"}
    assert seen == ["", ""]
