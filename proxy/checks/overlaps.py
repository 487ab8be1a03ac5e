"""What is left of matches that lie within others: the card in an account number, the domain of an e-mail address.

The rule. A match is dropped when it lies within another, or covers the same characters, and that one rules it out:

1. An e-mail address rules out the URL in it. Numbers rule out numbers; nothing else rules anything out (what stands in a URL or
   in the name of an e-mail address is what it is there, too).
2. What is proven (a checksum or a structure that accidents hardly have) rules out what is not; then a match that a word of its
   own speaks for, one that none or a vague one does; then one whose score is 0.5 or more, one whose score is less. Nothing rules
   out what is stronger in this, nothing under 0.5 rules out anything, and a form alone nothing whose check digits are right.
3. Of two that are as strong, the longer rules out the shorter. Of the same characters, the one whose word is nearer; where no
   word speaks for either, the one whose form says more (a date, a phone number). Else both are left.

What a match is does not depend on what rules ask for: the entities that may rule one of theirs out are looked for, too, and then
left out. So a further rule never takes a finding from another. A match that overlaps another and lies within none is left: what
is replaced of both is then one (`text.spans`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from proxy.core import Finding

LINKS = "URL"
ADDRESS = "EMAIL_ADDRESS"
APART = frozenset(("AGE", "EMAIL_ADDRESS", "STREET_ADDRESS", "URL"))  # they hold numbers, or stand in them, and are none
CERTAIN = frozenset(("CREDIT_CARD", "CRYPTO", "IBAN_CODE", "MAC_ADDRESS", "UUID"))  # numbers that are proven, or none
ALWAYS = CERTAIN | {"DATE_TIME", "IP_ADDRESS", "PHONE_NUMBER"}  # those that may rule out others; of a locale, its usual ones, too
LIKELY = 0.5
PROVEN, SPOKEN_FOR, BY_FORM, WEAK = 3, 2, 1, 0


@dataclass(frozen=True, slots=True)
class Matched:
    """A finding with what its match is worth beside others. `base`: its score without the words around it."""

    finding: Finding
    proven: bool
    hint: str  # a word before it that is not vague
    base: float
    away: int = 0  # words from that word to the match
    passed: bool = False  # its check digits are right

    @property
    def strength(self) -> int:
        """How sure it is beside others, by the second part of the rule."""
        if self.proven:
            return PROVEN
        if self.finding.score < LIKELY:
            return WEAK
        return SPOKEN_FOR if self.hint else BY_FORM

    def rules_out(self, other: Matched) -> bool:
        """Whether the other, which lies within this one, is none for that."""
        one, two = self.finding, other.finding
        if one.category == two.category or not rivals(one.category, two.category) or self.strength == WEAK:
            return False
        if other.passed and self.strength == BY_FORM:
            return False
        if self.strength != other.strength:
            return self.strength > other.strength
        if one.end - one.start != two.end - two.start:
            return True
        if self.strength == SPOKEN_FOR:
            return self.away < other.away
        return self.strength == BY_FORM and self.base > other.base


def rivals(entity: str, other: str) -> bool:
    """Whether one of `entity` may rule out one of `other`."""
    if other == LINKS:
        return entity == ADDRESS
    return not APART & {entity, other} and (entity in CERTAIN or other not in CERTAIN)


def ruling(wanted: Collection[str], usual: Iterable[str]) -> frozenset[str]:
    """The entities that may rule out one of those wanted; `usual` are the usual ones of the locales."""
    candidates = {*ALWAYS, ADDRESS, *usual}
    return frozenset(one for one in candidates if any(rivals(one, other) for other in wanted))


def resolved(found: Sequence[Matched], judges: Collection[str]) -> list[Matched]:
    """Those that no other rules out; only those of the entities `judges` do. The work grows with the overlaps alone."""
    kept: list[Matched] = []
    over: list[Matched] = []  # those seen that a later one may lie within
    for first, each in groups(found):
        over = [other for other in over if other.finding.end > first]
        over += [each for each in each if each.finding.category in judges]
        kept += [one for one in each if not any(holds(other, one) and other.rules_out(one) for other in over)]
    return kept


def groups(found: Sequence[Matched]) -> Iterable[tuple[int, list[Matched]]]:
    """The matches by where they begin, in order."""
    by_start: dict[int, list[Matched]] = {}
    for each in found:
        by_start.setdefault(each.finding.start, []).append(each)
    return sorted(by_start.items())


def holds(one: Matched, other: Matched) -> bool:
    """Whether the other lies within the one."""
    return one.finding.start <= other.finding.start and other.finding.end <= one.finding.end
