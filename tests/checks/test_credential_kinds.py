"""The table of credentials: each row finds what its shape makes, in any surroundings, and is silent about a near miss."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
import regex

from proxy.checks.credential_kinds import CATEGORIES, KINDS, Kind
from proxy.checks.credential_kinds.business import BUSINESS
from proxy.checks.credential_kinds.clouds import CLOUDS
from proxy.checks.credential_kinds.delivery import DELIVERY
from proxy.checks.credential_kinds.models import MODELS
from proxy.checks.credential_kinds.operations import OPERATIONS
from proxy.checks.credential_kinds.shapes import SHAPES
from proxy.checks.credential_kinds.talk import TALK
from proxy.checks.credential_proofs import PROOFS
from proxy.checks.credentials import KIND, generous, written
from proxy.checks.expression import fold, screened
from tests.checks.shapes import DASHES, found, made

TABLES = {"clouds": CLOUDS, "delivery": DELIVERY, "models": MODELS, "talk": TALK, "business": BUSINESS, "operations": OPERATIONS}
every_table = pytest.mark.parametrize("kinds", [*TABLES.values(), SHAPES], ids=[*TABLES, "shapes"])


@every_table
def test_every_kind_finds_its_examples_in_any_surroundings(kinds: Sequence[Kind]) -> None:
    """Each row of the table finds what its shape makes, between spaces, quotes, brackets, line ends and a sentence's words."""
    for kind in kinds:
        for seed, (left, right) in enumerate(
            [("", ""), ("use ", " now"), ('"', '",'), ("(", ")\n"), ("x = \n", "\n"), ("\\n", "\\n")]
        ):
            example = made(kind.shape, seed)
            text = left + example + right
            hits = [f for f in found(text, kind.category) if f.start >= len(left)]
            assert hits, f"{kind.title}: {left!r}, {right!r}"
            assert all(f.category == kind.category and f.end <= len(left) + len(example) for f in hits)


@every_table
def test_every_kind_is_silent_about_its_near_misses(kinds: Sequence[Kind]) -> None:
    """What has the shape, but is cut short or filled with x's, is not reported."""
    for kind in kinds:
        if "{pem}" in kind.shape:
            misses = [f"{DASHES}BEGIN RSA PRIVATE KEY{DASHES}\n...\n{DASHES}END RSA PRIVATE KEY{DASHES}"]
        else:
            short = re.sub(r"\{\w+\}", "abc", re.sub(r":\d+\}", ":2}", kind.shape))
            misses = [made(short)] if kind.proof != "url" else []  # a password in a URL may be short
            misses += [made(kind.shape, fill="x")] if not re.search(r"\{\w+\}", kind.shape) else []
        assert misses
        for miss in misses:
            assert not found(miss, kind.category), "a near miss was reported"


@every_table
def test_no_letter_may_touch_a_token(kinds: Sequence[Kind]) -> None:
    """A token in the middle of a longer word is no token."""
    for kind in kinds:
        if kind.edges:
            example = made(kind.shape)
            begin = re.search(written(kind)[0], example)
            assert begin
            token = example[begin.start() :]
            assert found(token, kind.category)
            assert not [f for f in found(f"Q{token}", kind.category) if f.start <= 1]


def test_the_table_is_sound() -> None:
    """Every row names a proof that exists, a score in range, and the catalogue offers every category."""
    for kind in KINDS:
        assert not kind.proof or kind.proof in PROOFS
        assert 0.5 <= kind.score <= 1.0
    assert set(PROOFS) == {kind.proof for kind in KINDS} - {""}
    assert len({(kind.category, kind.title) for kind in KINDS}) == len(KINDS)
    assert len(CATEGORIES) > 150
    assert KIND.categories == CATEGORIES == tuple(dict.fromkeys(kind.category for kind in KINDS))


@every_table
def test_every_expression_can_be_screened(kinds: Sequence[Kind]) -> None:
    """Its superset matches each example, with Hyperscan where that is installed and with re."""
    for kind in kinds:
        superset = screened(*written(kind)).superset.encode("latin-1")
        folded = fold(made(kind.shape))
        assert re.search(superset, folded)
        hyperscan = pytest.importorskip("hyperscan")
        database = hyperscan.Database()
        database.compile(expressions=[superset], ids=[0], elements=1, flags=[hyperscan.HS_FLAG_SINGLEMATCH])
        seen: list[int] = []
        database.scan(folded, match_event_handler=lambda number, *_, seen=seen: seen.append(number))
        assert seen


@every_table
def test_what_stands_for_many_beginnings_begins_as_they_do(kinds: Sequence[Kind]) -> None:
    """A part of an example that its own expression holds back in a stream is held back by what stands for it, too."""
    for kind in kinds:
        example = made(kind.shape)
        expression = generous(kind)
        own = regex.compile(screened(expression.pattern, expression.flags).opening.encode("latin-1"))
        if isinstance(expression.opens, str):
            form = screened(expression.opens or expression.pattern, expression.flags).opening
        else:
            form = f"[{re.escape(expression.opens.decode())}]*"
        shared = regex.compile(form.encode("latin-1"))
        match = re.search(expression.pattern, example, expression.flags)
        assert match
        for end in range(match.start() + 1, min(match.end(), match.start() + 120)):
            part = fold(example[match.start() : end])[::-1]
            assert own.fullmatch(part)
            assert shared.fullmatch(part)
