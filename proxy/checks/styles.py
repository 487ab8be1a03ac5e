"""Prompts that ask for something in the style of an artist on a list: judged line by line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from proxy.checks.lines import Line, Lines
from proxy.core import Finding

STYLE = (
    r"\b(?:in|with|using|imitat\w+|mimic\w*|copy\w*|replicat\w+|emulat\w+)\s+(?:the\s+|a\s+|an\s+)?(?:\w+\s+){{0,3}}?"
    r"(?:style|manner|vein|aesthetic|look|technique|spirit|fashion)\s+(?:\w+\s+){{0,3}}?(?:of|by|from|like)\s+(?:\w+\s+){{0,3}}?(?:{names})\b"
    r"|\b(?:{names})(?:['’]s?)?[\s-]+(?:\w+\s+){{0,2}}?(?:style|styled|esque|inspired|like|aesthetic|look)\b"
    r"|\b(?:as|like|if)\s+(?:it\s+was\s+|it\s+were\s+|though\s+)?(?:painted|drawn|illustrated|photographed|designed|made|animated|rendered|done)"
    r"\s+by\s+(?:{names})\b"
    r"|\b(?:imitat\w+|mimic\w*|emulat\w+)\s+(?:{names})\b"
)


class Styles:
    """Requests for something in the style of an artist on a list."""

    def __init__(self, artists: Iterable[str], variant: str) -> None:
        self.variant = variant
        self.names = {name.casefold(): name for name in artists}
        names = "|".join(r"\s+".join(map(re.escape, name.split())) for name in sorted(self.names.values(), key=len, reverse=True))
        self.pattern = re.compile(STYLE.format(names=names), re.IGNORECASE)
        self.name = re.compile(names, re.IGNORECASE)

    def follow(self) -> StyleWatch:
        """A watch over one growing text."""
        return StyleWatch(self)

    def whole(self, text: str) -> list[Finding]:
        """The findings in a text that is all there."""
        return self.follow().push(text, end=True)

    def judge(self, line: Line) -> list[Finding]:
        """The styles that a line asks for."""
        return [self.finding(line, match) for match in self.pattern.finditer(line.text)]

    def finding(self, line: Line, match: re.Match[str]) -> Finding:
        """The style of an artist as a finding."""
        named = self.name.search(match[0])
        artist = self.names.get(" ".join(named[0].split()).casefold(), "") if named else ""
        place = line.place(*match.span())
        return Finding("copyright", "copyright", "artist_style", 0.9, *place, self.variant, (("artist", artist),))


@dataclass(slots=True)
class StyleWatch:
    """One growing text, judged line by line."""

    owner: Styles
    lines: Lines = field(default_factory=Lines)

    def push(self, text: str, *, end: bool = False) -> list[Finding]:
        """Take more of the text."""
        return [finding for line in self.lines.push(text, end=end) for finding in self.owner.judge(line)]

    @property
    def settled(self) -> int:
        return self.lines.start
