"""Runs in an encoding of bytes or characters: base64 and 32, numbers to some base, escapes of URLs, HTML and code, Morse."""

from __future__ import annotations

import binascii
import html
import re
from base64 import b32decode
from collections.abc import Callable, Iterator
from string import ascii_letters, ascii_uppercase, digits, hexdigits

from proxy.text.alignment import Edit
from proxy.text.runs import Run, Source, classes, known, readable, telling, whole

LONG = 16  # characters of base64 or hexadecimal
B64 = "A-Za-z0-9+/_-"
# No expression here looks past a possessive run, which would be gone over again from each of its parts.
BASE64 = re.compile(f"(?<![{B64}])(?:(?:[{B64}]{{40,}}+\\r?\\n)++[{B64}]*+|[{B64}]{{{LONG},}}+)={{0,2}}")
BASE64_SHAPE = classes((ascii_letters + digits + "+/_-", "a"))
STANDARD = str.maketrans("-_", "+/", "\r\n=")
HEX = re.compile(r"(?<![0-9A-Za-z])(?:(?:0x)?[0-9A-Fa-f]{2}(?:, |[ :,-])?){8,}+")
HEX_SHAPE = classes((hexdigits, "a"), (" :,-", "."))
HEX_SIGNS = (b"a" * LONG, b"aa.aa.aa.aa", b"aa..aa..aa..aa", b"axaa.axaa.axaa", b"axaa..axaa..axaa")
NOT_HEX = re.compile("0x|[^0-9A-Fa-f]")
BASE32 = re.compile(f"(?<![A-Za-z0-9])[A-Z2-7]{{{LONG},}}+={{0,6}}(?![A-Za-z0-9])")
BASE32_SHAPE = classes((ascii_uppercase + "234567", "A"))
BASE32_TAILS = (0, 0, 2, 2, 4, 5, 5, 7)  # how many of the characters after the last eight make whole bytes
BINARY = re.compile(r"(?<!\d)[01]{8}(?:[ ,]?[01]{8}){4,}+")
DECIMAL = re.compile(r"(?<![\d.])\d{2,3}(?:[ ,]{1,2}\d{2,3}(?!\d)){7,}+")
NUMBER_SHAPE = classes((digits, "1"), (" ,", "."))
URL = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
BYTES = re.compile(r"(?:\\x[0-9A-Fa-f]{2})+")
CODES = re.compile(r"(?:\\u[0-9A-Fa-f]{4}|\\u\{[0-9A-Fa-f]{1,6}\}|\\U[0-9A-Fa-f]{8})+")
CODE = re.compile(r"\\u\{([0-9A-Fa-f]+)\}|\\u([dD][89abAB][0-9A-Fa-f]{2}\\u[dD][c-fC-F][0-9A-Fa-f]{2})|\\[uU]([0-9A-Fa-f]+)")
ENTITIES = re.compile(r"(?:&#[0-9]{1,7};?|&#[xX][0-9A-Fa-f]{1,6};?|&[A-Za-z]{2,24};)+")
ENTITY = re.compile("&[^&]+")
FEW, MANY = 3, 6  # escapes of ASCII letters, or of letters at all, that make more than an ordinary escape or two
MORSE = re.compile(r"(?<![^\s/|])[.-]{1,6}(?:[ /|]{1,3}[.-]{1,6}){7,}+")
MORSE_SHAPE = classes((".-", "a"), (" /|", "."))
MORSE_CODES = dict(
    zip(
        (
            ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- -..- -.-- --.. "
            "----- .---- ..--- ...-- ....- ..... -.... --... ---.. ----."
        ).split(),
        "abcdefghijklmnopqrstuvwxyz0123456789",
        strict=True,
    )
)


def base64(found: Source) -> Iterator[Run]:
    """Base64, standard and safe for URLs, of 16 characters or more that decode to a text; if not as a whole, its parts."""
    if b"a" * LONG not in found.shape(BASE64_SHAPE):
        return
    for match in BASE64.finditer(found.text):
        start, end = match.span()
        whole_run = match[0]
        text = unbase64(whole_run)
        if text is None and "\n" in whole_run:  # a word on the line after it is no part of it
            end = start + whole_run.rindex("\n")
            text = unbase64(whole_run[: end - start])
        if text is not None:
            yield whole("base64", start, end, text)
            continue
        for part in re.finditer(rf"[A-Za-z0-9+]{{{LONG},}}+={{0,2}}", whole_run):
            text = unbase64(part[0]) if len(part[0]) < len(whole_run) else None
            if text is not None:
                yield whole("base64", start + part.start(), start + part.end(), text)


def unbase64(run: str) -> str | None:
    """What a run of base64 says, None if that is no text."""
    digits64 = run.translate(STANDARD)
    digits64 = digits64[: len(digits64) - (len(digits64) % 4 == 1)]
    text = decoded(binascii.a2b_base64(digits64 + "=" * (-len(digits64) % 4)))
    return text if text is not None and telling(text) else None


def decoded(raw: bytes) -> str | None:
    """Bytes as the text that they are in UTF-8, or in UTF-16 of ASCII; None if that is no text."""
    if len(raw) >= LONG and not raw[1::2].strip(b"\0") and raw[::2].isascii():
        raw = raw[::2]
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        if error.start < len(raw) - 3 or error.start < LONG // 2:  # a character that is cut at the end is no reason
            return None
        text = raw[: error.start].decode()
    return text if readable(text) else None


def hexadecimal(found: Source) -> Iterator[Run]:
    """Pairs of hexadecimal digits, with or without separators, eight or more, that decode to a text."""
    shape = found.shape(HEX_SHAPE)
    if not any(sign in shape for sign in HEX_SIGNS):
        return
    for match in HEX.finditer(found.text):
        run = match[0].rstrip(" :,-")
        pairs = NOT_HEX.sub("", run)
        text = decoded(bytes.fromhex(pairs)) if len(pairs) % 2 == 0 else None
        if text is not None and hidden(text, numeric=pairs.isdecimal()):
            yield whole("hex", match.start(), match.start() + len(run), text)


def hidden(text: str, *, numeric: bool) -> bool:
    """Whether digits are likely meant as this text: numbers and identifiers are digits as well."""
    letters = sum(char.isalpha() or char == " " for char in text)
    if letters * 10 < len(text) * 7:
        return False
    foreign = sum(char.isalpha() and not char.isascii() for char in text[:1000])
    return not numeric or foreign > FEW or any(known(word) for word in re.findall("[a-z]{3,}", text[:1000].lower()))


def base32(found: Source) -> Iterator[Run]:
    """Base32 of 16 characters or more that decode to a text."""
    if b"A" * LONG not in found.shape(BASE32_SHAPE):
        return
    for match in BASE32.finditer(found.text):
        run = match[0].rstrip("=")
        run = run[: len(run) - len(run) % 8 + BASE32_TAILS[len(run) % 8]]
        text = decoded(b32decode(run + "=" * (-len(run) % 8)))
        if text is not None and telling(text):
            yield whole("base32", *match.span(), text)


def numbers(found: Source) -> Iterator[Run]:
    """Bytes as binary numbers, five or more, or as decimal ones, eight or more."""
    shape = found.shape(NUMBER_SHAPE)
    if b"1" * 8 in shape:
        for match in BINARY.finditer(found.text):
            bits = re.sub("[ ,]", "", match[0])
            yield from number("binary", match, bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)))
    if b"11.11" in shape or b"11..11" in shape:
        for match in DECIMAL.finditer(found.text):
            values = [int(value) for value in re.findall(r"\d+", match[0])]
            yield from number("decimal", match, bytes(values) if max(values) < 256 else b"")


def number(kind: str, match: re.Match[str], raw: bytes) -> Iterator[Run]:
    """A run of numbers, if as bytes they are a text."""
    text = decoded(raw)
    if text is not None and hidden(text, numeric=True):
        yield whole(kind, *match.span(), text)


def url(found: Source) -> Iterator[Run]:
    """Percent-encoding, where it is there to hide: letters and digits need none."""
    if b"%" in found.raw:
        yield from escaped("url", found, URL, lambda run: octets(run, 3))


def escapes(found: Source) -> Iterator[Run]:
    r"""The escapes \x41, \u0041, \U00000041 and \u{41}, where letters are written so."""
    if b"\\" in found.raw:
        yield from escaped("escapes", found, BYTES, lambda run: octets(run, 4))
        yield from escaped("escapes", found, CODES, codes)


def entities(found: Source) -> Iterator[Run]:
    """Character references of HTML, where letters are written so."""
    if b"&" in found.raw:
        yield from escaped("html", found, ENTITIES, references)


def escaped(kind: str, found: Source, pattern: re.Pattern[str], read: Callable[[str], list[tuple[int, str]]]) -> Iterator[Run]:
    """The escapes of one kind, if enough of them are letters. `read` gives the length and the character of each."""
    runs, plain, letters = list[Run](), 0, 0
    for match in pattern.finditer(found.text):
        place, edits, among = match.start(), list[Edit](), 0
        for length, char in read(match[0]):
            if char:
                edits.append(Edit(place, place + length, char))
            among += char.isalpha()
            plain += char.isalnum() and char.isascii()
            place += length
        ranged = "-" in (found.text[match.start() - 1 : match.start()], found.text[match.end() : match.end() + 1])
        if ranged and len(edits) == 1:  # [\x41-\x5a]
            plain -= 1
        letters += among if among > 1 else 0  # a word with one letter escaped can be read
        if edits:
            runs.append(Run(kind, match.start(), match.end(), tuple(edits)))
    if plain >= FEW or letters >= MANY:
        yield from runs


def octets(run: str, width: int) -> list[tuple[int, str]]:
    """Escaped bytes, `width` characters each, as UTF-8; one by one where they are not."""
    raw = bytes.fromhex("".join(run[i : i + 2] for i in range(width - 2, len(run), width)))
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = ""
    if text:
        return [(len(char.encode()) * width, char) for char in text]
    return [(width, chr(byte)) for byte in raw]


def codes(run: str) -> list[tuple[int, str]]:
    """Escaped code points; the two halves of a pair are one."""
    return [(len(match[0]), code_point(match)) for match in CODE.finditer(run)]


def code_point(match: re.Match[str]) -> str:
    """The character of one escape; none for what is no character."""
    if match[2]:
        high, low = int(match[2][:4], 16), int(match[2][6:], 16)
        return chr(0x10000 + ((high - 0xD800) << 10) + low - 0xDC00)
    code = int(match[1] or match[3], 16)
    return "" if code > 0x10FFFF or 0xD800 <= code < 0xE000 else chr(code)


def references(run: str) -> list[tuple[int, str]]:
    """Character references; none for a name that HTML does not know."""
    parts = ENTITY.findall(run)
    return [(len(part), "" if (char := html.unescape(part)) == part else char) for part in parts]


def morse(found: Source) -> Iterator[Run]:
    """Morse code of eight letters or more with a common word in it."""
    shape = found.shape(MORSE_SHAPE)
    if b"a.a.a" not in shape and b"aa.a" not in shape:
        return
    for match in MORSE.finditer(found.text):
        words = [word.split() for word in re.split(r" ?[/|] ?| {2,}", match[0])]
        text = " ".join("".join(MORSE_CODES.get(code, "") for code in word) for word in words)
        if any(len(word) > 2 and known(word) for word in text.split()):
            yield whole("morse", *match.span(), text)
