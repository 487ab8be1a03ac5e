"""Tables in Markdown, and their places in a model's card."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path


def table(head: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    """A table in Markdown."""
    shown = ["| " + " | ".join(head) + " |", "| " + " | ".join("---" for _ in head) + " |"]
    shown += ["| " + " | ".join(cell(value) for value in line) + " |" for line in lines]
    return "\n".join(shown)


def cell(value: object) -> str:
    """A figure as the card shows it."""
    if not isinstance(value, float):
        return str(value)
    if math.isnan(value):
        return "–"
    return f"{value:.3f}".lstrip("0") if 0 < value < 1 else f"{value:.2f}"


def put(folder: Path, name: str, text: str) -> None:
    """Put a table into the card, between the marks that bear its name."""
    card = folder / "README.md"
    begin, end = f"<!-- made: {name} -->", f"<!-- end: {name} -->"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    before = card.read_text(encoding="utf-8")
    if not pattern.search(before):
        raise SystemExit(f"{card}: it has no place for {name!r}: {begin} … {end}")
    card.write_text(pattern.sub(lambda _: f"{begin}\n{text}\n{end}", before), encoding="utf-8")
