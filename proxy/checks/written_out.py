"""Ages and street addresses, as far as their form tells them: of English, and of a few languages whose streets say what they are.

The words that make an age somebody's stand before it or behind it (`a 42-year-old patient`); a whisky has an age, too. A
name of a place without a street is found by the encoder as a LOCATION.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

YEARS = r"\b(?:1[01]\d|[1-9]?\d)"
OLD = rf"{YEARS}[ -](?:year|yr|month|week)s?[ -]olds?\b"
WHO = (
    r"(?:man|woman|male|female|boy|girl|patient|son|daughter|child|kid|mother|father|student|lady|gentleman|person|brother|sister"
    r"|employee|customer|client|who)"
)
AFTER = r"(?:(?<=\baged )|(?<=\bage )|(?<=\bage: )|(?<=\bage of )|(?<=\bage is )|(?<=\bage\": ))"
AGES = (
    ("age of somebody", rf"{OLD}(?=,? {WHO})", 0.8),
    ("age in years", OLD, 0.4),
    ("age in short", rf"{YEARS} ?(?:y/o|yo)\b", 0.6),
    ("age by its name", rf"{AFTER}{YEARS}\b(?! ?(?:%|to\b|and over|or (?:over|older|above)|[-–]\d))", 0.6),
)
OF_SOMEBODY = (  # words that say whose age it is
    *("am", "he", "she", "who", "man", "boy", "son", "kid", "my", "her", "his", "turned", "turning", "patient", "daughter"),
    *("mother", "father", "wife", "husband", "girl", "woman", "child", "brother", "sister", "employee", "client", "customer"),
)
NAMED = r"(?:(?-i:[A-Z])[\w'’.-]{1,20} ){1,4}"  # capitals, where the case of all else does not matter
ROAD = (
    r"(?:street|st|avenue|ave|road|rd|boulevard|blvd|drive|dr|lane|ln|court|ct|place|pl|terrace|square|sq|parkway|pkwy|highway"
    r"|hwy|way|close|crescent|mews|grove|circle|cir|trail)"
)
FLAT = r"(?:,? (?:apt|apartment|suite|ste|unit|flat|#)\.? ?#?\w{1,6})?"
SOME = r"\s{0,2}"
CODE = r"(?-i:[A-Z]{2}) \d{5}(?:-\d{4})?"
TOWN = rf"(?:, (?-i:[A-Z])[\w'’. -]{{1,30}})?(?:,? {CODE})?"
OF = r"(?:(?:de|du|des|del|della|di|la|le|les|los|las) |l['’]|d['’]){0,3}"
CAPITAL = r"(?-i:[A-ZÀ-Þ])[\w'’-]{1,25}"
ADDRESSES = (
    ("number and street", rf"\b\d{{1,6}}[a-z]?,? {NAMED}{ROAD}\b\.?{FLAT}{TOWN}", 0.6),
    (
        "number, words, town and code",
        rf"\b\d{{1,6}} {CAPITAL}(?: {CAPITAL}){{0,3}}{FLAT}[,\n]{SOME}(?-i:[A-Z])[\w'’. -]{{1,30}}, {CODE}",
        0.7,
    ),
    ("post office box", r"\bP\.? ?O\.? ?box \d{1,6}\b", 0.7),
    (
        "street and number",
        r"\b(?-i:[A-ZÀ-Þ])[\w-]{1,25}(?:straße|strasse|str\.|gasse|allee|straat|laan|gracht) \d{1,4}(?: ?[a-z])?\b",
        0.6,
    ),
    (
        "number and rue",
        rf"\b\d{{1,4}}(?: (?:bis|ter))?,? (?:rue|avenue|boulevard|impasse|chemin|quai|allée) {OF}{CAPITAL}(?: {CAPITAL}){{0,3}}",
        0.6,
    ),
    (
        "calle or via, and number",
        rf"\b(?:calle|avenida|avda\.|paseo|via|viale|corso) {OF}{CAPITAL}(?: {CAPITAL}){{0,2}},? (?:n[º°.] ?)?\d{{1,4}}\b",
        0.6,
    ),
)
OF_STREETS = ("address", "live", "lives", "living", "deliver", "ship", "street", "residence", "resides", "adresse", "wohnt")


def ages() -> Any:
    """The recognizer of ages."""
    return recognizer("AGE", "AgeRecognizer", AGES, OF_SOMEBODY)


def addresses() -> Any:
    """The recognizer of street addresses."""
    return recognizer("STREET_ADDRESS", "StreetAddressRecognizer", ADDRESSES, OF_STREETS)


def recognizer(entity: str, name: str, rows: Sequence[tuple[str, str, float]], words: Sequence[str]) -> Any:
    """One of Presidio's, of patterns alone."""
    from presidio_analyzer import Pattern, PatternRecognizer  # noqa: PLC0415 - a second to import

    return PatternRecognizer(entity, name=name, patterns=[Pattern(*row) for row in rows], context=list(words))
