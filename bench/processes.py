"""A system that is measured, as processes: started, waited for, read from /proc with all its children, and ended."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_GRACE = 10.0  # seconds that a system has to end by itself


class StartError(Exception):
    """A system ended, or did not answer in time; says what it wrote last."""


@dataclass(frozen=True, slots=True)
class Running:
    """A system that answers."""

    pid: int
    url: str
    seconds: float  # from its start to its first good answer
    headers: Mapping[str, str] = field(default_factory=dict)  # that its calls need


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process and its descendants have used since they began."""

    cpu: float  # seconds, user and system
    rss: int  # bytes, now; pages that processes share count once for each


def usage(pid: int) -> Usage:
    """Reads the process tree under `pid`; what ended children used counts with whoever waited for them."""
    cpu, rss = 0.0, 0
    for member in _tree(pid):
        try:
            fields = _stat(member)
            pages = int(Path(f"/proc/{member}/statm").read_text().split()[1])
            clock = time.clock_gettime(_cpu_clock(member))
        except OSError:  # it ended between two reads
            continue
        cpu += clock + (int(fields[13]) + int(fields[14])) / _TICKS
        rss += pages * _PAGE
    return Usage(cpu, rss)


def _cpu_clock(pid: int) -> int:
    """The clock of a process's CPU time in nanoseconds (clock_getcpuclockid(3)); stat counts it in hundredths of a second."""
    return (~pid << 3) | 2


def _stat(pid: int) -> list[str]:
    """What follows the name in /proc/PID/stat (proc(5)): 1 is the parent, 13 and 14 the time of children that ended."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _tree(root: int) -> list[int]:
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int(_stat(int(entry.name))[1])
            except OSError:  # it has ended
                continue
    tree = [root]
    for member in tree:
        tree.extend(child for child, parent in parents.items() if parent == member)
    return tree


def free_port() -> int:
    """A port on the loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(
    command: Sequence[str],
    url: str,
    *,
    folder: Path,
    log: Path,
    env: Mapping[str, str],
    probe: bytes,
    patience: float,
    headers: Mapping[str, str] = {},
) -> Iterator[Running]:
    """Starts `command` in `folder`, waits until a POST of `probe` to `url` is answered with 200, and ends it in the end.

    Raises StartError when it ends or `patience` seconds pass before that.
    """
    with log.open("wb") as out:
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=out, stderr=out, start_new_session=True)
    try:
        while not _answers(url, probe, headers):
            if process.poll() is not None:
                raise StartError(f"it ended with status {process.returncode}{_last_line(log)}")
            if time.perf_counter() - began > patience:
                raise StartError(f"it gave no answer within {patience:g} s{_last_line(log)}")
            time.sleep(0.01)
        yield Running(process.pid, url, time.perf_counter() - began, headers)
    finally:
        _end(process)


def _answers(url: str, probe: bytes, headers: Mapping[str, str]) -> bool:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    try:
        connection.request("POST", parts.path, probe, {"content-type": "application/json", **headers})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return f": {lines[-1][:300]}" if lines else ""


def _end(process: subprocess.Popen[bytes]) -> None:
    """Asks the system's own session of processes to end, and after a while makes it."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            continue
    process.wait()
