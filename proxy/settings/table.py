"""The table of settings: name, kind of value, default and help of each; the command line, the docs and the tests read it."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_type_hints

from pydantic import AfterValidator, Field, model_validator

from proxy.settings.entry import HEADER, Entry, Headers, Row, kind_of, show_nested
from proxy.settings.pools import EchoBackend, Pool, Pools
from proxy.settings.units import (
    Amount,
    Count,
    Folder,
    Kind,
    Name,
    Paths,
    Place,
    Port,
    Positive,
    Receiver,
    Seconds,
    Share,
    Size,
    Url,
    Variable,
    shipped_models,
    shipped_policies,
)

CONFIG = "PARAPET_CONFIG"

DIGEST = re.compile(r"[0-9a-f]{64}")


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


SERVICES = Kind("names of services, each with what it is", show_nested, nested=True)
Services = Annotated[Mapping[Name, Service], SERVICES]
UNINSPECTED = Kind("realtime, batches or files, each with the model whose backend serves it", show_nested, nested=True)
Uninspected = Annotated[Mapping[Literal["realtime", "batches", "files"], Name], UNINSPECTED]
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
    uninspected: Uninspected = setting(
        "APIs that pass although nobody can read them here (realtime sessions, batches, files), each with the model whose first "
        "backend serves it; they are refused otherwise",
        dict,
    )
    connect_timeout: Positive = setting("how long a connection to a backend may take", 5.0)
    first_byte_timeout: Positive = setting("how long a backend may take until its answer begins", 300.0)
    idle_timeout: Positive = setting("how long a backend may pause within its answer", 60.0)
    connections: Count = setting("the most connections to one backend, per worker", 512)
    check_timeout: Positive = setting("how long a check may take for rules that name no timeout", 2.0)
    check_threads: Count = setting("the threads that run checks, per worker", 4)
    check_queue: Count = setting("the most calls of checks that wait for a thread, per worker, before more are turned away", 64)
    verdict_cache: Amount = setting(
        "the texts of which is remembered what checks found in them, and the most findings in all of them, per worker, so that a "
        "history is judged once; 0 for none",
        16384,
    )
    inline_chars: Size = setting(
        "texts of up to this many characters are screened on the event loop, others in threads",
        16384,
    )
    max_hold: Size = setting("the most characters of one stream that are held back; beyond it the rule's on_error applies", 65536)
    models: Folder = setting(
        "where the models of the checks misuse and bias are: the folders encoder, screen and glance", shipped_models
    )
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
    redaction_key_env: Variable = setting(
        "the environment variable that holds the key of hashes, stand-ins, pseudonyms and the vault: 32 characters or more; "
        "several, separated by commas, while it is rotated: the first one makes, the others still open what they sealed",
        "",
    )
    vault: Place = setting(
        "where the values behind pseudonyms are kept for conversations that have an id: memory, of each process for itself, or "
        "the address of a Redis, redis://HOST:PORT/NUMBER or rediss:// or unix://, without a name and password",
        "memory",
    )
    vault_password_env: Variable = setting("the environment variable that holds the vault's password", "")
    vault_ttl: Positive = setting("how long a conversation's values are kept after it was last heard of", 86400.0)
    vault_timeout: Positive = setting("how long the vault may take to answer; then the on_error of the rules applies", 0.5)
    vault_values: Count = setting("the most values that are kept for one conversation", 4096)
    vault_conversations: Count = setting("the most conversations that the memory of a process keeps values of", 10_000)
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
    shutdown_delay: Seconds = setting(
        "how long new calls are taken after SIGTERM, while /readyz says draining: until load balancers have seen it", 0.0
    )

    sources: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)  # the values of the variables that api_key_env names

    def source(self, name: str) -> str:
        """Where the value of a setting comes from: command line, a variable, a place in a file, or default."""
        return self.sources.get(name, "default")


@functools.cache
def table() -> tuple[Row, ...]:
    """Every setting, in the order in which the docs list them."""
    hints, empty = get_type_hints(Settings, include_extras=True), Settings()
    listed = [each for each in fields(Settings) if "help" in each.metadata]
    return tuple(Row(f.name, hints[f.name], kind_of(hints[f.name]), getattr(empty, f.name), f.metadata["help"]) for f in listed)
