"""Makes credentials from the shapes in the table, at run time, so that no scanner trips on this repository."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import random
import re
import string
import zlib
from collections.abc import Callable, Sequence

from proxy.checks.credential_kinds import CATEGORIES
from proxy.checks.credential_proofs import BASE58, BASE62, BECH32
from proxy.checks.credentials import Secrets, SecretsOptions
from proxy.core import Finding

ALPHABETS = {
    "b62": BASE62, "b64": BASE62 + "+/", "url": BASE62 + "-_", "hex": "0123456789abcdef", "HEX": "0123456789ABCDEF",
    "dig": string.digits, "up": string.ascii_uppercase + string.digits, "low": string.ascii_lowercase + string.digits,
    "b32": string.ascii_uppercase + "234567", "b32l": string.ascii_lowercase + "234567",
}  # fmt: skip  # a table reads better in rows
FIELD = re.compile(r"\{(\w+)(?::(\d+))?\}")
DASHES = "-" * 5


def encoded(value: str) -> str:
    """In base 64 as URLs write it."""
    return base64.urlsafe_b64encode(value.encode()).decode().rstrip("=")


def crc62(payload: str) -> str:
    """The checksum of GitHub's and npm's tokens, worked out apart from the check."""
    number = zlib.crc32(payload.encode())
    return "".join(BASE62[number // 62**power % 62] for power in range(5, -1, -1))


def pem(rng: random.Random, label: str, newline: str = "\n", *, end: bool = True, lines: int = 6) -> str:
    """A PEM block of random lines."""
    body = ["".join(rng.choices(ALPHABETS["b64"], k=64)) for _ in range(lines)] + ["".join(rng.choices(BASE62, k=9)) + "="]
    if not end:
        return newline.join([f"{DASHES}BEGIN {label}{DASHES}", *body[:-1]])
    return newline.join([f"{DASHES}BEGIN {label}{DASHES}", *body, f"{DASHES}END {label}{DASHES}"])


def ppk(rng: random.Random) -> str:
    """A key file of PuTTY."""
    public, private = ("\n".join("".join(rng.choices(ALPHABETS["b64"], k=64)) for _ in range(3)) for _ in range(2))
    return (
        "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nComment: svc\n"
        f"Public-Lines: 3\n{public}\nPrivate-Lines: 3\n{private}\nPrivate-MAC: {rng.randbytes(16).hex()}"
    )


def base58(rng: random.Random, head: bytes, size: int, tail: bytes = b"") -> str:
    """Base58Check of random bytes between a head and a tail."""
    data = head + rng.randbytes(size) + tail
    number = int.from_bytes(data + hashlib.sha256(hashlib.sha256(data).digest()).digest()[:4], "big")
    digits = ""
    while number:
        number, digit = divmod(number, 58)
        digits = BASE58[digit] + digits
    return digits


def bech32(rng: random.Random, human: str) -> str:
    """Fifty-two random characters and their checksum (BIP 173)."""
    values = rng.choices(range(32), k=52)
    check = 1
    for value in [ord(char) >> 5 for char in human] + [0] + [ord(char) & 31 for char in human] + values + [0] * 6:
        top, check = check >> 25, (check & 0x1FFFFFF) << 5 ^ value
        for bit, factor in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= factor if top >> bit & 1 else 0
    check ^= 1
    return human + "1" + "".join(BECH32[value] for value in [*values, *(check >> 5 * (5 - i) & 31 for i in range(6))])


def strkey(rng: random.Random) -> str:
    """A seed of Stellar."""
    data = b"\x90" + rng.randbytes(32)
    return base64.b32encode(data + binascii.crc_hqx(data, 0).to_bytes(2, "little")).decode()


def special(name: str, rng: random.Random, last: str) -> str:
    """What a shape names without a count; `last` is what was drawn before it."""
    makers: dict[str, Callable[[], str]] = {
        "crc": lambda: crc62(last),
        "crchex": lambda: f"{zlib.crc32(f'glsa_{last}'.encode()):08x}",
        "jwt": lambda: encoded('{"alg":"HS256","typ":"JWT"}') + "." + encoded(json.dumps({"sub": str(rng.random())})),
        "jwe": lambda: encoded('{"alg":"RSA-OAEP","enc":"A256GCM"}'),
        "json": lambda: encoded(json.dumps({"u": "svc", "a": rng.randbytes(12).hex()})),
        "macaroon": lambda: base64.urlsafe_b64encode(b"\x02\x01\x08pypi.org\x02" + rng.randbytes(84)).decode(),
        "pem": lambda: pem(rng, "RSA PRIVATE KEY").removeprefix(f"{DASHES}BEGIN RSA "),
        "encodedpem": lambda: base64.b64encode(pem(rng, "EC PRIVATE KEY").encode()).decode(),
        "ppk": lambda: ppk(rng),
        "snowflake": lambda: encoded(str(rng.randrange(10**17, 10**18))),
        "basic": lambda: base64.b64encode(("admin:" + "".join(rng.choices(BASE62, k=12))).encode()).decode(),
        "wif": lambda: base58(rng, b"\x80", 32, b"\x01"),
        "xprv": lambda: base58(rng, b"\x04\x88\xad\xe4", 74),
        "strkey": lambda: strkey(rng),
        "nsec": lambda: bech32(rng, "nsec"),
        "agekey": lambda: bech32(rng, "age-secret-key-").upper(),
    }
    return makers[name]()


def made(shape: str, seed: int = 1, *, fill: str = "") -> str:
    """An example of `shape`; with `fill`, that character stands where random ones would."""
    rng = random.Random(seed)

    def field(match: re.Match[str]) -> str:
        name, count = match.groups()
        if count:
            drawn.append(fill * int(count) if fill else "".join(rng.choices(ALPHABETS[name], k=int(count))))
        else:
            drawn.append(special(name, rng, drawn[-1] if drawn else ""))
        return drawn[-1]

    drawn: list[str] = []
    return FIELD.sub(field, shape)


def build_secrets(*kinds: str, allow: Sequence[str] = ()) -> Secrets:
    """The pattern check itself."""
    return Secrets(SecretsOptions(allow=list(allow)), sorted(kinds or CATEGORIES))


ALL = build_secrets()


def found(text: str, *kinds: str, check: Secrets = ALL, least: float = 0.5) -> list[Finding]:
    """The findings in `text`, of some categories or all, that a threshold lets through."""
    findings = [f for f in check.confirm(text, kinds or CATEGORIES) if f.score >= least]
    return sorted(findings, key=lambda f: (f.start, f.end, f.category))


def secrets_in(text: str, *kinds: str) -> list[str]:
    """What is reported, as text."""
    return [text[f.start : f.end] for f in found(text, *kinds)]
