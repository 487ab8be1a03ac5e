"""The table of systems that are measured: one row says how a system is started, and where it listens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BACKEND = "backend"
BASELINE = "relay"  # what the others are compared with

_PARAPET = ("$python", "-m", "proxy.cli", "serve", "--config", "$folder/parapet.yaml", "--port", "$port")
_PARAPET_YAML = """\
pools: {bench: {backends: [{kind: openai, base_url: "$backend/v1"}]}}
policies: [%s]
record: "off"
"""
_NOBODYS = """\
policy: nobodys
description: A policy that applies to no call, so that what remains is the way of a call.
applies_to: {models: [another-model]}
rules:
  - {id: nothing, check: secrets, action: flag}
"""


@dataclass(frozen=True, slots=True)
class System:
    """One system. In `command`, `env` and `files` stand $python, $port, $backend (an address), $folder (its own) and $root."""

    name: str
    about: str
    command: tuple[str, ...]
    path: str = "/v1/chat/completions"
    env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)  # written into its folder before it starts
    patience: float = 60.0  # seconds until it has to answer


def _served(application: str, server: str = "uvicorn") -> tuple[str, ...]:
    return ("$python", "-m", "bench.server", application, "--server", server, "--backend", "$backend", "--port", "$port")


SYSTEMS = (
    System(BACKEND, "the scripted backend, called directly", ("$python", "-m", "bench.backend", "--port", "$port")),
    System(BASELINE, "the bare relay: Starlette and aiohttp, bytes in, bytes out", _served("relay")),
    System("relay-parsed", "the bare relay, every body and event parsed and written", _served("parsed")),
    System(
        "parapet-no-policy",
        "Parapet with no policy that applies",
        _PARAPET,
        files={"parapet.yaml": _PARAPET_YAML % "$folder/nobodys.yaml", "nobodys.yaml": _NOBODYS},
    ),
    System(
        "parapet-baseline",
        "Parapet with policies/baseline.yaml: pii and secrets, both directions",
        _PARAPET,
        files={"parapet.yaml": _PARAPET_YAML % "$root/policies/baseline.yaml"},
    ),
    System("answering", "uvicorn alone: a plain ASGI application that answers itself", _served("answering")),
    System("answering-granian", "granian alone: the same application", _served("answering", "granian")),
    System("plain", "a plain ASGI application around aiohttp, on uvicorn", _served("plain")),
    System("plain-granian", "the same on granian", _served("plain", "granian")),
    System("relay-granian", "the bare relay on granian", _served("relay", "granian")),
)

GROUPS: Mapping[str, tuple[str, ...]] = {
    "parapet": (BASELINE, "relay-parsed", "parapet-no-policy", "parapet-baseline"),
    "relays": (BASELINE, "relay-parsed", "plain"),
    "servers": ("answering", "answering-granian", "plain", "plain-granian", BASELINE, "relay-granian"),
}


def chosen(words: str) -> tuple[System, ...]:
    """The systems, or groups of them, that a comma-separated list names, the bare relay always first.

    Raises ValueError for a name that is in neither table.
    """
    named = [name for word in words.split(",") for name in GROUPS.get(word.strip(), (word.strip(),))]
    table = {system.name: system for system in SYSTEMS}
    if unknown := [name for name in named if name not in table]:
        raise ValueError(f"{unknown[0]!r}: expected one of {', '.join([*GROUPS, *table])}")
    return tuple(table[name] for name in dict.fromkeys([BASELINE, *named]) if name != BACKEND)
