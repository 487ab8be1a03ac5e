"""How we and the process of a rails configuration speak: JSON, each message with its length before it, over one socket."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

import orjson

from proxy.errors import CheckDeclined, CheckError, CheckOverloaded, CheckTimeout, ParapetError

Side = Literal["input", "output", "retrieval"]
Message = dict[str, Any]
LONGEST = 2**28  # bytes of a message
STUCK = 5.0  # seconds after which the other side does not read
KINDS: dict[str, type[CheckError]] = {
    "declined": CheckDeclined, "timeout": CheckTimeout, "overload": CheckOverloaded, "error": CheckError,
}  # fmt: skip


class RailsError(ParapetError):
    """A rails configuration cannot be used: the option that is to be mended, and why."""

    def __init__(self, option: str, message: str) -> None:
        super().__init__(message)
        self.option = option


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be loaded: the folder, the sides (none: all that it has), and pools by the type of model."""

    folder: Path
    sides: tuple[Side, ...] | None
    pools: dict[str, str]
    models: tuple[str, ...]  # the names of all pools


@dataclass(frozen=True, slots=True)
class Question:
    """A text to be judged; `asked`: of an answer, what the user had said."""

    text: str
    side: Side
    asked: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The text as the rails leave it, and the one that blocked it, if one did."""

    text: str
    rail: str = ""


class Line:
    """One end of the socket. Raises OSError and EOFError when the other is gone, or does not read."""

    def __init__(self, end: socket.socket) -> None:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", int(STUCK), 0))
        self.connection = Connection(end.detach())

    def send(self, message: Message) -> None:
        """Send a message; by one thread at a time."""
        self.connection.send_bytes(orjson.dumps(message))

    def receive(self) -> Message:
        """The next message."""
        received: Message = orjson.loads(self.connection.recv_bytes(LONGEST))
        return received

    def close(self) -> None:
        """Let go of it."""
        self.connection.close()


def told(error: BaseException) -> Message:
    """An error, as it is sent: without what it says unless we said it ourselves, which may be the user's text."""
    if isinstance(error, CheckError):
        kind = next(name for name, of in KINDS.items() if isinstance(error, of))
        return {"kind": kind, "message": str(error)}
    if isinstance(error, TimeoutError):
        return {"kind": "timeout", "message": "there was no answer in time"}
    return {"kind": "error", "message": f"it failed ({type(error).__name__})"}


def heard(message: Message) -> CheckError:
    """An error that was sent."""
    return KINDS[message["kind"]](message["message"])
