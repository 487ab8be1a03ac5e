"""Which conversation a call belongs to: its id is a header of the caller's, or a digest of how the conversation begins."""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import sha256

from proxy.core import Principal, Segment
from proxy.dialects import Reading
from proxy.errors import RequestError
from proxy.gateway.caller import Caller
from proxy.operators import Conversation, Conversations

HEADER = b"x-parapet-conversation"
ID = re.compile(r"[\x21-\x7e]{1,256}")
HEAD = 16_384  # characters of each text that the digest is made of


def conversation_of(conversations: Conversations, principal: Principal, caller: Caller, reading: Reading) -> Conversation:
    """The conversation of a call. Only one whose id the caller gave is known to the vault. Raises RequestError for a bad id.

    Two conversations that begin alike have one digest, and so the same names; each call restores what it holds itself.
    """
    given = caller.headers.get(HEADER)
    if given is not None:
        made = conversations.of(principal, conversation_id(given.decode("latin-1")), "header")
    else:
        begins = head(reading.segments) if conversations.keys else ""
        made = conversations.of(principal, begins, "head", stored=False)
    made.structured = reading.structured
    return made


def conversation_id(given: str) -> str:
    """The id, if it can be one. Raises RequestError."""
    if not ID.fullmatch(given):
        raise RequestError(
            "the id of a conversation must be 1 to 256 printable ASCII characters without spaces", code="invalid_conversation"
        )
    return given


def head(segments: Sequence[Segment]) -> str:
    """A digest of what stays the same from turn to turn: all that the system says before the user first speaks, and that."""
    made = sha256()
    for segment in segments:
        if segment.role in ("system", "user"):
            made.update(f"{segment.role}\0{segment.text[:HEAD]}\0".encode("utf-8", "surrogatepass"))
        if segment.role == "user":
            break
    return made.hexdigest()
