"""Train screen and glance on what the encoder says: `python models/distil.py --data DATA`, once it is packed and calibrated.

Their target is how far the encoder's highest score stands above the threshold of its label; texts that it would flag weigh more.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import glance
import numpy as np
import pack
import torch
from calibrate import Table, scored
from compose import own
from looked import LAYERS, Looked, looked
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
KEEP = 0.994  # of what the encoder flags at `balanced` on validation rows passes the screen
SEEN = 0.994  # of the same passes each look of the glance
LOOKS = 12  # epochs of a look
NOTHING = -1e9  # the threshold where nothing is known of what must be kept: all of it passes
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
    parser.add_argument("--glance", type=Path, default=HERE / "glance")
    parser.add_argument("--run", type=Path, default=Path("build/looked"), help="where what the encoder says is kept")
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


def margins(card: Card, rows: Sequence[Row], logits: NDArray[np.float64], level: Level) -> NDArray[np.float64]:
    """How far the highest score of each stands above its threshold, in logits."""
    table = Table(rows, logits)
    floor = np.array([[card.threshold(label, kind, level) for label in LABELS] for kind in KINDS])
    floor = floor[table.of("material").astype(int)]
    scores = np.clip(scored(table, card.calibration), 1e-9, 1 - 1e-9)
    floor = np.clip(floor, 1e-9, 1 - 1e-9)
    return (np.log(scores / (1 - scores)) - np.log(floor / (1 - floor))).max(1)  # type: ignore[no-any-return]  # numpy is typed loosely


def likely(margin: NDArray[np.float64]) -> NDArray[np.float64]:
    """How surely a text is to be passed on."""
    return 1 / (1 + np.exp(-1.5 * margin))


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


@dataclass(frozen=True, slots=True)
class Said:
    """Rows, and what the encoder says of them, whole and window by window."""

    rows: Sequence[Row]
    windows: Looked
    margin: NDArray[np.float64]  # of each row
    each: NDArray[np.float64]  # of each window

    @classmethod
    def of(cls, encoder: Path, rows: Sequence[Row], kept: Path) -> Said:
        """Reads what is not kept."""
        card, windows = read_card(encoder), looked(encoder, rows, kept)
        whole = margins(card, rows, windows.highest(len(rows)), "balanced")
        return cls(rows, windows, whole, margins(card, [rows[i] for i in windows.owner], windows.logits, "balanced"))

    @property
    def kind(self) -> NDArray[np.int64]:
        """Of each window, its place in KINDS."""
        return np.array([int(self.rows[i].material) for i in self.windows.owner])


def told(name: str, said: Said, logits: NDArray[np.float64], keep: float, kind: Kind, *, but: NDArray[np.bool_]) -> float:
    """The threshold that keeps so many of the rows that the encoder flags, of a kind and `but` some; and what comes of it."""
    here = np.array([row.material == bool(KINDS.index(kind)) for row in said.rows]) & ~but
    hit, harmless = here & (said.margin >= 0), here & np.array([row.benign == 1 for row in said.rows])
    floor = round(float(threshold_at(logits[hit], keep)) - 1e-4, 4) if hit.any() else NOTHING
    print(
        f"{name}, {kind}: {hit.sum()} flagged, kept {(logits[hit] >= floor).mean():.4f}; "
        f"of {harmless.sum()} harmless passed on {(logits[harmless] >= floor).mean():.3f}",
        flush=True,
    )
    return floor


def make_screen(train: Said, rest: Sequence[Row], held: Said, args: argparse.Namespace, version: str) -> None:
    """Train, choose the thresholds, write."""
    pairs = [*zip(train.rows, train.margin, strict=True), *unread(rest)]
    found = [each for row, m in pairs if (each := read(row, float(likely(np.array(m)))))]
    print(f"{len(found)} texts, {sum(e.target > 0.5 for e in found)} that the encoder flags", flush=True)
    net = trained(found, args.epochs, args.seed)
    ship(args.out, net, version, dict.fromkeys(KINDS, 0.0))
    screen = Screen(args.out)
    logits = np.array([max(screen.logit(raw, int(row.material)) for raw in blocks(row.text)) for row in held.rows])
    beyond = np.array([foreign(next(blocks(row.text))) for row in held.rows])
    ship(args.out, net, version, {kind: told("the screen", held, logits, KEEP, kind, but=beyond) for kind in KINDS})


def make_glance(train: Said, held: Said, args: argparse.Namespace, version: str) -> None:
    """The same for the looks of the glance."""
    looks, thresholds = [], []
    for place, layer in enumerate(LAYERS):
        given = glance.Windows(
            train.windows.pooled[:, place].astype(np.float32), train.kind, likely(train.each).astype(np.float32)
        )
        look = glance.trained(given, LOOKS, args.seed)
        each = glance.logits(look, held.windows.pooled[:, place].astype(np.float32), held.kind)
        logits = np.full(len(held.rows), -np.inf)
        np.maximum.at(logits, held.windows.owner, each)
        nobody = np.zeros(len(held.rows), bool)
        looks.append(look)
        thresholds.append({kind: told(f"layer {layer}", held, logits, SEEN, kind, but=nobody) for kind in KINDS})
    glance.ship(args.glance, args.encoder, version, looks, thresholds)


def main() -> None:
    """Read, train both, write."""
    args = arguments()
    version = read_card(args.encoder).version
    split = given(args.data, args.seed)
    train, held = [*split.train, *own(args.data, args.seed)], [*split.held, *own(args.data, args.seed, kept=True)]
    random.Random(args.seed).shuffle(held)
    random.Random(args.seed).shuffle(train)
    train = [replace(row, text=row.text[:LONGEST]) for row in train]
    train, rest = train[: args.most], train[args.most :]
    held = [replace(row, text=row.text[:LONGEST]) for row in held[:9000]]
    known, unseen = (Said.of(args.encoder, rows, args.run) for rows in (train, held))
    make_glance(known, unseen, args, version)
    make_screen(known, rest, unseen, args, version)


if __name__ == "__main__":
    main()
