"""Passages: what was copied is found, whatever was done to it; what was not is not; a stream gives what a whole text gives."""

from __future__ import annotations

import functools
import random
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.corpus import Limits, Matcher, Passage, Plan, extend, matching, opened
from tests.corpus.catalogue import FOREIGN, LIMITS, WORKS, catalogue, comparing, text
from tests.examples import examples


@functools.cache
def matcher(form: str = "full", limits: Limits = LIMITS) -> Matcher:
    """A matcher over WORKS; the file may go, since what is mapped stays."""
    with tempfile.TemporaryDirectory() as folder:
        if form == "segments":
            works = [(title, text(words)) for title, words in WORKS.items()]
            path = catalogue(Path(folder), works=works[:2])
            (Path(folder) / "more.txt").write_text(text(WORKS["third"] + WORKS["first"][:300]))
            extend(path, [Path(folder) / "more.txt"])
            return comparing(opened(path), limits)
        return comparing(opened(catalogue(Path(folder), Plan(form=form))), limits)  # type: ignore[arg-type]  # one of the forms


def streamed(owner: Matcher, whole: str, sizes: list[int]) -> list[Passage]:
    """The passages of a text that comes in pieces; none begins before what was settled."""
    following, found, place, settled = owner.follow(), list[Passage](), 0, 0
    for size in sizes:
        new = following.push(whole[place : place + size])
        place = min(len(whole), place + size)
        assert all(passage.start >= settled for passage in new)
        assert settled <= following.settled <= place
        settled, found = following.settled, found + new
    new = following.push(whole[place:], end=True)
    assert all(passage.start >= settled for passage in new)
    return found + new


def changed(words: list[str], rate: float, seed: int) -> list[str]:
    """Words exchanged, left out and put in."""
    dice, made = random.Random(seed), list[str]()
    for word in words:
        if dice.random() >= rate:
            made.append(word)
        else:
            made += [[dice.choice(FOREIGN)], [], [word, dice.choice(FOREIGN)]][dice.randrange(3)]
    return made


def spoilt(words: list[str], rate: float, seed: int) -> str:
    """Letters exchanged."""
    dice = random.Random(seed)
    return "".join(dice.choice("abcdefghij") if char != " " and dice.random() < rate else char for char in " ".join(words))


DONE: dict[str, Callable[[list[str]], str]] = {
    "nothing": " ".join,
    "capitals": lambda words: " ".join(words).upper(),
    "lines": lambda words: "\n> ".join(" ".join(words[i : i + 4]) for i in range(0, len(words), 4)),
    "hyphens": lambda words: " ".join(word[:2] + "-\n  " + word[2:] if len(word) > 5 else word for word in words),
    "lookalikes": lambda words: " ".join(words).replace("a", "а").replace("o", "ο").replace("e", "е"),
    "accents": lambda words: " ".join(words).replace("a", "á").replace("o", "o\u0308"),
    "invisible": lambda words: " ".join("\u200b".join(word) for word in words),
    "markup": lambda words: " ".join(f"**{word}**" if i % 3 == 0 else word for i, word in enumerate(words)),
    "interleaved": lambda words: " ".join(
        word
        for i in range(0, len(words), 15)
        for word in [*words[i : i + 15], *FOREIGN[i * 3 : i * 3 + 12 * (i + 15 < len(words))]]
    ),
}


@pytest.mark.parametrize("done", DONE)
@pytest.mark.parametrize("count", [30, 60])
def test_copies_are_found(done: str, count: int) -> None:
    """Thirty words of a work are enough, whatever was done to letters, lines and marks."""
    for start in range(0, 800, 67):
        body = DONE[done](WORKS["second"][start : start + count])
        passage = matcher().whole(f"{' '.join(FOREIGN[:30])}\n\n{body}\n\n{' '.join(FOREIGN[30:60])}")[-1]
        assert passage.work.title == "second"
        assert abs(passage.offset - start) <= 4
        assert passage.words >= count - 4


@pytest.mark.parametrize(("rate", "least"), [(0.05, 1.0), (0.1, 1.0), (0.2, 0.95)])
def test_edited_copies_are_found(rate: float, least: float) -> None:
    """A hundred words of which up to a fifth are other words."""
    found = [bool(matcher().whole(" ".join(changed(WORKS["first"][i : i + 100], rate, i)))) for i in range(0, 1000, 20)]
    assert sum(found) / len(found) >= least


def test_misread_copies_are_found() -> None:
    """A hundred words of which every twentieth letter is another."""
    found = [bool(matcher().whole(spoilt(WORKS["first"][i : i + 100], 0.05, i))) for i in range(0, 1000, 20)]
    assert sum(found) / len(found) >= 0.92


@given(st.integers(0, 1100), st.integers(1, 20))
def test_quotes_of_twenty_words_are_never_found(start: int, count: int) -> None:
    """Neither alone nor among other words."""
    quote = " ".join(WORKS["first"][start : start + count])
    assert matcher().whole(f"{' '.join(FOREIGN[:50])} {quote} {' '.join(FOREIGN[50:90])}") == []


def test_words_of_ones_own_are_never_found() -> None:
    """Three thousand words that use the same common ones."""
    assert matcher().whole(" ".join(FOREIGN)) == []


def test_a_passage_is_told_when_it_is_long_enough_and_when_it_has_ended() -> None:
    """First at exactly the words of the limit, then as a whole, from the same character on."""
    words = WORKS["third"][100:300]
    first, last = matcher().whole(" ".join(words) + ". " + " ".join(FOREIGN[:99]))
    assert (first.words, last.words) == (25, 200)
    assert (first.start, first.end) == (0, len(" ".join(words[:25])))
    assert (last.start, last.end) == (0, len(" ".join(words)))
    assert (last.offset, last.longest) == (100, 200)
    assert (last.share_of_text, last.share_of_work) == (1.0, 200 / 700)


def test_a_stream_is_told_with_the_word_that_is_one_too_many() -> None:
    """The passage is reported with the 25th word, as soon as that has ended."""
    following = matcher().follow()
    assert [bool(following.push(word + " ")) for word in WORKS["first"][:26]] == [False] * 24 + [True, False]


def test_nothing_is_held_back_but_the_last_words_and_open_chains() -> None:
    """Four words of a text of one's own; from the beginning of the passage while one is open; and little again behind it."""
    following, own = matcher().follow(), " ".join(FOREIGN[:50]) + " "
    following.push(own)
    assert own[following.settled :].split() == FOREIGN[46:50]
    following.push(" ".join(WORKS["first"][10:40]) + " ")
    assert following.settled == len(own)
    following.push(" ".join(FOREIGN[50:120]) + " ")
    assert following.settled > len(own) + len(" ".join(WORKS["first"][10:40]))


def test_long_passages_are_told_in_pieces() -> None:
    """So that a stream waits for no more than a thousand words; the pieces touch."""
    passages = matcher(limits=Limits(piece=200)).whole(" ".join(WORKS["first"]))
    assert [p.start for p in passages[2:]] == [p.end for p in passages[1:-1]]
    assert passages[-1].words == len(WORKS["first"])


def test_a_passage_does_not_go_from_one_work_to_the_next() -> None:
    """The end of one work and the beginning of the next are neighbours in the index, and no passage."""
    assert matcher().whole(" ".join(WORKS["first"][-20:] + WORKS["second"][:20])) == []


def test_the_same_text_in_two_works_is_told_once(tmp_path: Path) -> None:
    """In the name of the work that has more of it."""
    shared = WORKS["first"][200:260]
    works = [("excerpt", text(FOREIGN[:40] + shared[:45] + FOREIGN[40:80])), ("whole", text(WORKS["first"]))]
    passages = comparing(catalogue(tmp_path, works=works)).whole(" ".join(FOREIGN[90:120] + shared + FOREIGN[120:220]))
    assert (passages[-1].work.title, passages[-1].words) == ("whole", 60)
    assert len(passages) == 2


def test_a_share_of_the_text_can_be_asked_for() -> None:
    """What is copied counts against what came before it."""
    body = " ".join(FOREIGN[:100] + WORKS["first"][:50])
    assert matcher(limits=Limits(share=0.3)).whole(body)
    assert not matcher(limits=Limits(share=0.4)).whole(body)


def test_works_that_are_welcome_are_not_told() -> None:
    """And do not hide others."""
    shelf = matcher().shelves[0]
    owner = Matcher((shelf,), matcher().folding, Limits(), lambda _, number: shelf.work(number).title == "first", lambda *_: ())
    body = " ".join(WORKS["first"][:200] + WORKS["second"][:40])
    assert {passage.work.title for passage in owner.whole(body)} == {"second"}


@pytest.mark.parametrize(
    ("body", "passes"),
    [
        ("As Ada Author has it: “{}” and more", True),
        ("In the novel second: “{}” and more", True),
        ("As Ada Author has it: {} and more", False),
        ("As somebody has it: “{}” and more", False),
    ],
)
def test_quotations_pass_with_marks_and_a_name(tmp_path: Path, body: str, *, passes: bool) -> None:
    """Thirty words may be quoted of a work that is named, and only so."""
    index = opened(catalogue(tmp_path))
    names = [_prints("Author"), _prints("second")]
    owner = matching([index], "words", Limits(quoted=40), lambda *_: False, lambda *_: names)
    assert owner is not None
    assert (owner.whole(body.format(" ".join(WORKS["second"][50:80]))) == []) is passes
    assert owner.whole(body.format(" ".join(WORKS["second"][50:100])))


def _prints(name: str) -> list[int]:
    from proxy.corpus import prints_of, prose

    return prints_of(name, prose())


UNSEEN = st.sampled_from(("\u200b", "\u00ad", "\ufe0f", "\u3164", "\U000e0041", "\U000e0101", "\u0301", "'"))


@functools.cache
def quoting() -> Matcher:
    """A matcher that lets pass what is quoted of an author who is named."""
    [shelf] = matcher().shelves
    return Matcher((shelf,), matcher().folding, Limits(quoted=40), lambda *_: False, lambda *_: [_prints("Author")])


@pytest.mark.parametrize("veil", ["\u200b", "\u3164", "\U000e0041", "\U000e0101", "\ufe0f"])
def test_characters_that_nobody_sees_hide_neither_a_copy_nor_a_quotation(veil: str) -> None:
    """Within words, between them, behind the quotation mark; spans are those of the text as it stands."""
    copied = f" {veil}".join(veil.join(word) for word in WORKS["second"][50:80])
    passage = matcher().whole(f"Own words: {copied} and more")[-1]
    assert (passage.start, passage.words) == (len("Own words: "), 30)
    assert quoting().whole(f"As Ada Author has it: “{veil * 5}{copied}” and more") == []
    assert quoting().whole(f"As Ada Author has it: {veil * 5}{copied} and more")


@settings(max_examples=examples(100))
@given(
    st.integers(0, 600),
    st.integers(20, 60),
    st.lists(st.tuples(st.floats(0, 1), UNSEEN, st.sampled_from((1, 2, 60, 70, 300, 600, 1200, 5000))), max_size=8),
    st.lists(st.sampled_from((1, 3, 50, 400, 1100)), max_size=60),
)
def test_quotations_pass_alike_whole_and_streamed(
    start: int, count: int, veils: list[tuple[float, str, int]], sizes: list[int]
) -> None:
    """However many characters that nobody sees stand in them, and wherever."""
    body = f"As Ada Author has it: “{' '.join(WORKS['first'][start : start + count])}” and more, {' '.join(FOREIGN[:50])}"
    for place, veil, times in veils:
        at = int(place * len(body))
        body = body[:at] + veil * times + body[at:]
    assert streamed(quoting(), body, sizes) == quoting().whole(body)


def test_a_word_is_held_back_no_longer_than_words_are() -> None:
    """Characters that nobody sees behind it, as many as may come, end it."""
    following = matcher().follow()
    following.push("word" + "\u200b" * 1000)
    assert following.reader.start < 0


parts = st.one_of(
    st.builds(
        lambda work, start, count, rate, seed: " ".join(changed(WORKS[work][start : start + count], rate, seed)),
        st.sampled_from(sorted(WORKS)),
        st.integers(0, 600),
        st.integers(1, 90),
        st.sampled_from((0, 0, 0.1, 0.3)),
        st.integers(0, 99),
    ),
    st.builds(lambda start, count: " ".join(FOREIGN[start : start + count]), st.integers(0, 2900), st.integers(0, 60)),
    st.builds(
        lambda start, times: (" ".join(WORKS["first"][start : start + 5]) + " ") * times, st.integers(0, 600), st.integers(1, 30)
    ),
    st.sampled_from(("-", "--", "\n", "“", " ", "\u200b", "日本", "x" * 300)),
)


@settings(max_examples=examples(150))
@given(
    st.lists(st.tuples(parts, st.sampled_from((" ", " ", "\n", "-\n", "--", "”"))).map("".join), max_size=12).map("".join),
    st.lists(st.sampled_from((1, 2, 3, 7, 20, 100, 900)), max_size=60),
    st.sampled_from(("full", "winnowed", "hashes", "segments")),
    st.sampled_from((Limits(), Limits(words=10, share=0.2, piece=50), Limits(words=15, early=False, glued=0))),
)
def test_a_stream_gives_what_the_whole_text_gives(body: str, sizes: list[int], form: str, limits: Limits) -> None:
    """The same passages in the same order, however the text is cut, in every form of the index."""
    owner = matcher(form, limits)
    assert streamed(owner, body, sizes) == owner.whole(body)


@pytest.mark.parametrize("repeated", [WORKS["first"][:5], WORKS["first"][:30], ["the", "of"]])
def test_repetition_opens_no_crowd_of_chains(repeated: list[str]) -> None:
    """A text that repeats itself keeps the work for each word bounded."""
    following = matcher().follow()
    most = 0
    for word in repeated * 200:
        following.push(word + " ")
        most = max(most, len(following.trace.chains))
    assert most <= 4


def test_common_n_grams_open_no_crowd_of_chains(tmp_path: Path) -> None:
    """Nor does a text of what many works have in common."""
    shared = FOREIGN[:200]
    works = [(f"work {n}", text(WORKS["first"][n * 10 : n * 10 + 9] + shared)) for n in range(40)]
    following = comparing(catalogue(tmp_path, works=works)).follow()
    following.push(" ".join(shared[i] for start in range(0, 190, 7) for i in range(start, start + 5)) + " ")
    assert len(following.trace.chains) <= 32
    assert len(following.trace.prints) < 1000
