"""Exemplars of several processes: prometheus-client's files hold numbers alone, so each process writes its own beside them."""

from __future__ import annotations

import contextlib
import os
import time
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import orjson
from prometheus_client.metrics_core import Metric
from prometheus_client.samples import Exemplar
from prometheus_client.utils import floatToGoString

from proxy.core import Ids

EVERY = 1.0  # seconds between two writings of the file
NAME = "exemplars_{}.json"

Key = str  # JSON of the metric's name, its labels in order, and the bucket


def key_of(name: str, labels: Mapping[str, str]) -> Key:
    """What a bucket's exemplar is kept under."""
    return orjson.dumps([name, dict(labels)], option=orjson.OPT_SORT_KEYS).decode()


class Exemplars:
    """The last traced call in each bucket of each histogram of this process."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / NAME.format(os.getpid())
        self.kept: dict[Key, tuple[str, float, float]] = {}  # trace, value, when
        self.written = 0.0

    def note(self, name: str, labels: Mapping[str, str], bounds: Sequence[float], value: float, ids: Ids) -> None:
        """A traced call has this value."""
        place = bisect_left(bounds, value)
        bucket = floatToGoString(bounds[place] if place < len(bounds) else float("inf"))  # type: ignore[no-untyped-call]
        now = time.time()
        self.kept[key_of(name, {**labels, "le": bucket})] = (ids.trace_id, value, now)
        if now - self.written >= EVERY:
            self.written = now
            self.write()

    def write(self) -> None:
        """Leave the exemplars where all processes find them; metrics are worth no error."""
        fresh = self.file.with_suffix(".tmp")
        with contextlib.suppress(OSError):
            fresh.write_bytes(orjson.dumps(self.kept))
            fresh.replace(self.file)


def attached(metrics: Iterable[Metric], folder: Path) -> Iterable[Metric]:
    """The same metrics, with the latest exemplar that any process has for a bucket."""
    found: dict[Key, tuple[str, float, float]] = {}
    for file in folder.glob(NAME.format("*")):
        with contextlib.suppress(OSError, orjson.JSONDecodeError):
            for key, (trace, value, when) in orjson.loads(file.read_bytes()).items():
                if key not in found or when > found[key][2]:
                    found[key] = (trace, value, when)
    for metric in metrics:
        if metric.type == "histogram" and found:
            metric.samples = [
                sample._replace(exemplar=Exemplar({"trace_id": held[0]}, held[1], held[2]))
                if (held := found.get(key_of(metric.name, sample.labels))) and sample.name.endswith("_bucket")
                else sample
                for sample in metric.samples
            ]
        yield metric
