"""The check `http`: a service over HTTP judges the texts, in our contract or in one of those that exist."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import orjson
from pydantic import AfterValidator, Field, model_validator

from proxy.checks.consulted import OTHER, Asked, Category, Consulted, ConsultedOptions
from proxy.checks.desk import Answer, Consult, Desk, Desks, Meter, Question
from proxy.checks.service_kinds import KINDS
from proxy.core import CheckKind, Family, Flaw, Outside
from proxy.errors import CheckError, ParapetError

NAME = "http"


def address(text: str) -> str:
    """The address itself, if it is one."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("expected an address that begins with http:// or https://, without a query")
    if "@" in parts.netloc:
        raise ValueError("expected a url without a name and password: describe the service in the setting `services`")
    return text


class HttpOptions(ConsultedOptions):
    """What a rule may say `with` the check `http`."""

    kind: Literal["parapet", "fms", "openai_moderations", "presidio", "llm_guard", "litellm"] = Field(
        description="whose API the service speaks; parapet: the contract in docs/http-check.schema.json"
    )
    url: Annotated[str, AfterValidator(address)] | None = Field(
        default=None, description="where the service is; its API's paths are added. This or `service`"
    )
    service: str | None = Field(default=None, description="its name in the setting `services`, for one that needs a key")
    labels: dict[str, Category] = Field(
        default={}, description="the service's own words, each with the category that its findings have; others count as `other`"
    )
    categories: list[Category] | None = Field(default=None, description="what the rule is about; left out: all of them")
    family: Family | None = Field(default=None, description="what the findings are about; left out: what the kind is known for")
    language: str = Field(default="en", description="the language of the texts, for kind presidio")
    detector: str | None = Field(default=None, description="the detector-id, for kind fms")
    model: str | None = Field(default=None, description="the model, for kind openai_moderations")

    @model_validator(mode="after")
    def _whole(self) -> HttpOptions:
        if (self.url is None) == (self.service is None):
            raise ValueError("expected one of url and service")
        takes = {"language", "detector", "model"} & self.model_fields_set
        if wrong := sorted(takes - set(KINDS[self.kind].given)):
            raise ValueError(f"expected no {wrong[0]}: it is of another kind than {self.kind}")
        if self.categories is None:
            self.categories = self.known()
        elif missing := sorted(set(self.categories) - set(self.known())):
            raise ValueError(f"expected categories that are in labels or that the kind knows; not {', '.join(missing)}")
        return self

    def words(self) -> dict[str, str]:
        """The service's words and our categories."""
        return {**KINDS[self.kind].labels, **self.labels}

    def known(self) -> list[str]:
        """All categories that findings can have."""
        return sorted({*self.words().values(), OTHER})


def kind(outside: Outside | None, meter: Meter) -> CheckKind:
    """The check, with whom it asks through."""
    desks = Desks()

    def desk(given: HttpOptions) -> Desk:
        """One for all rules that ask one service in the same words."""
        key = given.model_dump_json(exclude={"categories", "window", "overlap", "family"})
        made = desks.get(key)
        if made is None:
            if outside is None:
                raise ParapetError("nobody outside can be asked from here")
            of = KINDS[given.kind]
            made = Desk(NAME, f"{given.kind}:{named(given)}", asking(given, outside), given.limits(of.batch), meter)
            desks[key] = made
        return made

    def build(given: Any, wanted: frozenset[str], variant: str) -> Consulted:
        asked = Asked(NAME, given.family or KINDS[given.kind].family, variant, wanted)
        return Consulted(desk(given), given, asked)

    return CheckKind(
        name=NAME,
        family="custom",
        categories=(),
        defaults=(),
        options=HttpOptions,
        select="categories",
        build=build,
        description="A service over HTTP: one of your own in a documented contract, or one that exists.",
        lasting=False,
        flaw=lambda given: flaw(given, outside.services) if outside is not None else None,
        about=lambda given: given.family or KINDS[given.kind].family,
    )


def flaw(given: HttpOptions, services: Collection[str]) -> Flaw | None:
    """A service that the settings do not describe."""
    if given.service is None or given.service in services:
        return None
    return Flaw("service", f"expected a name that the setting `services` describes: {', '.join(sorted(services)) or 'none'}")


def named(given: HttpOptions) -> str:
    """The service as metrics name it."""
    return given.service or (given.url or "").partition("//")[2].rstrip("/")


def asking(given: HttpOptions, outside: Outside) -> Consult:
    """How the service is asked."""
    of, labels = KINDS[given.kind], given.words()
    options = given.model_dump(include=set(of.given))
    to = given.service or given.url or ""
    threads = ThreadPoolExecutor(1, thread_name_prefix="parapet-http")  # an answer is megabytes at most, and may be compared

    def consult(questions: Sequence[Question], timeout: float) -> Future[Sequence[Answer | CheckError]]:
        sent = of.write(questions, options)
        made: Future[Sequence[Answer | CheckError]] = Future()

        def hear(told: Future[bytes]) -> None:
            try:
                made.set_result(of.answers(told.result(), questions, labels, OTHER))
            except Exception as error:  # noqa: BLE001 - whatever went wrong, the desk is to hear of it
                made.set_exception(error)

        told = outside.post(to, sent.path, orjson.dumps(sent.payload), sent.headers, timeout)
        told.add_done_callback(lambda told: aside(threads, hear, told))
        return made

    return consult


def aside(threads: ThreadPoolExecutor, hear: Callable[[Future[bytes]], None], told: Future[bytes]) -> None:
    """Hear an answer off the event loop; at once where no thread begins any more, since the process ends."""
    try:
        threads.submit(hear, told)
    except RuntimeError:
        hear(told)
