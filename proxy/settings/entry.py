"""What the rows of the table of settings are made of, those that are nested among them."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from pydantic import BaseModel, BeforeValidator, ConfigDict

from proxy.settings.units import Kind, fits

PREFIX = "PARAPET_"
HIDDEN = "***"
HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a token, RFC 9110 section 5.6.2
HEADER_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")


class Entry(BaseModel):
    """A row of a nested setting. What may be a secret is judged on the whole row, since an error shows a value but not a row."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def headers(value: object) -> object:
    """The mapping itself, if it holds names and values that HTTP can carry."""
    if not isinstance(value, Mapping) or not all(isinstance(v, str) and HEADER_VALUE.fullmatch(v) for v in value.values()):
        raise ValueError("expected header names, each with a value of printable ASCII")
    if wrong := [name for name in value if not HEADER.fullmatch(name)]:
        raise ValueError(f"expected a header name, not {wrong[0]!r}")
    return value


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One row of the table; `default` is dataclasses.MISSING where a value has to be given."""

    name: str
    annotation: Any
    kind: Kind
    default: Any
    help: str

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return PREFIX + self.name.upper()


@functools.cache
def rows(of: type[Entry]) -> tuple[Row, ...]:
    """The rows of a nested setting."""
    hints = get_type_hints(of, include_extras=True)
    return tuple(
        Row(name, hints[name], kind_of(hints[name]), MISSING if f.is_required() else f.default, f.description or "")
        for name, f in of.model_fields.items()
    )


def kind_of(annotation: Any) -> Kind:
    """The kind of value that an annotation means."""
    if get_origin(annotation) is Literal:
        return Kind(" or ".join(map(str, get_args(annotation))))
    return next((extra for extra in get_args(annotation) if isinstance(extra, Kind)), Kind("a text"))


def plain(value: object) -> object:
    """Settings as JSON can hold them, defaults left out; headers and options show no values, which may be secrets."""
    if isinstance(value, Entry):
        given = {row: getattr(value, row.name) for row in rows(type(value))}
        return {row.name: _shown(row, each) for row, each in given.items() if each != row.default}
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list | tuple) else value


def _shown(row: Row, value: Any) -> object:
    if row.name in ("headers", "options"):
        return dict.fromkeys(value, HIDDEN)
    return row.kind.show(value) if isinstance(value, float) else plain(value)


def show_nested(value: object) -> str:
    """A nested setting as a variable holds it."""
    return json.dumps(plain(value))


Header = Annotated[
    str, fits(Kind("a header's name"), lambda name: not name or bool(HEADER.fullmatch(name))), Kind("a header's name")
]
Headers = Annotated[Mapping[str, str], BeforeValidator(headers), Kind("header names, each with its value", show_nested)]
