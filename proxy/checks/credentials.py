"""The `secrets` check: keys, tokens, passwords and private keys, by their prefix, structure, checksum, name and entropy.

What is reported is the secret alone: of `password = x` the x, of a URL with a password in it the password, so that what is
redacted stays readable. A PEM block is reported whole, and as far as its lines go when its end is missing.

Placeholders, references to variables, paths, words, digests and calls are not secrets. A value that calls itself an example, is
printed in a specification, or counts up, scores 0.4 at most, below the usual threshold: whoever wants these too lowers it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from proxy.checks.credential_kinds import CATEGORIES, KINDS, Kind
from proxy.checks.credential_proofs import BY_NAME, ENCODED, PROOFS
from proxy.checks.expression import alphabet
from proxy.checks.lookalikes import EXAMPLE_SCORE, JUDGED, REPEATED, counting, example
from proxy.checks.screen import Expression, Screened, awaited
from proxy.core import CheckKind, Finding

if TYPE_CHECKING:
    Category = str
else:
    Category = Literal[CATEGORIES]

NAME = "secrets"
REACH = 8192  # characters; the PEM block of an RSA key of 8,192 bits has 6,400. Of what is longer, so much is reported
COUNT = re.compile(r"\{(\d+)(?:,\d*)?\}")
COUNTED = 12
RUN = bytes(sorted(alphabet(r"[\w+/=.~%|!$@:-]")))  # until its end has come, any word may be a token
MORE_FIELDS = re.compile(r"[&;,][A-Za-z_][\w .-]{0,40}[=:]")
CLOSERS = {")": "(", "]": "[", "}": "{"}


class SecretsOptions(BaseModel):
    """What a rule on `secrets` may say in its `with`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kinds: list[Category] | None = Field(default=None, description="what the rule is about; left out: all of them")
    allow: list[str] = Field(default=[], description="values that may pass, such as the keys of a test environment")


class Secrets:
    """Finds the credentials of some categories."""

    name = NAME
    reach = REACH

    def __init__(self, options: SecretsOptions, categories: Collection[str], variant: str = "") -> None:
        self.variant = variant
        self.allow = frozenset(options.allow)
        rows = [kind for kind in KINDS if kind.category in categories]
        self.kinds = {key: [(kind, re.compile(*written(kind))) for kind in rows if kind.category == key] for key in categories}
        self.expressions: Mapping[str, Sequence[Expression]] = {
            key: [generous(kind) for kind, _ in pairs] for key, pairs in self.kinds.items() if pairs
        }

    def confirm(self, text: str, keys: Collection[str]) -> list[Finding]:
        """The findings of `keys` in `text`, each depending on nothing but its match and the characters around it."""
        found: dict[tuple[str, int, int], Finding] = {}
        for key in keys:
            awaited()
            for kind, pattern in self.kinds.get(key, ()):
                for finding in self.findings(text, kind, pattern):
                    known = found.get(place := (key, finding.start, finding.end))
                    if known is None or known.score < finding.score:
                        found[place] = finding
        return list(found.values())

    def findings(self, text: str, kind: Kind, pattern: re.Pattern[str]) -> Iterator[Finding]:
        """One row's findings. Every place is tried, those inside a match too, so that no match hides another; not those inside
        a finding, which is gone anyway."""
        at = 0
        while match := pattern.search(text, at):
            at = match.start() + 1
            if match.end() - match.start() > REACH:
                match = pattern.match(text, match.start(), match.start() + REACH)
            if match is None or (kind.edges and touches(text, match.start())):
                continue
            start, end = span(kind, match)
            secret = text[start:end]
            score = self.score(kind, match, secret)
            if score > 0 and secret not in self.allow:
                at = max(at, end)
                yield Finding(self.name, "privacy", kind.category, round(score, 2), start, end, self.variant)

    def score(self, kind: Kind, match: re.Match[str], secret: str) -> float:
        """How sure it is that `secret` is one; 0 when it is not."""
        if kind.proof not in ENCODED and REPEATED.search(secret[:JUDGED]):
            return 0.0
        score = PROOFS[kind.proof](secret, match, kind.score) if kind.proof else kind.score
        if kind.proof in ENCODED or score <= EXAMPLE_SCORE:
            return score
        return EXAMPLE_SCORE if example(secret) or (kind.proof != "password" and counting(secret[:JUDGED])) else score


def written(kind: Kind) -> tuple[str, int]:
    """The row's expression, and its flags."""
    return kind.pattern + (r"(?![A-Za-z0-9])" if kind.edges else ""), re.IGNORECASE if kind.folded else 0


def generous(kind: Kind) -> Expression:
    """The row's expression for the screen, its long counts let go: automata pay for each, and `confirm` counts again."""
    pattern, flags = written(kind)
    opens = kind.opens or (RUN if alphabet(pattern, flags) <= set(RUN) else "")
    return Expression(COUNT.sub(lambda count: f"{{{COUNTED},}}" if int(count[1]) > COUNTED else count[0], pattern), flags, opens)


def touches(text: str, start: int) -> bool:
    """Does a letter or digit stand before? That of an escape, as in `\\nghp_…`, does not count."""
    before = text[start - 1 : start] if start else ""
    return before.isalnum() and not (before in "nrt" and text[start - 2 : start - 1] == "\\")


def span(kind: Kind, match: re.Match[str]) -> tuple[int, int]:
    """Where the secret itself is: without the punctuation of the sentence, or the next field, behind it."""
    start, end = match.span("secret" if "secret" in match.re.groupindex else 0)
    text = match.string
    if kind.proof == "pem":
        return start, start + len(stripped(text[start:end]))
    if kind.proof not in BY_NAME or match.groupdict().get("quote"):
        return start, end
    if more := MORE_FIELDS.search(text, start, end):
        end = max(more.start(), start)
    while end > start and (text[end - 1] in ".,;:" or CLOSERS.get(text[end - 1], "") not in text[start:end]):
        end -= 1
    return start, end


def stripped(block: str) -> str:
    """A PEM block without the line ends, written out or escaped, that follow its last line."""
    bare = block.rstrip(" \t\r\n\"',>\\")
    return stripped(bare[:-2]) if bare[-1:] in "nrt" and bare[-2:-1] == "\\" else bare


def build(options: SecretsOptions, categories: frozenset[str], variant: str) -> Screened:
    """The check for the categories that some rule needs."""
    return Screened([Secrets(options, sorted(categories), variant)])


KIND = CheckKind(
    name=NAME,
    family="privacy",
    categories=CATEGORIES,
    defaults=CATEGORIES,
    options=SecretsOptions,
    select="kinds",
    build=build,
    description="Keys, tokens, passwords, private keys and connection strings, by prefix, structure, checksum, name and entropy.",
    joins=True,
)
