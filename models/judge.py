"""The shipped encoder and screen over rows of data, by the product's own way of a text: windows, folded view, int8."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rows import Row

from proxy.classifier.card import Card, Kind, read_card
from proxy.classifier.encoder import Serving, serving
from proxy.classifier.pieces import Pieces
from proxy.text import normalised

MOST = 48  # windows of one text


@dataclass(frozen=True, slots=True)
class Judge:
    """An encoder's folder, ready to read rows."""

    card: Card
    pieces: Pieces
    network: Serving

    def windows(self, row: Row) -> list[Sequence[int]]:
        """The windows of a row as the encoder reads them."""
        kind: Kind = "material" if row.material else "speaker"
        text = normalised(row.text)[0].text
        cut = self.pieces.cutter(kind).push(text, end=True)
        return [ids for window in list(cut)[:MOST] if (ids := self.pieces.ids(window.text, kind))]

    def logits(self, rows: Sequence[Row]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """N labels: the highest logit over each row's windows; N: the seconds that each took."""
        out = np.full((len(rows), len(self.card.labels)), -20.0)
        took = np.zeros(len(rows))
        for i, row in enumerate(rows):
            begun = time.perf_counter()
            found = self.network(self.windows(row))
            if found:
                out[i] = np.max(found, axis=0)
            took[i] = time.perf_counter() - begun
        return out, took


def judge(folder: Path, threads: int = 2) -> Judge:
    """The encoder in a folder."""
    torch.set_num_threads(threads)
    card = read_card(folder)
    return Judge(card, Pieces(folder / "tokenizer.json", card), serving(folder, card, "cpu"))
