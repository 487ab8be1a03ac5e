"""What a list of places and peoples makes of a window's entities, and what signs and numbers at their edges are worth."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.classifier.gazetteer import known, refined
from proxy.classifier.reading import Best

LABELS = ("PERSON", "LOCATION", "ORGANIZATION", "NRP", "DATE_TIME")


def said(text: str, *found: tuple[str, str, float]) -> list[tuple[str, str]]:
    hits = [Best(label, score, text.index(part), text.index(part) + len(part)) for part, label, score in found]
    return sorted((text[hit.start : hit.end], hit.label) for hit in refined(text, hits, LABELS) if hit.score >= 0.5)


@pytest.mark.parametrize(
    ("text", "found", "left"),
    [
        ("flew to Berlin, then India", [], [("Berlin", "LOCATION"), ("India", "LOCATION")]),
        ("of Coleman, Florida.", [("of Coleman, Florida", "LOCATION", 0.8)], [("Coleman", "LOCATION"), ("Florida", "LOCATION")]),
        ("at 12 High St, Leeds", [("12 High St, Leeds", "LOCATION", 0.8)], [("12 High St, Leeds", "LOCATION")]),
        ("at Bank of Illinois", [("Bank of Illinois", "ORGANIZATION", 0.8)], [("Bank of Illinois", "ORGANIZATION")]),
        ("Paris Hilton came", [("Paris Hilton", "PERSON", 0.9)], [("Paris Hilton", "PERSON")]),
        ("Melbourne won", [("Melbourne", "ORGANIZATION", 0.6)], [("Melbourne", "LOCATION")]),
        ("Melbourne won", [("Melbourne", "ORGANIZATION", 0.9)], [("Melbourne", "ORGANIZATION")]),
        ("Kurdish and Iraqi troops", [("Kurdish", "LOCATION", 0.7)], [("Iraqi", "NRP"), ("Kurdish", "NRP")]),
        ("in the U.S. today", [("S", "LOCATION", 0.52)], [("U.S.", "LOCATION")]),
        ("moving to san francisco", [], [("san francisco", "LOCATION")]),
        ("turkey with nice china; CONTACT US, Georgia", [], []),
        ("The US said", [("The US", "ORGANIZATION", 0.6)], [("US", "LOCATION")]),
        ("Mr Belgrano' spoke", [("Belgrano'", "PERSON", 0.8)], [("Belgrano", "PERSON")]),
        ("marine life", [("marine", "LOCATION", 0.6)], []),
        ("call +1-617-855-1970", [("-1970", "DATE_TIME", 0.9)], []),
        ("born 28.12.04 there", [("04", "DATE_TIME", 0.9)], []),
        ("born in 1970, on 28.12.04", [("1970", "DATE_TIME", 0.9), ("28.12.04", "DATE_TIME", 0.9)],
         [("1970", "DATE_TIME"), ("28.12.04", "DATE_TIME")]),
        ("indiana.example and @berlin, x/india", [], []),
    ],
)  # fmt: skip
def test_the_list_and_the_edges(text: str, found: list[tuple[str, str, float]], left: list[tuple[str, str]]) -> None:
    """What is left of the entities, and what is added to them."""
    assert said(text, *found) == left


@given(st.lists(st.sampled_from([*sorted(known())[:40], "the", "of", ",", "12", "Ann", "-", "'s"]), max_size=12), st.data())
def test_entities_stay_within_the_text(words: list[str], data: st.DataObject) -> None:
    """Whatever is found."""
    text = " ".join(words)
    spans = st.tuples(st.integers(0, len(text)), st.integers(0, len(text)))
    pairs = data.draw(st.lists(spans, max_size=4)) if text else []
    hits = [Best(data.draw(st.sampled_from(LABELS)), 0.6, min(p), max(p)) for p in pairs if p[0] != p[1]]
    once = refined(text, hits, LABELS)
    assert all(0 <= hit.start < hit.end <= len(text) for hit in once)


def test_a_model_without_a_label_is_given_none() -> None:
    """The list adds no label that the model does not have."""
    assert [hit.label for hit in refined("Berlin is German", [], ("LOCATION",))] == ["LOCATION"]
