"""The encoder in an analyzer of Presidio's own: with its recognizers and its explanations."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from presidio_analyzer import AnalyzerEngine
from presidio_analyzer.nlp_engine import NlpEngineProvider
from presidio_analyzer.recognizer_registry import RecognizerRegistry

from proxy.checks.names import RECOGNIZER
from proxy.checks.presidio_recognizer import EncoderRecognizer
from proxy.core import Segment

pytestmark = pytest.mark.slow  # it loads the encoder, and Presidio as a whole

TEXT = "My name is John Smith and I live in Berlin. Write to john@example.com, or ask Maria Garcia."
DOCUMENT = Path(__file__).parents[2] / "docs" / "policies.md"


@pytest.fixture(scope="module")
def recognizer() -> EncoderRecognizer:
    return EncoderRecognizer()


def test_an_analyzer_finds_names_with_it_and_explains_them(recognizer: EncoderRecognizer) -> None:
    """Beside Presidio's own recognizers, without a model of spaCy's; the explanation names the recognizer as `pii` does."""
    registry = RecognizerRegistry(supported_languages=["en"])
    registry.load_predefined_recognizers(languages=["en"])
    registry.remove_recognizer("SpacyRecognizer")
    registry.add_recognizer(recognizer)
    nothing = {"nlp_engine_name": "no_op", "models": [{"lang_code": "en", "model_name": "none"}]}
    engine = AnalyzerEngine(registry=registry, nlp_engine=NlpEngineProvider(nlp_configuration=nothing).create_engine())
    found = engine.analyze(TEXT, "en", return_decision_process=True, score_threshold=0.5)
    assert {(r.entity_type, TEXT[r.start : r.end]) for r in found if r.entity_type != "URL"} == {
        ("PERSON", "John Smith"), ("PERSON", "Maria Garcia"), ("LOCATION", "Berlin"), ("EMAIL_ADDRESS", "john@example.com"),
    }  # fmt: skip
    assert {r.analysis_explanation.recognizer for r in found if r.entity_type == "PERSON"} == {RECOGNIZER}


def test_it_finds_what_the_check_finds(recognizer: EncoderRecognizer) -> None:
    """The same places, entities and scores, in a text of many windows; each once."""
    text = " ".join([TEXT, "The committee met again and agreed on nothing of note."] * 12)
    [report] = recognizer.check([Segment(text, "user")])
    ours = {(f.category, f.start, f.end, f.score) for f in report.findings}
    theirs = [(r.entity_type, r.start, r.end, r.score) for r in recognizer.analyze(text, ["PERSON", "LOCATION"])]
    assert len(theirs) == len(set(theirs)) >= 36
    assert set(theirs) <= ours


def test_entities_can_be_chosen_and_unknown_ones_are_refused(recognizer: EncoderRecognizer) -> None:
    """By whoever makes it, and by whoever asks."""
    assert {r.entity_type for r in recognizer.analyze(TEXT, ["LOCATION"])} == {"LOCATION"}
    with pytest.raises(ValueError, match="not AGE"):
        EncoderRecognizer(["AGE"])


def test_the_example_in_the_documents_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """As it stands there, and prints what it says."""
    [code, said] = re.findall(r"```python\n(# names for Presidio.*?)```\n+```text\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)[0]
    names: dict[str, Any] = {}
    exec(compile(code, str(DOCUMENT), "exec"), names)  # the document is ours
    assert capsys.readouterr().out == said
