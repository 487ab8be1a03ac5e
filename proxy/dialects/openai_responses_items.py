"""The items of OpenAI's Responses, in and out: messages, calls of tools, what those gave back, reasoning."""

from __future__ import annotations

from typing import Any

from proxy.core import Role
from proxy.dialects.base import Json, Reading
from proxy.dialects.openai_chat import ROLES
from proxy.dialects.values import read_values
from proxy.errors import RequestError

QUIET = frozenset(  # names of things and states, no texts
    "type status role server_label fingerprint container_id caller phase execution created_by "
    "namespace index file_id image_url detail start_index end_index logprobs prompt_cache_breakpoint max_output_length".split()
)
NAMES = frozenset(("id", "call_id", "approval_request_id"))
FIELDS = frozenset(  # that places may name
    "name arguments input output action code outputs result results queries summary content error reason operation tools "
    "command commands text refusal annotations filename title url diff path query transcript pending_safety_checks "
    "acknowledged_safety_checks stdout stderr logs".split()
)
TEXTS = frozenset("input_text output_text text summary_text reasoning_text refusal".split())
UNREAD = {
    "input_image": "image",
    "computer_screenshot": "image",
    "image": "image",
    "image_url": "image",
    "input_file": "file",
    "input_audio": "audio",
    "output_audio": "audio",
}
CITED = ("title", "url", "filename", "text", "quote")  # of an annotation


def read_item(reading: Reading, item: Any, place: str) -> None:
    """One item. Raises RequestError for what is none."""
    if not isinstance(item, dict):
        raise RequestError("an item must be an object", param=place)
    kind = item.get("type")
    if kind == "message" or (kind is None and "role" in item):
        read_said(reading, item, place)
        return
    role = role_of(kind)
    for number, (key, each) in enumerate(list(item.items())):
        if key in QUIET or each is None or isinstance(each, bool):
            continue
        where = f"{place}.{key}" if key in FIELDS else f"{place}[{number}]"
        if key in NAMES:
            reading.name(item, key, role, where)
        elif key == "result" and kind == "image_generation_call":
            reading.skip("image")
        elif key == "results":
            read_values(reading, each if isinstance(each, list | dict) else [each], "document", where)
        else:
            read_field(reading, item, key, "tool" if key in ("output", "outputs", "error") else role, where)


def read_said(reading: Reading, item: Json, place: str) -> None:
    """A message. Raises RequestError."""
    name = item.get("role")
    role = ROLES.get(name) if isinstance(name, str) else None
    if role is None:
        raise RequestError("role must be one of " + ", ".join(ROLES), param=f"{place}.role")
    for key, each in list(item.items()):
        if key == "content":
            if not isinstance(each, str | list) and each is not None:
                raise RequestError("content must be text or a list of parts", param=f"{place}.content")
            read_field(reading, item, key, role, f"{place}.content")
        elif key in NAMES:
            reading.name(item, key, role, f"{place}.{key}")
        elif key not in QUIET:
            reading.look(item, key, role, f"{place}.other")


def role_of(kind: object) -> Role:
    """Whose words an item that is no message holds. Raises RequestError."""
    if not isinstance(kind, str):
        raise RequestError("an item must have a type")
    if kind == "reasoning":
        return "reasoning"
    return "tool" if kind.endswith("_output") or kind == "mcp_list_tools" else "assistant"


def read_field(reading: Reading, holder: Any, key: Any, role: Role, place: str) -> None:
    """A text, JSON source, a list of parts, or texts at any depth."""
    value = holder[key]
    if key == "encrypted_content":
        reading.skip("encrypted")
    elif isinstance(value, str):
        reading.add(holder, key, role, place, "json" if key == "arguments" else "text")
    elif isinstance(value, list) and key in ("content", "summary", "output", "outputs"):
        for index, part in enumerate(value):
            read_part(reading, value, index, part, role, f"{place}[{index}]")
    elif isinstance(value, dict) and isinstance(value.get("type"), str) and value["type"] in UNREAD:
        reading.skip(UNREAD[value["type"]])
    elif isinstance(value, dict | list):
        read_values(reading, value, role, place)
    elif value is not None:
        reading.add(holder, key, role, place)


def read_part(reading: Reading, parts: list[Any], index: int, part: Any, role: Role, place: str) -> None:
    """One part of a message, of reasoning, or of what a tool gave back."""
    if isinstance(part, str):
        reading.add(parts, index, role, place)
        return
    if not isinstance(part, dict):
        raise RequestError("a content part must be an object", param=place)
    kind = part.get("type") if isinstance(part.get("type"), str) else None
    if kind in UNREAD:
        reading.skip(UNREAD[kind])
    elif kind not in TEXTS:
        read_fields(reading, part, role, place)
        return
    if kind in ("summary_text", "reasoning_text"):
        role = "reasoning"
    for key, each in list(part.items()):
        if key in ("text", "refusal", "filename", "transcript") and isinstance(each, str):
            reading.add(part, key, role, f"{place}.{key}")
        elif key == "annotations" and isinstance(each, list):
            read_citations(reading, each, role, f"{place}.annotations")
        elif key not in QUIET and kind in TEXTS:
            reading.look(part, key, role, f"{place}.other")


def read_fields(reading: Reading, part: Json, role: Role, place: str) -> None:
    """All texts of an object that is none of the known parts: the output of a shell, the logs of an interpreter."""
    for number, (key, each) in enumerate(list(part.items())):
        if key in QUIET or each is None or isinstance(each, bool):
            continue
        where = f"{place}.{key}" if key in FIELDS else f"{place}[{number}]"
        if key in NAMES:
            reading.name(part, key, role, where)
        elif isinstance(each, dict | list):
            read_values(reading, each, role, where)
        else:
            reading.add(part, key, role, where)


def read_citations(reading: Reading, listed: list[Any], role: Role, place: str) -> None:
    """What a text cites."""
    for index, each in enumerate(listed):
        if not isinstance(each, dict):
            reading.look(listed, index, role, f"{place}[{index}]")
            continue
        for key, value in list(each.items()):
            if key in CITED and isinstance(value, str):
                reading.add(each, key, role, f"{place}[{index}].{key}")
            elif key not in QUIET and key not in ("container_id", "file_id"):
                reading.look(each, key, role, f"{place}[{index}].other")
