"""Phone numbers are read piece by piece, with the result of reading the whole text for every region."""

from __future__ import annotations

import phonenumbers
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proxy.checks import phones
from proxy.checks.phones import REGIONS, numbers, numbers_alone
from proxy.checks.recognizers import presidio
from tests.examples import examples

SIGNS = (" ", "\n", ", ", "-", ".", "/", "(", ") ", ":", "a", "x", " ext. ", "+", "\u00a0", ":30", " or ")
GROUPS = (
    "+1",
    "212",
    "555",
    "0123",
    "+44 20 7946 0958",
    "030",
    "901820",
    "06-12345678",
    "1800",
    "(415) 555-2671",
    "49",
    "0",
    "2024-01-02",
)
texts = st.lists(st.tuples(st.sampled_from(GROUPS), st.sampled_from(SIGNS)).map("".join), max_size=12).map("".join)


def spans(text: str) -> set[tuple[int, int]]:
    """The numbers that are in no other, read piece by piece."""
    return outermost({(number.start, number.end) for number in numbers(text, REGIONS)})


def outermost(found: set[tuple[int, int]]) -> set[tuple[int, int]]:
    return {one for one in found if not any(o != one and o[0] <= one[0] and one[1] <= o[1] for o in found)}


def region_by_region(text: str) -> set[tuple[int, int]]:
    """The same, as Presidio does: the whole text for each region, and for none."""
    presidio()
    import phonenumbers

    valid, possible = phonenumbers.Leniency.VALID, phonenumbers.Leniency.POSSIBLE
    passes = [*((region, valid) for region in REGIONS), *([(None, possible)] if "+" in text else [])]
    found = {(m.start, m.end) for region, how in passes for m in phonenumbers.PhoneNumberMatcher(text, region, leniency=how)}
    return outermost(found)


@settings(max_examples=examples(40), deadline=None)
@given(text=texts)
def test_pieces_hold_what_the_whole_holds(text: str) -> None:
    """For any groups of digits and what stands between them."""
    alone = numbers_alone(text)
    assert spans(alone) == region_by_region(alone)


@pytest.mark.parametrize(
    "text", ["212-555-0123\n" * 3, "+49 30 901820, 030 901820 and 1 2 3 4 5 6", "call 020 7946 0958x12 at 08:30"]
)
def test_a_text_with_numbers_has_them(text: str) -> None:
    """Each where it stands, as often as it occurs."""
    alone = numbers_alone(text)
    assert spans(alone) == region_by_region(alone)
    assert spans(alone)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.text("0123456789", min_size=1, max_size=11), min_size=1, max_size=4),
    st.sampled_from(["-", " ", ".", "/", " (0)", ""]),
    st.sampled_from(["", "+", "00", "011", "0", "1-", "("]),
)
@example(["212", "555", "0123"], "-", "")
@example(["20", "7946", "0958"], " ", "0")
@example(["49", "30", "901820"], " ", "00")
@example(["11", "98765", "4321"], " ", "0")
@example(["41", "21", "2345", "6789"], " ", "0")
@example(["44", "20", "7946", "0958"], " ", "")
def test_a_region_that_is_not_read_has_no_number_there(groups: list[str], sign: str, before: str) -> None:
    """What phonenumbers would find in any region is found, though regions whose numbers are unlike are passed over."""
    piece = f"\n{before}{sign.join(groups)}\n"
    for region in (*phones.REGIONS, "IT", "AR", "MX", "ES", "AU"):
        theirs = [(m.start, m.end) for m in phonenumbers.PhoneNumberMatcher(piece, region, leniency=phonenumbers.Leniency.VALID)]
        dialled = phones.runs(piece)
        if theirs and "+" not in piece:
            assert dialled is None or any(map(phones.national(region).fullmatch, dialled)), region
