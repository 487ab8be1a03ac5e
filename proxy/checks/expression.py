"""Turns a regular expression into two simpler ones over bytes: what may match, and what may still become a match.

A screen has to be fast and must never miss; it may be wrong in the other direction. So an expression is rewritten into a
*superset* of itself that any automaton can run: lookarounds are dropped, back-references become the group they refer to,
classes become sets of bytes, long counted repeats become unbounded. The text is folded to one byte a character (`folds`), so
offsets are the same in both. `re` and `regex` differ on what a word is (a combining accent, a superscript): a text in which
that matters is folded once for each.

For streams the *open* form matters: the reversed expression of every prefix of a match. Run backwards from the end of a text
that is still growing, the longest match says how many characters may yet turn out to belong to a finding, and so must be held
back; no more than that is.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from re import _constants as c  # the parser's tree has no public name
from re import _parser as parser  # the same
from typing import Any

import regex

from proxy.errors import ExpressionError

LETTER, DIGIT, SPACE, OTHER = b"_0 \x80"  # what a character beyond ASCII folds to, by what \w, \d and \s say of it
ALL = frozenset(range(128)) | {OTHER}
WORD_BYTES = frozenset(b for b in range(128) if re.match(r"\w", chr(b)))
SPACE_BYTES = frozenset(b for b in range(128) if re.match(r"\s", chr(b)))
SEPARATORS = frozenset(range(0x1C, 0x20))  # white space to `re` and none to `regex`: taken for both
DIGIT_BYTES = frozenset(b"0123456789")
CATEGORIES = {
    c.CATEGORY_DIGIT: DIGIT_BYTES,
    c.CATEGORY_NOT_DIGIT: (ALL - DIGIT_BYTES),
    c.CATEGORY_WORD: WORD_BYTES,
    c.CATEGORY_NOT_WORD: (ALL - WORD_BYTES),
    c.CATEGORY_SPACE: SPACE_BYTES,
    c.CATEGORY_NOT_SPACE: (ALL - SPACE_BYTES) | SEPARATORS,
}
# The letters beyond ASCII whose other case is an ASCII letter: re.IGNORECASE takes them for it.
CASE_TWINS = {"\u017f": "s", "\u212a": "k", "\u0130": "i", "\u0131": "i"}
TWIN_BYTES = frozenset(b"sSkKiI")
REPEATS = (c.MAX_REPEAT, c.MIN_REPEAT, c.POSSESSIVE_REPEAT)
DOTALL, IGNORECASE = int(re.DOTALL), int(re.IGNORECASE)  # an & with an enumeration takes as long as all the rest
LONG = 40  # a counted repeat above this becomes unbounded: automata pay for each count
MANY = 24  # alternatives beyond this (lists of top-level domains) are blurred in the open form

Bytes = frozenset[int]
Tree = Sequence[tuple[Any, Any]]


class Kinds(dict[int, int]):
    """The byte for each character, in the eyes of one engine; filled as characters are met."""

    def __init__(self, match: Callable[[str, str], object]) -> None:
        self.match = match

    def __missing__(self, code: int) -> int:
        char = chr(code)
        if char in CASE_TWINS:
            byte = ord(CASE_TWINS[char])
        elif self.match(r"\w", char):
            byte = DIGIT if self.match(r"\d", char) else LETTER
        else:
            byte = SPACE if self.match(r"\s", char) else OTHER
        self[code] = byte
        return byte

    def __call__(self, error: UnicodeError) -> tuple[bytes, int]:
        """As the codecs call it with a run of characters that ASCII has not."""
        assert isinstance(error, UnicodeEncodeError)  # noqa: S101 - for the types: encoding raises no other
        return error.object[error.start : error.end].translate(self).encode("latin-1"), error.end


PLAIN, MORE = Kinds(re.match), Kinds(regex.match)
codecs.register_error("parapet-fold-re", PLAIN)
codecs.register_error("parapet-fold-regex", MORE)


def fold(text: str) -> bytes:
    """One byte for each character of `text`: ASCII as it is, the rest by its kind in the eyes of `re`."""
    return text.encode("ascii", "parapet-fold-re")


def folds(text: str) -> list[bytes]:
    """The folding of `text` as `re` sees it, and that as `regex` sees it where it is another."""
    plain = fold(text)
    if text.isascii():
        return [plain]
    more = text.encode("ascii", "parapet-fold-regex")
    return [plain] if plain == more else [plain, more]


@dataclass(frozen=True, slots=True)
class Screened:
    """The two forms of one expression, as bytes patterns without flags."""

    superset: str  # as far as it must go to know that there is a match: what may follow is left out
    opening: str  # reversed prefixes; to be anchored at the start of the reversed text
    growing: str  # the superset with what it looks ahead for as optional parts: its partial matches are the prefixes


@lru_cache(2048)  # policy sets come again with most of their expressions as they were
def screened(pattern: str, flags: int = 0) -> Screened:
    """The forms of `pattern` as `re` reads it under `flags`; raises ExpressionError when it cannot be read."""
    try:
        tree = parser.parse(pattern, flags & ~re.DEBUG)
    except (re.error, OverflowError, RecursionError) as error:
        raise ExpressionError(f"not a regular expression that can be screened: {error}") from None
    if tree.state.flags & re.ASCII:
        raise ExpressionError("re.ASCII cannot be screened: texts are folded as Unicode")
    writer = Writer(tree.state.flags)
    superset, opening = writer.sequence(needed(tree), reverse=False), writer.opening(tree)
    writer.ahead = True
    return Screened(superset, opening, writer.sequence(tree, reverse=False))


def alphabet(pattern: str, flags: int = 0) -> Bytes:
    """Every byte that a match of `pattern`, or what it looks at behind it, may hold."""
    tree = parser.parse(pattern, flags)
    return Writer(tree.state.flags).alphabet(list(tree))


def needed(tree: Tree) -> Tree:
    """The beginning of `tree` that matches wherever `tree` does, without what may follow or be repeated more often."""
    items = list(tree)
    while items:
        op, av = items.pop()
        if op in REPEATS and av[0] > 0:
            return [*items, (op, (av[0], av[0], av[2]))]
        if op is c.SUBPATTERN:
            return [*items, (op, (*av[:3], needed(av[3])))]
        if op not in REPEATS and op not in (c.ASSERT, c.ASSERT_NOT):
            return [*items, (op, av)]
    return items


class Writer:
    """Writes one parsed expression out in its forms."""

    def __init__(self, flags: int) -> None:
        self.flags = int(flags)
        self.groups: dict[int, Tree] = {}
        self.ahead = False  # write lookaheads as optional parts

    def sequence(self, tree: Tree, *, reverse: bool) -> str:
        """All of `tree`, in order or reversed."""
        items = [self.item(op, av, reverse=reverse) for op, av in tree]
        return "".join(reversed(items) if reverse else items)

    def item(self, op: Any, av: Any, *, reverse: bool) -> str:
        """One node; assertions about the surroundings vanish, which only lets more match."""
        chars = self.chars(op, av)
        if chars is not None:
            return charset(chars)
        if op is c.BRANCH and reverse and len(av[1]) > MANY:
            low, high, chars = self.blur(av[1])
            return charset(chars) + count(low, high)
        if op is c.BRANCH:
            return alternatives(self.sequence(tree, reverse=reverse) for tree in av[1])
        if op is c.SUBPATTERN:
            return self.group(av, lambda tree: f"(?:{self.sequence(tree, reverse=reverse)})")
        if op in REPEATS:
            low, high, tree = av
            return f"(?:{self.sequence(tree, reverse=reverse)}){count(low, high)}"
        if op is c.ATOMIC_GROUP:
            return f"(?:{self.sequence(av, reverse=reverse)})"
        if op is c.GROUPREF:
            return f"(?:{self.sequence(self.groups.get(av, ()), reverse=reverse)})"
        if op is c.GROUPREF_EXISTS:
            return alternatives(self.sequence(tree or (), reverse=reverse) for tree in av[1:])
        if op is c.AT and av == c.AT_BOUNDARY and not reverse:
            return r"\b"
        if self.ahead and op in (c.ASSERT, c.ASSERT_NOT) and av[0] > 0:
            return f"(?:{self.sequence(av[1], reverse=reverse)})?"
        if op in (c.AT, c.ASSERT, c.ASSERT_NOT):
            return ""
        raise ExpressionError(f"the construct {op} cannot be screened")

    def opening(self, tree: Tree) -> str:
        """The reversed form of every prefix of `tree`, itself and the empty one among them."""
        self.sequence(tree, reverse=True)  # learn the groups that back-references need
        written = ""
        for op, av in reversed(list(tree)):
            whole, begun = self.item(op, av, reverse=True), self.begun(op, av)
            if begun and not written:
                written = begun  # what has begun may be complete
            elif begun:
                written = f"(?:{written}{whole}|{begun})"
            elif whole:
                written = f"(?:{written}{whole})?"
        return written

    def begun(self, op: Any, av: Any) -> str:
        """The reversed form of what one node may have consumed before it is complete; empty for one character."""
        if op is c.BRANCH and len(av[1]) > MANY:
            _, high, chars = self.blur(av[1])
            return charset(chars) + count(0, high)
        if op is c.BRANCH:
            return alternatives(self.opening(tree) for tree in av[1])
        if op is c.SUBPATTERN:
            return self.group(av, self.opening)
        if op in REPEATS:
            _, high, tree = av
            if len(tree) == 1 and (single := self.chars(*tree[0])) is not None:
                return charset(single) + count(0, high) if high != 0 else ""
            whole = self.sequence(tree, reverse=True)
            more = high - 1 if isinstance(high, int) and high is not c.MAXREPEAT else c.MAXREPEAT
            repeated = f"(?:{whole}){count(0, more)}" if more else ""
            return f"(?:{self.opening(tree)}{repeated})" if high != 0 else ""
        if op is c.ATOMIC_GROUP:
            return self.opening(av)
        if op is c.GROUPREF:
            return self.opening(self.groups.get(av, ()))
        if op is c.GROUPREF_EXISTS:
            return alternatives(self.opening(tree or ()) for tree in av[1:])
        if op in (c.ASSERT, c.ASSERT_NOT) and av[0] > 0:
            return self.opening(av[1])  # a lookahead is undecided until the text it asks for has come
        return ""

    def blur(self, branches: Sequence[Any]) -> tuple[int, int, Bytes]:
        """The shortest and longest width of many alternatives, and every byte in them: enough to know what is open."""
        widths = [tree.getwidth() for tree in branches]
        return min(low for low, _ in widths), max(high for _, high in widths), self.alphabet(branches)

    def alphabet(self, node: Any) -> Bytes:
        """Every byte that any character below `node` may fold to."""
        if isinstance(node, tuple) and len(node) == 2 and (chars := self.chars(*node)) is not None:
            return chars
        parts = node if isinstance(node, (list, tuple, parser.SubPattern)) else ()
        return frozenset().union(*(self.alphabet(part) for part in parts))

    def group(self, av: Any, write: Any) -> str:
        number, added, removed, tree = av
        before, self.flags = self.flags, (self.flags | added) & ~removed
        if number is not None:
            self.groups[number] = tree
        try:
            return str(write(tree))
        finally:
            self.flags = before

    def chars(self, op: Any, av: Any) -> Bytes | None:
        """The bytes that one character of the expression may fold to; None for what is not one character."""
        if op is c.ANY:
            return ALL if self.flags & DOTALL else ALL - {10}
        cased = not self.flags & IGNORECASE
        if op is c.LITERAL:
            return literal(av, cased=cased)
        if op is c.NOT_LITERAL:
            return members(((c.NEGATE, None), (c.LITERAL, av)), cased=cased)
        return members(tuple(av), cased=cased) if op is c.IN else None


@lru_cache(4096)
def literal(code: int, *, cased: bool) -> Bytes:
    """The bytes that a character of an expression may stand for; in either case of it, unless `cased`."""
    char = chr(code)
    forms = {char} if cased else {char} | {form for form in (char.lower(), char.upper()) if len(form) == 1}
    return frozenset(code if code < 128 else kinds[code] for code in map(ord, forms) for kinds in (PLAIN, MORE))


@lru_cache(4096)
def members(items: tuple[tuple[Any, Any], ...], *, cased: bool) -> Bytes:
    """The bytes that a class of characters may stand for."""
    negated = bool(items) and items[0][0] is c.NEGATE
    exact: set[int] = set()  # what the class holds for certain, and what it holds if kinds are read generously
    loose: set[int] = set()
    for op, av in items[negated:]:
        if op is c.LITERAL:
            (exact if av < 128 else loose).update(literal(av, cased=cased))
        elif op is c.RANGE:
            low, high = av
            for code in range(low, min(high, 127) + 1):
                exact |= literal(code, cased=cased)
            if high > 127:
                loose |= {LETTER, DIGIT, SPACE, OTHER} | TWIN_BYTES
        elif op is c.CATEGORY:
            exact |= CATEGORIES[av]
    if not negated:
        return frozenset(exact | loose)
    categories = {av for op, av in items if op is c.CATEGORY}
    covered = frozenset().union(*(CATEGORIES[av] for av in categories)) if categories else frozenset()
    kinds = (frozenset({LETTER, DIGIT, SPACE, OTHER}) | TWIN_BYTES) - covered
    return frozenset((ALL - exact) | kinds)


def alternatives(forms: Iterable[str]) -> str:
    """One of `forms`."""
    distinct = list(dict.fromkeys(forms))
    return f"(?:{'|'.join(distinct)})" if any(distinct) else ""


def count(low: int, high: Any) -> str:
    """The quantifier for `low` to `high` times; unbounded where counting would be dear."""
    low = min(int(low), LONG)
    if high == 0:
        return "{0}"
    if high is c.MAXREPEAT or high > LONG:
        return {0: "*", 1: "+"}.get(low, f"{{{low},}}")
    return f"{{{low},{max(int(high), low)}}}"


@lru_cache(4096)
def charset(chars: Bytes) -> str:
    """A class of bytes, written as ranges in hexadecimal."""
    ranges: list[list[int]] = []
    for byte in sorted(chars):
        if ranges and byte == ranges[-1][1] + 1:
            ranges[-1][1] = byte
        else:
            ranges.append([byte, byte])
    if not ranges:
        return r"[^\x00-\xff]"
    body = "".join(plain(low) if low == high else f"{plain(low)}-{plain(high)}" for low, high in ranges)
    single = len(ranges) == 1 and ranges[0][0] == ranges[0][1]
    return body if single else f"[{body}]"


def plain(code: int) -> str:
    """One byte, written so that it means itself inside a class and outside; short, since automata limit the length."""
    char = chr(code)
    return char if code < 128 and char.isalnum() else f"\\x{code:02x}"
