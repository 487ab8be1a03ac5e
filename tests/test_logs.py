"""The log: one event, one line, no user's text."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy import logs
from proxy.errors import BackendBroken, ParapetError


@pytest.fixture(autouse=True)
def leave_as_found() -> Iterator[None]:
    """Logging belongs to the process: each test gives it back."""
    names = ("", "proxy", "uvicorn", "uvicorn.error", "uvicorn.access", "aiohttp.access")
    before = [(logger := logging.getLogger(name), logger.level, logger.handlers[:]) for name in names]
    yield
    for logger, level, handlers in before:
        logger.setLevel(level)
        logger.handlers[:] = handlers
    logging.captureWarnings(False)


def logged(form: logs.Format, level: str = "info") -> io.StringIO:
    """Where the log goes now."""
    stream = io.StringIO()
    logs.configure(level, form, stream)
    return stream


def test_text_has_time_level_logger_message_and_request() -> None:
    """For people."""
    stream = logged("text")
    logging.getLogger("proxy.gateway").info("the backend %s is back", "a", extra={"request_id": "r-1"})
    time, rest = stream.getvalue().split(" ", 1)
    assert rest == "INFO proxy.gateway the backend a is back [r-1]\n"
    assert time.endswith("Z")


def test_json_has_one_object_a_line() -> None:
    """For machines; without a request there is no request_id."""
    stream = logged("json")
    logging.getLogger("proxy.app").warning("first\nsecond", extra={"request_id": "r-1"})
    logging.getLogger("proxy.app").error("third")
    one, two = map(json.loads, stream.getvalue().splitlines())
    assert (one["level"], one["logger"], one["message"], one["request_id"]) == ("warning", "proxy.app", "first\nsecond", "r-1")
    assert two.keys() == {"time", "level", "logger", "message"}


def fail(text: str) -> None:
    """Fails as a parser would, with a user's text in its message, and again as ours would."""
    try:
        raise ValueError(f"cannot parse {text}")
    except ValueError as error:
        raise BackendBroken("the backend's answer is not JSON") from error


@pytest.mark.parametrize("form", ["text", "json"])
def test_an_exception_shows_places_and_types_and_only_our_own_messages(form: logs.Format) -> None:
    """Messages of other libraries quote what they were given."""
    stream = logged(form)
    try:
        fail("4111 1111 1111 1111")
    except ParapetError:
        logging.getLogger("proxy.gateway").exception("a call failed")
    said = stream.getvalue()
    assert "4111" not in said
    assert "the backend's answer is not JSON" in said
    assert "ValueError" in said
    assert "tests/test_logs.py:" in said
    assert "in fail" in said


def test_what_asyncio_adds_of_an_exception_is_left_out() -> None:
    """Its second line shows the exception with its message."""
    stream = logged("text")
    logging.getLogger("asyncio").error("Task exception was never retrieved\nfuture: <Task exception=ValueError('4111')>")
    assert "Task exception was never retrieved" in stream.getvalue()
    assert "4111" not in stream.getvalue()


@given(st.text())
def test_no_message_forges_a_line(text: str) -> None:
    """Whatever is logged, only the first line of an event begins at the margin, and each JSON event is one line."""
    for form in ("text", "json"):
        stream = logged(form)
        logging.getLogger("proxy.app").error("x%s", text)
        lines = stream.getvalue().split("\n")
        assert lines.pop() == ""
        assert all(line.startswith("    ") for line in lines[1:])
        assert all(line.isprintable() for line in lines)
        if form == "json":
            assert json.loads(lines[0])["message"] == f"x{text}"


def test_other_libraries_never_show_their_debug_output() -> None:
    """It holds payloads, so the level is for ours alone."""
    stream = logged("text", "debug")
    for name in ("openai", "presidio-analyzer", "aiohttp.client", "asyncio"):
        logging.getLogger(name).debug("payload")
    logging.getLogger("uvicorn.error").debug("payload")
    logging.getLogger("proxy.engine").debug("ours")
    assert stream.getvalue().count("\n") == 1
    assert "ours" in stream.getvalue()


def test_the_servers_events_are_in_the_log_and_its_accesses_are_not() -> None:
    """Each call has its record already."""
    logging.getLogger("uvicorn.access").addHandler(logging.StreamHandler(io.StringIO()))
    stream = logged("text")
    logging.getLogger("uvicorn.error").info("Started")
    logging.getLogger("uvicorn.access").info("GET / 200")
    logging.getLogger("aiohttp.access").info("GET / 200")
    assert stream.getvalue().count("\n") == 1
    assert "Started" in stream.getvalue()


def test_configuring_again_replaces_what_was_there() -> None:
    """No event comes twice."""
    old, new = logged("json"), logged("text")
    logging.getLogger("proxy").error("once")
    assert old.getvalue() == ""
    assert new.getvalue().count("once") == 1
