"""What resembles a secret and is none: placeholders, examples from documentation, references, words, hashes, counting values."""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Callable
from itertools import pairwise

EXAMPLE_SCORE = 0.4  # below the usual threshold
JUDGED = 128  # characters of a value that decide what it is
# The 170 most frequent pairs of letters in English technical prose cover 88 % of it, and 25 % of random letters.
PAIRS = (
    "abacadagaialamanaparasatauaybabeblbucacechcickclcocrctdadedidoeaecedeeefelemeneperesetevewexfafefifofrgegihahehihohtiaicidieif"
    "igiliminioirisitkelaldlelilllolslymamemimmmompnancndnenfngninonsntocodofogokolomonoooporosotouovowpapepiplpmpoppprpsptqurardre"
    "rirorsrtrurysascseshsisospssstsutatethtitotptrtstttutyubueulunupurusutvaveviwawewhwiwoyo"
)
COMMON = frozenset(PAIRS[i : i + 2] for i in range(0, len(PAIRS), 2)) | {"sw", "ey", "jo", "je", "ju", "sk", "tw", "dm"}
RUN = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
REPEATED = re.compile(r"([^A-Za-z0-9]|[xX0-9])\1{5}|(?:x{3}|X{3}|\*{3}|\.{3}|…|•)|(.)\2{7}", re.DOTALL)
STANDS_FOR = re.compile(
    r"(?i)your|change.?(?:me|this|it)|place.?holder|redacted|replace|insert|<|>|\bhere\b|_here|\bmy[_-]|\bxxx|masked|hidden|omitted"
    r"|dummy|fake|sample|foo.?bar|lorem|\bto-?do\b|fix.?me|fill.?in|\benter[_-]|goes.?here|removed|scrubbed|sanitized|obfuscated|dead.?beef"
    r"|(?<![a-z])(?:some|any|the|a|super|very|top|not|real|actual|valid|invalid|new|old|test|mock|default)[_-]?(?:secret|password|passwd|token|key)"
    r"|(?:secret|password|token|key)[_-]?(?:value|goes|string|123)|(?:api|access|auth|secret)[_-](?:key|token)"
)
TOLD = re.compile(r"(?i)your|place.?holder|change.?me|redacted|replace|insert|dummy|fake|sample|(?<![a-z])here(?![a-z])")
TRIVIAL = frozenset(
    "password passwd pass pwd secret token key test testing admin root user username guest example sample changeit none null nil"
    " true false undefined string str int bool bytes object required optional default value empty unknown missing disabled"
    " enabled yes no todo tbd na foo bar baz qux foobar placeholder redacted".split()
)
REFERENCE = re.compile(
    r"""(?x) [$@%]\{ | \$\$?[A-Za-z_(]\w*$ | \$[({] | %\(?\w*\)?[sd]?% | %\(\w+\)s | \{\{? | \[ | &\w+;? | [!*&][A-Za-z_]+$ | //
    | [A-Za-z_][\w.:]*(?:->[\w.]+)?(?:\[|\(|\{)
    | (?:os|process|env|import|self|this|config|settings|secrets?|vars?|args|data|req|request|params|options|opts|props|state
    |ctx)[.:]"""
)
# Digests and data by their own names: integrity of lock files, content hashes, data URLs, encrypted values of sops and Ansible.
DIGEST = re.compile(
    r"(?i)(?:sha-?(?:1|224|256|384|512)|md5|blake[23][bs]?)[-:~]|(?:h1|crc32c?|etag|urn|uuid|arn|data|base64):|base64,|ENC[\[(]|W/"
)
PATH = re.compile(
    r"(?i)(?:~|\.\.?)/|/(?:etc|usr|var|opt|home|run|tmp|root|mnt|srv|dev|app|data|proc|users|secrets?|keys?|certs?)/"
    r"|[\w./~-]+\.(?:pem|key|crt|cer|pub|json|ya?ml|toml|txt|env|p12|pfx|jks|conf|cfg|ini|jsx?|tsx?|py|go|rb|md|html?|xml|sh)$"
)
VARIABLE = re.compile(r"[A-Z]+(?:_[A-Z]+)+")
DOTTED = re.compile(r"[A-Za-z_$][\w$]*(?:(?:\.|->|::|\?\.)[A-Za-z_$][\w$]*)+")
# SHA-256, first 16 digits, of values printed in specifications and manuals: Stripe's test keys, the keys of Azurite and of the
# Cosmos DB emulator, the tokens of RFC 6749, RFC 6750 and RFC 7617.
PUBLISHED: frozenset[str] = frozenset(
    "2cafc0970149a84f f2d6ca16515033e5 0011cc25eb432071 aa6547439583c3a2 b8e148545b13c78b cf4d418ed3de92d7"
    " 73f71af093fdf154 e4da07ad200089ce a35b81a7d7927b70 6c96130f130ab0d6 00cf4c781dc37003".split()
)


def example(secret: str) -> bool:
    """Does the value say that it is none, as in vendors' documentation, or is it printed in a specification?"""
    return (
        "example" in secret[:JUDGED].lower()
        or bool(TOLD.search(secret[:JUDGED]))
        or hashlib.sha256(secret.encode()).hexdigest()[:16] in PUBLISHED
    )


def counting(value: str) -> bool:
    """Do most neighbours follow each other in the alphabet or among the digits, as in abcd1234efgh and in aB1cD2eF3gH4?"""
    signs = [char for char in value.lower() if char.isascii() and char.isalnum()]
    letters = [char for char in signs if char.isalpha()]
    return steps(signs, 1) >= 0.6 or (len(letters) >= 10 and steps(letters, 2) >= 0.8)


def steps(signs: list[str], most: int) -> float:
    """The share of neighbours that are at most `most` apart, upwards, of at least eight."""
    near = sum(0 < ord(after) - ord(before) <= most or (before, after) == ("9", "0") for before, after in pairwise(signs))
    return near / (len(signs) - 1) if len(signs) > 8 else 0.0


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


def hexadecimal(value: str) -> bool:
    """Is it nothing but digits of base 16?"""
    return not set(value.lower()) - set("0123456789abcdef")


def reference(value: str, quoted: bool) -> bool:
    """Does the value name the place of a secret, or compute it, in place of being one?"""
    if VARIABLE.fullmatch(value) or (REFERENCE.match(value) and not (quoted and value[:1] in "[&*!")):
        return True
    parts = re.split(r"\W+", value) if not quoted and DOTTED.fullmatch(value) else []
    return any(wordlike(part) or len(part) < 3 for part in parts)


def unfit(value: str, match: re.Match[str]) -> bool:
    """Is the value a placeholder, a reference, a digest, a path, a URL or a half-quoted phrase?"""
    groups = match.groupdict()
    quoted = bool(groups.get("quote"))
    if quoted and not groups.get("close"):
        return True
    if "://" in value or DIGEST.match(value) or PATH.match(value):
        return True
    return placeholder(value) or reference(value, quoted)
