"""`parapet config`: the settings in force, each with where its value comes from."""

from __future__ import annotations

import argparse

from proxy.cli.common import Commands, add_config, loaded
from proxy.settings import in_force


def add(commands: Commands) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser("config", help="print the settings in force and where each comes from")
    add_config(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the table."""
    rows = in_force(loaded(arguments))
    names, values = max(len(row.name) for row in rows), min(60, max(len(row.value) for row in rows))
    for row in rows:
        print(f"{row.name:<{names}}  {row.value:<{values}}  {row.source}")
    return 0
