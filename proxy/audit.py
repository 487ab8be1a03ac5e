"""The trail of decisions: one JSON line for each call, without a word of its text."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

from proxy.core import Decision, Finding, Principal

MAX_FINDINGS = 200  # in one direction of a record: a text of many small findings must not make a line of megabytes


@dataclass(slots=True)
class Record:
    """What is known of one call; filled in while it goes on, written when it has ended."""

    request_id: str
    dialect: str
    principal: Principal = Principal()
    model: str = ""
    pool: str = ""  # the one that served: another than the model's own after a fallback
    backend: str = ""  # the deployment that was called last
    attempts: int = 0  # calls of deployments
    overlap: str = ""  # the first was made before the verdict on the prompt, which then passed, blocked, or replaced it
    stream: bool = False
    outcome: str = "error"
    status: int = 0
    error: str = ""  # a code, never a message
    revision: str = ""
    prompt: Decision | None = None
    completion: Decision | None = None
    prompt_places: Sequence[str] = ()
    completion_places: Sequence[str] = ()
    not_inspected: dict[str, int] = field(default_factory=dict)
    conversation: str = ""  # where the conversation's id comes from, never the id
    replaced: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)  # how often, by direction, operator and category
    restored: dict[str, int] = field(default_factory=dict)  # names whose values were put back, by category
    unknown: dict[str, int] = field(default_factory=dict)  # names that mean nothing to this caller, by category
    guard_seconds: float = 0.0
    seconds: float = 0.0
    trace_id: str = ""  # of the trace that the call is a part of

    def line(self) -> bytes:
        """The record as one line of JSON."""
        return orjson.dumps(
            {
                "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "request_id": self.request_id,
                "trace_id": self.trace_id,
                "dialect": self.dialect,
                "principal": {"key": self.principal.key, "app": self.principal.app, "team": self.principal.team},
                "model": self.model,
                "pool": self.pool,
                "backend": self.backend,
                "attempts": self.attempts,
                "overlap": self.overlap,
                "stream": self.stream,
                "outcome": self.outcome,
                "status": self.status,
                "error": self.error,
                "revision": self.revision,
                "prompt": summary(self.prompt, self.prompt_places),
                "completion": summary(self.completion, self.completion_places),
                "not_inspected": self.not_inspected,
                "conversation": self.conversation,
                "replaced": self.replaced,
                "restored": self.restored,
                "not_restored": self.unknown,
                "guard_ms": round(self.guard_seconds * 1000, 3),
                "total_ms": round(self.seconds * 1000, 3),
            },
            option=orjson.OPT_APPEND_NEWLINE,
        )


def summary(decision: Decision | None, places: Sequence[str]) -> Mapping[str, Any] | None:
    """A decision as records show it: what was found and where, never the text."""
    if decision is None:
        return None
    return {
        "action": decision.action.word,
        "would": decision.would.word,
        "policy": decision.policy,
        "rule": decision.rule,
        "policies": decision.policies,
        "findings": [
            {
                "check": f.check,
                "family": f.family,
                "category": f.category,
                "score": f.score,
                "start": f.start,
                "end": f.end,
                "role": f.role,
                "place": places[f.segment] if f.segment < len(places) else "",
                **({"detail": dict(f.detail)} if f.detail else {}),
            }
            for f in told(decision)
        ],
        "findings_left_out": max(0, len(decision.findings) - MAX_FINDINGS),
        "failures": [{"check": f.check, "kind": f.kind} for f in decision.failures],
        "matches": [
            {"policy": policy, "rule": rule, "action": action, "mode": mode}
            for policy, rule, action, mode in dict.fromkeys((m.policy, m.rule, m.action.word, m.mode) for m in decision.matches)
        ],
    }


def told(decision: Decision) -> Sequence[Finding]:
    """The findings that a record holds: of too many, those that a rule matched come first."""
    if len(decision.findings) <= MAX_FINDINGS:
        return decision.findings
    matched = {match.finding for match in decision.matches}
    return sorted(decision.findings, key=lambda finding: finding not in matched)[:MAX_FINDINGS]


class Trail:
    """Where records go: standard error, a file that several processes append to, or nowhere."""

    def __init__(self, target: str, written: Callable[[bool], None]) -> None:
        """`written` is told of each record whether it is there. Raises OSError when the file cannot be opened."""
        self.written = written
        self.torn = False  # the last line was written in part: the next must not be joined to it
        self.target: int | None = None
        if target == "stderr":
            self.target = sys.stderr.fileno()
        elif target != "off":
            self.target = os.open(target, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)

    def write(self, record: Record) -> None:
        """Append the record; one that cannot be written is counted, and the call goes on."""
        if self.target is None:
            return
        try:
            line = b"\n" + record.line() if self.torn else record.line()
            written = os.write(self.target, line)
            ok = written == len(line)
            self.torn = not ok and (self.torn or written > 0)
        except (OSError, orjson.JSONEncodeError):
            ok = False
        self.written(ok)
