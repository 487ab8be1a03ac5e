"""The application: routes, lifespan, wiring; nothing else."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from proxy import direct, openapi, unguarded
from proxy.access import Access
from proxy.audit import Trail
from proxy.backends import Backend, pools
from proxy.checks import CATALOGUE, catalogue, combined
from proxy.core import Principal
from proxy.dialects import DIALECTS
from proxy.draining import AGAIN, MESSAGE, STILL, Draining
from proxy.engine import Engine, Guard, Reloader, Verdict, look
from proxy.errors import RequestError, VaultError
from proxy.gateway import KEYS, Endpoint, Gateway, Receive, Scope, Send, conversation_id, parsed, request_id_of
from proxy.gateway.traced import decided
from proxy.guarding import Guarding, begin
from proxy.metrics import Metrics
from proxy.outside import Outside
from proxy.settings import Settings
from proxy.traces import Traces, step
from proxy.uninspected import Uninspected
from proxy.vault import conversations

TOO_LATE = 2**20  # bytes of a request that is refused unread
Page = Callable[[Request], Awaitable[Response]]
CATEGORIES = tuple(category for kind in CATALOGUE.values() for category in kind.categories)


def create_app(
    settings: Settings, *, backends: Mapping[str, Backend] | None = None, shared_metrics: Path | None = None
) -> Application:
    """Build everything. Raises PolicyError for bad policies, OSError for a record file that cannot be written.

    `backends` stand in for those of the settings, by model name; `shared_metrics`: the folder in which several processes count
    together.
    """
    metrics = Metrics(settings.pools, {key.team for key in settings.keys}, shared=shared_metrics)
    served = pools(settings, metrics, backends)
    outside = Outside(settings, lambda: served)
    checks = catalogue(settings, metrics, outside)
    engine = Engine(settings, checks, combined, metrics, conversations(settings))
    reloader = Reloader(engine, settings.policies, checks, metrics)
    reloader.start()
    gateway = Gateway(
        settings,
        engine,
        Access(settings.keys),
        served,
        Trail(settings.record, metrics.recorded),
        metrics,
        Traces.of(settings, metrics.spanned),
    )
    uninspected = Uninspected(gateway)
    draining = Draining(settings.shutdown_delay, settings.shutdown_grace)
    pages = Pages(gateway, reloader, draining)
    endpoints = {path: gateway.endpoint(dialect) for path, dialect in DIALECTS.items()}
    site = Starlette(
        routes=[
            *(Route(path, endpoint, methods=[endpoint.dialect.method]) for path, endpoint in endpoints.items()),
            Route("/v1/models", pages.models),
            Route("/v1/models/{model:path}", pages.model),
            Route("/v1/check", pages.traced(pages.check), methods=["POST"]),
            Route("/v1/moderations", pages.traced(pages.moderations), methods=["POST"]),
            *Guarding(gateway, pages.body, pages.principal).routes(),
            Route("/v1/vault/{conversation:path}", pages.forget, methods=["DELETE"]),
            Route("/openapi.json", pages.openapi),
            Route("/metrics", pages.metrics),
            Route("/healthz", pages.healthz),
            Route("/health", pages.healthz),  # where the FMS orchestrator looks
            Route("/readyz", pages.readyz),
        ],
        exception_handlers={HTTPException: refuse_route, RequestError: refuse_request},
        lifespan=lambda _: lifespan(gateway, reloader, outside, uninspected),
    )
    site.router.redirect_slashes = False  # a path is served as it is written, or not at all
    return Application(site, endpoints, draining, uninspected)


@dataclass(frozen=True, slots=True)
class Application:
    """Starlette's application, with a shorter way to the dialects: its routing and middleware cost as much as guarding a call."""

    site: Starlette
    endpoints: Mapping[str, Endpoint]
    draining: Draining
    uninspected: Uninspected

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        calls = self.draining.calls
        if self.draining.refuses and scope["type"] == "http" and scope["path"] not in STILL:
            await refuse_call(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self.site(scope, receive, send)
        else:
            task = asyncio.current_task()
            calls.add(task)
            try:
                await self.serve(scope, receive, send)
            finally:
                calls.discard(task)

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a call, or a page."""
        endpoint = self.endpoints.get(scope.get("path", "")) if scope.get("method") == "POST" else None
        if endpoint is not None:
            await endpoint(scope, receive, send)
        elif api := self.uninspected.api(scope):
            await self.uninspected(api, scope, receive, send)
        elif scope["type"] == "websocket":
            await refuse_socket(scope, receive, send)
        else:
            await self.site(scope, receive, named(scope, send) if scope["type"] == "http" else send)


def named(scope: Scope, send: Send) -> Send:
    """Adds the request id to an answer that has none yet."""

    async def tell(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            headers = message.setdefault("headers", [])
            if all(name != b"x-request-id" for name, _ in headers):
                given = dict(scope["headers"]).get(b"x-request-id", b"")
                message["headers"] = [*headers, (b"x-request-id", request_id_of(given).encode())]
        await send(message)

    return tell


@contextlib.asynccontextmanager
async def lifespan(gateway: Gateway, reloader: Reloader, outside: Outside, uninspected: Uninspected) -> AsyncIterator[None]:
    """Watch the policies while the server runs; let go of threads and connections when it stops."""
    outside.bind(asyncio.get_running_loop())
    every = gateway.settings.reload
    tasks = [asyncio.create_task(look(gateway.engine.runner))]
    if every:
        tasks.append(asyncio.create_task(reloader.run(every)))
    for pool in gateway.pools.values():
        pool.start()
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for pool in gateway.pools.values():
            await pool.close()
        await outside.close()
        await uninspected.close()
        if gateway.engine.conversations.vault is not None:
            await gateway.engine.conversations.vault.close()
        gateway.engine.close()
        await asyncio.to_thread(gateway.traces.close)


@dataclass(frozen=True, slots=True)
class Pages:
    """The endpoints beside the dialects."""

    gateway: Gateway
    reloader: Reloader
    draining: Draining

    def principal(self, request: Request) -> Principal:
        return self.gateway.access.principal(*(request.headers.get(name.decode(), "") for name in KEYS))

    async def body(self, request: Request) -> Any:
        """The request's JSON. Raises RequestError."""
        limit, body = self.gateway.settings.max_body, bytearray()
        async for piece in request.stream():
            body += piece
            if len(body) > limit:
                raise RequestError(f"the body is larger than max_body, {limit} bytes", status=413, code="body_too_large")
        payload = parsed(bytes(body))
        if not isinstance(payload, dict):
            raise RequestError("the body must be a JSON object")
        return payload

    def guard(self, request: Request, payload: dict[str, Any]) -> Guard:
        """The guard that would hold for a call of this caller to the model named, or to the first that is served."""
        model = payload.get("model")
        model = model if isinstance(model, str) and model in self.gateway.pools else next(iter(self.gateway.pools))
        return self.gateway.engine.guard(self.principal(request).team, model)

    def traced(self, page: Page) -> Page:
        """The page, as a call that may be traced."""

        async def answer(request: Request) -> Response:
            request_id = request_id_of(request.headers.get("x-request-id", "").encode())
            with begin(self.gateway.traces, request, request_id) as span:
                try:
                    response = await page(request)
                except RequestError as error:
                    response = await refuse_request(request, error)
                span.note({"http.response.status_code": response.status_code})
            return response

        return answer

    async def check(self, request: Request) -> Response:
        """`POST /v1/check`: all findings and the decision for each text."""
        team = self.principal(request).team
        payload = await self.body(request)
        items = direct.check_items(payload)
        self.count(len(items))
        guard = self.guard(request, payload)
        categories = CATEGORIES if payload.get("all_scores") is True else None
        verdicts = await self.judged(guard, items, team)
        results = [direct.result(item, verdict, categories) for item, verdict in zip(items, verdicts, strict=True)]
        return reply({"policies": guard.names.split(",") if guard.names else [], "results": results})

    async def moderations(self, request: Request) -> Response:
        """`POST /v1/moderations`, in OpenAI's shape."""
        team = self.principal(request).team
        payload = await self.body(request)
        texts = direct.moderated_texts(payload)
        self.count(len(texts))
        guard = self.guard(request, payload)
        verdicts = await self.judged(guard, [direct.Item(i, text) for i, text in enumerate(texts)], team)
        results = [direct.moderation(verdict, CATEGORIES) for verdict in verdicts]
        return reply({"id": "modr-" + self.gateway.engine.policies.revision, "model": "parapet", "results": results})

    async def forget(self, request: Request) -> Response:
        """`DELETE /v1/vault/ID`: forget the values of a conversation of this caller."""
        principal, given = self.principal(request), conversation_id(request.path_params["conversation"])
        conversations, workers = self.gateway.engine.conversations, self.gateway.settings.workers
        if conversations.vault is not None and not conversations.vault.shared and workers > 1:
            message = f"each of {workers} workers has a vault of its own, and one of them hears this: values go after vault_ttl"
            raise RequestError(message + ", or name a Redis in the setting vault", status=409, code="vault_not_shared")
        try:
            values = await conversations.forget(principal, given)
        except VaultError as error:
            raise RequestError(str(error), status=503, code="vault_unavailable") from None
        return reply({"object": "vault", "deleted": True, "values": values})

    async def judged(self, guard: Guard, items: Sequence[direct.Item], team: str) -> list[Verdict]:
        """The decision on each text, counted as those of calls are; between two of them, other calls go on."""
        verdicts = []
        for item in items:
            await asyncio.sleep(0)
            with step(f"guard {item.direction}") as span:
                verdicts.append(await direct.judged(guard, item))
                if span.traced:
                    decided(span, verdicts[-1].decision)
            self.gateway.metrics.decided(verdicts[-1].decision, team, self.gateway.engine.policies.revision)
        return verdicts

    def count(self, texts: int) -> None:
        limit = self.gateway.settings.max_segments
        if texts > limit:
            raise RequestError(f"the request has {texts} texts; max_segments allows {limit}", code="too_many_segments")

    async def models(self, request: Request) -> Response:
        """`GET /v1/models`: what the configuration serves."""
        self.principal(request)
        return reply({"object": "list", "data": [model_entry(name) for name in self.gateway.pools]})

    async def model(self, request: Request) -> Response:
        """`GET /v1/models/NAME`."""
        self.principal(request)
        name = request.path_params["model"]
        if name not in self.gateway.pools:
            raise RequestError("no such model", status=404, code="model_not_found", param="model")
        return reply(model_entry(name))

    async def openapi(self, _: Request) -> Response:
        """`GET /openapi.json`: everything that is served, as an OpenAPI document."""
        return reply(await asyncio.to_thread(openapi.document))

    async def metrics(self, request: Request) -> Response:
        """`GET /metrics`, in Prometheus' text format or as OpenMetrics; of many processes it takes a while to add up."""
        page = await asyncio.to_thread(self.gateway.metrics.page, request.headers.get("accept", ""))
        return Response(page.body, headers={"content-type": page.media_type})

    async def healthz(self, _: Request) -> Response:
        """`GET /healthz`: the process answers."""
        return reply({"status": "ok"})

    async def readyz(self, _: Request) -> Response:
        """`GET /readyz`: what is in force, what is wrong with the policy files, and which models have no deployment to call.

        It is 503 only while no model has one, and when the server is about to stop.
        """
        policies, served = self.gateway.engine.policies, self.gateway.pools
        down = [name for name, pool in served.items() if pool.down]
        status = "down" if len(down) == len(served) else "degraded" if down else "ok"
        status = "draining" if self.draining.begun else status
        return reply(
            {
                "status": status,
                "revision": policies.revision,
                "policies": [f"{policy.name}@{policy.digest}" for policy in policies.policies],
                "refused": self.reloader.problem.splitlines(),
                "models": list(served),
                "uninspected": list(self.gateway.settings.uninspected),
                "down": down,
                "pools": {name: {each: state.value for each, state in pool.states.items()} for name, pool in served.items()},
            },
            503 if status in ("down", "draining") else 200,
        )


def model_entry(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "parapet"}


def reply(payload: object, status: int = 200) -> Response:
    return Response(orjson.dumps(payload), status, media_type="application/json")


async def refuse_route(request: Request, error: Exception) -> Response:
    """A path or method that is not served, in the shape of all errors."""
    refused = cast("HTTPException", error)
    message = unguarded.told(request.url.path) if refused.status_code == 404 else ""
    if message:
        return refusal(request, message, 403, "not_guarded", None)
    code = "method_not_allowed" if refused.status_code == 405 else "not_found"
    message = unguarded.UNKNOWN.format(known=unguarded.known())
    return refusal(request, message, refused.status_code, code, None, refused.headers)


async def refuse_socket(scope: Scope, receive: Receive, send: Send) -> None:
    """No WebSocket is guarded: refuse it with an answer that says so, where the server can send one."""
    await receive()
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008, "reason": "not guarded, and so not served"})
        return
    path = scope["path"]
    message = unguarded.told(path) or unguarded.UNKNOWN.format(known=unguarded.known())
    request_id = request_id_of(dict(scope["headers"]).get(b"x-request-id", b""))
    shape = unguarded.dialect_of(path)
    body = orjson.dumps(shape.error(message, status=403, code="not_guarded", param=None, request_id=request_id))
    headers = [(b"content-type", b"application/json"), (b"x-request-id", request_id.encode())]
    await send({"type": "websocket.http.response.start", "status": 403, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body})


async def refuse_call(scope: Scope, receive: Receive, send: Send) -> None:
    """A call that comes when the server is about to stop: the connection ends with it, so that the next goes elsewhere."""
    left = TOO_LATE
    while left > 0:  # an answer to a request that is still being sent may be lost with the connection
        message = await receive()
        left = left - len(message.get("body", b"")) if message.get("more_body") else 0
    request_id = request_id_of(dict(scope["headers"]).get(b"x-request-id", b""))
    shape = unguarded.dialect_of(scope["path"])
    body = orjson.dumps(shape.error(MESSAGE, status=503, code="draining", param=None, request_id=request_id))
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"retry-after", str(AGAIN).encode()),
        (b"connection", b"close"),
        (b"x-request-id", request_id.encode()),
    ]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def refuse_request(request: Request, error: Exception) -> Response:
    """A request that cannot be served as it is."""
    bad = cast("RequestError", error)
    return refusal(request, bad.message, bad.status, bad.code, bad.param)


def refusal(
    request: Request, message: str, status: int, code: str, param: str | None, headers: Mapping[str, str] | None = None
) -> Response:
    """An error in the shape of all errors, with the request id."""
    request_id = request_id_of(request.headers.get("x-request-id", "").encode())
    body = unguarded.dialect_of(request.url.path).error(message, status=status, code=code, param=param, request_id=request_id)
    headers = {**(headers or {}), "x-request-id": request_id}
    return Response(orjson.dumps(body), status, headers, media_type="application/json")
