"""Realtime sessions, batches and files: refused unless the configuration names them, then passed as they are, and said to be."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets
from aiohttp import WSMsgType, web

from proxy.errors import SettingError
from proxy.settings import Key, OpenAIBackend, Pool
from tests.world import CARD, REDACT, World, served, world

EVERY = {"realtime": "m", "batches": "m", "files": "m"}
TOKEN = "caller" + "-key"
HEADERS = {"authorization": f"Bearer {TOKEN}"}


@contextlib.asynccontextmanager
async def backend() -> AsyncIterator[tuple[str, list[Any]]]:
    """A server with a realtime API that repeats what it hears, files and batches; its address, and what it heard."""
    heard: list[Any] = []

    async def realtime(request: web.Request) -> web.WebSocketResponse:
        heard.append((request.path_qs, dict(request.headers)))
        socket = web.WebSocketResponse(protocols=["realtime"])
        await socket.prepare(request)
        async for message in socket:
            if message.data == "bye":
                await socket.close(code=4001)
            elif message.type is WSMsgType.TEXT:
                await socket.send_str(f"heard {message.data}")
            else:
                await socket.send_bytes(message.data)
        heard.append("closed")
        return socket

    async def anything(request: web.Request) -> web.StreamResponse:
        heard.append((request.method, request.path_qs, dict(request.headers), await request.read()))
        if request.path.endswith("/moved"):
            return web.Response(status=307, headers={"location": "/elsewhere"})
        if request.path.endswith("/broken"):
            broken = web.StreamResponse(headers={"content-length": "100"})
            await broken.prepare(request)
            await broken.write(b"so far")
            assert request.transport is not None
            request.transport.close()
            return broken
        if request.path.endswith("/slow"):
            await asyncio.sleep(0.6)
            heard.append("answered")
        if request.path.endswith("/content"):
            return web.Response(body=b"line\n" * 3, content_type="application/octet-stream")
        return web.json_response({"id": "file_1"}, status=201 if request.method == "POST" else 200)

    app = web.Application()
    app.router.add_get("/v1/realtime", realtime)
    app.router.add_route("*", "/{path:.*}", anything)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1", heard
    finally:
        await runner.cleanup()


def over(folder: Path, address: str, **more: Any) -> World:
    """Parapet before it, whose callers have keys of their own."""
    rows = (OpenAIBackend(kind="openai", base_url=address, api_key_env="THEIRS", model="gpt-realtime"),)
    given: dict[str, Any] = {"pools": {"m": Pool(backends=rows)}, "secrets": {"THEIRS": "backend-key"}, **more}
    keys = (Key(name="one", sha256=hashlib.sha256(TOKEN.encode()).hexdigest()),)
    return world(folder, REDACT, keys=keys, **given)


@pytest.mark.slow
def test_a_realtime_session_passes_as_it_is_and_is_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Texts and bytes both ways, under the backend's key and model; how it ends; the log, the record and the metric say so."""
    caplog.set_level(logging.WARNING, "proxy.uninspected")

    async def main() -> None:
        async with backend() as (address, heard):
            parapet = over(tmp_path, address, uninspected=EVERY)
            assert caplog.text.count("passes uninspected") == 3
            async with served(parapet.app) as url:
                at = url.replace("http", "ws") + "/v1/realtime?model=m"
                async with websockets.connect(at, additional_headers=HEADERS, subprotocols=["realtime"]) as socket:  # type: ignore[list-item]
                    assert socket.subprotocol == "realtime"
                    await socket.send(f"pay {CARD}")
                    assert await socket.recv() == f"heard pay {CARD}"
                    await socket.send(b"\x00\x01")
                    assert await socket.recv() == b"\x00\x01"
                    await socket.send("bye")
                    with pytest.raises(websockets.ConnectionClosed):
                        await socket.recv()
                    assert socket.close_code == 4001
                async with websockets.connect(at, additional_headers=HEADERS) as socket:
                    await socket.send("hello")
                    await socket.recv()
                with pytest.raises(websockets.InvalidStatus) as refused:
                    await websockets.connect(at)
                assert refused.value.response.status_code in (401, 403)
                async with httpx.AsyncClient(base_url=url) as client:
                    assert (await client.get("/readyz")).json()["uninspected"] == list(EVERY)
                    page = (await client.get("/metrics")).text
                assert 'parapet_not_inspected_total{reason="realtime"} 2.0' in page
            path, headers = heard[0]
            assert path == "/v1/realtime?model=gpt-realtime"
            assert headers["Authorization"] == "Bearer backend-key"
            assert heard.count("closed") == 2, "a caller who leaves ends the session"
            assert [record["outcome"] for record in parapet.records] == ["served", "served", "denied"]
            assert parapet.records[0]["not_inspected"] == {"realtime": 1}
            assert CARD not in parapet.record.read_text() + caplog.text

    asyncio.run(main())


@pytest.mark.slow
def test_files_and_batches_pass_as_they_are_and_are_counted(tmp_path: Path) -> None:
    """Forms, JSON and downloads, with the backend's key and never the caller's."""

    async def main() -> None:
        async with backend() as (address, heard), over(tmp_path, address, uninspected=EVERY) as parapet:
            client = parapet.client
            line = f'{{"custom_id": "1", "body": {{"messages": "{CARD}"}}}}\n'.encode()
            put = await client.post("/v1/files", data={"purpose": "batch"}, files={"file": ("a.jsonl", line)}, headers=HEADERS)
            assert (put.status_code, put.json()) == (201, {"id": "file_1"})
            made = await client.post("/v1/batches", json={"input_file_id": "file_1"}, headers=HEADERS)
            assert made.status_code == 201
            got = await client.get("/v1/files/file_1/content?a=b", headers=HEADERS)
            assert (got.text, got.headers["content-type"]) == ("line\n" * 3, "application/octet-stream")
            denied = await client.get("/v1/batches")
            assert (denied.status_code, denied.json()["error"]["type"]) == (401, "authentication_error")
            form, batch, content = heard
            assert line in form[3]
            assert form[2]["Content-Type"].startswith("multipart/form-data")
            assert batch[3] == b'{"input_file_id":"file_1"}'
            assert content[:2] == ("GET", "/v1/files/file_1/content?a=b")
            assert {each[2]["Authorization"] for each in heard} == {"Bearer backend-key"}
            counted = [record["not_inspected"] for record in parapet.records]
            assert counted == [{"file": 1}, {"batch": 1}, {"file": 1}, {}]

    asyncio.run(main())


@pytest.mark.slow
def test_what_the_configuration_does_not_name_is_refused(tmp_path: Path) -> None:
    """Each API by itself, and whatever is like it."""

    async def main() -> None:
        async with backend() as (address, heard), over(tmp_path, address, uninspected={"batches": "m"}) as parapet:
            for path in ("/v1/files", "/v1/realtime/sessions", "/v1/batchesx", "/v1/uploads/u/parts"):
                answer = await parapet.client.post(path, json={}, headers=HEADERS)
                assert answer.status_code in (403, 404), path
            assert (await parapet.client.get("/readyz")).json()["uninspected"] == ["batches"]
            assert heard == []

    asyncio.run(main())


def test_a_model_without_such_a_backend_is_refused_at_the_start(tmp_path: Path) -> None:
    """The setting is named, and what was expected."""
    with pytest.raises(SettingError, match="uninspected"):
        world(tmp_path, REDACT, uninspected={"realtime": "nobody"})


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", ["/v1/files/%2e%2e/chat/completions", "/v1/files/..%2Fchat/completions", "/v1/files/%252e%252e/a", "/v1/files/x/%2e"]
)
def test_no_path_leads_from_an_api_that_passes_to_one_that_is_guarded(tmp_path: Path, path: str) -> None:
    """However its dots are written."""

    async def main() -> None:
        async with backend() as (address, heard), over(tmp_path, address, uninspected=EVERY) as parapet:
            asked = {"model": "m", "messages": [{"role": "user", "content": CARD}]}
            answer = await parapet.client.post(path, json=asked, headers=HEADERS)
            assert answer.status_code in (403, 404)
            assert heard == []

    asyncio.run(main())


@pytest.mark.slow
def test_a_redirect_is_not_followed_and_a_model_in_the_query_is_the_backends(tmp_path: Path) -> None:
    """However the name of the parameter is written."""

    async def main() -> None:
        async with backend() as (address, heard), over(tmp_path, address, uninspected=EVERY) as parapet:
            answer = await parapet.client.post("/v1/files/moved?mod%65l=other&a=b", content=b"x", headers=HEADERS)
            assert answer.status_code == 307
            assert [each[1] for each in heard] == ["/v1/files/moved?model=gpt-realtime&a=b"]

    asyncio.run(main())


@pytest.mark.slow
def test_an_answer_that_breaks_off_or_whose_caller_leaves_is_recorded_as_that(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The caller sees that it is not whole; a caller who leaves ends the backend's work."""

    async def main() -> None:
        async with backend() as (address, heard):
            parapet = over(tmp_path, address, uninspected=EVERY)
            async with served(parapet.app) as url, httpx.AsyncClient(base_url=url, headers=HEADERS) as client:
                with pytest.raises(httpx.RemoteProtocolError):
                    await client.get("/v1/files/f/broken")
                with pytest.raises(httpx.ReadTimeout):
                    await client.get("/v1/files/f/slow", timeout=0.2)
                await asyncio.sleep(0.2)
                assert [record["outcome"] for record in parapet.records] == ["backend_error", "client_left"]
            assert "answered" not in heard

    asyncio.run(main())
    assert "Traceback" not in caplog.text
