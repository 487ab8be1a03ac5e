"""Names found by the encoder that ships: whole and in pieces, in JSON, in long texts, beside patterns."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proxy.classifier.naming import entities
from proxy.core import Action, Segment
from proxy.engine import Engine
from tests.examples import examples
from tests.world import engine

NAMES = """
policy: names
rules:
  - {id: no-names, check: pii, with: {entities: [PERSON, LOCATION, EMAIL_ADDRESS]}, threshold: 0.5, action: redact}
"""
TEXT = "My name is John Smith and I live in Berlin. Write to john@example.com, or ask Maria Garcia."
WORDS = (
    "John",
    "Smith",
    "Dr.",
    "Maria",
    "Garcia,",
    "Berlin.",
    "in",
    "the",
    "and",
    "asked",
    "Paris",
    "O'Neil",
    "x" * 120,
    "\n",
    "José",
)


@pytest.fixture(scope="module")
def made() -> Engine:
    """An engine with the shipped encoder."""
    return engine(NAMES)


def redacted(made: Engine, text: str, form: str = "text") -> str:
    segment = Segment(text, "user", form="json") if form == "json" else Segment(text, "user")
    verdict = asyncio.run(made.guard("", "m").judge("completion", [segment]))
    return verdict.texts.get(0, text)


async def streamed(made: Engine, pieces: list[str]) -> str:
    """What a stream of the pieces shows."""
    growing = made.guard("", "m").growing()
    channel = growing.channel("user", "text")
    out = [channel.push(piece) for piece in pieces]
    channel.close()
    while channel.waits:
        await growing.wait(binding=True)
        channel.harvest()
    out.append(channel.rest())
    await growing.finish()
    return "".join(out)


def test_names_and_patterns_in_one_rule(made: Engine) -> None:
    """One rule, two ways of finding, one text back."""
    assert redacted(made, TEXT) == ("My name is <PERSON> and I live in <LOCATION>. Write to <EMAIL_ADDRESS>, or ask <PERSON>.")


def test_a_name_at_the_end_of_a_sentence_and_in_json(made: Engine) -> None:
    """The full stop stays, escapes are read through, the JSON stays valid."""
    assert redacted(made, "Please send it to Maria Garcia.") == "Please send it to <PERSON>."
    text = '{"passenger": "Ms. Laura M\\u00fcller", "from": "Madrid"}'
    assert redacted(made, text, "json") == '{"passenger": "<PERSON>", "from": "<LOCATION>"}'


def test_ordinary_words_stay(made: Engine) -> None:
    """No name, no change."""
    for text in ("Restart the server and clear its cache.", "The invoice is due in thirty days.", ""):
        assert redacted(made, text) == text


def test_names_deep_in_a_long_text(made: Engine) -> None:
    """Window after window is read, and offsets are those of the whole text."""
    filler = "The committee met again and agreed on nothing of note. " * 60
    found = redacted(made, f"{filler}Then John Smith spoke. {filler}")
    assert found == f"{filler}Then <PERSON> spoke. {filler}"


@settings(max_examples=examples(25), deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=60), st.lists(st.integers(0, 400), max_size=6))
@example(["Maria"] * 90, [3, 100])
def test_a_stream_shows_what_the_whole_shows(made: Engine, words: list[str], cuts: list[int]) -> None:
    """However it is cut."""
    text = " ".join(words)
    places = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
    pieces = [text[a:b] for a, b in pairwise(places)]
    assert asyncio.run(streamed(made, pieces)) == redacted(made, text)


def test_an_answer_that_fails_is_not_a_pass(made: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The network dies: the rule's on_error holds."""
    [check] = [unit.check for unit in made.guard("", "m").prompt.whole if hasattr(unit.check, "reader")]

    def dead(_: object) -> object:
        raise RuntimeError("dead")

    monkeypatch.setattr(check.reader.model.worker, "judge", dead)
    verdict = asyncio.run(made.guard("", "m").judge("prompt", [Segment("A text that nobody has seen before 4711.", "user")]))
    assert verdict.decision.action == Action.BLOCK
    assert [failure.kind for failure in verdict.decision.failures] == ["error"]


def test_pieces_of_one_word_are_one_entity() -> None:
    """The pieces of a word vote; a sign is a word of its own; what is not next to each other is not one."""
    text = "Ann-Marie Li, Bo."
    places = [(0, 3), (3, 4), (4, 7), (7, 9), (10, 12), (12, 13), (14, 16), (16, 17)]
    person, nothing = (0, 0.9), (0, 0.01)
    tags = [person, person, person, (1, 0.6), person, nothing, person, nothing]
    found = [(hit.label, text[hit.start : hit.end]) for hit in entities(text, places, tags, ("PERSON", "LOCATION"))]
    assert found == [("PERSON", "Ann-Marie Li"), ("PERSON", "Bo")]


def test_a_name_that_is_allowed_stays() -> None:
    """As it is written in the policy, in any case; others are found."""
    allowing = engine(NAMES.replace("EMAIL_ADDRESS]", 'EMAIL_ADDRESS], allow: ["JOHN  smith", berlin]'))
    assert redacted(allowing, TEXT) == ("My name is John Smith and I live in Berlin. Write to <EMAIL_ADDRESS>, or ask <PERSON>.")
