"""Who calls: the key in a request's header, and the principal that it belongs to."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from proxy.core import Principal
from proxy.errors import AccessError
from proxy.settings import Key

ANYONE = Principal()


class Access:
    """The keys that may call; without any, everyone may."""

    def __init__(self, keys: Iterable[Key]) -> None:
        self.principals = {key.sha256: Principal(key.name, key.app, key.team) for key in keys}

    def principal(self, authorization: str, *others: str) -> Principal:
        """The principal of an `Authorization` header, or of others if that names none. Raises AccessError."""
        if not self.principals:
            return ANYONE
        bearer = authorization[7:] if authorization[:7].lower() == "bearer " else authorization
        keys = [key.strip() for key in (bearer, *others) if key]
        if not keys:
            raise AccessError("no API key was given: send it as 'Authorization: Bearer KEY'")
        for key in keys:
            principal = self.principals.get(hashlib.sha256(key.encode()).hexdigest())
            if principal is not None:
                return principal
        raise AccessError("this API key is not known")
