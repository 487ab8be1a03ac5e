"""Whether an expression that somebody wrote into a policy can be run on any text in little time.

Hyperscan finds the texts in which it may match; what it matches there is found by backtracking, so what counts is in how many
ways an expression can begin to match at one place. They are counted from its structure, generously: a repeat is one way where
what follows tells its end (`[a-z]{1,60}@`), else one for each length; ways of a sequence multiply, and a repeat around them takes
their powers.
"""

from __future__ import annotations

from collections.abc import Sequence
from re import _constants as c  # the parser's tree has no public name
from re import _parser as parser  # the same
from typing import Any

import regex

from proxy.checks.expression import ALL, REPEATS, Bytes, Writer, screened
from proxy.checks.screen import CONTEXT
from proxy.errors import ExpressionError

MOST = 2_000  # ways: a fraction of a millisecond at a place that has nearly all of them
LONGEST_FORM = 15_000  # characters of what an automaton is made from; Hyperscan takes no more
NOTHING: Bytes = frozenset()
AROUND = (c.AT, c.ASSERT, c.ASSERT_NOT)


def bounded(pattern: str, flags: int, longest: int) -> None:
    """Raises ExpressionError where an expression is bad, without an end, or takes too long; `longest`: of what it may match."""
    try:
        regex.compile(pattern, flags)
    except (regex.error, OverflowError, RecursionError) as error:
        raise ExpressionError(f"not a regular expression: {error}") from None
    forms = screened(pattern, flags)
    if max(map(len, (forms.superset, forms.opening))) > LONGEST_FORM:
        raise ExpressionError("it is too long to be looked for in one pass: make two of it")
    tree = parser.parse(pattern, flags)
    low, high = tree.getwidth()
    if low == 0:
        raise ExpressionError("it matches nothing at all, too: at least one character must be there")
    if high > longest:
        raise ExpressionError(f"it has no end, or one behind {longest} characters: write {{1,40}} for +, and {{0,40}} for *")
    if surroundings(tree) > CONTEXT:
        raise ExpressionError(f"it looks more than {CONTEXT} characters ahead or back: write {{1,40}} for +, and {{0,40}} for *")
    ways = Ways(tree.state).sequence(tree, NOTHING)
    if ways > MOST:
        raise ExpressionError(
            f"it can begin to match in {min(ways, 10**9):,} ways at one place, and {MOST:,} are allowed: make repeats shorter, "
            "or let them end at a character that is not among those repeated"
        )


def surroundings(node: Any) -> int:
    """The most characters that a lookaround anywhere below `node` may look at."""
    widest = 0
    if isinstance(node, tuple) and len(node) == 2 and node[0] in (c.ASSERT, c.ASSERT_NOT):
        widest = int(node[1][1].getwidth()[1])
    parts = node if isinstance(node, (list, tuple, parser.SubPattern)) else ()
    return max([widest, *(surroundings(part) for part in parts)])


class Ways:
    """Counts the ways of one parsed expression."""

    def __init__(self, state: Any) -> None:
        self.state, self.writer = state, Writer(state.flags)

    def sequence(self, tree: Sequence[Any], follow: Bytes) -> int:
        """Of all of it, where `follow` may come after it; nothing: it is the end, and the first way is taken."""
        ways = 1
        for place in reversed(range(len(tree))):
            op, av = tree[place]
            ways = min(ways * self.item(op, av, follow), 10**12)
            follow = self.first([(op, av)], follow)
        return ways

    def item(self, op: Any, av: Any, follow: Bytes) -> int:
        if op in REPEATS:
            low, high, tree = av
            return self.repeat(low, high, tree, follow)
        if op in (c.BRANCH, c.GROUPREF_EXISTS):
            branches = av[1] if op is c.BRANCH else av[1:]
            return sum(self.sequence(each or (), follow) for each in branches)
        if op is c.SUBPATTERN:
            return self.sequence(av[3], follow)
        if op in (c.ASSERT, c.ASSERT_NOT):
            return self.sequence(av[1], ALL)
        return self.sequence(av, follow) if op is c.ATOMIC_GROUP else 1

    def repeat(self, low: int, high: int, tree: Sequence[Any], follow: Bytes) -> int:
        """Its ways of stopping, times those of what is repeated."""
        first = self.first(tree, NOTHING)
        told = not (first & follow)  # the next character tells whether it goes on
        inner = self.sequence(tree, first | follow)
        if inner == 1:
            return 1 if told else int(high) - int(low) + 1
        counts = [int(high)] if told else range(int(low), int(high) + 1)
        return sum(min(inner ** min(count, 12), 10**12) for count in counts)

    def first(self, tree: Sequence[Any], follow: Bytes) -> Bytes:
        """What a match of the sequence, with `follow` behind it, may begin with."""
        found: Bytes = NOTHING
        for op, av in tree:
            if op in AROUND:  # what they ask for may fail whatever the next character is
                found |= ALL
                continue
            found |= self.beginning(op, av)
            if parser.SubPattern(self.state, [(op, av)]).getwidth()[0] > 0:
                return found
        return found | follow

    def beginning(self, op: Any, av: Any) -> Bytes:
        chars = self.writer.chars(op, av)
        if chars is not None:
            return chars
        if op in REPEATS:
            return self.first(av[2], NOTHING)
        if op is c.BRANCH:
            return NOTHING.union(*(self.first(each, NOTHING) for each in av[1]))
        if op is c.SUBPATTERN:
            return self.first(av[3], NOTHING)
        return self.first(av, NOTHING) if op is c.ATOMIC_GROUP else ALL
