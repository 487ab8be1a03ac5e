"""The words that everything else is written in: Segment, Finding, Action, Decision, Principal, and the Check protocol."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any, Literal, Protocol, runtime_checkable

Direction = Literal["prompt", "completion"]
Role = Literal["system", "user", "assistant", "tool", "document", "reasoning"]
# json: the text is JSON source, read through its escapes and kept valid when changed; either: it is if it begins like it
Form = Literal["text", "json", "either"]
Mode = Literal["enforce", "monitor"]
Trouble = Literal["error", "timeout", "overload"]
Level = Literal["strict", "balanced", "lenient"]
Family = Literal["privacy", "copyright", "bias", "misuse", "custom"]
Way = Literal["label", "hash", "synthetic", "pseudonym", "mask"]  # of replacing, from what tells the least to what tells the most
Thresholds = Mapping[tuple[str, Role], float]  # by category and role

DEADLINE: ContextVar[float] = ContextVar(
    "DEADLINE", default=math.inf
)  # on time.monotonic(): when nobody waits for a check any more
DIRECTIONS: tuple[Direction, ...] = ("prompt", "completion")
ROLES: tuple[Role, ...] = ("system", "user", "assistant", "tool", "document", "reasoning")
WAYS: tuple[Way, ...] = ("label", "hash", "synthetic", "pseudonym", "mask")
FAMILIES: tuple[Family, ...] = ("privacy", "copyright", "bias", "misuse", "custom")


class Action(IntEnum):
    """What happens to a call, weakest to strongest."""

    ALLOW = 0
    FLAG = 1
    REDACT = 2
    BLOCK = 3

    @property
    def word(self) -> str:
        """The action as policies, records and metrics write it."""
        return WORDS[self]


WORDS = tuple(action.name.lower() for action in Action)


@dataclass(frozen=True, slots=True)
class Operator:
    """How what was found is replaced: by its category, by a keyed hash, by a stand-in, by a name that comes back, or in part."""

    way: Way = "label"
    keep: int = 0  # of a mask: the letters and digits at the end that stay

    @property
    def tells(self) -> tuple[int, int]:
        """How much its replacement tells of what it stands for: the least comes first."""
        return WAYS.index(self.way), self.keep


LABEL = Operator()
VAULT = "vault"  # as a failure names what keeps the values behind pseudonyms; every rule that makes them is concerned


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls."""

    key: str = ""  # the key's name in the configuration, never the key
    app: str = ""
    team: str = ""


@dataclass(slots=True)  # not frozen, as Segment: there is one for each call
class Ids:
    """What a call is known by, in the log and elsewhere."""

    request_id: str = ""
    trace_id: str = ""  # of the trace that it is a part of, 32 hexadecimal digits; empty where it is part of none
    sampled: bool = False  # whether that trace is kept


CALLED: ContextVar[Ids] = ContextVar("CALLED", default=Ids())  # noqa: B039 - nobody changes it


@dataclass(slots=True, unsafe_hash=True)  # not frozen: there are many in each call, and freezing costs five times as much
class Segment:
    """One piece of text to check; nobody changes it."""

    text: str
    role: Role
    place: str = ""  # where in the payload it came from, for people: messages[2].content[0].text
    form: Form = "text"
    turn: bool = False  # it is said in a message of the conversation, and not beside it
    age: int = 0  # of a turn: how many messages came after it, up to those that the call is about
    before: tuple[Segment, ...] = ()  # of a completion: recent turns of what it answers, for checks that judge both together


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check saw: the span is in characters of the segment, `end` exclusive."""

    check: str
    family: Family
    category: str
    score: float
    start: int
    end: int
    variant: str = ""  # tells apart two uses of one check with other options
    detail: tuple[tuple[str, str | int | float], ...] = ()  # what the check can say of it, by name; never the user's text
    segment: int = 0  # the index of its segment in the call, and that segment's role: the engine fills them in
    role: Role = "user"
    replacement: str | None = field(default=None, repr=False)  # what a rule that redacts puts there; None: <category>

    def at(self, segment: int, role: Role) -> Finding:
        """The same finding, placed in its call."""
        return replace(self, segment=segment, role=role)


@dataclass(frozen=True, slots=True)
class Failure:
    """A check that gave no answer."""

    check: str
    variant: str
    kind: Trouble


@dataclass(slots=True)  # not frozen: there is one for each piece of a stream, and freezing doubles its cost
class Report:
    """What checks say of one segment, or of the part of a growing text that has come since they were last asked.

    `settled`: findings that begin before this offset are all known and final, however the text goes on. `wait`: the text has
    ended, and something is still being found out: when this is done, the watch is to be asked again. `not_inspected`: why some of
    the text was not looked at, if it was not.
    """

    findings: Sequence[Finding] = ()
    settled: int = 0
    failures: Sequence[Failure] = ()
    wait: Future[None] | None = None
    not_inspected: Sequence[str] = ()


class Watch(Protocol):
    """One growing text in the eyes of a check. Offsets count from the beginning of the text."""

    def push(self, text: str, *, end: bool = False) -> Report:
        """Take more of the text; `end` says that there is no more. Each finding is reported once.

        Only a watch whose report at the end says `wait` is asked again, with no more text.
        """
        ...


@runtime_checkable
class Timed(Protocol):
    """A watch that waits for somebody else while its text goes on: `timeout`, in seconds, is how long its rules let it."""

    timeout: float


class Check(Protocol):
    """Looks at segments and returns findings. It decides nothing, logs nothing, reads no policy."""

    @property
    def names(self) -> tuple[tuple[str, str], ...]:
        """The (check, variant) pairs that it answers for; more than one where checks share a pass over the text."""
        ...

    def __call__(self, segments: Sequence[Segment]) -> Sequence[Report]:
        """One report for each segment, in order."""
        ...

    def quick(self, segments: Sequence[Segment]) -> Sequence[Report] | None:
        """The reports if microseconds are enough to have them, else None: then the check is called, in a thread if need be."""
        ...

    def watch(self, role: Role) -> Watch:
        """A watch over one text of `role` that comes in pieces."""
        ...


@runtime_checkable
class Pairing(Protocol):
    """A check that judges what a model says together with what it was asked."""

    def watch_answer(self, role: Role, before: tuple[Segment, ...]) -> Watch:
        """A watch over one text of an answer that comes in pieces; `before`: recent turns of what it answers."""
        ...


@runtime_checkable
class Waiting(Protocol):
    """A check that waits for what somebody else computes: nobody's thread needs to wait with it."""

    def begin(self, segments: Sequence[Segment]) -> Future[Sequence[Report]]:
        """The reports to come; those of texts that need no waiting are there at once. Honours DEADLINE."""
        ...


class Outside(Protocol):
    """Whom a check may ask, without knowing how: services over HTTP, and the models of the pools.

    Nothing here waits. An answer raises CheckTimeout when it took too long, CheckError when there is none that is good.
    """

    @property
    def services(self) -> Collection[str]:
        """The names of the services that the settings describe."""
        ...

    @property
    def models(self) -> Collection[str]:
        """The names of the pools."""
        ...

    def post(self, to: str, path: str, body: bytes, headers: Mapping[str, str], timeout: float) -> Future[bytes]:
        """What a service answers; `to` is its name, or its address."""
        ...

    def complete(self, model: str, path: str, payload: Mapping[str, Any], timeout: float) -> Future[bytes]:
        """What a model of a pool answers, whole."""
        ...


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong with an option of a check."""

    option: str
    message: str


@dataclass(frozen=True, slots=True)
class CheckKind:
    """A check as policies name it; registered in `checks`, one line each.

    `options` is the pydantic model of a rule's `with`; its field `select` lists the categories that the rule is about,
    and `defaults` are those it is about when it names none. `build` makes the check for the categories that some rule
    needs, or several under one name where categories are found in different ways. Two rules whose other options are
    equal share one check. `joins`: it shares its pass over the text with others that do.
    `levels` says which score each level of a rule asks for, by category and role; it raises ParapetError when nobody can say.
    `floor`: it reports no finding with a lower score, so that a rule with a lower threshold is refused.
    `settled`: the options of a rule, those that it left open decided by the score from which each finding matters to it.
    `lasting`: it says the same of the same text as long as it lives. `converses`: what it looks for may be said over turns.
    `flaw`: what is wrong with options that are well-formed, under the settings in force. `about`: the family of what it finds
    under its options, where that is not always `family`. `pairs`: it wants to know what a completion answers, and what it builds
    is a Pairing.
    """

    name: str
    family: Family
    categories: tuple[str, ...]
    defaults: tuple[str, ...]
    options: type[Any]
    select: str
    build: Callable[[Any, frozenset[str], str], Check | tuple[Check, ...]]
    description: str = ""
    joins: bool = False
    levels: Callable[[Any, Level], Thresholds] | None = None
    floor: float = 0.0
    settled: Callable[[Any, Thresholds], Any] | None = None
    flaw: Callable[[Any], Flaw | None] | None = None
    lasting: bool = True
    converses: bool = False
    about: Callable[[Any], Family] | None = None
    pairs: bool = False


@dataclass(frozen=True, slots=True)
class Match:
    """A rule that a finding or a failure matched, and what it asks for."""

    policy: str
    rule: str
    action: Action
    mode: Mode
    finding: Finding | None = None
    failure: Failure | None = None
    threshold: float = 0.0  # that the finding reached
    level: Level | None = None  # that the threshold comes from
    operator: Operator = LABEL  # of a rule that redacts


@dataclass(frozen=True, slots=True)
class Decision:
    """For one direction of one call: the action taken, the rule that decided, all findings, the policies' digests."""

    direction: Direction
    action: Action = Action.ALLOW
    would: Action = Action.ALLOW  # the strongest action of all matches, those in monitor mode among them
    policy: str = ""
    rule: str = ""
    message: str = ""
    findings: tuple[Finding, ...] = ()
    matches: tuple[Match, ...] = ()
    failures: tuple[Failure, ...] = ()
    policies: tuple[str, ...] = ()  # name@digest of every policy that applied
