"""Policy files that change are put in force in one step; files with mistakes leave what was in force, visibly."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from proxy.checks import CATALOGUE, catalogue, combined
from proxy.checks.desk import Desk
from proxy.core import Action, CheckKind, Segment
from proxy.engine import Engine, Reloader
from proxy.errors import PolicyError
from proxy.metrics import Metrics
from proxy.outside import Outside
from proxy.settings import Settings
from tests.checks.test_plugged import package
from tests.examples import examples
from tests.world import CARD, MARKER, REDACT, WATCH


def reloader(folder: Path, catalogue: Mapping[str, CheckKind] = CATALOGUE) -> Reloader:
    metrics = Metrics(["m"])
    return Reloader(Engine(Settings(record="off"), CATALOGUE, combined, metrics), (folder,), catalogue, metrics)


def action(made: Reloader) -> Action:
    return asyncio.run(made.engine.guard("", "m").judge("prompt", [Segment(CARD, "user")])).decision.action


def counted(made: Reloader) -> list[str]:
    lines = made.metrics.exposition().decode().splitlines()
    return [line for line in lines if line.startswith(("parapet_policy_loads_total", "parapet_policy_refused "))]


def test_a_changed_file_replaces_the_old_one(tmp_path: Path) -> None:
    """New calls are judged by it; the revision changes; a guard that a call holds stays as it is."""
    (tmp_path / "a.yaml").write_text(WATCH)
    made = reloader(tmp_path)
    made.start()
    old, revision = made.engine.guard("", "m"), made.engine.policies.revision
    assert action(made) == Action.FLAG
    assert not asyncio.run(made.look())
    (tmp_path / "a.yaml").write_text(REDACT)
    assert asyncio.run(made.look())
    assert action(made) == Action.REDACT
    assert made.engine.policies.revision != revision
    assert [policy.name for policy in old.policies] == ["watching"]


CONSULTING = """
policy: consulting
rules:
  - {{id: service, check: http, with: {{kind: parapet, url: "http://127.0.0.1:9", cache: {number}}}, action: flag}}
  - {{id: guard, check: guard_model, with: {{pool: m, kind: wildguard, cache: {number}}}, action: flag}}
  - {{id: own, check: mine, with: {{cache: {number}}}, action: flag}}
"""
PLUGGED = "from proxy.plug import Hit, Plug\nPLUG = Plug(('a',), lambda *_: lambda text, role: [Hit('a', 0, 1)])\n"


def desks() -> list[Desk]:
    """All that live; of everything else only the type is looked at, since torch keeps objects that warn when they are asked."""
    gc.collect()
    return [each for each in gc.get_objects() if issubclass(type(each), Desk)]


def test_what_a_reload_dropped_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After many policy sets there are queues and threads of one; those of a guard that a call holds stay until it is done."""
    package(tmp_path, PLUGGED)
    monkeypatch.syspath_prepend(str(tmp_path))
    given = Settings(record="off", pools={"m": Settings().pools["echo"]})
    outside, metrics = Outside(given, dict), Metrics(["m"])
    kinds = catalogue(given, outside=outside)
    made = Reloader(Engine(given, kinds, combined, metrics), (tmp_path / "a.yaml",), kinds, metrics)
    before = len(desks())
    (tmp_path / "a.yaml").write_text(CONSULTING.format(number=1))
    made.start()
    old = made.engine.guard("", "m")
    threads = threading.active_count()
    for number in range(2, 2 + examples(50)):
        (tmp_path / "a.yaml").write_text(CONSULTING.format(number=number))
        assert asyncio.run(made.look()), made.problem
    assert len(desks()) - before == 6
    [finding] = [f for f in asyncio.run(old.judge("prompt", [Segment("x", "user")])).decision.findings if f.check == "mine"]
    assert finding.category == "a"
    del old
    assert len(desks()) - before == 3
    end = time.monotonic() + 10
    while threading.active_count() > threads + 1 and time.monotonic() < end:
        time.sleep(0.01)  # threads end when they notice
    assert threading.active_count() <= threads + 1
    made.engine.close()
    outside.stop()


def test_a_file_with_a_mistake_leaves_what_is_in_force(tmp_path: Path) -> None:
    """The mistake is named with its place and counted, until the file is right again."""
    (tmp_path / "a.yaml").write_text(REDACT)
    made = reloader(tmp_path)
    made.start()
    revision = made.engine.policies.revision
    (tmp_path / "a.yaml").write_text(REDACT.replace("action: redact", "action: redakt"))
    assert not asyncio.run(made.look())
    assert "a.yaml:4" in made.problem
    assert made.engine.policies.revision == revision
    assert action(made) == Action.REDACT
    assert 'parapet_policy_loads_total{result="refused"} 1.0' in counted(made)
    assert "parapet_policy_refused 1.0" in counted(made)
    (tmp_path / "a.yaml").write_text(REDACT)
    asyncio.run(made.look())
    assert made.problem == ""
    assert "parapet_policy_refused 0.0" in counted(made)


def test_files_that_come_and_go_are_seen(tmp_path: Path) -> None:
    """A folder is looked at as a whole; one that is empty is a mistake, and what was in force stays."""
    (tmp_path / "a.yaml").write_text(WATCH)
    made = reloader(tmp_path)
    made.start()
    (tmp_path / "b.yaml").write_text(REDACT)
    assert asyncio.run(made.look())
    assert [policy.name for policy in made.engine.policies.policies] == ["watching", "redacting"]
    (tmp_path / "a.yaml").unlink()
    (tmp_path / "b.yaml").unlink()
    assert not asyncio.run(made.look())
    assert "no policy" in made.problem
    assert action(made) == Action.REDACT


def test_a_mistake_at_the_start_is_an_error(tmp_path: Path) -> None:
    """There is nothing in force that could stay."""
    (tmp_path / "a.yaml").write_text("policy: x\n")
    with pytest.raises(PolicyError):
        reloader(tmp_path).start()


class Faulty(dict[str, CheckKind]):
    """A catalogue that can fail in a way that nobody expects."""

    broken = False

    def get(self, *given: Any) -> Any:
        if self.broken:
            raise RuntimeError(MARKER)
        return super().get(*given)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - what is waited for has no event of its own
            await asyncio.sleep(0.01)


def test_watching_goes_on_after_an_error_that_nobody_expected(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is counted and shown by type and place alone; once it is over, the files are read without having changed again."""
    (tmp_path / "a.yaml").write_text(WATCH)
    catalogue = Faulty(CATALOGUE)
    made = reloader(tmp_path, catalogue)
    made.start()

    async def main() -> None:
        watching = asyncio.create_task(made.run(0.01))
        catalogue.broken = True
        (tmp_path / "a.yaml").write_text(REDACT)
        await until(lambda: bool(made.problem))
        assert "parapet_policy_refused 1.0" in counted(made)
        assert made.problem.startswith("the policy files could not be read: RuntimeError in test_reload.py, line ")
        catalogue.broken = False
        await until(lambda: not made.problem)
        watching.cancel()

    asyncio.run(main())
    assert action(made) == Action.REDACT
    assert "parapet_policy_refused 0.0" in counted(made)
    assert len([record for record in caplog.records if "RuntimeError" in record.getMessage()]) == 1
    assert MARKER not in caplog.text


def test_a_pipe_among_the_policies_does_not_stop_watching(tmp_path: Path) -> None:
    """It is no policy; those beside it are read."""
    (tmp_path / "a.yaml").write_text(WATCH)
    made = reloader(tmp_path)
    made.start()
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "a.yaml").write_text(REDACT)
    assert asyncio.run(asyncio.wait_for(made.look(), 20))
    assert made.problem == ""
    assert action(made) == Action.REDACT
