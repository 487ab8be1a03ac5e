"""The OpenAPI document is of everything that is served, and what is served is as it says."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import orjson
import pytest
from hypothesis import HealthCheck, given, settings

from proxy import openapi
from proxy.coverage import sample_of
from proxy.dialects import DIALECTS
from tests.examples import examples
from tests.world import MARKER, REDACT, served, world

UNGUARDED = ["/v1/files", "/v1/files/f-1/content", "/v1/batches", "/v1/realtime", "/v1/threads/t-1/runs", "/v1/responses/r-1"]


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """All of them: path, method, and what the document says."""
    for path, methods in openapi.document()["paths"].items():
        for method, about in methods.items():
            yield path, method, about


def test_every_route_is_in_the_document(tmp_path: Path) -> None:
    """With every method, and nothing that is not served."""
    app = world(tmp_path).app
    routes = {(openapi.plain(route.path), method) for route in app.site.routes for method in route.methods or ()}  # type: ignore[attr-defined]  # they are all Routes
    assert {(path, method) for path, method in routes if method != "HEAD"} == {
        (path, method.upper()) for path, method, _ in operations()
    }


def test_the_document_is_served_and_names_are_given_once(tmp_path: Path) -> None:
    """Under its path, as OpenAPI 3.1; each sample of each dialect fits the schema that it is an example of."""

    async def main() -> Any:
        async with world(tmp_path) as parapet:
            return (await parapet.client.get("/openapi.json")).json()

    told = asyncio.run(main())
    assert told == openapi.document()
    assert told["openapi"].startswith("3.1")
    names = [about["operationId"] for _, _, about in operations()]
    assert len(set(names)) == len(names)
    for path, dialect in DIALECTS.items():
        schema = openapi.request_of(dialect)
        for payload in sample_of(dialect)["requests"]:
            jsonschema.validate(payload, schema)
            assert path in told["paths"] or "{" in path


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_what_is_served_is_as_the_document_says(tmp_path: Path) -> None:
    """Schemathesis calls every operation with what fits its schema and what does not: no status, type or shape is unforeseen."""
    import schemathesis
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi import checks

    parapet = world(tmp_path, REDACT)
    asked = [
        not_a_server_error,
        checks.status_code_conformance,
        checks.content_type_conformance,
        checks.response_schema_conformance,
    ]

    async def main() -> int:
        async with served(parapet.app) as url:
            return await asyncio.to_thread(called, url)

    def called(url: str) -> int:
        schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
        count = 0
        for result in schema.get_all_operations():
            operation: Any = result.ok()  # type: ignore[union-attr]  # the document is valid

            @settings(max_examples=examples(8), deadline=None, database=None, suppress_health_check=list(HealthCheck))
            @given(case=operation.as_strategy())
            def call(case: Any) -> None:
                case.call_and_validate(checks=asked)

            call()
            count += 1
        return count

    assert asyncio.run(main()) == len(list(operations())) - 1  # of the document itself it makes no case


@pytest.mark.parametrize("path", UNGUARDED)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_is_known_and_not_guarded_says_so(path: str, method: str, tmp_path: Path) -> None:
    """It is refused with the reason, and with what is guarded; nothing of it is passed on or repeated."""

    async def main() -> httpx.Response:
        async with world(tmp_path) as parapet:
            return await parapet.client.request(method, path, content=MARKER)

    answer = asyncio.run(main())
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (403, "not_guarded")
    assert "is not guarded" in error["message"]
    assert "/v1/chat/completions" in error["message"]
    assert MARKER not in answer.text


def test_errors_of_paths_have_the_shape_of_the_nearest_dialect(tmp_path: Path) -> None:
    """An SDK that asks for what is not there raises its own typed error."""

    async def main() -> list[Any]:
        async with world(tmp_path) as parapet:
            paths = ("/v1/messages/batches", "/v1/messages/nowhere", "/v1/nowhere", "/nowhere")
            return [(await parapet.client.post(path)).json() for path in paths]

    batches, nowhere, other, outside = asyncio.run(main())
    assert (batches["type"], batches["error"]["type"]) == ("error", "permission_error")
    assert (nowhere["type"], nowhere["error"]["code"]) == ("error", "not_found")
    assert other["error"]["code"] == outside["error"]["code"] == "not_found"


@pytest.mark.slow
def test_a_websocket_is_refused_with_an_answer(tmp_path: Path) -> None:
    """403 with the reason, before the handshake."""
    import websockets

    async def main() -> Any:
        async with served(world(tmp_path).app) as url:
            with pytest.raises(websockets.InvalidStatus) as caught:
                async with websockets.connect(url.replace("http", "ws") + "/v1/realtime?model=m"):
                    pass
            return caught.value.response

    answer = asyncio.run(main())
    assert answer.status_code == 403
    assert orjson.loads(answer.body)["error"]["code"] == "not_guarded"
