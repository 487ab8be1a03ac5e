"""A multipart form is read whole or refused, and what is sent on is written from what was read."""

from __future__ import annotations

import contextlib

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.dialects import Upload
from proxy.errors import RequestError
from proxy.gateway.form import MOST_FIELDS, parsed_form


def encoded(data: dict[str, object], files: list[tuple[str, tuple[str, bytes, str]]]) -> tuple[bytes, bytes]:
    """A form as httpx writes it, and its content type."""
    request = httpx.Request("POST", "http://x", data=data, files=files)
    return request.read(), request.headers["content-type"].encode()


def test_fields_files_and_lists() -> None:
    """Texts, files with their names and types, and what is there twice as a list in its order."""
    sound = ("a.wav", b"RIFF\r\n--x\x00", "audio/wav")
    body, kind = encoded({"model": "w", "prompt": "naïve", "timestamps[]": ["word"], "x": ["1", "2"]}, [("file", sound)])
    assert parsed_form(body, kind) == {
        "model": "w",
        "prompt": "naïve",
        "timestamps[]": ["word"],
        "x": ["1", "2"],
        "file": Upload("a.wav", "audio/wav", b"RIFF\r\n--x\x00"),
    }


@given(cut=st.integers(0, 300))
def test_a_form_that_is_cut_is_refused(cut: int) -> None:
    """Wherever: half a file must not be taken for a whole one."""
    body, kind = encoded({"model": "w"}, [("file", ("a.wav", b"sound" * 20, "audio/wav"))])
    if cut < len(body) - 2:
        with pytest.raises(RequestError):
            parsed_form(body[:cut], kind)


@pytest.mark.parametrize("kind", [b"application/json", b"multipart/form-data", b"", b"multipart/form-data; boundary="])
def test_what_is_no_form_is_refused(kind: bytes) -> None:
    """Without its type or its boundary."""
    with pytest.raises(RequestError) as caught:
        parsed_form(b"--x\r\n", kind)
    assert caught.value.status == 415


def test_too_many_fields_are_refused() -> None:
    """Before they are all made."""
    body, kind = encoded({f"f{number}": "x" for number in range(MOST_FIELDS + 1)}, [("file", ("a", b"", "audio/wav"))])
    with pytest.raises(RequestError, match="more than"):
        parsed_form(body, kind)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(body: bytes) -> None:
    """Whatever comes, it is read or refused."""
    for wrapped in (
        body,
        b"--x\r\n" + body,
        b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + body + b"\r\n--x--\r\n",
    ):
        with contextlib.suppress(RequestError):
            parsed_form(wrapped, b"multipart/form-data; boundary=x")
