"""A multipart form as a payload, and no more of it than was read."""

from __future__ import annotations

from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from proxy.dialects import Upload
from proxy.errors import RequestError

FORM = b"multipart/form-data"
MOST_FIELDS = 1000


def parsed_form(body: bytes, content_type: bytes) -> dict[str, Any]:
    """The fields as texts, the files as Uploads, what is there more than once, or is named a list, as a list.

    Like JSON, what is sent on is written anew from this. Raises RequestError.
    """
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if kind != FORM or not boundary:
        raise RequestError("the body must be multipart/form-data with a boundary", status=415, code="invalid_form")
    form = Form()
    try:
        form.read(body, boundary)
    except (FormParserError, UnicodeDecodeError, KeyError):
        form.ended = False
    if not form.ended:
        raise RequestError("the body is not a whole multipart form in UTF-8", code="invalid_form")
    return form.payload


class Form:
    """The fields of a form, as a parser meets them."""

    def __init__(self) -> None:
        self.payload: dict[str, Any] = {}
        self.count = 0
        self.name = self.value = b""  # of the header at hand
        self.headers: dict[bytes, bytes] = {}  # of the field at hand
        self.data: list[bytes] = []
        self.ended = False

    def read(self, body: bytes, boundary: bytes) -> None:
        """All fields. Raises RequestError when there are too many, other errors for what is no form."""
        MultipartParser(
            boundary,
            {
                "on_part_begin": self.begin,
                "on_header_field": self.header_name,
                "on_header_value": self.header_value,
                "on_header_end": self.header,
                "on_part_data": lambda data, start, end: self.data.append(data[start:end]),
                "on_part_end": self.end,
                "on_end": self.finish,
            },
        ).write(body)

    def begin(self) -> None:
        self.count += 1
        if self.count > MOST_FIELDS:
            raise RequestError(f"the form has more than {MOST_FIELDS} fields", code="invalid_form")
        self.headers, self.data = {}, []

    def header_name(self, data: bytes, start: int, end: int) -> None:
        self.name += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self.value += data[start:end]

    def header(self) -> None:
        self.headers[self.name.lower()] = self.value
        self.name = self.value = b""

    def end(self) -> None:
        _, options = parse_options_header(self.headers[b"content-disposition"])
        name, data = options[b"name"].decode(), b"".join(self.data)
        if b"filename" in options:
            kind = self.headers.get(b"content-type", b"application/octet-stream").decode("latin-1")
            self.add(name, Upload(options[b"filename"].decode(), kind, data))
        else:
            self.add(name, data.decode())

    def add(self, name: str, value: str | Upload) -> None:
        before = self.payload.get(name)
        if name.endswith("[]") or before is not None:
            before = before if isinstance(before, list) else [] if before is None else [before]
            before.append(value)
            self.payload[name] = before
        else:
            self.payload[name] = value

    def finish(self) -> None:
        self.ended = True
