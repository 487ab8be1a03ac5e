"""What tests of dialects share: a text that is planted in a payload, and the check that it is read and written at its place."""

from __future__ import annotations

import copy
from typing import Any

import orjson

from proxy.dialects import Dialect, Reading

PLANT = "planted"


def planted(reading: Reading) -> list[int]:
    """The segments that are the planted text."""
    return [index for index, segment in enumerate(reading.segments) if segment.text == PLANT]


def check_place(dialect: Dialect, payload: dict[str, Any], place: str, *, answer: bool = False) -> str:
    """It is found once, named by its place, and writing changes it and nothing else; its role."""
    payload = copy.deepcopy(payload)
    before = orjson.dumps(payload)
    reading = dialect.read_answer(payload) if answer else dialect.read(payload)
    [index] = planted(reading)
    assert reading.segments[index].place == place
    reading.write({index: "<CHANGED>"})
    assert orjson.dumps(payload) == before.replace(PLANT.encode(), b"<CHANGED>")
    return reading.segments[index].role
