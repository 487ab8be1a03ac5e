"""Stand-ins are plausible, keep the format, are always the same for a value, and are nobody's."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.checks.recognizers import ENTITIES
from proxy.operators import Keys
from proxy.operators.synthetic import luhn, synthetic

KEYS = Keys(["a key of at least thirty-two characters"])
SAMPLES = {
    "CREDIT_CARD": "4111 1111-1111 1111",
    "IBAN_CODE": "DE89 3704 0044 0532 0130 00",
    "EMAIL_ADDRESS": "ada.lovelace@example.org",
    "PHONE_NUMBER": "+49 30 901820",
    "PERSON": "Dr. Jane R. Doe",
    "LOCATION": "Berlin",
    "ORGANIZATION": "Umbrella",
    "NRP": "French",
    "IP_ADDRESS": "10.1.2.3",
    "MAC_ADDRESS": "00:1b:44:11:3a:b7",
    "UUID": "123e4567-e89b-42d3-a456-426614174000",
    "US_SSN": "536-90-4399",
    "DATE_TIME": "2024-05-17",
    "URL": "https://internal.corp/a/b?c=1",
    "AGE": "34 years",
}


def standin(category: str, value: str, keys: Keys = KEYS) -> str:
    return synthetic(category, value, lambda number: keys.first.mac("synthetic", category, value, str(number)))


def format_of(text: str) -> str:
    return re.sub(r"[A-Z]", "A", re.sub(r"[a-z]", "a", re.sub(r"\d", "9", text)))


def valid_iban(text: str) -> bool:
    plain = text.replace(" ", "")
    return int("".join(str(int(char, 36)) for char in plain[4:] + plain[:4])) % 97 == 1


@pytest.mark.parametrize("category", SAMPLES)
def test_a_value_has_one_stand_in_by_key(category: str) -> None:
    """The same under the same key, wherever it is made; never the value itself."""
    value = SAMPLES[category]
    assert standin(category, value) == standin(category, value) != value
    others = {standin(category, value, Keys([f"another key of thirty-two characters {n}"])) for n in range(12)}
    assert len(others) > 1


@given(number=st.integers(0, 10**14 - 1), brand=st.sampled_from(("4", "51", "37", "6011", "2223", "35", "9")))
def test_a_card_passes_its_check_in_a_test_range(number: int, brand: str) -> None:
    """Of the same brand, length and grouping."""
    body = (brand + f"{number:014d}")[:15]
    value = body + luhn(body)
    made = standin("CREDIT_CARD", f"{value[:4]} {value[4:8]}-{value[8:]}")
    digits = re.sub(r"\D", "", made)
    assert luhn(digits[:-1]) == digits[-1]
    assert format_of(made) == "9999 9999-99999999"
    assert digits.startswith(("400000", "555555", "371449", "601100", "222300", "353011"))
    assert brand == "9" or digits[0] == value[0]


@given(bban=st.integers(0, 10**18 - 1), country=st.sampled_from(("DE", "FR", "GB")))
def test_an_account_passes_its_check_at_a_bank_that_there_is_not(bban: int, country: str) -> None:
    """Its country and grouping stay."""
    made = standin("IBAN_CODE", f"{country}00 {bban:018d}")
    assert valid_iban(made)
    assert made[:2] == country
    assert made[5:9] == "0000"
    assert format_of(made) == "AA99 " + "9" * 18


@pytest.mark.parametrize(
    ("category", "value", "holds"),
    [
        ("EMAIL_ADDRESS", "ada@corp.test", lambda made: made.endswith("@example.com")),
        ("URL", "https://corp.test/a/b?c=12", lambda made: re.fullmatch(r"https://\w+\.example\.com/\w/\w\?\w=\d\d", made)),
        ("IP_ADDRESS", "10.0.0.1/24", lambda made: ipaddress.ip_address(made[:-3]).is_private and made.endswith("/24")),
        ("IP_ADDRESS", "fe80::1", lambda made: ipaddress.ip_address(made) in ipaddress.ip_network("2001:db8::/32")),
        ("MAC_ADDRESS", "00:1B:44:11:3A:B7", lambda made: re.fullmatch(r"02(:[0-9A-F]{2}){5}", made)),
        ("UUID", "123e4567-e89b-42d3-a456-426614174000", lambda made: made[14] == "4" and made[19] == "a"),
        ("US_SSN", "536-90-4399", lambda made: re.fullmatch(r"666-\d\d-\d{4}", made)),
        ("PHONE_NUMBER", "+1 (415) 555-2671", lambda made: re.fullmatch(r"\+1 \(202\) 555-01\d\d", made)),
        ("PHONE_NUMBER", "(415) 555-2671", lambda made: re.fullmatch(r"\(202\) 555-01\d\d", made)),
        ("PHONE_NUMBER", "+44 20 7123 4567", lambda made: re.fullmatch(r"\+44 20 7946 0\d{3}", made)),
        ("PHONE_NUMBER", "+48 22 123 45 67", lambda made: re.fullmatch(r"\+48 00 0\d\d \d\d \d\d", made)),
        ("PERSON", "DR. JANE R. DOE", lambda made: re.fullmatch(r"DR\. [A-Z]+ [A-Z]\. [A-Z]+", made)),
        ("DATE_TIME", "17.05.1999", lambda made: re.fullmatch(r"(0[1-9]|1[0-2])\.(0[1-9]|1[0-2])\.(199\d|200\d)", made)),
        ("AGE", "34 years", lambda made: re.fullmatch(r"[2-7]\d years", made)),
        ("US_PASSPORT", "A12345678", lambda made: format_of(made) == "A99999999"),
    ],
)  # fmt: skip
def test_what_a_stand_in_looks_like(category: str, value: str, holds: Callable[[str], object]) -> None:
    """In its format, from a range that is kept for tests, documentation or fiction."""
    made = standin(category, value)
    assert holds(made), made


@given(category=st.sampled_from(sorted(ENTITIES)), value=st.text(min_size=1, max_size=40))
def test_every_category_has_a_stand_in_for_any_text(category: str, value: str) -> None:
    """Whatever a check found; where none can be made that is another text, it says so."""
    assert standin(category, value) != value
