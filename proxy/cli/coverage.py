"""`parapet coverage`: for each API, direction and field whether checks read its text, and whether rules can replace it."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict

import orjson

from proxy.checks import CATALOGUE
from proxy.cli.common import Commands, binary
from proxy.coverage import MEANING, Row, rows, way
from proxy.dialects import DIALECTS
from proxy.errors import ParapetError

COLUMNS = ("api", "direction", "field", "role", "what becomes of it")


def add(commands: Commands) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "coverage", help="print what is inspected of each API, found out by planting texts in its fields"
    )
    parser.add_argument("dialects", nargs="*", metavar="API", help="only these (default: all)")
    parser.add_argument("--outcome", choices=list(MEANING), action="append", help="only fields that come to this")
    parser.add_argument("--json", action="store_true", help="print JSON Lines, each with the checks that read the field")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Plant, look, print."""
    known = {dialect.name: dialect for dialect in DIALECTS.values()}
    unknown = [name for name in arguments.dialects if name not in known]
    if unknown:
        raise ParapetError(f"no such API: {unknown[0]!r}; there are {', '.join(known)}")
    wanted = arguments.outcome or list(MEANING)
    every = [row for row in rows([known[name] for name in arguments.dialects or known]) if row.outcome in wanted]
    if arguments.json:
        out = binary(sys.stdout, "standard output")
        for row in every:
            out.write(orjson.dumps(asdict(row) | {"checks": checks(row)}) + b"\n")
    else:
        table(every)
    return 0


def checks(row: Row) -> list[str]:
    """The checks that read a field: they are given every text that any is, and rules say whose they want."""
    return list(CATALOGUE) if row.role else []


def table(every: list[Row]) -> None:
    """The rows in columns."""
    cells = [COLUMNS, *((r.dialect, way(r), r.field, r.role, f"{r.outcome} {r.reason}".strip()) for r in every)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(COLUMNS))]
    for row in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    print(f"\nA text that is rewritten or inspected is read by every check: {', '.join(CATALOGUE)}.")
