"""`parapet check`: what the policies find in texts and do with them, without a server.

JSON Lines in (`{"id", "text", "role"?, "direction"?}`) or plain text, a line each; JSON Lines out, in the same order.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, TextIO

import orjson

from proxy import direct
from proxy.checks import CATALOGUE, catalogue, combined
from proxy.cli.common import Commands, add_config, binary, loaded, outside, policy_files
from proxy.core import DIRECTIONS, Direction
from proxy.engine import Engine
from proxy.errors import FileError, Problem, RequestError
from proxy.metrics import Metrics
from proxy.policy import load
from proxy.vault import conversations

BOM = b"\xef\xbb\xbf"  # editors on Windows begin UTF-8 with it
SHOWN = 0.2  # seconds between two looks of the progress bar


def add(commands: Commands) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser("check", help="run the checks over texts and print findings and decisions as JSON Lines")
    parser.add_argument(
        "files", nargs="*", type=Path, metavar="FILE", help="JSON Lines or plain text (default, and -: standard input)"
    )
    parser.add_argument(
        "--policy", action="append", default=[], metavar="NAME|FILE", help="use this policy instead of those in force"
    )
    parser.add_argument("--direction", choices=DIRECTIONS, default="prompt", help="for texts that name none (default: prompt)")
    parser.add_argument("--all-scores", action="store_true", help="add every category's highest score, below thresholds, too")
    parser.add_argument("--team", default="", help="judge as a call by this team")
    parser.add_argument("--model", default="", help="judge as a call to this model")
    add_config(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Judge every text."""
    out = binary(sys.stdout, "standard output")
    given = loaded(arguments)
    checks = catalogue(given, outside=outside(given))
    engine = Engine(given, checks, combined, Metrics(), conversations(given))
    engine.use(load(policy_files(arguments.policy, given), checks))
    try:
        with ExitStack() as stack:
            asyncio.run(judge(engine, arguments, stack, out))
    finally:
        engine.close()
    return 0


async def judge(engine: Engine, arguments: argparse.Namespace, stack: ExitStack, out: BinaryIO) -> None:
    """One line out for each line in."""
    guard = engine.guard(arguments.team, arguments.model or next(iter(engine.settings.pools)))
    every = [category for kind in CATALOGUE.values() for category in kind.categories] if arguments.all_scores else None
    progress = Progress(sys.stderr, size_of(arguments.files))
    for item, size in items(arguments.files, arguments.direction, stack):
        line = orjson.dumps(direct.result(item, await direct.judged(guard, item), every), option=orjson.OPT_APPEND_NEWLINE)
        out.write(line)
        progress.step(size)
    out.flush()
    progress.done()


def items(files: list[Path], direction: Direction, stack: ExitStack) -> Iterator[tuple[direct.Item, int]]:
    """The texts of all files, or of standard input. Raises FileError with the place of a line that is no text."""
    sources: list[tuple[str, Iterable[bytes]]] = [(str(file), opened(file, stack)) for file in files]
    if not files:
        sources.append(("standard input", binary(sys.stdin, "standard input")))
    number = 0
    for name, lines in sources:
        for row, raw in enumerate(lines, 1):
            line = raw.removeprefix(BOM) if row == 1 else raw
            if line.strip():
                yield read(line, name, row, number, direction), len(raw)
                number += 1


def opened(file: Path, stack: ExitStack) -> Iterable[bytes]:
    if str(file) == "-":
        return binary(sys.stdin, "standard input")
    try:
        return stack.enter_context(file.open("rb"))
    except OSError as error:
        raise FileError([Problem(str(file), 1, 1, "", f"cannot be read: {error.strerror}")]) from None


def read(line: bytes, name: str, row: int, number: int, direction: Direction) -> direct.Item:
    """One line: a JSON object if it looks like one, else plain text."""
    try:
        given = orjson.loads(line) if line.lstrip()[:1] == b"{" else line.decode().rstrip("\r\n")
        return direct.item(given, f"{name}:{row}", number, direction)
    except (orjson.JSONDecodeError, UnicodeDecodeError):
        problem = "neither a JSON object nor a line of UTF-8 text: put a plain text that begins with { into an object with `text`"
    except RequestError as error:
        problem = error.message
    raise FileError([Problem(name, row, 1, "", problem)])


def size_of(files: list[Path]) -> int:
    """The bytes that will be read; 0 when nobody knows."""
    return sum(file.stat().st_size for file in files if file.exists())


class Progress:
    """A bar on a terminal, nothing elsewhere."""

    def __init__(self, stream: TextIO | None, total: int) -> None:
        self.stream, self.total = stream, total
        self.shows = stream is not None and stream.isatty() and not sys.stdout.isatty()
        self.texts = self.bytes = 0
        self.begun = self.shown = time.monotonic()

    def step(self, size: int) -> None:
        """One more text has been judged."""
        self.texts += 1
        self.bytes += size
        if self.shows and time.monotonic() - self.shown > SHOWN:
            self.shown = time.monotonic()
            self.show()

    def show(self) -> None:
        rate = self.texts / (time.monotonic() - self.begun)
        share = self.bytes / self.total if self.total else 0
        bar = f"[{'#' * round(share * 30):<30}] {share:4.0%} " if self.total else ""
        print(f"\r{bar}{self.texts} texts, {rate:.0f}/s ", end="", file=self.stream, flush=True)

    def done(self) -> None:
        """Leave the last state standing."""
        if self.shows and self.texts:
            self.show()
            print(file=self.stream)
