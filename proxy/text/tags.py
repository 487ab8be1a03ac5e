"""Text in characters that nobody sees: tags (U+E0020 to U+E007E), and bytes as variation selectors."""

from __future__ import annotations

import re
from collections.abc import Iterator

from proxy.text.alignment import Edit

FLAG = re.compile("\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f")  # of England, Scotland, Wales, Texas
TAGS = re.compile("[\U000e0020-\U000e007e]{2,}")
SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]{4,}")
HIDDEN = re.compile("[\ufe00-\ufe0f\U000e0020-\U000e01ef]{2}")


def unseen(text: str) -> list[Edit]:
    """The edits that leave of a text what it says in characters that nobody sees; none if it says nothing so."""
    if text.isascii() or not HIDDEN.search(text):
        return []
    flags = {match.end() - 1 for match in FLAG.finditer(text)}
    edits, done = list[Edit](), 0
    for start, end, said in sorted([*tags(text, flags), *selectors(text)]):
        edits.append(Edit(done, start, "\n" if edits and start > done else ""))
        if len(said) == end - start:
            edits += (Edit(start + i, start + i + 1, char) for i, char in enumerate(said))
        else:
            edits.append(Edit(start, end, said))
        done = end
    return [*edits, Edit(done, len(text), "")] if edits else []


def tags(text: str, flags: set[int]) -> Iterator[tuple[int, int, str]]:
    """What tags say; those that make a flag of an emoji say nothing."""
    for match in TAGS.finditer(text):
        if match.end() not in flags:
            yield match.start(), match.end(), "".join(chr(ord(char) - 0xE0000) for char in match[0])


def selectors(text: str) -> Iterator[tuple[int, int, str]]:
    """What bytes written as variation selectors say, where they are UTF-8."""
    for match in SELECTORS.finditer(text):
        raw = bytes(code - 0xFE00 if (code := ord(char)) < 0xFE10 else code - 0xE0100 + 16 for char in match[0])
        said = raw.decode(errors="ignore")
        if said.strip() and all(char.isprintable() or char.isspace() for char in said):
            yield match.start(), match.end(), said
