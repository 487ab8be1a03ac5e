"""The check `guard_model`: a served guard model of a pool gives its verdict on each text."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo, model_validator

from proxy.checks.consulted import OTHER, Asked, Category, Consulted, ConsultedOptions
from proxy.checks.desk import Answer, Consult, Desk, Desks, Meter, Noted, Question
from proxy.checks.guard_formats import FORMATS, Given, told
from proxy.checks.guard_words import UNSAFE, WORDS
from proxy.classifier import gathered
from proxy.core import CheckKind, Flaw, Outside
from proxy.errors import CheckError, ParapetError

NAME = "guard_model"


def expression(text: str) -> str:
    """The expression itself, if it is one."""
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"expected a regular expression: {error}") from None
    return text


def policy_file(name: str, info: ValidationInfo) -> str:
    """The path of a file that can be read, relative to the policy's."""
    path = Path((info.context or {}).get("folder", "."), name).resolve()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read as text ({type(error).__name__})") from None
    if not text.strip():
        raise ValueError(f"{path} is empty: expected the policy to judge by")
    return str(path)


Expression = Annotated[str, AfterValidator(expression)]


class GuardOptions(ConsultedOptions):
    """What a rule may say `with` the check `guard_model`."""

    pool: str = Field(description="the pool that serves the guard model")
    kind: Literal[
        "llama-guard-3", "llama-guard-4", "shieldgemma", "granite-guardian", "wildguard", "nemotron-safety-guard", "qwen3guard",
        "gpt-oss-safeguard", "custom",
    ] = Field(description="the model's prompt format and answers")  # fmt: skip
    categories: list[Category] | None = Field(
        default=None, description="what the rule is about; `unsafe` is the verdict as a whole; left out: all that the kind knows"
    )
    labels: dict[str, Category] = Field(
        default={}, description="the model's own words, each with the category that its findings have, where ours do not fit"
    )
    policy: Annotated[str, AfterValidator(policy_file)] | None = Field(
        default=None,
        description="for gpt-oss-safeguard: the file with the policy to judge by; left out: the categories",
    )
    prompt: str | None = Field(
        default=None, description="for custom: what it is told; {text}, {role} and, of an answer, the {prompt} are filled in"
    )
    safe: Expression | None = Field(default=None, description="for custom: what its answer matches when the text is safe")
    unsafe: Expression | None = Field(
        default=None, description="for custom: what it matches when it is not; a group `category` names categories"
    )

    @model_validator(mode="after")
    def _whole(self) -> GuardOptions:
        custom = {"prompt": self.prompt, "safe": self.safe, "unsafe": self.unsafe}
        if self.kind == "custom" and (missing := [name for name, value in custom.items() if value is None]):
            raise ValueError(f"expected {missing[0]}: a model of the kind custom needs prompt, safe and unsafe")
        if self.kind == "custom" and "{text}" not in (self.prompt or ""):
            raise ValueError("expected {text} in the prompt")
        if self.kind != "custom" and any(value is not None for value in custom.values()):
            raise ValueError("expected no prompt, safe or unsafe: they are for the kind custom")
        if self.policy is not None and self.kind != "gpt-oss-safeguard":
            raise ValueError("expected no policy: it is for the kind gpt-oss-safeguard")
        form, table = FORMATS[self.kind], self.words()
        if form.closed and (unknown := sorted(table.keys() - WORDS[self.kind].keys())):
            raise ValueError(f"expected labels for the model's words ({', '.join(WORDS[self.kind]) or 'none'}); not {unknown[0]}")
        if self.categories is None:
            self.categories = list(dict.fromkeys(table[word] for word in form.defaults)) or self.known()
        elif missing := sorted(set(self.categories) - set(self.known())):
            raise ValueError(f"expected categories of {', '.join(self.known())}; not {', '.join(missing)}")
        return self

    def words(self) -> dict[str, str]:
        """The model's words and our categories."""
        known = WORDS[self.kind]
        return {**known, **{word if word in known else word.lower(): category for word, category in self.labels.items()}}

    def known(self) -> list[str]:
        """All categories that findings can have."""
        named = self.kind in ("gpt-oss-safeguard", "custom", "nemotron-safety-guard")
        whole = set() if self.kind in ("shieldgemma", "granite-guardian") else {UNSAFE}  # they judge word by word
        return sorted({*self.words().values(), *whole, *((OTHER,) if named else ())})

    def files(self) -> list[Path]:
        """What the check reads: a rule is put in force anew when one of them is replaced."""
        return [Path(self.policy)] if self.policy else []


def kind(outside: Outside | None, meter: Meter) -> CheckKind:
    """The check, with whom it asks through."""
    desks = Desks()

    def build(given: Any, wanted: frozenset[str], variant: str) -> Consulted:
        if outside is None:
            raise ParapetError("nobody outside can be asked from here")
        policy = Path(given.policy).read_text(encoding="utf-8") if given.policy else ""
        key = (given.model_dump_json(exclude={"categories", "window", "overlap"}), wanted, policy)
        desk = desks.get(key)
        if desk is None:
            consult = asking(given, wanted, policy, outside)
            desk = desks[key] = Desk(NAME, f"{given.kind}:{given.pool}", consult, given.limits(), meter)
        return Consulted(desk, given, Asked(NAME, "misuse", variant, wanted))

    return CheckKind(
        name=NAME,
        family="misuse",
        categories=(),
        defaults=(),
        options=GuardOptions,
        select="categories",
        build=build,
        lasting=False,
        converses=True,
        pairs=True,
        description="A guard model that one of the pools serves: Llama Guard, ShieldGemma, Granite Guardian and others.",
        flaw=lambda given: flaw(given, outside.models) if outside is not None else None,
    )


def flaw(given: GuardOptions, models: Collection[str]) -> Flaw | None:
    """A pool that the settings do not have."""
    if given.pool in models:
        return None
    return Flaw("pool", f"expected the name of a pool in the settings: {', '.join(sorted(models)) or 'none'}")


def asking(given: GuardOptions, wanted: frozenset[str], policy: str, outside: Outside) -> Consult:
    """How the model is asked: one request, or one for each word that it judges by."""
    form, table = FORMATS[given.kind], given.words()
    more = Given(wanted, policy, given.prompt or "", given.safe or "", given.unsafe or "", table)

    def consult(questions: Sequence[Question], timeout: float) -> Future[Sequence[Answer | CheckError]]:
        [question] = questions
        asks = form.asks(question, more)
        answers = [outside.complete(given.pool, ask.path, ask.payload, timeout) for ask in asks]
        made: Future[Sequence[Answer | CheckError]] = Future()

        def hear(_: object) -> None:
            try:
                heard = [(ask, told(answer.result(), ask.path)) for ask, answer in zip(asks, answers, strict=True)]
                found = [each for ask, said in heard for each in form.read(said, question, ask, more)]
                made.set_result([noted(found, table, len(question.text))])
            except Exception as error:  # noqa: BLE001 - whatever went wrong, the desk is to hear of it
                made.set_exception(error)

        gathered(answers).add_done_callback(hear)
        return made

    return consult


def noted(found: Sequence[tuple[str, float]], table: Mapping[str, str], length: int) -> Answer:
    """The findings: each category once, with its highest score; the model's words count as the table has them."""
    scores: dict[str, float] = {}
    for name, score in found:
        category = UNSAFE if name == UNSAFE else table.get(name, OTHER)
        scores[category] = max(score, scores.get(category, 0.0))
    return tuple(Noted(category, score, 0, length) for category, score in scores.items())
