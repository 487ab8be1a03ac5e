"""`parapet index build | extend | merge | info | verify | search`: the catalogue that the check `copyright` protects."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path

from proxy import corpus
from proxy.cli.common import Commands
from proxy.corpus import IndexFileError
from proxy.settings import shipped_policies

KINDS = 8  # of files that are left out, at most, are told of
SHOWN = 0.2  # seconds between two looks of the progress bar
FORMS = """\
full: every n-gram with its place, 1.5 bytes for each byte of text. Nothing is lost.
winnowed: of four neighbouring n-grams at least one, 0.8 bytes. Passages in which no eight words in a row are unchanged are missed
more often (50 words with a fifth of them edited: 77 % found instead of 86 %).
hashes: n-grams without places, 0.8 bytes. No work, place or share is named, and only runs of eight unchanged words count."""


def add(commands: Commands) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser("index", help="build and look into the index of works that the check copyright compares with")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    _add_build(actions)
    merging = actions.add_parser("merge", help="join indexes, and the segments of each, to one; the works are not needed")
    merging.add_argument("indexes", nargs="+", type=Path, metavar="INDEX")
    merging.add_argument(
        "-o", "--out", type=Path, required=True, metavar="FILE", help="the index to write; it may be one of those read"
    )
    merging.set_defaults(run=merge)
    for name, help_, run in (
        ("info", "say what is in an index", info),
        ("verify", "compare every byte of an index with its checksums; 1 if it is damaged", verify),
    ):
        action = actions.add_parser(name, help=help_)
        action.add_argument("index", metavar="INDEX", help="the file, or the name of an index that ships")
        action.add_argument("--works", action="store_true", help="list the works as JSON Lines") if name == "info" else None
        action.set_defaults(run=run)
    searching = actions.add_parser("search", help="print the passages of works in a text as JSON Lines; 1 if there are none")
    searching.add_argument("index", metavar="INDEX", help="the file, or the name of an index that ships")
    searching.add_argument("file", nargs="?", type=Path, metavar="FILE", help="the text (default: standard input)")
    searching.add_argument("--min-words", type=int, default=25, metavar="N", help="the words that make a passage (default: 25)")
    searching.add_argument(
        "--min-lexemes", type=int, default=65, metavar="N", help="the lexemes of code that make one (default: 65)"
    )
    searching.set_defaults(run=search)


def _add_build(actions: Commands) -> None:
    for name, help_, run in (("build", "index works into a new file", build), ("extend", "add works to an index", extend)):
        action = actions.add_parser(
            name, help=help_, epilog=f"Forms of an index: {FORMS}", formatter_class=argparse.RawDescriptionHelpFormatter
        )
        if name == "extend":
            action.add_argument("index", type=Path, metavar="INDEX", help="the index to extend")
        action.add_argument("works", nargs="+", type=Path, metavar="WORKS", help="folders and files: texts, .gz, JSON Lines")
        if name == "build":
            action.add_argument("-o", "--out", type=Path, required=True, metavar="FILE", help="the index to write")
        action.add_argument(
            "--as", dest="tokens", choices=("text", "code"), default="text", help="what the works are (default: text)"
        )
        action.add_argument(
            "--form", choices=("full", "winnowed", "hashes"), default="full", help="what is kept, see below (default: full)"
        )
        action.add_argument(
            "--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="processes (default: one for each core)"
        )
        for fact, what in (
            ("author", "author"),
            ("holder", "holder of the rights"),
            ("rights", "status: protected, public-domain, own"),
        ):
            action.add_argument(f"--{fact}", metavar="TEXT", help=f"the {what} of works that do not say")
        action.add_argument("--licence", metavar="SPDX", help="the licence of works that do not say")
        action.set_defaults(run=run)


def build(arguments: argparse.Namespace) -> int:
    """Build an index."""
    with Progress() as progress:
        corpus.build(arguments.works, arguments.out, plan(arguments), progress)
    say_left_out(arguments.works, plan(arguments))
    return summary(arguments.out)


def extend(arguments: argparse.Namespace) -> int:
    """Extend an index."""
    with Progress() as progress:
        corpus.extend(arguments.index, arguments.works, plan(arguments), progress)
    say_left_out(arguments.works, plan(arguments))
    return summary(arguments.index)


def merge(arguments: argparse.Namespace) -> int:
    """Merge indexes."""
    with Progress() as progress:
        corpus.merge(arguments.indexes, arguments.out, progress)
    return summary(arguments.out)


def say_left_out(works: list[Path], how: corpus.Plan) -> None:
    """Warn of files that are not protected now, since they are of no kind that is read."""
    kinds = corpus.left_out(works, how.tokens)
    if kinds:
        rows = ", ".join(f"{count:,} {kind}" for kind, count in list(kinds.items())[:KINDS])
        print(
            f"parapet: {sum(kinds.values()):,} files were left out, since no text is read from their kind: {rows}",
            file=sys.stderr,
        )


def plan(arguments: argparse.Namespace) -> corpus.Plan:
    """How to build, from the command line."""
    facts = {name: getattr(arguments, name) for name in ("author", "holder", "rights", "licence") if getattr(arguments, name)}
    return corpus.Plan("words" if arguments.tokens == "text" else "lexemes", arguments.form, max(1, arguments.jobs), facts)


def summary(path: Path) -> int:
    """One line that says what is there now."""
    segments = corpus.contents(path).segments
    works, words = sum(each.works for each in segments), sum(each.words for each in segments)
    print(f"{path}: {works:,} works, {words:,} words, {path.stat().st_size:,} bytes")
    return 0


def named(name: str) -> Path:
    """The file that a name stands for."""
    shipped = shipped_policies() / f"{name}.pidx"
    return shipped if Path(name).name == name and not Path(name).exists() and shipped.exists() else Path(name)


def info(arguments: argparse.Namespace) -> int:
    """Say what is in an index."""
    began = time.perf_counter()
    index = corpus.opened(named(arguments.index))
    took = (time.perf_counter() - began) * 1000
    if arguments.works:
        for shelf in index.shelves:
            for number in range(shelf.segment.works):
                print(
                    json.dumps({name: value for name, value in asdict(shelf.work(number)).items() if value}, ensure_ascii=False)
                )
        return 0
    print(f"{index.path}: version {index.contents.version}, {index.contents.size:,} bytes, opened in {took:.2f} ms")
    for number, shelf in enumerate(index.shelves):
        each = shelf.segment
        print(
            f"segment {number}: {each.works:,} works, {each.words:,} {each.tokens}, {each.grams:,} {each.n}-grams, "
            f"form {each.form}"
        )
    return 0


def verify(arguments: argparse.Namespace) -> int:
    """Read all of an index."""
    path = named(arguments.index)
    with Progress() as progress:
        damaged = corpus.verify(path, lambda done, whole: progress("verifying", done, whole))
    for each in damaged:
        print(f"{path}: damaged: {each}")
    if not damaged:
        corpus.opened(path)  # what fits its checksum may still make no sense
        print(f"{path}: every checksum fits")
    return 1 if damaged else 0


def search(arguments: argparse.Namespace) -> int:
    """Look for passages."""
    index = corpus.opened(named(arguments.index))
    try:
        raw = arguments.file.read_bytes() if arguments.file else sys.stdin.buffer.read()
    except OSError as error:
        raise IndexFileError(f"{arguments.file}: cannot be read: {error.strerror or error}") from None
    found, text = False, raw.decode("utf-8", "replace")
    for tokens, least in (("words", arguments.min_words), ("lexemes", arguments.min_lexemes)):
        limits = (
            corpus.Limits(least, early=False)
            if tokens == "words"
            else corpus.Limits(least, text_gap=12, work_gap=12, early=False, glued=0)
        )
        matcher = corpus.matching([index], tokens, limits, lambda *_: False)  # type: ignore[arg-type]  # one of the two
        for passage in matcher.whole(text) if matcher else ():
            found = True
            print(json.dumps(asdict(passage), ensure_ascii=False))
    return 0 if found else 1


class Progress:
    """A progress bar on a terminal; elsewhere nothing."""

    def __init__(self) -> None:
        self.shown = 0.0
        self.began = time.monotonic()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self.shown:
            print("\r\033[K", end="", file=sys.stderr)

    def __call__(self, phase: str, done: int, whole: int) -> None:
        now = time.monotonic()
        if now - self.shown < SHOWN or not sys.stderr.isatty():
            return
        self.shown = now
        part = done / whole if whole else 1.0
        bar = "█" * int(30 * part)
        print(f"\r\033[K{phase:9} {bar:30} {100 * part:3.0f} %  {now - self.began:5.0f} s", end="", file=sys.stderr, flush=True)
