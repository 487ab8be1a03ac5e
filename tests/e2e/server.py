"""A real `parapet serve` in a process of its own, for tests."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 300.0  # seconds until a server must be ready


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path
    seconds: float  # until it was ready

    def get(self, path: str) -> bytes:
        """The body of a page."""
        with urllib.request.urlopen(self.url + path, timeout=30) as answer:
            return bytes(answer.read())

    def stop(self) -> int:
        """Ask it to stop, and wait."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def serving(folder: Path, *arguments: str, config: str = "", **variables: str) -> Iterator[Server]:
    """`parapet serve` in `folder`, ready."""
    port, log = free_port(), folder / "serve.log"
    told = list(arguments)
    if config:
        (folder / "parapet.yaml").write_text(config)
        told += ["--config", str(folder / "parapet.yaml")]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PARAPET_")}
    with log.open("wb") as out:
        begun = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "proxy.cli", "serve", "--port", str(port), *told],
            stdout=out,
            stderr=out,
            env={**environment, "PYTHONPATH": str(Path(__file__).parents[2]), **variables},
            cwd=folder,
        )
        try:
            server = Server(f"http://127.0.0.1:{port}", process, log, wait_until_ready(process, port, log) - begun)
            yield server
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def wait_until_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> float:
    """The time at which the server answered."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
            return time.monotonic()
        time.sleep(0.05)
    raise AssertionError(f"the server did not come up:\n{log.read_text()}")
