"""The vault behind pseudonyms: where sealed values are kept, in memory or in Redis."""

from __future__ import annotations

import logging

from proxy.errors import SettingError
from proxy.operators import Conversations, Vault, keys_from
from proxy.settings import Settings
from proxy.vault.memory import MemoryVault

log = logging.getLogger(__name__)

__all__ = ["MemoryVault", "conversations", "vault"]


def conversations(settings: Settings) -> Conversations:
    """What names conversations under the key that the settings name, if any. Raises SettingError."""
    variable = settings.redaction_key_env
    if not variable:
        return Conversations()
    keys, kept = keys_from(settings.secrets[variable], variable, settings.source("redaction_key_env")), vault(settings)
    if settings.workers > 1 and not kept.shared:
        log.warning("each of %d workers keeps the values behind pseudonyms for itself: name a Redis in vault", settings.workers)
    return Conversations(keys, kept)


def vault(settings: Settings) -> Vault:
    """The vault that the settings name. Raises SettingError when it is Redis and its client is not installed."""
    if settings.vault == "memory":
        return MemoryVault(settings.vault_ttl, settings.vault_values, settings.vault_conversations)
    try:
        from proxy.vault.redis import RedisVault  # noqa: PLC0415 - only who names Redis needs its client
    except ImportError:
        told = "memory, or Redis with its client installed: pip install 'parapet[redis]'"
        raise SettingError("vault", "redis", told, settings.source("vault")) from None
    password = settings.secrets.get(settings.vault_password_env, "")
    return RedisVault(settings.vault, password, settings.vault_ttl, settings.vault_values, settings.vault_timeout)
