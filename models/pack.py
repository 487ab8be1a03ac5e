"""A model's folder as it ships: weights as safetensors, int8 by row, the configuration, and a manifest of their hashes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

MOST = 63  # the largest weight


def packed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Matrices as int8 with a scale for each row, everything else as float32.

    Seven bits are used: with activations of eight, the sums of two products that AVX2 makes in sixteen bits cannot overflow.
    Of the two, activations need the eighth bit more.
    """
    out: dict[str, Tensor] = {}
    for name, given in state.items():
        value = given.detach().float().cpu()
        if value.dim() != 2:
            out[name] = value.contiguous()
            continue
        scale = value.abs().amax(1).clamp_min(1e-8) / MOST
        out[name] = (value / scale[:, None]).round().clamp(-MOST, MOST).to(torch.int8).contiguous()
        out[f"{name}.scale"] = scale
    return out


def write(folder: Path, state: Mapping[str, Tensor], config: Mapping[str, object]) -> None:
    """Write weights, configuration and manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(dict(state), folder / "model.safetensors")
    (folder / "model.safetensors").chmod(0o644)  # others than its maker read it
    describe(folder, config)


def seal(folder: Path) -> None:
    """Write the manifest over the files that are read at run time."""
    names = [name for name in ("config.json", "model.safetensors", "tokenizer.json", "metrics.json") if (folder / name).exists()]
    files = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}
    (folder / "manifest.json").write_text(json.dumps({"files": files}, indent=1) + "\n")


def describe(folder: Path, config: Mapping[str, object]) -> None:
    """Write the configuration and the manifest."""
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    seal(folder)
