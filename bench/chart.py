"""Draws CPU a call of all systems as an SVG, on a scale of powers of ten: what a reader of the README sees first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from bench.report import Row
from bench.systems import BACKEND

WIDTH, BAR, NAMES, FIGURES = 860, 26, 200, 150  # pixels
OURS, THEIRS = "#2563eb", "#94a3b8"
STYLE = "text{font:13px system-ui,sans-serif;fill:#1e293b}.s{font-size:11px;fill:#64748b}"


def chart(rows: Sequence[Row], connections: int = 16) -> str:
    """Whole calls at so many at once, the cheapest first. Raises ValueError when there are none."""
    chosen = [row for row in rows if (row.scenario.kind, row.scenario.connections) == ("calls", connections)]
    chosen = sorted((row for row in chosen if row.system != BACKEND), key=lambda row: row.cpu.median)
    if not chosen:
        raise ValueError(f"no calls at {connections} at once were measured")
    low = math.floor(math.log10(chosen[0].cpu.median))
    high = math.ceil(math.log10(chosen[-1].cpu.median))
    room = WIDTH - NAMES - FIGURES

    def x(cpu: float) -> float:
        return NAMES + room * (math.log10(cpu) - low) / max(1, high - low)

    height = 60 + BAR * len(chosen)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}">']
    parts.append(f'<style>{STYLE}</style><rect width="100%" height="100%" fill="white"/>')
    for power in range(low, high + 1):
        at = x(10**power)
        parts.append(f'<path d="M{at:.1f} 24V{height - 32}" stroke="#e2e8f0"/>')
        parts.append(f'<text class="s" x="{at:.1f}" y="16" text-anchor="middle">{said(10**power)}</text>')
    for place, row in enumerate(chosen):
        y = 30 + BAR * place
        colour = OURS if row.system.startswith("parapet") else THEIRS
        end = max(x(row.cpu.median), NAMES + 2)
        parts.append(f'<text x="{NAMES - 8}" y="{y + 14}" text-anchor="end">{escape(row.system)}</text>')
        parts.append(f'<rect x="{NAMES}" y="{y}" width="{end - NAMES:.1f}" height="{BAR - 8}" rx="2" fill="{colour}"/>')
        parts.append(f'<text x="{end + 6:.1f}" y="{y + 14}">{said(row.cpu.median)} ({row.ratio.median:.1f} x)</text>')
    note = f"CPU time of all processes a call, {connections} at once; in brackets beside the bare relay. Shorter is better."
    parts.append(f'<text class="s" x="{NAMES}" y="{height - 10}">{note}</text></svg>')
    return "\n".join(parts) + "\n"


def said(microseconds: float) -> str:
    """A time as people read it."""
    return f"{microseconds / 1000:.3g} ms" if microseconds >= 1000 else f"{microseconds:.3g} µs"
