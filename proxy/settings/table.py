"""The table of settings: name, kind of value, default and help of each; the command line, the docs and the tests read it."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args, get_origin, get_type_hints

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from proxy.settings.units import (
    Count,
    Folder,
    Kind,
    Name,
    Paths,
    Port,
    Positive,
    Receiver,
    Seconds,
    Share,
    Size,
    Url,
    Variable,
    fits,
    shipped_models,
    shipped_policies,
)

PREFIX = "PARAPET_"
CONFIG = "PARAPET_CONFIG"
HIDDEN = "***"

HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a token, RFC 9110 section 5.6.2
HEADER_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")
DIGEST = re.compile(r"[0-9a-f]{64}")


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


class EchoBackend(Entry):
    """The embedded backend: it answers by repeating what it was told, and needs no model and no GPU."""

    kind: Literal["echo"] = Field(description="the embedded backend")
    pace: Seconds = Field(default=0.0, description="the time between two chunks of a stream")
    chunk: Count = Field(default=8, description="the characters in one chunk of a stream")


class OpenAIBackend(Entry):
    """A server that speaks OpenAI's API: vLLM, NIM, TGI, SGLang or a provider."""

    kind: Literal["openai"] = Field(description="a server that speaks OpenAI's API")
    base_url: Url = Field(description="its address up to and including /v1, without a name and password")
    api_key_env: Variable = Field(
        default="", description="the environment variable that holds its API key; the caller's is never used"
    )
    api_key_header: Header = Field(
        default="",
        description="the header that carries the API key, as x-api-key does; left out: Authorization, as a bearer",
    )
    model: str = Field(default="", description="the model's name there; left out: the name of the pool")
    headers: Headers = Field(default={}, description="headers to send with each call")

    @model_validator(mode="after")
    def _without_credentials(self) -> Self:
        if "@" in self.base_url.split("/")[2]:
            raise ValueError("expected a base_url without a name and password: name a variable in api_key_env")
        return self


class Pool(Entry):
    """All backends that serve one model name."""

    backends: Backends = Field(description="the deployments of the model")


class Key(Entry):
    """Who may call with which key. Once loaded, `sha256` is there however the key was given."""

    name: Name = Field(description="how records and metrics call the key, never the key itself")
    key_env: Variable = Field(default="", description="the environment variable that holds the key; this or sha256")
    sha256: str = Field(default="", description="the SHA-256 of the key, 64 lower-case hexadecimal digits")
    app: str = Field(default="", description="the application that calls")
    team: str = Field(default="", description="the team that policies' applies_to names")

    @model_validator(mode="after")
    def _given_once(self) -> Self:
        if bool(self.key_env) == bool(self.sha256):
            raise ValueError("expected one of key_env and sha256")
        if self.sha256 and not DIGEST.fullmatch(self.sha256):
            raise ValueError("expected sha256 as 64 lower-case hexadecimal digits")
        return self


class Service(Entry):
    """A service that the check `http` may ask by its name: the policy then needs neither its address nor its key."""

    url: Url = Field(description="its address, without a name and password")
    api_key_env: Variable = Field(default="", description="the environment variable that holds its API key")
    api_key_header: str = Field(default="Authorization", description="the header that carries the key")
    api_key_prefix: str = Field(default="Bearer ", description="what stands before the key in that header")
    headers: Headers = Field(default={}, description="headers to send with each request")

    @model_validator(mode="after")
    def _without_credentials(self) -> Self:
        if "@" in self.url.split("/")[2]:
            raise ValueError("expected a url without a name and password: name a variable in api_key_env")
        if not HEADER.fullmatch(self.api_key_header):
            raise ValueError("expected the name of a header in api_key_header")
        return self


def told_apart(keys: tuple[Key, ...]) -> tuple[Key, ...]:
    """The keys themselves, if no two have one name."""
    names = [key.name for key in keys]
    if twice := next((name for i, name in enumerate(names) if name in names[:i]), None):
        raise ValueError(f"expected a name of its own for each key: {twice!r} is here twice")
    return keys


def plain(value: object) -> object:
    """Settings as JSON can hold them, defaults left out; the values of headers are hidden, since they may be secrets."""
    if isinstance(value, Entry):
        given = {row: getattr(value, row.name) for row in rows(type(value))}
        return {row.name: _shown(row, each) for row, each in given.items() if each != row.default}
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list | tuple) else value


def _shown(row: Row, value: Any) -> object:
    if row.name == "headers":
        return dict.fromkeys(value, HIDDEN)
    return row.kind.show(value) if isinstance(value, float) else plain(value)


def show_nested(value: object) -> str:
    """A nested setting as a variable holds it."""
    return json.dumps(plain(value))


Headers = Annotated[Mapping[str, str], BeforeValidator(headers), Kind("header names, each with its value", show_nested)]
BACKENDS = Kind("at least one backend", show_nested)
Header = Annotated[
    str, fits(Kind("a header's name"), lambda name: not name or bool(HEADER.fullmatch(name))), Kind("a header's name")
]
POOLS = Kind("model names, each with its backends", show_nested, nested=True)
Backend = Annotated[EchoBackend | OpenAIBackend, Field(discriminator="kind")]
Backends = Annotated[tuple[Backend, ...], fits(BACKENDS, bool), BACKENDS]
Pools = Annotated[Mapping[Name, Pool], fits(POOLS, bool), POOLS]
SERVICES = Kind("names of services, each with what it is", show_nested, nested=True)
Services = Annotated[Mapping[Name, Service], SERVICES]
Keys = Annotated[tuple[Key, ...], AfterValidator(told_apart), Kind("a list of keys", show_nested, nested=True)]


def setting(help: str, default: Any) -> Any:
    """A field of the table; `default` may be a function that makes it."""
    if callable(default):
        return field(default_factory=default, metadata={"help": help})
    return field(default=default, metadata={"help": help})


def _embedded() -> dict[str, Pool]:
    return {"echo": Pool(backends=(EchoBackend(kind="echo"),))}


def _shipped() -> tuple[Path, ...]:
    return (shipped_policies(),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What is in force. Durations are seconds, sizes bytes."""

    host: Name = setting("the address to listen on", "127.0.0.1")
    port: Port = setting("the port to listen on; 0 takes a free one", 8000)
    workers: Count = setting("the number of processes that serve", 1)
    policies: Paths = setting("the policies in force", _shipped)
    reload: Seconds = setting("how often policy files are looked at for changes; 0 never looks again", 2.0)
    pools: Pools = setting("the models that are served, and the backends behind each", _embedded)
    services: Services = setting("the services that the check `http` may ask by name", dict)
    keys: Keys = setting("who may call; without any, everyone may, as a principal without name, app and team", tuple)
    max_body: Size = setting("the largest request that is read", 32 * 2**20)
    max_segments: Count = setting("the most pieces of text in one request", 8192)
    hidden_text: Literal["refuse", "pass"] = setting(
        "what becomes of prompts with text that cannot be read here (tokens, embeddings, turns that only the backend has) under "
        "rules that redact or block prompts; pass counts it as not inspected",
        "refuse",
    )
    connect_timeout: Positive = setting("how long a connection to a backend may take", 5.0)
    first_byte_timeout: Positive = setting("how long a backend may take until its answer begins", 300.0)
    idle_timeout: Positive = setting("how long a backend may pause within its answer", 60.0)
    connections: Count = setting("the most connections to one backend, per worker", 512)
    check_timeout: Positive = setting("how long a check may take for rules that name no timeout", 2.0)
    check_threads: Count = setting("the threads that run checks, per worker", 4)
    check_queue: Count = setting("the most calls of checks that wait for a thread, per worker, before more are turned away", 64)
    inline_chars: Size = setting(
        "texts of up to this many characters are screened on the event loop, others in threads",
        16384,
    )
    max_hold: Size = setting("the most characters of one stream that are held back; beyond it the rule's on_error applies", 65536)
    models: Folder = setting("where the models of the checks misuse and bias are: the folders encoder and screen", shipped_models)
    classifier_device: Literal["cpu", "cuda", "mps", "auto"] = setting(
        "where classifiers run; auto takes a GPU if there is one, which shares its memory with whatever else runs there", "cpu"
    )
    classifier_threads: Count = setting("the threads that a classifier computes with on a CPU, per worker", 2)
    classifier_batch: Count = setting("the most windows of text that a GPU judges at once; a CPU judges one by one", 64)
    classifier_wait: Seconds = setting(
        "how long windows of several calls are collected to be judged at once; for a GPU alone", 0.002
    )
    classifier_queue: Count = setting(
        "the windows of text that may wait for a classifier, per worker; then calls are turned away", 1024
    )
    classifier_cache: Count = setting("the windows of text whose scores are remembered, per worker; each takes about 1 KB", 16384)
    record: Name = setting(
        'where decision records go: stderr, "off" (in quotes, since YAML reads off as false), or a file to append to', "stderr"
    )
    traces: Receiver = setting(
        'where spans are sent by OTLP over HTTP, as http://collector:4318 (needs the extra otel), or "off" in quotes', "off"
    )
    traces_share: Share = setting("the share of calls that are traced, of those whose caller has not decided it", 1.0)
    log_level: Literal["debug", "info", "warning", "error"] = setting("the least severe events that are logged", "info")
    log_format: Literal["text", "json"] = setting("how the log is written", "text")
    shutdown_grace: Seconds = setting("how long calls that are under way may go on when the server stops", 30.0)

    sources: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)  # the values of the variables that api_key_env names

    def source(self, name: str) -> str:
        """Where the value of a setting comes from: command line, a variable, a place in a file, or default."""
        return self.sources.get(name, "default")


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
def table() -> tuple[Row, ...]:
    """Every setting, in the order in which the docs list them."""
    hints, empty = get_type_hints(Settings, include_extras=True), Settings()
    listed = [each for each in fields(Settings) if "help" in each.metadata]
    return tuple(Row(f.name, hints[f.name], _kind(hints[f.name]), getattr(empty, f.name), f.metadata["help"]) for f in listed)


@functools.cache
def rows(of: type[Entry]) -> tuple[Row, ...]:
    """The rows of a nested setting."""
    hints = get_type_hints(of, include_extras=True)
    return tuple(
        Row(name, hints[name], _kind(hints[name]), MISSING if f.is_required() else f.default, f.description or "")
        for name, f in of.model_fields.items()
    )


def _kind(annotation: Any) -> Kind:
    if get_origin(annotation) is Literal:
        return Kind(" or ".join(map(str, get_args(annotation))))
    return next((extra for extra in get_args(annotation) if isinstance(extra, Kind)), Kind("a text"))
