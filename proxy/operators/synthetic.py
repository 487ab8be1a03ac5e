"""Stand-ins: plausible, in the format of what they stand for, and nobody's; the same value always has the same one.

Cards, accounts, numbers and addresses come from ranges that are kept for tests, for documentation or for fiction, or that are
never given out. Where no such range is known, letters stand for letters, digits for digits; check digits fit by accident alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256

from proxy.operators import standins

TRIES = 8  # for one that is not the value itself
Draw = Iterator[int]  # bytes, without end
EMAIL = re.compile(r"[A-Za-z]+|[0-9]+")
DATE = re.compile(r"(?<!\d)(\d{4})([-/.])(\d{1,2})\2(\d{1,2})(?!\d)|(?<!\d)(\d{1,2})([-/.])(\d{1,2})\6(\d{2,4})(?!\d)")


def synthetic(category: str, value: str, digest: Callable[[int], bytes]) -> str:
    """A stand-in for a value, empty if there is none; `digest` gives 32 bytes for each try, by key, category and value."""
    make = MAKERS.get(category, formatted)
    for number in range(TRIES):
        made = make(value, drawn(digest(number)))
        if made != value:
            return made
    return ""


def drawn(seed: bytes) -> Draw:
    """Bytes without end from a seed."""
    while True:
        seed = sha256(seed).digest()
        yield from seed


def below(draw: Draw, limit: int) -> int:
    """A number from 0 up to `limit`, exclusive."""
    return int.from_bytes(bytes(next(draw) for _ in range(4)), "big") % limit


def one(draw: Draw, of: tuple[str, ...]) -> str:
    return of[below(draw, len(of))]


def formatted(value: str, draw: Draw) -> str:
    """Letters for letters, digits for digits; everything else stays."""
    return "".join(like(char, draw) for char in value)


def like(char: str, draw: Draw) -> str:
    """A character of the same kind."""
    if char.isdigit():
        return str(below(draw, 10))
    if char.isalpha():
        letter = "abcdefghijklmnopqrstuvwxyz"[below(draw, 26)]
        return letter.upper() if char.isupper() else letter
    return char


def filled(value: str, digits: str) -> str:
    """The value with other digits in the places of its own."""
    left = iter(digits)
    return "".join(next(left) if char.isdigit() else char for char in value)


def digits_of(value: str) -> str:
    return "".join(char for char in value if char.isdigit())


def card(value: str, draw: Draw) -> str:
    """A card number of the same brand and length, in a test range, that passes Luhn's check."""
    own = digits_of(value)
    prefix = next((test for begins, test in standins.CARDS.items() if own.startswith(begins)), "400000")
    if len(own) < len(prefix) + 2:
        return formatted(value, draw)
    body = prefix + "".join(str(below(draw, 10)) for _ in range(len(own) - len(prefix) - 1))
    return filled(value, body + luhn(body))


def luhn(body: str) -> str:
    """The check digit (ISO/IEC 7812-1, annex B)."""
    total = sum(sum(divmod(int(digit) * (1 + (place % 2 == 0)), 10)) for place, digit in enumerate(reversed(body)))
    return str(-total % 10)


def iban(value: str, draw: Draw) -> str:
    """An account of the same country and form at a bank that there is not, with its check digits (ISO 13616)."""
    plain = re.sub(r"[^0-9A-Za-z]", "", value).upper()
    if len(plain) < 12 or not plain[:2].isalpha():
        return formatted(value, draw)
    bank = "".join("0" if char.isdigit() else "X" for char in plain[4:8])
    body = bank + formatted(plain[8:], draw)
    number = int("".join(str(int(char, 36)) for char in body + plain[:2] + "00"))
    made = iter(f"{plain[:2]}{98 - number % 97:02d}{body}")
    return "".join(next(made) if char.isascii() and char.isalnum() else char for char in value)


def email(_: str, draw: Draw) -> str:
    """At example.com, which is nobody's (RFC 2606)."""
    return f"{one(draw, standins.FIRST)}.{one(draw, standins.LAST)}{10 + below(draw, 90)}@example.com".lower()


def link(value: str, draw: Draw) -> str:
    """The same kind of link, at example.com."""
    scheme, mark, rest = value.partition("://")
    head = scheme + mark if mark else ""
    path = (rest if mark else value).partition("/")[2]
    return f"{head}{one(draw, standins.LAST).lower()}{10 + below(draw, 90)}.example.com" + (
        f"/{formatted(path, draw)}" if path else ""
    )


def phone(value: str, draw: Draw) -> str:
    """A number that is kept for fiction where that is known; else one whose subscriber's part begins with zeros, as none does."""
    own = digits_of(value)
    plus = value.lstrip().startswith("+")
    prefix = next((code for code in standins.FICTION if plus and own.startswith(code)), "")
    if not plus and len(own) == 10 and not own.startswith("0"):
        begins = "20255501"  # as North America writes it
    elif prefix:
        begins = prefix + next((each for each in standins.FICTION[prefix] if len(prefix + each) < len(own)), "")
    else:
        keep = 2 if plus else 1
        begins = own[:keep] + "000"
    rest = len(own) - len(begins)
    if rest < 1:
        return filled(value, "0" * (len(own) - 1) + str(below(draw, 10)) if own else "")
    return filled(value, begins + "".join(str(below(draw, 10)) for _ in range(rest)))


def person(value: str, draw: Draw) -> str:
    """As many names as there are words; initials and titles stay what they are."""
    words, made = value.split(), list[str]()
    for place, word in enumerate(words):
        if word.rstrip(".").lower() in standins.TITLES:
            made.append(word)
        elif len(word.rstrip(".")) == 1:
            made.append(like(word[0], draw).upper() + word[1:])
        else:
            name = one(draw, standins.LAST if place and place == len(words) - 1 else standins.FIRST)
            made.append(name.upper() if word.isupper() else name.lower() if word.islower() else name)
    return " ".join(made)


def place(value: str, draw: Draw) -> str:
    """A town that is nowhere; house numbers and codes in their own format."""
    return one(draw, standins.PLACES) if not any(map(str.isdigit, value)) else street(value, draw)


def street(value: str, draw: Draw) -> str:
    """Digits for digits, a street's name for its words."""
    name = one(draw, standins.PLACES)
    number = re.search(r"\d+[A-Za-z]?", value)
    if number is None:
        return name
    shown = formatted(number[0], draw)
    return f"{shown} {name} Street" if number.start() == 0 else f"{name} Street {shown}"


def network(value: str, draw: Draw) -> str:
    """An address from the ranges that are kept for documentation (RFC 5737, RFC 3849); a network's length stays."""
    address, slash, length = value.partition("/")
    if ":" in address:
        made = "2001:db8::" + f"{below(draw, 65536):x}:{below(draw, 65536):x}"
    else:
        made = f"{one(draw, ('192.0.2', '198.51.100', '203.0.113'))}.{1 + below(draw, 254)}"
    return made + slash + length


def hardware(value: str, draw: Draw) -> str:
    """A locally administered address (IEEE 802): no maker's."""
    left = iter("02" + "".join("0123456789abcdef"[below(draw, 16)] for _ in range(10)))
    made = [next(left, "0") if char in "0123456789abcdefABCDEF" else char for char in value]
    return "".join(made).upper() if value.isupper() else "".join(made)


def identifier(value: str, draw: Draw) -> str:
    """A UUID of the same version and variant (RFC 9562), or a digest: hexadecimal digits for hexadecimal digits."""
    digits = "0123456789ABCDEF" if any(char in "ABCDEF" for char in value) else "0123456789abcdef"
    fixed = {14, 19} if len(value) == 36 else set[int]()
    shown = (digits[below(draw, 16)] if char in "0123456789abcdefABCDEF" else char for char in value)
    return "".join(value[i] if i in fixed else char for i, char in enumerate(shown))


def social(value: str, draw: Draw) -> str:
    """A number of the area 666, which is never given out (Social Security Administration, randomization)."""
    own = digits_of(value)
    return (
        filled(value, "666" + "".join(str(below(draw, 10)) for _ in range(len(own) - 3)))
        if len(own) > 3
        else formatted(value, draw)
    )


def date(value: str, draw: Draw) -> str:
    """A date in the same form: within the same century or so, on a day that every month has."""

    def other(match: re.Match[str]) -> str:
        year, first, second = (match[1], match[3], match[4]) if match[1] else (match[8], match[5], match[7])
        mark = match[2] or match[6]
        made = str(int(year) - 3 + below(draw, 7)).zfill(len(year))[-len(year) :]
        low, high = (str(1 + below(draw, 12)).zfill(len(part)) for part in (first, second))
        return mark.join((made, low, high)) if match[1] else mark.join((low, high, made))

    if DATE.search(value):
        return DATE.sub(other, value)
    shown = re.sub(r"(?<!\d)\d{1,2}(?!\d)", lambda m: str(1 + below(draw, 9 if len(m[0]) == 1 else 12)).zfill(len(m[0])), value)
    months = "|".join(standins.MONTHS)
    return re.sub(rf"\b(?:{months})\b", lambda _: one(draw, standins.MONTHS), shown)


def organization(_: str, draw: Draw) -> str:
    """A company that is known from manuals alone."""
    return one(draw, standins.COMPANIES)


def group(_: str, draw: Draw) -> str:
    """Another nationality, religion or political group would mean another thing: the word for none."""
    return one(draw, standins.GROUPS)


def age(value: str, draw: Draw) -> str:
    """Another age of a grown-up."""
    return re.sub(r"\d{1,3}", lambda _: str(20 + below(draw, 60)), value)


MAKERS: Mapping[str, Callable[[str, Draw], str]] = {
    "CREDIT_CARD": card,
    "IBAN_CODE": iban,
    "EMAIL_ADDRESS": email,
    "URL": link,
    "PHONE_NUMBER": phone,
    "PERSON": person,
    "LOCATION": place,
    "ADDRESS": street,
    "STREET_ADDRESS": street,
    "ORGANIZATION": organization,
    "NRP": group,
    "IP_ADDRESS": network,
    "MAC_ADDRESS": hardware,
    "UUID": identifier,
    "US_SSN": social,
    "DATE_TIME": date,
    "DATE_OF_BIRTH": date,
    "AGE": age,
}
