"""Train the head that tells requests for a work's text from talk about the work: `python models/intent.py`, a minute.

A line over the mean of one inner layer of the encoder as it ships. Its rows are `data/requests.jsonl`, in which `{WORK}` stands
for a title. What the card states is measured on sources that the line had not seen: each is left out once.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pack
import torch
from numpy.typing import NDArray
from torch.nn import functional

from proxy.classifier.card import TOKENIZER, WEIGHTS, digest, read_card
from proxy.classifier.encoder import Serving, serving
from proxy.classifier.intent import NAME
from proxy.classifier.pieces import Pieces

HERE = Path(__file__).parent
ENCODER, OUT = HERE / "encoder", HERE / "intent"
LAYERS = (2, 3, 4, 5)
DECAYS = (0.03, 0.1, 0.3)
ALARMS = 0.02  # of rows that ask for no text may be taken for requests
# What may stand around any of the rows, and says nothing of what is wanted.
BEFORE = ("", "", "", "Hi! ", "Hello, ", "Quick one: ", "Please, ", "I'm a teacher. ", "Thanks for before. ", "One more thing. ")
BEHIND = (
    "",
    "",
    "",
    " Thanks!",
    " Thank you.",
    " It's for school.",
    " I'm in a hurry.",
    " Take your time.",
    " Be kind, I'm new here.",
)
ROUNDS = 3  # how often each row is read, with something else around it

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Row:
    """A prompt that names a work, and whether it asks for its text."""

    text: str
    asks: bool
    source: str


def rows() -> list[Row]:
    """The rows of our own."""
    lines = (HERE / "data" / "requests.jsonl").read_text(encoding="utf-8").splitlines()
    return [Row(each["text"], bool(each["asks"]), each["source"]) for each in map(json.loads, lines)]


def features(texts: list[str], network: Serving, pieces: Pieces, layer: int) -> Floats:
    """What a layer makes of texts, a row each: the mean over their words."""
    made = []
    with torch.inference_mode():
        for text in texts:
            ids = pieces.ids(text.replace("{WORK}", NAME), "speaker")
            made.append(network.network(torch.tensor([ids]), None, layer)[0].mean(0).numpy())
    return np.stack(made)


def line(x: Floats, y: Floats, decay: float) -> tuple[Floats, float]:
    """Logistic regression on columns that are brought to one scale: weights and bias for the columns as they are."""
    centre, scale = x.mean(0), x.std(0) + 1e-6
    given, wanted = torch.tensor((x - centre) / scale), torch.tensor(y)
    weight, bias = torch.zeros(x.shape[1], requires_grad=True), torch.zeros(1, requires_grad=True)
    descent = torch.optim.LBFGS([weight, bias], max_iter=100)

    def loss() -> torch.Tensor:
        descent.zero_grad()
        found = functional.binary_cross_entropy_with_logits(given @ weight + bias, wanted) + decay / 2 * weight @ weight
        found.backward()  # type: ignore[no-untyped-call]  # torch is typed loosely
        return found

    descent.step(loss)  # type: ignore[no-untyped-call]  # the same
    plain = weight.detach().numpy() / scale
    return plain, float(bias.item() - centre @ plain)


def held_out(x: list[Floats], given: list[Row], decay: float) -> Floats:
    """The logit of each row by a line that has seen nothing of its source. x: the rows as they are, and with something around."""
    y, source = np.array([row.asks for row in given], np.float32), np.array([row.source for row in given])
    scores = np.zeros(len(given), np.float32)
    for name in sorted(set(source)):
        out = source == name
        weight, bias = line(np.concatenate([each[~out] for each in x]), np.tile(y[~out], len(x)), decay)
        scores[out] = x[0][out] @ weight + bias
    return scores


def ranked(scores: Floats, y: NDArray[np.bool_]) -> float:
    """How often a request has a higher score than another row: the area under the ROC curve."""
    order = scores.argsort().argsort()
    return float((order[y].mean() - (y.sum() - 1) / 2) / (~y).sum())


def main() -> None:
    """Choose layer and decay, then train on all rows; print and write what was measured."""
    torch.set_num_threads(1)
    dice, given = random.Random(7), rows()
    card = read_card(ENCODER)
    network, pieces = serving(ENCODER, card, "cpu"), Pieces(ENCODER / TOKENIZER, card)
    around = [[dice.choice(BEFORE) + row.text + dice.choice(BEHIND) for row in given] for _ in range(ROUNDS)]
    y, tried = np.array([row.asks for row in given]), []
    for layer in LAYERS:
        x = [features(texts, network, pieces, layer) for texts in ([row.text for row in given], *around)]
        for decay in DECAYS:
            scores = held_out(x, given, decay)
            threshold = float(np.quantile(scores[~y], 1 - ALARMS, method="higher"))
            found = float((scores[y] >= threshold).mean())
            tried.append((found, layer, decay, threshold, scores, x))
            print(
                f"layer {layer}, decay {decay}: ranked {ranked(scores, y):.3f}, {found:.3f} found at {ALARMS} alarms",
                flush=True,
            )
    found, layer, decay, threshold, scores, x = max(tried, key=lambda row: row[0])
    for name in dict.fromkeys(row.source for row in given):
        some = np.array([row.source == name for row in given])
        print(f"| {name} | {int((scores[some & y] >= threshold).sum())} of {int((some & y).sum())} "
              f"| {int((scores[some & ~y] >= threshold).sum())} of {int((some & ~y).sum())} |")  # fmt: skip  # a row of a table
    weight, bias = line(np.concatenate(x), np.tile(y.astype(np.float32), len(x)), decay)
    state = {"weight": torch.tensor(weight), "bias": torch.tensor(bias)}
    pack.write(OUT, state, {"name": "parapet-intent", "version": "1", "encoder": digest(ENCODER / WEIGHTS), "layer": layer,
                            "threshold": round(threshold, 4)})  # fmt: skip  # the configuration


if __name__ == "__main__":
    main()
