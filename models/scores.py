"""The encoder's logits for whole texts: the highest of their windows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from batches import CLS, MATERIAL, SEP, padded
from numpy.typing import NDArray
from rows import Row
from tokenizers import Tokenizer

from proxy.classifier.network import Encoder

WINDOW, OVERLAP = 256, 64


def windows(ids: Sequence[int], *, material: bool, most: int = 24) -> list[list[int]]:
    """The windows of a text."""
    marker = [MATERIAL] if material else []
    size = WINDOW - 2 - len(marker)
    step = size - OVERLAP
    starts = range(0, max(1, len(ids) - OVERLAP), step)
    return [[CLS, *marker, *ids[at : at + size], SEP] for at in starts][:most]


def logits(
    net: Encoder, tokenizer: Tokenizer, rows: Sequence[Row], device: str = "cpu", tokens: int = 4096
) -> NDArray[np.float64]:
    """N labels: the highest logit of each label over the windows of each text."""
    encoded = tokenizer.encode_batch([row.text for row in rows], add_special_tokens=False)
    jobs = [
        (i, window)
        for i, (row, each) in enumerate(zip(rows, encoded, strict=True))
        for window in windows(each.ids, material=row.material)
    ]
    jobs.sort(key=lambda job: len(job[1]))
    out = np.full((len(rows), net.judge.out_features), -np.inf)
    net.eval()
    begin = 0
    while begin < len(jobs):
        end = begin + 1
        while end < len(jobs) and (end - begin + 1) * len(jobs[end][1]) <= tokens:
            end += 1
        ids, mask = padded([window for _, window in jobs[begin:end]])
        with torch.inference_mode():
            found = net.categories(net(ids.to(device), mask.to(device)), mask.to(device)).float().cpu().numpy()
        for (i, _), row in zip(jobs[begin:end], found, strict=True):
            np.maximum(out[i], row, out=out[i])
        begin = end
    return out
