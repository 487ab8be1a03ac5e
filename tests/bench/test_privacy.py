"""The tables of `bench.privacy` count what is right, missed and wrong."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench import privacy, privacy_cost
from bench.privacy import Row, Span
from bench.privacy_names import Sums, merged, shared
from proxy.checks.pii import DEFAULTS
from proxy.core import Finding


@pytest.mark.slow
def test_each_kind_of_set_has_its_table(tmp_path: Path) -> None:
    """Entities by label, false positives by recognizer, keys by family; what patterns cannot find is left out."""
    sets: dict[str, list[tuple[str, list[tuple[int, int, str]]]]] = {
        "pii-chat": [
            ("mail jane@example.com now, Jane", [(5, 21, "EMAIL_ADDRESS"), (27, 31, "PERSON")]),
            ("ssn 536-90-4399, and 536904399x", [(4, 15, "US_SSN")]),
        ],
        "pii-hard": [("version 1.2.3", []), ("call 212-555-0123", [])],
        "pii-keys": [("password = " + "kX9" * 4, [(11, 23, "SECRET")]), ("password = word", [(11, 15, "SECRET")])],
    }
    for name, rows in sets.items():
        (tmp_path / name).mkdir()
        lines = [
            json.dumps({"text": text, "spans": [{"start": a, "end": b, "label": label, "orig": "f"} for a, b, label in spans]})
            for text, spans in rows
        ]
        with gzip.open(tmp_path / name / "data.jsonl.gz", "wt") as file:
            file.write("\n".join(lines))
    done = subprocess.run(
        [sys.executable, "-m", "bench.privacy", str(tmp_path), "--locales", "us", "--names", "0"],
        capture_output=True,
        text=True,
        check=True,
    )
    tables = {part.strip().split(":")[0]: part.split() for part in done.stdout.split("\n\n")}
    chat = tables["pii-chat"]
    assert chat[chat.index("EMAIL_ADDRESS") + 1 :][:4] == ["1.000", "1.000", "1", "0"]
    assert chat[chat.index("US_SSN") + 1 :][:4] == ["1.000", "1.000", "1", "0"]
    assert "PERSON" not in chat
    assert "false positives: 1 of 2 lines, 50.00 %" in done.stdout
    keys = tables["pii-keys"]
    assert keys[keys.index("f") + 1 :][:4] == ["1.000", "0.500", "2", "0"]


def test_keys_that_nobody_knows_stand_where_their_spans_say() -> None:
    """Each in its text, and no two alike."""
    rows = list(privacy.unseen(200))
    keys = [row.text[span.start : span.end] for row in rows for span in row.spans]
    assert len(set(keys)) == len(rows) == 200
    assert all(len(key) >= 24 for key in keys)


def test_a_finding_is_right_where_it_shares_half() -> None:
    """Less does not count."""
    row = Row("0123456789", (Span(0, 10, "A"),))
    [span] = row.spans
    assert [privacy.same(span, Finding("c", "privacy", "A", 1.0, 0, end)) for end in (5, 4)] == [True, False]


def test_all_entities_as_one_are_counted_by_what_they_share() -> None:
    """Places that overlap are one; precision is of what is said, recall of what is there."""
    assert merged([(8, 12), (0, 5), (4, 9), (12, 14)]) == [(0, 12), (12, 14)]
    assert [shared((0, 10), other) for other in ((0, 10), (0, 5), (10, 12))] == [1.0, 0.5, 0.0]
    sums = Sums()
    sums.add([(0, 10), (20, 30)], [(0, 8), (40, 50), (60, 70)], 0.75)
    assert [float(figure) for figure in sums.figures(2).split()] == [0.333, 0.5, 0.455]


def test_chats_have_five_entities_and_clean_texts_none() -> None:
    """So that what is timed is what the tables say."""
    import random

    checks = (*privacy.built("pii", entities=list(DEFAULTS)), *privacy.built("secrets"))
    chance = random.Random(5)
    assert {len(privacy.findings(checks, text)) for text in privacy_cost.chats(chance)[:20]} == {5}
    assert privacy.findings(checks, privacy_cost.clean(chance)[0]) == []
