"""What guarding adds in each API: before the first token (the request), before the first piece, and to each piece of a stream.

`python -m bench.dialects` sends the samples of each dialect (`proxy/dialects/samples`: every field that it knows) the way of a
call, under the policy `baseline.yaml`, in this process and without a backend: what is left is reading, judging and writing. Times
are CPU time of the process, medians of many rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import orjson

from proxy.checks import CATALOGUE, combined
from proxy.coverage import payloads
from proxy.dialects import DIALECTS, Dialect
from proxy.engine import Engine, Guard
from proxy.metrics import Metrics
from proxy.policy import load
from proxy.settings import Settings
from proxy.streaming import GuardedStream

POLICY = Path(__file__).resolve().parent.parent / "policies" / "baseline.yaml"
ROUNDS = 200


@dataclass(frozen=True, slots=True)
class Cost:
    """Microseconds; 0 where there is no stream."""

    dialect: str
    prompt: float  # reading, judging and writing the request
    first: float  # the first event of a stream that goes out
    piece: float  # any other event


def spent(begun: int) -> float:
    """Microseconds of CPU since then."""
    return (time.process_time_ns() - begun) / 1000


async def of_request(dialect: Dialect, guard: Guard, request: Any) -> float:
    """What a request costs before a backend hears of it."""
    source = orjson.dumps(request)
    begun = time.process_time_ns()
    payload = orjson.loads(source)
    reading = dialect.read(payload)
    verdict = await guard.judge("prompt", reading.segments)
    reading.write(verdict.texts)
    orjson.dumps(payload, default=str)
    return spent(begun)


def of_stream(dialect: Dialect, guard: Guard, events: list[Any]) -> tuple[float, float]:
    """What the first event costs, and the mean of all others."""
    wire = [b"data: " + orjson.dumps(event) + b"\n\n" for event in events]
    guarded = GuardedStream(dialect, guard.growing())
    begun = time.process_time_ns()
    guarded.feed(wire[0])
    first = spent(begun)
    begun = time.process_time_ns()
    for event in wire[1:]:
        guarded.feed(event)
    guarded.finish()
    return first, spent(begun) / max(1, len(wire) - 1)


async def cost(dialect: Dialect, guard: Guard, rounds: int) -> Cost:
    """The medians of one dialect, over its longest samples."""
    found = list(payloads(dialect))
    requests = [payload for direction, _, payload in found if direction == "prompt"]
    streams = [payload for _, streamed, payload in found if streamed]
    request = max(requests, key=lambda each: len(orjson.dumps(each)))
    prompts = [await of_request(dialect, guard, request) for _ in range(rounds)]
    if not streams:
        return Cost(dialect.name, median(prompts), 0.0, 0.0)
    longest = max(streams, key=len)
    timed = [of_stream(dialect, guard, longest) for _ in range(rounds)]
    return Cost(dialect.name, median(prompts), median(each[0] for each in timed), median(each[1] for each in timed))


async def costs(rounds: int) -> list[Cost]:
    """Of all dialects; what has been judged before is not remembered, so that it is judged each time."""
    engine = Engine(Settings(pools={}, record="off", verdict_cache=0), CATALOGUE, combined, Metrics())
    engine.use(load([POLICY], CATALOGUE))
    guard = engine.guard("", "")
    try:
        return [await cost(dialect, guard, rounds) for dialect in DIALECTS.values()]
    finally:
        engine.close()


def main() -> int:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.dialects", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"of each sample ({ROUNDS})")
    arguments = parser.parse_args()
    print(f"{'API':<24}{'request':>12}{'first event':>14}{'each event':>14}   (CPU, microseconds)")
    for each in asyncio.run(costs(arguments.rounds)):
        streamed = f"{each.first:>14.1f}{each.piece:>14.1f}" if each.piece else f"{'-':>14}{'-':>14}"
        print(f"{each.dialect:<24}{each.prompt:>12.1f}{streamed}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
