"""What somebody does to get another's value: in each of these the model itself works for him, and prints what he wants."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from proxy.settings import Key
from tests.test_pseudonyms import KEYED, NAME, POLICY, Model, tell
from tests.world import MAIL, World, misbehaving, world

VICTIM, ATTACKER = "key-of-the-victim", "key-of-the-attacker"
OTHER = "eve@example.org"


def key(name: str, secret: str, **more: str) -> Key:
    return Key(name=name, sha256=hashlib.sha256(secret.encode()).hexdigest(), **more)


KEYS = (key("victim", VICTIM, app="desk", team="a"), key("attacker", ATTACKER, app="desk", team="a"))


@dataclass(frozen=True)
class Attempt:
    """How he calls, and what the model prints: `print` makes it of the victim's name."""

    print: Callable[[str], str]
    key: str = ATTACKER
    conversation: str = "one"
    text: str = "hello"


def bare(name: str) -> str:
    return name[1:-1]


ATTEMPTS = {
    "another key, the same conversation": Attempt(lambda name: f"it is {name}"),
    "another key, the same beginning": Attempt(lambda name: name, conversation="", text=f"I am {MAIL}"[:4]),
    "the same key, another conversation": Attempt(lambda name: name, key=VICTIM, conversation="two"),
    "the same key, no conversation": Attempt(lambda name: name, key=VICTIM, conversation=""),
    "a conversation whose id only looks the same": Attempt(lambda name: name, key=VICTIM, conversation="One"),
    "every way to write it": Attempt(
        lambda name: " ".join([name.lower(), bare(name), f"&lt;{bare(name)}&gt;", f"\\<{bare(name)}\\>", f"< {bare(name)} >"])
    ),
    "a name within a name": Attempt(lambda name: f"<EMAIL_ADDRESS_{name}> <{name}> <EMAIL_ADDRESS_EMAIL_ADDRESS_{name[-7:]}"),
    "cut short": Attempt(lambda name: f"{name[:-2]}> {name[:-3]}>", key=VICTIM),
    "made longer": Attempt(lambda name: f"{name[:-1]}0> {name[:-1]}0000> {bare(name)}1", key=VICTIM),
    "under another category": Attempt(lambda name: name.replace("EMAIL_ADDRESS", "CREDIT_CARD"), key=VICTIM),
    "many guesses": Attempt(lambda name: " ".join(f"<EMAIL_ADDRESS_{number:06x}>" for number in range(0, 2**24, 4001)) + name),
    "beside a name of his own": Attempt(lambda name: f"{name} {name}", text=f"I am {OTHER}"),
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_he_gets_what_the_model_wrote_and_no_value(stream: bool, tmp_path: Path) -> None:
    """The name stays a name."""
    prints: list[str] = []
    model = Model(lambda text: prints[0] if prints else "fine", cut=700)

    async def talk(parapet: World) -> None:
        for number, (tried, attempt) in enumerate(ATTEMPTS.items()):
            prints.clear()
            await tell(parapet, f"I am {MAIL}", f"one-{number}", VICTIM)
            [name] = NAME.findall(model.last)
            prints.append(attempt.print(name))
            conversation = attempt.conversation and f"{attempt.conversation}-{number}"
            shown = await tell(parapet, attempt.text, conversation, attempt.key, stream=stream)
            assert shown == prints[0], tried
            assert MAIL not in shown, tried

    run(tmp_path, model, talk)


TYPED: dict[str, Callable[[str], str]] = {
    "as it is": lambda name: name,
    "in small letters": str.lower,
    "bare": bare,
    "escaped": lambda name: f"&lt;{bare(name)}&gt; \\<{bare(name)}\\> \\u003c{bare(name)}\\u003e %3C{bare(name)}%3E",
    "spaced": lambda name: f"< {bare(name).replace('_', ' ')} >",
    "in a word": lambda name: f"x{bare(name)}y {bare(name)}{bare(name)}",
    "touching a value": lambda name: f"{bare(name)}{OTHER} {OTHER}{name}",
    "in a value": lambda name: f"{bare(name)}@example.org",
    "nested": lambda name: f"<{name}> <EMAIL_ADDRESS_{name}>",
    "with what nobody sees": lambda name: f"{name[:5]}\u200b{name[5:]} {name[:3]}\u00ad{name[3:]}",
    "in look-alikes": lambda name: name.replace("A", "\u0410").replace("E", "\u0415"),
}
PLACES: dict[str, Callable[[str], list[dict[str, Any]]]] = {
    "user": lambda text: [{"role": "user", "content": text}],
    "part": lambda text: [{"role": "user", "content": [{"type": "text", "text": text}]}],
    "system": lambda text: [{"role": "system", "content": text}],
    "tool": lambda text: [{"role": "tool", "tool_call_id": "t", "content": text}],
    "assistant": lambda text: [{"role": "assistant", "content": text}],
}


@pytest.mark.parametrize("place", PLACES)
def test_what_is_planted_comes_back_as_it_was(place: str, tmp_path: Path) -> None:
    """In the very conversation that the name is of, by its own caller: typed, in a document, in what a tool or a model said."""
    model = Model()

    async def talk(parapet: World) -> None:
        await tell(parapet, f"I am {MAIL}", "one", VICTIM)
        [name] = NAME.findall(model.last)
        for way, typed in TYPED.items():
            planted = typed(name)
            said = [{"role": "user", "content": f"I am {MAIL}"}, *PLACES[place](planted)]
            shown = await tell(parapet, "", "one", VICTIM, messages=said)
            assert shown == planted, way
            assert name not in model.last, way

    run(tmp_path, model, talk)


def test_a_definition_or_a_field_beside_the_messages_is_no_way_in(tmp_path: Path) -> None:
    """Tools, metadata, stop words: whatever reaches the model."""
    model = Model(lambda text: text)

    async def talk(parapet: World) -> None:
        await tell(parapet, f"I am {MAIL}", "one", VICTIM)
        [name] = NAME.findall(model.last)
        tool = {"type": "function", "function": {"name": "send", "description": f"send to {name}", "parameters": {}}}
        await tell(parapet, f"I am {MAIL}", "one", VICTIM, tools=[tool], metadata={"a": name}, user=name, stop=[name])
        sent = model.seen[-1]
        assert name not in str([sent["tools"], sent["metadata"], sent["user"], sent["stop"]])

    run(tmp_path, model, talk)


def run(folder: Path, model: Model, talk: Callable[[World], Any]) -> None:
    """Two callers of one application and one team."""

    async def main() -> None:
        async with misbehaving(model) as address, world(folder, POLICY, backend=address, keys=KEYS, **KEYED) as parapet:
            await talk(parapet)

    asyncio.run(main())
