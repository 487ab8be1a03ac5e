"""A backend that works while its prompt is judged: both times pass at once, nothing is shown before, a block cancels it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from proxy.settings import OpenAIBackend, Pool
from tests.checks.stand import Stand, standing
from tests.world import STREAM, World, ask, chunk, completion, event, http, misbehaving, piece, served, world

SLOW = 0.4  # seconds that the check takes, and the backend until its first byte
OVERLAPPING = """
policy: quick
overlap: true
rules:
  - id: judged
    check: http
    with: {{kind: parapet, url: "{url}", labels: {{bad: bad}}}}
    direction: prompt
    timeout: {timeout}
    {more}
"""


@pytest.fixture(scope="module")
def stand() -> Iterator[Stand]:
    """The service that judges."""
    yield from standing()


@dataclass
class Backend:
    """A slow backend, what it was asked, and what became of its calls."""

    url: str = ""
    seconds: float = SLOW
    heard: list[Any] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)  # answered, or left: the connection was closed before
    broken: int = 0  # calls that it answers with an error

    async def behave(self, request: Any, writer: asyncio.StreamWriter, reader: asyncio.StreamReader) -> None:
        self.heard.append(request)
        if len(self.heard) <= self.broken:
            writer.write(http(b'{"error": {"message": "overloaded"}}', "500 Internal Server Error"))
            return
        if request.get("stream"):
            writer.write(STREAM + piece(event(chunk({"role": "assistant", "content": "so far"}))))
            await writer.drain()
        gone = asyncio.create_task(reader.read(1))
        done, _ = await asyncio.wait({gone}, timeout=self.seconds)
        if done:
            self.ended.append("left")
            raise ConnectionError
        gone.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await gone
        self.ended.append("answered")
        last = piece(event(chunk({"content": " and on"}, finish="stop")) + b"data: [DONE]\n\n") + piece(b"")
        writer.write(last if request.get("stream") else http(orjson.dumps(completion("fine"))))


@contextlib.asynccontextmanager
async def backend(**more: Any) -> AsyncIterator[Backend]:
    made = Backend(**more)
    async with misbehaving(made.behave) as made.url:
        yield made


def policy(stand: Stand, more: str = "action: block", timeout: str = "5s", text: str = OVERLAPPING) -> str:
    return text.format(url=stand.url, more=more, timeout=timeout)


def judging(seconds: float = SLOW, bad: str = "bad") -> Any:
    """What the service says, after so long: a text with this word in it is bad."""

    async def answer(_: str, payload: Any) -> Any:
        await asyncio.sleep(seconds)
        found = [
            {"text": number, "category": "bad", "score": 1.0}
            for number, each in enumerate(payload["texts"])
            if bad in each["text"]
        ]
        return {"version": 1, "findings": found}

    return answer


@contextlib.asynccontextmanager
async def caller(parapet: World) -> AsyncIterator[httpx.AsyncClient]:
    """A client over a real connection."""
    async with served(parapet.app) as url, httpx.AsyncClient(base_url=url, timeout=30) as client:
        yield client


async def until(ready: Any) -> None:
    """Wait for what happens in another thread."""
    end = time.monotonic() + 10
    while not ready():
        assert time.monotonic() < end, "it never came"
        await asyncio.sleep(0.01)


@pytest.mark.slow
@pytest.mark.parametrize("stream", [False, True])
def test_a_slow_check_and_a_slow_backend_take_their_times_at_once(stand: Stand, tmp_path: Path, stream: bool) -> None:
    """The check is done while the backend works, which has been asked before; without `overlap` one comes after the other."""
    stand.answers(judging())

    async def main() -> None:
        spans: dict[bool, float] = {}
        for overlap in (True, False):
            text = policy(stand) if overlap else policy(stand).replace("overlap: true\n", "")
            folder = tmp_path / str(overlap)
            folder.mkdir()
            async with backend() as behind, caller(parapet := world(folder, text, backend=behind.url)) as client:
                begun = time.monotonic()
                answer = await client.post("/v1/chat/completions", json=ask("hello", stream=stream))
                spans[overlap] = time.monotonic() - begun
                assert answer.status_code == 200
                assert "fine" in answer.text or "so far" in answer.text
                assert answer.headers["x-parapet-decision"] == "allow"
                await until(parapet.record.read_bytes)
                [record] = parapet.records
                assert record["overlap"] == ("passed" if overlap else "")
                assert (record["outcome"], record["attempts"]) == ("served", 1)
                if stream or not overlap:  # the first byte was there at once, so all of the check was waited for
                    assert record["guard_ms"] > 1000 * SLOW / 2
                page = (await client.get("/metrics")).text
                assert ('parapet_overlaps_total{model="m",result="passed"} 1.0' in page) == overlap
        assert spans[False] > 2 * SLOW
        assert spans[False] - spans[True] > SLOW / 2

    asyncio.run(main())


@pytest.mark.slow
@pytest.mark.parametrize("stream", [False, True])
def test_a_block_never_shows_a_byte_and_cancels_the_backend(stand: Stand, tmp_path: Path, stream: bool) -> None:
    """Although the backend's stream had begun long before."""
    stand.answers(judging())

    async def main() -> None:
        async with (
            backend(seconds=20.0) as behind,
            caller(parapet := world(tmp_path, policy(stand), backend=behind.url)) as client,
        ):
            answer = await client.post("/v1/chat/completions", json=ask("something bad", stream=stream))
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, "content_filter")
            assert "so far" not in answer.text
            assert "x-parapet-backend" not in answer.headers
            await until(lambda: behind.ended == ["left"])
            await until(parapet.record.read_bytes)
            [record] = parapet.records
            assert (record["outcome"], record["overlap"], record["backend"]) == ("blocked_prompt", "blocked", "openai-1")
            page = (await client.get("/metrics")).text
            assert 'parapet_overlaps_total{model="m",result="blocked"} 1.0' in page
            assert 'parapet_backend_attempts_total{backend="openai-1",model="m",result="' in page
            assert 'parapet_backend_in_flight{backend="openai-1",model="m"} 0.0' in page

    asyncio.run(main())


@pytest.mark.slow
def test_no_overlap_where_a_rule_may_replace_the_prompt(stand: Stand, tmp_path: Path) -> None:
    """A policy beside it that redacts, or only says nothing of overlap, must have its say before the backend reads the text."""
    redacting = "policy: redacting\nrules:\n  - {id: a, check: pii, with: {entities: [CREDIT_CARD]}, action: redact}\n"
    blocking = redacting.replace("redact}", "block}")
    seen: list[int] = []

    async def main() -> None:
        for number, other in enumerate((redacting, blocking)):
            folder = tmp_path / str(number)
            folder.mkdir()
            async with backend(seconds=0.0) as behind:

                async def answer(path: str, payload: Any, behind: Backend = behind) -> Any:
                    seen.append(len(behind.heard))
                    return await judging(0.05)(path, payload)

                stand.answers(answer)
                async with world(folder, policy(stand), other, backend=behind.url) as parapet:
                    said = await parapet.chat("pay with 4111 1111 1111 1111")
                    assert said.status_code == (200 if other is redacting else 400)
                    assert parapet.records[0]["overlap"] == ""
                    assert "4111" not in repr(behind.heard)
        assert seen == [0, 0], "the check was asked before the backend"

    asyncio.run(main())


@pytest.mark.slow
def test_a_turn_of_the_past_that_is_replaced_is_asked_for_again(stand: Stand, tmp_path: Path) -> None:
    """The first call is cancelled, and the answer is that to the prompt as the rules let it through."""
    stand.answers(judging(0.2))

    async def main() -> None:
        async with (
            backend(seconds=0.6) as behind,
            caller(parapet := world(tmp_path, policy(stand), backend=behind.url)) as client,
        ):
            said = [("user", "something bad"), ("assistant", "no"), ("user", "hello")]
            messages = [{"role": role, "content": text} for role, text in said]
            answer = await client.post("/v1/chat/completions", json={"model": "m", "messages": messages})
            assert answer.json()["choices"][0]["message"]["content"] == "fine"
            assert answer.headers["x-parapet-decision"] == "redact"
            assert behind.ended == ["left", "answered"]
            assert "something bad" in repr(behind.heard[0])
            assert "something bad" not in repr(behind.heard[1])
            await until(parapet.record.read_bytes)
            [record] = parapet.records
            assert (record["overlap"], record["outcome"], record["attempts"]) == ("replaced", "served", 2)

    asyncio.run(main())


@pytest.mark.slow
@pytest.mark.parametrize(("on_error", "status"), [("block", 400), ("allow", 200)])
def test_a_check_that_is_too_late_follows_on_error(stand: Stand, tmp_path: Path, on_error: str, status: int) -> None:
    """The backend's answer waits no longer than the check may take."""
    stand.answers(judging(5.0))
    text = policy(stand, f"action: block\n    on_error: {on_error}", timeout="200ms")

    async def main() -> None:
        async with backend(seconds=0.0) as behind, world(tmp_path, text, backend=behind.url) as parapet:
            answer = await parapet.chat(stream=True)
            assert answer.status_code == status
            assert ("so far" in answer.text) == (status == 200)
            [record] = parapet.records
            assert record["overlap"] == ("passed" if status == 200 else "blocked")
            assert record["prompt"]["failures"] == [{"check": "http", "kind": "timeout"}]

    asyncio.run(main())


@pytest.mark.slow
def test_retries_go_on_while_the_prompt_is_judged(stand: Stand, tmp_path: Path) -> None:
    """A deployment that fails costs the caller nothing; one error of all of them is told once the prompt has passed."""
    stand.answers(judging(0.3))

    async def main() -> None:
        for number, (broken, bad) in enumerate(((1, False), (2, False), (2, True))):
            folder = tmp_path / str(number)
            folder.mkdir()
            async with backend(seconds=0.0, broken=broken) as behind:
                rows = tuple(OpenAIBackend(kind="openai", base_url=behind.url, name=name) for name in ("a", "b"))
                async with world(folder, policy(stand), pools={"m": Pool(backends=rows)}) as parapet:
                    answer = await parapet.chat("bad" if bad else "hello")
                    [record] = parapet.records
                    assert record["attempts"] == 2
                    if bad:
                        assert (answer.status_code, record["outcome"]) == (400, "blocked_prompt"), (
                            "a verdict goes before an error"
                        )
                    elif broken == 1:
                        assert (answer.status_code, record["outcome"], record["overlap"]) == (200, "served", "passed")
                    else:
                        assert (answer.status_code, record["outcome"]) == (500, "backend_error")
                        assert answer.json()["error"]["message"] == "overloaded"

    asyncio.run(main())


@pytest.mark.slow
@pytest.mark.parametrize("stream", [False, True])
def test_a_caller_who_leaves_while_both_work_cancels_the_backend(stand: Stand, tmp_path: Path, stream: bool) -> None:
    """Before the verdict is there; the answer may have begun, and wait for it."""
    stand.answers(judging(1.0))

    async def main() -> None:
        async with (
            backend(seconds=20.0) as behind,
            caller(parapet := world(tmp_path, policy(stand), backend=behind.url)) as client,
        ):
            with pytest.raises(httpx.ReadTimeout):
                await client.post("/v1/chat/completions", json=ask("hello", stream=stream), timeout=0.3)
            await until(lambda: behind.ended == ["left"])
            await until(parapet.record.read_bytes)
            assert parapet.records[0]["outcome"] == "client_left"

    asyncio.run(main())


@pytest.mark.slow
@pytest.mark.parametrize("stream", [False, True])
def test_a_deadline_counts_from_when_the_backend_was_asked(stand: Stand, tmp_path: Path, stream: bool) -> None:
    """What is judged meanwhile is a part of it, whether the backend has begun to answer or not."""
    terms: dict[str, Any] = {"deadline": "300ms"}
    stand.answers(judging(0.6))

    async def main() -> None:
        async with backend(seconds=20.0) as behind:
            rows = (OpenAIBackend(kind="openai", base_url=behind.url),)
            async with world(tmp_path, policy(stand), pools={"m": Pool(backends=rows, **terms)}) as parapet:
                answer = await parapet.chat(stream=stream)
                assert (answer.status_code, answer.json()["error"]["code"]) == (504, "backend_timeout")
                assert parapet.records[0]["overlap"] == "passed"

    asyncio.run(main())
