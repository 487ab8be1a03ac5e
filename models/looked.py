"""What the encoder makes of rows, window by window: its logits, and what its first layers say.

It is kept a part at a time: a run that is cut off goes on where it was.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from judge import MOST, judge
from numpy.typing import NDArray
from rows import Row

from proxy.classifier.card import TOKENIZER, WEIGHTS, digest, read_card

LAYERS = (2, 3)  # whose words are kept, as their mean and their highest
PART = 1500  # rows

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Looked:
    """All windows in order. N windows, L labels, H numbers of a word."""

    owner: NDArray[np.int64]  # N: the row of each window
    logits: Floats  # N L
    pooled: NDArray[np.float16]  # N layers 2H

    def highest(self, rows: int) -> Floats:
        """The highest logit of each label over a row's windows; far below all where it has none."""
        found = np.full((rows, self.logits.shape[1]), -20.0)
        np.maximum.at(found, self.owner, self.logits)
        return found


def looked(folder: Path, rows: Sequence[Row], kept: Path) -> Looked:
    """The windows of all rows. Parts that are kept from an earlier run with the same weights are not read again."""
    kept.mkdir(parents=True, exist_ok=True)
    parts = [rows[at : at + PART] for at in range(0, len(rows), PART)]
    files = [kept / f"{key}.npz" for key in keys(folder, parts)]
    open_ = [(folder, part, file) for part, file in zip(parts, files, strict=True) if not file.exists()]
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        for done, file in enumerate(pool.map(read, *zip(*open_, strict=True)) if open_ else (), 1):
            print(f"read {done} of {len(open_)} parts: {file.name}", flush=True)
    return joined(files)


def keys(folder: Path, parts: Iterable[Sequence[Row]]) -> Iterator[str]:
    """What a part and the weights are known by."""
    card, network = read_card(folder), digest(folder / WEIGHTS) + digest(folder / TOKENIZER)
    cut = (card.window, card.overlap, sorted(card.markers.items()), MOST)
    for part in parts:
        told = hashlib.sha256(f"{network} {cut} {LAYERS} {PART}".encode())
        for row in part:
            told.update(f"{int(row.material)} {len(row.text)} {row.text}".encode("utf-8", "surrogatepass"))
        yield told.hexdigest()[:24]


def read(folder: Path, rows: Sequence[Row], file: Path) -> Path:
    """Read a part, and keep it."""
    encoder = judge(folder)
    network = encoder.network.network
    owner, logits, pooled = [], [], []
    with torch.inference_mode():
        for number, row in enumerate(rows):
            for ids in encoder.windows(row):
                x, done, seen = network.begun(torch.tensor([list(ids)])), 0, []
                for layer in LAYERS:
                    x, done = network.onward(x, None, done, layer), layer
                    seen.append(torch.cat((x[0].mean(0), x[0].amax(0))))
                x = network.onward(x, None, done, None)
                owner.append(number)
                logits.append(network.categories(x)[0].float().numpy())
                pooled.append(torch.stack(seen).numpy().astype(np.float16))
    part = file.with_suffix(".part.npz")
    np.savez(part, owner=np.array(owner), logits=np.array(logits), pooled=np.array(pooled))
    part.replace(file)
    return file


def joined(files: Sequence[Path]) -> Looked:
    """The parts as one."""
    owner, logits, pooled = [], [], []
    for number, file in enumerate(files):
        with np.load(file) as part:
            owner.append(part["owner"].astype(np.int64) + number * PART)
            logits.append(part["logits"].astype(np.float64))
            pooled.append(part["pooled"])
    return Looked(np.concatenate(owner), np.concatenate(logits), np.concatenate(pooled))
