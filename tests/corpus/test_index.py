"""The index: what is built is found, what is damaged is refused, and nothing is ever half there."""

from __future__ import annotations

import gzip
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.corpus import IndexFileError, Plan, build, contents, extend, merge, opened, verify
from proxy.corpus.table import HEADER
from tests.corpus.catalogue import FOREIGN, WORKS, catalogue, comparing, prose, text
from tests.examples import examples


def titles(path: Path, words: list[str]) -> set[str]:
    """The works that a text of these words is found to be from."""
    return {passage.work.title for passage in comparing(path).whole(" ".join(words))}


@pytest.mark.parametrize("form", ["full", "winnowed"])
def test_every_place_of_every_work_is_found(tmp_path: Path, form: str) -> None:
    """Wherever a passage is from, its work and its place are named."""
    path = catalogue(tmp_path, Plan(form=form))  # type: ignore[arg-type]  # one of the forms
    matcher = comparing(path)
    for title, words in WORKS.items():
        for start in range(0, len(words) - 60, 37):
            passage = matcher.whole(" ".join(words[start : start + 60]))[-1]
            assert (passage.work.title, passage.work.author, passage.work.words) == (title, "Ada Author", len(words))
            assert start <= passage.offset <= start + (0 if form == "full" else 4)
            assert passage.words == 60


def test_hashes_alone_find_without_naming(tmp_path: Path) -> None:
    """The form hashes says that something is copied, not what."""
    matcher = comparing(catalogue(tmp_path, Plan(form="hashes")))
    passage = matcher.whole(" ".join(FOREIGN[:40] + WORKS["first"][100:160] + FOREIGN[40:80]))[-1]
    assert (passage.work.title, passage.words) == ("a work of the catalogue", 60)
    assert not matcher.whole(" ".join(FOREIGN))


def test_an_index_is_small(tmp_path: Path) -> None:
    """With places, less than three bytes for each byte of text, beside a header and the sections' heads."""
    body = text(prose(5, 60_000))
    path = catalogue(tmp_path, works=[("long", body)])
    assert path.stat().st_size < 3 * len(body)


def test_sources_are_texts_gzipped_texts_and_json_lines(tmp_path: Path) -> None:
    """Each brings its facts: from its JSON, from the lines at its top, from its name, from the command."""
    works = tmp_path / "works"
    (works / "deep").mkdir(parents=True)
    (works / "a.txt").write_text("Title: Alpha\nAuthor: A. A.\nRights: own\n\n" + text(WORKS["first"]))
    with gzip.open(works / "deep" / "12_the_second.txt.gz", "wt") as file:
        file.write(text(WORKS["second"]))
    (works / "more.jsonl").write_text(json.dumps({"name": "Gamma", "license": "MIT", "text": text(WORKS["third"])}) + "\n\n")
    (works / "picture.png").write_bytes(b"\x89PNG")
    build([works], tmp_path / "out.pidx", Plan(facts={"holder": "House"}))
    [shelf] = opened(tmp_path / "out.pidx").shelves
    found = [shelf.work(number) for number in range(shelf.segment.works)]
    assert [(w.title, w.author, w.holder, w.rights, w.licence, w.path) for w in found] == [
        ("Alpha", "A. A.", "House", "own", "", "a.txt"),
        ("the second", "", "House", "", "", "deep/12_the_second.txt.gz"),
        ("Gamma", "", "House", "", "MIT", "more.jsonl"),
    ]
    assert found[0].words == len(WORKS["first"])


def test_a_work_larger_than_a_piece_is_one_work(tmp_path: Path) -> None:
    """It is read in pieces, and passages across their edges are found like others."""
    words = prose(8, 1_100_000)
    (tmp_path / "long.txt").write_text(" ".join(words))
    build([tmp_path / "long.txt"], tmp_path / "out.pidx")
    [shelf] = opened(tmp_path / "out.pidx").shelves
    assert (shelf.segment.works, shelf.segment.words) == (1, len(words))
    size = 0
    edge = next(i for i, word in enumerate(words) if (size := size + len(word) + 1) > 4 << 20)
    passage = comparing(tmp_path / "out.pidx").whole(" ".join(words[edge - 30 : edge + 30]))[-1]
    assert (passage.offset, passage.words) == (edge - 30, 60)


@pytest.mark.slow
def test_processes_build_the_same_index(tmp_path: Path) -> None:
    """More jobs change the time and nothing else."""
    for number in range(5):
        (tmp_path / f"{number}.txt").write_text(" ".join(prose(20 + number, 600_000)))
    sources = sorted(tmp_path.glob("*.txt"))
    for jobs in (1, 2):
        build(sources, tmp_path / f"{jobs}.pidx", Plan(jobs=jobs))
    assert (tmp_path / "1.pidx").read_bytes() == (tmp_path / "2.pidx").read_bytes()


def test_an_index_is_extended_and_merged(tmp_path: Path) -> None:
    """What was there stays, what is added is found, and a merge needs no works."""
    path = catalogue(tmp_path, works=[("first", text(WORKS["first"]))])
    (tmp_path / "second.txt").write_text(text(WORKS["second"]))
    extend(path, [tmp_path / "second.txt"], Plan())
    assert len(contents(path).segments) == 2
    passages = [WORKS["first"][300:340], WORKS["second"][300:340]]
    assert [titles(path, each) for each in passages] == [{"first"}, {"second"}]
    merge([path], tmp_path / "one.pidx")
    assert len(contents(tmp_path / "one.pidx").segments) == 1
    assert [titles(tmp_path / "one.pidx", each) for each in passages] == [{"first"}, {"second"}]
    assert verify(tmp_path / "one.pidx") == verify(path) == []


def test_an_index_may_be_extended_by_several_at_once(tmp_path: Path) -> None:
    """Each waits for the others, so that no work is lost."""
    path = catalogue(tmp_path, works=[("first", text(WORKS["first"]))])
    for number in range(4):
        (tmp_path / f"work {number}.txt").write_text(text(prose(70 + number, 300)))
    with ThreadPoolExecutor() as threads:
        list(threads.map(lambda number: extend(path, [tmp_path / f"work {number}.txt"]), range(4)))
    assert [titles(path, prose(70 + number, 60)) for number in range(4)] == [{f"work {number}"} for number in range(4)]


def test_an_index_that_is_extended_often_is_merged(tmp_path: Path) -> None:
    """The number of segments stays small, and every work is found."""
    path = catalogue(tmp_path, works=[("zero", text(prose(40, 200)))])
    for number in range(1, 11):
        (tmp_path / f"w{number}.txt").write_text(text(prose(40 + number, 200)))
        extend(path, [tmp_path / f"w{number}.txt"], Plan())
    assert len(contents(path).segments) <= 8
    assert [titles(path, prose(40 + number, 200)[50:100]) for number in range(1, 11)] == [
        {f"w{number}"} for number in range(1, 11)
    ]


def test_what_was_opened_stays_readable_when_the_file_is_replaced(tmp_path: Path) -> None:
    """A worker goes on with the index that it has."""
    path = catalogue(tmp_path)
    matcher = comparing(path)
    catalogue(tmp_path, works=[("other", text(prose(50, 300)))])
    assert {p.work.title for p in matcher.whole(" ".join(WORKS["first"][:50]))} == {"first"}
    assert titles(path, WORKS["first"][:50]) == set()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda raw: raw[:-1], "truncated or grown"),
        (lambda raw: raw[:100], "truncated: 100 bytes"),
        (lambda raw: raw + b"x", "truncated or grown"),
        (lambda raw: raw[:20] + bytes([raw[20] ^ 1]) + raw[21:], "the header does not fit"),
        (lambda raw: raw[:-5] + bytes([raw[-5] ^ 1]) + raw[-4:], "the table of contents does not fit"),
        (lambda raw: b"PK\3\4" + raw[4:], "not an index of Parapet"),
        (lambda raw: raw.replace(b"\r\n\x1a", b"\n\x1a", 1), "not an index of Parapet"),
        (lambda raw: b"", "not an index of Parapet"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, damage: object, message: str) -> None:
    """The error names the file, what is wrong and the way out."""
    path = catalogue(tmp_path)
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]  # one of the functions above
    with pytest.raises(IndexFileError, match=message) as caught:
        opened(path)
    assert str(path) in str(caught.value)


def test_another_version_is_refused(tmp_path: Path) -> None:
    """An index of a version that is not known says so."""
    from hashlib import sha256

    path = catalogue(tmp_path)
    raw = bytearray(path.read_bytes())
    raw[17] = 9
    end = 17 + 4 + 24 + 32
    raw[end : end + 32] = sha256(raw[:end]).digest()
    path.write_bytes(raw)
    with pytest.raises(IndexFileError, match="version 9"):
        opened(path)


@settings(max_examples=examples(25))
@given(st.data())
def test_verify_sees_any_byte_that_has_changed(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """In every section, and nowhere when nothing has changed."""
    path = catalogue(tmp_path_factory.mktemp("index"), works=[("small", text(prose(60, 120)))])
    assert verify(path) == []
    section = data.draw(st.sampled_from([s for s in contents(path).segments[0].sections.values() if s.size]))
    raw = bytearray(path.read_bytes())
    raw[section.offset + data.draw(st.integers(0, section.size - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(raw)
    assert len(verify(path)) == 1


def test_a_build_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    """The old index is untouched, and nothing else is left beside it."""
    path = catalogue(tmp_path)
    before = path.read_bytes()
    (tmp_path / "broken.jsonl").write_text('{"title": "no text"}\n')
    with pytest.raises(IndexFileError, match="expected a JSON object with a text"):
        build([tmp_path / "broken.jsonl"], path)
    assert path.read_bytes() == before
    assert {each.name for each in tmp_path.iterdir()} == {"works.jsonl", "broken.jsonl", path.name}


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_nothing_to_index_is_an_error(tmp_path: Path, name: str) -> None:
    """A folder without works, or none at all."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(IndexFileError):
        build([tmp_path / name], tmp_path / "out.pidx")
    assert not (tmp_path / "out.pidx").exists()


def test_an_empty_work_is_a_work(tmp_path: Path) -> None:
    """It has no words, and nothing is from it."""
    path = catalogue(tmp_path, works=[("empty", ""), ("first", text(WORKS["first"]))])
    assert [opened(path).shelves[0].work(n).words for n in (0, 1)] == [0, len(WORKS["first"])]
    assert titles(path, WORKS["first"][:40]) == {"first"}


def test_the_header_has_a_page(tmp_path: Path) -> None:
    """Sections begin behind it, each at a multiple of 64."""
    sections = contents(catalogue(tmp_path)).segments[0].sections.values()
    assert all(section.offset >= HEADER and section.offset % 64 == 0 for section in sections)


def test_an_index_that_is_kept_from_others_stays_so(tmp_path: Path) -> None:
    """Whoever has it can test whether a text is in it: extending it opens it to nobody."""
    path = catalogue(tmp_path)
    path.chmod(0o600)
    (tmp_path / "more.txt").write_text(text(FOREIGN[:500]))
    extend(path, [tmp_path / "more.txt"])
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_folder_is_no_place_for_an_index(tmp_path: Path) -> None:
    """That is said before any work is read."""
    with pytest.raises(IndexFileError, match="it is a folder: expected the path"):
        build([tmp_path / "there-is-none.txt"], tmp_path)


@pytest.mark.parametrize("form", ["full", "winnowed", "hashes"])
def test_a_text_that_repeats_itself_is_sorted_in_little_memory(tmp_path: Path, form: str) -> None:
    """Of one n-gram no more places are gathered than are kept: the table is laid out for as few."""
    (tmp_path / "again.txt").write_text("over and " * 50_000)
    build([tmp_path / "again.txt"], tmp_path / "out.pidx", Plan(form=form))  # type: ignore[arg-type]  # one of the forms
    [segment] = contents(tmp_path / "out.pidx").segments
    assert (segment.words, segment.bits) == (100_000, 8)
    assert segment.grams <= 16
