"""The check `guard_model`: a served model judges, its words become ours, and an unreadable verdict is never a pass."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from proxy.checks import catalogue
from proxy.core import Action
from proxy.errors import PolicyError
from proxy.foreign import GENERATION, LITELLM
from proxy.outside import Outside
from proxy.policy import parse
from proxy.settings import OpenAIBackend, Pool, Settings
from tests.checks.stand import Stand, guarded, judged, ran, standing, streamed
from tests.world import MAIL, MARKER, completion, world


@pytest.fixture(scope="module")
def stand() -> Iterator[Stand]:
    """The server of the guard model."""
    yield from standing()


def pool(url: str) -> dict[str, Pool]:
    return {"guard": Pool(backends=(OpenAIBackend(kind="openai", base_url=f"{url}/v1", model="served"),))}


def rule(kind: str, options: str = "", action: str = "block", more: str = "") -> str:
    return f"  - {{id: r, check: guard_model, with: {{pool: guard, kind: {kind}{options}}}, action: {action}, timeout: 5s{more}}}"


def llama(path: str, payload: Any) -> Any:
    """Answers like Llama Guard: what has `knife` in it is of S1."""
    assert (path, payload["model"], payload["stream"]) == ("/v1/chat/completions", "served", False)
    return completion("\n\nunsafe\nS1" if "knife" in payload["messages"][-1]["content"] else "\n\nsafe")


@ran
async def test_a_verdict_blocks_under_our_category(stand: Stand) -> None:
    """And a rule about other categories stays silent."""
    url = stand.answers(llama)
    with guarded(rule("llama-guard-3", ", categories: [violence]"), pools=pool(url)) as guard:
        verdict = await judged(guard, "take the knife")
        assert verdict.decision.action == Action.BLOCK
        assert [(f.check, f.family, f.category, f.score) for f in verdict.decision.findings] == [
            ("guard_model", "misuse", "violence", 1.0)
        ]
        assert (await judged(guard, "take the spoon")).decision.action == Action.ALLOW
    with guarded(rule("llama-guard-3", ", categories: [hate]"), pools=pool(url)) as guard:
        assert (await judged(guard, "take the knife")).decision.action == Action.ALLOW


@ran
async def test_an_unreadable_verdict_acts_by_on_error_and_costs_nobody_else_theirs(stand: Stand) -> None:
    """A text that makes the model talk is blocked; however often, others are still judged."""
    url = stand.answers(lambda _, p: completion("As an AI…" if "talk" in p["messages"][-1]["content"] else "safe"))
    with guarded(rule("llama-guard-4"), pools=pool(url)) as guard:
        for number in range(8):
            verdict = await judged(guard, f"talk {number}")
            assert (verdict.decision.action, verdict.decision.failures[0].kind) == (Action.BLOCK, "error")
        assert (await judged(guard, "fine")).decision.action == Action.ALLOW


@ran
async def test_a_model_that_judges_word_by_word_is_asked_only_about_what_rules_want(stand: Stand) -> None:
    """One request each, all of them needed for a verdict."""

    def answer(path: str, payload: Any) -> Any:
        assert path == "/v1/completions"
        return {"choices": [{"text": "Yes" if "No Harassment" in payload["prompt"] else "No"}]}

    url = stand.answers(answer)
    with guarded(rule("shieldgemma", ", categories: [harassment, hate]"), pools=pool(url)) as guard:
        verdict = await judged(guard, "you")
        assert [f.category for f in verdict.decision.findings] == ["harassment"]
        assert len(stand.seen) == 2


@ran
async def test_a_model_that_judges_word_by_word_is_asked_about_words_with_names_of_ones_own(stand: Stand) -> None:
    """Whatever `labels` calls them: a rule that asked nothing would let everything pass."""
    url = stand.answers(lambda path, _: {"choices": [{"text": "Yes"}]} if path == "/v1/completions" else completion("Yes"))
    for kind, labels, categories in (
        ("shieldgemma", "{hate: slurs}", ", categories: [slurs]"),
        ("granite-guardian", "{harm: bad, jailbreak: breakout}", ""),
        ("granite-guardian", "{profanity: swearing}", ", categories: [swearing]"),
    ):
        with guarded(rule(kind, f", labels: {labels}{categories}"), pools=pool(url)) as guard:
            found = [f.category for f in (await judged(guard, "you")).decision.findings]
            assert found == ({"shieldgemma": ["slurs"]}.get(kind) or (["swearing"] if categories else ["bad", "breakout"]))


@ran
async def test_a_model_of_ones_own_and_a_policy_of_ones_own(stand: Stand, tmp_path: Path) -> None:
    """Its prompt and its answers by expressions; a policy read from a file."""
    url = stand.answers(lambda _, p: completion("it is BAD (rude)" if "rude" in p["messages"][0]["content"] else "it is OK"))
    custom = ', prompt: "judge {text}", safe: "OK$", unsafe: "BAD \\\\((?P<category>.*)\\\\)", labels: {rude: manners}'
    with guarded(rule("custom", custom, "redact"), pools=pool(url)) as guard:
        assert (await judged(guard, "rude")).texts == {0: "<manners>"}
        assert (await judged(guard, "kind")).decision.action == Action.ALLOW
    (tmp_path / "house.md").write_text("Nobody asks for free pizza.")
    url = stand.answers(
        lambda _, p: completion(
            '{"violation": 1, "categories": ["pizza"]}' if "free pizza" in p["messages"][0]["content"] else '{"violation": 0}'
        )
    )
    options = f", policy: {tmp_path / 'house.md'}, labels: {{pizza: pizza}}"
    with guarded(rule("gpt-oss-safeguard", options), pools=pool(url)) as guard:
        assert [f.category for f in (await judged(guard, "give me some")).decision.findings] == ["unsafe", "pizza"]


@ran
async def test_a_stream_is_judged_window_by_window(stand: Stand) -> None:
    """Nothing of a window is shown before its verdict."""
    url = stand.answers(llama)
    options = ", window: 128, overlap: 16"
    with guarded(rule("llama-guard-3", options), pools=pool(url)) as guard:
        text = "word " * 100 + "knife " + "word " * 100
        shown, decision = await streamed(guard, text, 7)
        assert decision.action == Action.BLOCK
        assert "knife" not in shown
        assert {seen[1]["messages"][0]["content"] for seen in stand.seen} == {""}
    with guarded(rule("llama-guard-3", options, "redact"), pools=pool(url)) as guard:
        whole = await judged(guard, text, "assistant")
        shown, _ = await streamed(guard, text, 7)
        assert shown == whole.texts[0]
        assert "knife" not in shown


@ran
async def test_a_call_is_judged_by_a_model_of_another_pool_and_leaves_no_text_behind(stand: Stand, tmp_path: Path) -> None:
    """Through the application: the guard's pool serves no caller's text but for the verdict."""
    url = stand.answers(llama)
    pools = {**pool(url), "m": Settings().pools["echo"]}
    async with world(tmp_path, f"policy: p\nrules:\n{rule('llama-guard-3')}\n", pools=pools) as proxy:
        assert (await proxy.chat(f"a knife {MARKER}")).status_code == 400
        assert (await proxy.chat(f"a spoon {MARKER}")).status_code == 200
        told = await proxy.metrics()
        assert 'parapet_consultations_total{check="guard_model",result="answered",whom="llama-guard-3:guard"}' in told
        assert MARKER not in told
        assert MARKER not in proxy.record.read_text()


@ran
async def test_other_gateways_say_what_an_answer_answers(stand: Stand, tmp_path: Path) -> None:
    """The orchestrator its prompt, LiteLLM its messages; the model judges both together."""
    url = stand.answers(llama)
    policy = f"policy: p\nrules:\n{rule('llama-guard-3', more=', direction: completion')}\n"
    async with world(tmp_path, policy, pools={**pool(url), "m": Settings().pools["echo"]}) as proxy:
        await proxy.client.post(GENERATION, json={"prompt": "what is sharp?", "generated_text": "glass"})
        messages = [{"role": "system", "content": "be kind"}, {"role": "user", "content": "what is blunt?"}]
        asked = {"input_type": "response", "texts": ["a spoon"], "structured_messages": messages}
        await proxy.client.post(LITELLM, json=asked)
    assert [[turn["content"] for turn in payload["messages"]] for _, payload, _ in stand.seen] == [
        ["what is sharp?", "glass"],
        ["what is blunt?", "a spoon"],
    ]


REDACT = "  - {id: told, check: pii, with: {entities: [EMAIL_ADDRESS]}, direction: prompt, action: redact}"


@pytest.mark.parametrize("stream", [False, True])
@ran
async def test_an_answer_is_judged_with_what_it_answers(stand: Stand, tmp_path: Path, stream: bool) -> None:
    """The same words are harmless after one question and not after another; the question is as it went to the model."""
    url = stand.answers(
        lambda _, p: completion("unsafe\nS1" if any("knife" in turn["content"] for turn in p["messages"][:-1]) else "safe")
    )
    pools = {**pool(url), "m": Settings().pools["echo"]}
    policy = f"policy: p\nrules:\n{rule('llama-guard-3', more=', direction: completion')}\n{REDACT}\n"
    async with world(tmp_path, policy, pools=pools) as proxy:

        async def ask(first: str) -> str:
            turns = [("user", first), ("assistant", "fine"), ("user", f"and then? {MAIL}")]
            messages = [{"role": "system", "content": "be kind"}, *({"role": role, "content": text} for role, text in turns)]
            asked = {"model": "m", "messages": messages, "stream": stream}
            return (await proxy.client.post("/v1/chat/completions", json=asked)).text

        assert "content_filter" in await ask("give me a knife")
        assert "content_filter" not in await ask("give me a spoon")
        assert "content_filter" in await ask("give me a knife")
        assert "content_filter" not in await ask("give me a spoon")
    asked = [payload["messages"] for _, payload, _ in stand.seen]
    assert [[turn["content"] for turn in turns[:3]] for turns in asked] == [
        ["give me a knife", "fine", "and then? <EMAIL_ADDRESS>"],
        ["give me a spoon", "fine", "and then? <EMAIL_ADDRESS>"],
    ]
    assert all(turns[3]["role"] == "assistant" and "and then?" in turns[3]["content"] for turns in asked)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("pool: nobody, kind: wildguard", "with.pool: expected the name of a pool in the settings: guard"),
        ("pool: guard, kind: wildguard, categories: [hate]", "expected categories of unsafe; not hate"),
        ("pool: guard, kind: shieldgemma, labels: {insults: rude}", "expected labels for the model's words (dangerous,"),
        ("pool: guard, kind: wildguard, prompt: x", "for the kind custom"),
        ("pool: guard, kind: custom, prompt: x", "expected safe"),
        ("pool: guard, kind: custom, prompt: x, safe: a, unsafe: b", "expected {text}"),
        ("pool: guard, kind: custom, prompt: '{text}', safe: '(', unsafe: b", "expected a regular expression"),
        ("pool: guard, kind: wildguard, policy: nowhere.md", "cannot be read"),
        ("pool: guard, kind: gpt5", "kind"),
    ],
)
def test_options_that_cannot_be_meant_are_refused_with_their_place(options: str, told: str) -> None:
    """When the policy is read."""
    given = Settings(pools=pool("http://127.0.0.1:9"))
    text = f"policy: p\nrules:\n  - {{id: r, check: guard_model, with: {{{options}}}, action: flag}}\n"
    with pytest.raises(PolicyError) as caught:
        parse(text, "p.yaml", catalogue(given, outside=Outside(given, dict)))
    assert told in str(caught.value)
