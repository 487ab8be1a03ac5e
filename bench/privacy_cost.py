"""What the pattern checks cost, in processor time of one core: text without anything to find, and a chat with five entities."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence

from bench.texts import prose
from proxy.core import Check, Segment

CLEAN, PIECE, CHAT = 100_000, 2500, 2500  # characters of a text, of one that is as short as a message, of a chat
TEXTS, CHATS = 20, 200
SAID = (
    "Call me on +1 (415) 555-{n}.",
    "My card is 4111 1111 1111 1111.",
    "Mail jane{n}@example.com.",
    "My ssn is 536-90-{n}.",
    "The IBAN is GB29 NWBK 6016 1331 9268 19.",
)


def clean(chance: random.Random) -> list[str]:
    """Texts in which there is nothing to find."""
    return [prose(chance, CLEAN) for _ in range(TEXTS)]


def chats(chance: random.Random) -> list[str]:
    """Chats with five entities each, no two alike."""
    room = CHAT - sum(len(said) + 2 for said in SAID)
    made = []
    for _ in range(CHATS):
        sentences = prose(chance, room).split(". ")
        for place, said in enumerate(SAID):
            sentences.insert(3 * place + 1, said.format(n=chance.randrange(1000, 9999)).rstrip("."))
        made.append(". ".join(sentences))
    return made


def seconds(work: Callable[[], object]) -> float:
    """The processor time of some work."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def cost(checks: Sequence[Check]) -> None:
    """Print it."""
    chance = random.Random(3)
    texts, talks = clean(chance), chats(chance)
    short = [text[at : at + PIECE] for text in texts for at in range(0, len(text), PIECE)]
    megabytes = sum(map(len, texts)) / 1e6
    for check in checks:
        check([Segment(texts[0][:PIECE], "user")])  # what is compiled at a first call is so now

    def reads(some: Sequence[str]) -> Callable[[], object]:
        return lambda: [check([Segment(text, "user")]) for text in some for check in checks]

    print("\nwhat it costs, in processor time of one core, without the encoder")
    print(f"  clean text in texts of {CLEAN:,} characters: {megabytes / seconds(reads(texts)):8.1f} MB/s")
    print(f"  clean text in texts of {PIECE:,} characters:   {megabytes / seconds(reads(short)):8.1f} MB/s")
    print(f"  a chat of {CHAT:,} characters with five entities: {1e3 * seconds(reads(talks)) / len(talks):6.2f} ms")
