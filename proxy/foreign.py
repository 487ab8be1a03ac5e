"""Other gateways that call Parapet as their guard: LiteLLM's generic guardrail API, and the detector API of the FMS orchestrator.

Here their requests become segments, and what was decided becomes their answers; which policies hold depends on the caller's key
and on the model that is named, as in any call.

Sources: litellm/types/proxy/guardrails/guardrail_hooks/generic_guardrail_api.py of BerriAI/litellm;
docs/api/openapi_detector_api.yaml of foundation-model-stack/fms-guardrails-orchestrator.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import orjson

from proxy.core import DIRECTIONS, Action, Direction, Finding, Role, Segment
from proxy.engine import Verdict
from proxy.errors import RequestError

LITELLM = "/beta/litellm_basic_guardrail_api"
CONTENTS = "/api/v1/text/contents"
CHAT = "/api/v1/text/chat"
CHAT_BEFORE = "/api/v1/text/context/chat"  # the same, as earlier orchestrators call it
GENERATION = "/api/v1/text/generation"
ROLES: dict[str, Role] = {
    "system": "system", "developer": "system", "user": "user", "assistant": "assistant", "tool": "tool", "function": "tool",
}  # fmt: skip
CALLS = ("tool_calls", "function_call", "refusal")  # what a message of a model's may hold beside its content
UNREAD = {"image_url": "image", "input_audio": "audio", "video_url": "video", "file": "file"}
UNCHANGEABLE = "a tool call would have to be changed, which this API cannot do"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a gateway wants to have judged. `texts`: how many of the segments are its texts; tools follow, then tool calls."""

    direction: Direction
    segments: Sequence[Segment]
    texts: int = 0
    tools: int = 0
    model: str = ""
    not_inspected: Mapping[str, int] = field(default_factory=dict)
    before: Sequence[Segment] = ()  # of a completion: what it answers, where that is said


def read_litellm(payload: Mapping[str, Any]) -> Asked:
    """A request of LiteLLM. Raises RequestError."""
    side = payload.get("input_type")
    if side not in ("request", "response"):
        raise RequestError("expected request or response", param="input_type")
    texts, tools, calls = strings(payload, "texts"), objects(payload, "tools"), objects(payload, "tool_calls")
    direction: Direction = "prompt" if side == "request" else "completion"
    roles = told(payload, texts) if direction == "prompt" else ["assistant"] * len(texts)
    segments = [
        *(Segment(text, cast("Role", role), f"texts[{i}]") for i, (text, role) in enumerate(zip(texts, roles, strict=True))),
        *(source(tool, "system", f"tools[{i}]") for i, tool in enumerate(tools)),
        *(source(call, "assistant", f"tool_calls[{i}]") for i, call in enumerate(calls)),
    ]
    images = payload.get("images")
    skipped = {"image": len(images)} if isinstance(images, list) and images else {}
    model = payload.get("model")
    before = spoken_before(payload) if direction == "completion" else ()
    return Asked(direction, segments, len(texts), len(tools), model if isinstance(model, str) else "", skipped, before)


def told(payload: Mapping[str, Any], texts: Sequence[str]) -> Sequence[str]:
    """Whose each text is: the messages say so, where their texts are those of the request; else all are the user's."""
    messages = payload.get("structured_messages")
    said = [pair for message in messages for pair in spoken(message)] if isinstance(messages, list) else []
    return [role for role, _ in said] if [text for _, text in said] == list(texts) else ["user"] * len(texts)


def spoken_before(payload: Mapping[str, Any]) -> list[Segment]:
    """The messages that an answer answers, where a request names them."""
    messages = payload.get("structured_messages")
    messages = messages if isinstance(messages, list) else []
    ages = range(len(messages) - 1, -1, -1)
    return [
        Segment(text, role, turn=True, age=age)
        for age, message in zip(ages, messages, strict=True)
        for role, text in spoken(message)
    ]


def spoken(message: object) -> Iterator[tuple[Role, str]]:
    if not isinstance(message, dict):
        return
    role, content = ROLES.get(str(message.get("role")), "user"), message.get("content")
    if isinstance(content, str):
        yield role, content
    for part in content if isinstance(content, list) else []:
        if isinstance(part, dict) and isinstance(part.get("text"), str):
            yield role, part["text"]


def source(value: object, role: Role, place: str) -> Segment:
    """What is no text, as its JSON. Raises RequestError."""
    try:
        return Segment(orjson.dumps(value).decode(), role, place, "json")
    except orjson.JSONEncodeError:
        raise RequestError("the value is nested too deeply", code="too_deep", param=place) from None


def unread(message: Mapping[str, Any]) -> Iterator[str]:
    """The parts of a message that no check reads, by reason."""
    content = message.get("content")
    parts = content if isinstance(content, list) else [] if content is None or isinstance(content, str) else [content]
    for part in parts:
        if not isinstance(part, dict):
            yield "unknown_field"
        elif not isinstance(part.get("text"), str):
            yield UNREAD.get(str(part.get("type")), "unknown_field")


def strings(payload: Mapping[str, Any], name: str) -> list[str]:
    """A list of texts, or none. Raises RequestError."""
    given = payload.get(name)
    if given is None:
        return []
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
        raise RequestError("expected a list of texts", param=name)
    return given


def objects(payload: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """A list of objects, or none. Raises RequestError."""
    given = payload.get(name)
    if given is None:
        return []
    if not isinstance(given, list) or not all(isinstance(each, dict) for each in given):
        raise RequestError("expected a list of objects", param=name)
    return given


def write_litellm(asked: Asked, verdict: Verdict) -> dict[str, Any]:
    """LiteLLM's answer."""
    decision, changes = verdict.decision, verdict.texts
    if decision.action == Action.BLOCK:
        return {"action": "BLOCKED", "blocked_reason": decision.message or f"refused by the rule {decision.rule}"}
    if not changes:
        return {"action": "NONE"}
    if max(changes) >= asked.texts + asked.tools:
        return {"action": "BLOCKED", "blocked_reason": UNCHANGEABLE}
    now = [changes.get(i, segment.text) for i, segment in enumerate(asked.segments)]
    made: dict[str, Any] = {"action": "GUARDRAIL_INTERVENED", "texts": now[: asked.texts]}
    if asked.tools:
        made["tools"] = [orjson.loads(text) for text in now[asked.texts : asked.texts + asked.tools]]
    return made


def read_contents(payload: Mapping[str, Any]) -> list[Asked]:
    """Contents for detectors, each judged by itself; `detector_params.direction` may say that they are completions."""
    if not isinstance(payload.get("contents"), list):
        raise RequestError("expected a list of texts", param="contents", status=422)
    params = payload.get("detector_params")
    direction = params.get("direction", "prompt") if isinstance(params, dict) else "prompt"
    if direction not in DIRECTIONS:
        raise RequestError("expected prompt or completion", param="detector_params.direction", status=422)
    role: Role = "user" if direction == "prompt" else "assistant"
    return [Asked(cast("Direction", direction), [Segment(text, role, "contents")], 1) for text in strings(payload, "contents")]


def read_chat(payload: Mapping[str, Any]) -> Asked:
    """A chat's history with its calls of tools, and the tools, judged as a prompt. Raises RequestError."""
    key = "chat_history" if "chat_history" in payload and "messages" not in payload else "messages"
    if not isinstance(payload.get(key), list):
        raise RequestError("expected a list of messages", param=key, status=422)
    segments, skipped = [], Counter[str]()
    for index, message in enumerate(objects(payload, key)):
        by, place = message.get("role", message.get("author")), f"{key}[{index}]"
        parts = spoken({"role": by, "content": message.get("content")})
        segments += [Segment(text, role, place) for role, text in parts]
        segments += [source(message[name], "assistant", f"{place}.{name}") for name in CALLS if message.get(name)]
        skipped.update(unread(message))
    segments += [source(tool, "system", f"tools[{index}]") for index, tool in enumerate(objects(payload, "tools"))]
    return Asked("prompt", segments, len(segments), not_inspected=skipped)


def read_generation(payload: Mapping[str, Any]) -> Asked:
    """A generated text, judged as a completion."""
    text = payload.get("generated_text")
    if not isinstance(text, str):
        raise RequestError("expected a text", param="generated_text", status=422)
    prompt = payload.get("prompt")
    before = [Segment(prompt, "user")] if isinstance(prompt, str) else []
    return Asked("completion", [Segment(text, "assistant", "generated_text")], 1, before=before)


def write_detections(asked: Asked, verdict: Verdict, *, spans: bool) -> list[dict[str, Any]]:
    """What rules matched, as detections. Raises RequestError when a rule blocks since its check gave no answer."""
    if any(match.failure is not None and match.action == Action.BLOCK for match in verdict.decision.matches):
        raise RequestError("a check gave no answer", status=503, code="check_failed")
    found = dict.fromkeys(match.finding for match in verdict.decision.matches if match.finding is not None)
    return [detection(asked, finding, spans=spans) for finding in found]


def detection(asked: Asked, finding: Finding, *, spans: bool) -> dict[str, Any]:
    made: dict[str, Any] = {"detection": finding.category, "detection_type": finding.family, "score": finding.score}
    if spans:
        made |= {"start": finding.start, "end": finding.end}
        made["text"] = asked.segments[finding.segment].text[finding.start : finding.end]
    return made
