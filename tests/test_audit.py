"""The trail: one line of JSON for each call, whole, from several processes, and counted when it is lost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from proxy.audit import Record, Trail
from proxy.core import Action, Decision, Failure, Finding, Match, Principal

FINDING = Finding("pii", "privacy", "CREDIT_CARD", 1.0, 4, 23, segment=1, role="user")
DECISION = Decision(
    "prompt",
    Action.REDACT,
    Action.BLOCK,
    "payments",
    "no-cards",
    "A message that says what was wrong.",
    (FINDING,),
    (Match("payments", "no-cards", Action.REDACT, "enforce", FINDING), Match("trial", "x", Action.BLOCK, "monitor", FINDING)),
    (Failure("misuse", "", "timeout"),),
    ("payments@0123",),
)


def test_a_line_says_what_was_decided_and_where(tmp_path: Path) -> None:
    """Who, which model, which rule, which findings at which places: everything but the text."""
    counted: list[bool] = []
    trail = Trail(str(tmp_path / "trail"), counted.append)
    record = Record("id-1", "openai-chat", Principal("ci", "shop", "payments"), model="m", outcome="served", status=200)
    record.prompt, record.prompt_places = DECISION, ["messages[0].content", "messages[1].content"]
    trail.write(record)
    trail.write(record)
    first, second = (tmp_path / "trail").read_bytes().splitlines()
    line = orjson.loads(first)
    finding = line["prompt"]["findings"][0]
    assert (finding["check"], finding["family"], finding["category"]) == ("pii", "privacy", "CREDIT_CARD")
    assert (finding["start"], finding["end"], finding["role"], finding["place"]) == (4, 23, "user", "messages[1].content")
    assert line["prompt"]["failures"] == [{"check": "misuse", "kind": "timeout"}]
    assert [match["mode"] for match in line["prompt"]["matches"]] == ["enforce", "monitor"]
    assert (line["prompt"]["action"], line["prompt"]["would"]) == ("redact", "block")
    assert line["principal"] == {"key": "ci", "app": "shop", "team": "payments"}
    assert orjson.loads(second)["request_id"] == "id-1"
    assert counted == [True, True]


def test_a_record_holds_at_most_200_findings(tmp_path: Path) -> None:
    """Those that a rule matched first; how many more there were is said."""
    many = tuple(Finding("pii", "privacy", "URL", 0.1, start, start + 1) for start in range(1000))
    matched = Finding("pii", "privacy", "CREDIT_CARD", 1.0, 5000, 5019)
    match = Match("payments", "no-cards", Action.REDACT, "enforce", matched)
    record = Record("id-1", "openai-chat", prompt=DECISION)
    record.completion = Decision("completion", Action.REDACT, findings=(*many, matched), matches=(match,))
    Trail(str(tmp_path / "trail"), lambda _: None).write(record)
    line = orjson.loads((tmp_path / "trail").read_bytes())
    assert [finding["start"] for finding in line["completion"]["findings"]] == [5000, *range(199)]
    assert line["completion"]["findings_left_out"] == 801
    assert line["prompt"]["findings_left_out"] == 0


WRITER = """
import sys
from proxy.audit import Record, Trail
trail = Trail(sys.argv[1], lambda ok: None)
for number in range(500):
    trail.write(Record(f"{sys.argv[2]}-{number}", "openai-chat", backend="x" * (number * 20)))
"""


def test_several_processes_append_whole_lines(tmp_path: Path) -> None:
    """No line is lost, and none is torn by another, however long."""
    target = tmp_path / "trail"
    root = Path(__file__).parent.parent
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(target), name], cwd=root) for name in "ab"]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    ids = [orjson.loads(line)["request_id"] for line in target.read_bytes().splitlines()]
    assert sorted(ids) == sorted(f"{name}-{number}" for name in "ab" for number in range(500))


def test_a_target_that_cannot_be_opened_is_an_error_at_the_start(tmp_path: Path) -> None:
    """Nobody should find out after a day of calls."""
    with pytest.raises(OSError, match="trail"):
        Trail(str(tmp_path / "missing" / "trail"), lambda _: None)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_a_full_disk_is_counted_and_the_call_goes_on() -> None:
    """A record that could not be written is not lost quietly."""
    counted: list[bool] = []
    Trail("/dev/full", counted.append).write(Record("id", "openai-chat"))
    assert counted == [False]


def test_no_trail_costs_nothing() -> None:
    """With `off`, nothing is made and nothing counted."""
    counted: list[bool] = []
    Trail("off", counted.append).write(Record("id", "openai-chat"))
    assert counted == []
