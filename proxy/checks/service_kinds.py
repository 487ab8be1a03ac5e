"""The services that the check `http` knows how to ask: how each wants its question, and what its answer means.

Sources: `parapet`: contract.py. `fms`: docs/api/openapi_detector_api.yaml of foundation-model-stack/fms-guardrails-orchestrator.
`openai_moderations`: platform.openai.com/docs/api-reference/moderations. `presidio`: presidio-analyzer/app.py of
microsoft/presidio. `llm_guard`: llm_guard_api/app/schemas.py of protectai/llm-guard. `litellm`: the generic guardrail API,
litellm/types/proxy/guardrails/guardrail_hooks/generic_guardrail_api.py of BerriAI/litellm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from proxy.checks import contract, pii
from proxy.checks.changed import changed
from proxy.checks.desk import Answer, Noted, Question
from proxy.core import Family
from proxy.errors import CheckDeclined

MOST = 1000  # findings in one text: more is no answer
HALF = 0.5  # the least score of what a service flags: its own limits may be lower
PROMPT = frozenset({"system", "user", "tool", "document"})  # the roles of what goes to a model


class Read(BaseModel):
    """An answer, or a part of one: what we need of it, of exactly these types."""

    model_config = ConfigDict(strict=True)


Score = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, slots=True)
class Dispatch:
    """What is posted, and where."""

    path: str
    payload: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Hit:
    """A finding as the service names it: `labels` from the most to the least telling."""

    labels: tuple[str, ...]
    score: float
    start: int
    end: int
    replacement: str | None = None


Write = Callable[[Sequence[Question], Mapping[str, Any]], Dispatch]
Hear = Callable[[bytes, Sequence[Question]], Iterable[Iterable[Hit]]]  # for each question, what was found


@dataclass(frozen=True, slots=True)
class ServiceKind:
    """A kind of service. `labels`: its words and our categories; `batch`: texts in one request; `given`: options it takes."""

    write: Write
    hear: Hear
    labels: Mapping[str, str] = field(default_factory=dict)
    family: Family = "custom"
    batch: int = 1
    given: tuple[str, ...] = ()

    def answers(self, body: bytes, questions: Sequence[Question], labels: Mapping[str, str], other: str) -> list[Answer]:
        """What the service said of each question. Raises CheckDeclined for what is not of its API."""
        try:
            hits = [list(each) for each in self.hear(body, questions)]
        except ValidationError:
            raise CheckDeclined("the service's answer is not of its API") from None
        return [self.answer(found, question, labels, other) for found, question in zip(hits, questions, strict=True)]

    def answer(self, hits: Sequence[Hit], question: Question, labels: Mapping[str, str], other: str) -> Answer:
        if len(hits) > MOST or any(not 0 <= hit.start <= hit.end <= len(question.text) for hit in hits):
            raise CheckDeclined("the service's answer has a span that is not of the text, or too many")
        return tuple(
            Noted(
                next((labels[each] for each in hit.labels if each in labels), other),
                hit.score, hit.start, hit.end, replacement=hit.replacement,
            )
            for hit in hits
        )  # fmt: skip


def write_parapet(questions: Sequence[Question], _: Mapping[str, Any]) -> Dispatch:
    texts = [contract.Text(role=question.role, text=question.text) for question in questions]
    return Dispatch("", contract.Request(texts=texts).model_dump())


def hear_parapet(body: bytes, questions: Sequence[Question]) -> Iterable[Iterable[Hit]]:
    hits: list[list[Hit]] = [[] for _ in questions]
    for found in contract.Response.model_validate_json(body).findings:
        if found.text >= len(questions):
            raise CheckDeclined("the service's answer is about a text that it was not asked about")
        length = len(questions[found.text].text)
        start, end = found.start or 0, length if found.end is None else found.end
        hits[found.text].append(Hit((found.category,), found.score, start, end, found.replacement))
    return hits


class Detection(Read):
    start: int
    end: int
    detection: str
    detection_type: str
    score: Score


DETECTIONS = TypeAdapter(list[list[Detection]])


def write_fms(questions: Sequence[Question], given: Mapping[str, Any]) -> Dispatch:
    payload = {"contents": [question.text for question in questions], "detector_params": {}}
    return Dispatch("/api/v1/text/contents", payload, {"detector-id": given["detector"] or "default"})


def hear_fms(body: bytes, questions: Sequence[Question]) -> Iterable[Iterable[Hit]]:
    found = DETECTIONS.validate_json(body)
    if len(found) != len(questions):
        raise CheckDeclined("the detector's answer is not about as many texts as it was asked about")
    return [[Hit((d.detection, d.detection_type), d.score, d.start, d.end) for d in each] for each in found]


class Moderated(Read):
    category_scores: dict[str, Score]
    categories: dict[str, bool]


class Moderation(Read):
    results: list[Moderated]


def write_moderations(questions: Sequence[Question], given: Mapping[str, Any]) -> Dispatch:
    payload: dict[str, Any] = {"input": [question.text for question in questions]}
    return Dispatch("/v1/moderations", payload | ({"model": given["model"]} if given["model"] else {}))


def hear_moderations(body: bytes, questions: Sequence[Question]) -> Iterable[Iterable[Hit]]:
    results = Moderation.model_validate_json(body).results
    if len(results) != len(questions):
        raise CheckDeclined("the answer is not about as many texts as were asked about")
    for question, told in zip(questions, results, strict=True):
        if told.categories.keys() - told.category_scores.keys():
            raise CheckDeclined("the answer has a category without a score")
        yield [
            Hit((name,), max(score, HALF if told.categories.get(name) else 0.0), 0, len(question.text))
            for name, score in told.category_scores.items()
        ]


class Recognized(Read):
    entity_type: str
    start: int
    end: int
    score: Score


RECOGNIZED = TypeAdapter(list[Recognized])


def write_presidio(questions: Sequence[Question], given: Mapping[str, Any]) -> Dispatch:
    [question] = questions
    return Dispatch("/analyze", {"text": question.text, "language": given["language"]})


def hear_presidio(body: bytes, _: Sequence[Question]) -> Iterable[Iterable[Hit]]:
    yield [Hit((each.entity_type,), each.score, each.start, each.end) for each in RECOGNIZED.validate_json(body)]


class Scanned(Read):
    is_valid: bool
    scanners: dict[str, float]
    sanitized_prompt: str | None = None
    sanitized_output: str | None = None


def write_llm_guard(questions: Sequence[Question], _: Mapping[str, Any]) -> Dispatch:
    [question] = questions
    if question.role in PROMPT:
        return Dispatch("/analyze/prompt", {"prompt": question.text})
    return Dispatch("/analyze/output", {"prompt": "", "output": question.text})


def hear_llm_guard(body: bytes, questions: Sequence[Question]) -> Iterable[Iterable[Hit]]:
    [question] = questions
    told = Scanned.model_validate_json(body)
    text = told.sanitized_prompt if question.role in PROMPT else told.sanitized_output
    yield [*scanned(told, question.text), *rewritten(question.text, text)]


def scanned(told: Scanned, text: str) -> Iterator[Hit]:
    """The scanners that say more than nothing (-1 and 0 are their words for that), and that the text is not valid."""
    risky = {name: min(score, 1.0) for name, score in told.scanners.items() if score > 0}
    if not told.is_valid:
        risky["invalid"] = 1.0  # by the service's own limits: just above one, a scanner's risk is next to nothing
    yield from (Hit((name,), score, 0, len(text)) for name, score in risky.items())


class Guardrail(Read):
    action: Literal["BLOCKED", "NONE", "GUARDRAIL_INTERVENED"]
    texts: list[str] | None = None


def write_litellm(questions: Sequence[Question], _: Mapping[str, Any]) -> Dispatch:
    [question] = questions
    side = "request" if question.role in PROMPT else "response"
    return Dispatch("/beta/litellm_basic_guardrail_api", {"input_type": side, "texts": [question.text], "request_data": {}})


def hear_litellm(body: bytes, questions: Sequence[Question]) -> Iterable[Iterable[Hit]]:
    [question] = questions
    told = Guardrail.model_validate_json(body)
    if told.action == "BLOCKED":
        return [[Hit(("blocked",), 1.0, 0, len(question.text))]]
    if told.action == "NONE":
        return [[]]
    if told.texts is None or len(told.texts) != 1:
        raise CheckDeclined("the guardrail changed a text and did not say to what")
    return [list(rewritten(question.text, told.texts[0]))]


def rewritten(text: str, new: str | None) -> Iterator[Hit]:
    """Where a service has changed a text, and to what."""
    if new is not None and new != text:
        yield from (Hit(("modified",), 1.0, each.start, each.end, each.text) for each in changed(text, new))


MODERATED = {  # the categories of OpenAI's moderations, with ours
    "harassment": "harassment", "harassment/threatening": "harassment", "hate": "hate", "hate/threatening": "hate",
    "illicit": "crime", "illicit/violent": "weapons", "self-harm": "self_harm", "self-harm/intent": "self_harm",
    "self-harm/instructions": "self_harm", "sexual": "sexual", "sexual/minors": "child_safety", "violence": "violence",
    "violence/graphic": "violence",
}  # fmt: skip
SCANNERS = {  # the scanners of llm-guard, with ours
    "PromptInjection": "injection", "Toxicity": "toxicity", "Bias": "bias", "Secrets": "secrets", "Anonymize": "personal_data",
    "Sensitive": "personal_data", "BanTopics": "topic", "InvisibleText": "injection", "modified": "modified",
    "invalid": "blocked", "MaliciousURLs": "cyber",
}  # fmt: skip
ENTITIES = {name: name for name in (*pii.ENTITIES, "PERSON", "LOCATION", "NRP", "ORGANIZATION", "DATE_TIME")}
KINDS: dict[str, ServiceKind] = {
    "parapet": ServiceKind(write_parapet, hear_parapet, batch=16),
    "fms": ServiceKind(write_fms, hear_fms, batch=16, given=("detector",)),
    "openai_moderations": ServiceKind(write_moderations, hear_moderations, MODERATED, "misuse", 16, ("model",)),
    "presidio": ServiceKind(write_presidio, hear_presidio, ENTITIES, "privacy", given=("language",)),
    "llm_guard": ServiceKind(write_llm_guard, hear_llm_guard, SCANNERS, "misuse"),
    "litellm": ServiceKind(write_litellm, hear_litellm, {"blocked": "blocked", "modified": "modified"}),
}
