"""The JSON Schema of a policy file, for editors: from the models, and from the options of every check."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic.json_schema import models_json_schema

from proxy.core import CheckKind
from proxy.policy.model import PolicyFile

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema(catalogue: Mapping[str, CheckKind]) -> dict[str, Any]:
    """The schema, with the checks of `catalogue`: what `with` may say depends on `check`."""
    kinds = [catalogue[name] for name in sorted(catalogue)]
    references, combined = models_json_schema(
        [(PolicyFile, "validation"), *((kind.options, "validation") for kind in kinds)], ref_template="#/$defs/{model}"
    )
    definitions: dict[str, Any] = {name: _tidy(part) for name, part in combined["$defs"].items()}
    rule = definitions["RuleEntry"]
    rule["properties"]["check"] |= {"enum": [kind.name for kind in kinds]}
    if kinds:
        rule["allOf"] = [_options_of(kind, references[kind.options, "validation"], definitions) for kind in kinds]
    policy = definitions.pop("PolicyFile")
    return {"$schema": DIALECT, **policy, "title": "Parapet policy", "$defs": definitions}


def _options_of(kind: CheckKind, reference: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    target = definitions[reference["$ref"].rpartition("/")[2]]
    options = {**reference, "description": kind.description} if kind.description else reference
    target["additionalProperties"] = False  # as the loader has it, whatever the model says
    then: dict[str, Any] = {"properties": {"with": options}}
    if target.get("required"):
        then["required"] = ["with"]
    return {"if": {"properties": {"check": {"const": kind.name}}, "required": ["check"]}, "then": then}


def _tidy(part: Any) -> Any:
    """Without null, which is no value in a policy file, and without the titles that repeat every key."""
    if isinstance(part, list):
        return [_tidy(item) for item in part]
    if not isinstance(part, dict):
        return part
    made = {key: _tidy(value) for key, value in part.items() if not (key == "title" and isinstance(value, str))}
    if "default" in made and made["default"] is None:
        del made["default"]
    branches = made.get("anyOf")
    if isinstance(branches, list) and {"type": "null"} in branches:
        kept = [branch for branch in branches if branch != {"type": "null"}]
        made |= {"anyOf": kept}
        if len(kept) == 1:
            del made["anyOf"]
            made = {**kept[0], **made}
    return made
