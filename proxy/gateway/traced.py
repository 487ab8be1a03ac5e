"""What spans say of a call: names, kinds and numbers by OpenTelemetry's conventions, and never a text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from proxy.audit import Record
from proxy.core import Decision
from proxy.dialects import Dialect
from proxy.metrics import Usage
from proxy.traces import Step

CHAT = "chat"
OPERATIONS = {  # of the dialects that are no chat, as gen_ai.operation.name has them
    "openai-completions": "text_completion",
    "openai-embeddings": "embeddings",
    "openai-images": "generate_content",
    "rerank": "rerank",
}
NUMBERS = {  # of a request that may be told: what they are named in it, and by the conventions
    "max_tokens": "gen_ai.request.max_tokens",
    "max_completion_tokens": "gen_ai.request.max_tokens",
    "max_output_tokens": "gen_ai.request.max_tokens",
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "n": "gen_ai.request.choice.count",
    "seed": "gen_ai.request.seed",
}


def asking(dialect: Dialect, record: Record, payload: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The name of the step in which a backend is asked, and what is known of it before."""
    operation = OPERATIONS.get(dialect.name, CHAT)
    said: dict[str, Any] = {"gen_ai.operation.name": operation, "gen_ai.provider.name": dialect.name.partition("-")[0]}
    said |= {"gen_ai.request.model": record.model, "gen_ai.request.stream": record.stream}
    if isinstance(payload, Mapping):
        said |= {key: payload[name] for name, key in NUMBERS.items() if type(payload.get(name)) in (int, float)}
    return f"{operation} {record.model}", said


def tokens(usage: Usage) -> dict[str, int]:
    """What an answer took."""
    return {"gen_ai.usage.input_tokens": usage.input, "gen_ai.usage.output_tokens": usage.output}


def decided(span: Step, decision: Decision) -> None:
    """What was decided of one direction."""
    said = {"action": decision.action.word, "would": decision.would.word, "policy": decision.policy, "rule": decision.rule}
    span.note({f"parapet.{name}": value for name, value in said.items()})
    span.note({"parapet.findings": len(decision.findings), "parapet.failures": len(decision.failures)})


def served(span: Step, record: Record) -> None:
    """How a call ended."""
    said = {"request_id": record.request_id, "outcome": record.outcome, "model": record.model, "team": record.principal.team}
    span.note({f"parapet.{name}": value for name, value in {**said, "revision": record.revision}.items()})
    span.note({"http.response.status_code": record.status, "parapet.stream": record.stream})
    if record.outcome in ("error", "backend_error"):
        span.failed(record.error)
