"""Values are kept sealed, by conversation, for a time; a vault that fails is not passed over."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from proxy.core import Action, Principal, Segment
from proxy.engine import Engine, Verdict
from proxy.errors import SettingError, VaultError, VaultTimeout
from proxy.operators import Conversation, Conversations, Keys, Restorer, Vault, keys_from
from proxy.settings import Settings
from proxy.vault import MemoryVault, conversations, vault
from tests.redis_server import needs_redis, redis_server
from tests.world import KEY, MAIL, engine

NEW = "another key that opens nothing but the vaults of tests"
DESK = Principal("desk", "app", "team")
POLICY = """
policy: naming
rules:
  - id: named
    check: pii
    with: {{entities: [EMAIL_ADDRESS]}}
    direction: prompt
    action: redact
    as: pseudonym
    on_error: {on_error}
  - {{id: other, check: pii, with: {{entities: [CREDIT_CARD]}}, direction: prompt, action: redact}}
"""


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Redis."""
    with redis_server(tmp_path_factory.mktemp("redis")) as url:
        yield url


def made(kind: str, request: pytest.FixtureRequest, **more: Any) -> Callable[[], Vault]:
    """How to make a vault of a kind: each is another process's view of Redis, or the one memory."""
    if kind == "memory":
        one = MemoryVault(60.0, more.get("values", 100), 10)
        return lambda: one
    url = request.getfixturevalue("redis_url")
    given = Settings(vault=url, vault_ttl=more.get("ttl", 60.0), vault_values=more.get("values", 100), vault_timeout=5.0)
    return lambda: vault(given)


KINDS = ["memory", pytest.param("redis", marks=[needs_redis, pytest.mark.slow])]


def of(store: Vault, id: str, *secrets: str, principal: Principal = DESK) -> Conversation:
    return Conversations(Keys(secrets or (KEY,)), store).of(principal, id, "header")


async def kept(store: Vault, id: str, value: str = MAIL, *secrets: str) -> str:
    """Keep a value; its name."""
    about = of(store, id, *secrets)
    await about.open()
    name = about.name("EMAIL_ADDRESS", value)
    assert await about.keep()
    assert about.trouble is None
    return name


async def found(store: Vault, id: str, name: str, *secrets: str, principal: Principal = DESK) -> str | None:
    """What a call that does not hold the value finds behind a name."""
    about = of(store, id, *secrets, principal=principal)
    await about.open()
    assert about.trouble is None
    return about.value(name)


@pytest.mark.parametrize("kind", KINDS)
def test_a_value_is_found_by_its_caller_in_its_conversation_alone(kind: str, request: pytest.FixtureRequest) -> None:
    """And by another process, where they share a vault."""

    async def main() -> None:
        stores = [made(kind, request)() for _ in range(2)] if kind == "redis" else [made(kind, request)()] * 2
        name = await kept(stores[0], "found")
        assert await found(stores[1], "found", name) == MAIL
        assert await found(stores[1], "another", name) is None
        for stranger in (
            Principal("other", "app", "team"),
            Principal("desk", "other", "team"),
            Principal("desk", "app"),
            Principal(),
        ):
            assert await found(stores[1], "found", name, principal=stranger) is None
        for store in {id(store): store for store in stores}.values():
            await store.close()

    asyncio.run(main())


@pytest.mark.parametrize("kind", KINDS)
def test_a_conversation_is_forgotten(kind: str, request: pytest.FixtureRequest) -> None:
    """All of it, and no other; it says how many values there were."""

    async def main() -> None:
        store = made(kind, request)()
        names = [await kept(store, "gone", value) for value in ("a@b.org", "c@d.org")]
        stays = await kept(store, "stays")
        there = Conversations(Keys([KEY]), store)
        assert await there.forget(Principal("other"), "gone") == 0
        assert await there.forget(DESK, "gone") == 2
        assert [await found(store, "gone", name) for name in names] == [None, None]
        assert await found(store, "stays", stays) == MAIL
        assert await there.forget(DESK, "gone") == 0
        await store.close()

    asyncio.run(main())


@pytest.mark.parametrize("kind", KINDS)
def test_keys_are_rotated(kind: str, request: pytest.FixtureRequest) -> None:
    """The new one makes, the old one opens; without it, what it sealed is nothing to anybody."""

    async def main() -> None:
        store = made(kind, request)()
        old = await kept(store, "turned", MAIL, KEY)
        new = await kept(store, "turned", "new@example.org", NEW, KEY)
        assert old != new
        assert [await found(store, "turned", name, NEW, KEY) for name in (old, new)] == [MAIL, "new@example.org"]
        assert [await found(store, "turned", name, NEW) for name in (old, new)] == [None, "new@example.org"]
        assert await Conversations(Keys([NEW, KEY]), store).forget(DESK, "turned") == 2
        await store.close()

    asyncio.run(main())


@pytest.mark.parametrize("kind", KINDS)
def test_two_values_never_share_a_name(kind: str, request: pytest.FixtureRequest) -> None:
    """When another process gave the name to another value at the same time, the call gives longer ones."""

    async def main() -> None:
        store = made(kind, request)()
        first, second = of(store, "race"), of(store, "race")
        await first.open()
        await second.open()
        name = first.name("EMAIL_ADDRESS", "a@b.org")
        second.made[name] = "c@d.org"  # as if their digests began alike
        assert await first.keep()
        assert not await second.keep()
        assert second.value(name, made=False) == "a@b.org"
        third = of(store, "race")
        await third.open()
        assert third.name("EMAIL_ADDRESS", "a@b.org") == name
        await store.close()

    asyncio.run(main())


@pytest.mark.parametrize("kind", KINDS)
def test_a_conversation_has_room_for_so_many_values(kind: str, request: pytest.FixtureRequest) -> None:
    """What finds no room is known to its own call alone."""

    async def main() -> None:
        store = made(kind, request, values=2)()
        about = of(store, "full")
        await about.open()
        names = [about.name("EMAIL_ADDRESS", f"{letter}@b.org") for letter in "abcd"]
        assert await about.keep()
        assert all(about.value(name) for name in names)
        assert sum([await found(store, "full", name) is not None for name in names]) == 2
        await store.close()

    asyncio.run(main())


def test_memory_forgets_what_was_quiet_and_what_is_too_much() -> None:
    """By time, and the conversation that was quiet longest first."""
    now = [0.0]
    store = MemoryVault(10.0, 100, 2, lambda: now[0])

    async def main() -> None:
        one = await kept(store, "one")
        now[0] = 8.0
        assert await found(store, "one", one) == MAIL
        now[0] = 17.0
        assert await found(store, "one", one) == MAIL  # it was heard of at 8
        now[0] = 28.0
        assert await found(store, "one", one) is None
        for each in ("a", "b", "c"):
            await kept(store, each)
        assert len(store.kept) == 2
        assert await found(store, "a", await kept(MemoryVault(1, 1, 1), "a")) is None

    asyncio.run(main())


@needs_redis
@pytest.mark.slow
def test_redis_sees_no_text_and_lets_values_go(redis_url: str, request: pytest.FixtureRequest) -> None:
    """Keys are digests, values are sealed; each conversation has an end."""

    async def main() -> None:
        store = made("redis", request, ttl=30.0)()
        await kept(store, "secret-conversation")
        client: Any = Redis.from_url(redis_url)
        keys = await client.keys("*")
        dumped = b"".join(keys)
        for key in keys:
            assert 0 < await client.ttl(key) <= 60
            dumped += b"".join([name + value for name, value in (await client.hgetall(key)).items()])
        assert keys
        for text in (MAIL, "secret-conversation", "desk", "app", "team"):
            assert text.encode() not in dumped
        await client.aclose()
        await store.close()

    asyncio.run(main())


def test_what_is_sealed_opens_where_it_was_sealed_alone() -> None:
    """With its key, about the same thing, and unchanged."""
    keys = Keys([KEY])
    sealed = keys.seal(MAIL, "here")
    assert MAIL.encode() not in sealed
    assert sealed != keys.seal(MAIL, "here")
    assert Keys([NEW, KEY]).open(sealed, "here") == MAIL
    for other, blob, about in (
        (Keys([NEW]), sealed, "here"),
        (keys, sealed, "there"),
        (keys, sealed[:-1] + b"x", "here"),
        (keys, b"", ""),
    ):
        with pytest.raises(VaultError):
            other.open(blob, about)


@pytest.mark.parametrize("told", ["short", "", f"{KEY},short", f"{KEY},{KEY}", " , "])
def test_a_key_that_is_weak_or_twice_there_is_refused(told: str) -> None:
    """Without showing it."""
    with pytest.raises(SettingError, match="at least 32 characters") as caught:
        keys_from(told, "OUR_KEY", "the file")
    assert "short" not in str(caught.value)


class Broken:
    """A vault that fails, at loading or at keeping."""

    shared = True

    def __init__(self, error: VaultError, at: str) -> None:
        self.error, self.at = error, at

    async def load(self, scopes: Any) -> dict[str, bytes]:
        if self.at == "load":
            raise self.error
        return {}

    async def keep(self, scope: str, values: Any) -> dict[str, bytes]:
        raise self.error

    async def forget(self, scopes: Any) -> int:
        raise self.error

    async def close(self) -> None:
        return None


def judged(made: Engine, about: Conversation, text: str) -> Verdict:
    return asyncio.run(made.guard("", "m").judge("prompt", [Segment(text, "user")], about))


@pytest.mark.parametrize("at", ["load", "keep"])
@pytest.mark.parametrize("error", [VaultError("x"), VaultTimeout("x")], ids=["error", "timeout"])
@pytest.mark.parametrize(("on_error", "action"), [("block", Action.BLOCK), ("allow", Action.REDACT)])
def test_a_vault_that_fails_leads_to_on_error(on_error: str, action: Action, error: VaultError, at: str) -> None:
    """For calls in which names are given; with allow the call's own names still come back. It is counted."""
    about = Conversations(Keys([KEY]), Broken(error, at)).of(DESK, "c", "header")
    running = engine(POLICY.format(on_error=on_error))
    verdict = judged(running, about, f"to {MAIL}")
    assert (verdict.decision.action, verdict.decision.rule) == (action, "named")
    assert [(f.check, f.kind) for f in verdict.decision.failures] == [("vault", error.kind)]
    counted = running.runner.metrics.exposition().decode()
    assert f'parapet_check_failures_total{{check="vault",kind="{error.kind}"}} 1.0' in counted
    if action == Action.REDACT:
        assert MAIL not in verdict.texts[0]
        assert Restorer(about).whole(verdict.texts[0], "text") == f"to {MAIL}"
    running.close()


def test_a_call_without_names_does_not_need_the_vault() -> None:
    """A rule that gives none, and a text in which there is nothing, go on as ever; the failure is counted."""
    about = Conversations(Keys([KEY]), Broken(VaultError("x"), "load")).of(DESK, "c", "header")
    running = engine(POLICY.format(on_error="block"))
    verdict = judged(running, about, "card 4111 1111 1111 1111")
    assert (verdict.decision.action, verdict.texts) == (Action.REDACT, {0: "card <CREDIT_CARD>"})
    assert 'parapet_check_failures_total{check="vault",kind="error"} 1.0' in running.runner.metrics.exposition().decode()
    running.close()


def silent_port() -> tuple[socket.socket, int]:
    listener = socket.create_server(("127.0.0.1", 0))
    return listener, int(listener.getsockname()[1])


@pytest.mark.parametrize("silent", [True, False], ids=["says nothing", "is not there"])
def test_a_redis_that_does_not_answer_is_not_waited_for(silent: bool) -> None:
    """Longer than vault_timeout."""
    listener, port = silent_port()
    if not silent:
        listener.close()

    async def main() -> None:
        store = vault(Settings(vault=f"redis://127.0.0.1:{port}", vault_timeout=0.1))
        about = of(store, "c")
        await about.open()
        assert about.trouble == ("timeout" if silent else "error")
        with pytest.raises(VaultError):
            await Conversations(Keys([KEY]), store).forget(DESK, "c")
        await store.close()

    asyncio.run(main())
    listener.close()


@needs_redis
@pytest.mark.slow
def test_a_redis_with_a_password(tmp_path: Path) -> None:
    """It is named by a variable; a wrong one is a failure like any other."""

    async def main(url: str, password: str) -> str | None:
        given = Settings(
            vault=url, vault_password_env="P", secrets={"P": password, "K": KEY}, redaction_key_env="K", vault_timeout=5.0
        )
        store = conversations(given).vault
        assert store is not None
        about = of(store, "c")
        await about.open()
        await store.close()
        return about.trouble

    with redis_server(tmp_path, "open sesame") as url:
        assert asyncio.run(main(url, "open sesame")) is None
        assert asyncio.run(main(url, "wrong")) == "error"
