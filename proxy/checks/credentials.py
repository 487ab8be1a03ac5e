"""The `secrets` check: keys, tokens, passwords and private keys, by their prefix, structure, checksum, name and entropy.

What is reported is the secret alone: of `password = x` the x, of a URL with a password in it the password, so that what is
redacted stays readable. A PEM block is reported whole, and as far as its lines go when its end is missing.

Placeholders, references to variables, paths, words and calls are not secrets. A value that calls itself an example, as those in
vendors' documentation do, scores at most 0.5: whoever cannot bear these names them in `allow` or raises the threshold.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from proxy.checks.credential_kinds import CATEGORIES, KINDS, Kind
from proxy.checks.screen import Expression, Screened
from proxy.core import CheckKind, Finding

if TYPE_CHECKING:
    Category = str
else:
    Category = Literal[CATEGORIES]

NAME = "secrets"
REACH = 8192  # characters; the PEM block of an RSA key of 8,192 bits has 6,400. Of what is longer, so much is reported
JUDGED = 128  # characters of a value that decide what it is
EXAMPLE_SCORE = 0.5
BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# The 170 most frequent pairs of letters in English technical prose cover 88 % of it, and 25 % of random letters.
PAIRS = (
    "abacadagaialamanaparasatauaybabeblbucacechcickclcocrctdadedidoeaecedeeefelemeneperesetevewexfafefifofrgegihahehihohtiaicidieif"
    "igiliminioirisitkelaldlelilllolslymamemimmmompnancndnenfngninonsntocodofogokolomonoooporosotouovowpapepiplpmpoppprpsptqurardre"
    "rirorsrtrurysascseshsisospssstsutatethtitotptrtstttutyubueulunupurusutvaveviwawewhwiwoyo"
)
COMMON = frozenset(PAIRS[i : i + 2] for i in range(0, len(PAIRS), 2)) | {"sw", "ey", "jo", "je", "ju", "sk", "tw", "dm"}
COUNT = re.compile(r"\{(\d+)(?:,\d*)?\}")
COUNTED = 12
RUN = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
REPEATED = re.compile(r"([^A-Za-z0-9]|[xX0-9])\1{5}|(?:x{3}|X{3}|\*{3}|\.{3})|(.)\2{7}", re.DOTALL)
STANDS_FOR = re.compile(
    r"(?i)your|change.?me|place.?holder|redacted|replace|insert|<|>|\bhere\b|_here|\bmy[_-]|\bxxx|masked|hidden|omitted"
)
TRIVIAL = frozenset(
    "password passwd pass pwd secret token key test testing admin root user username guest example sample changeit none null nil"
    " true false undefined string str int bool bytes object required optional default value empty".split()
)
REFERENCE = re.compile(
    r"""(?x) [$@%]\{ | \$\$?[A-Za-z_(]\w*$ | \$[({] | %\(?\w*\)?[sd]?% | %\(\w+\)s | \{\{? | \[ | &\w+;? | [!*&][A-Za-z_]+$ | //
    | [A-Za-z_][\w.:]*(?:->[\w.]+)?(?:\[|\(|\{)
    | (?:os|process|env|import|self|this|config|settings|secrets?|vars?|args|data|req|request|params|options|opts|props|state
    |ctx)[.:]"""
)
VARIABLE = re.compile(r"[A-Z]+(?:_[A-Z]+)+")
DOTTED = re.compile(r"[A-Za-z_$][\w$]*(?:(?:\.|->|::|\?\.)[A-Za-z_$][\w$]*)+")
MORE_FIELDS = re.compile(r"[&;,][A-Za-z_][\w .-]{0,40}[=:]")
CLOSERS = {")": "(", "]": "[", "}": "{"}


class SecretsOptions(BaseModel):
    """What a rule on `secrets` may say in its `with`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kinds: list[Category] | None = None
    allow: list[str] = []


def example(secret: str) -> bool:
    """Does the value say that it is none, as the keys in vendors' documentation do?"""
    return "example" in secret[:JUDGED].lower()


def placeholder(value: str) -> bool:
    """Is the value there to be filled in: stars, x's, a name for what should stand there?"""
    return bool(REPEATED.search(value) or STANDS_FOR.search(value)) or value.lower().strip("_-.!*") in TRIVIAL


def wordlike(run: str) -> bool:
    """Do most pairs of neighbouring letters occur in ordinary words?"""
    letters = run.lower()
    pairs = [letters[i : i + 2] in COMMON for i in range(len(letters) - 1)]
    return sum(pairs) >= 0.6 * len(pairs)


def words(value: str) -> float:
    """The share of the value's letters and digits that is words of four letters or more, or short numbers beside them."""
    runs = RUN.findall(value)
    total = sum(map(len, runs))
    return sum(len(run) for run in runs if len(run) > 3 and run.isalpha() and wordlike(run)) / total if total else 1.0


def entropy(value: str) -> float:
    """Shannon's entropy of the value's characters, in bits a character."""
    return -sum(n / len(value) * math.log2(n / len(value)) for n in Counter(value).values()) if value else 0.0


def classes(value: str) -> int:
    """How many of lower case, upper case, digits and signs occur."""
    tests: tuple[Callable[[str], bool], ...] = (str.islower, str.isupper, str.isdigit, lambda char: not char.isalnum())
    return sum(any(map(test, value)) for test in tests)


def reference(value: str, quoted: bool) -> bool:
    """Does the value name the place of a secret, or compute it, in place of being one?"""
    if VARIABLE.fullmatch(value) or (REFERENCE.match(value) and not (quoted and value[:1] in "[&*!")):
        return True
    parts = re.split(r"\W+", value) if not quoted and DOTTED.fullmatch(value) else []
    return any(wordlike(part) or len(part) < 3 for part in parts)


def checksum(secret: str, match: re.Match[str], score: float) -> float:
    """GitHub's and npm's: the last six characters are the CRC-32 of the thirty before them, in base 62.

    Source: github.blog, "Behind GitHub's new authentication token formats", 2021. Older tokens carry none, so a wrong one
    does not refute.
    """
    number, digits = zlib.crc32(secret[-36:-6].encode()), ""
    while number:
        number, digit = divmod(number, 62)
        digits = BASE62[digit] + digits
    return 1.0 if digits.rjust(6, "0") == secret[-6:] else score


def base32(secret: str, match: re.Match[str], score: float) -> float:
    """AWS writes key ids in base 32; other digits are a sign of a made-up one."""
    return 0.95 if not set(secret[4:]) & set("0189") else score


def mixed(secret: str, match: re.Match[str], score: float) -> float:
    """Random characters, neither hexadecimal nor words nor a path."""
    hexadecimal = not set(secret.lower()) - set("0123456789abcdef")
    return score if not hexadecimal and classes(secret) > 1 and entropy(secret) > 3.2 and words(secret) < 0.6 else 0.0


def token(secret: str, match: re.Match[str], score: float) -> float:
    """Not a name made of words, as in documentation."""
    return score if words(secret) < (0.8 if any(map(str.isdigit, secret[8:])) else 0.6) else 0.0


def decoded(part: str) -> bytes:
    """A part in base 64, of either alphabet; empty when it is not."""
    bare = part.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""


def jwt(secret: str, match: re.Match[str], score: float) -> float:
    """The header is JSON and names an algorithm (RFC 7519, RFC 7515 section 4.1.1)."""
    try:
        header = json.loads(decoded(secret.partition(".")[0]))
    except (ValueError, RecursionError):
        return 0.0
    return score if isinstance(header, dict) and ("alg" in header or "enc" in header) else 0.0


def pem(secret: str, match: re.Match[str], score: float) -> float:
    """There is something between the lines, not only their mention."""
    return score if re.search(r"[A-Za-z0-9+/=]{16}", match["body"]) else 0.0


def snowflake(secret: str, match: re.Match[str], score: float) -> float:
    """The first part of a Discord token is its account's number."""
    return 1.0 if decoded(secret.partition(".")[0]).isdigit() else 0.0


def basic(secret: str, match: re.Match[str], score: float) -> float:
    """User and password are there, joined by a colon (RFC 7617), and the password is no placeholder."""
    whole = decoded(secret).decode("utf-8", "replace")
    _, _, after = whole.partition(":")
    return score if after and whole.isprintable() and "\ufffd" not in whole and not placeholder(after) else 0.0


def url(secret: str, match: re.Match[str], score: float) -> float:
    """A password by its place. One that repeats the user is a default of the software: known to all, and scored so."""
    if re.match(r"[0-9]{2,5}[/?#]", secret) or re.search(r"[/?].*[?&=]|//", secret):
        return 0.0  # a port and a path, with an @ further on
    if placeholder(secret) or reference(secret, quoted=False):
        return 0.0
    if secret == match["user"]:
        return 0.4
    if secret.isalpha() and secret.islower():
        return 0.4 if re.search("pass|pwd|secret", secret) else 0.7
    return score


def password(secret: str, match: re.Match[str], score: float) -> float:
    """A password by its name: scored by how unlike a word it is."""
    value, kinds = secret[:JUDGED], classes(secret[:JUDGED])
    if len(value) < 6 or unfit(value, match):
        return 0.0
    if value.isdigit():
        return score - 0.25
    if any(map(str.isdigit, value)) and any(map(str.isalpha, value)):
        return score if kinds > 2 and len(value) > 7 else score - 0.15
    signs = re.sub(r"[\w./:,-]", "", value)
    if signs and any(map(str.isalpha, value)) and words(value) < 1.0:
        return score - 0.15
    return score - 0.2 if words(value) < 0.5 and len(value) > 7 else 0.0


def secret_value(secret: str, match: re.Match[str], score: float) -> float:
    """A secret, token or key by its name: it has to look random, since these names are frequent in code."""
    value = secret[:JUDGED]
    if len(value) < 10 or unfit(value, match) or not any(map(str.isalnum, value)):
        return 0.0
    if UUID.fullmatch(value):
        return score - 0.1 if "key" in (match.groupdict().get("word") or "").lower() else 0.0
    if value.isdigit() or words(value) >= 0.5:
        return 0.0
    if not set(value.lower()) - set("0123456789abcdef"):
        return score if len(value) > 15 and any(map(str.isdigit, value)) else 0.0
    if len(value) < 16 and classes(value) < 3:
        return score - 0.2 if words(value) == 0.0 and len(RUN.findall(value)) > 4 else 0.0
    if len(value) < 16:
        return score - 0.1 if entropy(value) > 2.6 else 0.0
    return score if classes(value) > 1 and entropy(value) > 3.0 and re.search(r"\w{5}", value) else 0.0


def unfit(value: str, match: re.Match[str]) -> bool:
    """Is the value a placeholder, a reference, a URL or a half-quoted phrase?"""
    groups = match.groupdict()
    quoted = bool(groups.get("quote"))
    if quoted and not groups.get("close"):
        return True
    return "://" in value or placeholder(value) or reference(value, quoted)


Proof = Callable[[str, "re.Match[str]", float], float]  # the secret, its match, the row's score; 0 refutes
PROOFS: Mapping[str, Proof] = {
    "base32": base32, "basic": basic, "checksum": checksum, "jwt": jwt, "mixed": mixed, "password": password, "pem": pem,
    "secret": secret_value, "snowflake": snowflake, "token": token, "url": url,
}  # fmt: skip  # a table reads better in rows
BY_NAME = frozenset({"password", "secret"})
ENCODED = frozenset({"jwt", "pem"})  # long runs of one character are usual in these


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
            key: [Expression(*generous(kind)) for kind, _ in pairs] for key, pairs in self.kinds.items() if pairs
        }

    def confirm(self, text: str, keys: Collection[str]) -> list[Finding]:
        """The findings of `keys` in `text`, each depending on nothing but its match and the characters around it."""
        found: dict[tuple[str, int, int], Finding] = {}
        for key in keys:
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
        return min(score, EXAMPLE_SCORE) if kind.proof not in ENCODED and example(secret) else score


def written(kind: Kind) -> tuple[str, int]:
    """The row's expression, and its flags."""
    return kind.pattern + (r"(?![A-Za-z0-9])" if kind.edges else ""), re.IGNORECASE if kind.folded else 0


def generous(kind: Kind) -> tuple[str, int]:
    """The row's expression for the screen, its long counts let go: automata pay for each, and `confirm` counts again."""
    pattern, flags = written(kind)
    return COUNT.sub(lambda count: f"{{{COUNTED},}}" if int(count[1]) > COUNTED else count[0], pattern), flags


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
