"""The encoder's names as a recognizer of Presidio's, for analyzers that run without Parapet.

    from presidio_analyzer import AnalyzerEngine
    from proxy.checks.presidio_recognizer import EncoderRecognizer

    registry.add_recognizer(EncoderRecognizer())

It finds what the check `pii` finds with its default options: the same network, windows and scores. Importing this module imports
Presidio; nothing in Parapet does.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from presidio_analyzer import AnalysisExplanation, EntityRecognizer, RecognizerResult

from proxy.checks.judged import never
from proxy.checks.names import FOUND, RECOGNIZER, named
from proxy.classifier import Classifiers
from proxy.core import Segment
from proxy.settings import Settings

if TYPE_CHECKING:
    from proxy.checks.judged import Judged


class EncoderRecognizer(EntityRecognizer):
    """PERSON, LOCATION, ORGANIZATION, NRP and DATE_TIME by Parapet's encoder; English.

    `supported_entities`: some of them; left out: all. `models`: the folder of the models; left out: those that ship with
    Parapet. The network is loaded at once, or by the first text. Safe to share between threads.
    """

    check: Judged
    name: str

    def __init__(
        self,
        supported_entities: Sequence[str] | None = None,
        supported_language: str = "en",
        name: str = RECOGNIZER,
        models: Path | str | None = None,
        **more: Any,
    ) -> None:
        """Raises ValueError for an entity that the encoder does not know, ModelError when its files cannot be used."""
        wanted = sorted(FOUND) if supported_entities is None else list(supported_entities)
        if missing := sorted(set(wanted) - FOUND):
            raise ValueError(f"expected entities of {', '.join(sorted(FOUND))}; not {', '.join(missing)}")
        self.models = models
        super().__init__(supported_entities=wanted, supported_language=supported_language, name=name, **more)

    def load(self) -> None:
        """Read and verify the model's files; Presidio calls it."""
        settings = Settings() if self.models is None else Settings(models=Path(self.models))
        self.check = named(Classifiers(settings), frozenset(self.supported_entities), "", never)

    def analyze(self, text: str, entities: Sequence[str], nlp_artifacts: Any = None) -> list[RecognizerResult]:  # noqa: ARG002 - Presidio's signature
        """What is found of `entities` in a text of any length; what Presidio's own model says of it is not needed."""
        [report] = self.check([Segment(text, "user")])
        found = [self.result(each.category, each.start, each.end, each.score) for each in report.findings]
        wanted = [each for each in found if not entities or each.entity_type in entities]
        return list(EntityRecognizer.remove_duplicates(wanted))

    def result(self, entity: str, start: int, end: int, score: float) -> RecognizerResult:
        """A finding in Presidio's words."""
        explanation = AnalysisExplanation(
            recognizer=self.name,
            original_score=score,
            textual_explanation=f"Identified as {entity} by Parapet's encoder",
        )
        metadata = {RecognizerResult.RECOGNIZER_NAME_KEY: self.name, RecognizerResult.RECOGNIZER_IDENTIFIER_KEY: self.id}
        return RecognizerResult(entity, start, end, score, explanation, metadata)
