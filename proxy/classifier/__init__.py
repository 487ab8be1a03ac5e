"""Classifiers: networks that judge texts in windows. Torch lives in here alone, imported when a rule first needs a network."""

from proxy.classifier.card import KINDS, Card, Kind, kind_of, read_card
from proxy.classifier.chosen import Chosen, chosen, files, usable
from proxy.classifier.intent import Intent
from proxy.classifier.models import Classifiers
from proxy.classifier.reading import Best, Beyond, Bounds, Following, Judgement, Model, Part, Reader, View
from proxy.classifier.windows import Cutter
from proxy.classifier.worker import Ids, Limits, Logits, Meter, Silent, Worker, gathered

__all__ = [
    "KINDS",
    "Best",
    "Beyond",
    "Bounds",
    "Card",
    "Chosen",
    "Classifiers",
    "Cutter",
    "Following",
    "Ids",
    "Intent",
    "Judgement",
    "Kind",
    "Limits",
    "Logits",
    "Meter",
    "Model",
    "Part",
    "Reader",
    "Silent",
    "View",
    "Worker",
    "chosen",
    "files",
    "gathered",
    "kind_of",
    "read_card",
    "usable",
]
