"""Finds the texts in values of any shape: definitions of tools, arguments that come as objects, metadata."""

from __future__ import annotations

from typing import Any

from proxy.core import Role
from proxy.dialects.base import DEPTH, Json, Reading

VOCABULARY = frozenset(  # keys that places may name: others are the caller's words, and places go into records
    "name description title type function custom parameters properties items prefixItems enum const default example examples "
    "required anyOf oneOf allOf not $ref $defs $schema $id definitions format pattern json_schema schema strict grammar "
    "definition syntax additionalProperties patternProperties message param code text title url url_citation content "
    "summary query queries command commands diff path logs stdout stderr".split()
)
ASKING = frozenset("response_format output_format text output_config guided_json structured_outputs".split())
SCHEMA_VALUES = frozenset("object string number integer boolean array null function custom json_schema json_object text".split())


def read_field(reading: Reading, payload: Json, key: str, role: Role) -> None:
    """A field that is a text, or holds texts at any depth."""
    value = payload.get(key)
    if isinstance(value, dict | list):
        read_values(reading, value, role, key)
    elif value is not None:
        reading.add(payload, key, role, key)


def read_values(reading: Reading, value: Any, role: Role, place: str, depth: int = DEPTH) -> None:
    """Every text below `value`, the names of fields and long numbers too, but for the values that JSON Schema itself knows."""
    if depth == 0:
        reading.pass_over(value)
        return
    named = isinstance(value, dict)
    for number, (key, each) in enumerate(value.items() if named else enumerate(value)):
        where = f"{place}.{key}" if named and key in VOCABULARY else f"{place}[{number}]"
        if isinstance(each, dict | list):
            read_values(reading, each, role, where, depth - 1)
        elif each is not None and not isinstance(each, bool) and not (isinstance(each, str) and each in SCHEMA_VALUES):
            reading.add(value, key, role, where)
        if named:
            reading.add_key(value, key, role, f"{place}[{number}]")  # after its value, which is written by this name


def asks_for_json(payload: Json) -> bool:
    """Whether the answer is to be JSON, as OpenAI's, Anthropic's and vLLM's requests ask for it."""
    if ASKING.isdisjoint(payload):
        return False
    formats = [payload.get(key) for key in ("response_format", "output_format")]
    formats += [each.get("format") for each in (payload.get("text"), payload.get("output_config")) if isinstance(each, dict)]
    if any(isinstance(each, dict) and each.get("type") in ("json_object", "json_schema") for each in formats):
        return True
    return any(payload.get(key) for key in ("guided_json", "structured_outputs"))
