"""Draws dashboards as SVG from what a Prometheus has: `python -m dashboards.render --prometheus URL --to docs/images`."""

from __future__ import annotations

import argparse
import json
import math
import re
import time
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from dashboards.boards import BOARDS
from dashboards.model import Board, Group, Panel, lines_of
from dashboards.queries import QUERIES, Query

UNIT, ROW, GAP, HEAD = 48, 30, 8, 34  # pixels: a column, a line of the grid, between panels, a heading
COLOURS = ("#2563eb", "#dc2626", "#059669", "#d97706", "#7c3aed", "#0891b2", "#be185d", "#4d7c0f", "#475569", "#a16207")
MOST = 6  # names in a legend
STYLE = "text{font:12px system-ui,sans-serif;fill:#1e293b}.t{font-weight:600}.s{font-size:10px;fill:#64748b}.n{font-size:26px}"
STEPS = (1, 1e3, 1e6, 1e9)
Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Asked:
    """A Prometheus, and the time that is drawn."""

    url: str
    start: float
    end: float

    def series(self, query: Query) -> list[tuple[str, Points]]:
        """The series of a query, each with its name as the legend has it; the largest at the end first."""
        step = max(1.0, (self.end - self.start) / 120)
        expr = concrete(query.expr, f"{max(10, int(4 * step))}s")
        told = urllib.parse.urlencode({"query": expr, "start": self.start, "end": self.end, "step": step})
        with urllib.request.urlopen(f"{self.url}/api/v1/query_range?{told}", timeout=60) as answer:  # noqa: S310 - the URL given
            found = json.loads(answer.read())["data"]["result"]
        made = [(named(query.legend, each["metric"]), points(each["values"])) for each in found]
        return sorted((pair for pair in made if pair[1]), key=lambda pair: -pair[1][-1][1])


def concrete(expr: str, window: str) -> str:
    """A query with its variables filled in as Grafana does when everything is chosen."""
    return re.sub(r'"\$(team|model|policy)"', '".*"', expr).replace("$__rate_interval", window).replace("$price", "2")


def named(legend: str, labels: Mapping[str, str]) -> str:
    """A series' name."""
    return re.sub(r"\{\{(\w+)\}\}", lambda match: labels.get(match[1], ""), legend).strip() or "all"


def points(values: Sequence[tuple[float, str]]) -> Points:
    """Those that are numbers."""
    return [(at, float(value)) for at, value in values if math.isfinite(float(value))]


def shown(value: float, unit: str) -> str:
    """A number as people read it."""
    if unit == "percentunit":
        return f"{100 * value:.3g} %"
    if unit == "s" and 0 < value < 1:
        return f"{1000 * value:.3g} ms" if value >= 0.001 else f"{1e6 * value:.3g} µs"
    size = max((step for step in STEPS if abs(value) >= step), default=1)
    return f"{value / size:.3g}{['', ' k', ' M', ' G'][STEPS.index(size)]}" + (" s" if unit == "s" else "")


def drawn(board: Board, asked: Asked) -> str:
    """A dashboard as SVG."""
    parts: list[str] = []
    y: float = 40
    for group in board.groups:
        made, y = group_drawn(group, asked, y)
        parts += made
    width = 24 * UNIT
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{y:.0f}" viewBox="0 0 {width} {y:.0f}">'
    back = f'<style>{STYLE}</style><rect width="100%" height="100%" fill="#f8fafc"/>'
    title = f'<text x="{GAP}" y="26" style="font-size:18px;font-weight:600">{escape(board.title)}</text>'
    return "\n".join([head, back, title, *parts, "</svg>\n"])


def group_drawn(group: Group, asked: Asked, y: float) -> tuple[list[str], float]:
    """The panels under one heading, and where the next one begins."""
    parts = [f'<text class="t" x="{GAP}" y="{y + 20}">{escape(group.title)}</text>']
    y += HEAD
    for line in lines_of(group.panels):
        x: float = 0
        for panel in line:
            parts.append(panel_drawn(panel, asked, x + GAP / 2, y, panel.width * UNIT - GAP, panel.height * ROW - GAP))
            x += panel.width * UNIT
        y += max(panel.height for panel in line) * ROW
    return parts, y


def panel_drawn(panel: Panel, asked: Asked, x: float, y: float, width: float, height: float) -> str:
    """One panel in its place."""
    found = [(name, values, QUERIES[query].unit) for query in panel.queries for name, values in asked.series(QUERIES[query])]
    unit = QUERIES[panel.queries[0]].unit
    draw = {"lines": lines_drawn, "number": number_drawn, "table": table_drawn}[panel.look]
    inner = draw([(name, values) for name, values, _ in found], unit, width, height) if found else quiet(width, height)
    frame = f'<rect width="{width}" height="{height}" rx="4" fill="white" stroke="#e2e8f0"/>'
    title = f'<text class="t" x="8" y="18">{escape(panel.title)}</text>'
    return f'<g id="{escape(panel.title)}" transform="translate({x},{y})">{frame}{title}{inner}</g>'


def quiet(width: float, height: float) -> str:
    """Nothing has been counted."""
    return f'<text class="s" x="{width / 2}" y="{height / 2}" text-anchor="middle">nothing</text>'


def number_drawn(found: Sequence[tuple[str, Points]], unit: str, width: float, height: float) -> str:
    """The last value of each series."""
    said = "  ".join(shown(values[-1][1], unit) for _, values in found[:3])
    return f'<text class="mark" x="{width / 2}" y="{height / 2 + 18}" text-anchor="middle" font-size="26">{said}</text>'


def table_drawn(found: Sequence[tuple[str, Points]], unit: str, width: float, height: float) -> str:
    """A line for each series."""
    rows = []
    for place, (name, values) in enumerate(found[: int((height - 40) / 18)]):
        y = 42 + 18 * place
        value = f'<text x="{width - 8}" y="{y}" text-anchor="end">{shown(values[-1][1], unit)}</text>'
        rows.append(f'<text class="mark" x="8" y="{y}">{escape(name)}</text>{value}')
    return "".join(rows)


def lines_drawn(found: Sequence[tuple[str, Points]], unit: str, width: float, height: float) -> str:
    """A line for each series, over a scale from 0."""
    left, right, top = 56.0, width - 8, 30.0
    legend = min(len(found), MOST)
    bottom = height - 12 - 14 * ((legend + 1) // 2)
    start, end = min(values[0][0] for _, values in found), max(values[-1][0] for _, values in found)
    most = max((value for _, values in found for _, value in values), default=0) or 1

    def place(at: float, value: float) -> str:
        return f"{left + (right - left) * (at - start) / max(1e-9, end - start):.1f},{bottom - (bottom - top) * value / most:.1f}"

    parts = []
    for share in (0, 0.5, 1):
        y = bottom - (bottom - top) * share
        parts.append(f'<path d="M{left} {y:.1f}H{right}" stroke="#e2e8f0"/>')
        parts.append(f'<text class="s" x="{left - 6}" y="{y + 3:.1f}" text-anchor="end">{shown(most * share, unit)}</text>')
    for number, (name, values) in enumerate(found):
        colour = COLOURS[number % len(COLOURS)]
        way = " ".join(place(at, value) for at, value in values)
        parts.append(f'<polyline class="mark" points="{way}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        if number < MOST:
            x, y = left + (right - left) / 2 * (number % 2), bottom + 16 + 14 * (number // 2)
            parts.append(f'<rect x="{x}" y="{y - 8}" width="8" height="8" fill="{colour}"/>')
            parts.append(f'<text class="s" x="{x + 12}" y="{y}">{escape(name[:44])}</text>')
    return "".join(parts)


def main() -> None:
    """Draw all dashboards."""
    parser = argparse.ArgumentParser(prog="python -m dashboards.render", description=__doc__)
    parser.add_argument("--prometheus", default="http://127.0.0.1:9090", help="its address (http://127.0.0.1:9090)")
    parser.add_argument("--minutes", type=float, default=15, help="how much of the time until now (15)")
    parser.add_argument("--to", type=Path, required=True, help="the folder for the images")
    arguments: Any = parser.parse_args()
    end = time.time()
    asked = Asked(arguments.prometheus, end - 60 * arguments.minutes, end)
    for board in BOARDS:
        (arguments.to / f"{board.uid.removeprefix('parapet-')}.svg").write_text(drawn(board, asked), encoding="utf-8")


if __name__ == "__main__":
    main()
