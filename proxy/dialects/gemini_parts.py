"""The contents and parts of Gemini, and the fields around them: every text in them. Names may be in camelCase or snake_case."""

from __future__ import annotations

from typing import Any

from proxy.core import Role
from proxy.dialects.base import Json, Reading, Repeat
from proxy.dialects.values import read_values
from proxy.errors import RequestError

ROLES: dict[str, Role] = {"user": "user", "model": "assistant", "function": "tool", "tool": "tool", "system": "system"}
QUIET = frozenset(("name", "mimetype", "outcome", "language", "willcontinue", "scheduling"))  # of what a part holds
PLAIN = frozenset("thought mediaresolution videometadata mediaprocessing".split())
UNREAD = frozenset(("inlinedata", "filedata"))
SIGNED = frozenset(("thoughtsignature", "continuationtoken"))
KINDS = ("image", "audio", "video")


def plain(key: str) -> str:
    """A name without its style: Google's servers take both."""
    return key.replace("_", "").lower()


def field(payload: Json, name: str) -> Any:
    """A field under either of its names."""
    return next((value for key, value in payload.items() if plain(key) == name), None)


def read_contents(reading: Reading, contents: Any, place: str) -> None:
    """A list of contents, the turns of a conversation. Raises RequestError."""
    if not isinstance(contents, list):
        raise RequestError("contents must be a list", param=place)
    for index in reading.turns(contents):
        read_content(reading, contents[index], f"{place}[{index}]")


def read_content(reading: Reading, content: Any, place: str, role: Role | None = None) -> None:
    """One content: a role and parts. Raises RequestError."""
    if not isinstance(content, dict):
        raise RequestError("a content must be an object", param=place)
    named = content.get("role") or "user"
    role = role or (ROLES.get(named) if isinstance(named, str) else None)
    if role is None:
        raise RequestError("role must be one of " + ", ".join(ROLES), param=f"{place}.role")
    for key, value in list(content.items()):
        if key == "parts" and isinstance(value, list):
            for index, part in enumerate(value):
                read_part(reading, part, role, f"{place}.parts[{index}]")
        elif key == "parts" and isinstance(value, dict):
            read_part(reading, value, role, f"{place}.parts")
        elif key == "parts" and value is not None:
            raise RequestError("parts must be a list", param=f"{place}.parts")
        elif key != "role":
            reading.look(content, key, role, f"{place}.other")


def read_part(reading: Reading, part: Any, role: Role, place: str) -> None:
    """One part. Raises RequestError."""
    if not isinstance(part, dict):
        raise RequestError("a part must be an object", param=place)
    if part.get("thought") is True:
        role = "reasoning"
    for number, (key, value) in enumerate(list(part.items())):
        name = plain(key)
        if name == "text":
            reading.add(part, key, role, f"{place}.text")
        elif name in UNREAD:
            reading.skip(sort(value))
        elif name in SIGNED:
            reading.skip("encrypted")
        elif name in ("functioncall", "functionresponse", "executablecode", "codeexecutionresult", "toolcall", "toolresponse"):
            by: Role = "tool" if name.endswith(("response", "result")) else "assistant"
            read_held(reading, part, key, by, f"{place}.{key}")
        elif isinstance(value, dict | list) and name not in PLAIN:
            read_values(reading, value, role, f"{place}[{number}]")
        elif name not in PLAIN:
            reading.look(part, key, role, f"{place}.other")


def read_held(reading: Reading, part: Json, field: str, role: Role, place: str) -> None:
    """A call of a function, what it gave back, code or what that printed: its arguments and its response are JSON."""
    held = part[field]
    if not isinstance(held, dict):
        reading.look(part, field, role, place)
        return
    for number, (key, value) in enumerate(list(held.items())):
        name = plain(key)
        if name in ("args", "response"):
            reading.add_json(held, key, role, f"{place}.{key}")
        elif name == "name":
            reading.add(held, key, role, f"{place}.name")
        elif name in ("code", "output"):
            reading.add(held, key, role, f"{place}.{name}")
        elif name == "parts" and isinstance(value, list):
            for each in value:
                reading.skip(sort(next((each[k] for k in each if plain(k) in UNREAD), None) if isinstance(each, dict) else None))
        elif name == "id":
            reading.name(held, key, role, f"{place}.id")
        elif name not in QUIET and isinstance(value, dict | list):
            read_values(reading, value, role, f"{place}[{number}]")
        elif name not in QUIET:
            reading.look(held, key, role, f"{place}.other")


def sort(data: Any) -> str:
    """What a part that is no text is counted as, by its media type."""
    kind = field(data, "mimetype") if isinstance(data, dict) else None
    first = kind.partition("/")[0] if isinstance(kind, str) else ""
    return first if first in KINDS else "file"


CANDIDATE = frozenset(("content", "finishreason", "index", "safetyratings", "tokencount", "avglogprobs", "logprobsresult"))
CITED = frozenset(("citationmetadata", "groundingmetadata", "groundingattributions", "urlcontextmetadata", "finishmessage"))


def read_beside(reading: Reading, candidate: Json, place: str) -> None:
    """What stands beside the content of a candidate: citations, sources, why it ended."""
    for number, (key, value) in enumerate(list(candidate.items())):
        name = plain(key)
        if name in CITED and isinstance(value, dict | list):
            read_values(reading, value, "assistant", f"{place}.{key}")
        elif name in CITED and value is not None:
            reading.add(candidate, key, "assistant", f"{place}.{key}")
        elif name not in CANDIDATE:
            if isinstance(value, dict | list):
                read_values(reading, value, "assistant", f"{place}[{number}]")
            else:
                reading.look(candidate, key, "assistant", f"{place}[{number}]")


def repeats(candidate: Json) -> list[Repeat]:
    """What repeats the text of a candidate token by token."""
    return [Repeat(candidate, key) for key, value in candidate.items() if plain(key) == "logprobsresult" and value]
