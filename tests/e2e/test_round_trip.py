"""What callers say goes out under names and comes back to them: whole and streamed, over turns and workers; to nobody else.

ROUND_TRIPS in the environment says how many conversations; the figure in the notes is of 1,000.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.server import serving
from tests.e2e.talkative import Talkative
from tests.redis_server import needs_redis, redis_server
from tests.test_streaming import Client
from tests.world import KEY, misbehaving

log = logging.getLogger(__name__)
pytestmark = [pytest.mark.slow, needs_redis]
CONVERSATIONS = int(os.environ.get("ROUND_TRIPS", "24"))
TURNS, AT_ONCE = 6, 8
KEYS = ("key-of-the-desk", "key-of-the-shop", "key-of-the-bank")
FIRST = "Ada Bo Carla Dmitri Eve Fatima Goran Hana Ivo Jo Kofi Lena Mio Nadia Olu Pia Quin Rosa Sven Tala".split()
LAST = ("O'Neil", "Smith-Jones", 'de "la" Cruz', "Müller", "Ng", "Øst", "B\\ack", "Ivanova", "Łukasz", "李")
POLICY = """
policy: naming
rules:
  - id: names
    check: custom
    with: {patterns: [{entity: PERSON, pattern: '(?:FIRST) (?:LAST)'}]}
    direction: prompt
    action: redact
    as: pseudonym
  - id: details
    check: pii
    with: {entities: [EMAIL_ADDRESS, CREDIT_CARD, IBAN_CODE]}
    direction: prompt
    action: redact
    as: pseudonym
  - {id: leaks, check: pii, with: {entities: [EMAIL_ADDRESS, CREDIT_CARD, IBAN_CODE]}, direction: completion, action: redact}
"""
CONFIG = """
workers: 2
policies: [naming.yaml]
record: records.jsonl
redaction_key_env: REDACTION_KEY
vault: {redis}
vault_timeout: 10s
pools: {{m: {{backends: [{{kind: openai, base_url: "{backend}"}}]}}}}
keys:
  - {{name: desk, key_env: KEY_0}}
  - {{name: shop, key_env: KEY_1}}
  - {{name: bank, key_env: KEY_2}}
"""


@dataclass
class Tally:
    """What was restored of what should be, and what was that should not."""

    due: int = 0
    restored: int = 0
    strangers: int = 0
    wrong: list[str] = field(default_factory=list)


@dataclass
class Talk:
    """One conversation of a caller."""

    number: int
    tally: Tally
    draw: random.Random
    values: dict[str, str] = field(default_factory=dict)
    history: list[dict[str, str]] = field(default_factory=list)

    @property
    def id(self) -> str:
        return f"talk-{self.number}"

    async def run(self, client: httpx.AsyncClient, backend: Talkative) -> None:
        """Six turns: whole and streamed, with all of the history, or with none where the conversation has an id."""
        named = self.number % 3 > 0
        for turn in range(TURNS):
            self.history.append({"role": "user", "content": self.message(turn, backend)})
            shortened = named and self.number % 3 == 1 and turn > 0
            stream = bool((turn + self.number) % 2)
            body = {"model": "m", "stream": stream, "messages": self.history[-1:] if shortened else self.history}
            headers = {"authorization": f"Bearer {KEYS[self.number % len(KEYS)]}"}
            headers |= {"x-parapet-conversation": self.id} if named else {}
            answer = await client.post("/v1/chat/completions", json=body, headers=headers)
            assert answer.status_code == 200, answer.text
            words, arguments = said(answer, stream)
            self.compare(turn, backend, words, arguments)
            self.history.append({"role": "assistant", "content": words})

    def message(self, turn: int, backend: Talkative) -> str:
        """New values, an old one, and a placeholder that was seen elsewhere, or is one's own."""
        new = [self.value() for _ in range(self.draw.randint(1, 3))]
        told = ""
        for value in new:
            key = f"k{len(self.values)}"
            self.values[key] = value
            told += f" {key}={value};;"
        known = [name for names in backend.names.values() for name in names.values()]
        if known and self.draw.random() < 0.5:
            key = f"k{len(self.values)}"
            typed = self.draw.choice(known)
            self.values[key] = typed
            told += f" {key}={typed};;"
        return f"Conversation {self.id} turn {turn}.{told}"

    def value(self) -> str:
        """Something personal."""
        draw = self.draw
        person = f"{draw.choice(FIRST)} {draw.choice(LAST)}"
        mail = f"{draw.choice(FIRST).lower()}.{draw.randrange(10**6)}@example.{draw.choice(('com', 'org', 'net'))}"
        return draw.choice(
            (
                person,
                mail,
                draw.choice(("4111 1111 1111 1111", "5555-5555-5555-4444", "378282246310005")),
                "DE89 3704 0044 0532 0130 00",
            )
        )

    def compare(self, turn: int, backend: Talkative, words: str, arguments: str) -> None:
        """Count what came back."""
        told, called = backend.answers[self.id, turn]
        pairs = [(told, words)]
        if called:
            given = json.loads(arguments)
            pairs += [(called, given["to"]), (called, given["list"][0])]
        for parts, shown in pairs:
            expected = "".join(part.shown(self.values) for part in parts)
            due = sum(bool(part.key) for part in parts)
            self.tally.due += due
            self.tally.strangers += sum(part.written.startswith(" <") for part in parts)
            if shown == expected:
                self.tally.restored += due
            else:
                self.tally.wrong.append(f"{self.id}, turn {turn}:\n  {expected!r}\n  {shown!r}")


def said(answer: httpx.Response, stream: bool) -> tuple[str, str]:
    """The text and the arguments that a caller is shown."""
    if stream:
        texts = Client().read(answer.content).texts
        return texts.get((0, "content"), ""), texts.get((0, "arguments"), "")
    message = answer.json()["choices"][0]["message"]
    calls: Any = message.get("tool_calls") or [{"function": {"arguments": ""}}]
    return message["content"], calls[0]["function"]["arguments"]


def both_served(folder: Path) -> int:
    """How many of the workers have answered calls."""
    return sum(
        b"parapet_calls_total" in file.read_bytes() and b"served" in file.read_bytes() for file in folder.glob("counter_*.db")
    )


def test_values_come_back_to_whom_they_belong_and_to_nobody_else(tmp_path: Path) -> None:
    """All that should, none that should not: six turns, two workers, Redis, whole and streamed, in texts and in arguments."""
    tally, backend = Tally(), Talkative()
    last = "|".join(each.replace("\\", "\\\\") for each in LAST).replace("'", "''")
    (tmp_path / "naming.yaml").write_text(POLICY.replace("FIRST", "|".join(FIRST)).replace("LAST", last))
    metrics = tmp_path / "metrics"
    metrics.mkdir()

    async def main(redis: str) -> None:
        async with misbehaving(backend) as address:
            config = CONFIG.format(redis=redis, backend=address)
            variables = {f"KEY_{number}": key for number, key in enumerate(KEYS)} | {"REDACTION_KEY": KEY}
            variables["PROMETHEUS_MULTIPROC_DIR"] = str(metrics)
            server = serving(tmp_path, config=config, **variables)
            running = await asyncio.to_thread(server.__enter__)
            try:
                await talk_all(running.url, backend, tally)
                assert both_served(metrics) == 2
            finally:
                await asyncio.to_thread(server.__exit__, None, None, None)

    with redis_server(tmp_path) as redis:
        asyncio.run(main(redis))
    log.info("%d conversations: %d of %d restored, %d strangers", CONVERSATIONS, tally.restored, tally.due, tally.strangers)
    assert tally.wrong == []
    assert tally.restored == tally.due > CONVERSATIONS * TURNS
    assert tally.strangers > CONVERSATIONS * TURNS
    records = (tmp_path / "records.jsonl").read_text()
    assert "@example." not in records
    assert "@example." not in "".join(backend.seen)
    assert not any(f"{first} {last}" in sent for sent in backend.seen for first in FIRST for last in LAST if '"' not in last)


async def talk_all(url: str, backend: Talkative, tally: Tally) -> None:
    """All conversations, some at once; each call over a connection of its own, so that it may reach either worker."""
    limits = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(base_url=url, timeout=120, limits=limits) as client:
        talks = [Talk(number, tally, random.Random(number)) for number in range(CONVERSATIONS)]
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(talk: Talk) -> None:
            async with gate:
                await talk.run(client, backend)

        await asyncio.gather(*map(one, talks))
