"""Train the encoder: `python models/train.py --data DATA`. It stops and goes on where it was; two CPU cores or a GPU."""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import base
import torch
from batches import WIDE, WINDOW, Batch, batches, examples
from compose import own
from entities import ENTITIES, TokenBatch, marked, token_batches
from rows import HARMS, LABELS, PLACE, Row
from sources import given
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from proxy.classifier.network import Encoder, Shape

HARM = torch.tensor([PLACE[label] for label in HARMS])
SMOOTH = 0.02  # no label is quite certain


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder of data sets")
    parser.add_argument("--base", type=Path, help="the folder of the base encoder; left out: that of the installed package")
    parser.add_argument("--run", type=Path, default=Path("build/encoder"), help="where the state is kept")
    parser.add_argument("--epochs", type=float, default=2.0)
    parser.add_argument(
        "--minutes", type=float, default=110.0, help="end after so many minutes whatever the epochs, learning rate at its end"
    )
    parser.add_argument("--tokens", type=int, default=2048, help="word pieces in a batch")
    parser.add_argument("--rate", type=float, default=2e-4)
    parser.add_argument("--entities-every", type=int, default=7, help="every so many batches one is the token head's")
    parser.add_argument("--frozen", type=int, default=1, help="layers that stay as they are, beside the embeddings")
    parser.add_argument(
        "--round", type=int, default=1, choices=(1, 2), help="2: a shorter one from where 1 ended, on material above all"
    )
    parser.add_argument("--start", type=Path, help="weights to begin with, as a run leaves them; left out: those of the base")
    parser.add_argument(
        "--blend", type=float, default=1.0, help="the share of what was learnt in the result; the rest is what it began with"
    )
    parser.add_argument("--without-own", action="store_true", help="the given data alone, to see what ours adds")
    parser.add_argument("--leave-out", nargs="*", default=[], help="sources to leave out as well, to see what they add")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    return parser.parse_args()


def loss_of(net: Encoder, batch: Batch) -> Tensor:
    """The loss of the categories: unknown labels weigh nothing; "some harm" asks that one of them is there."""
    logits = net.categories(net(batch.ids, batch.mask), batch.mask)
    wanted = batch.values * (1 - 2 * SMOOTH) + SMOOTH
    each = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none") * batch.weights
    some = torch.logsumexp(logits[:, HARM.to(logits.device)], 1)
    missing = functional.softplus(-some) * batch.some_harm
    return (each.sum() + missing.sum()) / len(batch.ids)


def token_loss(net: Encoder, batch: TokenBatch) -> Tensor:
    """The loss of the token head: of a token without a mark, that it is nothing, or something that its set does not mark."""
    sure = net.entities(net(batch.ids, batch.mask), batch.cases).log_softmax(-1)  # B T 1+entities
    nothing = sure.masked_fill(~batch.open[:, None, :], float("-inf")).logsumexp(-1)  # B T
    marked = sure.gather(-1, batch.tags.clamp_min(0)[..., None])[..., 0]
    known = batch.tags >= 0
    return -torch.where(batch.tags == 0, nothing, marked)[known].mean()


def parameters(net: Encoder, rate: float, frozen: int) -> list[dict[str, Any]]:
    """What is trained, and how fast: the heads start from nothing and learn faster."""
    still = (net.words, net.places, net.norm, *net.layers[:frozen])
    for part in still:
        part.requires_grad_(False)
    heads = [p for part in (net.attend, net.judge, net.cased, net.tag) for p in part.parameters()]
    body = [p for layer in net.layers[frozen:] for p in layer.parameters()]
    return [{"params": body, "lr": rate, "peak": rate}, {"params": heads, "lr": rate * 5, "peak": rate * 5}]


def moved(batch: Any, device: str) -> Any:
    """The batch on the device."""
    return type(batch)(*(getattr(batch, name).to(device) for name in batch.__slots__))


class Run:
    """One training: the network, its average, and where it is."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        torch.manual_seed(args.seed)
        self.net = Encoder(
            Shape(), len(LABELS), len(ENTITIES), dropout=0.0
        )  # costs a quarter of the time; smoothing and windows do for two epochs
        path = base.folder(args.base)
        base.load(self.net, path)
        self.tokenizer = Tokenizer.from_file(str(path / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        self.net.to(args.device)
        if start := args.start or (args.run / "mean.pt" if args.round > 1 else None):
            self.net.load_state_dict(torch.load(start, map_location=args.device))
        self.mean = {name: value.detach().clone() for name, value in self.net.state_dict().items()}
        self.first = {name: value.clone() for name, value in self.mean.items()}
        self.optimizer = torch.optim.AdamW(parameters(self.net, args.rate, args.frozen), weight_decay=0.01, betas=(0.9, 0.98))
        self.done, self.spent = 0, 0.0
        self.file = args.run / f"state{args.round}.pt"

    def resume(self) -> None:
        """Go on where the last run stopped, if there was one."""
        if self.file.exists():
            state = torch.load(self.file, map_location=self.args.device)
            self.net.load_state_dict(state["net"])
            self.mean = state["mean"]
            self.optimizer.load_state_dict(state["optimizer"])
            self.done, self.spent = state["done"], state["spent"]
            print(f"goes on after {self.done} batches, {self.spent / 60:.0f} minutes")

    def save(self) -> None:
        """Keep the state, in one step."""
        self.args.run.mkdir(parents=True, exist_ok=True)
        state = {
            "net": self.net.state_dict(),
            "mean": self.mean,
            "optimizer": self.optimizer.state_dict(),
            "done": self.done,
            "spent": self.spent,
        }
        torch.save(state, self.file.with_suffix(".new"))
        self.file.with_suffix(".new").replace(self.file)

    def step(self, loss: Tensor, progress: float) -> None:
        """One step at the rate that belongs to the progress, 0 to 1."""
        factor = min(1.0, progress / 0.05) * max(0.03, 1 - progress)
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * factor
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch is typed loosely
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimizer.step()
        keep = min(0.998, (self.done + 1) / (self.done + 10))
        with torch.no_grad():
            for name, value in self.net.state_dict().items():
                if not name.startswith(("words", "places")):
                    self.mean[name].lerp_(value, 1 - keep)


def stream(run: Run, train: list[Any], ner: list[Any]) -> Iterator[Batch | TokenBatch]:
    """The batches of the whole training, from its beginning."""
    args = run.args
    tokens = token_batches(ner, args.tokens, args.seed)
    count = 0
    for epoch in range(math.ceil(args.epochs)):
        for batch in batches(
            examples(train, run.tokenizer, args.seed + epoch, WINDOW if args.round == 1 else WIDE), args.tokens, args.seed + epoch
        ):
            yield batch
            count += 1
            if ner and count % args.entities_every == 0:
                yield next(tokens)


def second(rows: list[Row], seed: int) -> list[Row]:
    """What the second round sees: all material, our own rows, a third of the others. An injected document is no other harm."""
    rng = random.Random(seed)
    chosen = [row for row in rows if row.material or row.source.startswith("own-") or rng.random() < 0.3]
    return [replace(row, soft=0.2) if row.material and row.labels.get("injection") == 1 else row for row in chosen]


def main() -> None:
    """Train, and leave the averaged weights in the run's folder."""
    args = arguments()
    torch.set_flush_denormal(True)
    run = Run(args)
    train = given(args.data, args.seed).train
    if not args.without_own:
        train += own(args.data, args.seed)
    train = [row for row in train if row.source not in args.leave_out]
    if args.round > 1:
        train = second(train, args.seed)
    ner = marked(args.data, run.tokenizer, args.seed) if args.entities_every else []
    size = sum(min(WINDOW, len(row.text) / 3.6 + 3) for row in train)
    total = int(args.epochs * size / args.tokens * (1 + 1 / max(1, args.entities_every)) * 1.04)
    print(f"{len(train)} texts, {len(ner)} with entities, about {total} batches on {args.device}", flush=True)
    run.resume()
    run.net.train()
    begun, said, losses = time.monotonic() - run.spent, time.monotonic(), {"categories": [0.0], "entities": [0.0]}
    for i, batch in enumerate(stream(run, train, ner)):
        if i < run.done:
            continue
        run.spent = time.monotonic() - begun
        progress = max(i / total, run.spent / 60 / args.minutes)
        if progress >= 1:
            break
        at = moved(batch, args.device)
        with torch.autocast(args.device, torch.bfloat16, enabled=args.device != "cpu"):
            loss = loss_of(run.net, at) if isinstance(batch, Batch) else token_loss(run.net, at)
        run.step(loss, progress)
        losses["categories" if isinstance(batch, Batch) else "entities"].append(float(loss.detach()))
        run.done = i + 1
        if time.monotonic() - said > 60:
            shown = {name: round(sum(found[-100:]) / len(found[-100:]), 4) for name, found in losses.items()}
            print(
                json.dumps({"batch": run.done, "progress": round(progress, 3), "minutes": round(run.spent / 60, 1), **shown}),
                flush=True,
            )
            said = time.monotonic()
            run.save()
    run.save()
    torch.save({name: run.first[name].lerp(value, args.blend) for name, value in run.mean.items()}, args.run / "mean.pt")
    print(f"{run.done} batches in {run.spent / 60:.0f} minutes")


if __name__ == "__main__":
    main()
