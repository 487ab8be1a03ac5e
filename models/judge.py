"""The shipped encoder over rows of data, by the product's own way of a text: folded view, windows, int8."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rows import Row

from proxy.classifier.card import Card, Kind, read_card
from proxy.classifier.encoder import Serving, serving
from proxy.classifier.glance import looks_of, read_glance
from proxy.classifier.pieces import Pieces
from proxy.text import normalised

MOST = 48  # windows of one text
AT_ONCE = 200  # rows that a process is given at a time
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Judge:
    """An encoder's folder, ready to read rows."""

    card: Card
    pieces: Pieces
    network: Serving

    def windows(self, row: Row) -> list[Sequence[int]]:
        """The windows of a row as the encoder reads them."""
        kind: Kind = "material" if row.material else "speaker"
        cut = self.pieces.cutter(kind).push(normalised(row.text)[0].text, end=True)
        return [ids for window in list(cut)[:MOST] if (ids := self.pieces.ids(window.text, kind))]

    def logits(self, row: Row) -> list[float]:
        """The highest logit of each label over the windows, and the seconds that it took."""
        begun = time.perf_counter()
        found = self.network(self.windows(row)) or [(-20.0,) * len(self.card.labels)]
        return [max(column) for column in zip(*found, strict=True)] + [time.perf_counter() - begun]


@lru_cache(maxsize=1)
def judge(folder: Path, threads: int = 1) -> Judge:
    """The encoder in a folder."""
    torch.set_num_threads(threads)
    card = read_card(folder)
    return Judge(card, Pieces(folder / "tokenizer.json", card), serving(folder, card, "cpu"))


def _part(folder: Path, rows: Sequence[Row]) -> list[list[float]]:
    return [judge(folder).logits(row) for row in rows]


def _cleared(folder: Path, glance: Path, rows: Sequence[Row]) -> list[bool]:
    encoder = judge(folder)
    shape = encoder.card.shape
    looks = looks_of(glance, read_glance(glance), shape.hidden, shape.layers)
    material = encoder.card.markers.get("material")
    return [not any(encoder.network.glancing(encoder.windows(row), looks, material)) for row in rows]


def cleared(folder: Path, glance: Path, rows: Sequence[Row]) -> NDArray[np.bool_]:
    """Which rows have no window that the glance would not clear."""
    parts = [rows[at : at + AT_ONCE] for at in range(0, len(rows), AT_ONCE)]
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        given = ([folder] * len(parts), [glance] * len(parts), parts)
        return np.array([each for part in pool.map(_cleared, *given) for each in part], bool)


def judged(folder: Path, rows: Sequence[Row]) -> tuple[Floats, Floats]:
    """N labels: the highest logit over each row's windows; N: the seconds that each took, on one core. One process a core."""
    parts = [rows[at : at + AT_ONCE] for at in range(0, len(rows), AT_ONCE)]
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        found = np.array([row for part in pool.map(_part, [folder] * len(parts), parts) for row in part])
    return found[:, :-1], found[:, -1]
