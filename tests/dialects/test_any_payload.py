"""Whatever callers and backends send, a dialect reads it or says that it is bad: requests, answers, errors and events alike."""

from __future__ import annotations

import copy
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.coverage import leaves, payloads
from proxy.dialects import DIALECTS, Dialect
from proxy.errors import BackendBroken, RequestError
from tests.examples import examples

ALL = list(DIALECTS.values())
FEW = settings(max_examples=examples(15), suppress_health_check=[HealthCheck.too_slow])  # no test asserts a time
EVERY = pytest.mark.parametrize("dialect", ALL, ids=[dialect.name for dialect in ALL])
junk: Any = st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4) | st.just([]) | st.just({})
junk |= st.lists(junk, max_size=2) | st.dictionaries(st.sampled_from(("type", "text", "role", "content", "id")), junk, max_size=2)


def places(payload: Any) -> list[tuple[str | int, ...]]:
    """All places in a payload: those of texts, and of what holds them."""
    return sorted({path[:end] for path in leaves(payload) for end in range(1, len(path) + 1)}, key=str)


@st.composite
def spoiled(draw: st.DrawFn, given: list[Any]) -> Any:
    """One of some payloads, with junk in some of its places."""
    payload = draw(st.sampled_from(given))
    made = copy.deepcopy(payload)
    for path in draw(st.lists(st.sampled_from(places(payload)), min_size=1, max_size=3)):
        holder = made
        try:
            for key in path[:-1]:
                holder = holder[key]
            if isinstance(holder, list) or isinstance(path[-1], str):
                holder[path[-1]] = copy.deepcopy(draw(junk))  # no two places hold one object, nor one itself
        except (KeyError, IndexError, TypeError):
            continue  # what it was in is junk already
    return made


def samples(dialect: Dialect, direction: str, *, streamed: bool) -> list[Any]:
    """The samples of one kind; nothing where a dialect has none."""
    return [payload for way, stream, payload in payloads(dialect) if way == direction and stream == streamed] or [{"": ""}]


@EVERY
@FEW
@given(data=st.data())
def test_no_request_raises_anything_but_request_error(dialect: Dialect, data: st.DataObject) -> None:
    """It is read or refused, and reading changes nothing; so does writing what was read."""
    payload = data.draw(spoiled(samples(dialect, "prompt", streamed=False)))
    before = repr(payload)
    try:
        reading = dialect.read(payload)
    except RequestError:
        pass
    else:
        reading.write({index: segment.text for index, segment in enumerate(reading.segments)})
        assert set(reading.hidden.values()) <= reading.not_inspected.keys()
    assert repr(payload) == before


@EVERY
@FEW
@given(data=st.data())
def test_no_answer_raises_anything_but_backend_broken(dialect: Dialect, data: st.DataObject) -> None:
    """It is read or broken; one that was read can be cleared of what repeats its texts, and refused."""
    payload = data.draw(spoiled(samples(dialect, "completion", streamed=False)))
    dialect.read_error(payload)
    try:
        reading = dialect.read_answer(payload)
    except BackendBroken:
        return
    dialect.redacted(payload, reading.segments)
    assert all(isinstance(name, str) for name in dialect.identities(payload))
    refused = dialect.refuse(payload, "No.")
    assert refused is None or orjson.dumps(refused)


@EVERY
@FEW
@given(data=st.data())
def test_no_event_raises_anything_but_backend_broken(dialect: Dialect, data: st.DataObject) -> None:
    """The same for the events of a stream, one after the other, and for the end that a rule makes of it."""
    events = data.draw(spoiled(samples(dialect, "completion", streamed=True)))
    stream = dialect.stream()
    groups: dict[Any, None] = {}
    last: dict[str, Any] = {}
    for payload in events if isinstance(events, list) else [events]:
        try:
            event = stream.read_event(payload)
        except BackendBroken:
            return
        groups |= dict.fromkeys(event.groups)
        last = event.payload
        assert b"\n\n" in stream.write(event.payload)
    for payload in stream.cut(last, list(groups), "No."):
        assert stream.write(payload)
