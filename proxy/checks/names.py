"""Names of people, places and organisations, nationalities, dates: what no pattern can tell, found by the encoder."""

from __future__ import annotations

from collections.abc import Callable

from proxy.checks.judged import Asked, Detail, Judged
from proxy.classifier import Bounds, Classifiers, Reader, View
from proxy.errors import ModelError
from proxy.text import Normalised

NAMES = ("LOCATION", "NRP", "ORGANIZATION", "PERSON")
RECOGNIZER = "EncoderRecognizer"  # as Presidio's users know it: the class in `presidio_recognizer`
FOUND = frozenset((*NAMES, "DATE_TIME"))  # dates are found by pattern, too
EVERYTHING = Bounds(beyond="windows")


def as_it_is(text: str) -> list[View]:
    """The text itself: a folded one would lose its capitals."""
    return [Normalised("", text)]


def by_name(_: str) -> Detail:
    """What says where a finding is from, as Presidio's users know it."""
    return (("recognizer", RECOGNIZER),)


def named(classifiers: Classifiers, entities: frozenset[str], variant: str, allowed: Callable[[str], bool]) -> Judged:
    """The check for those of the entities that the encoder knows, but for what is allowed. Raises ModelError."""
    model = classifiers.names()
    if missing := sorted(entities - set(model.labels)):
        raise ModelError(f"the model {model.name} knows nothing of {', '.join(missing)}: use one that does, or leave them out")
    reader = Reader(model, EVERYTHING, classifiers.meter, as_it_is)
    return Judged(reader, [Asked("pii", "privacy", variant, entities, {name: name for name in entities}, by_name, allowed)])
