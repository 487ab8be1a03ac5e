"""A backend that nobody here wrote: Hugging Face's `transformers serve`, with a tiny model made on the spot.

It needs the extra `serving` of transformers; where that is missing or the server does not start, these tests are skipped and say
why.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
import orjson
import pytest

from tests.e2e.server import Server, free_port, serving
from tests.world import CARD, IBAN, MAIL

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
STARTING = 120.0  # seconds; it imports for long on a busy machine
MISSING = [name for name in ("accelerate", "fastapi", "transformers") if importlib.util.find_spec(name) is None]
WHERE = f"And {'on and ' * 12}so on."
ANSWERS = {
    "what is my card?": f"Your card is {CARD}, keep it safe.",
    "what is the account?": f"It is {IBAN}, and that is all.",
    f"write to {MAIL}": "I know that address.",
    "write to <EMAIL_ADDRESS>": "I was told no address.",
    "tell me a story": WHERE,
    "Is it rude? tell me a story": "no",
    "Is it rude? you are a fool": "yes",
}
POLICY = """
policy: p
rules:
  - {id: said, check: pii, with: {entities: [CREDIT_CARD]}, direction: completion, action: redact}
  - {id: told, check: pii, with: {entities: [EMAIL_ADDRESS]}, direction: prompt, action: redact}
  - {id: no-iban, check: pii, with: {entities: [IBAN_CODE]}, action: block, message: No bank accounts here.}
  - id: not-rude
    check: guard_model
    with: {pool: tiny, kind: custom, prompt: "Is it rude? {text}", safe: "^no$", unsafe: "^yes$"}
    direction: prompt
    action: block
    on_error: allow
    message: Be kind.
"""
CONFIG = """
policies: [policy.yaml]
record: records.jsonl
pools:
  tiny:
    backends: [{{kind: openai, base_url: "{url}/v1", model: "{model}", probe_path: /health}}]
    probe: 1s
"""


@dataclass(frozen=True, slots=True)
class Behind:
    """The server of models, and the name that it knows the model by."""

    url: str
    model: str


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Behind]:
    """`transformers serve` over the tiny model."""
    if MISSING:
        pytest.skip(f"not run: {', '.join(MISSING)} cannot be imported; pip install 'transformers[serving]'")
    folder = tmp_path_factory.mktemp("model")
    alone = {**os.environ, "OMP_NUM_THREADS": "1"}  # torch's threads wait for each other where others are at work
    made = [sys.executable, "-m", "tests.e2e.tiny_model", str(folder)]
    subprocess.run(made, input=orjson.dumps(ANSWERS), env=alone, cwd=ROOT, check=True, capture_output=True)
    port, log = free_port(), folder / "log"
    told = [sys.executable, "-m", "transformers.cli.transformers", "serve", str(folder), "--device", "cpu"]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*told, "--host", "127.0.0.1", "--port", str(port)],
            stdout=out,
            stderr=out,
            env={**alone, "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HOME": str(folder)},
        )
    try:
        end = time.monotonic() + STARTING
        while not healthy(f"http://127.0.0.1:{port}/health"):
            if process.poll() is not None or time.monotonic() > end:
                pytest.skip(f"not run: transformers serve did not start: {log.read_text()[-500:]}")
            time.sleep(0.2)
        yield Behind(f"http://127.0.0.1:{port}", str(folder))
    finally:
        process.kill()
        process.wait()


def healthy(url: str) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5):
        return True
    return False


@pytest.fixture(scope="module")
def server(behind: Behind, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Parapet before it."""
    folder = tmp_path_factory.mktemp("parapet")
    (folder / "policy.yaml").write_text(POLICY)
    with serving(folder, config=CONFIG.format(url=behind.url, model=behind.model)) as made:
        yield made


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[openai.OpenAI]:
    """OpenAI's SDK, pointed at Parapet."""
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="unused", max_retries=0) as made:
        yield made


def whole(client: openai.OpenAI, text: str) -> tuple[str, str]:
    """The answer and how it ended."""
    answer = client.chat.completions.create(model="tiny", messages=[{"role": "user", "content": text}])
    [choice] = answer.choices
    return choice.message.content or f"refused: {choice.message.refusal}", choice.finish_reason


def streamed(client: openai.OpenAI, text: str) -> tuple[str, str]:
    """The same, put together from a stream."""
    said, reason = "", ""
    for chunk in client.chat.completions.create(model="tiny", messages=[{"role": "user", "content": text}], stream=True):
        for choice in chunk.choices:
            said += choice.delta.content or ""
            reason = choice.finish_reason or reason
    return said, reason


@pytest.mark.parametrize("call", [whole, streamed])
def test_an_answer_without_a_finding_is_what_the_model_said(client: openai.OpenAI, call: Any) -> None:
    """Nothing is added to it and nothing is lost."""
    assert call(client, "tell me a story") == (WHERE, "stop")


@pytest.mark.parametrize("call", [whole, streamed])
def test_a_card_that_the_model_tells_is_redacted(client: openai.OpenAI, call: Any) -> None:
    """The server sends it one character a chunk."""
    assert call(client, "what is my card?") == ("Your card is <CREDIT_CARD>, keep it safe.", "stop")


@pytest.mark.parametrize("call", [whole, streamed])
def test_the_model_is_told_the_prompt_as_the_policy_leaves_it(client: openai.OpenAI, call: Any) -> None:
    """It answers otherwise to an address than to what stands for one."""
    assert call(client, f"write to {MAIL}") == ("I was told no address.", "stop")


def test_an_account_that_the_model_tells_is_blocked(client: openai.OpenAI) -> None:
    """Whole, with the message of the rule; streamed, cut off before the account."""
    assert whole(client, "what is the account?") == ("refused: No bank accounts here.", "content_filter")
    said, reason = streamed(client, "what is the account?")
    assert reason == "content_filter"
    assert "DE89" not in said


def test_an_account_in_the_prompt_never_reaches_the_model(server: Server, client: openai.OpenAI) -> None:
    """The call is refused, and the record names the rule and no backend's answer."""
    with pytest.raises(openai.BadRequestError, match="No bank accounts here") as refused:
        whole(client, f"pay {IBAN}")
    assert refused.value.code == "content_filter"
    lines = (server.log.parent / "records.jsonl").read_text().splitlines()
    record = next(each for each in map(orjson.loads, reversed(lines)) if each["outcome"] == "blocked_prompt")
    assert record["prompt"]["rule"] == "no-iban"
    assert record["completion"] is None


def test_the_model_judges_prompts_as_a_guard_model(server: Server, client: openai.OpenAI) -> None:
    """The served model gives the verdict for a rule; what it was not taught to judge has none, and the rule lets that pass."""
    with pytest.raises(openai.BadRequestError, match="Be kind") as refused:
        whole(client, "you are a fool")
    assert refused.value.code == "content_filter"
    assert whole(client, "tell me a story") == (WHERE, "stop")
    metrics = server.get("/metrics").decode()
    assert re.search(r'parapet_consultations_total\{check="guard_model",result="answered",\w+="custom:tiny"\} [1-9]', metrics)


def test_completions_and_responses_of_that_server_are_guarded_too(client: openai.OpenAI) -> None:
    """Its other APIs, whole and streamed."""
    asked = "what is my card?"
    made = client.completions.create(model="tiny", prompt=f"<|user|>{asked}<|assistant|>", max_tokens=60)
    assert made.choices[0].text == "Your card is <CREDIT_CARD>, keep it safe."
    answer = client.responses.create(model="tiny", input=asked, stream=False)  # left out, that server streams
    assert answer.output_text == "Your card is <CREDIT_CARD>, keep it safe."
    said, completed = "", ""
    for each in client.responses.create(model="tiny", input=asked, stream=True):
        if each.type == "response.output_text.delta":
            said += each.delta
        if each.type == "response.completed":
            completed = each.response.output_text
    assert said == completed == "Your card is <CREDIT_CARD>, keep it safe."


def test_the_probe_knows_that_server_and_the_record_names_it(server: Server, client: openai.OpenAI) -> None:
    """`/readyz` says that the deployment is well, and the record says that it answered."""
    state = orjson.loads(server.get("/readyz"))
    assert (state["status"], state["pools"]) == ("ok", {"tiny": {"openai-1": "closed"}})
    assert whole(client, "tell me a story")[0] == WHERE
    [*_, last] = (server.log.parent / "records.jsonl").read_text().splitlines()
    assert orjson.loads(last)["backend"] == "openai-1"
