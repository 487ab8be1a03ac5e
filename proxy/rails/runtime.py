"""NeMo Guardrails' runtime: loads a configuration, and judges texts.

Its models are those of our pools; it reports to nobody and logs nothing, since its log quotes texts. An action that fails makes a
verdict an error: the runtime itself would go on in Colang 2, and speak of an internal error in Colang 1.
"""

from __future__ import annotations

import asyncio
import logging
import warnings
from collections.abc import Collection, Mapping
from contextvars import ContextVar
from itertools import count
from pathlib import Path
from typing import Any

from proxy.errors import CheckDeclined, CheckError
from proxy.rails.line import Plan, Question, RailsError, Side, Verdict
from proxy.rails.models import Asking, Framework

NAMES = count()
FAILED: ContextVar[list[str]] = ContextVar("FAILED")  # actions that failed within this question
# Colang 2 has no way to run rails alone: this takes the place of the flow `main`, and says how they ended.
MAIN = """
flow main
  match ParapetAsked() as $asked
  global $user_message
  global $bot_message
  global $output_rails_in_progress
  $output_rails_in_progress = True
  if $asked.side == "input"
    $user_message = $asked.text
    when input rails $user_message
      send ParapetPassed(text=$user_message)
    else
      send ParapetBlocked()
  else
    $user_message = $asked.asked
    $bot_message = $asked.text
    when output rails $bot_message
      send ParapetPassed(text=$bot_message)
    else
      send ParapetBlocked()
"""


class Runtime:
    """A configuration that is loaded."""

    def __init__(self, plan: Plan, asking: Asking) -> None:
        """Raises RailsError, and whatever NeMo Guardrails says of the configuration."""
        library = Library(asking)
        self.runners: dict[Side, Any] = {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            config = library.read(plan.folder)
            two = config.colang_version == "2.x"
            there = sides_of(config, two=two)
            self.sides = plan.sides or there
            if missing := [side for side in self.sides if side not in there]:
                told = f"the configuration has no {missing[0]} rails: it has {', '.join(there) or 'none'}"
                raise RailsError("rails" if plan.sides else "config", told)
            if not self.sides:
                raise RailsError("config", "the configuration has no rails: expected flows in rails.input, output or retrieval")
            table = pools_of(config, plan.pools, plan.models)
            if two:
                both = library.made(config, table, main=MAIN)
                self.runners = {side: Two(both, side) for side in self.sides}
                return
            one = library.made(config, table)
            for side in self.sides:
                self.runners[side] = Retrieval(library, plan.folder, table) if side == "retrieval" else One(one, side)

    async def judged(self, question: Question) -> Verdict:
        """The verdict on a text. Raises CheckError."""
        failed: list[str] = []
        FAILED.set(failed)
        try:
            verdict: Verdict = await self.runners[question.side].judge(question)
        except (CheckError, TimeoutError, asyncio.CancelledError):
            raise
        except Exception as error:  # noqa: BLE001 - its runtime, its actions, or the model that they asked
            kind = (
                CheckError if type(error).__name__ == "LLMCallException" else CheckDeclined
            )  # a model's failure is not the text's
            raise kind(f"the rails failed ({type(error).__name__})") from None
        if failed:
            raise CheckDeclined("an action of the rails failed")
        return verdict


def sides_of(config: Any, *, two: bool) -> tuple[Side, ...]:
    """The kinds of rails that a configuration has."""
    if two:
        flows = {flow.name for flow in config.flows}
        both: tuple[Side, ...] = ("input", "output")
        return tuple(side for side in both if f"{side} rails" in flows)
    every: tuple[Side, ...] = ("input", "output", "retrieval")
    return tuple(side for side in every if getattr(config.rails, side).flows)


def pools_of(config: Any, given: Mapping[str, str], models: Collection[str]) -> dict[tuple[str, str], str]:
    """The pool of each model that the configuration names, by engine and model. Raises RailsError."""
    table: dict[tuple[str, str], str] = {}
    for model in config.models:
        if model.type in ("embeddings", "jailbreak_detection"):
            continue
        pool = given.get(model.type, model.model)
        if pool not in models:
            raise RailsError(
                "pools",
                f"the configuration's model {model.type} is {model.model}, and there is no pool {pool}: say which one with "
                f"`pools: {{{model.type}: NAME}}`; there are {', '.join(sorted(models))}",
            )
        if table.setdefault((model.engine, model.model), pool) != pool:
            raise RailsError("pools", f"the configuration names {model.model} twice, with different pools")
    return table


class Library:
    """NeMo Guardrails, imported when it is first needed."""

    def __init__(self, asking: Asking) -> None:
        try:
            import nemoguardrails  # noqa: PLC0415 - it takes seconds to import, and only rules on it need it
            from nemoguardrails import telemetry  # noqa: PLC0415 - the same
            from nemoguardrails.colang import parse_colang_file  # noqa: PLC0415 - the same
            from nemoguardrails.llm import frameworks  # noqa: PLC0415 - the same
        except ImportError:
            raise RailsError("config", "NeMo Guardrails is not installed: it comes with the extra `nemo`") from None
        self.asking, self.nemo, self.frameworks, self.parse = asking, nemoguardrails, frameworks, parse_colang_file
        telemetry.report_usage = lambda *_, **__: None  # it would report to its makers
        log = logging.getLogger("nemoguardrails")
        log.propagate = False  # it logs texts
        log.handlers = [logging.NullHandler()]

    def read(self, folder: Path) -> Any:
        """The configuration in a folder."""
        return self.nemo.RailsConfig.from_path(str(folder))

    def made(self, config: Any, table: Mapping[tuple[str, str], str], *, main: str = "") -> Any:
        """What runs a configuration; its models are those of the pools."""
        if main:
            flows = self.parse("parapet.co", content=main, version="2.x")["flows"]
            config.flows[:] = [flow for flow in config.flows if flow.name != "main"] + flows
        name = f"parapet-{next(NAMES)}"
        self.frameworks.register_framework(name, Framework(self.asking, table))
        self.frameworks.set_default_framework(name)
        heard = Heard()
        with heard:
            made = self.nemo.LLMRails(config)
        if heard.told:
            raise RailsError("config", f"the configuration's actions cannot be used: {heard.told[0][:500]}")
        watch(made.runtime.action_dispatcher)
        return made


class Heard(logging.Handler):
    """What the runtime logs of actions that it cannot load: it would go on without them."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep what is said of a failure."""
        message = record.getMessage()
        if message.startswith("Failed to"):
            self.told.append(" ".join(message.split()))

    def __enter__(self) -> None:
        logging.getLogger("nemoguardrails").addHandler(self)

    def __exit__(self, *_: object) -> None:
        logging.getLogger("nemoguardrails").removeHandler(self)


def watch(dispatcher: Any) -> None:
    """Have the failures of actions noted."""
    execute = dispatcher.execute_action

    async def noting(name: str, params: dict[str, Any]) -> tuple[Any, str]:
        try:
            result, status = await execute(name, params)
        except Exception:
            FAILED.get([]).append(name)
            raise
        if status == "failed":
            FAILED.get([]).append(name)
        return result, status

    dispatcher.execute_action = noting


class One:
    """Runs input or output rails of Colang 1."""

    def __init__(self, rails: Any, side: Side) -> None:
        from nemoguardrails.rails.llm.options import RailType  # noqa: PLC0415 - it takes seconds to import

        self.rails, self.kind = rails, RailType(side)
        self.role = "user" if side == "input" else "assistant"

    async def judge(self, question: Question) -> Verdict:
        """What becomes of the text."""
        said = [{"role": self.role, "content": question.text}]
        if question.asked:
            said.insert(0, {"role": "user", "content": question.asked})
        try:
            result = await self.rails.check_async(said, rail_types=[self.kind])
        finally:
            self.rails.events_history_cache.clear()  # it keeps every conversation for ever
        status = result.status.value
        return Verdict(result.content, (result.rail or "a rail") if status == "blocked" else "")


class Retrieval:
    """Runs the retrieval rails of Colang 1: as input rails over a text that is the chunks, too."""

    def __init__(self, library: Library, folder: Path, table: Mapping[tuple[str, str], str]) -> None:
        config = library.read(folder)
        rails = config.rails
        rails.input.flows, rails.retrieval.flows, rails.output.flows = list(rails.retrieval.flows), [], []
        self.rails = library.made(config, table)

    async def judge(self, question: Question) -> Verdict:
        """What becomes of the text."""
        text = question.text
        messages = [{"role": "context", "content": {"relevant_chunks": text}}, {"role": "user", "content": text}]
        options = {"rails": ["input"], "log": {"activated_rails": True}, "output_vars": ["relevant_chunks"]}
        try:
            made = await self.rails.generate_async(messages=messages, options=options)
        finally:
            self.rails.events_history_cache.clear()
        blocked = next((rail.name for rail in made.log.activated_rails if rail.stop), "")
        now = (made.output_data or {}).get("relevant_chunks")
        if not isinstance(now, str):
            raise CheckDeclined("the rails gave no chunks back")
        return Verdict(text if now.strip() == text.strip() else now, blocked)


class Two:
    """Runs input and output rails of Colang 2."""

    def __init__(self, rails: Any, side: Side) -> None:
        self.rails, self.side = rails, side

    async def judge(self, question: Question) -> Verdict:
        """What becomes of the text."""
        event = {"type": "ParapetAsked", "side": self.side, "text": question.text, "asked": question.asked}
        events, state = await self.rails.runtime.process_events(
            [event], state=None, instant_actions=["UtteranceBotAction"], blocking=True
        )
        for told in events:
            if told["type"] == "ParapetPassed" and isinstance(told.get("text"), str):
                return Verdict(told["text"])
            if told["type"] == "ParapetBlocked":
                stopped = [flow.flow_id for flow in state.flow_states.values() if flow.status.name == "STOPPED"]
                rail = next((name for name in reversed(stopped) if not name.endswith(" rails")), f"{self.side} rails")
                return Verdict(question.text, rail)
        raise CheckDeclined("the rails came to no verdict")
