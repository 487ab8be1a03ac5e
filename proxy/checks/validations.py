"""Check digits by name, for recognizers and for the patterns of rules. Each reads the digits, and letters where it has any."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

TIMES = (  # the multiplication of the dihedral group D5 (Verhoeff 1969)
    "0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
    "5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
)  # fmt: skip
TURNS = (  # its permutations by place
    "0123456789", "1576283094", "5803796142", "8916043527", "9453126870", "4286573901", "2793806415", "7046913258",
)  # fmt: skip
QUASIGROUP = (  # Damm 2004
    "0317598642", "7092154863", "4206871359", "1750983426", "6123045978",
    "3674209581", "5869720134", "8945362017", "9438617205", "2581436790",
)  # fmt: skip


def digits(text: str) -> list[int]:
    """The decimal digits of a text, whatever stands between them."""
    return [int(char) for char in text if char.isdecimal()]


def luhn(text: str) -> bool:
    """ISO/IEC 7812-1: cards, IMEI, SIN, NPI."""
    found = digits(text)[::-1]
    return len(found) > 1 and sum(d if i % 2 == 0 else sum(divmod(2 * d, 10)) for i, d in enumerate(found)) % 10 == 0


def verhoeff(text: str) -> bool:
    """Verhoeff's dihedral check: Aadhaar."""
    check = 0
    found = digits(text)
    for place, digit in enumerate(reversed(found)):
        check = int(TIMES[check][int(TURNS[place % 8][digit])])
    return len(found) > 1 and check == 0


def damm(text: str) -> bool:
    """Damm's check."""
    check = 0
    found = digits(text)
    for digit in found:
        check = int(QUASIGROUP[check][digit])
    return len(found) > 1 and check == 0


def mod97(text: str) -> bool:
    """ISO 7064 MOD 97-10 over digits and letters, the check digits last (ISO 17442, ISO 11649 without its turn)."""
    number = "".join(str(int(char, 36)) for char in text if char.isascii() and char.isalnum())
    return len(number) > 2 and int(number) % 97 == 1


def iban(text: str) -> bool:
    """ISO 13616: the first four characters behind the others, then MOD 97-10."""
    plain = re.sub(r"[^0-9A-Za-z]", "", text)
    return mod97(plain[4:] + plain[:4])


def mod11(text: str) -> bool:
    """Weights from the number's length down to 2, and the check digit, eleven divides the sum: NHS numbers, ISBN-10."""
    found = digits(text) + [10] * text.rstrip().upper().endswith("X")
    return len(found) > 1 and sum((len(found) - i) * d for i, d in enumerate(found)) % 11 == 0


def mod11_10(text: str) -> bool:
    """ISO 7064 MOD 11,10: German tax numbers."""
    product = 10
    found = digits(text)
    for digit in found[:-1]:
        product = ((product + digit) % 10 or 10) * 2 % 11
    return len(found) > 1 and (11 - product) % 10 == found[-1]


def elfproef(text: str) -> bool:
    """The Dutch eleven test: weights 9 to 2, the last digit subtracted."""
    found = digits(text)
    total = sum((len(found) - i) * d for i, d in enumerate(found[:-1])) - (found[-1] if found else 0)
    return len(found) > 1 and any(found) and total % 11 == 0


def nir(text: str) -> bool:
    """INSEE's key of two digits; 2A and 2B, of Corsica, count as 19 and 18."""
    plain = re.sub(r"[ .-]", "", text).upper().replace("2A", "19").replace("2B", "18")
    return plain.isdecimal() and len(plain) == 15 and 97 - int(plain[:13]) % 97 == int(plain[13:])


VALIDATIONS: Mapping[str, Callable[[str], bool]] = {
    "luhn": luhn,
    "verhoeff": verhoeff,
    "damm": damm,
    "mod97": mod97,
    "iban": iban,
    "mod11": mod11,
    "mod11_10": mod11_10,
    "elfproef": elfproef,
}
