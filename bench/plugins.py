"""What each plug-in costs: the CPU time and the memory of loading it, and of having it while nobody calls.

`python -m bench.plugins` starts Parapet once for each, with one worker, the embedded backend and one plain rule, and subtracts
what it costs without: of the whole process tree, processes of rails among them.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from bench.processes import Usage, free_port, running, usage

ROOT = Path(__file__).parents[1]
PATIENCE = 120.0  # seconds until a server must answer
SETTLE = 1.0  # seconds after its first answer in which it may finish what it began
PLAIN = "policy: plain\nrules:\n  - {id: plain, check: pii, with: {entities: [CREDIT_CARD]}, action: redact}\n"
RULE = "  - {{id: plugged, check: {check}, with: {{{options}}}, action: flag, on_error: allow, timeout: 10s}}\n"
PROBE = orjson.dumps({"model": "echo", "messages": [{"role": "user", "content": "hello"}]})
RAILS = {
    "config.yml": "rails:\n  input: {flows: [check zebras]}\n",
    "rails.co": """
define bot refuse zebras
  "Not about zebras."

define flow check zebras
  $bad = execute is_bad(text=$user_message)
  if $bad
    bot refuse zebras
    stop
""",
    "actions.py": """
from nemoguardrails.actions import action

@action(is_system_action=True)
async def is_bad(text: str):
    return "zebra" in text
""",
}
PACKAGE = {"METADATA": "Metadata-Version: 2.1\nName: codenames\nVersion: 1.0\n", "entry_points.txt": "[parapet.checks]\n"}


@dataclass(frozen=True, slots=True)
class Plugin:
    """One plug-in: the check of a rule with its options, or a pool of the settings; `module`: what loading it imports."""

    name: str
    module: str
    check: str = ""
    options: str = ""
    pool: str = ""


PLUGINS = (
    Plugin("http", "", "http", "kind: parapet, url: 'http://127.0.0.1:9'"),
    Plugin("guard_model", "", "guard_model", "pool: echo, kind: llama-guard-3"),
    Plugin("entry point", "codenames", "codenames", "projects: [Blue Heron]"),
    Plugin("nemo", "nemoguardrails", "nemo", "config: rails"),
    Plugin("litellm", "litellm", pool="{kind: litellm, model: anthropic/claude-sonnet-4-5}"),
)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a server has used: until it was ready, and in each second after that in which nobody called."""

    seconds: float  # until its first answer
    ready: Usage
    idle: float  # CPU seconds a second
    rss: int = field(default=0)  # bytes, after that


def written(folder: Path, plugin: Plugin | None) -> Mapping[str, str]:
    """The configuration of a server, and the variables that it needs."""
    policy = PLAIN + (RULE.format(check=plugin.check, options=plugin.options) if plugin and plugin.check else "")
    pools = "pools:\n  echo: {backends: [{kind: echo}]}\n"
    pools += f"  other: {{backends: [{plugin.pool}]}}\n" if plugin and plugin.pool else ""
    (folder / "policy.yaml").write_text(policy)
    (folder / "parapet.yaml").write_text(f'policies: [policy.yaml]\nrecord: "off"\n{pools}')
    for name, text in RAILS.items():
        (folder / "rails").mkdir(exist_ok=True)
        (folder / "rails" / name).write_text(text)
    info = folder / "site" / "codenames-1.0.dist-info"
    info.mkdir(parents=True)
    for name, text in PACKAGE.items():
        (info / name).write_text(text + ("codenames = codenames:PLUG\n" if name == "entry_points.txt" else ""))
    path = [ROOT, folder / "site", ROOT / "docs" / "examples" / "codenames" / "src"]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))}


def cost(plugin: Plugin | None, idle: float) -> Cost:
    """Start a server with a plug-in, or without any, and look at it; `idle` in seconds. Raises StartError."""
    with tempfile.TemporaryDirectory(prefix="parapet-bench-") as made:
        folder, port = Path(made), free_port()
        env = written(folder, plugin)
        command = [sys.executable, "-m", "proxy.cli", "serve", "--config", str(folder / "parapet.yaml"), "--port", str(port)]
        url = f"http://127.0.0.1:{port}/v1/chat/completions"
        with running(command, url, folder=folder, log=folder / "log", env=env, probe=PROBE, patience=PATIENCE) as server:
            time.sleep(SETTLE)
            ready = usage(server.pid)
            time.sleep(idle)
            after = usage(server.pid)
            return Cost(server.seconds, ready, (after.cpu - ready.cpu) / idle if idle else 0.0, after.rss)


def row(name: str, made: Cost, base: Cost | None) -> str:
    """One line of the table; beside `base`, what is more."""
    cpu, rss, idle = made.ready.cpu, made.rss, made.idle
    if base is not None:
        cpu, rss, idle = cpu - base.ready.cpu, rss - base.rss, idle - base.idle
    sign = "" if base is None else "+"
    return f"{name:<16}{cpu:>{sign}9.2f} s{rss / 2**20:>{sign}10.1f} MiB{idle * 1e3:>{sign}10.2f} ms/s{made.seconds:>9.1f} s"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.plugins", description=__doc__)
    parser.add_argument("--idle", type=float, default=10.0, help="seconds in which nobody calls (10)")
    parser.add_argument("--only", default="", help="comma-separated names of plug-ins; left out: all")
    given = parser.parse_args()
    chosen = [each for each in PLUGINS if not given.only or each.name in given.only.split(",")]
    print(f"{'':<16}{'CPU to load':>11}{'memory':>14}{'CPU idle':>15}{'ready in':>11}")
    base = cost(None, given.idle)
    print(row("without", base, None), flush=True)
    for plugin in chosen:
        print(row(plugin.name, cost(plugin, given.idle), base), flush=True)


if __name__ == "__main__":
    main()
