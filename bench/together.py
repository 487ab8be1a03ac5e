"""Runs several commands as one system: `python -m bench.together COMMAND … -- COMMAND …`. When one ends, all end."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from types import FrameType

BETWEEN = "--"


def parted(words: Sequence[str]) -> list[list[str]]:
    """The commands."""
    made: list[list[str]] = [[]]
    for word in words:
        if word == BETWEEN:
            made.append([])
        else:
            made[-1].append(word)
    return made


def main() -> int:
    """Start them, and wait for the first to end."""
    processes = [subprocess.Popen(command) for command in parted(sys.argv[1:])]

    def stop(*_: int | FrameType | None) -> None:
        for process in processes:
            process.terminate()

    signal.signal(signal.SIGTERM, stop)
    while all(process.poll() is None for process in processes):
        time.sleep(0.1)
    stop()
    return max(process.wait() for process in processes)


if __name__ == "__main__":
    sys.exit(main())
