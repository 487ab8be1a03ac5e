"""A backend that writes the names that it was given in every way that models do, beside names that are nobody's here.

It is told values as `k3=VALUE;;` and answers with them: reordered, quoted, in other case, escaped, as a tag, in a link, in the
arguments of tools, in pieces of any length. It notes what it has written, so that a test knows what a caller must be shown.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import orjson

from tests.world import STREAM, chunk, completion, event, http, piece

TOLD = re.compile(r"(k\d+)=(.*?);;", re.DOTALL)
CALLED = re.compile(r"Conversation (\S+) turn (\d+)")
NAME = re.compile(r"<[A-Z_]+_[0-9a-f]{6,}>")
WAYS = (
    lambda name: name,
    lambda name: name.lower(),
    lambda name: name.upper(),
    lambda name: name.title(),
    lambda name: f"< {name[1:-1]} >",
    lambda name: name.replace("_", "-"),
    lambda name: name.replace("_", " "),
    lambda name: name.replace("<", "\\<").replace(">", "\\>").replace("_", "\\_"),
    lambda name: f"&lt;{name[1:-1]}&gt;",
    lambda name: f"\\u003c{name[1:-1]}\\u003e",
    lambda name: f"＜{name[1:-1]}＞",
    lambda name: f"<{name[1:-1]}/>",
    lambda name: name[1:-1],
)
AROUND = ('"{}"', "**{}**", "Dear {},", "- {}", "({})", "{}'s", "`{}`", "| {} |", "{}.", "[{}]", "{}\n")


@dataclass(frozen=True, slots=True)
class Part:
    """A part of an answer: a text, or a value of the caller's by its key; `encoded`: in a link."""

    written: str
    key: str = ""
    encoded: bool = False

    def shown(self, values: dict[str, str]) -> str:
        """What the caller must be shown of it."""
        value = values[self.key] if self.key else self.written
        return quote(value, safe="") if self.encoded else value


@dataclass
class Talkative:
    """The backend."""

    random: random.Random = field(default_factory=lambda: random.Random(4))
    names: dict[str, dict[str, str]] = field(default_factory=dict)  # of each conversation, by key
    answers: dict[tuple[str, int], tuple[list[Part], list[Part]]] = field(default_factory=dict)  # text, and text in arguments
    seen: list[str] = field(default_factory=list)  # everything that it was sent

    async def __call__(self, request: Any, writer: asyncio.StreamWriter, reader: asyncio.StreamReader) -> None:
        self.seen.append(json.dumps(request, ensure_ascii=False))
        text = str(request["messages"][-1]["content"])
        called = CALLED.search(text)
        assert called is not None
        talk, turn = called[1], int(called[2])
        for message in request["messages"]:
            self.names.setdefault(talk, {}).update(dict(TOLD.findall(str(message["content"]))))
        words, arguments = self.answer(talk), self.answer(talk) if self.random.random() < 0.4 else []
        self.answers[talk, turn] = words, arguments
        said, source = joined(words), self.source(joined(arguments)) if arguments else ""
        calls = [{"index": 0, "id": "c", "type": "function", "function": {"name": "send", "arguments": source}}]
        if not request.get("stream"):
            writer.write(http(orjson.dumps(completion(said, **({"tool_calls": calls} if source else {})))))
            return
        events = [chunk({"content": each}) for each in self.pieces(said)]
        if source:
            events.append(chunk({"tool_calls": [{**calls[0], "function": {"name": "send", "arguments": ""}}]}))
            events += [chunk({"tool_calls": [{"index": 0, "function": {"arguments": each}}]}) for each in self.pieces(source)]
        events.append(chunk({}, finish="stop"))
        writer.write(STREAM + b"".join(piece(event(each)) for each in events) + piece(b"data: [DONE]\n\n") + piece(b""))

    def answer(self, id: str) -> list[Part]:
        """Own names, and names of nobody and of others, in any order."""
        draw = self.random
        own = list(self.names[id].items())
        draw.shuffle(own)
        parts = [part for key, name in own for part in self.written(key, name)]
        for stranger in self.strangers(id):
            parts.insert(draw.randrange(len(parts) + 1), Part(f" {stranger} "))
        return parts

    def written(self, key: str, name: str) -> list[Part]:
        """One name, somehow; what was typed and only looks like one is a name, too."""
        draw = self.random
        if not NAME.fullmatch(name):
            return [Part(f"{key} was told in clear: {name} ")]
        if draw.random() < 0.1:
            return [Part(" https://x.test/?q="), Part(f"%3C{name[1:-1]}%3E", key, encoded=True), Part("&n=1 ")]
        before, after = draw.choice(AROUND).split("{}")
        return [Part(f" {before}"), Part(draw.choice(WAYS)(name), key), Part(f"{after} ")]

    def strangers(self, id: str) -> list[str]:
        """Names that must not be resolved."""
        draw = self.random
        made = [f"<PERSON_{draw.getrandbits(24):06x}>", f"<EMAIL_ADDRESS_{draw.getrandbits(32):08x}>"]
        own = [name for name in self.names[id].values() if NAME.fullmatch(name)]
        if own:
            made += [draw.choice(own)[:-2] + ">", draw.choice(own)[:-1] + "0>"]  # cut short, and too long
        others = [name for other, names in self.names.items() if other != id for name in names.values()]
        made += [name for name in (draw.choice(others) for _ in range(3 if others else 0)) if NAME.fullmatch(name)]
        return [name for name in made if name not in own]

    def source(self, text: str) -> str:
        """JSON source with the text in it, escaped in one way or another."""
        source = json.dumps({"to": text, "list": [text, 7]}, ensure_ascii=self.random.random() < 0.5)
        return source.replace("<", "\\u003c").replace(">", "\\u003e") if self.random.random() < 0.3 else source

    def pieces(self, text: str) -> list[str]:
        """In pieces as tokens have them, and shorter ones."""
        made, place = list[str](), 0
        while place < len(text):
            length = self.random.randint(1, 6)
            made.append(text[place : place + length])
            place += length
        return made


def joined(parts: list[Part]) -> str:
    return "".join(part.written for part in parts)
