"""The endpoints by which other gateways ask Parapet as their guard; each question is counted and recorded like a call."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from proxy import foreign
from proxy.audit import Record
from proxy.core import Action, Principal
from proxy.engine import Verdict
from proxy.errors import AccessError, RequestError
from proxy.foreign import Asked
from proxy.gateway import Gateway, request_id_of

Body = Callable[[Request], Awaitable[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Guarding:
    """The endpoints. `body` reads a request's JSON object, `principal` says who calls; both raise RequestError."""

    gateway: Gateway
    body: Body
    principal: Callable[[Request], Principal]

    def routes(self) -> Sequence[Route]:
        """All of them."""
        pages = {
            foreign.LITELLM: self.litellm,
            foreign.CONTENTS: self.contents,
            foreign.CHAT: self.chat,
            foreign.CHAT_BEFORE: self.chat,
            foreign.GENERATION: self.generation,
        }
        return [Route(path, page, methods=["POST"]) for path, page in pages.items()]

    async def litellm(self, request: Request) -> Response:
        """LiteLLM's generic guardrail API."""

        async def answer(payload: dict[str, Any], question: Question) -> object:
            asked = foreign.read_litellm(payload)
            return foreign.write_litellm(asked, await question.judged(asked))

        return await self.answered(request, "litellm", answer)

    async def contents(self, request: Request) -> Response:
        """The FMS orchestrator's detector API: contents, each by itself."""

        async def answer(payload: dict[str, Any], question: Question) -> object:
            asked = foreign.read_contents(payload)
            self.count(len(asked))
            return [foreign.write_detections(each, await question.judged(each), spans=True) for each in asked]

        return await self.answered(request, "fms", answer)

    async def chat(self, request: Request) -> Response:
        """The same: the history of a chat."""
        return await self.detected(request, foreign.read_chat)

    async def generation(self, request: Request) -> Response:
        """The same: a generated text."""
        return await self.detected(request, foreign.read_generation)

    async def detected(self, request: Request, read: Callable[[dict[str, Any]], Asked]) -> Response:
        async def answer(payload: dict[str, Any], question: Question) -> object:
            asked = read(payload)
            return foreign.write_detections(asked, await question.judged(asked), spans=False)

        return await self.answered(request, "fms", answer)

    async def answered(
        self, request: Request, dialect: str, answer: Callable[[dict[str, Any], Question], Awaitable[object]]
    ) -> Response:
        """The answer to one request, and its record."""
        record = Record(request_id_of(request.headers.get("x-request-id", "").encode()), dialect)
        begun, status = time.perf_counter(), 500
        try:
            record.principal = self.principal(request)
            told = await answer(await self.body(request), Question(self, record))
            record.outcome = record.outcome if record.outcome.startswith("blocked") else "served"
            status, body = 200, orjson.dumps(told)
        except RequestError as error:
            record.outcome, record.error = ("denied" if isinstance(error, AccessError) else "bad_request"), error.code
            status, body = error.status, orjson.dumps({"code": error.code, "message": error.message, "detail": error.message})
        finally:
            record.status, record.seconds = status, time.perf_counter() - begun
            self.gateway.metrics.called(dialect, record.model, record.outcome)
            self.gateway.trail.write(record)
        return Response(body, status, {"x-request-id": record.request_id}, media_type="application/json")

    def count(self, texts: int) -> None:
        """Raises RequestError for more texts than a request may have."""
        limit = self.gateway.settings.max_segments
        if texts > limit:
            raise RequestError(f"the request has {texts} texts; max_segments allows {limit}", code="too_many_segments")


@dataclass(frozen=True, slots=True)
class Question:
    """What one request asks; several where it has several contents. Its record holds the strongest decision."""

    pages: Guarding
    record: Record

    async def judged(self, asked: Asked) -> Verdict:
        """The decision, counted as those of calls are."""
        gateway, record = self.pages.gateway, self.record
        self.pages.count(len(asked.segments))
        record.model = asked.model if asked.model in gateway.pools else ""
        guard = gateway.engine.guard(record.principal.team, record.model or next(iter(gateway.pools)))
        record.revision = gateway.engine.policies.revision
        begun = time.perf_counter()
        verdict = await guard.judge(asked.direction, asked.segments)
        record.guard_seconds += time.perf_counter() - begun
        gateway.metrics.decided(verdict.decision, record.principal.team, record.revision)
        for reason, count in (*asked.not_inspected.items(), *verdict.not_inspected.items()):
            record.not_inspected[reason] = record.not_inspected.get(reason, 0) + count
            gateway.metrics.not_inspected(reason, count)
        self.note(asked, verdict)
        return verdict

    def note(self, asked: Asked, verdict: Verdict) -> None:
        record, places = self.record, [segment.place for segment in asked.segments]
        before = record.prompt if asked.direction == "prompt" else record.completion
        if before is None or before.action < verdict.decision.action or not before.findings:
            if asked.direction == "prompt":
                record.prompt, record.prompt_places = verdict.decision, places
            else:
                record.completion, record.completion_places = verdict.decision, places
        if verdict.decision.action == Action.BLOCK:
            record.outcome = f"blocked_{asked.direction}"
