"""Deployments that are killed and hang under load: what becomes of each call.

`python -m bench.outage` starts three servers of a model and Parapet with two workers before them, all of them processes, and
calls without a pause, whole and streamed in turns. Meanwhile one server is killed and comes back, another is stopped in the
middle of what it does and goes on later. A call is answered once, in full, or fails with an error that says what happened; none
may hang, and none may be answered twice. The exit status is 1 where one does.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import orjson

from bench.processes import free_port, running

ROOT = Path(__file__).parents[1]
PIECES = 5  # of a stream
PACE = 0.02  # seconds between them
LONGEST = 60.0  # seconds after which a call hangs
AT_ONCE = 24
SECONDS = 20.0
OUTAGE = ((3.0, "a", "kill"), (6.0, "b", "stop"), (11.0, "a", "start"), (14.0, "b", "continue"))  # seconds after the beginning
PROBE = orjson.dumps({"model": "m", "messages": [{"role": "user", "content": "hello"}]})
CONFIG = """
workers: 2
policies: [policy.yaml]
record: "off"
first_byte_timeout: 2s
idle_timeout: 2s
pools:
  m:
    backends: [{backends}]
    retries: 2
    retry_share: 1
    failures: 3
    cool_down: 1s
    probe: 500ms
    probe_timeout: 500ms
"""
POLICY = "policy: plain\nrules:\n  - {id: plain, check: pii, with: {entities: [CREDIT_CARD]}, action: redact}\n"


def answer(text: str, reason: str | None) -> dict[str, object]:
    """A completion, or a piece of one."""
    said = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": said, "delta": said, "finish_reason": reason}
    return {"id": "c", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer each request by what it says, at once or in pieces."""
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            length = head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]
            request = orjson.loads(await reader.readexactly(int(length))) if length else {}
            words = [f"{request['messages'][-1]['content']}/{n} " for n in range(PIECES)] if request else []
            if not request.get("stream"):
                await asyncio.sleep(PACE * len(words))
                body = orjson.dumps(answer("".join(words), "stop"))
                writer.write(
                    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body
                )
                continue
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
            for word in words:
                piece(writer, orjson.dumps(answer(word, None)))
                await asyncio.sleep(PACE)
                await writer.drain()
            piece(writer, orjson.dumps(answer("", "stop")))
            piece(writer, b"[DONE]")
            writer.write(b"0\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


def piece(writer: asyncio.StreamWriter, data: bytes) -> None:
    line = b"data: " + data + b"\n\n"
    writer.write(b"%x\r\n%s\r\n" % (len(line), line))


async def backend(port: int) -> None:
    """One deployment of the model."""
    async with await asyncio.start_server(serve, "127.0.0.1", port) as server:
        await server.serve_forever()


@dataclass
class Deployments:
    """The servers of the model, by name."""

    ports: dict[str, int] = field(default_factory=lambda: {name: free_port() for name in "abc"})
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def do(self, name: str, what: str) -> None:
        """Start, kill, stop or continue one."""
        if what == "start":
            command = [sys.executable, "-m", "bench.outage", "--backend", str(self.ports[name])]
            self.processes[name] = subprocess.Popen(command, cwd=ROOT)
            return
        number = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP, "continue": signal.SIGCONT}[what]
        self.processes[name].send_signal(number)
        if what == "kill":
            self.processes[name].wait()

    def end(self) -> None:
        """Have all of them gone."""
        for process in self.processes.values():
            process.kill()
            process.wait()


async def outcome(client: aiohttp.ClientSession, number: int) -> str:
    """What becomes of one call."""
    token, stream = f"call-{number}", number % 2 == 0
    asked = {"model": "m", "messages": [{"role": "user", "content": token}], "stream": stream}
    try:
        async with asyncio.timeout(LONGEST), client.post("/v1/chat/completions", json=asked) as response:
            body = (await response.read()).decode()
    except TimeoutError:
        return "hung"
    except aiohttp.ClientError:
        return "failed without an error that says why"
    said = [body] if not stream else [line.removeprefix("data: ") for line in body.splitlines() if line.startswith("data: {")]
    payloads = [orjson.loads(each) for each in said]
    if any(str(each.get("error", {}).get("code", "")).startswith("backend_") for each in payloads):
        return "failed with a clear error, " + ("before its answer began" if response.status != 200 else "within its stream")
    text = "".join(choice["message" if not stream else "delta"].get("content") or "" for p in payloads for choice in p["choices"])
    if text == "".join(f"{token}/{n} " for n in range(PIECES)):
        return "answered"
    return "doubled" if text.count(f"{token}/0") > 1 else "cut off without an error"


async def load(url: str, deployments: Deployments) -> tuple[Counter[str], list[float]]:
    """Call for as long as the outage lasts; what became of all calls, and how long those took that were answered."""
    ended: Counter[str] = Counter()
    took: list[float] = []
    begun = time.monotonic()
    numbers = iter(range(10**9))

    async def caller(client: aiohttp.ClientSession) -> None:
        while time.monotonic() - begun < SECONDS:
            start = time.monotonic()
            result = await outcome(client, next(numbers))
            ended[result] += 1
            if result == "answered":
                took.append(time.monotonic() - start)

    async def disturb() -> None:
        for when, name, what in OUTAGE:
            await asyncio.sleep(begun + when - time.monotonic())
            await asyncio.to_thread(deployments.do, name, what)
            print(f"{time.monotonic() - begun:5.1f} s  {what} {name}: {ended.total()} calls have ended", flush=True)

    async with aiohttp.ClientSession(url, connector=aiohttp.TCPConnector(limit=0)) as client:
        await asyncio.gather(disturb(), *(caller(client) for _ in range(AT_ONCE)))
    return ended, sorted(took)


def main() -> int:
    """Run it, and print what became of the calls."""
    parser = argparse.ArgumentParser(prog="python -m bench.outage", description=__doc__)
    parser.add_argument("--backend", type=int, metavar="PORT", help="be one of the servers of the model, and nothing else")
    given = parser.parse_args()
    if given.backend:
        asyncio.run(backend(given.backend))
        return 0
    with ExitStack() as stack:
        folder, deployments, port = Path(stack.enter_context(tempfile.TemporaryDirectory())), Deployments(), free_port()
        stack.callback(deployments.end)
        for name in deployments.ports:
            deployments.do(name, "start")
        rows = (f"{{kind: openai, name: {n}, base_url: 'http://127.0.0.1:{p}/v1'}}" for n, p in deployments.ports.items())
        (folder / "parapet.yaml").write_text(CONFIG.format(backends=", ".join(rows)))
        (folder / "policy.yaml").write_text(POLICY)
        command = [sys.executable, "-m", "proxy.cli", "serve", "--config", str(folder / "parapet.yaml"), "--port", str(port)]
        env, url = {**os.environ, "PYTHONPATH": str(ROOT)}, f"http://127.0.0.1:{port}"
        where = running(
            command, f"{url}/v1/chat/completions", folder=folder, log=folder / "log", env=env, probe=PROBE, patience=120
        )
        stack.enter_context(where)
        ended, took = asyncio.run(load(url, deployments))
    print(f"{'sent':<60}{ended.total():>7}")
    for result in sorted(ended.keys() | {"answered", "hung", "doubled"}):
        print(f"{result:<60}{ended[result]:>7}")
    print(f"answered in: median {took[len(took) // 2]:.2f} s, p99 {took[int(len(took) * 0.99)]:.2f} s, longest {took[-1]:.2f} s")
    good = {"answered"} | {result for result in ended if result.startswith("failed with a clear error")}
    return 0 if ended.keys() <= good else 1


if __name__ == "__main__":
    raise SystemExit(main())
