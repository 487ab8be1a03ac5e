"""Where a text was rewritten: the parts put together make the new text."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from proxy.checks.changed import changed

WORDS = st.lists(st.sampled_from(["call", "me", " ", "at", "555", "\n", ".", "é"]), max_size=30).map("".join)


def applied(old: str, new: str) -> str:
    place, parts = 0, []
    for change in changed(old, new):
        assert change.start >= place
        parts += [old[place : change.start], change.text]
        place = change.end
    return "".join([*parts, old[place:]])


@given(WORDS, WORDS)
@example("é", "callécall")
@example(". é", "at. 555 éme")
def test_the_changes_make_the_new_text(old: str, new: str) -> None:
    """Whatever both are; only of an empty text nothing can be replaced."""
    assert applied(old, new) == new


@given(WORDS.filter(bool), WORDS)
def test_no_change_is_empty(old: str, new: str) -> None:
    """An empty span cannot be redacted."""
    assert all(change.start < change.end for change in changed(old, new))


def test_what_was_masked_is_found_where_it_was() -> None:
    """Two names, two changes."""
    found = list(changed("I am Ada and he is Bob.", "I am <PERSON> and he is <PERSON>."))
    assert [(change.start, change.end, change.text) for change in found] == [(5, 8, "<PERSON>"), (19, 22, "<PERSON>")]


def test_texts_of_very_many_words_are_changed_as_one_part() -> None:
    """Comparing them word by word would take too long."""
    old, new = "a " * 5000 + "end", "b " * 5000 + "end"
    assert applied(old, new) == new
    assert len(list(changed(old, new))) == 1
