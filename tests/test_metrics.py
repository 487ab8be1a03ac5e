"""What is counted: one table, and no label whose values a caller or a backend could choose."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import orjson
import pytest
from prometheus_client.parser import text_string_to_metric_families

from proxy import __version__, errors
from proxy.checks import CATALOGUE
from proxy.core import DIRECTIONS, FAMILIES, WAYS, Action
from proxy.dialects import DIALECTS
from proxy.metrics import METRICS, OTHER, REASONS
from tests.world import BLOCK, CARD, IBAN, MAIL, MARKER, MONITOR, REDACT, STREAM, completion, http, misbehaving, piece, world

CODES = {value.code for value in vars(errors).values() if isinstance(value, type) and issubclass(value, errors.BackendError)}
OUTCOMES = {"served", "denied", "bad_request", "blocked_prompt", "blocked_completion", "backend_error", "client_left", "error"}
CONSULTED = {"answered", "remembered", "error", "timeout", "overload", "circuit_open"}
CLOSED: dict[str, set[str]] = {
    "dialect": {*(dialect.name for dialect in DIALECTS.values()), "litellm", "fms"},
    "model": {"m", OTHER},
    "outcome": OUTCOMES,
    "version": {__version__},
    "team": {""},
    "would": {action.word for action in Action},
    "on_error": {"allow", "block"},
    "policy": {"", "redacting", "blocking", "monitoring"},
    "rule": {"", "no-cards", "no-iban", "cards"},
    "family": {"", *FAMILIES},
    "action": {action.word for action in Action},
    "mode": {"", "enforce", "monitor"},
    "direction": set(DIRECTIONS),
    "check": set(CATALOGUE),
    "category": {"TEXT", *(category for kind in CATALOGUE.values() for category in kind.categories)},
    "kind": {"error", "timeout", "overload", "input", "output"},
    "reason": {*REASONS, OTHER},
    "code": CODES,
    "operator": set(WAYS),
    "result": {
        *("loaded", "refused", "written", "lost", "judged", "cached", "expired", "cleared", "passed", "ended"),
        *CONSULTED,
        *("ok", "left", "failed", "sent", "withheld", *CODES),
        *("restored", "unknown"),
    },
    "backend": {"openai-1"},
    "cause": {"full", "slow", "late", "displaced"},
    "classifier": {"encoder", "own"},
    "whom": {"somebody whom a policy names"},
}


def test_every_label_of_the_table_has_a_closed_set() -> None:
    """A new label has to say here what its values are."""
    assert {label for row in METRICS.values() for label in row.labels} - {"revision"} == set(CLOSED)


def test_labels_hold_nothing_that_a_caller_chose(tmp_path: Path) -> None:
    """After calls that put their own words wherever they can, each value is of a closed set, each metric in the table."""
    answers: list[Any] = [
        http(orjson.dumps(completion(f"{CARD} {MARKER}", **{MARKER: MARKER}))),
        http(orjson.dumps({"error": {"message": MARKER, "code": MARKER, "type": MARKER}}), "418 Teapot"),
        http(MARKER.encode(), "200 OK", MARKER + "/x"),
        STREAM + piece(f'data: {{"choices": [], "{MARKER}": "{MARKER}"}}\n\n'.encode()) + piece(b""),
    ]

    async def behave(request: Any, writer: asyncio.StreamWriter, reader: asyncio.StreamReader) -> None:
        writer.write(answers.pop(0))

    async def main() -> str:
        async with misbehaving(behave) as address, world(tmp_path, REDACT, BLOCK, MONITOR, backend=address) as parapet:
            await parapet.chat(f"{MAIL} {MARKER}", **{MARKER: MARKER})
            await parapet.chat()
            await parapet.chat()
            await parapet.chat(stream=True)
            await parapet.chat(IBAN)
            await parapet.chat(model=MARKER)
            await parapet.chat(messages=[{"role": "user", "content": [{"type": MARKER}]}, {"role": MARKER}])
            await parapet.chat(messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": MARKER}}]}])
            return await parapet.metrics()

    text = asyncio.run(main())
    seen = {"le": {"any"}}
    for family in text_string_to_metric_families(text):
        assert family.name in METRICS
        for sample in family.samples:
            for label, value in sample.labels.items():
                seen.setdefault(label, set()).add(value)
    del seen["le"]
    assert all(re.fullmatch("[0-9a-f]+", revision) for revision in seen.pop("revision"))
    for label, values in seen.items():
        assert values <= CLOSED[label], label
    assert set(seen) >= {"policy", "rule", "model", "code", "reason", "outcome", "category"}
    assert MARKER not in text


def test_only_configured_models_are_told_apart(tmp_path: Path) -> None:
    """A model that is not served is counted as other."""

    async def main() -> str:
        async with world(tmp_path) as parapet:
            await parapet.chat(model="invented")
            await parapet.chat()
            return await parapet.metrics()

    text = asyncio.run(main())
    assert 'parapet_calls_total{dialect="openai-chat",model="other",outcome="bad_request"} 1.0' in text
    assert 'parapet_calls_total{dialect="openai-chat",model="m",outcome="served"} 1.0' in text


@pytest.mark.parametrize("stream", [False, True])
def test_a_call_counts_its_decisions_findings_and_times(stream: bool, tmp_path: Path) -> None:
    """By policy, rule, family, action, mode and direction; each rule once."""

    async def main() -> str:
        async with world(tmp_path, REDACT, MONITOR) as parapet:
            await parapet.chat(f"{MAIL}, {CARD} and {CARD}", stream=stream)
            return await parapet.metrics()

    text = asyncio.run(main())
    decided = r'action="redact",direction="prompt",revision="\w+",team="",would="block"'
    assert re.search(rf"parapet_decisions_total{{{decided}}} 1\.0", text)
    for category in ("CREDIT_CARD", "EMAIL_ADDRESS"):
        rule = rf'category="{category}",direction="prompt",family="privacy",mode="enforce",policy="redacting"'
        assert re.search(rf'parapet_matches_total{{action="redact",{rule},revision="\w+",rule="no-cards",team=""}} 1\.0', text)
        monitored = rf'category="{category}",direction="prompt",family="privacy",mode="monitor",policy="monitoring"'
        assert re.search(rf'parapet_matches_total{{action="block",{monitored},revision="\w+",rule="cards",team=""}} 1\.0', text)
    found = 'category="CREDIT_CARD",check="pii",direction="prompt",family="privacy"'
    assert f"parapet_findings_total{{{found}}} 2.0" in text
    for direction in DIRECTIONS:
        assert re.search(rf'parapet_check_seconds_count{{check="pii",direction="{direction}"}} 1.0', text)
        assert f'parapet_guard_seconds_count{{direction="{direction}"}} 1.0' in text
    assert 'parapet_call_seconds_count{dialect="openai-chat",model="m"} 1.0' in text
    assert ("parapet_chunk_guard_seconds_count 0.0" in text) is not stream
    assert ('parapet_backend_first_chunk_seconds_count{model="m"} 1.0' in text) is stream
    assert f"parapet_held_characters_count {float(stream)}" in text
