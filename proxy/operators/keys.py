"""The keys that hashes, pseudonyms and stand-ins are made with, and values at rest are sealed with.

The first key makes; the others only open what they sealed, and name what they named. For each purpose a key of its own is derived
(HKDF, RFC 5869), so that what one shows says nothing of another.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from proxy.errors import SettingError, VaultError

LEAST = 32  # characters of a key
NONCE = 12  # bytes, as NIST SP 800-38D has it for AES-GCM
MARK = 4  # bytes that say which key sealed


@dataclass(frozen=True, slots=True)
class Key:
    """The keys that are derived from one secret."""

    naming: bytes
    sealing: AESGCM
    mark: bytes

    @classmethod
    def of(cls, secret: str) -> Key:
        """Derive them."""
        return cls(derived(secret, b"naming"), AESGCM(derived(secret, b"sealing")), derived(secret, b"mark")[:MARK])

    def mac(self, purpose: str, *parts: str) -> bytes:
        """A keyed digest, 32 bytes; each part with its length before it, so that no two lists of parts read alike."""
        made = hmac.new(self.naming, purpose.encode(), "sha256")
        for part in parts:
            raw = part.encode("utf-8", "surrogatepass")
            made.update(len(raw).to_bytes(8, "big") + raw)
        return made.digest()


class Keys:
    """All keys that are in use, the one that makes first."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self.all = tuple(map(Key.of, secrets))

    @property
    def first(self) -> Key:
        """The key that makes."""
        return self.all[0]

    def seal(self, text: str, about: str) -> bytes:
        """The text, encrypted and bound to what it is `about`: it opens nowhere else."""
        nonce = os.urandom(NONCE)
        key = self.first
        return key.mark + nonce + key.sealing.encrypt(nonce, text.encode("utf-8", "surrogatepass"), about.encode())

    def open(self, sealed: bytes, about: str) -> str:
        """What was sealed. Raises VaultError when it was not sealed by one of these keys, or not about this."""
        nonce, body = sealed[MARK : MARK + NONCE], sealed[MARK + NONCE :]
        for key in self.all:
            if key.mark == sealed[:MARK]:
                try:
                    return key.sealing.decrypt(nonce, body, about.encode()).decode("utf-8", "surrogatepass")
                except InvalidTag:
                    break
        raise VaultError("a value in the vault was sealed by a key that is not known here, or was changed")


def keys_from(told: str, variable: str, source: str) -> Keys:
    """The keys that a variable holds, separated by commas. Raises SettingError, without showing any of them."""
    secrets = [each.strip() for each in told.split(",") if each.strip()]
    if not secrets or any(len(secret) < LEAST for secret in secrets) or len(set(secrets)) < len(secrets):
        expected = f"a variable that holds keys of at least {LEAST} characters, each once, separated by commas"
        raise SettingError("redaction_key_env", variable, expected, source)
    return Keys(secrets)


def derived(secret: str, purpose: bytes) -> bytes:
    """32 bytes for one purpose."""
    return HKDF(SHA256(), 32, salt=None, info=b"parapet " + purpose).derive(secret.encode())
