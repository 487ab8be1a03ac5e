"""A conversation as what it is made of: turns of the past that were blocked, and what recent turns say together."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from proxy.core import Action, Decision, Finding, Match, Report, Segment
from proxy.policy import Policy, decide
from proxy.text import Span, readable, redacted

RECENT = 4  # turns that are read together
TOGETHER = 4000  # characters of them at most, the last
REMOVED = "[removed: {message}]"


@dataclass(slots=True)  # not frozen: there is one for each call, and freezing costs five times as much
class Past:
    """What becomes of turns of the past that a rule blocks: segments that are replaced as a whole, and those that are dropped."""

    decision: Decision
    replaced: Mapping[int, str] = field(default_factory=dict)
    dropped: frozenset[int] = frozenset()


def forgiven(decision: Decision, policies: Sequence[Policy], segments: Sequence[Segment]) -> Past:
    """The decision without the blocks of turns that are past, if the rules let those go; else as it was.

    A turn that was blocked stays in the history that a client sends: it must not block whatever is said after it. No
    model answers it, since its text is replaced or dropped.
    """
    if decision.action != Action.BLOCK:
        return Past(decision)
    rules = {(rule.policy, rule.id): rule for policy in policies for rule in policy.rules}
    matches: list[Match] = []
    replaced: dict[int, str] = {}
    dropped: set[int] = set()
    for match in decision.matches:
        if match.mode != "enforce" or match.action != Action.BLOCK:
            matches.append(match)
            continue
        rule, finding = rules.get((match.policy, match.rule)), match.finding
        if rule is None or finding is None or rule.history == "block" or not segments[finding.segment].age:
            return Past(decision)
        matches.append(replace(match, action=Action.REDACT))
        replaced.setdefault(finding.segment, REMOVED.format(message=decision.message))
        if rule.history == "drop":
            dropped.add(finding.segment)
    return Past(replace(decision, action=Action.REDACT, matches=tuple(matches)), replaced, frozenset(dropped))


def without(segment: Segment, note: str) -> str:
    """A text replaced as a whole, by a note; JSON stays JSON."""
    if segment.form == "text":
        return note
    return redacted(segment.text, [Span(0, len(segment.text), note)], segment.form)


def before(segments: Sequence[Segment], texts: Mapping[int, str], dropped: Collection[int]) -> tuple[Segment, ...]:
    """Recent turns of a prompt, one segment each, as they go to the model; `texts`: those that were replaced.

    Where nothing is said in turns, what the user says is one. Of what is long, the end counts.
    """
    spoken = [i for i, each in enumerate(segments) if each.turn and each.role in ("user", "assistant")]
    spoken = spoken or [i for i, each in enumerate(segments) if each.role == "user"]
    made: list[Segment] = []
    room, last = TOGETHER, -1
    for i in reversed(spoken):
        segment = segments[i]
        if i in dropped or segment.age >= 2 * RECENT or room <= 0:
            continue
        text = readable(texts.get(i, segment.text), segment.form)[-room:]
        room -= len(text)
        if made and last == segment.age and made[0].role == segment.role:
            made[0] = replace(made[0], text=f"{text}\n{made[0].text}")
        else:
            made.insert(0, Segment(text, segment.role, turn=True, age=segment.age))
        last = segment.age
    return tuple(made)


@dataclass(frozen=True, slots=True)
class Asks:
    """What rules ask for in each segment, for what was found in it alone: a finding that no rule matches asks for nothing."""

    policies: Sequence[Policy]
    rules: Mapping[int, set[tuple[str, str, str]]]  # by segment: policy, rule and category
    blocked: frozenset[int]  # segments that an enforced rule blocks: they block the call, or are replaced

    @classmethod
    def of(cls, policies: Sequence[Policy], findings: Sequence[Finding]) -> Asks:
        """By what has been found so far."""
        rules: dict[int, set[tuple[str, str, str]]] = {}
        blocked = set()
        for match in decide(policies, "prompt", findings).matches:
            if match.finding is not None:
                rules.setdefault(match.finding.segment, set()).add((match.policy, match.rule, match.finding.category))
                if match.mode == "enforce" and match.action == Action.BLOCK:
                    blocked.add(match.finding.segment)
        return cls(policies, rules, frozenset(blocked))

    def more(self, pieces: Sequence[Finding]) -> bool:
        """Whether a finding, by the pieces of it, asks for something that none of their segments does by itself."""
        matches = decide(self.policies, "prompt", pieces[:1]).matches  # all of one score, and of what the user said
        asked = {(match.policy, match.rule, pieces[0].category) for match in matches}
        return not asked <= set().union(*(self.rules.get(piece.segment, ()) for piece in pieces))


@dataclass(frozen=True, slots=True)
class Together:
    """What a user said in recent turns and parts, as one text; `starts`: where each of the segments `parts` begins in it."""

    segment: Segment
    parts: Sequence[int]
    starts: Sequence[int]
    skipped: int  # characters of the first part that are not in it

    def apart(self, report: Report, read: Sequence[Segment], asks: Asks) -> list[Finding]:
        """The findings over more than one part, placed in all that they touch, that ask for more than what is found there."""
        found = []
        for finding in report.findings:
            pieces = [piece for piece in self.pieces(finding, read) if piece.end > piece.start]
            if len(pieces) > 1 and asks.more(pieces):
                found += pieces
        return found

    def pieces(self, finding: Finding, read: Sequence[Segment]) -> list[Finding]:
        """A finding as the parts have it."""
        made = []
        for part, start in zip(self.parts, self.starts, strict=True):
            offset = self.skipped if part == self.parts[0] else 0
            length = len(read[part].text) - offset
            begin, end = max(finding.start - start, 0), min(finding.end - start, length)
            if begin < end:
                made.append(replace(finding, start=begin + offset, end=end + offset, segment=part, role=read[part].role))
        return made


def together(read: Sequence[Segment], *, past: bool, besides: Collection[int] = ()) -> Together | None:
    """What the user said in the last turns as one text, if it came in more than one part.

    `past`: without the present. `besides`: without these segments, which no model will read.
    """
    said = [i for i, segment in enumerate(read) if segment.role == "user" and segment.turn and past <= segment.age < 2 * RECENT]
    said = [i for i in said if i not in besides]
    parts: list[int] = []
    room = TOGETHER
    for i in reversed(said):
        if room <= 0:
            break
        parts.insert(0, i)
        room -= len(read[i].text) + 1
    if len(parts) < 2:
        return None
    skipped = max(0, -room - 1)
    texts: list[str] = []
    starts, at, before = [], 0, 0
    for i in parts:
        text = read[i].text[skipped:] if i == parts[0] else read[i].text
        if texts and read[i].age != before:
            texts.append("\n")
            at += 1
        starts.append(at)
        texts.append(text)
        at, before = at + len(text), read[i].age
    return Together(Segment("".join(texts), "user", "recent turns"), parts, starts, skipped)
