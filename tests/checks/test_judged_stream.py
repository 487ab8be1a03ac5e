"""The encoder over completions that come in pieces: a stream shows what the whole shows, and nothing waits on the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proxy.checks import CATALOGUE
from proxy.classifier import Limits
from proxy.core import Action, Segment
from proxy.dialects import OpenAIChat
from proxy.engine import Engine, Growing
from proxy.engine.rewriting import by_segment
from proxy.streaming import GuardedStream
from proxy.text import redacted
from tests.classifier.world import Script, kinds, model, write_encoder
from tests.examples import examples
from tests.test_streaming import Client
from tests.world import CARD, chunk, engine, event, world

REDACT = """
policy: redacting
rules:
  - {id: no-hate, check: bias, with: {categories: [hate]}, threshold: 0.9, action: redact}
  - {id: injected, check: misuse, with: {categories: [injection]}, threshold: 0.1, action: flag}
"""
BLOCK = """
policy: blocking
rules:
  - {id: no-violence, check: misuse, with: {categories: [violence]}, threshold: 0.9, action: block, message: No., MORE}
  - {id: no-hate, check: bias, with: {categories: [hate]}, threshold: 0.9, action: redact, MORE}
"""
WATCH = "policy: watching\nmode: monitor\nrules:\n  - {id: any, check: misuse, threshold: 0.2, action: block, timeout: 300ms}\n"
PART = """
policy: part
rules:
  - {id: p, check: bias, with: {max_windows: 3, beyond: not_inspected}, threshold: 0.9, action: redact}
"""
DONE = b"data: [DONE]\n\n"
words = st.sampled_from(("w", "and", "some", "clear", "hate", "violence", "v\u0456olence", "x" * 120, "\n", "injection", "end."))
texts = st.lists(words, max_size=40).map(" ".join) | st.text(max_size=30)


def made(*policies: str, script: Script | None = None, limits: Limits | None = None, **more: Any) -> Engine:
    """An engine over a judge of plain Python."""
    return engine(*policies, catalogue=kinds(model(script or Script(), limits)), **more)


def events(text: str, cuts: Sequence[int], *, apart: bool) -> list[bytes]:
    """A stream of the text, its end with the last piece or in an event of its own."""
    places = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
    parts = [text[a:b] for a, b in pairwise(places)] or [""]
    found = [chunk({"content": part}) for part in parts]
    if apart:
        found.append(chunk({}, finish="stop"))
    else:
        found[-1]["choices"][0]["finish_reason"] = "stop"
    return [*map(event, found), DONE]


async def stream(run: Engine, reads: Sequence[bytes]) -> tuple[Client, Growing, GuardedStream]:
    """The reads through the guard, as the gateway lets them."""
    growing = run.guard("", "m").growing()
    guarded = GuardedStream(OpenAIChat(), growing)
    out = b""
    for data in reads:
        out += guarded.feed(data)
        while guarded.paused is not None:
            out += await guarded.waited()
    out += guarded.finish()
    await growing.finish()
    growing.close()
    return Client().read(out), growing, guarded


@pytest.mark.parametrize("policies", [(REDACT,), (BLOCK,), (REDACT, WATCH), (PART,)], ids=len)
@settings(max_examples=examples(80))
@given(text=texts, cuts=st.lists(st.integers(0, 300), max_size=12), apart=st.booleans(), joined=st.booleans())
@example(text="hate " * 9, cuts=[3], apart=True, joined=True)
def test_a_stream_shows_what_the_whole_shows(
    policies: tuple[str, ...], text: str, cuts: list[int], apart: bool, joined: bool
) -> None:
    """However it is cut, with the very same findings; when a rule blocks, a beginning of it."""
    policies = tuple(policy.replace(", MORE", "") for policy in policies)

    async def main() -> None:
        whole = (await made(*policies).guard("", "m").judge("completion", [Segment(text, "assistant")])).decision
        reads = events(text, cuts, apart=apart)
        client, growing, guarded = await stream(made(*policies), [b"".join(reads)] if joined else reads)
        changed = redacted(text, by_segment(whole).get(0, []))
        shown = client.texts.get((0, "content"), "")
        assert growing.decision.action == whole.action
        assert guarded.trouble is None
        assert client.done
        if whole.action == Action.BLOCK:
            assert guarded.cut
            assert changed.startswith(shown)
            assert client.finished == {0: "content_filter"}
        else:
            assert shown == changed
            assert client.finished == {0: "stop"}
            assert set(growing.decision.findings) == set(whole.findings)
            assert set(growing.decision.matches) == set(whole.matches)

    asyncio.run(main())


@settings(max_examples=examples(40))
@given(text=texts, cuts=st.lists(st.integers(0, 300), max_size=12), apart=st.booleans())
def test_what_only_looks_holds_nothing_back(text: str, cuts: list[int], apart: bool) -> None:
    """Not even at the end, while the network is held; the decision is the whole's once that is done."""
    free = threading.Event()

    def act() -> None:
        assert free.wait(20)

    async def main() -> None:
        whole = (await made(WATCH).guard("", "m").judge("completion", [Segment(text, "assistant")])).decision
        growing = made(WATCH, script=Script(act=act)).guard("", "m").growing()
        guarded = GuardedStream(OpenAIChat(), growing)
        out = b"".join(map(guarded.feed, events(text, cuts, apart=apart))) + guarded.finish()
        assert guarded.paused is None
        assert Client().read(out).texts.get((0, "content"), "") == text
        assert growing.most_held == 0
        free.set()
        await growing.finish()
        assert (growing.decision.action, growing.decision.would) == (whole.action, whole.would)
        assert growing.decision.findings == whole.findings

    asyncio.run(main())


def test_what_is_settled_is_shown_while_the_text_goes_on() -> None:
    """A rule that binds holds back a window, not the whole."""
    script = Script()
    run = made(BLOCK.replace(", MORE", ""), script=script)
    channel = run.guard("", "m").growing().channel("assistant", "")
    shown = ""
    for i in range(200):
        before = len(script.batches)
        shown += channel.push(f"word{i} ")
        while channel.watches[0].watch.reading.pending and not all(  # type: ignore[attr-defined]  # the watch of this check
            answer.done()
            for answer in channel.watches[0].watch.reading.pending  # type: ignore[attr-defined]  # the same
        ):
            pass
        assert len(script.batches) >= before
    assert 180 < len(shown.split()) < 200


@pytest.mark.parametrize(("on_error", "action"), [("block", Action.BLOCK), ("allow", Action.FLAG)])
def test_an_end_that_is_not_judged_in_time(on_error: str, action: Action) -> None:
    """The rule's timeout holds, and then its on_error: the stream is cut, or what was held back is shown."""
    free = threading.Event()
    run = made(BLOCK.replace("MORE", f"on_error: {on_error}, timeout: 50ms"), script=Script(act=lambda: free.wait(20) and None))  # type: ignore[arg-type]  # holds the thread

    async def main() -> None:
        _, growing, _ = await stream(run, events("some words", [4], apart=True))
        assert growing.decision.action == (Action.BLOCK if on_error == "block" else action)
        assert {failure.kind for failure in growing.decision.failures} == {"timeout"}

    try:
        asyncio.run(main())
    finally:
        free.set()


def test_a_queue_that_is_full_in_the_middle_of_a_stream() -> None:
    """The rule's on_error acts at once, and the failure is called by its name."""
    free = threading.Event()

    def act() -> None:
        assert free.wait(20)

    run = made(BLOCK.replace(", MORE", ""), script=Script(act=act), limits=Limits(queue=1))

    async def main() -> None:
        _, growing, guarded = await stream(run, events("".join(f"w{i} " for i in range(80)), list(range(0, 300, 25)), apart=True))
        assert guarded.cut
        assert growing.decision.failures[0].kind == "overload"
        free.set()

    asyncio.run(main())


def test_a_text_beyond_the_bound_is_counted(tmp_path: Path) -> None:
    """Once for each text, and the rest of it is shown as it comes."""

    async def main() -> None:
        client, growing, _ = await stream(made(PART), events("w " * 60 + "hate", [7, 50, 90], apart=False))
        assert growing.not_inspected == {"beyond_windows": 1}
        assert client.texts[0, "content"].endswith("hate")

    asyncio.run(main())


def test_what_fails_when_all_has_been_shown_can_only_flag() -> None:
    """A rule that flags holds nothing back; its failure is in the record, which does not say that anything was blocked."""
    free = threading.Event()

    def act() -> None:
        assert free.wait(20)

    flagging = "policy: f\nrules:\n  - {id: any, check: misuse, action: flag, on_error: block, timeout: 50ms}\n"

    async def main() -> None:
        client, growing, guarded = await stream(made(flagging, script=Script(act=act)), events("some words", [4], apart=True))
        assert client.texts == {(0, "content"): "some words"}
        assert not guarded.cut
        assert [failure.kind for failure in growing.decision.failures] == ["timeout"]
        assert (growing.decision.action, growing.decision.would) == (Action.FLAG, Action.BLOCK)
        free.set()

    asyncio.run(main())


CARDS = """
policy: cards
rules:
  - {id: no-cards, check: pii, with: {entities: [CREDIT_CARD]}, action: block}
"""


def test_what_another_rule_has_blocked_waits_for_nothing() -> None:
    """And the encoder, which nobody waited for, has not failed."""
    free = threading.Event()

    def act() -> None:
        assert free.wait(20)

    both = {**CATALOGUE, **kinds(model(Script(act=act)))}
    growing = engine(CARDS, BLOCK.replace(", MORE", ""), catalogue=both).guard("", "m").growing()
    guarded = GuardedStream(OpenAIChat(), growing)
    out = b"".join(map(guarded.feed, events(f"Pay {CARD}", [4], apart=True)))
    assert guarded.cut
    assert guarded.paused is None
    assert growing.decision.failures == ()
    assert b"4111" not in out
    free.set()


SHIPPED = """
policy: {name}
mode: {mode}
rules:
  - {{id: any, check: misuse, threshold: 0.06, action: block, direction: completion, timeout: 20s}}
"""


@pytest.mark.parametrize("mode", ["enforce", "monitor"])
@pytest.mark.parametrize("streamed", [True, False])
def test_a_call_from_end_to_end(mode: str, streamed: bool, tmp_path: Path) -> None:
    """With a real network of random weights, which finds something in anything: cut, or served and in the record all the same."""
    write_encoder(tmp_path / "models")

    async def main() -> None:
        async with world(tmp_path, SHIPPED.format(name="x", mode=mode), models=tmp_path / "models") as parapet:
            answer = await parapet.chat("hello world. " * 40, stream=streamed)
            assert answer.status_code == 200
            [record] = parapet.records
            metrics = await parapet.metrics()
        assert record["completion"]["would"] == "block"
        assert record["outcome"] == ("served" if mode == "monitor" else "blocked_completion")
        said = Client().read(answer.content).texts.get((0, "content"), "") if streamed else answer.text
        assert ("hello world" in said) == (mode == "monitor")
        assert record["completion"]["findings"][0]["detail"] == {"model": "tiny 1"}
        assert 'parapet_classifier_windows_total{classifier="encoder",result="judged"}' in metrics
        assert 'parapet_classifier_batch_windows_count{classifier="encoder"}' in metrics

    asyncio.run(main())


def test_other_calls_go_on_while_a_stream_waits_for_its_end() -> None:
    """The event loop is free: another text is judged while the network is held by the first."""
    free = threading.Event()

    def act() -> None:
        assert free.wait(20)

    run = made(BLOCK.replace("MORE", "timeout: 20s"), script=Script(act=act))

    async def main() -> None:
        waiting = asyncio.create_task(stream(run, events("some words", [], apart=True)))
        await asyncio.sleep(0.05)
        other = await run.guard("", "m").judge("completion", [Segment("clear words", "assistant")])
        assert other.decision.action == Action.ALLOW
        assert not waiting.done()
        free.set()
        client, _, _ = await waiting
        assert client.texts == {(0, "content"): "some words"}

    asyncio.run(main())
