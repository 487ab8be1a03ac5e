"""What `parapet coverage` says is so: each cell is proved by a text planted in a call through the application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from proxy import coverage
from proxy.app import create_app
from proxy.backends import Answer, Asked
from proxy.cli import main
from proxy.coverage import MEANING, TEXT, leaves, payloads, plant, prober, rows
from proxy.dialects import DIALECTS, Dialect
from proxy.settings import Pool as PoolEntry
from proxy.settings import Settings
from tests.world import MARKER, REDACT, World, guard, write_policies

EVERY = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=lambda dialect: dialect.name)
SECRET = "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc"
SECRETS = """
policy: p
rules:
  - {id: a, check: secrets, action: redact}
  - {id: b, check: copyright, with: {categories: [licence]}, action: flag}
"""


class Scripted:
    """A backend that notes what reaches it, and answers what it is told to."""

    name = "scripted"

    def __init__(self) -> None:
        self.heard: Any = None
        self.answer: Any = None

    async def call(self, asked: Asked) -> Answer:
        self.heard = orjson.dumps(asked.payload)
        return Said(self.answer)

    async def close(self) -> None:
        """It holds nothing."""


class Said:
    """Its answer: a payload, or events."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    @property
    def content_type(self) -> str:
        return "text/event-stream" if isinstance(self.answer, list) else "application/json"

    async def read(self) -> bytes:
        return orjson.dumps(self.answer)

    async def chunks(self) -> AsyncIterator[bytes]:
        for event in self.answer:
            yield b"data: " + orjson.dumps(event) + b"\n\n"

    async def settle(self) -> None:
        """Nothing follows."""

    def close(self) -> None:
        """Nothing runs on."""


async def call(parapet: World, backend: Scripted, dialect: Dialect, answer: Any, request: Any) -> httpx.Response:
    """One call whose answer is scripted."""
    backend.heard, backend.answer = b"", answer
    path = dialect.path.replace("{model}", "m").replace("{model:path}", "m").replace("{version}", "v1beta")
    if dialect.form:
        return await parapet.client.post(path, files={key: (None, value) for key, value in request.items()})
    return await parapet.client.post(path, params={"alt": "sse"} if "{" in dialect.path else None, json=request)


@pytest.mark.slow
@EVERY
def test_every_cell_is_proved_by_a_planted_text(dialect: Dialect, tmp_path: Path) -> None:
    """Of prompts by what reaches the backend, of completions by what reaches the caller; what is found or skipped is recorded."""
    backend = Scripted()
    record = tmp_path / "record.jsonl"
    pools = {"m": PoolEntry(backends=Settings().pools["echo"].backends)}
    made = Settings(pools=pools, policies=write_policies(tmp_path, REDACT), record=str(record), reload=0.0)
    [ordinary, *_] = [payload for direction, _, payload in payloads(dialect) if direction == "prompt"]
    answer: Any = next(
        (payload for direction, streamed, payload in payloads(dialect) if direction == "completion" and not streamed), {}
    )

    async def main() -> list[Any]:
        proved = []
        async with World(create_app(made, backends={"m": backend}), record) as parapet:
            for direction, streamed, payload in payloads(dialect):
                probe = coverage.Probe(dialect, prober(), direction, streamed, payload)
                await probe.run()
                for path in leaves(payload):
                    outcome, reason = await probe.outcome(path)
                    if path == ("model",) or outcome == "removed":
                        continue  # another model is not served; what is removed may be so only with the text that it repeats
                    planted = plant(payload, path)
                    if direction == "prompt":
                        said = await call(parapet, backend, dialect, answer, planted)
                        shown = backend.heard
                    else:
                        said = await call(parapet, backend, dialect, planted, ordinary | ({"stream": True} if streamed else {}))
                        shown = said.content
                    told = parapet.records[-1]
                    findings = (told[direction] or {}).get("findings", ())
                    if outcome == "refused":
                        assert TEXT.encode() not in shown or streamed, path
                        assert told["outcome"] in ("bad_request", "backend_error"), path
                    else:
                        assert (TEXT.encode() in shown) == (outcome != "rewritten"), (path, outcome)
                        assert bool(findings) == (outcome in ("rewritten", "inspected")), path
                        assert not reason or reason in told["not_inspected"], path
                    proved.append(path)
        return proved

    assert asyncio.run(main())


@pytest.mark.slow
@EVERY
def test_a_text_that_is_inspected_is_read_by_every_check(dialect: Dialect) -> None:
    """Secrets are found wherever card numbers are: checks are all given the same texts."""
    second = guard(SECRETS)

    async def main() -> int:
        cells = 0
        for direction, streamed, payload in payloads(dialect):
            probe = coverage.Probe(dialect, prober(), direction, streamed, payload)
            other = coverage.Probe(dialect, second, direction, streamed, payload)
            await probe.run()
            for path, seen in probe.seen.items():
                if seen.findings:
                    found = (await other.watch(plant(payload, path, SECRET))).findings
                    assert [finding.check for finding in found] == ["secrets"], path
                    assert (await other.watch(plant(payload, path, "under SPDX-License-Identifier: GPL-3.0-only"))).findings, path
                    cells += 1
        return cells

    if any(direction == "prompt" for direction, _, _ in payloads(dialect)):
        assert asyncio.run(main())


def test_the_table_has_every_dialect_and_direction() -> None:
    """And in it nothing is only inspected that could be rewritten; what is not inspected has its reason."""
    every = rows()
    assert {row.dialect for row in every} == {dialect.name for dialect in DIALECTS.values()}
    assert all(row.reason for row in every if row.outcome == "not inspected, counted")
    assert all(bool(row.role) == (row.outcome in ("rewritten", "inspected")) for row in every)
    assert {row.outcome for row in every} <= MEANING.keys()
    for name in ("openai-chat", "anthropic-messages"):
        assert {(row.direction, row.streamed) for row in every if row.dialect == name} == {
            ("prompt", False),
            ("completion", False),
            ("completion", True),
        }


def test_no_text_of_a_sample_is_relayed_unread() -> None:
    """A field that a sample says holds words is read, taken out or counted, in every dialect."""
    for dialect in DIALECTS.values():
        words = {
            (direction, streamed, coverage.field_of(payload, path, streamed=streamed))
            for direction, streamed, payload in payloads(dialect)
            for path in leaves(payload)
            if "words" in coverage.at(payload, path)
        }
        relayed = {(row.direction, row.streamed, row.field) for row in rows([dialect]) if row.outcome == "relayed"}
        assert not relayed & words


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    """A table or JSON Lines, of all or of some; an unknown API is refused with those that there are."""
    assert main(["coverage", "openai-chat", "--outcome", "rewritten"]) == 0
    table = capsys.readouterr().out
    assert "messages[].tool_calls[].function.arguments" in table
    assert "relayed" not in table
    assert main(["coverage", "rerank", "--json"]) == 0
    [first, *_] = [orjson.loads(line) for line in capsys.readouterr().out.splitlines() if '"query"' in line]
    assert (first["outcome"], first["role"]) == ("rewritten", "user")
    assert "pii" in first["checks"]
    assert main(["coverage", MARKER]) == 2
    assert "openai-chat" in capsys.readouterr().err
