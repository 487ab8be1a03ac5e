"""Values are named on the way to the model and put back on the way to the caller; nobody gets back what he did not give."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from tests.test_streaming import Client
from tests.world import CARD, KEY, MAIL, STREAM, World, ask, chunk, completion, event, http, misbehaving, piece, world

POLICY = """
policy: naming
rules:
  - {id: named, check: pii, with: {entities: [CREDIT_CARD, EMAIL_ADDRESS]}, direction: prompt, action: redact, as: pseudonym}
  - {id: leaks, check: pii, with: {entities: [CREDIT_CARD, EMAIL_ADDRESS]}, direction: completion, action: redact}
"""
KEYED: dict[str, Any] = {"redaction_key_env": "OUR_KEY", "secrets": {"OUR_KEY": KEY}}
NAME = re.compile(r"<[A-Z_]+_[0-9a-f]{6,}>")


class Model:
    """A backend that does with the last message what `say` does, whole or in pieces, and remembers what it was sent."""

    def __init__(self, say: Callable[[str], str] = lambda text: text, cut: int = 3) -> None:
        self.say, self.cut, self.seen = say, cut, list[dict[str, Any]]()

    async def __call__(self, request: Any, writer: asyncio.StreamWriter, reader: asyncio.StreamReader) -> None:
        self.seen.append(request)
        told = self.say(self.last)
        if not request.get("stream"):
            writer.write(http(orjson.dumps(completion(told))))
            return
        pieces = [told[i : i + self.cut] for i in range(0, len(told), self.cut)]
        events = [event(chunk({"content": each})) for each in pieces] + [event(chunk({}, finish="stop")), b"data: [DONE]\n\n"]
        writer.write(STREAM + b"".join(map(piece, events)) + piece(b""))

    @property
    def last(self) -> str:
        """What it was told last."""
        content = self.seen[-1]["messages"][-1]["content"]
        return content if isinstance(content, str) else "".join(part["text"] for part in content)


def said(answer: httpx.Response) -> str:
    """What the caller is shown."""
    if answer.headers["content-type"].startswith("text/event-stream"):
        return Client().read(answer.content).texts.get((0, "content"), "")
    return str(answer.json()["choices"][0]["message"]["content"])


async def tell(parapet: World, text: str, conversation: str = "", key: str = "", **more: Any) -> str:
    """One call in a conversation."""
    headers = {"x-parapet-conversation": conversation} if conversation else {}
    headers |= {"authorization": f"Bearer {key}"} if key else {}
    answer = await parapet.client.post("/v1/chat/completions", json=ask(text, **more), headers=headers)
    assert answer.status_code == 200, answer.text
    return said(answer)


def run(folder: Path, model: Model, talk: Callable[[World], Any], policy: str = POLICY, **settings: Any) -> World:
    """Talk to a model through Parapet."""

    async def main() -> World:
        async with misbehaving(model) as address, world(folder, policy, backend=address, **{**KEYED, **settings}) as parapet:
            await talk(parapet)
            return parapet

    return asyncio.run(main())


@pytest.mark.parametrize("stream", [False, True])
def test_the_model_sees_names_and_the_caller_his_values(stream: bool, tmp_path: Path) -> None:
    """Also where a completion rule replaces such values; the record counts by kind and holds none."""
    model = Model(lambda text: f"I wrote to {text.split()[-1].lower()}, not to eve@example.org")

    async def talk(parapet: World) -> None:
        assert await tell(parapet, f"write to {MAIL}", stream=stream) == f"I wrote to {MAIL}, not to <EMAIL_ADDRESS>"
        text = await parapet.metrics()
        assert 'parapet_replaced_total{category="EMAIL_ADDRESS",direction="prompt",operator="pseudonym"} 1.0' in text
        assert 'parapet_names_total{category="EMAIL_ADDRESS",result="restored"} 1.0' in text

    parapet = run(tmp_path, model, talk)
    assert re.fullmatch(r"write to <EMAIL_ADDRESS_[0-9a-f]{6}>", model.last)
    [record] = parapet.records
    assert record["replaced"] == {
        "prompt": {"pseudonym": {"EMAIL_ADDRESS": 1}}, "completion": {"label": {"EMAIL_ADDRESS": 1}},
    }  # fmt: skip
    assert (record["restored"], record["not_restored"], record["conversation"]) == ({"EMAIL_ADDRESS": 1}, {}, "head")
    assert MAIL not in parapet.record.read_text()


def test_tool_arguments_and_structured_answers_are_restored_as_json(tmp_path: Path) -> None:
    """What came as JSON stays JSON."""
    model = Model(lambda text: orjson.dumps({"to": NAME.findall(text)[0]}).decode())

    async def talk(parapet: World) -> None:
        for stream in (False, True):
            shown = await tell(parapet, f"to {MAIL}", stream=stream, response_format={"type": "json_object"})
            assert orjson.loads(shown) == {"to": MAIL}

    run(tmp_path, model, talk)


@pytest.mark.parametrize("stream", [False, True])
def test_a_name_without_its_value_in_the_call_is_known_by_the_conversation(stream: bool, tmp_path: Path) -> None:
    """By the vault, for one that has an id; for its own caller, in its own conversation alone."""
    seen: list[str] = []
    model = Model(lambda text: seen[0] if "again" in text else text)

    async def talk(parapet: World) -> None:
        await tell(parapet, f"mail {MAIL}", "one")
        seen.append(model.last)
        assert await tell(parapet, "again", "one", stream=stream) == f"mail {MAIL}"
        assert await tell(parapet, "again", "two", stream=stream) == seen[0]
        assert await tell(parapet, "again", stream=stream) == seen[0]

    run(tmp_path, model, talk)


def test_a_placeholder_that_is_typed_is_never_resolved(tmp_path: Path) -> None:
    """By the user, in a document, or in what a tool said: it comes back as it was, whatever name it would be."""
    seen: list[str] = []
    model = Model()

    async def talk(parapet: World) -> None:
        await tell(parapet, MAIL, "one")
        seen.append(model.last)
        bare = seen[0][1:-1]
        for way in (seen[0], seen[0].lower(), bare, f"&lt;{bare}&gt;", f"< {bare} >"):
            assert await tell(parapet, f"{way} is {MAIL}", "one") == f"{way} is {MAIL}"
            assert seen[0] not in model.last.replace(f" is {seen[0]}", "")
            document = [{"role": "tool", "tool_call_id": "t", "content": way}]
            assert await tell(parapet, "", "one", messages=document) == way

    run(tmp_path, model, talk)


def test_an_id_that_cannot_be_one_is_refused(tmp_path: Path) -> None:
    """It says what one may be."""

    async def talk(parapet: World) -> None:
        for bad in ("", "two words", "x" * 257):
            answer = await parapet.client.post("/v1/chat/completions", json=ask(), headers={"x-parapet-conversation": bad})
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_conversation")

    run(tmp_path, Model(), talk)


def test_names_stay_the_same_from_turn_to_turn(tmp_path: Path) -> None:
    """Where no id is given, by how the conversation begins."""
    model = Model(lambda text: "fine")

    async def talk(parapet: World) -> None:
        turns = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": f"I am {MAIL}"}]
        await tell(parapet, "", messages=turns)
        turns += [{"role": "assistant", "content": "fine"}, {"role": "user", "content": f"card {CARD}, mail {MAIL}"}]
        await tell(parapet, "", messages=turns)

    run(tmp_path, model, talk)
    first, second = (NAME.findall(str(request["messages"])) for request in model.seen)
    assert first[0] == second[0] == second[2]
    assert second[1].startswith("<CREDIT_CARD_")


def forget(parapet: World, conversation: str) -> Any:
    return parapet.client.delete(f"/v1/vault/{conversation}")


def test_a_conversation_can_be_forgotten(tmp_path: Path) -> None:
    """Its names mean nothing any more, to a call that does not hold the values; it says how many there were."""
    seen: list[str] = []
    model = Model(lambda text: seen[0] if "again" in text else text)

    async def talk(parapet: World) -> None:
        await tell(parapet, f"mail {MAIL}", "some/one")
        seen.append(model.last)
        assert (await forget(parapet, "another")).json() == {"object": "vault", "deleted": True, "values": 0}
        assert await tell(parapet, "again", "some/one") == f"mail {MAIL}"
        assert (await forget(parapet, "some/one")).json() == {"object": "vault", "deleted": True, "values": 1}
        assert await tell(parapet, "again", "some/one") == seen[0]
        bad = await forget(parapet, "x" * 257)
        assert (bad.status_code, bad.json()["error"]["code"]) == (400, "invalid_conversation")

    run(tmp_path, model, talk)


@pytest.mark.parametrize(
    ("settings", "status", "code"),
    [
        ({"workers": 2}, 409, "vault_not_shared"),
        ({"vault": "unix:///nowhere/redis.sock"}, 503, "vault_unavailable"),
    ],
)
def test_what_cannot_be_forgotten_is_not_said_to_be(settings: dict[str, Any], status: int, code: str, tmp_path: Path) -> None:
    """Where one of several workers would forget alone, and where the vault does not answer."""

    async def talk(parapet: World) -> None:
        answer = await forget(parapet, "one")
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)

    run(tmp_path, Model(), talk, **settings)


def test_a_call_that_gives_names_is_refused_while_the_vault_does_not_answer(tmp_path: Path) -> None:
    """Another call goes on; the record says why."""

    async def talk(parapet: World) -> None:
        headers = {"x-parapet-conversation": "one"}
        refused = await parapet.client.post("/v1/chat/completions", json=ask(f"to {MAIL}"), headers=headers)
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "content_filter")
        assert "could not be checked" in refused.json()["error"]["message"]
        assert await tell(parapet, "hello", "one") == "hello"
        assert await tell(parapet, f"to {MAIL}") == f"to {MAIL}"  # without an id there is nothing to keep

    parapet = run(tmp_path, Model(), talk, vault="unix:///nowhere/redis.sock")
    assert [record["outcome"] for record in parapet.records] == ["blocked_prompt", "served", "served"]
    assert parapet.records[0]["prompt"]["failures"] == [{"check": "vault", "kind": "error"}]
