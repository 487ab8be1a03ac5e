"""Dashboards as data, and the same as Grafana's JSON."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from dashboards.queries import QUERIES

WIDTH = 24  # of a dashboard, in Grafana's columns
LINKS = {"type": "dashboards", "tags": ["parapet"], "title": "Parapet", "asDropdown": True, "includeVars": True, "keepTime": True}
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
Look = Literal["lines", "number", "table"]
Types = {"lines": "timeseries", "number": "stat", "table": "table"}


@dataclass(frozen=True, slots=True)
class Panel:
    """Some queries in one frame. `warn` and `alarm`: from where a number turns yellow and red."""

    title: str
    queries: tuple[str, ...]
    about: str
    look: Look = "lines"
    width: int = 8
    height: int = 8
    warn: float | None = None
    alarm: float | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Panels under one heading."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """What whoever looks may choose: the values of a label, or a number to type."""

    name: str
    label: str
    metric: str = ""
    default: str = ""


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard; `uid` never changes, so that links to it stay good."""

    uid: str
    title: str
    about: str
    groups: tuple[Group, ...]
    variables: tuple[Variable, ...] = ()
    tags: tuple[str, ...] = field(default=("parapet",))

    @property
    def panels(self) -> list[Panel]:
        """All panels, in order."""
        return [panel for group in self.groups for panel in group.panels]


def number(*names: str) -> int:
    """A number that stays while the names do."""
    return zlib.crc32("/".join(names).encode()) & 0x7FFFFFFF


def target(name: str, look: Look) -> dict[str, Any]:
    """A query as a panel asks it."""
    query = QUERIES[name]
    return {
        "refId": name,
        "expr": query.expr,
        "legendFormat": query.legend or "__auto",
        "datasource": SOURCE,
        "editorMode": "code",
        "exemplar": look == "lines" and "_bucket" in query.expr,
        "format": "table" if look == "table" else "time_series",
        "instant": look == "table",
        "range": look != "table",
    }


def panel_json(board: Board, panel: Panel, x: int, y: int) -> dict[str, Any]:
    """One panel."""
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    steps += [{"color": "yellow", "value": panel.warn}] if panel.warn is not None else []
    steps += [{"color": "red", "value": panel.alarm}] if panel.alarm is not None else []
    defaults: dict[str, Any] = {
        "unit": QUERIES[panel.queries[0]].unit,
        "min": 0,
        "thresholds": {"mode": "absolute", "steps": steps},
    }
    options: dict[str, Any] = {}
    if panel.look == "lines":
        defaults["custom"] = {"lineWidth": 1, "fillOpacity": 8, "showPoints": "never", "spanNulls": True}
        options = {
            "legend": {"displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull", "max"]},
            "tooltip": {"mode": "multi"},
        }
    elif panel.look == "number":
        options = {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "background" if len(steps) > 1 else "value"}
    return {
        "id": number(board.uid, panel.title),
        "type": Types[panel.look],
        "title": panel.title,
        "description": panel.about,
        "gridPos": {"x": x, "y": y, "w": panel.width, "h": panel.height},
        "datasource": SOURCE,
        "targets": [target(name, panel.look) for name in panel.queries],
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": options,
    }


def variable_json(variable: Variable) -> dict[str, Any]:
    """One variable."""
    base = {"name": variable.name, "label": variable.label}
    if not variable.metric:
        return base | {
            "type": "textbox",
            "query": variable.default,
            "current": {"text": variable.default, "value": variable.default},
        }
    query = f"label_values({variable.metric}, {variable.name})"
    everything = {"text": ["All"], "value": ["$__all"]}
    return base | {
        "type": "query",
        "datasource": SOURCE,
        "definition": query,
        "query": {"query": query, "refId": variable.name},
        "refresh": 2,
        "includeAll": True,
        "allValue": ".*",
        "multi": True,
        "current": everything,
    }


def board_json(board: Board) -> dict[str, Any]:
    """A dashboard."""
    panels: list[dict[str, Any]] = []
    y = 0
    for group in board.groups:
        panels.append(
            {"id": number(board.uid, group.title), "type": "row", "title": group.title, "collapsed": False, "panels": []}
        )
        panels[-1]["gridPos"] = {"x": 0, "y": y, "w": WIDTH, "h": 1}
        y += 1
        for line in lines_of(group.panels):
            x = 0
            for panel in line:
                panels.append(panel_json(board, panel, x, y))
                x += panel.width
            y += max(panel.height for panel in line)
    source = {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
    return {
        "uid": board.uid,
        "title": board.title,
        "description": board.about,
        "tags": list(board.tags),
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [source, *map(variable_json, board.variables)]},
        "annotations": {"list": [changes()]},
        "links": [
            {
                "type": "dashboards",
                "tags": ["parapet"],
                "title": "Parapet",
                "asDropdown": True,
                "includeVars": True,
                "keepTime": True,
            }
        ],
        "panels": panels,
    }


def changes() -> dict[str, Any]:
    """A mark where the policies in force changed."""
    return {
        "name": "policy changes",
        "enable": True,
        "iconColor": "purple",
        "datasource": SOURCE,
        "expr": "max by (revision) (changes(parapet_policy_in_force[1m])) > 0",
        "titleFormat": "policies changed",
        "tagKeys": "revision",
    }


def lines_of(panels: Sequence[Panel]) -> list[list[Panel]]:
    """Panels side by side, as many as fit."""
    made: list[list[Panel]] = [[]]
    for panel in panels:
        if made[-1] and sum(each.width for each in made[-1]) + panel.width > WIDTH:
            made.append([])
        made[-1].append(panel)
    return made
