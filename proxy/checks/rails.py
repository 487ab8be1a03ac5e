"""NeMo Guardrails' runtime, in a thread with an event loop of its own: a configuration is loaded there and judges texts there.

Its models are those of our pools; it reports to nobody and logs nothing, since its log quotes texts. An action that fails makes a
verdict an error: the runtime itself would go on in Colang 2, and speak of an internal error in Colang 1.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import warnings
import weakref
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from proxy.checks.changed import changed
from proxy.checks.desk import Answer, Noted, Question
from proxy.checks.guard_formats import SPEAKS
from proxy.checks.rails_models import Framework
from proxy.core import Outside
from proxy.errors import CheckDeclined, CheckError, ParapetError

Side = Literal["input", "output", "retrieval"]
LOADING = 120.0  # seconds
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
    $bot_message = $asked.text
    when output rails $bot_message
      send ParapetPassed(text=$bot_message)
    else
      send ParapetBlocked()
"""


class RailsError(ParapetError):
    """A rails configuration cannot be used: the option that is to be mended, and why."""

    def __init__(self, option: str, message: str) -> None:
        super().__init__(message)
        self.option = option


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be loaded: the folder, the sides (none: all that it has), and pools by the type of model."""

    folder: Path
    sides: tuple[Side, ...] | None
    pools: Mapping[str, str]


class Rails:
    """A configuration that is loaded."""

    def __init__(self, plan: Plan, outside: Outside) -> None:
        """Raises RailsError."""
        self.plan, self.outside = plan, outside
        self.sides: tuple[Side, ...] = ()
        self.runners: dict[Side, Any] = {}
        self.loop = asyncio.new_event_loop()
        thread = threading.Thread(target=turn, args=(self.loop,), name=f"parapet-nemo-{plan.folder.name}", daemon=True)
        thread.start()
        self.stop = weakref.finalize(self, self.loop.call_soon_threadsafe, self.loop.stop)
        self.stop.atexit = False  # the thread is a daemon
        try:
            self.within(self.load()).result(LOADING)
        except RailsError:
            self.stop()
            raise
        except Exception as error:  # noqa: BLE001 - whatever its code dies of, the configuration is refused with it
            self.stop()
            told = " ".join(str(error).split())[:500] or type(error).__name__
            raise RailsError("config", f"{plan.folder} cannot be loaded: {type(error).__name__}: {told}") from None

    def within(self, work: Any) -> Future[Any]:
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def ask(self, questions: Sequence[Question], timeout: float) -> Future[Sequence[Answer | CheckError]]:
        """The answer to one question."""
        [question] = questions
        return self.within(asyncio.wait_for(self.answers(question), timeout))

    async def answers(self, question: Question) -> Sequence[Answer]:
        side = side_of(question, self.sides)
        if side not in self.sides:
            return [()]
        failed: list[str] = []
        FAILED.set(failed)
        try:
            text, rail = await self.runners[side].judge(question.text)
        except (CheckError, TimeoutError, asyncio.CancelledError):
            raise
        except Exception as error:  # noqa: BLE001 - its runtime, its actions, or the model that they asked
            kind = (
                CheckError if type(error).__name__ == "LLMCallException" else CheckDeclined
            )  # a model's failure is not the text's
            raise kind(f"the rails failed ({type(error).__name__})") from None
        if failed:
            raise CheckDeclined("an action of the rails failed")
        if rail:
            return [(Noted("blocked", 1.0, 0, len(question.text), (("rail", rail[:64]),)),)]
        changes = changed(question.text, text) if text != question.text else ()
        return [tuple(Noted("modified", 1.0, each.start, each.end, replacement=each.text) for each in changes)]

    async def load(self) -> None:
        """Read the configuration and make what runs it. Raises RailsError, and whatever NeMo Guardrails says of it."""
        library = Library(self.outside)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            config = library.read(self.plan.folder)
            two = config.colang_version == "2.x"
            there = sides_of(config, two=two)
            self.sides = self.plan.sides or there
            if missing := [side for side in self.sides if side not in there]:
                told = f"the configuration has no {missing[0]} rails: it has {', '.join(there) or 'none'}"
                raise RailsError("rails" if self.plan.sides else "config", told)
            if not self.sides:
                raise RailsError("config", "the configuration has no rails: expected flows in rails.input, output or retrieval")
            table = pools_of(config, self.plan.pools, self.outside.models)
            if two:
                both = library.made(config, table, main=MAIN)
                self.runners = {side: Two(both, side) for side in self.sides}
                return
            one = library.made(config, table)
            for side in self.sides:
                self.runners[side] = Retrieval(library, self.plan.folder, table) if side == "retrieval" else One(one, side)


def turn(loop: asyncio.AbstractEventLoop) -> None:
    """What the thread does, until the loop is stopped."""
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


def side_of(question: Question, sides: Collection[Side]) -> Side:
    """The rails that a text of this role is for."""
    if question.role in SPEAKS:
        return "output"
    return "retrieval" if question.role == "document" and "retrieval" in sides else "input"


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

    lock = threading.Lock()  # its framework of models is one for the process

    def __init__(self, outside: Outside) -> None:
        try:
            import nemoguardrails  # noqa: PLC0415 - it takes seconds to import, and only rules on it need it
            from nemoguardrails import telemetry  # noqa: PLC0415 - the same
            from nemoguardrails.colang import parse_colang_file  # noqa: PLC0415 - the same
            from nemoguardrails.llm import frameworks  # noqa: PLC0415 - the same
        except ImportError:
            raise RailsError("config", "NeMo Guardrails is not installed: it comes with the extra `nemo`") from None
        self.outside, self.nemo, self.frameworks, self.parse = outside, nemoguardrails, frameworks, parse_colang_file
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
        with self.lock:
            name = f"parapet-{id(table)}"
            self.frameworks.register_framework(name, Framework(self.outside, table))
            before = self.frameworks.get_default_framework()
            self.frameworks.set_default_framework(name)
            heard = Heard()
            try:
                with heard:
                    made = self.nemo.LLMRails(config)
            finally:
                self.frameworks.set_default_framework(before)
                self.frameworks.registry._frameworks.pop(name)  # noqa: SLF001 - there is no other way to take one back
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

    async def judge(self, text: str) -> tuple[str, str]:
        """The text as it is afterwards, and the rail that blocked it."""
        try:
            result = await self.rails.check_async([{"role": self.role, "content": text}], rail_types=[self.kind])
        finally:
            self.rails.events_history_cache.clear()  # it keeps every conversation for ever
        status = result.status.value
        return result.content, (result.rail or "a rail") if status == "blocked" else ""


class Retrieval:
    """Runs the retrieval rails of Colang 1: as input rails over a text that is the chunks, too."""

    def __init__(self, library: Library, folder: Path, table: Mapping[tuple[str, str], str]) -> None:
        config = library.read(folder)
        rails = config.rails
        rails.input.flows, rails.retrieval.flows, rails.output.flows = list(rails.retrieval.flows), [], []
        self.rails = library.made(config, table)

    async def judge(self, text: str) -> tuple[str, str]:
        """The text as it is afterwards, and the rail that blocked it."""
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
        return text if now.strip() == text.strip() else now, blocked


class Two:
    """Runs input and output rails of Colang 2."""

    def __init__(self, rails: Any, side: Side) -> None:
        self.rails, self.side = rails, side

    async def judge(self, text: str) -> tuple[str, str]:
        """The text as it is afterwards, and the rail that blocked it."""
        event = {"type": "ParapetAsked", "side": self.side, "text": text}
        events, state = await self.rails.runtime.process_events(
            [event], state=None, instant_actions=["UtteranceBotAction"], blocking=True
        )
        for told in events:
            if told["type"] == "ParapetPassed" and isinstance(told.get("text"), str):
                return told["text"], ""
            if told["type"] == "ParapetBlocked":
                stopped = [flow.flow_id for flow in state.flow_states.values() if flow.status.name == "STOPPED"]
                return text, next((name for name in reversed(stopped) if not name.endswith(" rails")), f"{self.side} rails")
        raise CheckDeclined("the rails came to no verdict")
