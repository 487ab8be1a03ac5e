"""What can go wrong, by whom it can be mended.

    ParapetError
    ├── SettingError            a setting is unknown or has a bad value; serve does not start
    ├── FileError               a YAML file cannot be read as what it should be: file, line, column, value, what was expected
    │   └── PolicyError         the same for a policy or its tests; the policies in force stay in force
    ├── IndexFileError          an index of works cannot be used: the file, what is wrong with it, the way out
    ├── ModelError              a model cannot be used: the file, what is wrong with it, the way out
    ├── ExpressionError         a regular expression cannot be screened
    ├── CheckError              a check did not give an answer; the rules that need it act by their `on_error`
    │   ├── CheckTimeout        it took longer than the rule's `timeout`
    │   ├── CheckOverloaded     its queue is full
    │   └── CheckDeclined       whoever it asked is well, and has no verdict on this text
    ├── VaultError              the vault behind pseudonyms did not answer; rules that make them act by their `on_error`
    │   └── VaultTimeout        it took longer than `vault_timeout`
    ├── RequestError            the caller's request cannot be served as it is: status, code, the place in it
    │   └── AccessError         the caller is not known, or may not do this
    └── BackendError            the backend gave no good answer; never a verdict of Parapet's
        ├── BackendUnreachable  no connection
        ├── BackendTimeout      no connection, first byte or next byte in time
        ├── BackendRefused      it answered with an error status of its own
        ├── BackendBroken       it answered with something that is not of its API
        ├── BackendUnsupported  it has no such API, or cannot be sent this
        ├── BackendUnavailable  every deployment of the pool is left alone after failures
        └── BackendOverloaded   every deployment is full, and so is the line of calls that wait

Each names the thing and the way out, and none shows the user's text.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal


class ParapetError(Exception):
    """The root of all errors that Parapet raises on purpose."""


class SettingError(ParapetError):
    """A setting is unknown or has a bad value."""

    def __init__(self, key: str, value: object, expected: str, source: str) -> None:
        super().__init__(f"{key}: {value!r} (from {source}): expected {expected}")
        self.key, self.value, self.expected, self.source = key, value, expected, source


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a file, at its place; lines and columns count from 1."""

    file: str
    line: int
    column: int
    path: str
    message: str

    def __str__(self) -> str:
        where = f" {self.path}:" if self.path else ""
        return f"{self.file}:{self.line}:{self.column}:{where} {self.message}"


class FileError(ParapetError):
    """A file cannot be read as what it should be; holds every problem found, in the order of the file."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class PolicyError(FileError):
    """A policy file, or its tests, cannot be used."""


class IndexFileError(ParapetError):
    """An index of works cannot be used: the file, what is wrong with it, and the way out."""


class ModelError(ParapetError):
    """A model cannot be used: the file, what is wrong with it, and the way out."""


class ExpressionError(ParapetError):
    """A regular expression cannot be screened."""


class CheckError(ParapetError):
    """A check did not give an answer."""

    kind: Literal["error", "timeout", "overload"] = "error"


class CheckTimeout(CheckError):
    """A check took longer than its rule allows."""

    kind = "timeout"


class CheckOverloaded(CheckError):
    """A check has more work waiting than it may."""

    kind = "overload"


class CheckDeclined(CheckError):
    """Whoever a check asked is well, and has no verdict on this text: it does not take it, or its answer cannot be read."""


class RequestError(ParapetError):
    """The caller's request cannot be served as it is."""

    def __init__(self, message: str, *, status: int = 400, code: str = "invalid_request", param: str | None = None) -> None:
        super().__init__(message)
        self.message, self.status, self.code, self.param = message, status, code, param


class AccessError(RequestError):
    """The caller is not known, or may not do this."""

    def __init__(self, message: str, *, status: int = 401, code: str = "invalid_api_key") -> None:
        super().__init__(message, status=status, code=code)


class BackendError(ParapetError):
    """The backend gave no good answer."""

    status = 502
    code = "backend_error"
    headers: Mapping[str, str] = MappingProxyType({})  # for the caller: when to try again

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class BackendUnreachable(BackendError):
    """No connection to the backend could be made."""

    code = "backend_unreachable"


class BackendTimeout(BackendError):
    """The backend did not connect, begin or go on in time."""

    status = 504
    code = "backend_timeout"


class BackendRefused(BackendError):
    """The backend answered with an error status of its own.

    `body` is what it said, for the caller alone; `headers` are those of its headers that the caller may see: when to try again.
    """

    code = "backend_refused"

    def __init__(self, status: int, body: bytes, content_type: str, headers: Mapping[str, str] = MappingProxyType({})) -> None:
        super().__init__(f"the backend answered with status {status}")
        self.status, self.body, self.content_type, self.headers = status, body, content_type, headers


class BackendBroken(BackendError):
    """The backend answered with something that is not of its API."""

    code = "backend_broken"


class BackendUnsupported(BackendError):
    """The backend has no such API, or cannot be sent what the request holds."""

    status = 400
    code = "backend_unsupported"


class BackendUnavailable(BackendError):
    """Every deployment of the pool is left alone after failures; `wait` is in how many seconds one will be tried."""

    status = 503
    code = "backend_unavailable"

    def __init__(self, message: str, wait: float) -> None:
        super().__init__(message)
        self.headers = {"retry-after": str(max(1, math.ceil(wait)))}


class BackendOverloaded(BackendUnavailable):
    """Every deployment of the pool is full, and the call would wait too long for a place."""

    code = "backend_overloaded"


class VaultError(ParapetError):
    """The vault behind pseudonyms did not give or keep what it should."""

    kind: Literal["error", "timeout"] = "error"


class VaultTimeout(VaultError):
    """The vault took longer than it may."""

    kind = "timeout"
