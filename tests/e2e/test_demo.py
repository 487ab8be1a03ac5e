"""`parapet demo --once`: what a newcomer sees first."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.server import free_port

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_demo_shows_what_became_of_each_call(tmp_path: Path) -> None:
    """Redacted, blocked and untouched calls, whole and streamed, with the rule that decided and the time it took."""
    ran = subprocess.run(
        [sys.executable, "-m", "proxy.cli", "demo", "--once"],
        env={"PYTHONPATH": str(ROOT), "PARAPET_PORT": str(free_port()), "PATH": ""},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    shown = ran.stdout
    for said in (
        "Charge <CREDIT_CARD> please",
        "<GITHUB_TOKEN>",
        "none matched",
        "HTTP 400 content_filter",
        "(refused)",
        "it was not called",
    ):
        assert said in shown
    answered = " ".join(line.split("│")[2].strip() for line in shown.splitlines() if line.count("│") == 4)
    assert answered.count("[content_filter") == 2
    assert "kim.sample@example.com" not in answered
