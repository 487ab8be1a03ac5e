"""Names by an engine of the operator's own, in the place of the encoder: what `pii` says of it, and how it is asked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from proxy.checks.consulted import Asked, Consulted, ConsultedOptions
from proxy.checks.desk import Answer, Consult, Desk, Limits, Meter, Noted, Question
from proxy.core import Flaw
from proxy.engines.configuration import configuration, files
from proxy.engines.house import Entities, House
from proxy.errors import CheckError, ModelError

WINDOWS = ConsultedOptions(window=2000, overlap=250)  # characters; a stream is held back by one
KEPT = 300.0  # seconds for which what was loaded for a rule waits to be in force
LIMITS = Limits(batch=8, at_once=1)  # one process computes, and others wait
RECOGNIZERS = {  # of Presidio, as findings name them
    "spacy": "SpacyRecognizer", "stanza": "StanzaRecognizer",
    "transformers": "TransformersRecognizer", "gliner": "GLiNERRecognizer",
}  # fmt: skip
Given = dict[str, Any] | str


def checked(given: Given, folder: Path) -> Given:
    """The option itself, if it is a configuration, with its paths made whole. Raises ValueError."""
    try:
        whole = configuration(given, folder)
    except ModelError as error:
        raise ValueError(str(error)) from None
    return str((folder / given).resolve()) if isinstance(given, str) else whole


@dataclass(frozen=True, slots=True)
class Engines:
    """The engines of a process, each loaded once as its files are now; one goes with the last check that asks it."""

    meter: Meter
    loaded: WeakValueDictionary[object, House] = field(default_factory=WeakValueDictionary)
    kept: dict[object, House] = field(default_factory=dict)  # loaded when a rule was read, until that is in force

    def house(self, given: Given) -> House:
        """The engine, in its process. Raises ModelError."""
        key = (str(given), tuple((str(file), file.stat().st_mtime_ns, file.stat().st_size) for file in of(given)))
        made = self.loaded.get(key)
        if made is None:
            whole = configuration(given, Path())
            name, meter = whole["nlp_engine_name"], self.meter
            made = self.loaded[key] = self.kept[key] = House(whole, lambda: meter.restarted("pii", name))
            later = threading.Timer(KEPT, self.kept.pop, (key, None))
            later.daemon = True
            later.start()
        return made

    def flaw(self, given: Given, entities: Sequence[str]) -> Flaw | None:
        """What is wrong with the engine for a rule on `entities`, all of which no pattern finds."""
        try:
            known = self.house(given).entities
        except ModelError as error:
            return Flaw("engine", str(error))
        if missing := sorted(set(entities) - set(known)):
            return Flaw(
                "engine",
                f"it knows nothing of {', '.join(missing)}, but of {', '.join(known)}: leave them out, or map labels of the "
                "model to them (ner_model_configuration: model_to_presidio_entity_mapping)",
            )
        return None

    def check(self, given: Given, entities: frozenset[str], variant: str, allowed: Callable[[str], bool]) -> Consulted | None:
        """The check for those of the entities that the engine knows; None where it knows none of them. Raises ModelError."""
        house, name = self.house(given), configuration(given, Path())["nlp_engine_name"]
        wanted = entities & set(house.entities)
        if not wanted:
            return None
        desk = Desk("pii", name, asking(house, name, allowed), LIMITS, self.meter)
        for key in [key for key, each in list(self.kept.items()) if each is house]:
            self.kept.pop(key, None)  # the check holds it from now on
        return Consulted(desk, WINDOWS, Asked("pii", "privacy", variant, wanted))


def of(given: Given | None) -> list[Path]:
    """The files that an engine is read from."""
    return [] if given is None else list(files(given, Path()))


def asking(house: House, name: str, allowed: Callable[[str], bool]) -> Consult:
    """How the engine is asked."""
    detail = (("engine", name), ("recognizer", RECOGNIZERS[name]))

    def noted(found: Entities, text: str) -> Answer:
        kept = (each for each in found if not allowed(text[each.start : each.end]))
        return tuple(Noted(each.name, round(each.score, 4), each.start, each.end, detail) for each in kept)

    def consult(questions: Sequence[Question], timeout: float) -> Future[Sequence[Answer | CheckError]]:
        made: Future[Sequence[Answer | CheckError]] = Future()
        texts = [question.text for question in questions]

        def hear(told: Future[list[Entities | CheckError]]) -> None:
            try:
                answers = zip(told.result(), texts, strict=True)
                made.set_result([one if isinstance(one, CheckError) else noted(one, text) for one, text in answers])
            except Exception as error:  # noqa: BLE001 - whatever went wrong, it is the desk's to hear
                made.set_exception(error)

        house.ask(texts, timeout).add_done_callback(hear)
        return made

    return consult
