"""What a plug-in costs is measured, and is nothing where none is configured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.plugins import PLUGINS, Plugin, cost, row, written

LOADED = """
import json, sys, threading
from pathlib import Path
from proxy import settings
from proxy.app import create_app
app = create_app(settings.load(Path("parapet.yaml"), {}, {}))
children = [pid for task in Path("/proc/self/task").glob("*/children") for pid in task.read_text().split()]
print(json.dumps([sorted({name.partition(".")[0] for name in sys.modules}), len(children), threading.active_count()]))
"""


def loaded(folder: Path, plugin: Plugin | None) -> tuple[set[str], int, int]:
    """What an application with a plug-in has: the packages that are imported, its processes and its threads."""
    env = written(folder, plugin)
    made = subprocess.run([sys.executable, "-c", LOADED], cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    modules, children, threads = json.loads(made.stdout)
    return set(modules), children, threads


@pytest.mark.slow
def test_nothing_of_a_plug_in_is_there_unless_it_is_configured(tmp_path: Path) -> None:
    """No module, no process and no thread; of one that is, all that it needs, and nothing of the others."""
    (tmp_path / "none").mkdir()
    plain, children, threads = loaded(tmp_path / "none", None)
    heavy = {plugin.module for plugin in PLUGINS if plugin.module} | {"torch", "opentelemetry", "redis"}
    assert not plain & heavy
    assert (children, threads) == (0, 1)
    for plugin in PLUGINS:
        folder = tmp_path / plugin.name
        folder.mkdir()
        modules, children, _ = loaded(folder, plugin)
        found = modules & {each.module for each in PLUGINS}
        if plugin.name == "nemo":
            assert (found, children) == (set(), 1)  # it is imported in its own process
        else:
            assert (found, children) == ({plugin.module} - {""}, 0)


@pytest.mark.slow
def test_the_table_says_what_a_plug_in_adds() -> None:
    """An entry-point check costs little; the figures are of a server that answered."""
    base = cost(None, 0.5)
    assert base.ready.cpu > 0
    assert base.rss > 20 * 2**20
    made = cost(next(each for each in PLUGINS if each.name == "entry point"), 0.5)
    assert row("entry point", made, base).startswith("entry point")
    assert made.rss - base.rss < 50 * 2**20
