"""The operational log: one line an event on stderr, as text or JSON, with the request id and never a user's text."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Literal, TextIO

from proxy.core import CALLED
from proxy.errors import ParapetError

Format = Literal["text", "json"]
OURS = "proxy"


def configure(level: str = "info", form: Format = "text", stream: TextIO | None = None) -> None:
    """Send the log of this process to `stream` (stderr); calling it again replaces what it set up before.

    `level` is for Parapet's own loggers and, from info upwards, for the server's. Other libraries are heard from warning
    upwards, whatever the level: their debug output shows payloads.
    """
    ours, root = level.upper(), logging.getLogger()
    handler = Handler(stream or sys.stderr)
    handler.setFormatter(JsonLine() if form == "json" else TextLine())
    for old in [h for h in root.handlers if isinstance(h, Handler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger(OURS).setLevel(ours)
    for name in ("uvicorn", "uvicorn.error"):
        _hand_over(name, max(logging.INFO, logging.getLevelNamesMapping()[ours]))
    # Every call leaves a record; an access log would say the same again, at a cost to each call.
    for name in ("uvicorn.access", "aiohttp.access"):
        _hand_over(name, logging.CRITICAL + 1)
    logging.captureWarnings(True)


def _hand_over(name: str, level: int) -> None:
    """Let a library's logger write through ours alone."""
    logger = logging.getLogger(name)
    logger.handlers.clear()
    logger.propagate = True
    logger.setLevel(level)


class Handler(logging.StreamHandler[TextIO]):
    """Ours among the root's handlers."""


class TextLine(logging.Formatter):
    """One line such as `2026-01-31T12:00:00.000Z INFO proxy.app ready [request id]`.

    What follows a line break is indented and other control characters are escaped, so that no message can forge a line.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The record as text."""
        request = getattr(record, "request_id", CALLED.get().request_id)
        head = f"{_time(record)} {record.levelname} {record.name} {_message(record)}"
        parts = [head + (f" [{request}]" if request else ""), *_error(record)]
        return "\n    ".join(_printable(line) for part in parts for line in part.splitlines())


class JsonLine(logging.Formatter):
    """One JSON object a line: time, level, logger, message, and request_id, trace_id and error where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON."""
        line: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
        }
        ids = CALLED.get()
        if request := getattr(record, "request_id", ids.request_id):
            line["request_id"] = str(request)
        if ids.trace_id:
            line["trace_id"] = ids.trace_id
        if error := _error(record):
            line["error"] = error
        return json.dumps(line)


def _printable(line: str) -> str:
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _message(record: logging.LogRecord) -> str:
    """What was logged; of other libraries only the first line, since asyncio shows an exception's text in those that follow."""
    message = record.getMessage()
    return message if _is_ours(record.name) else message.partition("\n")[0]


def _is_ours(name: str) -> bool:
    return name == OURS or name.startswith(f"{OURS}.")


def _error(record: logging.LogRecord) -> list[str]:
    """The exception and its causes: type and places, and the message only of our own, which promise to show no user's text."""
    error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
    return [line for cause in _causes(error) for line in (_title(cause), *_places(cause.__traceback__))]


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        yield error
        seen.add(id(error))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _title(error: BaseException) -> str:
    kind = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
    return f"{kind}: {error}" if isinstance(error, ParapetError) else kind


def _places(trace: TracebackType | None) -> Iterator[str]:
    while trace is not None:
        code = trace.tb_frame.f_code
        yield f"  at {'/'.join(Path(code.co_filename).parts[-3:])}:{trace.tb_lineno} in {code.co_qualname}"
        trace = trace.tb_next
