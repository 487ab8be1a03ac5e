"""Clients as they are, against a real server: curl, LangChain, and the SDKs of OpenAI and Anthropic for Node."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai
import orjson
import pytest

from tests.dialects.scripted import scripted
from tests.dialects.test_responses_sdk import script as responses
from tests.e2e.server import Server, serving
from tests.world import CARD, IBAN, MAIL, chunk, completion, event

pytestmark = pytest.mark.slow
POLICY = """
policy: p
rules:
  - {id: said, check: pii, with: {entities: [CREDIT_CARD]}, direction: completion, action: redact}
  - {id: told, check: pii, with: {entities: [EMAIL_ADDRESS]}, direction: prompt, action: redact}
  - {id: no-iban, check: pii, with: {entities: [IBAN_CODE]}, action: block, message: No bank accounts here.}
"""
NODE = Path(__file__).with_name("clients.mjs")
REDACTED = "my card is <CREDIT_CARD>, thanks"


def chat(payload: Any) -> Any:
    """It says what it was told to; a function is called with that as its arguments."""
    content = payload["messages"][-1]["content"]
    said = content.removeprefix("say ") if content.startswith("say ") else f"You said: {content}"
    if payload.get("tools"):
        call = {"id": "call_1", "type": "function", "function": {"name": "pay", "arguments": said}}
        return completion("", tool_calls=[call])
    if not payload.get("stream"):
        return completion(said)
    pieces = [chunk({"content": said[i : i + 4]}) for i in range(0, len(said), 4)]
    return [*(event(each) for each in [chunk({"role": "assistant"}), *pieces, chunk({}, finish="stop")]), b"data: [DONE]\n\n"]


def messages(payload: Any) -> Any:
    """The same, as Anthropic's API has it."""
    said = payload["messages"][-1]["content"].removeprefix("say ")
    made = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_sequence": None}
    if not payload.get("stream"):
        usage = {"input_tokens": 1, "output_tokens": 1}
        return made | {"content": [{"type": "text", "text": said}], "stop_reason": "end_turn", "usage": usage}
    empty: dict[str, Any] = made | {"content": [], "stop_reason": None, "usage": {"input_tokens": 1, "output_tokens": 1}}
    pieces = [{"type": "text_delta", "text": said[i : i + 4]} for i in range(0, len(said), 4)]
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": empty},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *({"type": "content_block_delta", "index": 0, "delta": delta} for delta in pieces),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 2}},
        {"type": "message_stop"},
    ]
    return [f"event: {each['type']}\n".encode() + event(each) for each in events]


SCRIPTS = {"/chat/completions": chat, "/responses": responses, "/messages": messages}


def with_server(folder: Path, client: Callable[[Server], Any]) -> tuple[Any, list[Any]]:
    """Run a client against `parapet serve`; what it got, and what reached the backend."""

    async def main() -> tuple[Any, list[Any]]:
        (folder / "policy.yaml").write_text(POLICY)
        async with scripted(SCRIPTS) as backend:
            pools = {"m": {"backends": [{"kind": "openai", "base_url": backend.address}]}}
            config = orjson.dumps({"pools": pools, "policies": [str(folder / "policy.yaml")], "record": "off"}).decode()
            return await asyncio.to_thread(run, config), backend.payloads

    def run(config: str) -> Any:
        with serving(folder, config=config) as server:
            return client(server)

    return asyncio.run(main())


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl(tmp_path: Path) -> None:
    """Whole, streamed and blocked, with nothing but a body and a status."""

    def curl(server: Server, text: str, **more: Any) -> tuple[str, int]:
        body = orjson.dumps({"model": "m", "messages": [{"role": "user", "content": text}], **more})
        told = ["curl", "-sS", "-N", "-w", "\n%{http_code}", "-H", "content-type: application/json", "-d", "@-"]
        ran = subprocess.run([*told, server.url + "/v1/chat/completions"], input=body, capture_output=True, check=True)
        out, _, status = ran.stdout.decode().rpartition("\n")
        return out, int(status)

    def client(server: Server) -> Any:
        said = f"say my card is {CARD}, thanks"
        return [curl(server, said), curl(server, said, stream=True), curl(server, IBAN), curl(server, f"I am {MAIL}")]

    (whole, streamed, blocked, told), payloads = with_server(tmp_path, client)
    assert orjson.loads(whole[0])["choices"][0]["message"]["content"] == REDACTED
    lines = [line.removeprefix("data: ") for line in streamed[0].splitlines() if line]
    assert lines.pop() == "[DONE]"
    deltas = [orjson.loads(line)["choices"][0]["delta"] for line in lines]
    assert "".join(delta.get("content") or "" for delta in deltas) == REDACTED
    assert (blocked[1], orjson.loads(blocked[0])["error"]["code"]) == (400, "content_filter")
    assert (whole[1], streamed[1], told[1]) == (200, 200, 200)
    assert payloads[-1]["messages"][0]["content"] == "I am <EMAIL_ADDRESS>"


@pytest.mark.filterwarnings("ignore")  # LangChain's are not ours to mend
def test_langchain(tmp_path: Path) -> None:
    """Invoked, streamed, with a tool and a typed answer, over chat completions and over responses; a block raises."""
    from langchain_openai import ChatOpenAI

    def client(server: Server) -> dict[str, Any]:
        made = {}
        for name, more in (("chat", {}), ("responses", {"use_responses_api": True})):
            options: Any = {"model": "m", "base_url": server.url + "/v1", "api_key": "k", "max_retries": 0, **more}
            model = ChatOpenAI(**options)
            said = f"say my card is {CARD}, thanks"
            with pytest.raises(openai.BadRequestError) as caught:
                model.invoke(IBAN)
            tool: Any = {"name": "pay", "description": "Pay.", "parameters": {"type": "object", "properties": {}}}
            called = model.bind_tools([tool]).invoke(f'say {{"card": "{CARD}"}}')
            made[name] = {
                "whole": model.invoke(said).text,
                "streamed": "".join(piece.text for piece in model.stream(said)),
                "called": called.tool_calls[0]["args"],
                "code": caught.value.code,
            }
        return made

    made, _ = with_server(tmp_path, client)
    same = {"whole": REDACTED, "streamed": REDACTED, "called": {"card": "<CREDIT_CARD>"}, "code": "content_filter"}
    assert made == {"chat": same, "responses": same}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the SDKs for Node."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("Node or npm is not installed")
    folder = tmp_path_factory.mktemp("node")
    shutil.copy(NODE, folder)
    told = ["npm", "install", "--silent", "--no-fund", "--no-audit", "--prefix", str(folder), "openai", "@anthropic-ai/sdk"]
    try:
        subprocess.run(told, check=True, capture_output=True, timeout=300, cwd=folder)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        pytest.skip("npm could not install the SDKs: there is no registry to be reached")
    return folder


def test_the_sdks_for_node(tmp_path: Path, node: Path) -> None:
    """OpenAI's chat completions and responses, and Anthropic's messages: whole, streamed, and a block as its typed error."""

    def client(server: Server) -> Any:
        told = {"PARAPET_URL": server.url, "CARD": CARD, "IBAN": IBAN, "PATH": os.environ["PATH"]}
        ran = subprocess.run(["node", str(node / NODE.name)], env=told, capture_output=True, timeout=120, cwd=node, check=False)
        assert ran.returncode == 0, ran.stderr.decode()
        return orjson.loads(ran.stdout)

    got, _ = with_server(tmp_path, client)
    openai_block = {"name": "BadRequestError", "status": 400, "code": "content_filter"}
    assert got["chat"] == {"whole": REDACTED, "streamed": REDACTED, "blocked": openai_block}
    assert got["responses"] == {"whole": REDACTED, "streamed": REDACTED, "blocked": openai_block}
    assert got["messages"]["whole"] == got["messages"]["streamed"] == REDACTED
    assert (got["messages"]["blocked"]["name"], got["messages"]["blocked"]["status"]) == ("BadRequestError", 400)
