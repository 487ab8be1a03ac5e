"""Sources: what is no text, or no JSON, is said in one line with file and place; what is a text is read in any encoding."""

from __future__ import annotations

import codecs
import gzip
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.corpus import IndexFileError, Plan, Work, build, contents, extend, merge, opened
from proxy.corpus.charsets import plain
from proxy.corpus.sources import LINE, Source, pieces
from tests.corpus.catalogue import WORKS, catalogue, comparing, text
from tests.examples import examples

GOOD = json.dumps({"title": "Good", "text": text(WORKS["first"])}).encode()


def works(path: Path) -> list[Work]:
    """The works of an index."""
    return [shelf.work(number) for shelf in opened(path).shelves for number in range(shelf.segment.works)]


def gzipped(raw: bytes, place: int) -> bytes:
    """A gzip file of which one byte has changed."""
    made = bytearray(gzip.compress(raw))
    made[place] ^= 0x55
    return bytes(made)


BROKEN = [
    ("a.txt.gz", gzipped(GOOD * 30, 40), "cannot be read"),
    ("a.txt.gz", gzipped(GOOD * 30, -6), "cannot be read"),
    ("a.txt.gz", gzip.compress(GOOD * 30)[:-20], "cannot be read"),
    ("a.txt.gz", b"no gzip at all", "cannot be read"),
    ("a.txt", b"PK\3\4" + bytes(range(256)) * 20, "expected a text, and this is other data"),
    ("a.jsonl", GOOD + b"\n\n" + b'{"text": ' + b"[" * 100_000, "line 3: nested too deeply"),
    ("a.jsonl", GOOD + b"\n" + b'{"text": "secret" "more"}', "line 2: no JSON from character 19 on"),
    ("a.jsonl", GOOD + b'\n{"text": "\xff"}', "line 2: not in UTF-8"),
    ("a.jsonl", GOOD + b'\n{"text": "a", "n": ' + b"9" * 5000 + b"}", "line 2: not in UTF-8, or with a number that is too long"),
    ("a.jsonl", GOOD + b"\n[1]\n", "line 2: a value without a text"),
    ("a.jsonl", GOOD + b'\n{"title": "secret"}\n', "line 2: a value without a text"),
    ("a.jsonl", b'\n{"text": 5}\n', "line 2: a value without a text"),
    ("a.jsonl", b'\n\n{"text": "' + b"long " * (LINE // 5) + b'"}\n', "line 3: longer than 32 MB"),
]


@pytest.mark.parametrize(("name", "raw", "message"), BROKEN, ids=[f"{n}-{m[:30]}" for n, _, m in BROKEN])
def test_sources_that_cannot_be_read_are_said_in_one_line(tmp_path: Path, name: str, raw: bytes, message: str) -> None:
    """With the file and the line, and without what stands there."""
    (tmp_path / name).write_bytes(raw)
    with pytest.raises(IndexFileError) as caught:
        build([tmp_path / name], tmp_path / "out.pidx")
    said = str(caught.value)
    assert said.startswith(f"{tmp_path / name}: ")
    assert message in said
    assert "\n" not in said
    assert "secret" not in said
    assert not (tmp_path / "out.pidx").exists()


def test_the_line_is_that_of_the_file(tmp_path: Path) -> None:
    """However many pieces come before."""
    row = json.dumps({"text": "word " * 200_000}).encode() + b"\n"
    (tmp_path / "a.jsonl").write_bytes(row * 7 + b"\n{}\n")
    with pytest.raises(IndexFileError, match="line 9: a value without a text"):
        build([tmp_path / "a.jsonl"], tmp_path / "out.pidx")


class Endless(io.RawIOBase):
    """A file that is one line and never ends."""

    taken = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        self.taken += size
        return b"x" * size


def test_no_more_of_a_line_is_read_than_may_be_one() -> None:
    """Memory is bounded whatever the file."""
    from proxy.corpus.sources import _cut

    endless = Endless()
    assert LINE < len(next(_cut(plain(endless), lines=True))) == endless.taken < LINE + (8 << 20)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz", "a.jsonl"])
def test_works_are_read_in_any_encoding_of_unicode(tmp_path: Path, encoding: str, name: str) -> None:
    """With a byte order mark or, in UTF-8 and UTF-16, without one; facts and words are the same."""
    body = "é".join(text(WORKS["first"]).split("e"))
    lines = json.dumps({"title": "Ünïque", "text": body}, ensure_ascii=False) + "\n" if "jsonl" in name else ""
    raw = (lines or f"Title: Ünïque\n\n{body}").encode(encoding)
    (tmp_path / name).write_bytes(gzip.compress(raw) if name.endswith("gz") else raw)
    build([tmp_path / name], tmp_path / "out.pidx")
    assert [(work.title, work.words) for work in works(tmp_path / "out.pidx")] == [("Ünïque", len(WORKS["first"]))]
    assert comparing(tmp_path / "out.pidx").whole(body[:600])[-1].offset == 0


def test_a_text_of_older_days_is_read_as_it_was_meant(tmp_path: Path) -> None:
    """In Windows-1252, accents and curly quotes make the same words as in UTF-8."""
    body = "é".join(text(WORKS["first"]).split("e")).replace(". ", "’s”. “")
    for encoding in ("utf-8", "cp1252"):
        (tmp_path / "a.txt").write_bytes(f"Author: Ünïque\n\n{body}".encode(encoding))
        build([tmp_path / "a.txt"], tmp_path / f"{encoding}.pidx")
    old, new = (opened(tmp_path / f"{encoding}.pidx") for encoding in ("cp1252", "utf-8"))
    assert old.shelves[0].work(0) == new.shelves[0].work(0)
    assert bytes(old.shelves[0].views["prints"]) == bytes(new.shelves[0].views["prints"])


@pytest.mark.parametrize("encoding", ["koi8-r", "cp1251", "shift-jis", "gb18030"])
def test_a_text_in_an_alphabet_that_is_not_known_is_refused(tmp_path: Path, encoding: str) -> None:
    """Its words would be none, and nothing would be protected."""
    body = "Все счастливые семьи похожи друг на друга. " if encoding in {"koi8-r", "cp1251"} else "吾輩は猫である名前はまだ無い。"
    (tmp_path / "a.txt").write_bytes((body * 40).encode(encoding))
    with pytest.raises(IndexFileError, match=r"a\.txt: in no encoding of Unicode"):
        build([tmp_path / "a.txt"], tmp_path / "out.pidx")


bodies = st.text(max_size=200).filter(lambda body: not body.startswith("\0"))  # behind a mark of UTF-16 that is one of UTF-32


@given(bodies, st.sampled_from(("utf-8", "utf-16-le", "utf-16-be", "utf-32-le")), st.integers(1, 5000))
def test_a_text_with_a_mark_comes_as_utf_8(body: str, encoding: str, size: int) -> None:
    """Whatever the text and the size of the reads."""
    mark = {"utf-8": codecs.BOM_UTF8, "utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE}
    raw = mark.get(encoding, codecs.BOM_UTF32_LE) + body.encode(encoding)
    file = plain(io.BytesIO(raw))
    assert b"".join(iter(lambda: file.read(4 * size), b"")) == body.encode()


@settings(max_examples=examples(60))
@given(st.binary(max_size=3000), st.sampled_from(("a.txt", "a.txt.gz", "a.jsonl")))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, raw: bytes, name: str) -> None:
    """Never with another error."""
    path = tmp_path_factory.mktemp("source") / name
    path.write_bytes(raw)

    def read() -> Iterator[bytes]:
        try:
            yield from (piece.raw for piece in pieces(Source(path, name, len(raw)), {}))
        except IndexFileError:
            return

    assert all(read())


def test_lone_surrogates_do_no_harm(tmp_path: Path) -> None:
    """Half of a pair stands for itself in a text, and becomes a question mark in a fact."""
    words = " ".join(WORKS["first"][:60])
    line = '{"title": "T\\ud83d", "author": "\\udc00", "text": "\\ud83d ' + words + '"}'
    (tmp_path / "a.jsonl").write_text(line + "\n")
    build([tmp_path / "a.jsonl"], tmp_path / "out.pidx")
    [work] = works(tmp_path / "out.pidx")
    assert (work.title, work.author) == ("T?", "?")
    assert comparing(tmp_path / "out.pidx").whole(words)


@pytest.mark.parametrize("body", ["", " \n", "one two three four", "…"])
def test_an_index_of_nothing_is_refused(tmp_path: Path, body: str) -> None:
    """It would find nothing, and say so to nobody; an index that is extended by nothing stays as it was."""
    (tmp_path / "a.txt").write_text(body or "x")
    with pytest.raises(IndexFileError, match="nothing to index"):
        build([tmp_path / "a.txt"], tmp_path / "out.pidx")
    path = catalogue(tmp_path)
    before = path.read_bytes()
    with pytest.raises(IndexFileError, match="nothing to index"):
        extend(path, [tmp_path / "a.txt"])
    assert path.read_bytes() == before


def test_a_work_has_as_many_titles_as_it_is_known_by(tmp_path: Path) -> None:
    """In JSON as a list, in a text as lines at its top; they stay when indexes are merged."""
    body = text(WORKS["first"])
    rows = [
        {"title": "Alpha", "aliases": ["Alfa", "Alpha", "", "L'Alpha"], "text": body},
        {"titles": ["Beta", "Bêta"], "text": body},
        {"title": ["Gamma", "Gama"], "text": body},
        {"title": "Delta", "alias": "Delta Tau", "text": body},
        {"title": "Eta", "aliases": [1, None, {"a": 1}], "author": {"no": "string"}, "text": body},
    ]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "b.txt").write_text(f"Title: Zeta\nAlias: Zita\nAlso known as: Zed Eta\n\n{body}")
    build([tmp_path / "a.jsonl"], tmp_path / "a.pidx")
    build([tmp_path / "b.txt"], tmp_path / "b.pidx", Plan())
    merge([tmp_path / "a.pidx", tmp_path / "b.pidx"], tmp_path / "out.pidx")
    assert len(contents(tmp_path / "out.pidx").segments) == 1
    assert [(work.title, work.aliases, work.author) for work in works(tmp_path / "out.pidx")] == [
        ("Alpha", ("Alfa", "L'Alpha"), ""),
        ("Beta", ("Bêta",), ""),
        ("Gamma", ("Gama",), ""),
        ("Delta", ("Delta Tau",), ""),
        ("Eta", (), ""),
        ("Zeta", ("Zita", "Zed Eta"), ""),
    ]
