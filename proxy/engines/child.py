"""The process of an engine: it loads what it is told, and says what entities texts have. It ends when its socket does."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import orjson

Found = list[tuple[str, int, int, float]]
Find = Callable[[str], Found]
MOST = 500  # characters of what a package says of itself
EXTRAS = {"stanza": "stanza", "transformers": "transformers", "gliner": "gliner"}


class RefusedError(Exception):
    """An engine cannot be used, and why."""


def built(given: Mapping[str, Any]) -> tuple[list[str], Find]:
    """The entities that an engine knows, and what finds them. Raises RefusedError."""
    name = given["nlp_engine_name"]
    if name in EXTRAS and importlib.util.find_spec(EXTRAS[name]) is None:
        raise RefusedError(f"the engine {name} needs the package {EXTRAS[name]}: install parapet[{name}]")
    return gliner(given) if name == "gliner" else presidio(given)


def presidio(given: Mapping[str, Any]) -> tuple[list[str], Find]:
    """An engine of Presidio's, whose models are there."""
    from presidio_analyzer.nlp_engine import NlpEngineProvider, SpacyNlpEngine, TransformersNlpEngine  # noqa: PLC0415 - seconds

    [model] = given["models"]
    name = model["model_name"]
    spacy_model = name.get("spacy") if isinstance(name, dict) else name
    if given["nlp_engine_name"] != "stanza":
        there(spacy_model)
    engines = (SpacyNlpEngine, TransformersNlpEngine, offline_stanza())
    engine: Any = NlpEngineProvider(nlp_engines=engines, nlp_configuration=dict(given)).create_engine()
    language = model["lang_code"]

    def find(text: str) -> Found:
        artifacts = engine.process_text(text, language)
        scores = artifacts.scores or [engine.ner_model_configuration.default_score] * len(artifacts.entities)
        return [
            (each.label_, each.start_char, each.end_char, float(score))
            for each, score in zip(artifacts.entities, scores, strict=True)
        ]

    return sorted(engine.get_supported_entities()), find


def there(name: Any) -> None:
    """Raises RefusedError where spaCy would download a model."""
    import spacy  # noqa: PLC0415 - a second

    if not name or not (spacy.util.is_package(name) or Path(name).exists()):
        raise RefusedError(
            f"there is no spaCy model {name}: install its package, or name the folder that it lies in; nothing is downloaded"
        )


def offline_stanza() -> Any:
    """Presidio's engine for Stanza, which downloads nothing."""
    from presidio_analyzer.nlp_engine import StanzaNlpEngine  # noqa: PLC0415 - seconds

    class OfflineStanza(StanzaNlpEngine):
        """With the models of STANZA_RESOURCES_DIR alone."""

        def __init__(self, models: Any = None, ner_model_configuration: Any = None) -> None:
            super().__init__(models, ner_model_configuration, download_if_missing=False)

    return OfflineStanza


def gliner(given: Mapping[str, Any]) -> tuple[list[str], Find]:
    """Presidio's recognizer for GLiNER; what stands beside the model are its options: entity_mapping, threshold."""
    from presidio_analyzer.predefined_recognizers import GLiNERRecognizer  # noqa: PLC0415 - seconds

    [model] = given["models"]
    options = {key: value for key, value in given.items() if key not in ("nlp_engine_name", "models")}
    recognizer: Any = GLiNERRecognizer(model_name=model["model_name"], supported_language=model["lang_code"], **options)

    def find(text: str) -> Found:
        results = recognizer.analyze(text, recognizer.supported_entities, None)
        return [(each.entity_type, each.start, each.end, float(each.score)) for each in results]

    return sorted(recognizer.supported_entities), find


def told(find: Find, text: str) -> dict[str, Any]:
    """What is said of one text; of an error only its type, since it may quote the text."""
    try:
        return {"found": find(text)}
    except Exception as error:  # noqa: BLE001 - whatever a model dies of, whoever asked is to hear of it
        return {"error": type(error).__name__}


def main(end: int) -> None:
    """Be the process; `end`: the file descriptor of its end of the socket."""
    line = Connection(end)
    try:
        entities, find = built(orjson.loads(line.recv_bytes()))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it dies of, the engine is refused with it
        said = str(error) if isinstance(error, RefusedError) else f"{type(error).__name__}: {' '.join(str(error).split())[:MOST]}"
        line.send_bytes(orjson.dumps({"refused": said}))
        sys.exit(1)
    line.send_bytes(orjson.dumps({"entities": entities}))
    while True:
        try:
            texts = orjson.loads(line.recv_bytes())
        except (EOFError, OSError):
            return
        line.send_bytes(orjson.dumps([told(find, text) for text in texts]))
