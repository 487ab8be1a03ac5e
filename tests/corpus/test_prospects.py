"""What texts that are made to be costly cost: chains are begun where a passage may come of them, and nothing else is lost."""

from __future__ import annotations

import functools
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.corpus import Limits, Matcher, Plan, opened
from proxy.corpus.words import Words, read
from tests.corpus.catalogue import FOREIGN, catalogue, comparing, prose, text
from tests.examples import examples

SHARED, CHORUS, FEW = prose(50, 300), prose(51, 30), ("la", "lo", "the", "of")


@functools.cache
def anthology() -> dict[str, list[str]]:
    """Works that have much in common: pages, a chorus that comes again and again, and lines of the same few words."""
    dice = random.Random(5)
    return {
        f"work {n}": [
            *prose(200 + n, 120),
            *SHARED[n * 20 : n * 20 + 80],
            *CHORUS * (1 + n % 3),
            *(dice.choice(FEW) for _ in range(120)),
            *SHARED[200:260],
        ]
        for n in range(10)
    }


@functools.cache
def matcher(form: str, limits: Limits) -> Matcher:
    """A matcher over these works."""
    with tempfile.TemporaryDirectory() as folder:
        works = [(title, text(words)) for title, words in anthology().items()]
        return comparing(opened(catalogue(Path(folder), Plan(form=form), works)), limits)  # type: ignore[arg-type]  # one of them


def cut(words: Words, sizes: Iterator[int]) -> Iterator[Words]:
    """The same words in smaller blocks."""
    start, count = 0, len(words.prints)
    while start < count:
        some = slice(start, start + next(sizes))
        yield Words(words.prints[some], words.starts[some], words.ends[some], words.glued[some])
        start = some.stop


def part(kind: str, title: str, start: int, count: int) -> list[str]:
    """A part of a text: copied, changed, repeated, patched together."""
    dice, words = random.Random(start), anthology()[title]
    if kind == "copy":
        return words[start : start + count]
    if kind == "every fifth other":
        return [word if at % 5 else FOREIGN[at] for at, word in enumerate(words[start : start + 3 * count])]
    if kind == "repeated":
        return words[start : start + 5 + count % 9] * count
    if kind == "pieces":
        return [word for _ in range(count) for at in [dice.randrange(400)] for word in words[at : at + 5 + count % 4]]
    if kind == "few":
        return [dice.choice(FEW) for _ in range(3 * count)]
    return FOREIGN[start : start + 3 * count]


KINDS = ("copy", "every fifth other", "repeated", "pieces", "few", "own")
bodies = st.lists(
    st.builds(part, st.sampled_from(KINDS), st.sampled_from(sorted(anthology())), st.integers(0, 380), st.integers(1, 60)),
    max_size=10,
).map(lambda rows: " ".join(word for row in rows for word in row))


@settings(max_examples=examples(60))
@given(
    bodies,
    st.lists(st.sampled_from((1, 3, 7, 60, 150, 400, 900)), min_size=1, max_size=9),
    st.sampled_from(("full", "winnowed")),
    st.sampled_from((Limits(), Limits(words=10, share=0.2, piece=50), Limits(words=15, early=False, glued=0))),
)
def test_what_is_passed_over_changes_nothing(body: str, sizes: list[int], form: str, limits: Limits) -> None:
    """A text read at once, in blocks and as a stream, in which every hit is looked at, has the same passages."""
    owner, turns = matcher(form, limits), iter(sizes * len(body.split()))
    whole = owner.whole(body)
    assert owner.whole(body, (block for each in read(body, owner.folding) for block in cut(each, turns))) == whole
    following, found = owner.follow(), []
    for start in range(0, len(body), 701):
        found += following.push(body[start : start + 701])
    assert found + following.push("", end=True) == whole


def test_chance_n_grams_begin_no_chains() -> None:
    """A text patched together from pieces of works is passed over; one longer copy in it is found nevertheless."""
    dice, owner, patched = random.Random(1), matcher("full", Limits()), FOREIGN[-60:]
    for number in range(200):
        place = dice.randrange(100)
        patched += [*anthology()[f"work {number % 10}"][place : place + 6], *FOREIGN[place * 9 : place * 9 + 25]]
    following = owner.follow()
    for block in read(body := " ".join(patched), owner.folding):
        following.block(block, body, last=True)
    assert following.trace.begun == 0
    copy = anthology()["work 3"][10:40]
    assert [p.words for p in owner.whole(" ".join([*patched[:1500], *copy, *FOREIGN[:9], *patched[1500:]]))] == [25, 30]


@pytest.mark.parametrize("repeated", [CHORUS[:5], CHORUS[:7]])
def test_what_is_in_many_places_begins_no_chain_by_itself(repeated: list[str]) -> None:
    """A short sequence that many works have, said for ever, opens no chains in a stream either."""
    following = matcher("full", Limits()).follow()
    following.push(" ".join([*repeated, *FOREIGN[:3]] * 100) + " ")
    assert following.trace.begun == 0


def test_a_copy_of_what_many_works_have_is_found_from_its_first_word(tmp_path: Path) -> None:
    """And in the name of the one work that is not welcome, be it the last of eight."""
    works = [
        (f"edition {n}", text(FOREIGN[n * 50 : n * 50 + 40] + CHORUS + FOREIGN[900 + n * 50 : 940 + n * 50])) for n in range(10)
    ]
    every = comparing(catalogue(tmp_path, works=works))
    body = " ".join([*FOREIGN[2100:2130], *CHORUS])
    [first, *_] = every.whole(body)
    assert body[first.start :].split() == CHORUS
    shelf = every.shelves[0]
    owner = Matcher((shelf,), every.folding, Limits(), lambda _, number: shelf.work(number).title != "edition 7", lambda *_: ())
    assert {(passage.work.title, passage.words) for passage in owner.whole(body)} == {("edition 7", 25), ("edition 7", 30)}
