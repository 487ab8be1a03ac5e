"""Measures systems side by side: all are started, and every load goes to each in turn, round after round."""

from __future__ import annotations

import math
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Literal

import orjson
import uvloop

from bench import backend, load, peers, processes, texts
from bench.systems import BACKEND, ROOT, SYSTEMS, System

_SETTLE = 0.05  # seconds for what a system does after its last answer
_STREAM_SECONDS = backend.PACE * texts.ANSWER_TOKENS

Kind = Literal["calls", "streams", "paced", "day"]  # paced: calls in an open loop; day: conversations that resend their history


@dataclass(frozen=True, slots=True)
class Scenario:
    """One load: `count` calls or streams, `connections` at once, or `rate` a second in an open loop."""

    kind: Kind
    connections: int
    count: int
    rate: float = 0.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured, how often, and for how many seconds at the most each time."""

    scenarios: tuple[Scenario, ...]
    rounds: int
    seconds: float = 20.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One system under one load in one round. Times are in seconds."""

    system: str
    scenario: Scenario
    round: int
    cpu: float  # of the system's processes, for each call or for each token of a stream
    backend_cpu: float  # the same of the backend, to show that it is not what is measured
    rate: float  # calls or streams a second
    p50: float  # of a call, of a stream to its first text
    p99: float
    first: float  # median to the first byte of the body
    gap: float  # median of the longest wait within a stream
    rss: int
    failed: int  # calls that were not answered with 200, but for those that should be stopped
    changed: int  # answers, of those looked at, whose text is not the backend's or whose stream has no [DONE]
    stopped: float = math.nan  # of the calls that should be stopped, the share that were not answered with 200


@dataclass(frozen=True, slots=True)
class Start:
    """How a system came up; `problem` says why it did not."""

    system: str
    seconds: float
    rss: int
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Measured:
    """Everything that was measured in one run."""

    starts: tuple[Start, ...]
    samples: tuple[Sample, ...]


WARMING = (Scenario("calls", 16, 320), Scenario("streams", 16, 16))
Tell = Callable[[str], None]


def measure(systems: Sequence[System], plan: Plan, tell: Tell) -> Measured:
    """Runs the plan; a system that does not come up is left out and its start says why. `tell` hears how far it is."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="parapet-bench-")))
        upstream = stack.enter_context(_started(SYSTEMS[0], folder, ""))
        up: dict[str, processes.Running] = {BACKEND: upstream}
        starts = [_start(BACKEND, upstream)]
        address = upstream.url.removesuffix(SYSTEMS[0].path)
        for system in systems:
            tell(f"starting {system.name}")
            try:
                up[system.name] = stack.enter_context(_started(system, folder, address))
                starts.append(_start(system.name, up[system.name]))
            except processes.StartError as problem:
                starts.append(Start(system.name, 0.0, 0, str(problem)))
        return Measured(tuple(starts), tuple(_Bench(up, plan, tell).samples()))


def _start(name: str, running: processes.Running) -> Start:
    return Start(name, running.seconds, processes.usage(running.pid).rss)


def _started(system: System, above: Path, address: str) -> AbstractContextManager[processes.Running]:
    folder = above / system.name
    folder.mkdir()
    port, spare = processes.free_port(), processes.free_port()
    given = {"python": sys.executable, "port": str(port), "backend": address, "folder": str(folder), "root": str(ROOT)}
    given |= {"peers": str(peers.FOLDER), "spare": str(spare)}
    if system.peer and not peers.ready(system.peer):
        raise processes.StartError(f"it is not set up: python -m bench.peers {system.peer}")
    for name, source in system.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(Template(source).substitute(given))
    env = {name: value for name, value in os.environ.items() if not name.startswith("PARAPET_")}
    env |= {"PYTHONPATH": str(ROOT), "NO_PROXY": "127.0.0.1"}
    env |= {name: Template(value).substitute(given) for name, value in system.env.items()}
    return processes.running(
        [Template(part).substitute(given) for part in system.command],
        f"http://127.0.0.1:{port}{system.path}",
        folder=folder,
        log=folder / "log.txt",
        env=env,
        probe=texts.chats("ready", 1, stream=False)[0],
        headers={name: Template(value).substitute(given) for name, value in system.headers.items()},
        patience=system.patience,
    )


class _Bench:
    """The systems that are up, and the loads that go to them."""

    def __init__(self, up: Mapping[str, processes.Running], plan: Plan, tell: Tell) -> None:
        self._up, self._plan, self._tell = up, plan, tell
        self._script = frozenset(texts.answer(number).text for number in range(backend.ANSWERS))

    def samples(self) -> Iterator[Sample]:
        """One sample for each round, scenario and system; each round begins with another system."""
        names = list(self._up)
        for name in names:
            self._tell(f"warming up {name}")
            for scenario in filter(self._fits(name), WARMING):
                self._sample(name, scenario, -1)
        for turn in range(self._plan.rounds):
            shift = turn % len(names)
            for scenario in self._plan.scenarios:
                for name in names[shift:] + names[:shift]:
                    if not self._fits(name)(scenario):
                        continue
                    self._tell(f"round {turn + 1} of {self._plan.rounds}: {scenario.connections} {scenario.kind} at once, {name}")
                    yield self._sample(name, scenario, turn)

    def _sample(self, name: str, scenario: Scenario, turn: int) -> Sample:
        streams = scenario.kind == "streams"
        turns = turns_of(scenario, f"{turn} {scenario}")
        bodies = [each.body for each in turns]
        ramp = _STREAM_SECONDS if streams else 0.0
        running = self._up[name]
        sent = load.Load(
            running.url,
            bodies,
            scenario.connections,
            seconds=self._plan.seconds,
            rate=scenario.rate,
            ramp=ramp,
            headers=running.headers,
        )
        before, upstream_before = self._usage(name), self._usage(BACKEND)
        outcome = uvloop.run(load.send(sent))
        time.sleep(_SETTLE)
        after, upstream_after = self._usage(name), self._usage(BACKEND)
        parts = len(outcome.calls) * (texts.ANSWER_TOKENS if streams else 1)
        good = outcome.good
        took = sorted(call.text if streams else call.seconds for call in good) or [float("nan")]
        return Sample(
            system=name,
            scenario=scenario,
            round=turn,
            cpu=(after.cpu - before.cpu) / parts,
            backend_cpu=(upstream_after.cpu - upstream_before.cpu) / parts,
            rate=len(good) / outcome.seconds,
            p50=_quantile(took, 0.5),
            p99=_quantile(took, 0.99),
            first=statistics.median([call.first for call in good] or [float("nan")]),
            gap=statistics.median([call.gap for call in good] or [float("nan")]),
            rss=after.rss,
            failed=sum(call.status != 200 and not turns[call.number].stop for call in outcome.calls),
            stopped=share_of([call.status != 200 for call in outcome.calls if turns[call.number].stop]),
            changed=sum(said(answer) not in self._script for answer in outcome.answers),
        )

    def _fits(self, name: str) -> Callable[[Scenario], bool]:
        """Which loads a system can take."""
        streams = next(system.streams for system in SYSTEMS if system.name == name)
        return lambda scenario: streams or scenario.kind != "streams"

    def _usage(self, name: str) -> processes.Usage:
        return processes.usage(self._up[name].pid)


def turns_of(scenario: Scenario, seed: str) -> list[texts.Turn]:
    """What a load sends."""
    if scenario.kind == "day":
        return texts.day(seed, scenario.count)
    return [texts.Turn(body) for body in texts.chats(seed, scenario.count, stream=scenario.kind == "streams")]


def share_of(found: Sequence[bool]) -> float:
    """How many of them hold; not a number where there are none."""
    return sum(found) / len(found) if found else float("nan")


def _quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def said(answer: bytes) -> str | None:
    """The text of an answer, whole or as a stream's events; None when it is neither, or a stream without its end."""
    try:
        if not answer.startswith(b"data:"):
            return str(orjson.loads(answer)["choices"][0]["message"]["content"])
        *events, end = [line[5:].strip() for line in answer.splitlines() if line.startswith(b"data:")]
        choices = [choice for event in events for choice in orjson.loads(event)["choices"]]
        return "".join(choice["delta"].get("content") or "" for choice in choices) if end == b"[DONE]" else None
    except (ValueError, KeyError, IndexError, TypeError):
        return None
