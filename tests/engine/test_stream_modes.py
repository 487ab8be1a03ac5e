"""How a stream waits for a rule: not before all is judged, until what it looks for is settled, or not at all."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core import Action, Segment
from proxy.dialects import OpenAIChat
from proxy.streaming import GuardedStream
from tests.test_streaming import Client, stream_of
from tests.world import CARD, IBAN, chunk, event, guard

RULE = "policy: p\nrules:\n  - {id: a, check: pii, with: {entities: [IBAN_CODE]}, action: %s, stream: %s}\n"
REDACTS = "policy: q\nrules:\n  - {id: b, check: pii, with: {entities: [CREDIT_CARD]}, action: redact}\n"


def shown(policy: str, *pieces: str) -> tuple[str, str, Action]:
    """What is shown before the end, in all, and what is decided."""
    growing = guard(policy, REDACTS).growing()
    guarded = GuardedStream(OpenAIChat(), growing)
    before = guarded.feed(b"".join(event(chunk({"content": piece})) for piece in pieces))
    out = before + guarded.feed(stream_of(chunk({}, finish="stop"))) + guarded.finish()
    early, whole = Client().read(before), Client().read(out)
    return early.texts.get((0, "content"), ""), whole.texts.get((0, "content"), ""), growing.decision.action


@pytest.mark.parametrize("action", ["redact", "block"])
def test_hold_shows_nothing_before_the_end(action: str) -> None:
    """What passes comes all at once; what a rule blocks is never begun."""
    assert shown(RULE % (action, "hold"), "Hello ", "you, ", "friend. ") == ("", "Hello you, friend. ", Action.ALLOW)
    early, whole, decided = shown(RULE % (action, "hold"), "Pay ", IBAN, " now. ")
    assert early == ""
    assert (whole, decided) == (("Pay <IBAN_CODE> now. ", Action.REDACT) if action == "redact" else ("", Action.BLOCK))


def test_window_shows_what_is_settled() -> None:
    """And is what a rule does that says nothing."""
    for policy in (RULE % ("redact", "window"), (RULE % ("redact", "window")).replace(", stream: window", "")):
        early, whole, decided = shown(policy, "Hello ", "you. ", f"{IBAN} ", "x ")
        assert early.startswith("Hello you. ")
        assert (whole, decided) == ("Hello you. <IBAN_CODE> x ", Action.REDACT)


@pytest.mark.parametrize("action", ["redact", "block"])
def test_after_shows_all_and_records(action: str) -> None:
    """It flags, whatever the action; other rules go on to act."""
    text = f"Pay {IBAN} now. "
    early, whole, decided = shown(RULE % (action, "after"), *text)
    assert (whole, decided) == (text, Action.FLAG)
    assert early.startswith("Pay DE89")
    _, whole, decided = shown(RULE % (action, "after"), f"{IBAN} with {CARD} ")
    assert (whole, decided) == (f"{IBAN} with <CREDIT_CARD> ", Action.REDACT)


@pytest.mark.parametrize("mode", ["hold", "window", "after"])
def test_whole_completions_are_judged_alike(mode: str) -> None:
    """The mode is about streams."""
    verdict = asyncio.run(guard(RULE % ("block", mode)).judge("completion", [Segment(IBAN, "assistant")]))
    assert verdict.decision.action == Action.BLOCK


@given(st.lists(st.sampled_from(("Pay ", IBAN, IBAN[:9], IBAN[9:], CARD, " ", ". ", "now")), max_size=8))
def test_hold_and_window_show_the_same_in_the_end(pieces: list[str]) -> None:
    """However the text is cut."""
    assert shown(RULE % ("redact", "hold"), *pieces)[1:] == shown(RULE % ("redact", "window"), *pieces)[1:]
