"""An index of works that is replaced comes into force without a change of the policy."""

from __future__ import annotations

import asyncio
from pathlib import Path

from proxy.checks import CATALOGUE, combined
from proxy.cli import main
from proxy.core import Action, Segment
from proxy.engine import Engine, Reloader
from proxy.metrics import Metrics
from proxy.settings import Settings

POLICY = "policy: works\nrules:\n  - {id: no-recital, check: copyright, with: {index: own.pidx}, action: block}\n"
FIRST = "the quick brown fox jumps over the lazy dog while seven wizards brew a strange potion " * 3
SECOND = "under the pale green lamp an old sailor counted his coins and told nobody of the storm " * 3


def test_a_replaced_index_is_in_force_after_the_next_look(tmp_path: Path) -> None:
    """What only the new one holds is found; a look without a change does nothing; a broken one leaves what was."""
    policy, works, index = tmp_path / "works.yaml", tmp_path / "books", tmp_path / "own.pidx"
    works.mkdir()
    policy.write_text(POLICY)
    (works / "one.txt").write_text(FIRST)
    assert main(["index", "build", str(works), "-o", str(index)]) == 0
    metrics = Metrics()
    engine = Engine(Settings(), CATALOGUE, combined, metrics)
    reloader = Reloader(engine, [policy], CATALOGUE, metrics)
    reloader.start()

    async def action(text: str) -> Action:
        return (await engine.guard("", "m").judge("completion", [Segment(text, "assistant")])).decision.action

    async def scenario() -> None:
        assert (await action(FIRST), await action(SECOND)) == (Action.BLOCK, Action.ALLOW)
        guard = engine.guard("", "m")
        await reloader.look()
        assert engine.guard("", "m") is guard
        (works / "two.txt").write_text(SECOND)
        assert main(["index", "build", str(works), "-o", str(index)]) == 0
        await reloader.look()
        assert (await action(FIRST), await action(SECOND)) == (Action.BLOCK, Action.BLOCK)
        index.unlink()
        index.write_bytes(b"not an index")
        await reloader.look()
        assert "own.pidx" in reloader.problem
        assert await action(SECOND) == Action.BLOCK

    asyncio.run(scenario())
    engine.close()
