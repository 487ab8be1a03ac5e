"""The glance: small networks over what the encoder's first layers make of a window, that clear what is plainly harmless.

`distil.py` trains it beside the screen, on the same texts: its target is how far the encoder's highest score stands above the
threshold of its label, window by window.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pack
import torch
from looked import LAYERS
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from proxy.classifier.card import KINDS, MANIFEST, Kind
from proxy.classifier.glance import told_by

HIDDEN = 64
BATCH = 256
STILL = 0.1  # the scale of a number that hardly moves: a finer one would read the rounding of what is kept
HEAVY = 4.0  # the weight of windows that the encoder flags

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Windows:
    """What is learnt from. N windows."""

    pooled: Floats  # N 2H
    kind: NDArray[np.int64]  # N: its place in KINDS
    target: Floats  # N: how likely the encoder flags it


class Net(nn.Module):
    """One look while it learns."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(width, HIDDEN, bias=False)
        self.bias = nn.Embedding(len(KINDS), HIDDEN)
        self.out = nn.Linear(HIDDEN, 1)
        nn.init.zeros_(self.bias.weight)

    def forward(self, pooled: Tensor, kind: Tensor) -> Tensor:  # N 2H, N -> N
        dropped = functional.dropout(pooled, 0.1, self.training)
        inner = functional.relu(self.hidden(dropped) + self.bias(kind))
        return self.out(functional.dropout(inner, 0.2, self.training))[:, 0]  # type: ignore[no-any-return]  # torch is typed loosely


def trained(given: Windows, epochs: int, seed: int) -> dict[str, Tensor]:
    """The tensors of a look that has learnt; the columns' scales are in its weights."""
    torch.manual_seed(seed)
    x, kind, wanted = torch.tensor(given.pooled), torch.tensor(given.kind), torch.tensor(given.target)
    centre, scale = x.mean(0), x.std(0).clamp_min(STILL)
    x = (x - centre) / scale
    net, weight = Net(x.shape[1]), torch.where(wanted > 0.5, HEAVY, 1.0)
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=0.02)
    steps, done = epochs * -(-len(x) // BATCH), 0
    for _ in range(epochs):
        order = torch.randperm(len(x))
        for at in range(0, len(x), BATCH):
            part = order[at : at + BATCH]
            for group in optimizer.param_groups:
                group["lr"] = 2e-3 * (1 - done / steps)
            each = functional.binary_cross_entropy_with_logits(net(x[part], kind[part]), wanted[part], reduction="none")
            optimizer.zero_grad()
            (each * weight[part]).mean().backward()  # type: ignore[no-untyped-call]  # torch is typed loosely
            optimizer.step()
            done += 1
    hidden = net.hidden.weight.detach().T / scale[:, None]
    bias = net.bias.weight.detach() - centre @ hidden
    return {
        "hidden": hidden.contiguous(),
        "bias": bias,
        "out": net.out.weight.detach()[0].clone(),
        "last": net.out.bias.detach()[0].clone(),
    }


def logits(look: Mapping[str, Tensor], pooled: Floats, kind: NDArray[np.int64]) -> NDArray[np.float64]:
    """What a look says of windows."""
    inner = (torch.tensor(pooled) @ look["hidden"] + look["bias"][torch.tensor(kind)]).relu()
    return np.asarray((inner @ look["out"] + look["last"]).numpy(), np.float64)


def ship(
    folder: Path, encoder: Path, version: str, looks: Sequence[Mapping[str, Tensor]], threshold: Sequence[Mapping[Kind, float]]
) -> None:
    """Write the folder."""
    files = json.loads((encoder / MANIFEST).read_bytes())["files"]
    state = {f"{layer}.{name}": value for layer, look in zip(LAYERS, looks, strict=True) for name, value in look.items()}
    exits = [{"layer": layer, "threshold": dict(each)} for layer, each in zip(LAYERS, threshold, strict=True)]
    pack.write(folder, state, {"name": "parapet-glance", "version": version, "encoder": told_by(files), "exits": exits})
