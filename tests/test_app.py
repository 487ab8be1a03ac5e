"""The pages beside the dialects, as a caller sees them."""

from __future__ import annotations

import asyncio
import dataclasses
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from proxy import settings
from proxy.app import create_app
from proxy.errors import PolicyError

POLICY = "policy: mine\nrules:\n  - {id: no-mail, check: pii, with: {entities: [EMAIL_ADDRESS]}, action: redact}\n"


@pytest.fixture
def world(tmp_path: Path) -> settings.Settings:
    """One policy, one key, two models."""
    (tmp_path / "mine.yaml").write_text(POLICY)
    pools = {name: {"backends": [{"kind": "echo"}]} for name in ("small", "large")}
    keys = [{"name": "one", "key_env": "ONE", "team": "sales"}]
    config = tmp_path / "parapet.yaml"
    config.write_text(f"policies: [mine.yaml]\nrecord: 'off'\nmax_body: 1000\nmax_segments: 3\npools: {pools}\nkeys: {keys}\n")
    return settings.load(config, {"ONE": "key-of-one"}, {})


def called(world: settings.Settings, method: str, path: str, key: str = "key-of-one", **more: Any) -> httpx.Response:
    """One request to a fresh application."""

    async def call() -> httpx.Response:
        transport = httpx.ASGITransport(create_app(world))
        async with httpx.AsyncClient(
            transport=transport, base_url="http://parapet", headers={"authorization": f"Bearer {key}"}
        ) as client:
            return await client.request(method, path, **more)

    return asyncio.run(call())


def test_models_are_those_of_the_configuration(world: settings.Settings) -> None:
    """As a list, and each by its name."""
    listed = called(world, "GET", "/v1/models").json()
    assert [model["id"] for model in listed["data"]] == ["small", "large"]
    assert called(world, "GET", "/v1/models/large").json()["id"] == "large"
    assert called(world, "GET", "/v1/models/huge").json()["error"]["code"] == "model_not_found"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/models"),
        ("GET", "/v1/models/small"),
        ("POST", "/v1/check"),
        ("POST", "/v1/moderations"),
        ("POST", "/v1/chat/completions"),
    ],
)
def test_a_key_that_is_not_known_is_refused_everywhere(world: settings.Settings, method: str, path: str) -> None:
    """With 401, in the shape of all errors."""
    answer = called(world, method, path, key="another", json={"text": "x", "input": "x"})
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "invalid_api_key"


def test_health_and_metrics_need_no_key(world: settings.Settings) -> None:
    """Probes and Prometheus have none."""
    assert called(world, "GET", "/healthz", key="").json() == {"status": "ok"}
    ready = called(world, "GET", "/readyz", key="").json()
    assert ready["policies"][0].startswith("mine@")
    assert ready["refused"] == []
    assert "parapet_policy_refused 0.0" in called(world, "GET", "/metrics", key="").text


def test_check_gives_findings_and_decision_for_each_text(world: settings.Settings) -> None:
    """Without calling a backend."""
    answer = called(world, "POST", "/v1/check", json={"texts": ["jo@example.com", {"id": "b", "text": "all well"}]}).json()
    assert [result["action"] for result in answer["results"]] == ["redact", "allow"]
    assert answer["results"][0]["text"] == "<EMAIL_ADDRESS>"
    assert answer["results"][0]["findings"][0]["category"] == "EMAIL_ADDRESS"
    assert answer["results"][1]["id"] == "b"


def test_moderations_have_the_shape_of_openai(world: settings.Settings) -> None:
    """With its categories, and ours beside them."""
    [result] = called(world, "POST", "/v1/moderations", json={"input": "jo@example.com"}).json()["results"]
    assert result["flagged"] is True
    assert result["categories"]["EMAIL_ADDRESS"] is True
    assert result["categories"]["violence"] is False
    assert result["category_scores"]["EMAIL_ADDRESS"] == 1.0


@pytest.mark.parametrize("path", ["/v1/check", "/v1/moderations"])
@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "invalid_json"),
        (b"[]", 400, "invalid_request"),
        (b"{}", 400, "invalid_request"),
        (b'{"texts": [3], "input": [3]}', 400, "invalid_request"),
        (b'{"texts": ["a", "b", "c", "d"], "input": ["a", "b", "c", "d"]}', 400, "too_many_segments"),
        (b'{"text": "' + b"x" * 2000 + b'"}', 413, "body_too_large"),
    ],
)
def test_a_bad_body_is_refused_in_the_shape_of_all_errors(
    world: settings.Settings, path: str, body: bytes, status: int, code: str
) -> None:
    """With what was expected, and the request id."""
    answer = called(world, "POST", path, content=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert answer.json()["error"]["request_id"] == answer.headers["x-request-id"]


def test_an_input_that_is_no_text_is_refused_by_moderations(world: settings.Settings) -> None:
    """An image that nobody looks at must not come back unflagged."""
    parts = [{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": "data:"}}]
    answer = called(world, "POST", "/v1/moderations", json={"input": parts})
    assert answer.status_code == 400
    assert "not inspected" in answer.json()["error"]["message"]


@pytest.mark.parametrize(("method", "path", "status"), [("POST", "/v1/files", 403), ("GET", "/v1/chat/completions", 405)])
def test_what_is_not_guarded_is_not_served(world: settings.Settings, method: str, path: str, status: int) -> None:
    """Nothing passes to a backend by another way; the answer says what is served."""
    answer = called(world, method, path)
    assert answer.status_code == status
    assert "/v1/chat/completions" in answer.json()["error"]["message"]
    assert answer.headers["x-request-id"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/models"),
        ("GET", "/v1/models/small"),
        ("POST", "/v1/check"),
        ("POST", "/v1/moderations"),
        ("GET", "/healthz"),
        ("GET", "/readyz"),
        ("GET", "/metrics"),
        ("GET", "/nowhere"),
        ("GET", "/healthz/"),
        ("DELETE", "/v1/models"),
        ("POST", "/v1/chat/completions"),
    ],
)
def test_every_answer_has_a_request_id(world: settings.Settings, method: str, path: str) -> None:
    """Once: the caller's if it is fit to be written down, else a new one."""
    body = {"text": "x", "input": "x"}
    given = called(world, method, path, json=body, headers={"x-request-id": "mine-1"})
    assert given.headers.get_list("x-request-id") == ["mine-1"]
    [new] = called(world, method, path, json=body, headers={"x-request-id": "not fit"}).headers.get_list("x-request-id")
    assert re.fullmatch("[0-9a-f]{32}", new)


def test_a_method_that_is_not_served_is_told_apart(world: settings.Settings) -> None:
    """With its own code, and those that are."""
    answer = called(world, "GET", "/v1/check")
    assert (answer.status_code, answer.json()["error"]["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "POST"


def test_a_path_is_not_mended(world: settings.Settings) -> None:
    """A redirect would make the caller send its text twice."""
    answer = called(world, "POST", "/v1/check/", json={"text": "x"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize("path", ["/v1/models", "/v1/check", "/v1/moderations"])
def test_a_key_may_come_as_x_api_key(world: settings.Settings, path: str) -> None:
    """Also beside an `Authorization` that is somebody else's."""
    method = "GET" if path == "/v1/models" else "POST"
    body = {"text": "x", "input": "x"}
    assert called(world, method, path, key="another", json=body, headers={"x-api-key": "key-of-one"}).status_code == 200


@pytest.mark.parametrize(("path", "body"), [("/v1/check", {"texts": ["x"] * 50}), ("/v1/moderations", {"input": ["x"] * 50})])
def test_many_texts_do_not_hold_up_other_calls(world: settings.Settings, path: str, body: Any) -> None:
    """Between two texts the event loop goes on."""
    app = create_app(dataclasses.replace(world, max_segments=50))

    async def main() -> int:
        turns = 0
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://parapet") as client:
            asking = asyncio.create_task(client.post(path, json=body, headers={"x-api-key": "key-of-one"}))
            while not asking.done():
                turns += 1
                await asyncio.sleep(0)
            assert asking.result().status_code == 200
        return turns

    assert asyncio.run(main()) > 50


@pytest.mark.parametrize("path", ["/v1/check", "/v1/moderations"])
def test_decisions_without_a_backend_are_counted(world: settings.Settings, path: str) -> None:
    """Like those of calls."""

    async def main() -> str:
        transport = httpx.ASGITransport(create_app(world))
        headers = {"x-api-key": "key-of-one"}
        async with httpx.AsyncClient(transport=transport, base_url="http://parapet", headers=headers) as client:
            texts = ["jo@example.com", "all well"]
            assert (await client.post(path, json={"texts": texts, "input": texts})).status_code == 200
            return (await client.get("/metrics")).text

    text = asyncio.run(main())
    assert re.search(r'parapet_decisions_total\{action="redact",direction="prompt",.*\} 1\.0', text)
    assert re.search(r'parapet_matches_total\{action="redact",.*policy="mine",.*rule="no-mail",team="sales"\} 1\.0', text)
    assert re.search(r'parapet_decisions_total\{action="allow".*\} 1\.0', text)


def test_bad_policies_stop_the_start(world: settings.Settings) -> None:
    """With every problem's place."""
    world.policies[0].write_text(POLICY.replace("pii", "pi"))
    with pytest.raises(PolicyError, match=r"mine\.yaml:3:\d+"):
        create_app(world)
