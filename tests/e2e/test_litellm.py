"""LiteLLM's proxy calls Parapet as its guard: both are real, on real sockets, and so is the client.

LiteLLM's proxy needs an environment of its own, since it pins what others pin otherwise; the test is skipped without one:

    python -m venv /tmp/litellm && /tmp/litellm/bin/pip install "litellm[proxy]"
    LITELLM=/tmp/litellm/bin/litellm python -m pytest tests/e2e/test_litellm.py
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.checks.stand import ran
from tests.world import BLOCK, CARD, IBAN, world
from tests.world import served as on_a_socket

LITELLM = os.environ.get("LITELLM", "")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not LITELLM, reason="LITELLM names no litellm command")]
CONFIG = """
model_list:
  - model_name: echo
    litellm_params: {{model: openai/m, api_base: "{model}/v1", api_key: none}}
guardrails:
  - guardrail_name: parapet
    litellm_params:
      guardrail: generic_guardrail_api
      mode: [pre_call, post_call]
      api_base: "{url}"
      default_on: true
"""
KEY = "sk-" + "of-a-test-" * 4
STARTING = 300.0  # seconds; it imports for long on a busy machine


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextlib.asynccontextmanager
async def litellm(folder: Path, url: str, model: str) -> AsyncIterator[httpx.AsyncClient]:
    """LiteLLM's proxy before a model, with the guard at `url`, and a client of it."""
    (folder / "litellm.yaml").write_text(CONFIG.format(url=url, model=model))
    port = free_port()
    command = [LITELLM, "--config", str(folder / "litellm.yaml"), "--host", "127.0.0.1", "--port", str(port)]
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_MASTER_KEY": KEY,
    }
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=subprocess.STDOUT, env=environment)
    try:
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", timeout=60, headers={"authorization": f"Bearer {KEY}"}
        ) as client:
            begun = time.monotonic()
            while True:
                with contextlib.suppress(httpx.TransportError):
                    if (await client.get("/health/liveliness")).status_code == 200:
                        break
                assert process.returncode is None, (folder / "log").read_text()[-3000:]
                assert time.monotonic() - begun < STARTING, (folder / "log").read_text()[-3000:]
                await asyncio.sleep(0.5)
            yield client
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@ran
async def test_litellm_changes_and_refuses_what_parapet_says(tmp_path: Path) -> None:
    """A card never reaches the model, an account is refused with the rule's message, and each question is in the trail."""
    guard = world(tmp_path, BLOCK)
    (tmp_path / "model").mkdir()
    model = world(tmp_path / "model")
    async with on_a_socket(guard.app) as url, on_a_socket(model.app) as behind, litellm(tmp_path, url, behind) as client:

        async def chat(text: str) -> httpx.Response:
            return await client.post("/chat/completions", json={"model": "echo", "messages": [{"role": "user", "content": text}]})

        answer = await chat(f"pay with {CARD}")
        assert answer.status_code == 200, answer.text
        assert answer.json()["choices"][0]["message"]["content"] == "You said: pay with <CREDIT_CARD>"
        refused = await chat(f"pay to {IBAN}")
        assert refused.status_code == 400, refused.text
        assert "No bank accounts here." in refused.text
    asked = [record for record in guard.records if record["dialect"] == "litellm"]
    assert [(record["outcome"], record["prompt"] is not None) for record in asked] == [
        ("served", True),
        ("served", False),
        ("blocked_prompt", True),
    ]
