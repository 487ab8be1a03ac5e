"""The `parapet` command: one file for each of its subcommands."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from proxy import __version__
from proxy.cli import check, config, coverage, demo, index, policy, serve
from proxy.errors import FileError, ParapetError

COMMANDS = (serve, check, policy, index, config, coverage, demo)
USAGE = 2  # the exit status for what the user can mend


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(prog="parapet", description="A guardrails proxy for large language models.")
    top.add_argument("--version", action="version", version=f"parapet {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit status."""
    arguments = parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except FileError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        return USAGE
    except ParapetError as error:
        print(f"parapet: {error}", file=sys.stderr)
        return USAGE
    except BrokenPipeError:
        return 0  # who reads our output has seen enough
    except OSError as error:  # a full disk, a folder that is not there, no permission
        where = f"{error.filename}: " if error.filename else ""
        print(f"parapet: {where}{error.strerror or error}", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        return 130
