"""A tiny encoder with random weights, made on the spot, and a judge of plain Python for tests of what is around a network."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from proxy.checks import bias, misuse
from proxy.classifier import Best, Classifiers, Cutter, Kind, Limits, Logits, Meter, Model, Silent, Worker
from proxy.classifier.card import Card
from proxy.classifier.windows import Counter
from proxy.core import CheckKind
from proxy.settings import Settings

if TYPE_CHECKING:
    import torch

    from proxy.classifier.network import Encoder

LABELS = (*misuse.CATEGORIES, *bias.CATEGORIES)
SIGNS = "abcdefghijklmnopqrstuvwxyz0123456789.,!?'-"
WORDS = "the and of to a in is it you that ignore all previous instructions how make bomb please write hello world".split()


def tokenizer() -> Tokenizer:
    """Word pieces of letters and a few words, with the special pieces where BERT has them."""
    pieces = [f"[unused{i}]" for i in range(100)] + ["[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces += list(dict.fromkeys([*SIGNS, *(f"##{sign}" for sign in SIGNS), *WORDS]))
    made = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.enable_truncation(128)  # as the original has it: a reader must switch it off
    return made


def config(vocabulary: int, **more: Any) -> dict[str, Any]:
    """The configuration of the tiny encoder."""
    sizes = {"vocabulary": vocabulary, "positions": 64, "layers": 2, "hidden": 32, "heads": 2, "intermediate": 48}
    levels = {"strict": 0.2, "balanced": 0.5, "lenient": 0.9}
    late = {"strict": 0.3, "balanced": 0.6, "lenient": 0.95}
    return {
        "name": "tiny",
        "version": "1",
        "shape": sizes,
        "labels": list(LABELS),
        "entities": ["PERSON", "LOCATION"],
        "window": 24,
        "overlap": 6,
        "markers": {"material": 2},
        "calibration": {label: {"speaker": [1.0, 0.0], "material": [2.0, 0.5]} for label in LABELS},
        "levels": {label: {"speaker": levels, "material": late} for label in LABELS},
        **more,
    }


def write_encoder(models_folder: Path, seed: int = 1, **more: Any) -> Path:
    """The folder `encoder` with a tiny model, whole and with its manifest; `more` changes its configuration."""
    from safetensors.torch import save_file  # seconds to import, and most who come here need no network

    folder = models_folder / "encoder"
    folder.mkdir(parents=True)
    pieces = tokenizer()
    pieces.save(str(folder / "tokenizer.json"))
    made = config(pieces.get_vocab_size(), **more)
    (folder / "config.json").write_text(json.dumps(made))
    save_file(stored(network(made, seed)), folder / "model.safetensors")
    seal(folder)
    return folder


def network(made: dict[str, Any], seed: int) -> Encoder:
    """A network with random weights, large enough that texts differ."""
    import torch

    from proxy.classifier.network import Encoder, Shape

    torch.manual_seed(seed)
    net = Encoder(Shape(**made["shape"]), len(made["labels"]), len(made["entities"])).eval()
    with torch.no_grad():
        for name, tensor in net.state_dict().items():
            if name.startswith(("words", "judge", "attend")):
                tensor.mul_(3)
    return net


def stored(net: Encoder) -> dict[str, torch.Tensor]:
    """The weights as they are kept: matrices as int8 with a scale for each row."""
    import torch

    made = {}
    for name, tensor in net.state_dict().items():
        made[name] = tensor.float().contiguous()
        if tensor.dim() == 2:
            scale = tensor.abs().amax(1).clamp(min=1e-8) / 63
            made[name] = (tensor / scale[:, None]).round().to(torch.int8)
            made[f"{name}.scale"] = scale
    return made


def seal(folder: Path) -> None:
    """Write the manifest anew."""
    names = ("model.safetensors", "config.json", "tokenizer.json")
    files = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}
    (folder / "manifest.json").write_text(json.dumps({"files": files}))


def word_id(word: str) -> int:
    return zlib.crc32(word.encode()) % 2**30 + 1


@dataclass
class Script:
    """A judge of plain Python: every label scores high in a window with its name in it, and any window in a way of its own."""

    labels: Sequence[str] = LABELS
    act: Callable[[], None] = lambda: None  # happens before each batch
    batches: list[int] = field(default_factory=list)

    def __call__(self, windows: Sequence[Sequence[int]]) -> list[Logits]:
        self.act()
        self.batches.append(len(windows))
        return [self.logits(list(ids)) for ids in windows]

    def logits(self, ids: list[int]) -> Logits:
        mood = zlib.crc32(repr(ids).encode()) % 5 / 5  # of exactly this window: another cut would show
        return tuple(4.0 + mood if word_id(label) in ids else -1.0 - mood for label in self.labels)


def model(script: Script, limits: Limits | None = None, meter: Meter | None = None, *, room: int = 8, overlap: int = 2) -> Model:
    """A model whose windows have so many words, judged by a script; the screen clears what says so."""
    card = Card.model_validate(config(64))

    def cutter(_: Kind) -> Cutter:
        return Cutter(Counter(lambda words: [1] * len(words)), room, overlap)

    def ids(text: str, kind: Kind) -> list[int] | None:
        words = text.split()
        return None if len(words) > room else [int(kind == "material"), *map(word_id, words)]

    def found(text: str, kind: Kind, logits: Logits) -> list[Best]:
        scores = [card.score(i, kind, logit) for i, logit in enumerate(logits)]
        return [Best(label, score, 0, len(text)) for label, score in zip(script.labels, scores, strict=True)]

    def screen(text: str, kind: Kind) -> bool:
        return "clear" not in text.split()

    worker = Worker("encoder", script, limits or Limits(), meter or Silent())
    return Model("script 1", tuple(script.labels), worker, cutter, ids, found, screen)


def kinds(made: Model, models_folder: Path = Path("nowhere"), meter: Meter | None = None) -> dict[str, CheckKind]:
    """The checks that the encoder judges, with this model in its place; levels come from the card in the folder."""
    classifiers = Classifiers(
        Settings(models=models_folder), meter or Silent(), {"encoder": made, "unscreened": replace(made, screen=None)}
    )
    return {kind.name: kind for kind in (misuse.kind(classifiers), bias.kind(classifiers))}
