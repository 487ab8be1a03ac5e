"""The content blocks of Anthropic's messages, nested as they may be: every text in them, whatever their type."""

from __future__ import annotations

from typing import Any

from proxy.core import Role
from proxy.dialects.base import DEPTH, Json, Reading

ROLES: dict[str, Role] = {  # whose text a block holds, where that is not whose message it is in
    "thinking": "reasoning",
    "tool_result": "tool",
    "tool_use": "assistant",
    "server_tool_use": "assistant",
    "mcp_tool_use": "assistant",
    "document": "document",
    "search_result": "document",
}
PLAIN = frozenset(  # what names things and says nothing
    "type cache_control media_type is_error caller encoding index return_code".split()
)
ENCRYPTED = frozenset("signature encrypted_content encrypted_index encrypted_stdout".split())  # only the model's maker reads them
OPAQUE = {"redacted_thinking": "encrypted", "container_upload": "file"}  # blocks that hold nothing else
NAMES = frozenset("id tool_use_id toolset_name server_name".split())
FILES = frozenset(("file_id", "content_file_id"))
KNOWN = frozenset(  # keys that places may name: others are the caller's words, and places go into records
    "text thinking content title context source data citations cited_text document_title url stdout stderr name input "
    "error_message query tool_references tool_name file_id page_age retrieved_at system messages".split()
)


def read_blocks(reading: Reading, holder: Any, key: Any, role: Role, place: str, depth: int = DEPTH) -> None:
    """Every text at a place in a payload: a text, a block, or lists and objects of them."""
    value = holder[key]
    if isinstance(value, str):
        reading.add(holder, key, role, place)
    elif isinstance(value, dict | list) and depth == 0:
        reading.pass_over(value)
    elif isinstance(value, list):
        for number in range(len(value)):
            read_blocks(reading, value, number, role, f"{place}[{number}]", depth - 1)
    elif isinstance(value, dict):
        read_block(reading, value, role, place, depth)


def read_block(reading: Reading, block: Json, role: Role, place: str, depth: int = DEPTH) -> None:
    """One block, or an object within one."""
    kind = block.get("type")
    kind = kind if isinstance(kind, str) else ""
    if kind in OPAQUE:
        reading.skip(OPAQUE[kind])
        return
    role = "tool" if kind.endswith("_tool_result") else ROLES.get(kind, role)
    for number, key in enumerate(block):
        where = f"{place}.{key}" if key in KNOWN else f"{place}[{number}]"
        if key in PLAIN:
            continue
        if key in NAMES:
            reading.name(block, key, role, f"{place}.{key}")
        elif key in ENCRYPTED:
            if block[key]:
                reading.skip("encrypted")
        elif key in FILES:
            reading.skip("file")
        elif key == "source" and isinstance(block[key], dict):
            read_source(reading, block[key], kind, role, where, depth)
        elif key == "input":
            reading.add_json(block, key, "assistant", where)
        else:
            read_blocks(reading, block, key, role, where, depth - 1)


def read_source(reading: Reading, source: Json, kind: str, role: Role, place: str, depth: int) -> None:
    """Where an image or a document comes from: its text if it has one here; what is no text is counted."""
    sort = source.get("type")
    if sort in ("text", "content"):
        for key in source.keys() & {"data", "content"}:
            read_blocks(reading, source, key, role, f"{place}.{key}", depth - 1)
        return
    reading.skip("image" if kind == "image" and sort != "file" else "file")
    if isinstance(source.get("url"), str) and not source["url"].startswith("data:"):
        reading.add(source, "url", role, f"{place}.url")


def refusal(message: str) -> Json:
    """Why a message ended that a rule has blocked."""
    return {"stop_reason": "refusal", "stop_details": {"type": "refusal", "category": None, "explanation": message}}
