"""`parapet index build | extend | merge | info | verify | search`."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path

import pytest

from proxy.cli import main
from tests.corpus.catalogue import FOREIGN, WORKS, text


@pytest.fixture
def index(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """An index that the command has built of a folder."""
    works = tmp_path / "works"
    works.mkdir()
    for title, words in WORKS.items():
        (works / f"{title}.txt").write_text(text(words))
    out = tmp_path / "protected.pidx"
    assert main(["index", "build", str(works), "-o", str(out), "--holder", "House", "--rights", "protected", "--jobs", "1"]) == 0
    assert f"{out}: 3 works, 2,800 words" in capsys.readouterr().out
    return out


def test_info_says_what_is_in_an_index(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its segments, and with --works its works."""
    assert main(["index", "info", str(index)]) == 0
    assert "segment 0: 3 works, 2,800 words, 2,788 5-grams, form full" in capsys.readouterr().out
    assert main(["index", "info", str(index), "--works"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["title"] for row in rows] == ["first", "second", "third"]
    assert {row["holder"] for row in rows} == {"House"}


def test_an_index_that_ships_is_known_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    """Wherever the command runs."""
    assert main(["index", "info", "public-domain"]) == 0
    assert "4 works" in capsys.readouterr().out


def test_verify_says_which_part_is_damaged(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """0 for a sound index, 1 for one whose bytes have changed."""
    assert main(["index", "verify", str(index)]) == 0
    raw = bytearray(index.read_bytes())
    raw[4096] ^= 255
    index.write_bytes(raw)
    assert main(["index", "verify", str(index)]) == 1
    assert "damaged: segment 0: buckets" in capsys.readouterr().out


def test_search_prints_the_passages_of_a_text(
    index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a file or from standard input; 1 when there are none."""
    file = tmp_path / "text.txt"
    file.write_text(" ".join(FOREIGN[:20] + WORKS["second"][70:120] + FOREIGN[20:40]))
    assert main(["index", "search", str(index), str(file)]) == 0
    [row] = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (row["work"]["title"], row["offset"], row["words"]) == ("second", 70, 50)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xff " + " ".join(FOREIGN).encode())))
    assert main(["index", "search", str(index)]) == 1


def test_an_index_is_extended_and_merged(index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Works are added as a segment, and segments become one."""
    (tmp_path / "more.txt").write_text(text(FOREIGN[:500]))
    assert main(["index", "extend", str(index), str(tmp_path / "more.txt"), "--jobs", "1"]) == 0
    assert main(["index", "merge", str(index), "-o", str(index)]) == 0
    assert "4 works, 3,300 words" in capsys.readouterr().out.splitlines()[-1]
    assert main(["index", "info", str(index)]) == 0
    assert "segment 1" not in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["info", "nowhere.pidx"], ["verify", "nowhere.pidx"], ["search", "nowhere.pidx"]])
def test_what_cannot_be_read_is_said(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """In one line, with the status for what the user can mend."""
    assert main(["index", *arguments]) == 2
    assert "nowhere.pidx: cannot be read" in capsys.readouterr().err


def test_help_says_what_each_form_loses(capsys: pytest.CaptureFixture[str]) -> None:
    """Before anyone chooses one."""
    with pytest.raises(SystemExit):
        main(["index", "build", "--help"])
    shown = capsys.readouterr().out
    assert "winnowed: " in shown
    assert "No work, place or share is named" in shown


def test_files_that_are_not_read_are_told_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Else their holder would think them protected; what is read is not named."""
    folder = tmp_path / "works"
    folder.mkdir()
    (folder / "a.txt.gz").write_bytes(gzip.compress(text(FOREIGN[:50]).encode()))
    for name in ("b.epub", "c.EPUB", "d.pdf", "README"):
        (folder / name).write_text("x")
    assert main(["index", "build", str(folder), "-o", str(tmp_path / "out.pidx")]) == 0
    assert "4 files were left out, since no text is read from their kind: 2 .epub, 1 " in capsys.readouterr().err
    (folder / "a.txt.gz").rename(tmp_path / "a.txt.gz")
    assert main(["index", "build", str(tmp_path / "a.txt.gz"), "-o", str(tmp_path / "out.pidx")]) == 0
    assert capsys.readouterr().err == ""
