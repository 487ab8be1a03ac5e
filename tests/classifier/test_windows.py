"""Windows: the same however a text comes, none too large, nothing of the text in none of them."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from proxy.classifier import read_card
from proxy.classifier.pieces import Pieces
from proxy.classifier.windows import LONGEST, SPAN, Counter, Cutter, Window
from tests.classifier.world import write_encoder

words = st.text(alphabet="ab1.! \n\t\u00a0é가", max_size=12) | st.sampled_from(
    (" word ", "x" * 130, "." * 40, " a", "가" * 50, " ")
)
texts = st.lists(words, max_size=30).map("".join)


def cutter(room: int = 9, overlap: int = 3) -> Cutter:
    """A word has as many pieces as characters, five at most, punctuation one for each: like word pieces, but easy to count."""
    return Cutter(Counter(lambda words: [pieces(word) for word in words]), room, overlap)


def pieces(word: str) -> int:
    return len(re.findall(r"\w{1,3}|\W", word))


def whole(text: str) -> list[Window]:
    return list(cutter().push(text, end=True))


@given(text=texts, places=st.lists(st.integers(0, 400), max_size=8))
def test_windows_do_not_depend_on_how_a_text_comes(text: str, places: list[int]) -> None:
    """Nor on when it is asked for them."""
    made: list[Window] = []
    growing, last = cutter(), 0
    for place in [*sorted(min(place, len(text)) for place in places), len(text)]:
        before = growing.start
        found = list(growing.push(text[last:place]))
        assert all(window.start >= before for window in found), "a window begins before what was said to be done with"
        made, last = made + found, place
    assert made + list(growing.push("", end=True)) == whole(text)


@given(text=texts)
def test_every_word_is_in_a_window_and_no_window_is_too_large(text: str) -> None:
    """Windows are in order and go on; each holds its part of the text, in at most as many pieces as there is room for."""
    windows = whole(text)
    covered = [False] * len(text)
    for window in windows:
        assert window.text == text[window.start : window.end]
        parts = re.findall(rf"\S{{1,{LONGEST}}}", window.text)
        assert len(parts) == 1 or sum(map(pieces, parts)) <= 9 or any(pieces(part) > 9 for part in parts)
        covered[window.start : window.end] = [True] * (window.end - window.start)
    assert all(covered[i] or text[i].isspace() for i in range(len(text)))
    assert all(a.start < b.start and a.end < b.end for a, b in pairwise(windows))


def test_neighbours_share_words() -> None:
    """As many as fit into the overlap, so that no sentence is cut in half everywhere."""
    windows = whole(" ".join(f"w{i}" for i in range(20)))
    assert [window.text.split()[0] for window in windows] == ["w0", "w6", "w12"]
    assert windows[0].text.split()[-3:] == windows[1].text.split()[:3]


def test_no_window_is_longer_than_its_span() -> None:
    """Where many characters are one piece, and where words lie far apart; however the text comes, and no word is lost."""
    text = ("x" * LONGEST + " ") * 300 + (" " * 3000 + "y") * 9
    counter = Counter(lambda words: [1] * len(words))
    made = list(Cutter(counter, 120, 30).push(text, end=True))
    assert max(len(window.text) for window in made) <= SPAN
    assert all(a.start < b.start <= a.end or not text[a.end : b.start].strip() for a, b in pairwise(made))
    growing = Cutter(counter, 120, 30)
    parts = [window for i in range(0, len(text), 700) for window in growing.push(text[i : i + 700])]
    assert parts + list(growing.push("", end=True)) == made


def test_a_text_without_words_has_no_window() -> None:
    """There is nothing to judge."""
    assert whole("") == whole(" \n\t ") == []


def test_words_are_counted_as_the_tokenizer_counts_them(tmp_path: Path) -> None:
    """And remembered only when they are short."""
    folder = write_encoder(tmp_path)
    made = Pieces(folder / "tokenizer.json", read_card(folder))
    assert made.counter(["hello", "bombs", "a.b", "z" * 99]) == [1, 2, 3, 99]
    assert set(made.counter.known) == {"hello", "bombs", "a.b"}
    text = "how to make bombs, please, " * 9
    windows = list(made.cutter("material").push(text, end=True))
    ids = [made.ids(window.text, "material") for window in windows]
    assert all(each is not None and len(each) <= 24 for each in ids)
    assert made.ids(text, "material") is None


def test_the_memory_of_words_is_bounded() -> None:
    """It begins anew when it is full."""
    counter = Counter(lambda words: [1] * len(words))
    for i in range(70):
        counter([f"w{i}-{j}" for j in range(1000)])
    assert len(counter.known) <= 65536
