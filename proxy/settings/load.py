"""Fills the table of settings: the command line wins over variables, variables over the file, the file over the defaults."""

from __future__ import annotations

import difflib
import functools
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, create_model
from pydantic_core import ErrorDetails

from proxy import yamlfile
from proxy.errors import FileError, SettingError
from proxy.settings.entry import HIDDEN, PREFIX, Row
from proxy.settings.table import CONFIG, Key, Settings, table

# Kubernetes sets PARAPET_PORT=tcp://… and its kin in each pod beside a Service named parapet: none of them is meant for us.
SERVICE_LINK = re.compile(r"PARAPET_(\w+_)?(SERVICE_(HOST|PORT)\w*|PORT_[0-9]+_(TCP|UDP|SCTP)\w*)")
SERVICE_ADDRESS = re.compile(r"(tcp|udp|sctp)://.*")


@dataclass(frozen=True, slots=True)
class Given:
    """A value that somebody gave, and where."""

    value: Any
    source: str


def load(config: Path | None, environ: Mapping[str, str], overrides: Mapping[str, object]) -> Settings:
    """The settings in force.

    `config` is the YAML file (None: the one that PARAPET_CONFIG names, if any); `overrides` are the command line's, None where it
    says nothing. Raises FileError with every mistake in the file, and SettingError for the first one elsewhere.
    """
    if config is None and CONFIG in environ:
        config = Path(environ[CONFIG])
    told = {name: value for name, value in overrides.items() if value is not None}
    given = _from_file(config) | _from_environment(environ) | _from_command_line(told)
    settings = Settings(
        **{name: each.value for name, each in given.items()}, sources={name: each.source for name, each in given.items()}
    )
    settings = replace(settings, keys=_keys(settings, environ), secrets=_secrets(settings, environ))
    _refuse_unknown(environ, settings)
    return settings


def _from_file(config: Path | None) -> dict[str, Given]:
    if config is None:
        return {}
    document = yamlfile.read(config, empty={})
    try:
        found = _model().model_validate(document.data)
    except ValidationError as error:
        raise FileError(yamlfile.problems(document, error, _model())) from None
    return {
        name: Given(_anchored(name, getattr(found, name), config.parent), f"{config}:{document.place((name,), key=True).line}")
        for name in found.model_fields_set
    }


def _anchored(name: str, value: Any, folder: Path) -> Any:
    """Paths in the file are relative to the file."""
    if name == "policies":
        return tuple(folder / path for path in value)
    if name == "models":
        return folder / value
    if name == "record" and value not in ("stderr", "off"):
        return str(folder / value)
    return value


def _from_environment(environ: Mapping[str, str]) -> dict[str, Given]:
    told = [row for row in table() if row.variable in environ and not _is_service_link(row.variable, environ)]
    return {row.name: _given(row, environ[row.variable], row.variable) for row in told}


def _from_command_line(overrides: Mapping[str, object]) -> dict[str, Given]:
    known = {row.name: row for row in table()}
    for name in overrides.keys() - known.keys():
        raise SettingError(name, HIDDEN, f"the name of a setting{_meant(name, known)}", "the command line")
    return {name: _given(known[name], value, "the command line") for name, value in overrides.items()}


def _given(row: Row, value: object, source: str) -> Given:
    document = yamlfile.read(value, file=source) if row.kind.nested and isinstance(value, str) else None
    try:
        found = _model().model_validate({row.name: document.data if document else value})
    except ValidationError as error:
        if document:
            raise FileError(yamlfile.problems(document, error, _model())) from None
        first = error.errors(include_url=False)[0]
        raise SettingError(yamlfile.dotted(first["loc"]), _shown(first), row.kind.expected, source) from None
    return Given(getattr(found, row.name), source)


def _shown(error: ErrorDetails) -> object:
    """What an error shows of a value: neither what is nested nor what has an unknown name, since either may be a secret."""
    value = error["input"]
    return value if isinstance(value, str | int | float) and error["type"] != "extra_forbidden" else HIDDEN


@functools.cache
def _model() -> type[BaseModel]:
    columns: dict[str, Any] = {row.name: (row.annotation, row.default) for row in table()}
    return create_model("Settings", __config__=ConfigDict(extra="forbid"), **columns)


def _keys(settings: Settings, environ: Mapping[str, str]) -> tuple[Key, ...]:
    """The keys with the digest of each, so that no key has to be kept."""
    source, seen = settings.source("keys"), dict[str, str]()
    found = tuple(_with_digest(key, f"keys[{index}]", source, environ) for index, key in enumerate(settings.keys))
    for index, key in enumerate(found):
        if other := seen.get(key.sha256):
            raise SettingError(f"keys[{index}]", key.name, f"a key of its own: {other} has the same", source)
        seen[key.sha256] = key.name
    return found


def _with_digest(key: Key, place: str, source: str, environ: Mapping[str, str]) -> Key:
    if not key.key_env:
        return key
    secret = _secret(key.key_env, f"{place}.key_env", source, environ)
    return key.model_copy(update={"sha256": hashlib.sha256(secret.encode()).hexdigest()})


def _secrets(settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    return {
        variable: _secret(variable, place, settings.source(place.partition(".")[0]), environ)
        for place, variable in _variables(settings)
    }


def _variables(settings: Settings) -> Iterator[tuple[str, str]]:
    """The place and the name of each variable that holds a secret which is kept."""
    yield from _api_keys(settings)
    for place in ("redaction_key_env", "vault_password_env"):
        if variable := getattr(settings, place):
            yield place, variable


def _api_keys(settings: Settings) -> Iterator[tuple[str, str]]:
    """The place and the name of each variable that holds a secret of a backend's or a service's."""
    for model, pool in settings.pools.items():
        for index, backend in enumerate(pool.backends):
            place = f"pools.{model}.backends[{index}]"
            if backend.kind != "echo" and backend.api_key_env:
                yield f"{place}.api_key_env", backend.api_key_env
            if backend.kind == "litellm":
                yield from ((f"{place}.options_env.{option}", variable) for option, variable in backend.options_env.items())
    for name, service in settings.services.items():
        if service.api_key_env:
            yield f"services.{name}.api_key_env", service.api_key_env


def _secret(variable: str, place: str, source: str, environ: Mapping[str, str]) -> str:
    """The variable's value, without the line break that a file mounted as a variable often ends with."""
    secret = environ.get(variable, "").strip()
    if not secret:
        raise SettingError(place, variable, "the name of an environment variable that is set", source)
    if not (secret.isascii() and secret.isprintable()):
        raise SettingError(place, variable, "a variable that holds printable ASCII alone, as an HTTP header needs it", source)
    return secret


def _refuse_unknown(environ: Mapping[str, str], settings: Settings) -> None:
    known = {row.variable for row in table()} | {CONFIG}
    named = {key.key_env for key in settings.keys} | {variable for _, variable in _variables(settings)}
    for variable in sorted(environ.keys() - known - named):
        if variable.startswith(PREFIX) and not _is_service_link(variable, environ):
            raise SettingError(variable, HIDDEN, f"a variable of a setting{_meant(variable, known)}", "the environment")


def _is_service_link(variable: str, environ: Mapping[str, str]) -> bool:
    is_address = variable.endswith("_PORT") and SERVICE_ADDRESS.fullmatch(environ[variable])
    return bool(is_address or SERVICE_LINK.fullmatch(variable))


def _meant(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    return f"; did you mean {near[0]}?" if near else ""
