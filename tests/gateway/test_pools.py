"""What a caller, a record and the pages see of a pool with several deployments."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import orjson

from proxy.settings import OpenAIBackend, Pool
from tests.world import REDACT, STREAM, World, chunk, completion, event, http, misbehaving, piece, world

NOBODY = "http://127.0.0.1:1/v1"
BEGUN = STREAM + piece(event(chunk({"role": "assistant", "content": "so far"})))
WHOLE = BEGUN + piece(event(chunk({}, finish="stop")) + b"data: [DONE]\n\n") + piece(b"")


def said(answer: httpx.Response) -> str:
    """The text of an answer, whole or streamed."""
    if answer.headers["content-type"] == "application/json":
        return str(answer.json()["choices"][0]["message"]["content"])
    events = [orjson.loads(line[6:]) for line in answer.text.split("\n\n") if line.startswith("data: {")]
    return "".join(choice["delta"].get("content", "") for each in events for choice in each.get("choices", ()))


async def fine(request: Any, writer: asyncio.StreamWriter, reader: asyncio.StreamReader) -> None:
    """Answers everything."""
    writer.write(WHOLE if request.get("stream") else http(orjson.dumps(completion("fine"))))


@contextlib.asynccontextmanager
async def over(folder: Path, *addresses: str, spare: str = "", **terms: Any) -> AsyncIterator[World]:
    """An application over a pool of these deployments, and perhaps a pool to fall back to."""
    rows = [OpenAIBackend(kind="openai", base_url=address, name=f"d{number}") for number, address in enumerate(addresses)]
    pools = {"m": Pool(backends=tuple(rows), fallback=("spare",) if spare else (), **terms)}
    if spare:
        pools["spare"] = Pool(backends=(OpenAIBackend(kind="openai", base_url=spare),))
    async with world(folder, REDACT, pools=pools) as parapet:
        yield parapet


def test_the_deployment_that_served_is_in_the_header_and_the_record(tmp_path: Path) -> None:
    """With how many were called, whole and streamed."""

    async def main() -> None:
        async with misbehaving(fine) as good, over(tmp_path, NOBODY, good) as parapet:
            for stream in (False, True):
                answer = await parapet.chat(stream=stream)
                assert (answer.status_code, answer.headers["x-parapet-backend"]) == (200, "d1")
                assert said(answer) == ("so far" if stream else "fine")
            first, second = parapet.records
            assert (first["pool"], first["backend"], first["attempts"]) == ("m", "d1", 2)
            assert (second["pool"], second["backend"], second["attempts"]) == ("m", "d1", 1), "the one that failed is spared"

    asyncio.run(main())


def test_a_deployment_that_dies_before_its_stream_says_anything_costs_the_caller_nothing(tmp_path: Path) -> None:
    """Although its headers were there already."""

    async def dies(request: Any, writer: asyncio.StreamWriter, reader: asyncio.StreamReader) -> None:
        writer.write(STREAM)
        await writer.drain()
        raise ConnectionError

    async def main() -> None:
        async with misbehaving(dies) as bad, misbehaving(fine) as good, over(tmp_path, bad, good) as parapet:
            answer = await parapet.chat(stream=True)
            assert (answer.status_code, answer.headers["x-parapet-backend"]) == (200, "d1")
            assert answer.text.endswith("data: [DONE]\n\n")

    asyncio.run(main())


def test_a_stream_that_breaks_off_ends_with_an_error_and_is_not_begun_again(tmp_path: Path) -> None:
    """What was said stays said, once."""

    async def breaks(request: Any, writer: asyncio.StreamWriter, reader: asyncio.StreamReader) -> None:
        writer.write(BEGUN)
        await writer.drain()
        raise ConnectionError

    async def main() -> None:
        async with misbehaving(breaks) as bad, misbehaving(fine) as good, over(tmp_path, bad, good) as parapet:
            answer = await parapet.chat(stream=True)
            assert said(answer) == "so far"
            assert "backend_broken" in answer.text
            assert parapet.records[0]["attempts"] == 1
            assert 'parapet_backend_attempts_total{backend="d0",model="m",result="backend_broken"} 1.0' in await parapet.metrics()

    asyncio.run(main())


def test_a_pool_that_is_down_says_so(tmp_path: Path) -> None:
    """To callers at once, with Retry-After; in the metrics; and `/readyz` is 503 as long as no model can be served."""

    async def main() -> None:
        async with over(tmp_path, NOBODY, failures=1, cool_down="1h") as parapet:
            assert (await parapet.client.get("/readyz")).json()["pools"] == {"m": {"d0": "closed"}}
            assert (await parapet.chat()).json()["error"]["code"] == "backend_unreachable"
            answer = await parapet.chat()
            error = answer.json()["error"]
            assert (answer.status_code, error["code"], error["type"]) == (503, "backend_unavailable", "backend_error")
            assert 3000 < int(answer.headers["retry-after"]) <= 3600
            assert answer.headers["x-parapet-source"] == "backend"
            ready = await parapet.client.get("/readyz")
            assert (ready.status_code, ready.json()["status"]) == (503, "down")
            assert (ready.json()["down"], ready.json()["pools"]) == (["m"], {"m": {"d0": "open"}})
            assert 'parapet_backend_open{backend="d0",model="m"} 1.0' in await parapet.metrics()

    asyncio.run(main())


def test_another_pool_serves_under_the_policies_of_the_model_that_was_asked_for(tmp_path: Path) -> None:
    """And the record says which; `/readyz` says that one is down, and is ready."""

    async def main() -> None:
        async with misbehaving(fine) as good, over(tmp_path, NOBODY, spare=good, failures=1, cool_down="1h") as parapet:
            for _ in range(2):
                assert (await parapet.chat()).headers["x-parapet-backend"] == "openai-1"
            record = parapet.records[-1]
            assert (record["model"], record["pool"], record["backend"], record["attempts"]) == ("m", "spare", "openai-1", 1)
            ready = await parapet.client.get("/readyz")
            assert (ready.status_code, ready.json()["status"], ready.json()["down"]) == (200, "degraded", ["m"])

    asyncio.run(main())


def test_a_call_takes_no_longer_than_the_deadline(tmp_path: Path) -> None:
    """Before it begins or in the middle of its stream; the backend is told."""
    left: list[bool] = []

    async def hangs(request: Any, writer: asyncio.StreamWriter, reader: asyncio.StreamReader) -> None:
        if request.get("stream"):
            writer.write(BEGUN)
        left.append(await reader.read() == b"")
        raise ConnectionError

    async def main() -> None:
        async with misbehaving(hangs) as bad, over(tmp_path, bad, deadline="200ms") as parapet:
            whole = await parapet.chat()
            assert (whole.status_code, whole.json()["error"]["code"]) == (504, "backend_timeout")
            streamed = await parapet.chat(stream=True)
            assert said(streamed) == "so far"
            assert "deadline" in streamed.text
            while len(left) < 2:  # noqa: ASYNC110 - the server tells when its side of the connection has ended
                await asyncio.sleep(0.01)
            assert left == [True, True]

    asyncio.run(main())


def test_probes_ask_the_server_whether_it_is_well(tmp_path: Path) -> None:
    """At the path that the configuration names, over HTTP."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                asked.append(head.split(b"\r\n")[0])
                writer.write(http(b"{}", "503 Ill" if len(asked) < 4 else "200 OK"))
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        row = OpenAIBackend(kind="openai", base_url=address, probe_path="/health")
        terms: dict[str, Any] = {"probe": "10ms", "cool_down": "50ms"}
        pools = {"m": Pool(backends=(row,), **terms)}
        async with world(tmp_path, REDACT, pools=pools) as parapet:
            seen = set[str]()
            while seen != {"ok", "down"} or len(asked) < 4:
                seen.add((await parapet.client.get("/readyz")).json()["status"])
                await asyncio.sleep(0.005)
            assert set(asked) == {b"GET /health HTTP/1.1"}
            while (await parapet.client.get("/readyz")).json()["status"] != "ok":  # noqa: ASYNC110 - as an orchestrator does
                await asyncio.sleep(0.005)
        server.close()

    asyncio.run(main())
