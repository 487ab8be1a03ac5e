"""Every query of every panel, rule and alert is asked of a real Prometheus that scrapes real proxies under traffic."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from dashboards.alerts import ALERTS, RECORDINGS, Alert, Recording
from dashboards.boards import BOARDS
from dashboards.model import Board
from dashboards.queries import QUERIES
from dashboards.render import Asked, concrete, drawn
from tests.dashboards.lab import Lab, lab

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("prometheus") is None, reason="not run: prometheus is not installed (Debian: prometheus)"),
]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The proxies, their traffic and the Prometheus, for all tests here."""
    with lab(tmp_path_factory.mktemp("lab")) as made:
        yield made


@pytest.mark.parametrize("name", QUERIES)
def test_every_query_of_a_panel_has_an_answer(name: str, world: Lab) -> None:
    """With a number in it; or it says why there is none, and then there is none."""
    query = QUERIES[name]
    values = [each["value"][1] for each in world.prometheus.query(concrete(query.expr, "1m"))]
    if query.silent:
        assert values == []
    else:
        assert [value for value in values if value != "NaN"], f"{query.expr} has no answer"


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda each: each.name)
def test_every_recording_has_values(recording: Recording, world: Lab) -> None:
    """Prometheus has evaluated it by itself."""
    assert world.prometheus.query(recording.name)


@pytest.mark.parametrize("alert", ALERTS, ids=lambda each: each.name)
def test_every_alert_compares_something(alert: Alert, world: Lab) -> None:
    """What it compares is there; the whole is understood, and its test is in `promtool test rules`."""
    world.prometheus.query(alert.expr)
    for condition in alert.conditions:
        assert bool(world.prometheus.query(condition.left)) is not bool(condition.silent), condition.left


def test_alerts_that_this_traffic_calls_for_are_raised(world: Lab) -> None:
    """A rule lets texts pass unchecked, records are lost, a service is not asked any more; others are not."""
    found = [(alert["labels"]["alertname"], alert["state"]) for alert in world.prometheus.get("alerts")["alerts"]]
    raised, firing = {name for name, _ in found}, {name for name, state in found if state == "firing"}
    assert {"ParapetFailOpen", "ParapetRecordsLost"} <= firing
    assert {"ParapetCircuitOpen", "ParapetUnguardedCalls", "ParapetDeploymentOpen"} <= raised
    assert not firing & {"ParapetDown", "ParapetGuardNotRunning", "ParapetPolicyRefused", "ParapetClassifierDrift"}


def test_slow_buckets_lead_to_traces(world: Lab) -> None:
    """Prometheus has kept the trace ids of examples, of one process and of one with several workers."""
    found = world.prometheus.get(
        "query_exemplars", query="parapet_call_seconds_bucket", start=str(world.begun), end=str(time.time())
    )
    assert {each["seriesLabels"]["instance"] for each in found} == {
        server.url.removeprefix("http://") for server in (world.main, world.small)
    }
    assert {example["labels"]["trace_id"] for each in found for example in each["exemplars"]} == {"ab" * 16}


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)
def test_a_dashboard_is_drawn_from_what_prometheus_has(board: Board, world: Lab, tmp_path: Path) -> None:
    """As an image for the docs: each panel is there, with its lines or its number, unless its query may be silent."""
    end = time.time()
    image = drawn(board, Asked(world.prometheus.url, end - 30, end))
    tree = ET.fromstring(image)
    name = {"svg": "http://www.w3.org/2000/svg"}
    panels = {panel.attrib["id"]: panel for panel in tree.iterfind("svg:g", name)}
    assert set(panels) == {panel.title for panel in board.panels}
    for panel in board.panels:
        if not all(QUERIES[query].silent for query in panel.queries):
            marks = [each for each in panels[panel.title].iter() if each.attrib.get("class") == "mark"]
            assert marks, f"{panel.title} shows nothing"
