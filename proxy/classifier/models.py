"""The models of a process: found in their folders, verified, and loaded when a rule first needs them, once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from proxy.classifier.card import CONFIG, MANIFEST, TOKENIZER, WEIGHTS, Card, Kind, read_card, verify
from proxy.classifier.chosen import Chosen
from proxy.classifier.glance import looks_of, read_glance, told_by
from proxy.classifier.intent import Intent, judge_of, read_intent
from proxy.classifier.reading import Best, Model
from proxy.classifier.screen import Screen
from proxy.classifier.worker import Ids, Judge, Limits, Logits, Meter, Silent, Worker
from proxy.settings import Settings

if TYPE_CHECKING:
    from proxy.classifier.encoder import Serving
    from proxy.classifier.pieces import Pieces

ENCODER, UNSCREENED, NAMES, SCREEN, GLANCE, INTENT = "encoder", "unscreened", "names", "screen", "glance", "intent"
SAMPLE = "a text to warm up with"
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Classifiers:
    """Where models come from, and those that are loaded."""

    settings: Settings = field(default_factory=Settings)
    meter: Meter = field(default_factory=Silent)
    loaded: dict[object, Model] = field(default_factory=dict)
    intents: list[Intent] = field(default_factory=list)  # the head for requests, once it is loaded
    cards: dict[str, Card] = field(default_factory=dict)  # of what is loaded: the folder may have another by now
    files: list[Opened] = field(default_factory=list)  # the encoder, once it is loaded
    lock: threading.Lock = field(default_factory=threading.Lock)

    def card(self) -> Card:
        """What the encoder says of itself; read without torch. Raises ModelError."""
        return self.cards.get(ENCODER) or read_card(self.settings.models / ENCODER)

    def encoder(self, *, screen: bool = True) -> Model:
        """The encoder for misuse and bias, behind the screen and its own glance, or reading all. Raises ModelError."""
        make = partial(categories, settings=self.settings, meter=self.meter, screen=screen)
        return self.once(ENCODER if screen else UNSCREENED, lambda: make(self.opened()))

    def names(self) -> Model:
        """The encoder's token head, for names. Raises ModelError."""
        return self.once(NAMES, lambda: names(self.opened(), self.settings, self.meter))

    def requests(self) -> Intent | None:
        """The encoder's head for requests; None where there is none. Raises ModelError."""
        folder = self.settings.models / INTENT
        if not (folder / MANIFEST).exists():
            return None
        with self.lock:
            if not self.intents:
                self.intents.append(intent(self.opened(), folder, self.settings, self.meter))
            return self.intents[0]

    def opened(self) -> Opened:
        """The encoder's files, read and verified once for all of its heads."""
        if not self.files:
            self.files.append(opened(self.settings))
            self.cards[ENCODER] = self.files[0].card
        return self.files[0]

    def once(self, key: object, make: Callable[[], Model]) -> Model:
        with self.lock:
            if key not in self.loaded:
                self.loaded[key] = make()
            return self.loaded[key]

    def own(self, chosen: Chosen) -> Model:
        """A user's own classifier. Raises ModelError."""
        from proxy.classifier.own import open_own  # noqa: PLC0415 - torch and transformers take seconds to import

        made = self.once(chosen, lambda: open_own(chosen, self.settings, self.meter))
        with self.lock:  # what it replaces is let go once no policy in force needs it
            replaced = [key for key in self.loaded if isinstance(key, Chosen) and key != chosen and key.alike(chosen)]
            for key in replaced:
                del self.loaded[key]
        return made


@dataclass(frozen=True, slots=True)
class Opened:
    """The encoder: what it says of itself, how it cuts texts to pieces, and its network."""

    card: Card
    pieces: Pieces
    network: Serving
    files: Mapping[str, str]  # the SHA-256 of each, as they were read: the folder may have others by now
    workers: dict[str, Worker] = field(default_factory=dict)


def opened(settings: Settings) -> Opened:
    """The encoder's files. Raises ModelError."""
    import torch  # noqa: F401, PLC0415 - it takes seconds to import, and only rules on a classifier need it

    from proxy.classifier.encoder import serving  # noqa: PLC0415 - the same
    from proxy.classifier.pieces import Pieces  # noqa: PLC0415 - the same

    folder = settings.models / ENCODER
    files = verify(folder, CONFIG, WEIGHTS, TOKENIZER)
    card = read_card(folder)
    return Opened(card, Pieces(folder / TOKENIZER, card), serving(folder, card, settings.classifier_device), files)


def categories(encoder: Opened, settings: Settings, meter: Meter, *, screen: bool) -> Model:
    """The categories' heads, behind the screen and a glance where there are these, or over everything."""
    card, pieces = encoder.card, encoder.pieces
    glance = glance_of(settings, encoder)
    name = UNSCREENED if glance and not screen else ENCODER  # without a glance both read alike, and are one
    judge = glance if glance and screen else encoder.network
    sample = pieces.ids(SAMPLE, "speaker")
    if name not in encoder.workers:
        worker = encoder.workers[name] = worker_of(name, judge, encoder, settings, meter, sample)
        if judge is glance and sample:  # it may have cleared it
            worker.thread.submit(encoder.network, [sample]).result()
    worker = encoder.workers[name]

    def found(text: str, kind: Kind, logits: Logits) -> list[Best]:
        if judge is glance and not logits:
            return []  # it has cleared the text
        scores = [card.score(label, kind, logit) for label, logit in enumerate(logits)]
        return [Best(label, score, 0, len(text)) for label, score in zip(card.labels, scores, strict=True)]

    passes = screen_of(settings.models / SCREEN) if screen else None
    return Model(nameplate(card), tuple(card.labels), worker, pieces.cutter, pieces.ids, found, passes)


def names(encoder: Opened, settings: Settings, meter: Meter) -> Model:
    """The head for names."""
    from proxy.classifier.naming import Naming  # noqa: PLC0415 - it needs the tokenizer

    naming = Naming(encoder.pieces, tuple(encoder.card.entities))
    worker = worker_of(NAMES, encoder.network.named, encoder, settings, meter, naming.ids(SAMPLE, "speaker"))
    return Model(nameplate(encoder.card), naming.entities, worker, naming.cutter, naming.ids, naming.found, often=True)


def intent(encoder: Opened, folder: Path, settings: Settings, meter: Meter) -> Intent:
    """The head for requests."""
    card = read_intent(folder, encoder.files[WEIGHTS])
    ids = partial(encoder.pieces.ids, kind="speaker")
    judge = judge_of(encoder.network, folder, card)
    return Intent(card, worker_of(INTENT, judge, encoder, settings, meter, ids(SAMPLE)), ids)


def nameplate(card: Card) -> str:
    """The model as findings name it."""
    return f"{card.name} {card.version}"


def worker_of(name: str, judge: Judge, encoder: Opened, settings: Settings, meter: Meter, sample: Ids | None) -> Worker:
    """A worker that has judged a sample: what is put off until a first window happens now, not in a call."""
    import torch  # noqa: PLC0415 - see `opened`

    from proxy.classifier.encoder import memory_of  # noqa: PLC0415 - the same

    limits = limits_of(settings, alone=encoder.network.alone)
    begin = partial(torch.set_num_threads, settings.classifier_threads)
    worker = Worker(name, judge, limits, meter, begin=begin, memory=partial(memory_of, encoder.network.device))
    if sample:
        worker.thread.submit(judge, [sample]).result()
    return worker


def screen_of(folder: Path) -> Callable[[str, Kind], bool] | None:
    """The screen in a folder; None where there is none, and the encoder looks at everything. Raises ModelError."""
    if not (folder / MANIFEST).exists():
        log.warning("%s: there is no screen, so the encoder reads everything, and calls take longer", folder / MANIFEST)
        return None
    verify(folder, CONFIG, WEIGHTS)
    return Screen(folder).passes


def glance_of(settings: Settings, encoder: Opened) -> Judge | None:
    """The network with its glance; None where there is none, or no use: a GPU reads batches to the end. Raises ModelError."""
    folder = settings.models / GLANCE
    material = encoder.card.markers.get("material")
    if not encoder.network.alone or material is None:
        return None  # or nobody could tell a tool's result from what is said
    if not (folder / MANIFEST).exists():
        log.warning("%s: there is no glance, so the encoder reads to the end what the screen passes", folder / MANIFEST)
        return None
    card = read_glance(folder)
    if card.encoder != told_by(encoder.files):
        log.warning("%s: it was made for another encoder, so this one reads all windows to the end: use models/distil.py", folder)
        return None
    looks = looks_of(folder, card, encoder.card.shape.hidden, encoder.card.shape.layers)
    return partial(encoder.network.glancing, looks=looks, material=material)


def limits_of(settings: Settings, *, alone: bool) -> Limits:
    """The bounds of a worker. A network that judges window by window needs no batch, and waits for none."""
    batch, wait = (1, 0.0) if alone else (settings.classifier_batch, settings.classifier_wait)
    return Limits(batch, wait, settings.classifier_queue, settings.classifier_cache)
