"""The encoder: a BERT of six layers, a head for each category and one for named entities. In comments: B texts, T tokens."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor, nn
from torch.nn import functional

CASES = 5  # how a word is written: no letters, all lower, Capitalised, ALL UPPER, miXed
ENTITY_HIDDEN = 128


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of an encoder; the defaults are those of MiniLM-L6-H384 (Wang et al. 2020, arXiv:2002.10957)."""

    vocabulary: int = 30522
    positions: int = 512
    layers: int = 6
    hidden: int = 384
    heads: int = 12
    intermediate: int = 1536


class Table(nn.Embedding):
    """A vector for each token. One without memory gets no random numbers: for those, torch would import itself a second time."""

    def reset_parameters(self) -> None:
        """Random numbers, where there is a place for them."""
        if not self.weight.is_meta:
            super().reset_parameters()


class Layer(nn.Module):
    """One layer of BERT (Devlin et al. 2018, arXiv:1810.04805), its three projections in one matrix."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.qkv = nn.Linear(shape.hidden, 3 * shape.hidden)
        self.out = nn.Linear(shape.hidden, shape.hidden)
        self.norm = nn.LayerNorm(shape.hidden, eps=1e-12)
        self.up = nn.Linear(shape.hidden, shape.intermediate)
        self.down = nn.Linear(shape.intermediate, shape.hidden)
        self.last = nn.LayerNorm(shape.hidden, eps=1e-12)

    def forward(
        self, x: Tensor, mask: Tensor | None, dropout: float
    ) -> Tensor:  # x: B T H; mask: B 1 1 T, true where there is text
        b, t, h = x.shape
        q, k, v = self.qkv(x).view(b, t, 3, self.heads, h // self.heads).permute(2, 0, 3, 1, 4)  # each B heads T H/heads
        seen = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout if self.training else 0.0)
        seen = self.out(seen.transpose(1, 2).reshape(b, t, h))
        x = self.norm(x + functional.dropout(seen, dropout, self.training))
        more = self.down(functional.gelu(self.up(x)))
        return self.last(x + functional.dropout(more, dropout, self.training))  # type: ignore[no-any-return]  # torch is typed loosely


class Encoder(nn.Module):
    """Texts in, a vector for each token out; `categories` and `entities` read those."""

    def __init__(self, shape: Shape, labels: int, entities: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.shape, self.dropout = shape, dropout
        self.words = Table(shape.vocabulary, shape.hidden)
        self.places = Table(shape.positions, shape.hidden)
        self.norm = nn.LayerNorm(shape.hidden, eps=1e-12)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.attend = nn.Linear(shape.hidden, labels)  # where each category looks
        self.judge = nn.Linear(shape.hidden, labels)  # and what it makes of what it sees there
        self.cased = nn.Linear(shape.hidden + 3 * CASES, ENTITY_HIDDEN)
        self.tag = nn.Linear(ENTITY_HIDDEN, entities + 1)  # 0: no entity

    def forward(
        self, ids: Tensor, mask: Tensor | None = None, layers: int | None = None
    ) -> Tensor:  # ids: B T; mask: B T, true where there is text; layers: how many, left out: all -> B T H
        return self.onward(self.begun(ids), mask, 0, layers)

    def begun(self, ids: Tensor) -> Tensor:  # ids: B T -> B T H
        """What goes into the first layer."""
        x = self.norm(self.words(ids) + self.places.weight[: ids.shape[1]])
        return functional.dropout(x, self.dropout, self.training)

    def onward(self, x: Tensor, mask: Tensor | None, begin: int, end: int | None) -> Tensor:  # B T H -> B T H
        """What the layers from `begin` to `end` make of it."""
        wide = None if mask is None else mask[:, None, None, :]
        for layer in islice(self.layers, begin, end):
            x = layer(x, wide, self.dropout)
        return torch.as_tensor(x)

    def categories(self, x: Tensor, mask: Tensor | None = None) -> Tensor:  # B T H -> B labels
        """The logit of each category. Each weighs the tokens for itself: one sentence in a long text is not averaged away."""
        weight: Tensor = self.attend(x)  # B T L
        if mask is not None:
            weight = weight.masked_fill(~mask[:, :, None], float("-inf"))
        value: Tensor = self.judge(x)  # B T L
        return (weight.softmax(1) * value).sum(1)

    def entities(self, x: Tensor, cases: Tensor) -> Tensor:  # B T H, B T -> B T 1+entities
        """The logits of each token's entity. The word pieces know no capitals, so `cases` says how each token is written."""
        here = functional.one_hot(cases, CASES).to(x.dtype)
        before, after = functional.pad(here, (0, 0, 1, 0))[:, :-1], functional.pad(here, (0, 0, 0, 1))[:, 1:]
        known = torch.cat((x, before, here, after), -1)
        return self.tag(functional.gelu(self.cased(known)))  # type: ignore[no-any-return]  # torch is typed loosely
