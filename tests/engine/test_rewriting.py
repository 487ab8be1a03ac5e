"""What stands in the place of what was found, in prompts and in completions, whole and streamed."""

from __future__ import annotations

import asyncio
import json
import re

import pytest

from proxy.checks import CATALOGUE, combined
from proxy.core import Action, Form, Principal, Segment
from proxy.engine import Engine, Verdict
from proxy.errors import PolicyError
from proxy.metrics import Metrics
from proxy.operators import Conversation, Conversations, Keys
from proxy.policy import parse, policy_set
from proxy.settings import Settings
from tests.world import CARD, IBAN, KEY, MAIL, engine

POLICY = """
policy: replacing
rules:
  - id: personal
    check: pii
    with: {entities: [CREDIT_CARD, IBAN_CODE, EMAIL_ADDRESS, US_SSN]}
    action: redact
    as: {CREDIT_CARD: {mask: {keep: 4}}, IBAN_CODE: hash, EMAIL_ADDRESS: pseudonym, US_SSN: synthetic}
"""
SSN = "536-90-4399"
TEXT = f"card {CARD}, account {IBAN}, mail {MAIL}, ssn {SSN}, done"


def judged(text: str, direction: str = "prompt", form: Form = "text", about: Conversation | None = None) -> Verdict:
    guard = engine(POLICY).guard("", "m")
    if direction == "prompt":
        return asyncio.run(guard.judge("prompt", [Segment(text, "user", "", form)], about))
    return asyncio.run(guard.judge("completion", [Segment(text, "assistant", "", form)], about))


def streamed(text: str, cut: int, form: Form = "text", about: Conversation | None = None) -> str:
    channel = engine(POLICY).guard("", "m").growing(about).channel("assistant", "content", form)
    pieces = [text[i : i + cut] for i in range(0, len(text), cut)]
    return "".join(map(channel.push, pieces)) + channel.push("", end=True)


def conversation(id: str = "c") -> Conversation:
    return Conversations(Keys([KEY])).of(Principal("desk"), id, "header")


def test_each_entity_is_replaced_as_the_policy_says() -> None:
    """A mask that keeps the last four, a hash, a name, a stand-in; counted by way and entity."""
    verdict = judged(TEXT)
    shown = verdict.texts[0]
    pattern = (
        r"card \*{4} \*{4} \*{4} 1111, account <IBAN_CODE:[0-9a-f]{16}>, "
        r"mail <EMAIL_ADDRESS_[0-9a-f]{6}>, ssn 666-\d\d-\d{4}, done"
    )
    assert re.fullmatch(pattern, shown), shown
    assert judged(TEXT).texts[0] == shown
    assert verdict.replaced == {
        ("mask", "CREDIT_CARD"): 1, ("hash", "IBAN_CODE"): 1, ("pseudonym", "EMAIL_ADDRESS"): 1, ("synthetic", "US_SSN"): 1,
    }  # fmt: skip


@pytest.mark.parametrize("cut", [1, 3, 7, 1000])
def test_a_stream_replaces_as_the_whole_does(cut: int) -> None:
    """However it is cut, in text and in JSON."""
    assert streamed(TEXT, cut) == judged(TEXT, "completion").texts[0]
    source = json.dumps({"text": TEXT, "card": int(CARD.replace(" ", "")), "n": 12})
    whole = judged(source, "completion", "json").texts[0]
    assert streamed(source, cut, "json") == whole
    assert json.loads(whole)["card"] == "*" * 12 + "1111"
    assert json.loads(whole)["n"] == 12


@pytest.mark.parametrize("cut", [1, 5, 1000])
def test_what_the_caller_said_comes_back_and_what_he_did_not_say_does_not(cut: int) -> None:
    """Restored after the guard: the caller's own address is not replaced again, another's is replaced and never restored."""
    about = conversation()
    sent = judged(f"write to {MAIL}", about=about).texts[0]
    name = sent.removeprefix("write to ")
    answer = f"I wrote to {name.upper()} and to eve@example.org; {name}."
    verdict = judged(answer, "completion", about=about)
    assert re.fullmatch(rf"I wrote to {MAIL} and to <EMAIL_ADDRESS_\w{{6}}>; {MAIL}\.", verdict.texts[0])
    assert streamed(answer, cut, about=about) == verdict.texts[0]
    assert verdict.restorer is not None
    assert verdict.restorer.restored == {"EMAIL_ADDRESS": 2}
    assert [f.category for f in verdict.decision.findings] == ["EMAIL_ADDRESS"]
    stranger = judged(answer, "completion", about=conversation("another"))
    assert MAIL not in stranger.texts[0]


def test_a_stand_in_is_not_replaced_again() -> None:
    """It passes the check of what it stands for, and is nobody's: neither in the answer nor in the next turn."""
    about = conversation()
    standin = judged(f"ssn {SSN}", about=about).texts[0]
    assert judged(f"you said {standin}", "completion", about=about).texts.get(0, f"you said {standin}") == f"you said {standin}"


@pytest.mark.parametrize("cut", [1, 4, 1000])
@pytest.mark.parametrize("source", ['{"card": 4111111111111111}', f'[ "{CARD}", "a\\"b" ]', f"[1] card {CARD}"])
def test_an_answer_that_was_asked_for_as_json_stays_json(source: str, cut: int) -> None:
    """Where what was asked for came; else it is text like any other."""
    about = conversation()
    about.structured = True
    whole = judged("\n " + source, "completion", about=about).texts[0]
    assert streamed("\n " + source, cut, about=about) == whole
    if source[1] != "1":
        json.loads(whole)


def test_a_policy_that_needs_a_key_is_refused_without_one() -> None:
    """It says which rule, and what to name; masks and labels need none."""
    keyless = Engine(Settings(record="off"), CATALOGUE, combined, Metrics())
    with pytest.raises(PolicyError, match=r"personal: as: hash, pseudonym, synthetic needs a key: .* redaction_key_env"):
        keyless.use(policy_set([parse(POLICY, "p.yaml", CATALOGUE)]))
    masks = "policy: p\nrules: [{id: a, check: pii, with: {entities: [CREDIT_CARD]}, action: redact, as: mask}]\n"
    keyless.use(policy_set([parse(masks, "p.yaml", CATALOGUE)]))
    verdict = asyncio.run(keyless.guard("", "m").judge("prompt", [Segment(CARD, "user")]))
    assert (verdict.decision.action, verdict.texts) == (Action.REDACT, {0: "**** **** **** 1111"})
    keyless.close()
