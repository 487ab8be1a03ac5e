"""Make the encoder's folder from a trained run: int8 weights, calibrated scores, levels: `python models/ship.py --data DATA`."""

from __future__ import annotations

import argparse
import json
import random
import shutil
from dataclasses import asdict
from pathlib import Path

import base
import numpy as np
import pack
import torch
from calibrate import LEVELS, RATES, Table, calibration, levels, scored
from compose import own
from entities import ENTITIES
from judge import judged
from rows import LABELS, share
from sources import given

from proxy.classifier.network import Shape

HERE = Path(__file__).parent
VERSION = "1"
WINDOW, OVERLAP = 256, 64
CAP = 300  # validation rows of one source


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--base", type=Path)
    parser.add_argument("--run", type=Path, default=Path("build/encoder"))
    parser.add_argument("--out", type=Path, default=HERE / "encoder")
    parser.add_argument("--again", action="store_true", help="judge the validation rows again, though their logits are kept")
    parser.add_argument("--seed", type=int, default=7)
    return parser.parse_args()


def config(lines: object, thresholds: object) -> dict[str, object]:
    """The configuration of the encoder."""
    return {
        "name": "parapet-encoder",
        "version": VERSION,
        "shape": asdict(Shape()),
        "labels": LABELS,
        "entities": list(ENTITIES),
        "window": WINDOW,
        "overlap": OVERLAP,
        "markers": {"material": 2},
        "calibration": lines,
        "levels": thresholds,
    }


def untold() -> tuple[dict[str, object], dict[str, object]]:
    """Calibration and levels before they are known."""
    kinds = ("speaker", "material")
    return {n: {k: [1.0, 0.0] for k in kinds} for n in LABELS}, {
        n: {k: dict.fromkeys(LEVELS, 0.5) for k in kinds} for n in LABELS
    }


def main() -> None:
    """Pack, judge the validation rows with what was packed, calibrate, write."""
    args = arguments()
    args.out.mkdir(parents=True, exist_ok=True)
    shutil.copy(base.folder(args.base) / "tokenizer.json", args.out / "tokenizer.json")
    state = pack.packed(torch.load(args.run / "mean.pt", map_location="cpu"))
    pack.write(args.out, state, config(*untold()))
    split = given(args.data, args.seed)
    held = [*split.held, *own(args.data, args.seed, kept=True), *split.spare]
    by: dict[str, list[object]] = {}
    for row in sorted(held, key=lambda r: share(r.text, "ship")):
        by.setdefault(row.source, []).append(row)
    rows = [row for name in sorted(by) for row in by[name][:CAP]]
    random.Random(1).shuffle(rows)
    file = args.run / "held.npy"
    if args.again or not file.exists() or len(np.load(file)) != len(rows):
        np.save(file, judged(args.out, rows)[0])  # type: ignore[arg-type]  # rows
    table = Table(rows, np.load(file))  # type: ignore[arg-type]  # rows
    lines = calibration(table)
    scores = scored(table, lines)
    found = levels(table, scores)
    pack.write(args.out, state, config(lines, found))
    material = table.of("material").astype(int)
    for level in LEVELS:
        floor = np.array([[found[label][kind][level] for label in LABELS] for kind in ("speaker", "material")])[material]
        flagged = (scores >= floor).any(1)
        plain, hard = table.harmless & ~table.hard, table.harmless & table.hard
        print(f"{level}: ordinary {flagged[plain].mean():.4f} (aim {RATES[level]}), resembling harm {flagged[hard].mean():.4f}")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
