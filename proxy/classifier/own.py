"""A user's own sequence classifier, read by transformers from a local folder: nothing is downloaded, no code of it is run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from proxy.classifier.card import Kind
from proxy.classifier.chosen import Chosen
from proxy.classifier.encoder import device_of, memory_of
from proxy.classifier.models import limits_of
from proxy.classifier.pieces import sound
from proxy.classifier.reading import Best, Model
from proxy.classifier.windows import Counter, Cutter
from proxy.classifier.worker import Ids, Logits, Meter, Worker
from proxy.errors import ModelError
from proxy.settings import Settings

NAME = "own"
LONGEST = 512  # pieces of a window, also where the network could read more: a window says where in a text something is
SHORTEST = 16
EIGHTH = 3


@dataclass(frozen=True, slots=True)
class Network:
    """The network and its tokenizer."""

    tokenizer: Any  # transformers is typed loosely
    network: Any
    device: torch.device
    window: int

    def __call__(self, windows: Sequence[Ids]) -> list[Logits]:
        """The logits of each window; on a CPU one by one, so that no score depends on its neighbours."""
        with torch.inference_mode():
            if self.device.type == "cpu":
                return [logits for ids in windows for logits in self.judged([list(ids)])]
            return self.judged([list(ids) for ids in windows])

    def judged(self, windows: list[list[int]]) -> list[Logits]:
        longest, filler = max(map(len, windows)), self.tokenizer.pad_token_id or 0
        ids = torch.tensor([[*window, *[filler] * (longest - len(window))] for window in windows])
        mask = torch.arange(longest) < torch.tensor([[len(window)] for window in windows])
        logits = self.network(input_ids=ids.to(self.device), attention_mask=mask.long().to(self.device)).logits
        return [tuple(row) for row in logits.float().tolist()]

    def counted(self, words: Sequence[str]) -> list[int]:
        """How many pieces each word has within a text."""
        found = self.tokenizer([f" {sound(word)}" for word in words], add_special_tokens=False, verbose=False)["input_ids"]
        return [len(ids) for ids in found]

    def ids(self, text: str, _: Kind) -> list[int] | None:
        """What the network reads of a text; None when it is more than a window."""
        found: list[int] = self.tokenizer(sound(text), truncation=False, verbose=False)["input_ids"]
        return found if len(found) <= self.window else None


def open_own(chosen: Chosen, settings: Settings, meter: Meter) -> Model:
    """Load it. Raises ModelError."""
    device = device_of(settings.classifier_device)
    kind = torch.bfloat16 if device.type == "cuda" else torch.float32
    local = {"local_files_only": True, "trust_remote_code": False}
    try:
        tokenizer = AutoTokenizer.from_pretrained(chosen.folder, **local)
        network, told = AutoModelForSequenceClassification.from_pretrained(
            chosen.folder, use_safetensors=True, dtype=kind, output_loading_info=True, **local
        )
    except Exception as error:  # noqa: BLE001 - the library raises whatever its parts raise
        raise ModelError(f"{chosen.folder}: transformers cannot read it: {type(error).__name__}: {error}") from None
    if missing := sorted(told["missing_keys"]):
        raise ModelError(f"{chosen.folder}: its weights lack {', '.join(missing[:3])}: a network without them answers at random")
    own = Network(tokenizer, network.to(device).eval(), device, window_of(tokenizer, network.config))
    room = own.window - tokenizer.num_special_tokens_to_add()
    if room < SHORTEST:
        raise ModelError(f"{chosen.folder}: its window of {own.window} pieces is too short to read texts with")
    labels = tuple(str(network.config.id2label[i]) for i in range(network.config.num_labels))
    limits = limits_of(settings, alone=device.type == "cpu")
    begin = partial(torch.set_num_threads, settings.classifier_threads)
    worker = Worker(NAME, own, limits, meter, begin=begin, memory=partial(memory_of, device))
    counter = Counter(own.counted)

    def cutter(_: Kind) -> Cutter:
        return Cutter(counter, room, room >> EIGHTH)

    scores = sigmoid if chosen.several or len(labels) == 1 else softmax

    def found(text: str, _: Kind, logits: Logits) -> list[Best]:
        return [Best(label, score, 0, len(text)) for label, score in zip(labels, scores(logits), strict=True)]

    return Model(chosen.folder.name, labels, worker, cutter, own.ids, found)


def window_of(tokenizer: Any, config: Any) -> int:
    """The pieces that the network reads at once. Some tokenizers do not know, and say a very large number."""
    places = getattr(config, "max_position_embeddings", None) or LONGEST
    return min(LONGEST, int(tokenizer.model_max_length), int(places))


def sigmoid(logits: Logits) -> list[float]:
    """A score for each label by itself."""
    return [1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x)) for x in logits]


def softmax(logits: Logits) -> list[float]:
    """Scores that add up to one."""
    top = max(logits)
    parts = [math.exp(x - top) for x in logits]
    return [part / sum(parts) for part in parts]
