"""Shows settings to people: those in force with their sources, and the reference page of the docs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, dataclass
from typing import Any

from proxy.settings.entry import Row, rows
from proxy.settings.pools import EchoBackend, LiteLLMBackend, OpenAIBackend, Pool
from proxy.settings.table import CONFIG, Key, Service, Settings, table

INTRODUCTION = f"""\
# Settings

This page is generated from the table in `proxy/settings/table.py`.

A setting is taken from the first of these places that names it: the command line, its environment variable, the configuration
file (`--config FILE`, or the file that `{CONFIG}` names), its default. `parapet config` prints every value with its place. An
unknown name or a bad value stops the start. Paths in the file are relative to the file. `pools`, `services` and `keys` are
written in a variable as one line of JSON or YAML.
"""
HEAD = "| setting | default | what it takes | what it is |\n| --- | --- | --- | --- |"
NESTED = (
    ("Pools", Pool, "`pools` gives each model name one."),
    ("Backends of the kind `echo`", EchoBackend, "Each pool in `pools` has a list of `backends`; `kind` says what one is."),
    ("Backends of the kind `openai`", OpenAIBackend, ""),
    ("Backends of the kind `litellm`", LiteLLMBackend, ""),
    ("Services", Service, "Each entry of `services` names one that a rule may ask: `with: {kind: presidio, service: NAME}`."),
    ("Keys", Key, "Each row of `keys` names one caller."),
)


@dataclass(frozen=True, slots=True)
class InForce:
    """One setting as it is in force; no secret is in it."""

    name: str
    value: str
    source: str


def in_force(settings: Settings) -> list[InForce]:
    """Every setting with its value, as one would write it, and its source."""
    return [InForce(row.name, row.kind.show(getattr(settings, row.name)), settings.source(row.name)) for row in table()]


def reference() -> str:
    """docs/settings.md."""
    return "\n".join(_pages())


def _pages() -> Iterator[str]:
    yield INTRODUCTION
    yield HEAD
    for row in table():
        yield f"| `{row.name}`<br>`{row.variable}` | {_default(row)} | {row.kind.expected} | {row.help} |"
    for title, of, opening in NESTED:
        yield f"\n## {title}\n\n{(of.__doc__ or '').strip()} {opening}".rstrip()
        yield f"\n{HEAD}"
        yield from (f"| `{row.name}` | {_default(row)} | {row.kind.expected} | {row.help} |" for row in rows(of))
    yield ""


def _default(row: Row) -> str:
    if row.default is MISSING:
        return "required"
    shown: Any = row.kind.show(row.default)
    return f"`{shown}`" if shown else "none"
