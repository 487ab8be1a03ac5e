"""What looks like a Latin letter, from Unicode TR 39 (confusables.txt), as far as common fonts hardly tell the two apart.

CLOSE letters look the same; LOOSE ones are what people write "in Cyrillic" or "in Greek" letters and are read as Latin only
in a word that mixes scripts. Latin letters of living orthographies (ı, ł, đ, ø) are no lookalikes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

Kind = Literal["latin", "close", "mixed", "woven", "foreign"]
LATIN = frozenset({"latin", "mixed", "woven"})
CHANGED = {True: frozenset({"close", "mixed", "woven"}), False: frozenset({"woven"})}  # by whether the text is mostly Latin

CLOSE = {
    # Cyrillic
    "а": "a", "с": "c", "ԁ": "d", "е": "e", "һ": "h", "і": "i", "ј": "j", "ӏ": "l", "о": "o", "р": "p", "ԛ": "q", "ѕ": "s",
    "ѵ": "v", "ԝ": "w", "х": "x", "у": "y", "ү": "y", "А": "A", "В": "B", "С": "C", "Е": "E", "Н": "H", "І": "I", "Ј": "J",
    "К": "K", "М": "M", "О": "O", "Р": "P", "Ԛ": "Q", "Ѕ": "S", "Т": "T", "Ѵ": "V", "Ԝ": "W", "Х": "X", "У": "Y", "Ү": "Y",
    "Ӏ": "I", "ԍ": "g", "Ԍ": "G", "ҽ": "e",
    # Greek
    "α": "a", "ο": "o", "ν": "v", "ρ": "p", "ι": "i", "υ": "u", "ϲ": "c", "ϳ": "j", "χ": "x", "Α": "A", "Β": "B", "Ε": "E",
    "Ζ": "Z", "Η": "H", "Ι": "I", "Κ": "K", "Μ": "M", "Ν": "N", "Ο": "O", "Ρ": "P", "Τ": "T", "Υ": "Y", "Χ": "X", "Ϲ": "C",
    "Ϳ": "J",
    # Armenian
    "օ": "o", "ո": "n", "ս": "u", "հ": "h", "ց": "g", "զ": "q", "ք": "p", "Ս": "U", "Օ": "O", "ղ": "n", "ռ": "n",
    # Cherokee
    "Ꭰ": "D", "Ꭱ": "R", "Ꭲ": "T", "Ꭵ": "i", "Ꭺ": "A", "Ꭻ": "J", "Ꭼ": "E", "Ꮃ": "W", "Ꮇ": "M", "Ꮋ": "H", "Ꮍ": "Y", "Ꮐ": "G",
    "Ꮓ": "Z", "Ꮥ": "S", "Ꮩ": "V", "Ꮪ": "S", "Ꮮ": "L", "Ꮯ": "C", "Ꮲ": "P", "Ꮶ": "K", "Ᏼ": "B",
    # Coptic, and the phonetic letters and small capitals of Latin
    "ⲟ": "o", "ⲣ": "p", "ⲥ": "c", "ɑ": "a", "ɡ": "g", "ɩ": "i", "ɪ": "i", "ʏ": "y", "ɴ": "n", "ʀ": "r", "ᴀ": "a", "ʙ": "b",
    "ᴄ": "c", "ᴅ": "d", "ᴇ": "e", "ɢ": "g", "ʜ": "h", "ᴊ": "j", "ᴋ": "k", "ʟ": "l", "ᴍ": "m", "ᴏ": "o", "ᴘ": "p", "ᴛ": "t",
    "ᴜ": "u", "ᴠ": "v", "ᴡ": "w", "ᴢ": "z", "ꜰ": "f", "ꜱ": "s", "ꞯ": "q",
}  # fmt: skip  # a list reads better in rows
LOOSE = {
    "в": "b", "к": "k", "м": "m", "н": "h", "т": "t", "г": "r", "п": "n", "и": "u", "ь": "b", "я": "r", "З": "3", "з": "3",
    "б": "6", "ц": "u", "ш": "w", "щ": "w", "Я": "R", "И": "N", "П": "N", "Ш": "W", "є": "e", "Є": "E", "ё": "e", "Ё": "E",
    "ї": "i", "Ї": "I", "й": "u", "β": "b", "ε": "e", "κ": "k", "τ": "t", "γ": "y", "η": "n", "ω": "w", "μ": "u", "ζ": "z",
    "σ": "o", "ς": "s", "έ": "e", "ά": "a", "ό": "o", "ί": "i", "ή": "n", "ύ": "u", "θ": "o", "δ": "d", "λ": "l", "π": "n",
}  # fmt: skip  # the same
# Letters in black circles and squares, which have no compatibility form, and in parentheses, whose form is three characters.
ENCLOSED_AT = ((0x1F150, "A"), (0x1F170, "A"), (0x1F110, "A"), (0x249C, "a"), (0x1F1E6, "A"))
ENCLOSED = {chr(start + i): chr(ord(first) + i) for start, first in ENCLOSED_AT for i in range(26)}
ALL = CLOSE | LOOSE
LETTERS = {ord(look): letter for look, letter in ALL.items()}


def classes(pairs: Iterable[str]) -> str:
    """The characters as the inside of a regular expression's class."""
    return re.escape("".join(sorted(pairs)))


LOOK = re.compile(f"[{classes(ALL)}]")
LATIN_LETTER = re.compile("[a-zA-Z\u00c0-\u024fɢɪɴʀʏʙʜʟᴀᴄᴅᴇᴊᴋᴍᴏᴘᴛᴜᴠᴡᴢꜰꜱꞯ]")  # small capitals too: no other script has them
WORD = re.compile(r"[^\W\d_]+")
RUN = re.compile(r"[a-zA-Z\u00c0-\u024f]+|[^a-zA-Z\u00c0-\u024f]+")


def latinised(text: str) -> str:
    """The text with look-alikes read as Latin letters where no writer of another script would have put them; of the same length.

    A word of Latin letters and look-alikes is folded: in a text with more words of another script only if it changes script
    twice ("SMSка" has a Russian ending). A word of close look-alikes alone is folded if most words are Latin and no word of
    its script stands beside it. A Greek letter by itself is a symbol and stays.
    """
    if not LOOK.search(text) or not LATIN_LETTER.search(text):
        return text
    every = WORD.findall(text)
    kinds = {word: kind(word) for word in set(every)}
    foreign = sum(len(word) for word in every if kinds[word] == "foreign")
    mostly = sum(len(word) for word in every if kinds[word] in LATIN) >= foreign
    if CHANGED[mostly].isdisjoint(kinds.values()):
        return text
    parts, done = [], 0
    for at, match in enumerate(WORD.finditer(text)):
        word = match[0]
        if kinds[word] not in CHANGED[mostly]:
            continue
        if kinds[word] != "close" or not any(kinds[near] == "foreign" for near in every[max(at - 1, 0) : at + 2]):
            parts += [text[done : match.start()], word.translate(LETTERS)]
            done = match.end()
    return "".join([*parts, text[done:]])


def kind(word: str) -> Kind:
    """What a word is written in. close: look-alikes alone; mixed: with Latin letters; woven: mixed, and changing script twice."""
    if word.isascii():
        return "latin"
    runs = RUN.findall(word)
    others = "".join(run for run in runs if not run[0].isascii() and not "\u00c0" <= run[0] <= "\u024f")
    if not others:
        return "latin"
    if len(runs) == 1:
        greek = len(word) == 1 and "\u0370" <= word <= "\u03ff"
        return "close" if not greek and all(letter in CLOSE for letter in word) else "foreign"
    if not all(letter in ALL for letter in others):
        return "foreign"
    return "woven" if len(runs) > 2 else "mixed"
