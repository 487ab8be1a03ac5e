"""What is generated is what is committed; every query is used, every metric is shown, every alert has a runbook and tests."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from dashboards.alerts import ALERTS, RECORDINGS, Alert
from dashboards.boards import BOARDS
from dashboards.build import FILES
from dashboards.model import WIDTH, Board, board_json
from dashboards.queries import EXCUSED, QUERIES
from proxy.metrics import METRICS

HERE = Path(__file__).parents[2] / "dashboards"
CASES = HERE / "prometheus" / "alerts_test.yaml"
NAME = re.compile(r"\bparapet[_:][a-zA-Z0-9_:]+")
PROMTOOL = pytest.mark.skipif(shutil.which("promtool") is None, reason="not run: promtool is not installed (Debian: prometheus)")
NAMED = {"id": lambda given: getattr(given, "uid", None) or getattr(given, "name", None) or Path(str(given)).name}


def expressions() -> list[str]:
    """All that is ever asked."""
    return [*(each.expr for each in QUERIES.values()), *(each.expr for each in RECORDINGS), *(each.expr for each in ALERTS)]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_what_is_committed_is_what_is_generated(file: Path) -> None:
    """`python -m dashboards.build` writes it."""
    assert file.read_text(encoding="utf-8") == FILES[file]()


def test_every_metric_is_on_a_dashboard_or_excused() -> None:
    """And nothing is asked for that does not exist; a metric that is shown needs no excuse."""
    suffixes = r"(_total|_bucket|_count|_sum)?$"
    asked = {name for expr in expressions() for name in NAME.findall(expr)}
    recorded = {each.name for each in RECORDINGS}
    known = {re.sub(suffixes, "", name) for name in asked - recorded}
    assert known <= set(METRICS)
    shown = {re.sub(suffixes, "", name) for board in BOARDS for name in asked_by(board)}
    assert set(METRICS) - shown == set(EXCUSED)


def asked_by(board: Board) -> set[str]:
    """The metrics that a dashboard shows, through recordings, too."""
    rules = {each.name: each.expr for each in RECORDINGS}
    names = {name for panel in board.panels for query in panel.queries for name in NAME.findall(QUERIES[query].expr)}
    for _ in range(3):
        names |= {name for rule in names & set(rules) for name in NAME.findall(rules[rule])}
    return names - set(rules)


def test_every_query_is_used() -> None:
    """On a dashboard; one that nobody asks goes."""
    used = {query for board in BOARDS for panel in board.panels for query in panel.queries}
    assert used == set(QUERIES)


def test_counters_are_asked_by_their_rate() -> None:
    """A counter by itself only grows; whether it is there at all is the one thing to ask of it."""
    for expr in expressions():
        for name in re.findall(r"\b(parapet_\w+_total)\b", re.sub(r"unless .*|> 0 .*", "", expr)):
            assert re.search(rf"(rate|increase)\({name}", expr), expr


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)
def test_a_dashboard_is_whole(board: Board) -> None:
    """Ids are unique, panels fit beside each other, each says what it shows, and it chooses by variables that it has."""
    made = board_json(board)
    panels: list[dict[str, Any]] = made["panels"]
    ids = [panel["id"] for panel in panels]
    assert len(ids) == len(set(ids))
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert not taken & cells
        assert place["x"] + place["w"] <= WIDTH
        taken |= cells
        assert panel["type"] == "row" or panel["description"].endswith(".")
    variables = {each["name"] for each in made["templating"]["list"]} | {"__rate_interval"}
    assert set(re.findall(r"\$\{?(\w+)", json.dumps(panels))) <= variables


def test_ids_stay_when_other_panels_come() -> None:
    """Links to a panel are good as long as it has its title."""
    board = BOARDS[0]
    fewer = Board(board.uid, board.title, board.about, board.groups[1:], board.variables)
    before = {panel["title"]: panel["id"] for panel in board_json(board)["panels"]}
    assert all(before[panel["title"]] == panel["id"] for panel in board_json(fewer)["panels"])


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_an_alert_leads_to_its_runbook(alert: Alert) -> None:
    """Which says what it means, what to look at and what to do; and both are tested: that it fires and that it does not."""
    rule = next(
        each
        for each in yaml.safe_load(FILES[HERE / "prometheus" / "alerts.yaml"]())["groups"][0]["rules"]
        if each["alert"] == alert.name
    )
    runbook = HERE.parent / rule["annotations"]["runbook_url"]
    headings = re.findall(r"^#+ (.*)$", runbook.read_text(encoding="utf-8"), re.MULTILINE)
    assert headings == [alert.name, "What it means", "What to look at", "What to do"]
    tests = [
        test
        for group in yaml.safe_load(CASES.read_text())["tests"]
        for test in group["alert_rule_test"]
        if test["alertname"] == alert.name
    ]
    assert {bool(test.get("exp_alerts")) for test in tests} == {True, False}


def test_a_runbook_belongs_to_an_alert() -> None:
    """One that nothing leads to grows old."""
    assert {file.name for file in (HERE / "runbooks").glob("*.md")} == {alert.runbook for alert in ALERTS}


def test_what_runbooks_name_exists() -> None:
    """Metrics, and dashboards by their title."""
    titles = {board.title for board in BOARDS}
    for file in (HERE / "runbooks").glob("*.md"):
        text = file.read_text(encoding="utf-8")
        names = {re.sub(r"(_total|_bucket|_count|_sum)$", "", name) for name in NAME.findall(text)}
        assert names <= set(METRICS) | {each.name for each in RECORDINGS}, file.name
        assert set(re.findall(r"\*\*(Parapet: [^*]+)\*\*", text)) <= titles, file.name


@PROMTOOL
def test_promtool_finds_nothing_wrong() -> None:
    """With rules, alerts and the configuration of the compose file."""
    folder = HERE / "prometheus"
    for kind, file in (("rules", "recordings.yaml"), ("rules", "alerts.yaml"), ("config", "prometheus.yaml")):
        done = subprocess.run(["promtool", "check", kind, file], cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@PROMTOOL
def test_alerts_fire_when_they_must_and_not_when_they_must_not() -> None:
    """The moments are in alerts_test.yaml."""
    done = subprocess.run(
        ["promtool", "test", "rules", CASES.name], cwd=CASES.parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_compose_mounts_what_is_there() -> None:
    """Proxy, Prometheus and Grafana with our rules and dashboards; nothing is open to others than this machine."""
    compose = yaml.safe_load((HERE / "compose.yaml").read_text())
    assert set(compose["services"]) == {"proxy", "prometheus", "grafana"}
    for service in compose["services"].values():
        for volume in service.get("volumes", []):
            assert (HERE / volume.split(":")[0]).exists(), volume
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    provided = yaml.safe_load((HERE / "provisioning" / "dashboards.yaml").read_text())["providers"][0]
    inside = provided["options"]["path"]
    assert any(volume.split(":")[1] == inside for volume in compose["services"]["grafana"]["volumes"])
