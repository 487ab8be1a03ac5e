"""Presidio's analyzer and anonymizer as LiteLLM asks them, patterns alone: run with the Python of the peer `litellm`.

Presidio's own images serve them with Flask and a spaCy model, which is downloaded; here there is none, so names of people, places
and organisations are not looked for. That is cheaper than what its makers ship.
"""

from __future__ import annotations

import argparse
from typing import Any

PATTERNS_ONLY = "en"


def application() -> Any:
    """The two endpoints."""
    import spacy
    from fastapi import FastAPI
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import SpacyNlpEngine
    from presidio_anonymizer import AnonymizerEngine
    from presidio_anonymizer.entities import RecognizerResult

    class Blank(SpacyNlpEngine):
        """An engine without a model."""

        def __init__(self) -> None:
            super().__init__()
            self.nlp: Any = {PATTERNS_ONLY: spacy.blank(PATTERNS_ONLY)}

        def load(self) -> None:
            """Nothing to load."""

    registry = RecognizerRegistry()
    registry.load_predefined_recognizers(languages=[PATTERNS_ONLY])
    registry.recognizers = [each for each in registry.recognizers if "Spacy" not in type(each).__name__]
    analyzer, anonymizer = AnalyzerEngine(registry=registry, nlp_engine=Blank()), AnonymizerEngine()
    app = FastAPI()

    def analyze(asked: dict[str, Any]) -> list[dict[str, Any]]:
        wanted = asked.get("entities") or None
        found = analyzer.analyze(asked["text"], PATTERNS_ONLY, entities=wanted, score_threshold=asked.get("score_threshold"))
        return [each.to_dict() for each in found]

    def anonymize(asked: dict[str, Any]) -> dict[str, Any]:
        results = [RecognizerResult(r["entity_type"], r["start"], r["end"], r["score"]) for r in asked["analyzer_results"]]
        made = anonymizer.anonymize(asked["text"], results)
        return {"text": made.text, "items": [each.to_dict() for each in made.items]}

    app.post("/analyze")(analyze)
    app.post("/anonymize")(anonymize)
    return app


def main() -> None:
    """`python -m bench.presidio --port PORT`."""
    import uvicorn

    parser = argparse.ArgumentParser(prog="python -m bench.presidio", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    uvicorn.run(application(), port=parser.parse_args().port, access_log=False, log_level="warning")


if __name__ == "__main__":
    main()
