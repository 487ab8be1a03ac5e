"""The encoder as it serves: int8 on a CPU, each window alone so that no score depends on others; bf16 in batches on a GPU."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from proxy.classifier.card import OUT, WEIGHTS, Card, Kind
from proxy.classifier.glance import Look
from proxy.classifier.network import Encoder, Shape
from proxy.classifier.worker import Ids, Logits
from proxy.errors import ModelError

Device = Literal["cpu", "cuda", "mps", "auto"]
SCALE = ".scale"  # of a tensor's name: the float32 scale of each row of an int8 matrix
log = logging.getLogger(__name__)


class Int8Linear(nn.Module):
    """A linear layer with weights of int8, a scale for each row; activations are quantised as they come."""

    def __init__(self, weight: Tensor, scale: Tensor, bias: Tensor) -> None:
        super().__init__()
        zero = torch.zeros(len(scale), dtype=torch.int64)
        with warnings.catch_warnings():  # torch means to drop this kind of tensor; the version we need is pinned
            warnings.simplefilter("ignore", UserWarning)
            quantised = torch._make_per_channel_quantized_tensor(weight, scale.double(), zero, 0)  # noqa: SLF001 - no public way
        self.packed = torch.ops.quantized.linear_prepack(quantised, bias)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = torch.ops.quantized.linear_dynamic(x, self.packed, False)  # weights of 7 bits: AVX2 cannot overflow
        return made


class Int8Embedding(nn.Module):
    """An embedding that stays int8; the rows looked up are turned to float32."""

    def __init__(self, weight: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.weight, self.scale = nn.Parameter(weight, requires_grad=False), nn.Parameter(scale[:, None], requires_grad=False)

    def forward(self, ids: Tensor) -> Tensor:
        return self.weight[ids].float() * self.scale[ids]


@dataclass(frozen=True, slots=True)
class Serving:
    """A network ready to judge. `alone`: window by window."""

    network: Encoder
    device: torch.device
    alone: bool

    def __call__(self, windows: Sequence[Ids]) -> list[Logits]:
        """The logits of each window, in the order of the labels."""
        with torch.inference_mode():
            if self.alone:
                return [self.judged(torch.tensor([list(ids)]), None)[0] for ids in windows]
            longest = max(map(len, windows))
            ids = torch.tensor([[*window, *[0] * (longest - len(window))] for window in windows])
            mask = torch.arange(longest) < torch.tensor([[len(window)] for window in windows])
            return self.judged(ids, mask)

    def judged(self, ids: Tensor, mask: Tensor | None) -> list[Logits]:
        seen = None if mask is None else mask.to(self.device)
        x = self.network(ids.to(self.device), seen)
        return [tuple(row) for row in self.network.categories(x, seen).float().tolist()]

    def glancing(self, windows: Sequence[Ids], looks: Sequence[Look], material: int | None) -> list[Logits]:
        """The same, window by window; nothing of one that a look at an earlier layer has cleared. `material`: its marker."""
        with torch.inference_mode():
            return [self.unless_cleared(ids, looks, "material" if ids[1] == material else "speaker") for ids in windows]

    def unless_cleared(self, ids: Ids, looks: Sequence[Look], kind: Kind) -> Logits:
        x, done = self.network.begun(torch.tensor([list(ids)])), 0
        for look in looks:
            x, done = self.network.onward(x, None, done, look.layer), look.layer
            if look.clears(x[0], kind):
                return ()
        x = self.network.onward(x, None, done, None)
        return tuple(self.network.categories(x)[0].tolist())

    def named(self, windows: Sequence[Ids]) -> list[Logits]:
        """For each id of each window the likeliest entity, by its index, and its score. A window: ids, then as many cases."""
        parts = [windows] if not self.alone else [[window] for window in windows]
        with torch.inference_mode():
            return [answer for part in parts for answer in self.tagged(part)]

    def lined(self, windows: Sequence[Ids], layer: int, weight: Tensor, bias: Tensor) -> list[Logits]:
        """For each window one number: a line over the mean of what a layer makes of its words."""
        with torch.inference_mode():
            read = (self.network(torch.tensor([list(ids)], device=self.device), None, layer) for ids in windows)
            return [(float(x[0].float().mean(0).cpu() @ weight + bias),) for x in read]

    def tagged(self, windows: Sequence[Ids]) -> Iterator[Logits]:
        lengths = [len(window) // 2 for window in windows]
        longest = max(lengths)
        ids, cases = (
            torch.tensor(
                [[*window[at * n : at * n + n], *[0] * (longest - n)] for window, n in zip(windows, lengths, strict=True)]
            )
            for at in (0, 1)
        )
        mask = None if self.alone else (torch.arange(longest) < torch.tensor(lengths)[:, None]).to(self.device)
        logits = self.network.entities(self.network(ids.to(self.device), mask), cases.to(self.device))
        best = logits.float().softmax(-1)[:, :, 1:].max(-1)
        for tags, scores, n in zip(best.indices.tolist(), best.values.tolist(), lengths, strict=True):
            yield tuple(number for pair in zip(tags[:n], scores[:n], strict=True) for number in pair)


def serving(folder: Path, card: Card, device: Device) -> Serving:
    """The encoder of a folder whose files are verified. Raises ModelError."""
    place = device_of(device)
    weights = read(folder / WEIGHTS)
    with torch.device("meta"):
        network = Encoder(Shape(**card.shape.model_dump()), len(card.labels), len(card.entities))
    expected = network.state_dict().keys()
    if missing := sorted(expected ^ {name for name in weights if not name.endswith(SCALE)}):
        raise ModelError(f"{folder / WEIGHTS}: it does not fit its config.json, see {missing[0]}: {OUT}")
    alone = place.type == "cpu"
    if alone:
        try:
            network = int8(network, weights)
        except (RuntimeError, AttributeError) as error:
            log.warning("no int8 arithmetic on this machine (%s): the encoder runs in float32, slower", type(error).__name__)
            network = wide(network, weights, torch.float32)
    else:
        network = wide(network, weights, torch.bfloat16 if place.type == "cuda" else torch.float32)
    return Serving(network.to(place).eval(), place, alone)


def memory_of(device: torch.device) -> int:
    """The bytes of a GPU's memory that this process has taken; 0 elsewhere."""
    return torch.cuda.memory_reserved(device) if device.type == "cuda" else 0


def device_of(device: Device) -> torch.device:
    """The device that a setting means. Raises ModelError when it is not there."""
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        return torch.device(next(name for name in ("cuda", "mps", "cpu") if there[name]))
    if not there[device]:
        raise ModelError(
            f"classifier_device is {device}, and this machine or this build of torch has none: set it to cpu or auto"
        )
    return torch.device(device)


def read(file: Path) -> dict[str, Tensor]:
    """The tensors of a file. Raises ModelError."""
    try:
        return load_file(file)
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{file}: it cannot be read as safetensors ({type(error).__name__}): {OUT}") from None


def int8(network: Encoder, weights: Mapping[str, Tensor]) -> Encoder:
    """The network with its matrices left as they are stored."""
    network.load_state_dict({name: plain(weights, name) for name in network.state_dict()}, assign=True)
    for name, module in list(network.named_modules()):
        weight, scale = weights.get(f"{name}.weight"), weights.get(f"{name}.weight{SCALE}")
        if weight is None or scale is None or weight.dtype != torch.int8:
            continue
        holder, _, attribute = name.rpartition(".")
        if isinstance(module, nn.Linear):
            setattr(network.get_submodule(holder), attribute, Int8Linear(weight, scale, module.bias.detach()))
        elif attribute == "words":  # the places are read by their weight, and are few
            setattr(network.get_submodule(holder), attribute, Int8Embedding(weight, scale))
    return network


def wide(network: Encoder, weights: Mapping[str, Tensor], kind: torch.dtype) -> Encoder:
    """The network with every tensor as a float."""
    network.load_state_dict({name: plain(weights, name).to(kind) for name in network.state_dict()}, assign=True)
    return network


def plain(weights: Mapping[str, Tensor], name: str) -> Tensor:
    """A tensor as float32, whatever it is stored as."""
    weight, scale = weights[name], weights.get(name + SCALE)
    return weight.float() if scale is None else weight.float() * scale[:, None]
