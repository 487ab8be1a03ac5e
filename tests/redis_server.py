"""A real Redis in a process of its own, for tests: on a free port, in a temporary folder, without a disk."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

PATIENCE = 20.0  # seconds until it must answer
needs_redis = pytest.mark.skipif(
    shutil.which("redis-server") is None, reason="redis-server is not installed (Debian: apt-get install redis-server)"
)


@contextlib.contextmanager
def redis_server(folder: Path, password: str = "") -> Iterator[str]:
    """A server while the block runs; its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])
    options = {"port": str(port), "bind": "127.0.0.1", "dir": str(folder), "save": "", "appendonly": "no"}
    options |= {"requirepass": password} if password else {}
    told = [part for name, value in options.items() for part in (f"--{name}", value)]
    with (folder / "redis.log").open("wb") as log:
        process = subprocess.Popen(["redis-server", *told], stdout=log, stderr=log)
    try:
        until_it_answers(process, port, folder / "redis.log")
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait(PATIENCE)


def until_it_answers(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Wait."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise AssertionError(f"redis-server did not come up:\n{log.read_text()}")
