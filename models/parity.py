"""What int8 costs and gains beside the float32 network that was trained: `python models/parity.py --data DATA [--write]`."""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from calibrate import Table, scored
from card import put, table
from compose import own
from entities import ENTITIES
from judge import judge
from measure import auprc
from rows import LABELS
from scores import logits
from sources import given

from proxy.classifier.network import Encoder, Shape

HERE = Path(__file__).parent


def median_ms(work: Callable[[], object], times: int = 25) -> float:
    """The median time of a call, after three that do not count."""
    took = []
    for i in range(times + 3):
        begun = time.perf_counter()
        work()
        took.append((time.perf_counter() - begun) * 1e3)
        if i < 3:
            took.clear()
    return float(np.median(took))


def main() -> None:
    """Judge the same rows with both, and time both side by side on one core."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--run", type=Path, default=Path("build/encoder"))
    parser.add_argument("--model", type=Path, default=HERE / "encoder")
    parser.add_argument("--rows", type=int, default=1500)
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    model = judge(args.model)
    plain = Encoder(Shape(), len(LABELS), len(ENTITIES), dropout=0.0).eval()
    plain.load_state_dict(torch.load(args.run / "mean.pt", map_location="cpu"))
    held = [row for row in [*given(args.data, 7).held, *own(args.data, 7, kept=True)] if len(row.text) < 800]
    rows = random.Random(3).sample(held, min(args.rows, len(held)))
    ours = np.array([model.logits(row)[:-1] for row in rows])
    theirs = logits(plain, model.pieces.tokenizer, rows)
    lines: list[list[object]] = []
    for name, found in (("float32", theirs), ("int8", ours)):
        data = Table(rows, found)
        scores = scored(data, model.card.calibration)
        harm = np.array([row.benign == 0 or any(v == 1 for k, v in row.labels.items() if k in LABELS) for row in rows])
        told = harm | data.harmless
        each = []
        for i, label in enumerate(LABELS):
            known = data.known(label)
            if (known == 1).sum() >= 15:
                each.append(auprc(scores[known >= 0, i], known[known >= 0] == 1))
        lines.append([name, len(rows), auprc(scores[told].max(1), harm[told]), float(np.mean(each))])
    torch.set_num_threads(1)
    for line, network in zip(lines, (plain, model.network.network), strict=True):
        for size in (32, 128, 256):
            ids = torch.randint(1000, 30000, (1, size))
            with torch.inference_mode():
                line.append(median_ms(lambda network=network, ids=ids: network.categories(network(ids))))  # type: ignore[misc]  # bound on purpose
    made = table(["weights", "rows", "AUPRC, any harm", "AUPRC, mean of labels", "ms: 32 pieces", "128", "256"], lines)
    print(made)
    print(f"mean difference of logits {abs(ours - theirs).mean():.3f}, largest {abs(ours - theirs).max():.2f}")
    if args.write:
        put(args.model, "parity", made)


if __name__ == "__main__":
    main()
