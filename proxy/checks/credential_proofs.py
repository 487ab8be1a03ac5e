"""The proofs that rows of the table of credentials name: checksums and structure that raise the score of a match or refute it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import zlib
from collections.abc import Callable, Mapping

from proxy.checks.lookalikes import (
    EXAMPLE_SCORE,
    JUDGED,
    RUN,
    classes,
    counting,
    entropy,
    hexadecimal,
    placeholder,
    reference,
    unfit,
    words,
)

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"  # Bitcoin's
BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"  # BIP 173
UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

Match = re.Match[str]


def checksum(secret: str, match: Match, score: float) -> float:
    """GitHub's and npm's: the last six characters are the CRC-32 of the thirty before them, in base 62.

    Source: github.blog, "Behind GitHub's new authentication token formats", 2021. Older tokens carry none, so a wrong one
    does not refute.
    """
    number, digits = zlib.crc32(secret[-36:-6].encode()), ""
    while number:
        number, digit = divmod(number, 62)
        digits = BASE62[digit] + digits
    return 1.0 if digits.rjust(6, "0") == secret[-6:] else score


def checksum_hex(secret: str, match: Match, score: float) -> float:
    """Grafana's: the last eight characters are the CRC-32 of what stands before their underscore, in base 16.

    Source: grafana/grafana, the component satokengen. A wrong one does not refute: tools make tokens without it.
    """
    body, _, digits = secret.rpartition("_")
    return 1.0 if f"{zlib.crc32(body.encode()):08x}" == digits.lower() else score


def account(secret: str, match: Match, score: float) -> float:
    """AWS writes key ids in base 32, since 2019 with the account's twelve digits in them; other digits look made up."""
    try:
        number = int.from_bytes(base64.b32decode(secret[4:])[:6], "big")
    except binascii.Error:
        return score
    return 0.95 if (number & 0x7FFFFFFFFF80) >> 7 < 10**12 else score


def macaroon(secret: str, match: Match, score: float) -> float:
    """A macaroon of version 2: 02 01, the length of its location, the location, here a package index (PyPI's tokens)."""
    body = secret.removeprefix("pypi-")
    head = decoded(body[: len(body) - len(body) % 4][:48])
    return score if head[:2] == b"\x02\x01" and b"pypi.org" in head[2:20] else 0.0


def bech32(secret: str, match: Match, score: float) -> float:
    """The six last characters are the checksum of all before them (BIP 173)."""
    human, _, data = secret.lower().rpartition("1")
    values = [ord(char) >> 5 for char in human] + [0] + [ord(char) & 31 for char in human] + [BECH32.find(char) for char in data]
    check = 1
    for value in values:
        top, check = check >> 25, (check & 0x1FFFFFF) << 5 ^ value
        for bit, factor in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= factor if top >> bit & 1 else 0
    return score if check == 1 else 0.0


def base58(secret: str, match: Match, score: float) -> float:
    """The four last bytes begin the double SHA-256 of those before them (Base58Check)."""
    number = 0
    for char in secret:
        digit = BASE58.find(char)
        if digit < 0:
            return 0.0
        number = number * 58 + digit
    data = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return score if hashlib.sha256(hashlib.sha256(data[:-4]).digest()).digest()[:4] == data[-4:] else 0.0


def strkey(secret: str, match: Match, score: float) -> float:
    """The two last bytes are the CRC-16 of those before them, the lower first (Stellar's SEP 23)."""
    try:
        data = base64.b32decode(secret)
    except binascii.Error:
        return 0.0
    return score if data[0] == 0x90 and binascii.crc_hqx(data[:-2], 0) == int.from_bytes(data[-2:], "little") else 0.0


def mixed(secret: str, match: Match, score: float) -> float:
    """Random characters, neither hexadecimal nor words nor a path."""
    return score if not hexadecimal(secret) and classes(secret) > 1 and entropy(secret) > 3.2 and words(secret) < 0.6 else 0.0


def random(secret: str, match: Match, score: float) -> float:
    """Random characters, of base 16 too; without a digit, letters of both cases. No words, no counting."""
    value = secret[:JUDGED]
    if value.isdigit() or entropy(value) < 2.8 or placeholder(value) or counting(value):
        return 0.0
    if any(map(str.isdigit, value)):
        return score if words(value) < 0.6 else 0.0
    return score if value.lower() != value != value.upper() and words(value) < 0.3 else 0.0


def token(secret: str, match: Match, score: float) -> float:
    """Not a name made of words, as in documentation."""
    return score if words(secret) < (0.8 if any(map(str.isdigit, secret[8:])) else 0.6) else 0.0


def bearer(secret: str, match: Match, score: float) -> float:
    """X's: behind the many A's that it begins with, a random rest."""
    rest = secret.lstrip("A")
    return score if len(set(rest)) > 12 and classes(rest) > 1 else 0.0


def decoded(part: str) -> bytes:
    """A part in base 64, of either alphabet; empty when it is not."""
    bare = part.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""


def fields(part: str) -> dict[str, object]:
    """The JSON object that a part in base 64 holds; empty when it holds none."""
    try:
        found = json.loads(decoded(part))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def jwt(secret: str, match: Match, score: float) -> float:
    """Header and claims are JSON, and the header names an algorithm (RFC 7519, RFC 7515 section 4.1.1).

    The John Doe of jwt.io is an example.
    """
    header, claims = map(fields, secret.split(".")[:2])
    if not header.keys() & {"alg", "enc"} or not claims:
        return 0.0
    return min(score, EXAMPLE_SCORE) if claims.get("name") == "John Doe" else score


def jwe(secret: str, match: Match, score: float) -> float:
    """The header is JSON and names how the content is encrypted (RFC 7516 section 4.1.2)."""
    return score if "enc" in fields(secret.partition(".")[0]) else 0.0


def payload(secret: str, match: Match, score: float) -> float:
    """The part between the prefix and the signature is JSON."""
    return score if fields(match["payload"]) else 0.0


def pem(secret: str, match: Match, score: float) -> float:
    """There is something between the lines, not only their mention."""
    return score if re.search(r"[A-Za-z0-9+/=]{16}", match["body"]) else 0.0


def armoured(secret: str, match: Match, score: float) -> float:
    """What is in base 64 is a PEM block with a private key."""
    head = decoded(secret[:160])
    return score if re.search(rb"PRIVATE KEY(?: BLOCK)?-----", head) else 0.0


def snowflake(secret: str, match: Match, score: float) -> float:
    """The first part of a Discord token is its account's number."""
    return 1.0 if decoded(secret.partition(".")[0]).isdigit() else 0.0


def basic(secret: str, match: Match, score: float) -> float:
    """User and password are there, joined by a colon (RFC 7617), and the password is no placeholder."""
    whole = decoded(secret).decode("utf-8", "replace")
    _, _, after = whole.partition(":")
    return score if after and whole.isprintable() and "\ufffd" not in whole and not placeholder(after) else 0.0


def url(secret: str, match: Match, score: float) -> float:
    """A password by its place. One that repeats the user is a default of the software: known to all, and scored so."""
    if re.match(r"[0-9]{2,5}[/?#]", secret) or re.search(r"[/?].*[?&=]|//", secret):
        return 0.0  # a port and a path, with an @ further on
    if placeholder(secret) or reference(secret, quoted=False):
        return 0.0
    if secret == match["user"]:
        return 0.4
    if secret.isalpha() and secret.islower():
        return 0.4 if re.search("pass|pwd|secret", secret) else 0.7
    return score


def password(secret: str, match: Match, score: float) -> float:
    """A password by its name: scored by how unlike a word it is."""
    value, kinds = secret[:JUDGED], classes(secret[:JUDGED])
    if len(value) < 6 or unfit(value, match):
        return 0.0
    if value.isdigit():
        return score - 0.25
    if any(map(str.isdigit, value)) and any(map(str.isalpha, value)):
        return score if kinds > 2 and len(value) > 7 else score - 0.15
    signs = re.sub(r"[\w./:,-]", "", value)
    if signs and any(map(str.isalpha, value)) and words(value) < 1.0:
        return score - 0.15
    return score - 0.2 if words(value) < 0.5 and len(value) > 7 else 0.0


def secret_value(secret: str, match: Match, score: float) -> float:
    """A secret, token or key by its name: it has to look random, since these names are frequent in code."""
    value = secret[:JUDGED]
    if len(value) < 10 or unfit(value, match) or not any(map(str.isalnum, value)) or counting(value):
        return 0.0
    if UUID.fullmatch(value):
        return score - 0.1 if "key" in (match.groupdict().get("word") or "").lower() else 0.0
    if value.isdigit() or words(value) >= 0.5:
        return 0.0
    if hexadecimal(value):
        return score if len(value) > 15 and any(map(str.isdigit, value)) else 0.0
    if len(value) < 16 and classes(value) < 3:
        return score - 0.2 if words(value) == 0.0 and len(RUN.findall(value)) > 4 else 0.0
    if len(value) < 16:
        return score - 0.1 if entropy(value) > 2.6 else 0.0
    return score if classes(value) > 1 and entropy(value) > 3.0 and re.search(r"\w{5}", value) else 0.0


Proof = Callable[[str, Match, float], float]  # the secret, its match, the row's score; 0 refutes
PROOFS: Mapping[str, Proof] = {
    "account": account, "armoured": armoured, "base58": base58, "basic": basic, "bearer": bearer, "bech32": bech32,
    "checksum": checksum, "checksum_hex": checksum_hex, "jwe": jwe, "jwt": jwt, "macaroon": macaroon, "mixed": mixed,
    "password": password, "payload": payload, "pem": pem, "random": random, "secret": secret_value, "snowflake": snowflake,
    "strkey": strkey, "token": token, "url": url,
}  # fmt: skip  # a table reads better in rows
BY_NAME = frozenset({"password", "secret"})
ENCODED = frozenset({"armoured", "bearer", "jwe", "jwt", "pem"})  # long runs of one character are usual in these
