"""Reranking, `POST /v1/rerank`, in the shape of Cohere, Jina, vLLM and LiteLLM: a query, and documents to be put in order."""

from __future__ import annotations

from typing import Any

from proxy.core import Role
from proxy.dialects.base import Json, Reading
from proxy.dialects.openai_shape import OpenAIShape, answer_of, request_of
from proxy.dialects.values import read_values
from proxy.errors import BackendBroken, RequestError

REQUEST_FIELDS = frozenset("model query documents stream top_n return_documents rank_fields instruction user".split())
ANSWER_FIELDS = frozenset("id model object usage meta results created".split())
RESULT_FIELDS = frozenset(("index", "relevance_score", "document"))


class Rerank(OpenAIShape):
    """The dialect; it has no state."""

    name = "rerank"
    path = "/v1/rerank"

    def read(self, payload: object) -> Reading:
        """The query and the documents. Raises RequestError."""
        reading = request_of(payload)
        payload, reading.stream = reading.payload, False
        documents = payload.get("documents")
        if not isinstance(documents, list) or not documents:
            raise RequestError("documents must be a list of at least one", param="documents")
        read_item(reading, payload, "query", "user", "query")
        for index in range(len(documents)):
            read_item(reading, documents, index, "document", f"documents[{index}]")
        for key in ("instruction", "user", "rank_fields"):
            if payload.get(key) is not None:
                read_item(reading, payload, key, "user", key)
        reading.rest(payload, REQUEST_FIELDS, "user")
        return reading

    def read_answer(self, payload: object) -> Reading:
        """The documents, where the answer repeats them. Raises BackendBroken."""
        reading, results = answer_of(payload, "results", "list of ranks")
        for index, result in enumerate(results):
            if not isinstance(result, dict):
                raise BackendBroken("the backend's answer has a result that is no object")
            if result.get("document") is not None:
                read_document(reading, result, f"results[{index}].document")
            reading.rest(result, RESULT_FIELDS, "assistant", f"results[{index}]")
        reading.rest(reading.payload, ANSWER_FIELDS, "assistant")
        return reading

    def refuse(self, payload: Json, message: str) -> None:
        """There is no word for it in this API: it becomes an error."""


def read_item(reading: Reading, holder: Any, key: Any, role: Role, place: str) -> None:
    """A query or a document: a text, or an object with texts in it. Raises RequestError."""
    value = holder[key] if isinstance(holder, list) else holder.get(key)
    if isinstance(value, dict | list):
        read_values(reading, value, role, place)
    elif isinstance(value, str):
        reading.add(holder, key, role, place)
    else:
        raise RequestError("expected a text, or an object with a text", param=place)


def read_document(reading: Reading, result: Json, place: str) -> None:
    """A document that the answer repeats."""
    if isinstance(result["document"], dict | list):
        read_values(reading, result["document"], "document", place)
    else:
        reading.add(result, "document", "document", place)
