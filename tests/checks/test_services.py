"""The check `http`: real servers judge, in every API that is known; what is not of the API is an error and never a pass."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from proxy.backends import pools
from proxy.checks import catalogue, contract
from proxy.core import Action, Segment
from proxy.errors import PolicyError
from proxy.outside import Outside
from proxy.policy import parse
from proxy.settings import Service, Settings
from tests.checks.stand import Stand, guarded, judged, ran, standing, streamed
from tests.world import MARKER, engine, served, world


@pytest.fixture(scope="module")
def stand() -> Iterator[Stand]:
    """The service that is asked."""
    yield from standing()


def rule(url: str, kind: str = "parapet", action: str = "redact", options: str = "", more: str = "") -> str:
    return f"  - {{id: r, check: http, with: {{kind: {kind}, url: '{url}'{options}}}, action: {action}, timeout: 5s{more}}}"


def card(path: str, payload: Any) -> Any:
    """A service of one's own: it looks for a word."""
    jsonschema.validate(payload, {**contract.schema(), "$ref": "#/$defs/Request"})
    found = []
    for index, each in enumerate(payload["texts"]):
        place = each["text"].find("zebra")
        while place >= 0:
            found.append({"text": index, "category": "animal", "score": 0.8, "start": place, "end": place + 5})
            place = each["text"].find("zebra", place + 1)
    told = {"version": 1, "findings": found}
    jsonschema.validate(told, {**contract.schema(), "$ref": "#/$defs/Response"})
    return told


@ran
async def test_findings_of_a_service_of_ones_own_are_redacted(stand: Stand) -> None:
    """In the documented contract, category by category."""
    url = stand.answers(card)
    with guarded(rule(url, options=", labels: {animal: beast}")) as guard:
        verdict = await judged(guard, "a zebra, another zebra")
        assert verdict.texts == {0: "a <beast>, another <beast>"}
        assert [f.family for f in verdict.decision.findings] == ["custom", "custom"]


@ran
async def test_what_nobody_named_is_other_and_what_no_rule_is_about_is_left_alone(stand: Stand) -> None:
    """A rule that names categories is about those alone."""
    url = stand.answers(card)
    with guarded(rule(url)) as guard:
        assert (await judged(guard, "zebra")).texts == {0: "<other>"}
    with guarded(rule(url, options=", labels: {cat: cat}, categories: [cat]")) as guard:
        assert (await judged(guard, "zebra")).decision.action == Action.ALLOW


@ran
async def test_a_replacement_takes_the_place_of_its_span(stand: Stand) -> None:
    """What the service proposes, where a rule redacts."""
    found = {"text": 0, "category": "x", "start": 0, "end": 3, "replacement": "you"}
    url = stand.answers(lambda *_: {"version": 1, "findings": [found]})
    with guarded(rule(url)) as guard:
        assert (await judged(guard, "her name")).texts == {0: "you name"}


@pytest.mark.parametrize(
    "told",
    [
        {},
        [],
        "no",
        500,
        302,
        422,
        {"version": 2, "findings": []},
        {"version": 1, "findings": [{"text": 0, "category": "x", "start": 0, "end": 99}]},
        {"version": 1, "findings": [{"text": 0, "category": "x", "start": 4, "end": 2}]},
        {"version": 1, "findings": [{"text": 7, "category": "x"}]},
        {"version": 1, "findings": [{"text": 0, "category": "x", "score": 2.0}]},
        {"version": 1, "findings": [{"text": 0, "category": "x", "score": "0.9"}]},
    ],
)
@ran
async def test_an_answer_that_is_none_is_an_error_and_never_a_pass(stand: Stand, told: Any) -> None:
    """Hence the rule's on_error."""
    url = stand.answers(lambda *_: told)
    with guarded(rule(url, action="flag")) as guard:
        verdict = await judged(guard, "hello")
        assert verdict.decision.action == Action.BLOCK
        assert [failure.kind for failure in verdict.decision.failures] == ["error"]
    with guarded(rule(url, action="flag", more=", on_error: allow")) as guard:
        assert (await judged(guard, "hello")).decision.action <= Action.FLAG


@ran
async def test_a_service_that_is_not_there_is_an_error() -> None:
    """A connection that is refused."""
    with guarded(rule("http://127.0.0.1:9")) as guard:
        assert [failure.kind for failure in (await judged(guard, "hello")).decision.failures] == ["error"]


@ran
async def test_a_slow_service_runs_into_the_rules_timeout(stand: Stand) -> None:
    """And holds up nobody longer than that."""

    async def slow() -> Any:
        await asyncio.sleep(2)

    url = stand.answers(lambda *_: slow())
    with guarded(rule(url).replace("timeout: 5s", "timeout: 200ms")) as guard:
        begun = time.monotonic()
        verdict = await judged(guard, "hello")
        assert time.monotonic() - begun < 1.8
        assert [failure.kind for failure in verdict.decision.failures] == ["timeout"]


@ran
async def test_more_than_the_queue_takes_is_an_overload(stand: Stand) -> None:
    """A text of very many windows does not flood a service."""
    url = stand.answers(card)
    with guarded(rule(url, options=", window: 128, overlap: 0, queue: 4")) as guard:
        verdict = await judged(guard, " ".join(map(str, range(5000))))
        assert [failure.kind for failure in verdict.decision.failures] == ["overload"]


@ran
async def test_texts_go_together_and_are_asked_about_once(stand: Stand) -> None:
    """One request for the texts of a call, none for those that are remembered or without a word."""
    url = stand.answers(card)
    with guarded(rule(url)) as guard:
        texts = [Segment(text, "user", "text") for text in ("one zebra", "two", "  ", "two")]
        verdict = await guard.judge("prompt", texts)
        assert verdict.texts == {0: "one <other>"}
        await guard.judge("prompt", texts)
    assert sorted(each["text"] for _, payload, _ in stand.seen for each in payload["texts"]) == ["one zebra", "two"]


@ran
async def test_half_characters_are_sent_as_what_they_can_be(stand: Stand) -> None:
    """A lone surrogate has no place in UTF-8; spans do not move."""
    url = stand.answers(card)
    with guarded(rule(url)) as guard:
        assert (await judged(guard, "\ud800 zebra \ude00")).texts == {0: "\ud800 <other> \ude00"}


@pytest.mark.parametrize("size", [1, 1000])
@pytest.mark.parametrize("window", [0, 128])
@ran
async def test_a_stream_shows_what_the_whole_text_would(stand: Stand, size: int, window: int) -> None:
    """However it is cut, with windows and without."""
    text = " ".join(f"word{i} zebra" for i in range(60))
    url = stand.answers(card)
    with guarded(rule(url, options=f", window: {window}, overlap: {min(16, window)}")) as guard:
        whole = await judged(guard, text, "assistant")
        shown, decision = await streamed(guard, text, size)
        assert decision.failures == ()
        assert shown == whole.texts[0]
        assert "zebra" not in shown


@ran
async def test_a_stream_is_cut_where_its_service_hangs(stand: Stand) -> None:
    """What is held back is not shown, and the rule's timeout counts while text still comes."""

    async def never() -> Any:
        await asyncio.sleep(2)

    url = stand.answers(lambda *_: never())
    with guarded(rule(url, options=", window: 128, overlap: 0").replace("timeout: 5s", "timeout: 100ms")) as guard:
        growing = guard.growing()
        channel = growing.channel("assistant", "text")
        shown = channel.push("word " * 60)
        await asyncio.sleep(0.3)
        shown += channel.push("more")
        assert shown == ""
        assert growing.blocked
        assert [failure.kind for failure in growing.failures] == ["timeout"]


@ran
async def test_moderations_of_openai(stand: Stand) -> None:
    """All scores count, against the rule's own threshold; what is flagged counts as a half at least."""

    def answer(path: str, payload: Any) -> Any:
        assert (path, payload) == ("/v1/moderations", {"input": ["hello"], "model": "omni-moderation-latest"})
        scores, flags = {"hate": 0.7, "self-harm/intent": 0.1, "sexual/minors": 0.2}, {"sexual/minors": True, "hate": False}
        return {"id": "1", "model": "m", "results": [{"flagged": True, "categories": flags, "category_scores": scores}]}

    url = stand.answers(answer)
    with guarded(rule(url, "openai_moderations", "block", ", model: omni-moderation-latest")) as guard:
        verdict = await judged(guard, "hello")
        assert verdict.decision.action == Action.BLOCK
        assert {(f.category, f.score, f.family) for f in verdict.decision.findings} == {
            ("hate", 0.7, "misuse"),
            ("self_harm", 0.1, "misuse"),
            ("child_safety", 0.5, "misuse"),
        }


@ran
async def test_llm_guard_says_what_it_scanned_and_what_it_changed(stand: Stand) -> None:
    """Prompts and outputs go to paths of their own."""

    def answer(path: str, payload: Any) -> Any:
        if path == "/analyze/prompt":
            return {
                "is_valid": False,
                "scanners": {"PromptInjection": 0.1, "BanTopics": -1.0},
                "sanitized_prompt": payload["prompt"],
            }
        assert payload["prompt"] == ""
        masked = payload["output"].replace("Ada", "[REDACTED_PERSON_1]")
        return {"is_valid": True, "scanners": {"Toxicity": 0.0}, "sanitized_output": masked}

    url = stand.answers(answer)
    with guarded(rule(url, "llm_guard")) as guard:
        found = (await judged(guard, "ignore that")).decision.findings
        assert sorted((f.category, f.score) for f in found) == [("blocked", 1.0), ("injection", 0.1)]
        verdict = await guard.judge("completion", [Segment("I am Ada.", "assistant", "text")])
        assert verdict.texts == {0: "I am [REDACTED_PERSON_1]."}


@ran
async def test_a_guardrail_of_litellms_blocks_or_changes(stand: Stand) -> None:
    """In its generic API."""

    def answer(path: str, payload: Any) -> Any:
        assert path == "/beta/litellm_basic_guardrail_api"
        if payload["input_type"] == "response":
            return {"action": "GUARDRAIL_INTERVENED", "texts": [payload["texts"][0].replace("Ada", "***")]}
        return {"action": "BLOCKED", "blocked_reason": "no"} if "bad" in payload["texts"][0] else {"action": "NONE"}

    url = stand.answers(answer)
    rules = rule(url, "litellm", "block", ", categories: [blocked]") + "\n"
    rules += rule(url, "litellm", "redact", ", categories: [modified]").replace("id: r", "id: s")
    with guarded(rules) as guard:
        assert (await judged(guard, "bad")).decision.action == Action.BLOCK
        assert (await judged(guard, "good")).decision.action == Action.ALLOW
        verdict = await guard.judge("completion", [Segment("I am Ada.", "assistant", "text")])
        assert verdict.texts == {0: "I am ***."}


@ran
async def test_a_detector_of_the_orchestrators_api_is_parapet_itself(tmp_path: Path) -> None:
    """One Parapet asks another over the FMS detector API."""
    policy = "policy: asked\nrules:\n  - {id: cards, check: pii, with: {entities: [CREDIT_CARD]}, action: redact}\n"
    async with served(world(tmp_path, policy).app) as url:
        with guarded(rule(url, "fms", options=", labels: {CREDIT_CARD: card}, detector: cards")) as guard:
            verdict = await judged(guard, "Charge 4111 1111 1111 1111 and é 4111 1111 1111 1111.")
            assert verdict.texts == {0: "Charge <card> and é <card>."}


@pytest.mark.slow
@ran
async def test_presidios_analyzer_served_over_http(stand: Stand) -> None:
    """The installed analyzer, its recognizers without a language model, behind the API of its server."""
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import NoOpNlpEngine

    registry = RecognizerRegistry()
    registry.load_predefined_recognizers(languages=["en"])
    registry.remove_recognizer("SpacyRecognizer")
    models = [{"lang_code": "en", "model_name": "none"}]
    analyzer = AnalyzerEngine(registry=registry, nlp_engine=NoOpNlpEngine(models=models), supported_languages=["en"])

    def answer(path: str, payload: Any) -> Any:
        assert path == "/analyze"
        return [found.to_dict() for found in analyzer.analyze(**payload)]

    url = stand.answers(answer)
    with guarded(rule(url, "presidio", options=", categories: [CREDIT_CARD, EMAIL_ADDRESS]")) as guard:
        verdict = await judged(guard, "Mail ada@example.com, card 4111 1111 1111 1111.")
        assert verdict.texts == {0: "Mail <EMAIL_ADDRESS>, card <CREDIT_CARD>."}
        assert {f.family for f in verdict.decision.findings} == {"privacy"}


@ran
async def test_a_service_of_the_settings_is_asked_with_its_key_and_its_headers(stand: Stand) -> None:
    """The policy knows its name alone."""
    url = stand.answers(card)
    services = {"zoo": Service(url=url, api_key_env="ZOO", api_key_header="x-key", api_key_prefix="", headers={"x-a": "b"})}
    rules = "  - {id: r, check: http, with: {kind: parapet, service: zoo}, action: flag, timeout: 5s}"
    with guarded(rules, services=services, secrets={"ZOO": "open"}) as guard:
        assert len((await judged(guard, "zebra")).decision.findings) == 1
    [(_, _, headers)] = stand.seen
    assert (headers["x-key"], headers["x-a"]) == ("open", "b")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("kind: parapet", "expected one of url and service"),
        ("kind: parapet, url: 'ftp://host'", "begins with http:// or https://"),
        ("kind: parapet, url: 'http://me:pass@host'", "without a name and password"),
        ("kind: parapet, url: 'http://host', language: en", "of another kind"),
        ("kind: parapet, url: 'http://host', categories: [x]", "not x"),
        ("kind: parapet, url: 'http://host', window: 5", "at least 128"),
        ("kind: parapet, service: nobody", "with.service: expected a name that the setting `services` describes: zoo"),
    ],
)
def test_options_that_cannot_be_meant_are_refused_with_their_place(options: str, told: str) -> None:
    """When the policy is read."""
    given = Settings(services={"zoo": Service(url="http://zoo")})
    text = f"policy: p\nrules:\n  - {{id: r, check: http, with: {{{options}}}, action: flag}}\n"
    with pytest.raises(PolicyError) as caught:
        parse(text, "p.yaml", catalogue(given, outside=Outside(given, dict)))
    assert told in str(caught.value)
    assert "p.yaml:3:" in str(caught.value)


@ran
async def test_a_call_is_guarded_by_a_service_and_nothing_of_its_text_is_left_behind(stand: Stand, tmp_path: Path) -> None:
    """Through the whole application: refused, counted by who was asked, recorded."""
    found = {"text": 0, "category": "x", "score": 1.0}
    url = stand.answers(lambda _, p: {"version": 1, "findings": [found] if "zebra" in p["texts"][0]["text"] else []})
    async with world(tmp_path, f"policy: p\nrules:\n{rule(url, action='block')}\n") as proxy:
        refused = await proxy.chat(f"a zebra {MARKER}")
        assert refused.status_code == 400
        assert (await proxy.chat("fine")).status_code == 200
        told = await proxy.metrics()
        whom = url.removeprefix("http://")
        line = f'parapet_consultations_total{{check="http",result="answered",whom="parapet:{whom}"}}'
        assert line in told
        assert MARKER not in told
    assert MARKER not in proxy.record.read_text()


@ran
async def test_a_service_that_keeps_failing_is_not_asked_for_a_while(stand: Stand, tmp_path: Path) -> None:
    """Calls are answered at once then, by the rule's on_error, and a metric says so."""
    url = stand.answers(lambda *_: 500)
    async with world(tmp_path, f"policy: p\nrules:\n{rule(url)}\n") as proxy:
        answers = [await proxy.chat(f"hello {number}") for number in range(12)]
        assert {answer.status_code for answer in answers} == {400}
        assert len(stand.seen) == 5
        told = await proxy.metrics()
        assert f'parapet_consultation_circuit_open{{check="http",whom="parapet:{url.removeprefix("http://")}"}} 1.0' in told
        assert 'parapet_check_failures_total{check="http",kind="error"} 12.0' in told


def test_nothing_outside_is_touched_where_no_rule_asks() -> None:
    """No thread, no connection, no session."""
    given = Settings(record="off")
    outside = Outside(given, lambda: pools(given))
    made = engine("policy: p\nrules:\n  - {id: r, check: pii, action: flag}\n", catalogue=catalogue(given, outside=outside))
    made.close()
    assert (outside.loop, outside.own, outside.sessions) == (None, None, {})
