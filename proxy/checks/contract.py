"""What Parapet asks a service of one's own, and what it wants to hear: the contract of the check `http`, version 1.

`POST` to the service's address. The JSON Schema of both sides is `docs/http-check.schema.json`, generated from here.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import models_json_schema

from proxy.core import Role

VERSION: Literal[1] = 1


class Text(BaseModel):
    """A text, or a part of a long one."""

    model_config = ConfigDict(extra="forbid")

    role: Role = Field(description="whose text it is")
    text: str = Field(description="the text; spans count its Unicode code points")


class Request(BaseModel):
    """What Parapet sends. A service ignores fields that it does not know: later versions may add some."""

    version: Literal[1] = VERSION
    texts: list[Text] = Field(min_length=1, description="the texts to judge, each by itself")


class Found(BaseModel):
    """One finding."""

    model_config = ConfigDict(strict=True)

    text: int = Field(ge=0, description="the index of its text in the request")
    category: str = Field(min_length=1, max_length=128, description="what it is; a policy names it in `labels` or `categories`")
    score: float = Field(default=1.0, ge=0, le=1, description="how sure the service is")
    start: int | None = Field(default=None, ge=0, description="where it begins; left out: at the beginning")
    end: int | None = Field(default=None, ge=0, description="where it ends, exclusive; left out: at the end")
    replacement: str | None = Field(default=None, description="what a rule that redacts puts there; left out: <category>")


class Response(BaseModel):
    """What the service answers, with status 200. Status 400, 413 or 422 says that it has no verdict on these texts."""

    model_config = ConfigDict(strict=True)

    version: Literal[1]
    findings: list[Found] = Field(max_length=10_000)


def schema() -> dict[str, Any]:
    """The JSON Schema of the contract: `Request` and `Response` among its definitions."""
    _, made = models_json_schema([(Request, "serialization"), (Response, "validation")], ref_template="#/$defs/{model}")
    title = "The contract of Parapet's check `http`, version 1"
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title, "$defs": made["$defs"]}
