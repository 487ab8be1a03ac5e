"""Word pieces: from texts to the ids that the encoder reads."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from tokenizers import Regex, Tokenizer, pre_tokenizers

from proxy.classifier.card import OUT, Card, Kind
from proxy.classifier.windows import LONGEST, WORD, Counter, Cutter
from proxy.errors import ModelError

UNBROKEN = re.compile(rf"\S{{{LONGEST + 1}}}")  # WordPiece makes one unknown piece of it: it is read in parts
BEGIN, END = 101, 102  # [CLS] and [SEP] in the vocabulary of BERT


class Pieces:
    """The tokenizer of a model."""

    def __init__(self, file: Path, card: Card) -> None:
        """Raises ModelError when the file is no tokenizer."""
        try:
            self.tokenizer = Tokenizer.from_file(str(file))
        except Exception as error:  # noqa: BLE001 - the library raises plain Exceptions
            raise ModelError(f"{file}: it is no tokenizer ({type(error).__name__}): {OUT}") from None
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        apart = pre_tokenizers.Split(Regex(unknown(self.tokenizer.get_vocab())), "isolated")
        self.tokenizer.pre_tokenizer = pre_tokenizers.Sequence([apart, pre_tokenizers.BertPreTokenizer()])
        self.tokenizer.encode_special_tokens = True  # "[SEP]" in a text is text
        self.card = card
        self.counter = Counter(self.counted)

    def counted(self, words: Sequence[str]) -> list[int]:
        """How many pieces each word has."""
        return [len(found.ids) for found in self.tokenizer.encode_batch_fast(list(map(sound, words)), add_special_tokens=False)]

    def room(self, kind: Kind) -> int:
        """The pieces of text that a window has room for."""
        return self.card.window - 2 - (kind in self.card.markers)

    def cutter(self, kind: Kind) -> Cutter:
        """Cuts a text to windows."""
        return Cutter(self.counter, self.room(kind), self.card.overlap)

    def ids(self, text: str, kind: Kind) -> list[int] | None:
        """What the encoder reads of a text; None when it is more than a window."""
        text = sound(text)
        given: str | list[str] = WORD.findall(text) if UNBROKEN.search(text) else text
        whole = isinstance(given, str)
        [read] = self.tokenizer.encode_batch_fast([given], is_pretokenized=not whole, add_special_tokens=False)
        found = read.ids
        if len(found) > self.room(kind):
            return None
        marker = self.card.markers.get(kind)
        return [BEGIN, *([] if marker is None else [marker]), *found, END]

    def placed(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """The ids of a text's pieces, without markers, and where each stands in the text."""
        text = sound(text)
        if not UNBROKEN.search(text):
            [read] = self.tokenizer.encode_batch([text], add_special_tokens=False)
            return read.ids, read.offsets
        words = list(WORD.finditer(text))
        [read] = self.tokenizer.encode_batch([[word[0] for word in words]], is_pretokenized=True, add_special_tokens=False)
        starts = [words[word or 0].start() for word in read.word_ids]  # None: of a marker, and there are none
        return read.ids, [(at + start, at + end) for at, (start, end) in zip(starts, read.offsets, strict=True)]


def unknown(vocabulary: Iterable[str]) -> str:
    """An expression for the characters that are in no word piece: glued to a word, one would make the whole of it unknown."""
    known = sorted({piece for piece in vocabulary if len(piece) == 1})
    return "[^" + r"\s" + "".join(f"\\x{{{ord(sign):X}}}" for sign in known) + "]+"


def sound(text: str) -> str:
    """A text that can be encoded: a lone surrogate, which JSON can hold, is a question mark."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
