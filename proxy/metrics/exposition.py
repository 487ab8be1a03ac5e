"""What `/metrics` shows, of one process or of several that count together; those that have died leave one file.

The processes of one server share a folder. A lock keeps a scrape and the clearing of a dead process's files apart, so that no
number is counted twice, and none is missed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.mmap_dict import MmapedDict, mmap_key
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from proxy.metrics.exemplars import NAME, attached

LOCK = "lock"
ENDED = "ended"  # stands where the files of a process have its number
KINDS = ("counter", "histogram")
PLAIN = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Page:
    """What a scraper gets."""

    body: bytes
    media_type: str


def page(registry: CollectorRegistry, accept: str, shared: Path | None) -> Page:
    """All metrics in the format that a scraper accepts: OpenMetrics, which has exemplars, or Prometheus' own."""
    write, media_type = choose_encoder(accept)
    if not media_type.startswith("application/openmetrics-text"):
        media_type = PLAIN
    if shared is None:
        return Page(write(registry), media_type)
    together = CollectorRegistry()
    together.register(Together(shared))
    return Page(write(together), media_type)


class Together:
    """A collector of what all processes have counted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def collect(self) -> Iterable[Metric]:
        """Everything, read at one moment."""
        with locked(self.folder, fcntl.LOCK_SH):
            found: list[Metric] = list(MultiProcessCollector(None, str(self.folder)).collect())  # type: ignore[no-untyped-call]
        return attached(found, self.folder)

    def describe(self) -> Iterable[Metric]:
        """Nothing is known before it is read."""
        return ()


@contextlib.contextmanager
def locked(folder: Path, how: int) -> Iterator[None]:
    """The folder for several readers (LOCK_SH), or for one that changes it (LOCK_EX)."""
    handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, how)
        yield
    finally:
        os.close(handle)


def process_died(folder: Path, pid: int) -> None:
    """A process has ended: its gauges are no longer so, its counts are added to those of all that have ended, its files go."""
    with locked(folder, fcntl.LOCK_EX):
        mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]  # not annotated there
        for kind in KINDS:
            archive(folder, kind, folder / f"{kind}_{pid}.db")
        (folder / NAME.format(pid)).unlink(missing_ok=True)


def archive(folder: Path, kind: str, file: Path) -> None:
    """Add a file to the one of those that have ended. It is written beside and put in place, so that a crash loses nothing."""
    if not file.exists():
        return
    whole, fresh = folder / f"{kind}_{ENDED}.db", folder / f"{kind}_{ENDED}.new"
    files = [str(each) for each in (whole, file) if each.exists()]
    fresh.unlink(missing_ok=True)
    written = MmapedDict(str(fresh))  # type: ignore[no-untyped-call]
    for metric in MultiProcessCollector.merge(files, accumulate=False):  # type: ignore[no-untyped-call]
        for sample in metric.samples:
            names, values = list(sample.labels), list(sample.labels.values())
            key = mmap_key(metric.name, sample.name, names, values, metric.documentation)
            written.write_value(key, sample.value, 0.0)  # type: ignore[no-untyped-call]
    written.close()  # type: ignore[no-untyped-call]
    fresh.replace(whole)
    file.unlink()


def fresh(folder: Path) -> None:
    """What an earlier server has left in the folder goes: its counts are not this one's."""
    for file in [*folder.glob("*.db"), *folder.glob(NAME.format("*"))]:
        file.unlink(missing_ok=True)
