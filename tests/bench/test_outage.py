"""Servers that are killed and stopped under load, as processes: no call hangs, none is answered twice."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_every_call_of_an_outage_is_answered_once_or_fails_with_a_clear_error() -> None:
    """The command says so by its status, and counts every call."""
    root = Path(__file__).parents[2]
    made = subprocess.run([sys.executable, "-m", "bench.outage"], cwd=root, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    counted = {name.strip(): int(number) for name, number in re.findall(r"^(\D+?) {2,}(\d+)$", made.stdout, re.MULTILINE)}
    sent = counted.pop("sent")
    assert sum(counted.values()) == sent > 100
    assert (counted["hung"], counted["doubled"]) == (0, 0)
    assert counted["answered"] > 0.8 * sent
    assert len(re.findall(r"^ *[0-9.]+ s  (?:kill|stop|start|continue) [ab]:", made.stdout, re.MULTILINE)) == 4
