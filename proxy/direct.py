"""The checks alone, without a backend: `POST /v1/check`, `POST /v1/moderations` and `parapet check`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast, get_args

from proxy.core import DIRECTIONS, ROLES, Action, Direction, Match, Role, Segment
from proxy.engine import Guard, Verdict
from proxy.errors import RequestError

MODERATION = (  # the categories that OpenAI's clients know
    "harassment harassment/threatening hate hate/threatening illicit illicit/violent self-harm self-harm/intent "
    "self-harm/instructions sexual sexual/minors violence violence/graphic"
).split()
OURS = {  # the category of theirs that one of ours counts as, too
    "harassment": "harassment",
    "hate": "hate",
    "toxicity": "harassment",
    "violence": "violence",
    "weapons": "illicit/violent",
    "self_harm": "self-harm",
    "sexual": "sexual",
    "child_safety": "sexual/minors",
    "crime": "illicit",
    "drugs": "illicit",
    "cyber": "illicit",
    "fraud": "illicit",
}


@dataclass(frozen=True, slots=True)
class Item:
    """One text to check."""

    id: Any
    text: str
    role: Role = "user"
    direction: Direction = "prompt"


def item(given: object, place: str, number: int, direction: Direction = "prompt") -> Item:
    """An item from what a caller sent: a text, or an object with `text`. Raises RequestError."""
    if isinstance(given, str):
        return Item(number, given, "user" if direction == "prompt" else "assistant", direction)
    if not isinstance(given, dict) or not isinstance(given.get("text"), str):
        raise RequestError("expected a text, or an object with a text in `text`", param=place)
    if given.keys() - {"id", "text", "role", "direction"}:
        raise RequestError("an unknown field: known are id, text, role, direction", param=place)
    if isinstance(given.get("id"), dict | list):
        raise RequestError("id must be a text or a number", param=f"{place}.id")
    where = given.get("direction") or direction
    role = given.get("role") or ("user" if where == "prompt" else "assistant")
    for name, value, known in (("direction", where, DIRECTIONS), ("role", role, ROLES)):
        if value not in known:
            raise RequestError(f"{name} must be one of {', '.join(known)}", param=f"{place}.{name}")
    return Item(given.get("id", number), given["text"], cast("Role", role), cast("Direction", where))


async def judged(guard: Guard, item: Item) -> Verdict:
    """The decision on one text by itself."""
    return await guard.judge(item.direction, [Segment(item.text, item.role, "text")])


def result(item: Item, verdict: Verdict, categories: Sequence[str] | None = None) -> dict[str, Any]:
    """What `/v1/check` and `parapet check` say of one text; with `categories`, every category's highest score, too."""
    decision = verdict.decision
    made: dict[str, Any] = {
        "id": item.id,
        "action": decision.action.word,
        "would": decision.would.word,
        "policy": decision.policy or None,
        "rule": decision.rule or None,
        "findings": [
            {"check": f.check, "family": f.family, "category": f.category, "score": f.score, "start": f.start, "end": f.end}
            | ({"detail": dict(f.detail)} if f.detail else {})
            for f in decision.findings
        ],
        "text": None if decision.action == Action.BLOCK else verdict.texts.get(0, item.text),
    }
    if reached := [reach(match) for match in decision.matches if match.finding is not None]:
        made["matches"] = reached
    if verdict.not_inspected:
        made["not_inspected"] = dict(verdict.not_inspected)
    if decision.failures:
        made["failures"] = [{"check": f.check, "kind": f.kind} for f in decision.failures]
    if categories is not None:
        made["scores"] = scores(verdict, categories)
    return made


def reach(match: Match) -> dict[str, Any]:
    """A rule that a finding matched: the score that it has, and what it had to reach."""
    finding = match.finding
    shown: dict[str, Any] = {"policy": match.policy, "rule": match.rule, "action": match.action.word, "mode": match.mode}
    if finding is not None:
        shown |= {"category": finding.category, "score": finding.score}
    return shown | {"threshold": match.threshold} | ({"level": match.level} if match.level else {})


def scores(verdict: Verdict, categories: Sequence[str]) -> dict[str, float]:
    """The highest score of each category, 0 where there was no finding."""
    best = dict.fromkeys(categories, 0.0)
    for finding in verdict.decision.findings:
        best[finding.category] = max(best.get(finding.category, 0.0), finding.score)
    return best


def moderation(verdict: Verdict, categories: Sequence[str]) -> dict[str, Any]:
    """A result in the shape of OpenAI's moderations; our categories stand beside theirs under their family."""
    flagged = {m.finding.category for m in verdict.decision.matches if m.finding is not None}
    best = scores(verdict, categories)
    theirs = dict.fromkeys(MODERATION, 0.0)
    hit = dict.fromkeys(MODERATION, False)
    for category, score in best.items():
        name = OURS.get(category, category)
        theirs[name] = max(theirs.get(name, 0.0), score)
        hit[name] = hit.get(name, False) or category in flagged
    applied = {name: ["text"] for name in theirs}
    found = verdict.decision.would > Action.ALLOW
    return {"flagged": found, "categories": hit, "category_scores": theirs, "category_applied_input_types": applied}


def moderated_texts(payload: Mapping[str, Any]) -> list[str]:
    """The texts of a moderation request: a text, a list of texts, or a list of parts. Raises RequestError."""
    given = payload.get("input")
    if isinstance(given, str):
        return [given]
    if isinstance(given, list) and given and all(isinstance(each, str) for each in given):
        return given
    if isinstance(given, list) and given and all(isinstance(each, dict) for each in given):
        parts = [each["text"] for each in given if each.get("type") == "text" and isinstance(each.get("text"), str)]
        if len(parts) == len(given):
            return ["\n".join(parts)]
        raise RequestError("only texts can be checked: an input of another type is not inspected", param="input")
    raise RequestError("input must be a text or a list of texts", param="input")


def check_items(payload: object) -> list[Item]:
    """The items of a `/v1/check` request. Raises RequestError."""
    if not isinstance(payload, dict):
        raise RequestError("the body must be a JSON object")
    direction = payload.get("direction") or "prompt"
    if direction not in DIRECTIONS:
        raise RequestError(f"direction must be one of {', '.join(get_args(Direction))}", param="direction")
    given = payload.get("texts")
    if given is None and isinstance(payload.get("text"), str):
        given = [{key: payload[key] for key in ("id", "text", "role") if key in payload}]
    if not isinstance(given, list) or not given:
        raise RequestError("texts must be a list of at least one text", param="texts")
    return [item(each, f"texts[{number}]", number, direction) for number, each in enumerate(given)]
