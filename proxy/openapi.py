"""The OpenAPI document of everything that is served: the dialects' requests and examples are those of their samples.

Of a request it says what is certain, that is, which fields are needed: found out by leaving each of a sample's out. Vendors' own
documents say the rest; fields that are not known here are relayed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from proxy import __version__, foreign
from proxy.coverage import sample_of
from proxy.dialects import DIALECTS, Dialect
from proxy.errors import RequestError

Json = dict[str, Any]
JSON = "application/json"
TYPES: dict[type, str] = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}
STATUSES = {  # of errors, the same in every dialect
    400: "A rule blocked the prompt (`content_filter`), or the request cannot be read or checked.",
    401: "No API key, or one that is not known.",
    403: "The caller may not do this, or the API is not guarded.",
    404: "No such model, or the backend has no such API.",
    405: "Not with this method.",
    409: "The state of the server does not allow it.",
    413: "The body is too large.",
    415: "The body is not of the type that the API takes.",
    429: "Too many calls.",
    500: "Parapet failed to serve the call.",
    502: "The backend gave no good answer.",
    503: "No deployment of the model can be called now.",
    504: "The backend did not answer in time.",
}
ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message"],
            "anyOf": [{"required": ["type"]}, {"required": ["code", "status"]}],  # Google's errors have no type
            "properties": {"message": {"type": "string"}},
        }
    },
}
GATEWAYS = (foreign.LITELLM, foreign.CONTENTS, foreign.CHAT, foreign.CHAT_BEFORE, foreign.GENERATION)
SECURITY = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "x-api-key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
    "x-goog-api-key": {"type": "apiKey", "in": "header", "name": "x-goog-api-key"},
}
TEXTS = {"type": "array", "items": {"anyOf": [{"type": "string"}, {"$ref": "#/components/schemas/Text"}]}, "minItems": 1}
TEXT = {
    "type": "object",
    "required": ["text"],
    "additionalProperties": False,
    "properties": {
        "id": {"type": ["string", "integer"]},
        "text": {"type": "string"},
        "role": {"enum": ["system", "user", "assistant", "tool", "document", "reasoning"]},
        "direction": {"enum": ["prompt", "completion"]},
    },
}


@cache
def document() -> Json:
    """The whole document."""
    paths: dict[str, Json] = {}
    for path, dialect in DIALECTS.items():
        paths.setdefault(plain(path), {})[dialect.method.lower()] = of_dialect(dialect, path)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Parapet", "version": __version__, "description": "A guardrails proxy for large language models."},
        "security": [{name: []} for name in SECURITY] + [{}],
        "paths": paths | beside(),
        "components": {"securitySchemes": SECURITY, "schemas": {"Error": ERROR, "Text": TEXT}},
    }


def plain(path: str) -> str:
    """A path without the kinds of its parameters."""
    return path.replace(":path}", "}")


def parameters(path: str) -> list[Json]:
    """Those of a path."""
    names = [part.partition("}")[0].partition(":")[0] for part in path.split("{")[1:]]
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}} for name in names]


def of_dialect(dialect: Dialect, path: str) -> Json:
    """The operation of a dialect."""
    sample = sample_of(dialect)
    about: Json = {"operationId": dialect.name, "parameters": parameters(path), "responses": answers(dialect, sample["streams"])}
    if dialect.method == "POST":
        kind = "multipart/form-data" if dialect.form else JSON
        examples = {f"sample-{number}": {"value": each} for number, each in enumerate(sample["requests"], 1)}
        about["requestBody"] = {"required": True, "content": {kind: {"schema": request_of(dialect), "examples": examples}}}
    return about


def request_of(dialect: Dialect) -> Json:
    """What a request must have: the fields without which no sample is read, of the types that they have there."""
    samples = sample_of(dialect)["requests"]
    if not samples:
        return {"type": "object"}
    needed = [key for key in samples[0] if all(refused(dialect, each, key) for each in samples if key in each)]
    needed = [key for key in needed if all(key in each for each in samples)]
    types = {key: sorted({TYPES[type(each[key])] for each in samples}) for key in needed}
    return {
        "type": "object",
        "required": needed,
        "properties": {key: {"type": kinds} for key, kinds in types.items()},
        "additionalProperties": True,
    }


def refused(dialect: Dialect, payload: Json, key: str) -> bool:
    """Whether a request cannot do without a field."""
    try:
        dialect.read({name: value for name, value in payload.items() if name != key})
    except RequestError:
        return True
    return False


def answers(dialect: Dialect, streams: list[Any]) -> Json:
    """What a dialect answers: a backend's status is relayed."""
    kinds: Json = {JSON: {"schema": {"type": ["object", "array"]}}}
    if streams:
        kinds["text/event-stream"] = {"schema": {"type": "string"}}
    if dialect.plain:
        kinds["text/plain"] = {"schema": {"type": "string"}}
    if dialect.media:
        kinds["*/*"] = {"schema": {"type": "string"}}
    ok = {"description": "The model's answer, as far as policies let it pass.", "content": kinds}
    return {"200": ok, **errors(), "default": error("The backend's own error, its text guarded like an answer's.")}


def errors(statuses: Iterable[int] = STATUSES) -> Json:
    """The errors of an operation."""
    return {str(status): error(STATUSES[status]) for status in statuses}


def error(description: str) -> Json:
    """One of them."""
    return {"description": description, "content": {JSON: {"schema": {"$ref": "#/components/schemas/Error"}}}}


def operation(name: str, description: str, schema: Json, statuses: Iterable[int] = (), kind: str = JSON, **more: Any) -> Json:
    """An operation beside the dialects."""
    ok = {"description": description, "content": {kind: {"schema": schema}}}
    return {"operationId": name, "responses": {"200": ok, **errors(statuses)}, **more}


def body(schema: Json) -> Json:
    """A request's body."""
    return {"required": True, "content": {JSON: {"schema": schema}}}


def holds(*fields: str) -> Json:
    """An object with these fields at least."""
    return {"type": "object", "required": list(fields)}


def asked_by_others(path: str) -> Json:
    """What another gateway asks Parapet as its guard, in its own shapes, those of errors too, which its document says."""
    told = {"content": {JSON: {"schema": {"type": ["object", "array"]}}}}
    statuses = (200, 400, 401, 403, 413, 422)
    return {
        "operationId": path.strip("/"),
        "requestBody": body({"type": "object"}),
        "responses": {str(each): {"description": STATUSES.get(each, "What was found."), **told} for each in statuses},
    }


def beside() -> dict[str, Json]:
    """The endpoints beside the dialects."""
    call = (400, 401, 403, 413)
    check: Json = {"anyOf": [{"required": ["text"]}, {"required": ["texts"]}]}
    check |= {"type": "object", "properties": {"text": {"type": "string"}, "texts": TEXTS, "all_scores": {"type": "boolean"}}}
    moderated = holds("input") | {
        "properties": {"input": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}}
    }
    made: Callable[..., Json] = operation
    return {
        "/v1/models": {"get": made("models", "The models that are served.", holds("object", "data"), (401,))},
        "/v1/models/{model}": {
            "get": made("model", "One of them.", holds("id", "object"), (401, 404), parameters=parameters("/{model}"))
        },
        "/v1/check": {
            "post": made("check", "Every finding and the decision on each text.", holds("results"), call, requestBody=body(check))
        },
        "/v1/moderations": {
            "post": made("moderations", "The same in OpenAI's shape.", holds("results"), call, requestBody=body(moderated))
        },
        **{path: {"post": asked_by_others(path)} for path in GATEWAYS},
        "/v1/vault/{conversation}": {
            "delete": made(
                "forget",
                "The values of a conversation are forgotten.",
                holds("object", "deleted"),
                (400, 401, 409, 503),
                parameters=parameters("/{conversation}"),
            )
        },
        "/openapi.json": {"get": made("openapi", "This document.", holds("openapi", "paths"))},
        "/health": {"get": made("health", "The process answers.", holds("status"))},
        "/healthz": {"get": made("healthz", "The process answers.", holds("status"))},
        "/readyz": {"get": made("readyz", "What is in force.", holds("status", "revision", "policies", "models"))},
        "/metrics": {"get": made("metrics", "In Prometheus' text format.", {"type": "string"}, kind="text/plain")},
    }
