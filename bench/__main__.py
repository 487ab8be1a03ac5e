"""The command line of the benchmark."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import orjson

from bench import report
from bench.chart import chart
from bench.measure import Kind, Plan, Scenario, measure
from bench.systems import GROUPS, SYSTEMS, chosen

KINDS = get_args(Kind)
_OPEN = 256  # connections at most of an open loop
_QUICK = 16  # at once, where --quick looks at one load of each kind only


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    calls: int
    streams: int
    rounds: int


FULL, QUICK = Size(2000, 48, 5), Size(600, 32, 2)


def _concurrency(words: str) -> tuple[int, ...]:
    numbers = tuple(int(word) for word in words.split(","))
    if not all(1 <= number <= 1024 for number in numbers):
        raise ValueError("expected numbers from 1 to 1024")
    return numbers


def _kinds(words: str) -> tuple[Kind, ...]:
    found = tuple(kind for kind in KINDS if kind in words.split(","))
    if len(found) != len(words.split(",")):
        raise ValueError(f"expected kinds of {', '.join(KINDS)}")
    return found


def _parser() -> argparse.ArgumentParser:
    table = "\n".join(f"  {system.name:<20}{system.about}" for system in SYSTEMS)
    groups = "\n".join(f"  {name:<20}{', '.join(members)}" for name, members in GROUPS.items())
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="What Parapet costs beside a bare relay on this machine, in one run.",
        epilog=f"systems:\n{table}\n\ngroups of systems:\n{groups}\n\n"
        "The exit status is 1 when a system did not come up or an answer was wrong; a target that is missed is only said.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--systems", default="parapet", metavar="NAMES", help="comma-separated, groups too (parapet); see below")
    parser.add_argument("--calls", type=int, help=f"calls a load ({FULL.calls})")
    parser.add_argument("--streams", type=int, help=f"streams a load, and two a connection at least ({FULL.streams})")
    parser.add_argument("--rounds", type=int, help=f"how often each load goes to each system ({FULL.rounds})")
    parser.add_argument("--concurrency", type=_concurrency, metavar="N,N", help="so many at once (1,16,64)")
    parser.add_argument(
        "--kinds", type=_kinds, default=("calls", "streams"), metavar="KIND,KIND", help=f"of {', '.join(KINDS)} (calls,streams)"
    )
    parser.add_argument("--rate", type=float, default=20.0, help="calls a second of the kind paced, an open loop (20)")
    parser.add_argument("--chart", type=Path, metavar="FILE", help="draw CPU a call there, as SVG")
    parser.add_argument("--quick", action="store_true", help=f"only {_QUICK} at once, and less of it: half a minute")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    return parser


def _plan(arguments: argparse.Namespace) -> Plan:
    size = QUICK if arguments.quick else FULL
    calls, streams = arguments.calls or size.calls, arguments.streams or size.streams
    numbers = arguments.concurrency or ((_QUICK,) if arguments.quick else (1, 16, 64))
    several = [number for number in numbers if number > 1] or numbers  # one stream at a time is mostly waiting
    loads: dict[str, list[Scenario]] = {
        "calls": [Scenario("calls", number, calls) for number in numbers],
        "streams": [Scenario("streams", number, max(streams, 2 * number)) for number in several],
        "paced": [Scenario("paced", _OPEN, calls, arguments.rate)],
        "day": [Scenario("day", _QUICK, calls)],
    }
    chosen = [scenario for kind in arguments.kinds for scenario in loads[kind]]
    return Plan(tuple(chosen), arguments.rounds or size.rounds)


def main() -> int:
    """Measures, prints the report, and says whether all answers were right."""
    parser = _parser()
    arguments = parser.parse_args()
    try:
        systems = chosen(arguments.systems)
    except ValueError as problem:
        parser.error(f"--systems: {problem}")
    measured = measure(systems, _plan(arguments), lambda line: print(line, file=sys.stderr, flush=True))
    print(report.text(measured))
    if arguments.chart:
        arguments.chart.write_text(chart(report.rows(measured)), encoding="utf-8")
    if arguments.json:
        arguments.json.write_bytes(orjson.dumps(report.figures(measured), option=orjson.OPT_INDENT_2))
    return 0 if report.sound(measured) else 1


if __name__ == "__main__":
    sys.exit(main())
