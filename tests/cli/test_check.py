"""`parapet check`."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from proxy.cli import main

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow  # each compiles the automata of the shipped policies


def judged(capfd: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    """The lines that the command prints."""
    assert main(["check", *arguments]) == 0
    return [json.loads(line) for line in capfd.readouterr().out.splitlines()]


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    """Three texts: a JSON object, one of a completion, and plain text."""
    file = tmp_path / "texts.jsonl"
    rows = [
        {"id": "a", "text": "mail jo@example.com"},
        {"id": "b", "text": "all well", "role": "assistant", "direction": "completion"},
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows) + "card 4111 1111 1111 1111\n\n")
    return file


def test_each_text_gets_its_decision_and_findings(texts: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """In order, with what found them, and the text after redaction."""
    first, second, third = judged(capfd, str(texts))
    assert (first["id"], first["action"], first["text"]) == ("a", "redact", "mail <EMAIL_ADDRESS>")
    [finding] = first["findings"]
    assert finding == {
        "check": "pii", "family": "privacy", "category": "EMAIL_ADDRESS", "score": 1.0, "start": 5, "end": 19,
        "detail": {"recognizer": "EmailRecognizer", "pattern": "Email (Medium)", "validation": "passed"},
    }  # fmt: skip
    assert (second["id"], second["action"], second["rule"], second["findings"]) == ("b", "allow", None, [])
    assert third["text"] == "card <CREDIT_CARD>"


def test_all_scores_has_every_category(texts: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Those without a finding at 0."""
    first = judged(capfd, "--all-scores", str(texts))[0]
    assert first["scores"]["EMAIL_ADDRESS"] == 1.0
    assert first["scores"]["CREDIT_CARD"] == 0.0
    assert first["scores"]["JWT"] == 0.0


def test_a_policy_of_ones_own_is_used_instead(texts: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """By file."""
    policy = tmp_path / "mail.yaml"
    policy.write_text("policy: mail\nrules:\n  - {id: no-mail, check: pii, with: {entities: [EMAIL_ADDRESS]}, action: block}\n")
    first, _, third = judged(capfd, "--policy", str(policy), str(texts))
    assert (first["action"], first["rule"], first["policy"], first["text"]) == ("block", "no-mail", "mail", None)
    assert third["action"] == "allow"


def test_the_direction_can_be_chosen(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """For texts that name none."""
    policy = tmp_path / "mail.yaml"
    policy.write_text("policy: mail\nrules:\n  - {id: no-mail, check: pii, direction: completion, action: block}\n")
    plain = tmp_path / "plain.txt"
    plain.write_text("mail jo@example.com\n")
    assert judged(capfd, "--policy", str(policy), str(plain))[0]["action"] == "allow"
    assert judged(capfd, "--policy", str(policy), "--direction", "completion", str(plain))[0]["action"] == "block"


@pytest.mark.parametrize("files", [[], ["-"]])
def test_standard_input_is_read_without_files_and_as_a_dash(
    files: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """As in a pipe."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"mail jo@example.com\n")))
    assert judged(capfd, *files)[0]["text"] == "mail <EMAIL_ADDRESS>"


@pytest.mark.parametrize(
    "line", ['{"id": 1}', '{"text": 3}', '{"text": "x", "role": "king"}', '{"text": "secret-marker"', '{"txt": "x"}']
)
def test_a_line_that_cannot_be_read_is_refused_with_its_place(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], line: str
) -> None:
    """File and line, the exit status 2, and not the text."""
    file = tmp_path / "texts.jsonl"
    file.write_text('{"text": "fine"}\n' + line + "\n")
    assert main(["check", str(file)]) == 2
    said = capfd.readouterr().err
    assert f"{file}:2" in said
    assert "secret-marker" not in said


def test_a_file_that_is_not_there_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """With its name."""
    assert main(["check", str(tmp_path / "none.jsonl")]) == 2
    assert "none.jsonl" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("first", "action"), [(b'{"id": "a", "text": "mail jo@example.com"}', "redact"), (b"jo@example.com", "redact"), (b"", None)]
)
def test_a_byte_order_mark_is_no_part_of_the_text(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], first: bytes, action: str | None
) -> None:
    """Editors on Windows put one at the beginning of a file."""
    file = tmp_path / "texts.txt"
    file.write_bytes(b"\xef\xbb\xbf" + first + b"\nall well\n")
    results = judged(capfd, str(file))
    assert [result["action"] for result in results] == ([action] if action else []) + ["allow"]
    assert "\ufeff" not in "".join(result["text"] for result in results)


@pytest.mark.parametrize(("closed", "name"), [(1, "standard output"), (0, "standard input")])
def test_a_closed_stream_is_named(closed: int, name: str) -> None:
    """Instead of a stack trace."""
    ran = subprocess.run(
        [sys.executable, "-m", "proxy.cli", "check"],
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        preexec_fn=lambda: os.close(closed),
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=60,
    )
    assert ran.returncode == 2
    assert ran.stderr.startswith(f"parapet: {name} is closed")
    assert "Traceback" not in ran.stderr
