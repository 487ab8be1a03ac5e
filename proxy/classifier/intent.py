"""Whether a prompt that names a work asks for its text: a line over what an inner layer of the encoder makes of the words."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from proxy.classifier.card import CONFIG, WEIGHTS, Strict, parsed, verify
from proxy.classifier.worker import Ids, Judge, Logits, Worker
from proxy.errors import ModelError

if TYPE_CHECKING:
    from proxy.classifier.encoder import Serving

NAME = "this work"  # what stands for its title: what is asked does not depend on what the work is called


class IntentCard(Strict):
    """The `config.json` of a head for intent. `encoder`: the SHA-256 of the weights that it was made for."""

    name: str = Field(min_length=1)
    version: str = Field(min_length=1)
    encoder: str = Field(pattern=r"^[0-9a-f]{64}$")
    layer: int = Field(ge=1)
    threshold: float  # the logit from which a prompt is a request


@dataclass(frozen=True, slots=True)
class Intent:
    """The head with what leads to it."""

    card: IntentCard
    worker: Worker
    ids: Callable[[str], Ids | None]

    def ask(self, before: str, behind: str, deadline: float = math.inf) -> Future[Logits]:
        """Whether what stands around a work's name is a request, to be told by `wanted`. Raises CheckOverloaded."""
        [answer] = self.worker.ask([self.window(before, behind)], deadline)
        return answer

    def window(self, before: str, behind: str) -> Ids:
        """What the encoder reads: if all of it is more than a window, what is nearest to the name."""
        while (ids := self.ids(f"{before}{NAME}{behind}")) is None:
            before, behind = before[(len(before) + 1) // 2 :], behind[: len(behind) // 2]
        return ids

    def wanted(self, logits: Logits) -> bool:
        """What an answer means."""
        return logits[0] >= self.card.threshold


def read_intent(folder: Path, weights: str) -> IntentCard:
    """The verified head in a folder, if it was made for the encoder with weights of this SHA-256. Raises ModelError."""
    verify(folder, CONFIG, WEIGHTS)
    card = parsed(folder / CONFIG, IntentCard)
    if card.encoder != weights:
        raise ModelError(
            f"{folder / CONFIG}: it was made for another encoder than the one that is loaded: make it anew with"
            " models/intent.py, or say `intent: pattern` in the rule"
        )
    return card


def judge_of(network: Serving, folder: Path, card: IntentCard) -> Judge:
    """What the worker calls. Raises ModelError."""
    from proxy.classifier.encoder import read  # noqa: PLC0415 - torch takes seconds to import

    line = read(folder / WEIGHTS)
    weight, bias = line.get("weight"), line.get("bias")
    if weight is None or bias is None or weight.shape != (network.network.shape.hidden,):
        raise ModelError(f"{folder / WEIGHTS}: it has no line of {network.network.shape.hidden} weights for this encoder")

    def judge(windows: Sequence[Ids]) -> list[Logits]:
        return network.lined(windows, card.layer, weight, bias)

    return judge
