"""A vault in Redis, shared by all processes and replicas: it sees digests and sealed values, no caller's name and no text."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, TypeVar

from redis.asyncio import Redis
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeout

from proxy.errors import VaultError, VaultTimeout

PREFIX = "parapet:vault:"
Made = TypeVar("Made")


class RedisVault:
    """A hash for each conversation, which goes `ttl` seconds after it was last heard of."""

    shared = True

    def __init__(self, url: str, password: str, ttl: float, values: int, timeout: float) -> None:
        self.ttl, self.values, self.timeout = max(1, round(ttl)), values, timeout
        self.redis: Any = Redis.from_url(
            url, password=password or None, socket_timeout=timeout, socket_connect_timeout=timeout, health_check_interval=30
        )

    async def load(self, scopes: Sequence[str]) -> Mapping[str, bytes]:
        """All that is kept under the scopes, in one round trip."""
        pipe = self.redis.pipeline(transaction=False)
        for scope in scopes:
            pipe.hgetall(PREFIX + scope)
            pipe.expire(PREFIX + scope, self.ttl)
        answers = await self.answered(pipe.execute())
        found: dict[str, bytes] = {}
        for values in reversed(answers[::2]):  # the present key's come last, and so win
            found |= {name.decode(): value for name, value in values.items()}
        return found

    async def keep(self, scope: str, values: Mapping[str, bytes]) -> Mapping[str, bytes]:
        """Keep what is new, as far as there is room; no name is ever given to a second value."""
        key, names = PREFIX + scope, list(values)
        room = self.values - int(await self.answered(self.redis.hlen(key)))
        pipe = self.redis.pipeline(transaction=False)
        for name in names[: max(0, room)]:
            pipe.hsetnx(key, name, values[name])
        pipe.hmget(key, names)
        pipe.expire(key, self.ttl)
        there = (await self.answered(pipe.execute()))[-2]
        return {name: value for name, value in zip(names, there, strict=True) if value not in (None, values[name])}

    async def forget(self, scopes: Sequence[str]) -> int:
        """Delete, and count what there was."""
        pipe = self.redis.pipeline(transaction=True)
        for scope in scopes:
            pipe.hlen(PREFIX + scope)
            pipe.delete(PREFIX + scope)
        return sum(map(int, (await self.answered(pipe.execute()))[::2]))

    async def close(self) -> None:
        """Let go of the connections."""
        await self.redis.aclose()

    async def answered(self, asked: Awaitable[Made]) -> Made:
        """Redis' answer, in time. Raises VaultError."""
        try:
            return await asyncio.wait_for(asked, self.timeout)
        except (TimeoutError, RedisTimeout):
            raise VaultTimeout("the vault did not answer in time") from None
        except (RedisError, OSError) as error:
            raise VaultError(f"the vault gave no answer: {type(error).__name__}") from None
