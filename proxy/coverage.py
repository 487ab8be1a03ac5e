"""What is inspected: found out by planting a text in every field of every dialect's samples, and looking what becomes of it.

The samples are `dialects/samples/NAME.json`: requests, answers and streams that hold every field that the dialect knows. Each
text in them is replaced, one at a time, by a card number (where it holds `words`, those alone), and read, judged under a rule
that replaces card numbers in every role, and written by the same functions as a call. Nothing here says what should come of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import orjson

from proxy.checks import CATALOGUE, combined
from proxy.core import Direction, Finding
from proxy.dialects import DIALECTS, Dialect
from proxy.engine import Engine, Guard
from proxy.errors import BackendBroken, RequestError
from proxy.metrics import Metrics
from proxy.policy import parse, policy_set
from proxy.settings import Settings
from proxy.streaming import GuardedStream

Outcome = Literal["rewritten", "inspected", "removed", "refused", "not inspected, counted", "relayed"]
MEANING: dict[Outcome, str] = {
    "rewritten": "every check reads it, and rules can replace what is found in it",
    "inspected": "every check reads it, but nothing can be replaced in it: rules can block",
    "removed": "it repeats a text that checks read; it is taken out when that text is changed, or may yet be",
    "refused": "a request with such a text there is refused, an answer is broken",
    "not inspected, counted": "no check can read it; it is relayed and counted in `parapet_not_inspected_total` and the record",
    "relayed": "it is a name, a number or an option of the API, and no text: it is relayed as it is",
}
RULE = "policy: coverage\nrules:\n  - {id: cards, check: pii, with: {entities: [CREDIT_CARD]}, action: redact}\n"
TEXT = "4111 1111 1111 1111"
OTHER = "5555 5555 5555 4444"
WORDS = "words"  # in a sample, the part of a text that may be replaced: the rest is needed around it
Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """What becomes of the texts of one field; `role` and `reason` are empty where nobody reads them."""

    dialect: str
    direction: Direction
    streamed: bool
    field: str
    role: str
    outcome: Outcome
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """What became of one payload."""

    findings: Sequence[Finding]
    written: bytes
    skipped: Mapping[str, int]
    refused: bool = False

    @property
    def shows(self) -> bool:
        """Whether the planted text goes on."""
        return TEXT.encode() in self.written


def rows(dialects: Iterable[Dialect] | None = None) -> list[Row]:
    """The whole table, or that of some dialects."""
    every = DIALECTS.values() if dialects is None else dialects
    return asyncio.run(every_row(list(every)))


async def every_row(dialects: Sequence[Dialect]) -> list[Row]:
    """Row by row, in the order of the samples."""
    guard = prober()
    return [row for dialect in dialects for row in await rows_of(dialect, guard)]


async def rows_of(dialect: Dialect, guard: Guard) -> list[Row]:
    """The rows of one dialect. A field that comes to different ends in different places has a row for each."""
    made: dict[Row, None] = {}
    for direction, streamed, payload in payloads(dialect):
        probe = Probe(dialect, guard, direction, streamed, payload)
        await probe.run()
        for path, seen in probe.seen.items():
            outcome, reason = await probe.outcome(path)
            role = seen.findings[0].role if seen.findings else ""
            made[Row(dialect.name, direction, streamed, field_of(payload, path, streamed=streamed), role, outcome, reason)] = None
    return list(made)


def payloads(dialect: Dialect) -> Iterator[tuple[Direction, bool, Any]]:
    """The samples of a dialect: each with its direction, and whether it is a stream."""
    sample = sample_of(dialect)
    yield from (("prompt", False, payload) for payload in sample["requests"])
    yield from (("completion", False, payload) for payload in sample["answers"])
    yield from (("completion", True, payload) for payload in sample["streams"])


def sample_of(dialect: Dialect) -> dict[str, list[Any]]:
    """The samples of a dialect; none of what its file leaves out."""
    source = files("proxy.dialects") / "samples" / f"{dialect.name}.json"
    sample: dict[str, list[Any]] = orjson.loads(source.read_bytes())
    return {"requests": [], "answers": [], "streams": []} | sample


@cache
def prober() -> Guard:
    """A guard under a rule that replaces card numbers wherever they are."""
    engine = Engine(Settings(pools={}, record="off"), CATALOGUE, combined, Metrics())
    engine.use(policy_set([parse(RULE, "coverage", CATALOGUE)]))
    return engine.guard("", "")


def leaves(payload: Any, path: Path = ()) -> Iterator[Path]:
    """The places of all texts."""
    if isinstance(payload, str):
        yield path
    elif isinstance(payload, dict | list):
        for key, value in payload.items() if isinstance(payload, dict) else enumerate(payload):
            yield from leaves(value, (*path, key))


def plant(payload: Any, path: Path, text: str = TEXT) -> Any:
    """A copy with the text at a place replaced."""
    copy = orjson.loads(orjson.dumps(payload))
    holder = at(copy, path[:-1])
    before = holder[path[-1]]
    holder[path[-1]] = before.replace(WORDS, text) if WORDS in before else text
    return copy


def pruned(payload: Any, path: Path) -> Any:
    """A copy without what is at a place."""
    copy = orjson.loads(orjson.dumps(payload))
    del at(copy, path[:-1])[path[-1]]
    return copy


def at(payload: Any, path: Path) -> Any:
    """What is at a place."""
    for key in path:
        payload = payload[key]
    return payload


def field_of(payload: Any, path: Path, *, streamed: bool) -> str:
    """A place as a field: without numbers; in a stream with the type of the event, if it has one."""
    kind = payload[path[0]].get("type") if streamed else None
    names = path[1:] if streamed else path
    dotted = "".join("[]" if isinstance(key, int) else f".{key}" for key in names).removeprefix(".")
    return f"{kind}: {dotted}" if isinstance(kind, str) else dotted


def markdown(every: Sequence[Row]) -> str:
    """The table as a page has it: the fields of a dialect with what becomes of them, those that are relayed in a line."""
    lines = ["| what becomes of a text | meaning |", "| --- | --- |", *(f"| {name} | {MEANING[name]} |" for name in MEANING), ""]
    for name in dict.fromkeys(row.dialect for row in every):
        path = next(path for path, dialect in DIALECTS.items() if dialect.name == name)
        told = [row for row in every if row.dialect == name and row.outcome != "relayed"]
        lines += [f"## `{name}`: `{path}`", "", "| direction | field | role | what becomes of it |", "| --- | --- | --- | --- |"]
        for row in told:
            reason = f" as `{row.reason}`" if row.reason else ""
            lines.append(f"| {way(row)} | `{row.field}` | {row.role} | {row.outcome}{reason} |")
        fields = dict.fromkeys(row.field for row in every if row.dialect == name and row.outcome == "relayed")
        lines += ["", "Relayed as they are: " + ", ".join(f"`{field}`" for field in fields) + ".", ""]
    return "\n".join(lines)


def way(row: Row) -> str:
    """The direction of a row, and whether it is of a stream."""
    return f"{row.direction}, streamed" if row.streamed else row.direction


class Probe:
    """One payload, and what becomes of the texts that are planted in it."""

    def __init__(self, dialect: Dialect, guard: Guard, direction: Direction, streamed: bool, payload: Any) -> None:
        self.dialect, self.guard, self.direction, self.streamed, self.payload = dialect, guard, direction, streamed, payload
        self.seen: dict[Path, Seen] = {}

    async def run(self) -> None:
        """Plant a text in each place."""
        self.seen = {path: await self.watch(plant(self.payload, path)) for path in leaves(self.payload)}

    async def outcome(self, path: Path) -> tuple[Outcome, str]:
        """What became of the text planted at a place, and the reason under which it is counted."""
        seen = self.seen[path]
        if seen.refused:
            return "refused", ""
        if seen.findings:
            return ("inspected" if seen.shows else "rewritten"), ""
        if not seen.shows or not (self.streamed or await self.stays(path)):
            return "removed", ""
        reason = await self.reason(path)
        return ("not inspected, counted", reason) if reason else ("relayed", "")

    async def stays(self, path: Path) -> bool:
        """Whether a text that nobody reads stays although all that are read are changed."""
        payload = plant(self.payload, path)
        for other, seen in self.seen.items():
            if seen.findings and other[-1] != "type":  # of another type, it would be read in another way
                payload = plant(payload, other, OTHER)
        return (await self.watch(payload)).shows

    async def reason(self, path: Path) -> str:
        """What is counted less often without the text, or without what it is in, as long as nothing in that is read."""
        whole = self.seen[path].skipped
        for end in range(len(path), 1 if self.streamed else 0, -1):
            if any(seen.findings for other, seen in self.seen.items() if other[:end] == path[:end] and other[-1] != "type"):
                return ""
            without = await self.watch(pruned(self.payload, path[:end]))
            fewer = [name for name, count in whole.items() if without.skipped.get(name, 0) < count]
            if fewer and not without.refused:
                return fewer[0]
        return ""

    async def watch(self, payload: Any) -> Seen:
        """Send a payload the way of a call."""
        try:
            return self.streaming(payload) if self.streamed else await self.whole(payload)
        except (RequestError, BackendBroken):
            return Seen((), b"", {}, refused=True)

    async def whole(self, payload: Any) -> Seen:
        """Read, judge, write."""
        dialect, guard = self.dialect, self.guard
        reading = dialect.read(payload) if self.direction == "prompt" else dialect.read_answer(payload)
        verdict = await guard.judge(self.direction, reading.segments)
        reading.write(verdict.texts)
        skipped = dict(reading.not_inspected)
        if self.direction == "completion":
            for name in dialect.redacted(payload, [reading.segments[index] for index in verdict.texts]):
                skipped[name] = skipped.get(name, 0) + 1
        return Seen(verdict.decision.findings, orjson.dumps(payload), skipped, refused=bool(reading.hidden))

    def streaming(self, events: Sequence[Any]) -> Seen:
        """Send events through the guard of streams."""
        growing = self.guard.growing()
        guarded = GuardedStream(self.dialect, growing)
        wire = b"".join(b"data: " + orjson.dumps(event) + b"\n\n" for event in events) + self.dialect.stream().end
        out = guarded.feed(wire) + guarded.finish()
        return Seen(growing.findings, out, guarded.not_inspected, refused=guarded.trouble is not None and not guarded.told)
