"""A glance: what the encoder's first layers make of a window. What they clear, its other layers need not read.

Early exits as in DeeBERT (Xin et al. 2020, arXiv:2004.12993), one way only: what is plainly harmless is let go early, and
whatever is not is read to the end.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from proxy.classifier.card import CONFIG, KINDS, WEIGHTS, Kind, Strict, parsed, verify
from proxy.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor


class Exit(Strict):
    """A layer behind which windows may be cleared. threshold: the logit from which they may not."""

    layer: int = Field(ge=1)
    threshold: Mapping[Kind, Annotated[float, Field(allow_inf_nan=False)]]


class GlanceCard(Strict):
    """The `config.json` of a glance. `encoder`: what it was made for, as `told_by` says."""

    name: str = Field(min_length=1)
    version: str = Field(min_length=1)
    encoder: str = Field(pattern=r"^[0-9a-f]{64}$")
    exits: Sequence[Exit] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Look:
    """A small network over the mean and the highest of what a layer makes of a window's words, and where it clears."""

    layer: int
    hidden: Tensor  # 2H K
    bias: Tensor  # 2 K: of speakers, of material
    out: Tensor  # K
    last: Tensor
    threshold: Mapping[Kind, float]

    def logit(self, x: Tensor, kind: Kind) -> float:  # x: T H
        """How much the window looks like one in which the encoder would find something."""
        import torch  # noqa: PLC0415 - it takes seconds to import

        pooled = torch.cat((x.mean(0), x.amax(0)))
        return float((pooled @ self.hidden + self.bias[KINDS.index(kind)]).relu() @ self.out + self.last)

    def clears(self, x: Tensor, kind: Kind) -> bool:
        """Whether the other layers need not read on."""
        return self.logit(x, kind) < self.threshold[kind]


def read_glance(folder: Path) -> GlanceCard:
    """The verified card of a glance. Raises ModelError."""
    verify(folder, CONFIG, WEIGHTS)
    return parsed(folder / CONFIG, GlanceCard)


def told_by(files: Mapping[str, str]) -> str:
    """An encoder, by the SHA-256 of its files: other weights say other things, and another card means other things by them."""
    return hashlib.sha256(f"{files[WEIGHTS]} {files[CONFIG]}".encode()).hexdigest()


def looks_of(folder: Path, card: GlanceCard, width: int, layers: int) -> list[Look]:
    """The small networks, in the order of their layers. Raises ModelError."""
    from proxy.classifier.encoder import read  # noqa: PLC0415 - torch takes seconds to import

    given, found = read(folder / WEIGHTS), []
    for each in sorted(card.exits, key=lambda one: one.layer):
        parts = [given.get(f"{each.layer}.{name}") for name in ("hidden", "bias", "out", "last")]
        hidden, bias, out, last = parts
        if hidden is None or bias is None or out is None or last is None or set(each.threshold) != set(KINDS):
            raise ModelError(f"{folder}: nothing is told of its layer {each.layer}: make it anew with models/distil.py")
        fits = (hidden.shape, bias.shape, out.dim(), last.dim()) == ((2 * width, out.numel()), (len(KINDS), out.numel()), 1, 0)
        if each.layer >= layers or not fits:
            raise ModelError(f"{folder}: its layer {each.layer} does not fit the encoder: make it anew with models/distil.py")
        found.append(Look(each.layer, hidden, bias, out, last, each.threshold))
    return found
