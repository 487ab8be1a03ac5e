"""Many streams for a long time: `python -m bench.soak --minutes 10 --streams 64` says whether memory stays flat.

Parapet, with the policy `baseline.yaml`, stands between the benchmark's backend and so many callers, who begin a new stream as
one has ended; a few of them leave in the middle. Memory is read each second, pages of all its processes together. The first fifth
of the time is for warming up; of the rest, the median of the last quarter may exceed that of the first by `GROWTH` at most. The
exit status is 1 where it grows more, or an answer was not good.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import aiohttp

from bench import processes, texts

ROOT = Path(__file__).resolve().parent.parent
GROWTH = 0.05  # of what there was when it was warm
LEAVES = 20  # each such call of a caller is left in the middle
CHATS = 512  # different ones
CONFIG = """\
pools: {{bench: {{backends: [{{kind: openai, base_url: "{backend}/v1"}}]}}}}
policies: ["{root}/policies/baseline.yaml"]
record: "off"
"""


@dataclass(slots=True)
class Seen:
    """What has been seen so far."""

    good: int = 0
    bad: int = 0
    left: int = 0
    size: int = 0  # bytes of all answers
    firsts: list[float] = field(default_factory=list)  # seconds to the first piece, of the last streams
    memory: list[int] = field(default_factory=list)  # bytes, each second


async def caller(session: aiohttp.ClientSession, url: str, bodies: itertools.cycle[bytes], seen: Seen, until: float) -> None:
    """One stream after the other."""
    for number in itertools.count(1):
        if time.monotonic() > until:
            return
        begun = time.monotonic()
        leaves = number % LEAVES == 0
        last = b""
        try:
            async with session.post(url, data=next(bodies), headers={"content-type": "application/json"}) as response:
                async for piece in response.content.iter_any():
                    if not last:
                        seen.firsts.append(time.monotonic() - begun)
                        del seen.firsts[:-10_000]
                    seen.size += len(piece)
                    last = (last + piece)[-64:]
                    if leaves:
                        seen.left += 1
                        response.close()
                        break
                if not leaves:
                    ended = response.status == 200 and last.endswith(b"data: [DONE]\n\n")
                    seen.good, seen.bad = seen.good + ended, seen.bad + (not ended)
        except aiohttp.ClientError:
            seen.bad += 1


async def watch(pid: int, seen: Seen, until: float) -> None:
    """Read the memory each second, and tell it each minute."""
    while time.monotonic() < until:
        await asyncio.sleep(1)
        seen.memory.append(processes.usage(pid).rss)
        if len(seen.memory) % 60 == 0:
            told = f"{len(seen.memory) // 60} min: {seen.memory[-1] / 2**20:.1f} MiB, {seen.good} streams, {seen.bad} bad"
            print(told, file=sys.stderr, flush=True)


async def soak(running: processes.Running, streams: int, seconds: float) -> Seen:
    """All callers at once, for so long."""
    seen, until = Seen(), time.monotonic() + seconds
    bodies = itertools.cycle(texts.chats("soak", CHATS, stream=True))
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=120)) as session:
        callers = [caller(session, running.url, bodies, seen, until) for _ in range(streams)]
        await asyncio.gather(watch(running.pid, seen, until), *callers)
    return seen


def growth(memory: list[int]) -> float:
    """By which share it grew, from the first quarter after warming up to the last."""
    warm = memory[len(memory) // 5 :]
    quarter = max(1, len(warm) // 4)
    return median(warm[-quarter:]) / median(warm[:quarter]) - 1


@contextlib.contextmanager
def served(folder: Path) -> Iterator[processes.Running]:
    """The backend and Parapet, as processes."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("PARAPET_")} | {"PYTHONPATH": str(ROOT)}
    probe = texts.chats("ready", 1, stream=False)[0]
    backend, port = processes.free_port(), processes.free_port()
    (folder / "parapet.yaml").write_text(CONFIG.format(backend=f"http://127.0.0.1:{backend}", root=ROOT))
    path = "/v1/chat/completions"
    with ExitStack() as stack:

        def start(name: str, command: list[str], at: int) -> processes.Running:
            url, log = f"http://127.0.0.1:{at}{path}", folder / f"{name}.log"
            ran = [sys.executable, "-m", *command, "--port", str(at)]
            return stack.enter_context(processes.running(ran, url, folder=folder, log=log, env=env, probe=probe, patience=120))

        start("backend", ["bench.backend"], backend)
        yield start("parapet", ["proxy.cli", "serve", "--config", str(folder / "parapet.yaml")], port)


def main() -> int:
    """Soak, and say what came of it."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="for how long (10)")
    parser.add_argument("--streams", type=int, default=64, help="how many at once (64)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="parapet-soak-") as folder, served(Path(folder)) as running:
        before = processes.usage(running.pid)
        seen = asyncio.run(soak(running, arguments.streams, 60 * arguments.minutes))
        spent = processes.usage(running.pid).cpu - before.cpu
    grown, firsts = growth(seen.memory), sorted(seen.firsts)
    print(f"streams: {seen.good} good, {seen.bad} bad, {seen.left} left in the middle; {seen.size / 2**20:.0f} MiB")
    print(f"first piece: median {1000 * median(firsts):.1f} ms, p99 {1000 * firsts[int(len(firsts) * 0.99)]:.1f} ms")
    print(f"CPU of Parapet: {1000 * spent / max(1, seen.good + seen.left):.2f} ms a stream")
    low, high = min(seen.memory) / 2**20, max(seen.memory) / 2**20
    print(f"memory: {low:.1f} to {high:.1f} MiB, at the end {seen.memory[-1] / 2**20:.1f} MiB; grown by {100 * grown:.2f} %")
    flat, sound = grown <= GROWTH, seen.good > 0 and seen.bad == 0
    print(f"memory is {'flat' if flat else 'NOT flat'}; {'every answer was good' if sound else 'NOT every answer was good'}")
    return 0 if flat and sound else 1


if __name__ == "__main__":
    sys.exit(main())
