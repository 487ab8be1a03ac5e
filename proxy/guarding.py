"""The endpoints by which other gateways ask Parapet as their guard; each question is counted and recorded like a call."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from proxy import foreign
from proxy.audit import Record
from proxy.core import CALLED, Action, Principal
from proxy.engine import Verdict
from proxy.errors import AccessError, RequestError
from proxy.foreign import Asked
from proxy.gateway import HEADER, Gateway, conversation_id, request_id_of
from proxy.gateway.traced import decided, served
from proxy.operators import Conversation
from proxy.traces import Step, Traces, step

Body = Callable[[Request], Awaitable[dict[str, Any]]]
Answerer = Callable[[dict[str, Any], "Question"], Awaitable[object]]


def begin(traces: Traces, request: Request, request_id: str, more: Mapping[str, str] = MappingProxyType({})) -> Step:
    """The trace of a request that is no dialect's call; its step is for the caller of this to enter."""
    parent, state = (request.headers.get(name, "").encode("latin-1") for name in ("traceparent", "tracestate"))
    about = {"http.request.method": request.method, "http.route": request.url.path, **more}
    return traces.begin(request_id, parent, state, f"{request.method} {request.url.path}", about).step


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

    async def answered(self, request: Request, dialect: str, answer: Answerer) -> Response:
        """The answer to one request, its record and its trace."""
        record = Record(request_id_of(request.headers.get("x-request-id", "").encode()), dialect)
        with begin(self.gateway.traces, request, record.request_id, {"parapet.dialect": dialect}) as span:
            record.trace_id = CALLED.get().trace_id
            try:
                return await self.recorded(request, record, answer)
            finally:
                if span.traced:
                    served(span, record)

    async def recorded(self, request: Request, record: Record, answer: Answerer) -> Response:
        """The answer, and its record."""
        begun, status, dialect = time.perf_counter(), 500, record.dialect
        try:
            record.principal = self.principal(request)
            question = Question(self, record, self.conversation(request, record.principal))
            told = await answer(await self.body(request), question)
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

    def conversation(self, request: Request, principal: Principal) -> Conversation | None:
        """The conversation that a header names: names that an earlier call of it gave are put back. Raises RequestError."""
        given = request.headers.get(HEADER.decode())
        if given is None:
            return None
        return self.gateway.engine.conversations.of(principal, conversation_id(given), "header")

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
    about: Conversation | None = None  # that it belongs to, where that is known

    async def judged(self, asked: Asked) -> Verdict:
        """The decision, counted as those of calls are."""
        gateway, record = self.pages.gateway, self.record
        self.pages.count(len(asked.segments))
        record.model = asked.model if asked.model in gateway.pools else ""
        guard = gateway.engine.guard(record.principal.team, record.model or next(iter(gateway.pools)))
        record.revision = gateway.engine.policies.revision
        begun = time.perf_counter()
        about = self.about or gateway.engine.conversations.of(record.principal, "", "", stored=False)
        about.asked = guard.asked(asked.before)
        if asked.direction == "completion":
            await about.open()
        with step(f"guard {asked.direction}") as span:
            verdict = await guard.judge(asked.direction, asked.segments, about)
            if span.traced:
                decided(span, verdict.decision)
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
