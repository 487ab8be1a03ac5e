"""One conversation as one call knows it: what stands in the place of what was found, and which names mean which values.

A name is a keyed digest of who calls, the conversation, the category and the value: the same value has the same name in all turns
and all processes, and nobody has to be asked for it. The vault only answers for values that this call does not hold itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from proxy.core import Finding, Operator, Principal, Segment, Trouble
from proxy.errors import VaultError
from proxy.operators.keys import Keys
from proxy.operators.names import DIGITS, LITERAL, MOST, looking, only_names, stem, stem_of
from proxy.operators.synthetic import synthetic
from proxy.text import Span

HASHED = 16  # hexadecimal digits of a hash
ABOUT = 32  # hexadecimal digits by which a vault knows a conversation
PSEUDONYM = Operator("pseudonym")


class Vault(Protocol):
    """Keeps sealed values by conversation and name, for a time. It opens none of them."""

    shared: bool  # between processes

    async def load(self, scopes: Sequence[str]) -> Mapping[str, bytes]:
        """All that is kept for a conversation, under any of its scopes: name to sealed value. Raises VaultError."""
        ...

    async def keep(self, scope: str, values: Mapping[str, bytes]) -> Mapping[str, bytes]:
        """Keep values under names that are free; what was already there under those that are not. Raises VaultError."""
        ...

    async def forget(self, scopes: Sequence[str]) -> int:
        """Delete a conversation; how many values it had. Raises VaultError."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


@dataclass(slots=True)
class Conversation:
    """What one call knows of its conversation. `about`: who calls, and the conversation; `vault`: None for one without an id."""

    keys: Keys | None
    about: tuple[str, ...] = ()
    vault: Vault | None = None
    source: str = ""  # where its id comes from: header, field or head
    structured: bool = False  # the answer was asked for as JSON
    made: dict[str, str] = field(default_factory=dict)  # names that this call gave, and what they mean
    names: dict[tuple[str, str], str] = field(default_factory=dict)  # the same by category's stem and value
    stored: Mapping[str, bytes] = field(default_factory=dict)  # names that the vault knows, and what they mean, sealed
    escaped: set[str] = field(default_factory=set)  # names that stand behind a backslash of the caller's own
    standins: set[str] = field(default_factory=set)  # that this call made: they are nobody's, and stay as they are
    trouble: Trouble | None = None  # what became of asking the vault
    kept: set[str] = field(default_factory=set)
    asked: tuple[Segment, ...] = ()  # recent turns of the prompt, for checks that judge an answer together with them

    @property
    def scopes(self) -> list[str]:
        """How the vault knows it: by a digest under each key, the present one first."""
        return [key.mac("scope", *self.about).hex()[:ABOUT] for key in self.keys.all] if self.keys else []

    async def open(self) -> None:
        """Ask the vault for what it knows of this conversation, once."""
        if self.vault is None or self.stored or self.trouble:
            return
        try:
            self.stored = await self.vault.load(self.scopes)
        except VaultError as error:
            self.trouble = error.kind

    async def keep(self) -> bool:
        """Let the vault keep what is new; False when another process gave one of the names to another value at the same time."""
        new = {name: value for name, value in self.made.items() if name not in self.kept and name not in self.stored}
        if self.vault is None or self.keys is None or not new or self.trouble:
            return True
        scope = self.scopes[0]
        sealed = {name: self.keys.seal(value, bound(scope, name)) for name, value in new.items()}
        try:
            there = await self.vault.keep(scope, sealed)
        except VaultError as error:
            self.trouble = error.kind
            return True
        self.kept |= new.keys() - there.keys()
        self.stored = {**self.stored, **there}
        return all(self.value(name, made=False) == new[name] for name in there)

    def value(self, name: str, *, made: bool = True) -> str | None:
        """What a name means here; None for one that is not of this conversation."""
        if made and name in self.made:
            return self.made[name]
        sealed = self.stored.get(name)
        if sealed is None or self.keys is None:
            return None
        for scope in self.scopes:
            try:
                return self.keys.open(sealed, bound(scope, name))
            except VaultError:
                continue
        return None

    @property
    def live(self) -> bool:
        """Whether any name means something here."""
        return bool(self.made or self.stored)

    @property
    def stems(self) -> frozenset[str]:
        """What the names begin with that mean something here."""
        return frozenset(map(stem_of, [*self.made, *self.stored]))

    def name(self, category: str, value: str) -> str:
        """The value's name here, given to it if it has none; longer where another value has the shorter one already."""
        root = stem(category)
        known = self.names.get((root, value))
        if known is not None:
            return known
        digits = self.digest("pseudonym", *self.about, root, value).hex()
        for length in range(DIGITS, MOST + 1, 2):
            name = f"{root}_{digits[:length]}"
            if self.made.get(name, value) == value and (name not in self.stored or self.value(name, made=False) == value):
                break
        self.names[root, value] = name
        self.made[name] = value
        return name

    def forget_names(self) -> None:
        """Give the names again: one of them was taken meanwhile."""
        self.made.clear()
        self.names.clear()

    def digest(self, purpose: str, *parts: str) -> bytes:
        """A keyed digest."""
        if self.keys is None:
            raise RuntimeError("rules that need a key are refused where there is none")
        return self.keys.first.mac(purpose, *parts)

    def word(self, span: Span, text: str) -> str:
        """What stands in the place of a span of the prompt that held `text`."""
        if span.operator.way == "pseudonym" and text:
            return f"<{self.name(span.category, text)}>"
        return self.replacement(span, text)

    def word_of_answer(self, span: Span, text: str) -> str:
        """The same for a completion: a name for what the caller never said is of another making, and is never restored."""
        if span.operator.way == "pseudonym" and text:
            known = self.names.get((stem(span.category), text))
            digits = self.digest("answer", *self.about, span.category, text).hex()
            return f"<{known or stem(span.category) + '_' + digits[:DIGITS]}>"
        return self.replacement(span, text)

    def replacement(self, span: Span, text: str) -> str:
        """What stands in the place of a span, by an operator that gives no name."""
        if not text or span.operator.way == "label":
            return span.label
        if text in self.standins:
            return text
        if span.operator.way == "mask":
            return masked(text, span.operator.keep) or span.label
        if span.operator.way == "hash":
            return f"<{span.category}:{self.digest('hash', span.category, text).hex()[:HASHED]}>"
        made = synthetic(span.category, text, lambda number: self.digest("synthetic", span.category, text, str(number)))
        self.standins.add(made)
        return made or span.label

    def literals(self, text: str, stems: frozenset[str]) -> list[Span]:
        """Texts of a prompt that look like names: they get names of their own, so that none of them is ever resolved."""
        looked = stems | self.stems | {LITERAL}
        return [Span(each.start, each.end, f"<{LITERAL}>", 0.0, LITERAL, PSEUDONYM) for each in looking(text, looked)]

    def is_name(self, text: str, start: int, finding: Finding) -> bool:
        """Whether what was found in `text`, which begins at offset `start`, is only a name that means something here."""
        known = {**self.stored, **self.made}
        return bool(known) and only_names(text, start, finding, known, frozenset(map(stem_of, known)))


@dataclass(frozen=True, slots=True)
class Conversations:
    """Makes conversations; `keys` is None where no key is configured, and then no rule needs one."""

    keys: Keys | None = None
    vault: Vault | None = None

    def of(self, principal: Principal, id: str, source: str, *, stored: bool = True) -> Conversation:
        """A principal's conversation; `stored`: its id names it alone, so that the vault can answer for it."""
        who = (principal.key, principal.app, principal.team, source, id)
        return Conversation(self.keys, who, self.vault if stored and self.keys else None, source)

    async def forget(self, principal: Principal, id: str) -> int:
        """Delete what the vault keeps of a conversation; how many values. Raises VaultError."""
        conversation = self.of(principal, id, "header")
        return 0 if conversation.vault is None else await conversation.vault.forget(conversation.scopes)


def bound(scope: str, name: str) -> str:
    """What a sealed value is about."""
    return f"{scope}/{name}"


def masked(text: str, keep: int) -> str:
    """Letters and digits as asterisks but for the last `keep`, never more than half of them; nothing if there are none."""
    places = [place for place, char in enumerate(text) if char.isalnum()]
    shown = min(keep, len(places) // 2)
    hidden = set(places[: len(places) - shown])
    return "".join("*" if place in hidden else char for place, char in enumerate(text)) if places else ""
