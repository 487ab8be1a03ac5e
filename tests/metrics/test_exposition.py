"""What a scraper gets: two formats, exemplars, several processes as one, and dead ones without a trace but their counts."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from proxy.core import CALLED, Ids
from proxy.metrics import Metrics, fresh, process_died
from proxy.metrics.exposition import LOCK

TRACE = "0af7651916cd43dd8448eb211c80319c"
OPEN = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
WORKER = """
import os, sys
from pathlib import Path
from proxy.core import CALLED, Ids
from proxy.metrics import Metrics, Tally
metrics = Metrics(["m"], shared=Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]))
CALLED.set(Ids("r", sys.argv[1], True))
metrics.in_flight(1)
for number in range(100):
    metrics.called("openai-chat", "m", "served")
    metrics.guarded("prompt", 0.003)
tally = metrics.tally()
for number in range(10):
    tally.count(0.00002)
metrics.chunks(tally)
print(os.getpid())
sys.stdout.flush()
sys.stdin.read()
"""


def processes(folder: Path, *traces: str) -> list[subprocess.Popen[str]]:
    """Processes that have counted, and that wait for the end of their input."""
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder), "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", WORKER]
    return [
        subprocess.Popen([*command, trace], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for trace in traces
    ]


def counted(folder: Path) -> dict[str, float]:
    """What a scraper sees of all of them."""
    body = Metrics(["m"], shared=folder).page().body.decode()
    names = ("parapet_calls_total", "parapet_calls_in_flight", "parapet_guard_seconds_count", "parapet_chunk_guard_seconds_count")
    found = {name: re.search(rf"^{name}(?:{{.*}})? (\S+)$", body, re.MULTILINE) for name in names}
    return {name: float(match[1]) for name, match in found.items() if match}


def ended(children: Sequence[subprocess.Popen[str]]) -> list[int]:
    """End them; their numbers."""
    numbers = []
    for child in children:
        assert child.stdout is not None
        numbers.append(int(child.stdout.readline()))
        child.communicate()
    return numbers


@pytest.mark.slow
def test_dead_processes_leave_their_counts_in_one_file(tmp_path: Path) -> None:
    """However many have died: gauges are gone, no call is lost, and a scrape at any moment sees all."""
    total = {"parapet_calls_total": 300.0, "parapet_guard_seconds_count": 300.0, "parapet_chunk_guard_seconds_count": 30.0}
    children = processes(tmp_path, TRACE, TRACE, TRACE)
    numbers = ended(children)
    assert counted(tmp_path) == {**total, "parapet_calls_in_flight": 3.0}
    seen: list[dict[str, float]] = []
    stop = threading.Event()

    def scrape() -> None:
        while not stop.is_set():
            seen.append(counted(tmp_path))

    scraper = threading.Thread(target=scrape)
    scraper.start()
    for pid in numbers:
        process_died(tmp_path, pid)
    stop.set()
    scraper.join()
    assert counted(tmp_path) == total
    assert all(each | {"parapet_calls_in_flight": 0.0} == {**total, "parapet_calls_in_flight": 0.0} for each in seen)
    assert {file.name for file in tmp_path.iterdir()} == {"counter_ended.db", "histogram_ended.db", LOCK}


@pytest.mark.slow
def test_exemplars_of_all_processes_are_shown(tmp_path: Path) -> None:
    """A bucket has the latest traced call of any process, in OpenMetrics alone."""
    [pid] = ended(processes(tmp_path, TRACE))
    metrics = Metrics(["m"], shared=tmp_path)
    page = metrics.page(OPEN)
    assert page.media_type.startswith("application/openmetrics-text")
    found = {
        sample.exemplar.labels["trace_id"]: sample.labels["le"]
        for family in text_string_to_metric_families(page.body.decode())  # type: ignore[no-untyped-call]
        for sample in family.samples
        if sample.exemplar
    }
    assert found == {TRACE: "0.005"}
    assert TRACE not in metrics.page().body.decode()
    process_died(tmp_path, pid)
    assert TRACE not in metrics.page(OPEN).body.decode()


def test_what_an_earlier_server_left_is_not_counted(tmp_path: Path) -> None:
    """Its files go before the first worker begins; others in the folder stay."""
    for name in ("counter_7.db", "gauge_livesum_7.db", "exemplars_7.json", "notes.txt"):
        (tmp_path / name).write_bytes(b"old")
    fresh(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("sampled", [True, False])
def test_only_traced_calls_are_exemplars(sampled: bool) -> None:
    """A trace that is not kept could not be looked up."""
    metrics = Metrics(["m"])
    token = CALLED.set(Ids("r", TRACE, sampled))
    try:
        metrics.guarded("prompt", 0.003)
    finally:
        CALLED.reset(token)
    assert (TRACE in metrics.page(OPEN).body.decode()) is sampled


@pytest.mark.parametrize("accept", ["", "text/plain", "text/plain;version=1.0.0", "*/*", "application/json"])
def test_whoever_does_not_ask_for_openmetrics_gets_prometheus_text(accept: str) -> None:
    """With the media type that every Prometheus knows."""
    page = Metrics().page(accept)
    assert page.media_type == "text/plain; version=0.0.4; charset=utf-8"
    assert b"# EOF" not in page.body
