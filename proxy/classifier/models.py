"""The models of a process: found in their folders, verified, and loaded when a rule first needs them, once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from proxy.classifier.card import CONFIG, MANIFEST, TOKENIZER, WEIGHTS, Card, Kind, read_card, verify
from proxy.classifier.chosen import Chosen
from proxy.classifier.reading import Model
from proxy.classifier.screen import Screen
from proxy.classifier.worker import Limits, Logits, Meter, Silent, Worker
from proxy.settings import Settings

ENCODER, SCREEN = "encoder", "screen"
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Classifiers:
    """Where models come from, and those that are loaded."""

    settings: Settings = field(default_factory=Settings)
    meter: Meter = field(default_factory=Silent)
    loaded: dict[object, Model] = field(default_factory=dict)
    cards: dict[str, Card] = field(default_factory=dict)  # of what is loaded: the folder may have another by now
    lock: threading.Lock = field(default_factory=threading.Lock)

    def card(self) -> Card:
        """What the encoder says of itself; read without torch. Raises ModelError."""
        return self.cards.get(ENCODER) or read_card(self.settings.models / ENCODER)

    def encoder(self) -> Model:
        """The encoder for misuse and bias. Raises ModelError."""
        with self.lock:
            if ENCODER not in self.loaded:
                self.loaded[ENCODER] = self.made()
            return self.loaded[ENCODER]

    def own(self, chosen: Chosen) -> Model:
        """A user's own classifier. Raises ModelError."""
        from proxy.classifier.own import opened  # noqa: PLC0415 - torch and transformers take seconds to import

        with self.lock:
            if chosen not in self.loaded:
                self.loaded[chosen] = opened(chosen, self.settings, self.meter)
            return self.loaded[chosen]

    def made(self) -> Model:
        """Read and verify the encoder, and its screen where there is one."""
        import torch  # noqa: PLC0415 - it takes seconds to import, and only rules on a classifier need it

        from proxy.classifier.encoder import serving  # noqa: PLC0415 - the same
        from proxy.classifier.pieces import Pieces  # noqa: PLC0415 - the same

        settings, folder = self.settings, self.settings.models / ENCODER
        verify(folder, CONFIG, WEIGHTS, TOKENIZER)
        card = read_card(folder)
        pieces = Pieces(folder / TOKENIZER, card)
        self.cards[ENCODER] = card
        network = serving(folder, card, settings.classifier_device)
        limits = limits_of(settings, alone=network.alone)
        begin = partial(torch.set_num_threads, settings.classifier_threads)
        worker = Worker(ENCODER, network, limits, self.meter, begin=begin)
        if sample := pieces.ids("a text to warm up with", "speaker"):
            worker.thread.submit(network, [sample]).result()  # what is put off until a first window happens now, not in a call

        def scores(kind: Kind, logits: Logits) -> list[float]:
            return [card.score(label, kind, logit) for label, logit in enumerate(logits)]

        screen = screen_of(self.settings.models / SCREEN)
        return Model(f"{card.name} {card.version}", tuple(card.labels), worker, pieces.cutter, pieces.ids, scores, screen)


def screen_of(folder: Path) -> Callable[[str, Kind], bool] | None:
    """The screen in a folder; None where there is none, and the encoder looks at everything. Raises ModelError."""
    if not (folder / MANIFEST).exists():
        log.warning("%s: there is no screen, so the encoder reads everything, and calls take longer", folder / MANIFEST)
        return None
    verify(folder, CONFIG, WEIGHTS)
    return Screen(folder).passes


def limits_of(settings: Settings, *, alone: bool) -> Limits:
    """The bounds of a worker. A network that judges window by window needs no batch, and waits for none."""
    batch, wait = (1, 0.0) if alone else (settings.classifier_batch, settings.classifier_wait)
    return Limits(batch, wait, settings.classifier_queue, settings.classifier_cache)
