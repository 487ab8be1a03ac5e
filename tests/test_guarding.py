"""Other gateways ask Parapet as their guard: in LiteLLM's generic guardrail API and the FMS orchestrator's detector API."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from proxy.foreign import CHAT, CHAT_BEFORE, CONTENTS, GENERATION, LITELLM
from proxy.settings import Key
from tests.checks.stand import ran
from tests.world import BLOCK, CARD, IBAN, KEY, MAIL, MARKER, REDACT, WATCH, World, world


async def asked(proxy: World, path: str, **payload: Any) -> httpx.Response:
    return await proxy.client.post(path, json=payload, headers={"detector-id": "parapet"})


@ran
async def test_litellm_gets_texts_changed_blocked_or_left_alone(tmp_path: Path) -> None:
    """In the words of its API."""
    async with world(tmp_path, BLOCK) as proxy:
        told = await asked(proxy, LITELLM, input_type="request", texts=["hi", f"pay {CARD}"], request_data={})
        assert told.json() == {"action": "GUARDRAIL_INTERVENED", "texts": ["hi", "pay <CREDIT_CARD>"]}
        told = await asked(proxy, LITELLM, input_type="response", texts=[f"to {IBAN}"], request_data={})
        assert told.json() == {"action": "BLOCKED", "blocked_reason": "No bank accounts here."}
        told = await asked(proxy, LITELLM, input_type="response", texts=["fine"], request_data={})
        assert told.json() == {"action": "NONE"}
        assert [record["outcome"] for record in proxy.records] == ["served", "blocked_completion", "served"]
        assert {record["dialect"] for record in proxy.records} == {"litellm"}
        assert 'parapet_calls_total{dialect="litellm",model="other",outcome="blocked_completion"} 1.0' in await proxy.metrics()


@ran
async def test_litellms_tools_are_read_and_what_cannot_be_changed_is_blocked(tmp_path: Path) -> None:
    """Definitions are written back; a call's arguments have no place in the answer; images are counted."""
    async with world(tmp_path, REDACT) as proxy:
        tool = {"type": "function", "function": {"name": "f", "description": f'for "{CARD}"'}}
        told = await asked(proxy, LITELLM, input_type="request", texts=["hi"], tools=[tool], images=["data:x"])
        assert told.json()["tools"][0]["function"]["description"] == 'for "<CREDIT_CARD>"'
        assert proxy.records[-1]["not_inspected"] == {"image": 1}
        call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": f'{{"card": "{CARD}"}}'}}
        told = await asked(proxy, LITELLM, input_type="response", texts=[], tool_calls=[call])
        assert told.json()["action"] == "BLOCKED"


@ran
async def test_litellms_messages_say_whose_the_texts_are(tmp_path: Path) -> None:
    """Where they agree with the texts; otherwise every text is the user's."""
    rules = "policy: p\nrules:\n  - {id: r, check: pii, with: {entities: [CREDIT_CARD]}, roles: [tool], action: block}\n"
    async with world(tmp_path, rules) as proxy:
        for content in ("hi", [{"type": "text", "text": "hi"}]):
            messages = [{"role": "user", "content": content}, {"role": "tool", "content": CARD}]
            told = await asked(proxy, LITELLM, input_type="request", texts=["hi", CARD], structured_messages=messages)
            assert told.json()["action"] == "BLOCKED"
        told = await asked(proxy, LITELLM, input_type="request", texts=[CARD], structured_messages=messages)
        assert told.json()["action"] == "NONE"


@ran
async def test_the_orchestrator_gets_what_rules_matched_content_by_content(tmp_path: Path) -> None:
    """With spans; the direction is a parameter of the detector."""
    only = "policy: p\nrules:\n  - {id: r, check: pii, with: {entities: [IBAN_CODE]}, direction: completion, action: flag}\n"
    async with world(tmp_path, WATCH, only) as proxy:
        told = await asked(proxy, CONTENTS, contents=["fine", f"é {CARD}"], detector_params={})
        [fine, [found]] = told.json()
        assert fine == []
        assert (found["detection"], found["detection_type"], found["start"], found["text"]) == ("CREDIT_CARD", "privacy", 2, CARD)
        assert (await asked(proxy, CONTENTS, contents=[IBAN])).json() == [[]]
        told = await asked(proxy, CONTENTS, contents=[IBAN], detector_params={"direction": "completion"})
        assert [found["detection"] for found in told.json()[0]] == ["IBAN_CODE"]
        told = await asked(proxy, GENERATION, prompt="x", generated_text=f"to {IBAN}")
        assert [(found["detection"], "start" in found) for found in told.json()] == [("IBAN_CODE", False)]
        for path, key, by in ((CHAT, "messages", "role"), (CHAT_BEFORE, "chat_history", "author")):
            told = await asked(proxy, path, **{key: [{by: "user", "content": CARD}]})
            assert [found["detection"] for found in told.json()] == ["CREDIT_CARD"]
        assert CARD not in proxy.record.read_text()
        assert (await proxy.client.get("/health")).status_code == 200


@ran
async def test_all_of_a_chat_is_read_and_what_cannot_be_is_counted(tmp_path: Path) -> None:
    """A call of a tool, what the tool says of itself, and a picture that nobody looks at."""
    call = {"type": "function", "function": {"name": "pay", "arguments": f'{{"to": "{IBAN}"}}'}}
    tool = {"type": "function", "function": {"name": "pay", "description": f"like {CARD}"}}
    picture = [{"type": "text", "text": "look"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}]
    messages = [{"role": "user", "content": picture}, {"role": "assistant", "content": None, "tool_calls": [call]}]
    policy = "policy: p\nrules:\n  - {id: r, check: pii, with: {entities: [IBAN_CODE, CREDIT_CARD]}, action: flag}\n"
    async with world(tmp_path, policy) as proxy:
        told = await asked(proxy, CHAT, messages=messages, tools=[tool])
        assert sorted(found["detection"] for found in told.json()) == ["CREDIT_CARD", "IBAN_CODE"]
        assert proxy.records[-1]["not_inspected"] == {"image": 1}


NAMES = """
policy: names
rules:
  - {id: mail, check: pii, with: {entities: [EMAIL_ADDRESS]}, action: redact, as: pseudonym}
"""


@ran
async def test_names_of_a_conversation_come_back_to_whoever_names_it(tmp_path: Path) -> None:
    """With the header of a conversation and a vault; without it, and for another conversation, they stay names."""
    given: dict[str, Any] = {"redaction_key_env": "NAMES_KEY", "secrets": {"NAMES_KEY": KEY}, "vault": "memory"}
    async with world(tmp_path, NAMES, **given) as proxy:

        async def ask(side: str, text: str, conversation: str | None) -> Any:
            headers = {"x-parapet-conversation": conversation} if conversation else {}
            payload = {"input_type": side, "texts": [text], "request_data": {}}
            return (await proxy.client.post(LITELLM, json=payload, headers=headers)).json()

        [told] = (await ask("request", f"write to {MAIL}", "a"))["texts"]
        assert MAIL not in told
        name = told.removeprefix("write to ")
        assert await ask("response", f"I wrote to {name}", "a") == {
            "action": "GUARDRAIL_INTERVENED",
            "texts": [f"I wrote to {MAIL}"],
        }
        for conversation in ("b", None):
            assert await ask("response", f"I wrote to {name}", conversation) == {"action": "NONE"}
        assert (await proxy.client.post(LITELLM, json={}, headers={"x-parapet-conversation": "a b"})).status_code == 400


@ran
async def test_a_check_without_an_answer_is_an_error_to_the_orchestrator(tmp_path: Path) -> None:
    """It must not read silence as nothing found."""
    rules = "policy: p\nrules:\n  - {id: r, check: http, with: {kind: parapet, url: 'http://127.0.0.1:9'}, action: flag}\n"
    async with world(tmp_path, rules) as proxy:
        told = await asked(proxy, CONTENTS, contents=["hello"])
        assert (told.status_code, told.json()["code"]) == (503, "check_failed")
        told = await asked(proxy, LITELLM, input_type="request", texts=["hello"])
        assert told.json()["action"] == "BLOCKED"


DEEP: Any = json.loads(f'{{"a": {"[" * 300}{"]" * 300}}}')


@pytest.mark.parametrize(
    ("path", "payload", "param"),
    [
        (LITELLM, {"texts": []}, "expected request or response"),
        (LITELLM, {"input_type": "request", "texts": "no"}, "expected a list of texts"),
        (LITELLM, {"input_type": "request", "tools": ["no"]}, "expected a list of objects"),
        (CONTENTS, {}, "expected a list of texts"),
        (CONTENTS, {"contents": [1]}, "expected a list of texts"),
        (CONTENTS, {"contents": [], "detector_params": {"direction": "up"}}, "expected prompt or completion"),
        (LITELLM, {"input_type": "request", "tools": [DEEP]}, "the value is nested too deeply"),
        (CHAT, {"messages": [1]}, "expected a list of objects"),
        (CHAT, {}, "expected a list of messages"),
        (CHAT, {"messages": [], "tools": [DEEP]}, "the value is nested too deeply"),
        (GENERATION, {}, "expected a text"),
    ],
)
@ran
async def test_a_request_that_cannot_be_read_is_refused(tmp_path: Path, path: str, payload: Any, param: str) -> None:
    """In the error shape that both gateways read, and counted."""
    async with world(tmp_path, REDACT) as proxy:
        told = await asked(proxy, path, **payload)
        assert told.status_code in (400, 422)
        assert told.json()["message"] == param
        assert proxy.records[-1]["outcome"] == "bad_request"


@ran
async def test_a_gateway_shows_its_key_like_any_caller(tmp_path: Path) -> None:
    """And policies for its team hold."""
    key = Key(name="gateway", sha256=hashlib.sha256(MARKER.encode()).hexdigest(), team="edge")
    async with world(tmp_path, REDACT.replace("rules:", "applies_to: {teams: [edge]}\nrules:"), keys=(key,)) as proxy:
        assert (await asked(proxy, CONTENTS, contents=[CARD])).status_code == 401
        headers = {"x-api-key": MARKER}
        told = await proxy.client.post(LITELLM, json={"input_type": "request", "texts": [CARD]}, headers=headers)
        assert told.json()["texts"] == ["<CREDIT_CARD>"]
        assert proxy.records[-1]["principal"]["key"] == "gateway"
