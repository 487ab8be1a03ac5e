"""The settings of pools and of the backends in them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from proxy.settings.entry import Entry, Header, Headers, show_nested
from proxy.settings.units import Amount, Count, Flag, Kind, Name, Positive, Seconds, Share, Url, Variable, fits

OPTION = re.compile(r"[a-z][a-z0-9_]{0,63}")
LABEL = re.compile(r"[A-Za-z0-9._:/@-]{1,64}")
LABELS = Kind("up to 64 letters, digits and . _ : / @ -")
PATH = re.compile(r"/[!-~]*")
PATHS = Kind("a path that begins with /")
Label = Annotated[str, fits(LABELS, LABEL.fullmatch), LABELS]
ProbePath = Annotated[str, fits(PATHS, PATH.fullmatch), PATHS]


def options(value: object) -> object:
    """The mapping itself, if its keys are names of arguments and its values texts, numbers or truths."""
    if not isinstance(value, Mapping) or not all(isinstance(each, str | int | float | bool) for each in value.values()):
        raise ValueError(f"expected {OPTIONS.expected}")
    if not all(isinstance(name, str) and OPTION.fullmatch(name) for name in value):
        raise ValueError("expected names of arguments of LiteLLM, in lower case")
    return value


OPTIONS = Kind("names of arguments, each with a text, a number or a truth", show_nested)
VARIABLES = Kind("names of arguments, each with the name of an environment variable", show_nested)
Options = Annotated[Mapping[str, str | int | float | bool], BeforeValidator(options), OPTIONS]
Variables = Annotated[Mapping[str, Variable], BeforeValidator(options), VARIABLES]


class Deployment(Entry):
    """What any backend may say about its place in its pool."""

    name: Label = Field(
        default="", description="what the header x-parapet-backend, records and metrics call it; left out: its kind and number"
    )
    weight: Count = Field(default=1, description="how much it takes beside the others of its pool")
    max_in_flight: Amount = Field(
        default=0, description="the most calls under way there at once, per worker; more wait in the pool's queue; 0 for no limit"
    )


class EchoBackend(Deployment):
    """The embedded backend: it answers by repeating what it was told, and needs no model and no GPU."""

    kind: Literal["echo"] = Field(description="the embedded backend")
    pace: Seconds = Field(default=0.0, description="the time between two chunks of a stream")
    chunk: Count = Field(default=8, description="the characters in one chunk of a stream")


class OpenAIBackend(Deployment):
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
    probe_path: ProbePath = Field(
        default="", description="what the pool's `probe` asks that host for, such as /health; left out: models below base_url"
    )

    @model_validator(mode="after")
    def _without_credentials(self) -> Self:
        refuse_credentials(self.base_url)
        return self


class LiteLLMBackend(Deployment):
    """A provider that does not speak OpenAI's API, by way of LiteLLM's translation: the extra `litellm`."""

    kind: Literal["litellm"] = Field(description="a provider, by way of LiteLLM")
    model: Name = Field(description="LiteLLM's name of the provider and the model, such as anthropic/claude-sonnet-4-5")
    base_url: Url = Field(default="", description="its address, if it is not the provider's usual one")
    api_key_env: Variable = Field(
        default="", description="the environment variable that holds its API key; the caller's is never used"
    )
    headers: Headers = Field(default={}, description="headers to send with each call")
    options: Options = Field(default={}, description="more arguments of LiteLLM's, such as aws_region_name or vertex_project")
    options_env: Variables = Field(
        default={}, description="arguments whose values environment variables hold, such as aws_secret_access_key"
    )
    drop_unsupported: Flag = Field(
        default=False, description="whether parameters that the provider does not have are left out rather than refused"
    )

    @model_validator(mode="after")
    def _fit(self) -> Self:
        if "/" not in self.model:
            raise ValueError("expected a model with its provider in front, such as anthropic/claude-sonnet-4-5")
        if reserved := RESERVED & (self.options.keys() | self.options_env.keys()):
            raise ValueError(f"expected no {min(reserved)} among the options: it is set by Parapet or by the caller")
        refuse_credentials(self.base_url)
        return self


RESERVED = frozenset(
    "model messages input prompt stream timeout api_key api_base base_url extra_headers headers num_retries max_retries "
    "fallbacks context_window_fallback_dict model_list cache caching callbacks mock_response metadata client drop_params "
    "logger_fn".split()
)


def refuse_credentials(url: str) -> None:
    """An address holds no name and password. Raises ValueError."""
    if "@" in url.partition("//")[2].partition("/")[0]:
        raise ValueError("expected a base_url without a name and password: name a variable in api_key_env")


BACKENDS = Kind("at least one backend", show_nested)
Backend = Annotated[EchoBackend | OpenAIBackend | LiteLLMBackend, Field(discriminator="kind")]
Backends = Annotated[tuple[Backend, ...], fits(BACKENDS, bool), BACKENDS]
MODELS = Kind("names of other pools", show_nested)
Models = Annotated[tuple[Name, ...], MODELS]


class Pool(Entry):
    """All backends that serve one model name. Every worker keeps its own account of them."""

    backends: Backends = Field(description="the deployments of the model")
    fallback: Models = Field(default=(), description="the pools that serve a call which this one cannot, in this order")
    retries: Amount = Field(
        default=1, description="how often a call that failed goes to another deployment, if nothing has reached the caller"
    )
    retry_share: Share = Field(default=0.2, description="the most retries, as a share of all calls, beyond a first few")
    queue: Amount = Field(default=128, description="the most calls that wait for a place when all deployments are full")
    queue_timeout: Positive = Field(
        default=10.0, description="how long a call may wait for a place; one that would wait longer is refused at once"
    )
    deadline: Seconds = Field(default=0.0, description="how long a call may take in all, its stream too; 0 for no limit")
    failures: Count = Field(default=5, description="the failures in a row after which a deployment is left alone")
    cool_down: Positive = Field(
        default=5.0,
        description="how long it is left alone before one call tries it; each failed try doubles that, up to eightfold",
    )
    probe: Seconds = Field(default=0.0, description="how often each deployment is asked whether it is well; 0 for never")
    probe_timeout: Positive = Field(default=2.0, description="how long it may take to answer that")

    @model_validator(mode="after")
    def _told_apart(self) -> Self:
        names = names_of(self.backends)
        if twice := next((name for i, name in enumerate(names) if name in names[:i]), None):
            raise ValueError(f"expected a name of its own for each backend of a pool: {twice!r} is here twice")
        return self


def names_of(backends: Sequence[Deployment]) -> list[str]:
    """What the backends of a pool are called."""
    return [backend.name or f"{getattr(backend, 'kind', '')}-{number}" for number, backend in enumerate(backends, 1)]


def known(pools: Mapping[str, Pool]) -> Mapping[str, Pool]:
    """The pools themselves, if each fallback is one of them."""
    for model, pool in pools.items():
        for name in pool.fallback:
            if name not in pools or name == model:
                raise ValueError(f"expected the names of other pools as the fallback of {model!r}, not {name!r}")
    return pools


POOLS = Kind("model names, each with its backends", show_nested, nested=True)
Pools = Annotated[Mapping[Name, Pool], fits(POOLS, bool), AfterValidator(known), POOLS]
