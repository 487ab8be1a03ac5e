"""Train the screen on what the encoder says: `python models/distil.py --data DATA`, after the encoder is packed and calibrated.

Its target is how far the encoder's highest score stands above the threshold of its label; texts that it would flag weigh more.
"""

from __future__ import annotations

import argparse
import hashlib
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pack
import torch
from calibrate import Table, scored
from compose import own
from judge import judged
from measure import threshold_at
from numpy.typing import NDArray
from rows import LABELS, Row
from safetensors.numpy import save_file
from sources import given
from torch import Tensor, nn
from torch.nn import functional

from proxy.classifier.card import KINDS, Card, Kind, read_card
from proxy.classifier.screen import STRETCH, Screen, blocks, bucketed, foreign, ngrams
from proxy.core import Level

HERE = Path(__file__).parent
BUCKETS, WIDTH, HIDDEN = 2**17, 24, 32
LONGEST = 1500  # characters of a text that it is trained on
KEEP = 0.98  # of what the encoder flags at `balanced` on validation rows passes the screen
HARMLESS, HARMFUL = -3.0, 1.5  # the margin of a text that the encoder has not read
HEAVY = 4.0  # the weight of texts that the encoder flags


@dataclass(frozen=True, slots=True)
class Read:
    """A text as the screen reads it. stretch: of each n-gram, in order."""

    buckets: NDArray[np.int32]
    stretch: NDArray[np.int32]
    column: int
    target: float


class Net(nn.Module):
    """The screen while it learns."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.EmbeddingBag(BUCKETS, WIDTH, mode="sum")
        nn.init.normal_(self.table.weight, std=0.3)
        self.hidden = nn.Linear(WIDTH, HIDDEN)
        self.out = nn.Linear(HIDDEN, len(KINDS))

    def forward(self, buckets: Tensor, begins: Tensor, text: Tensor, columns: Tensor) -> Tensor:
        """The logit of each text: buckets of all stretches in a row, where each stretch begins, its text, each text's column."""
        sums = self.table(buckets, begins)  # S W
        counts = torch.diff(begins, append=torch.tensor([len(buckets)])).float()[:, None]
        same = text[1:] == text[:-1]
        follows = functional.pad(same, (0, 1))[:, None]  # the next stretch is of the same text
        pairs = sums + torch.where(follows, sums.roll(-1, 0), 0.0)
        numbers = counts + torch.where(follows, counts.roll(-1, 0), 0.0)
        only = ~follows[:, 0] & functional.pad(same, (1, 0))  # the last of several stretches is no window of its own
        each = self.out(functional.relu(self.hidden(pairs / numbers.clamp_min(1)))).gather(1, columns[text][:, None])[:, 0]
        each = each.masked_fill(only, float("-inf"))
        return torch.full((len(columns),), float("-inf")).scatter_reduce(0, text, each, "amax")


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--encoder", type=Path, default=HERE / "encoder")
    parser.add_argument("--out", type=Path, default=HERE / "screen")
    parser.add_argument("--run", type=Path, default=Path("build/screen"), help="where the encoder's logits are kept")
    parser.add_argument("--most", type=int, default=36_000, help="texts to train on at most: the encoder has to read each")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=7)
    return parser.parse_args()


def read(row: Row, target: float) -> Read | None:
    """The n-grams of a text, its stretches in order; None where there are none."""
    buckets, places, base = [], [], 0
    for raw in blocks(row.text):
        for hashes, where in ngrams(raw):
            buckets.append(bucketed(hashes, BUCKETS))
            places.append(where // STRETCH + base)
        base += len(raw) // STRETCH
    stretch = np.concatenate(places)
    if not len(stretch):
        return None
    order = stretch.argsort(kind="stable")
    return Read(np.concatenate(buckets)[order].astype(np.int32), stretch[order].astype(np.int32), int(row.material), target)


def margins(folder: Path, card: Card, rows: Sequence[Row], kept: Path, level: Level) -> NDArray[np.float64]:
    """How far the highest score of each text stands above its threshold, in logits; kept for the next run."""
    logits = remembered(folder, rows, kept)
    table = Table(rows, logits)
    floor = np.array([[card.threshold(label, kind, level) for label in LABELS] for kind in KINDS])
    floor = floor[table.of("material").astype(int)]
    scores = np.clip(scored(table, card.calibration), 1e-9, 1 - 1e-9)
    return (np.log(scores / (1 - scores)) - np.log(floor / (1 - floor))).max(1)  # type: ignore[no-any-return]  # numpy is typed loosely


def remembered(folder: Path, rows: Sequence[Row], kept: Path) -> NDArray[np.float64]:
    """The encoder's logits, from the last run if it was over the same texts with the same weights."""
    told = hashlib.sha256((folder / "manifest.json").read_bytes())
    for row in rows:
        told.update(row.text.encode("utf-8", "surrogatepass"))
    if kept.exists():
        with np.load(kept) as found:
            if str(found["of"]) == told.hexdigest():
                return np.asarray(found["logits"])
    logits, _ = judged(folder, rows)
    kept.parent.mkdir(parents=True, exist_ok=True)
    np.savez(kept, of=told.hexdigest(), logits=logits)
    return logits


def unread(rows: Sequence[Row]) -> Iterator[tuple[Row, float]]:
    """Texts that the encoder has not read, with what their labels say instead."""
    for row in rows:
        if row.benign == 1:
            yield row, HARMLESS
        elif row.benign == 0 or 1 in row.labels.values():
            yield row, HARMFUL


def batches(found: Sequence[Read], size: int, rng: random.Random) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor, Tensor]]:
    """Batches of texts in random order, a sixth of their n-grams left out."""
    order = list(range(len(found)))
    rng.shuffle(order)
    noise = np.random.default_rng(rng.randrange(2**32))
    for at in range(0, len(order), size):
        part = [found[i] for i in order[at : at + size]]
        buckets, begins, text, length = [], [], [], 0
        for i, each in enumerate(part):
            kept = noise.random(len(each.buckets)) > 0.17
            kept[0] = True
            chosen, stretch = each.buckets[kept], each.stretch[kept]
            first = np.flatnonzero(np.diff(stretch, prepend=-1))
            buckets.append(chosen)
            begins.append(first + length)
            text.append(np.full(len(first), i))
            length += len(chosen)
        joined = [torch.from_numpy(np.concatenate(x).astype(np.int64)) for x in (buckets, begins, text)]
        yield joined[0], joined[1], joined[2], torch.tensor([e.column for e in part]), torch.tensor([e.target for e in part])


def trained(found: Sequence[Read], epochs: int, seed: int) -> Net:
    """The screen, trained."""
    torch.manual_seed(seed)
    net, rng, size = Net(), random.Random(seed), 64
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=1e-4)
    total, done = epochs * (len(found) // size + 1), 0
    for epoch in range(epochs):
        lost = 0.0
        for buckets, begins, text, columns, target in batches(found, size, rng):
            for group in optimizer.param_groups:
                group["lr"] = 3e-3 * max(0.02, 1 - done / total)
            logit = net(buckets, begins, text, columns)
            weight = torch.where(target > 0.5, HEAVY, 1.0)
            loss = (functional.binary_cross_entropy_with_logits(logit, target, reduction="none") * weight).mean()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch is typed loosely
            optimizer.step()
            done, lost = done + 1, lost + float(loss.detach())
        print(f"epoch {epoch + 1}: {lost / (total / epochs):.4f}", flush=True)
    return net


def arrays(net: Net) -> dict[str, NDArray[np.generic]]:
    """The screen's tensors as they ship: the table int8, with a scale for each column."""
    table = net.table.weight.detach()
    scale = table.abs().amax(0) / 127
    return {
        "table": (table / scale).round().to(torch.int8).numpy(),
        "scale": scale.numpy(),
        "hidden": net.hidden.weight.detach().T.contiguous().numpy(),
        "bias": net.hidden.bias.detach().numpy(),
        "out": net.out.weight.detach().T.contiguous().numpy(),
        "last": net.out.bias.detach().numpy(),
    }


def ship(folder: Path, net: Net, version: str, threshold: Mapping[Kind, float]) -> None:
    """Write the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(arrays(net), folder / "model.safetensors")
    (folder / "model.safetensors").chmod(0o644)
    config = {"name": "parapet-screen", "version": version, "buckets": BUCKETS, "threshold": dict(threshold)}
    pack.describe(folder, config)


def main() -> None:
    """Judge, train, choose the thresholds, write."""
    args = arguments()
    card = read_card(args.encoder)
    split = given(args.data, args.seed)
    train, held = [*split.train, *own(args.data, args.seed)], [*split.held, *own(args.data, args.seed, kept=True)]
    random.Random(args.seed).shuffle(held)
    random.Random(args.seed).shuffle(train)
    train = [replace(row, text=row.text[:LONGEST]) for row in train]
    train, rest = train[: args.most], train[args.most :]
    held = [replace(row, text=row.text[:LONGEST]) for row in held[:9000]]
    towards = margins(args.encoder, card, train, args.run / "train.npz", "balanced")
    pairs = [*zip(train, towards, strict=True), *unread(rest)]
    found = [each for row, m in pairs if (each := read(row, float(1 / (1 + np.exp(-1.5 * m)))))]
    print(f"{len(found)} texts, {sum(e.target > 0.5 for e in found)} that the encoder flags", flush=True)
    net = trained(found, args.epochs, args.seed)
    ship(args.out, net, card.version, dict.fromkeys(KINDS, 0.0))
    screen = Screen(args.out)
    flagged = margins(args.encoder, card, held, args.run / "held.npz", "balanced") >= 0
    threshold: dict[Kind, float] = {}
    for column, kind in enumerate(KINDS):
        here = np.array([row.material == bool(column) and not foreign(next(blocks(row.text))) for row in held])
        logits = np.array(
            [max(screen.logit(raw, column) for raw in blocks(row.text)) for row, h in zip(held, here, strict=True) if h]
        )
        hit, harmless = flagged[here], np.array([row.benign == 1 for row, h in zip(held, here, strict=True) if h])
        threshold[kind] = round(float(threshold_at(logits[hit], KEEP)) - 1e-4, 4) if hit.any() else 0.0
        passed = logits >= threshold[kind]
        print(
            f"{kind}: {hit.sum()} flagged, kept {passed[hit].mean():.4f}; "
            f"of {harmless.sum()} harmless passed on {passed[harmless].mean():.3f}"
        )
    ship(args.out, net, card.version, threshold)


if __name__ == "__main__":
    main()
