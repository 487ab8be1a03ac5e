"""Builds, extends and merges indexes, in memory that does not grow with the works.

Words go to a file of fingerprints as they are read. Its n-grams are sorted in runs that fit into memory, and the runs are merged
part by part of the range of hashes. Since the fingerprints stay in the index, segments can be merged without their sources.
"""

from __future__ import annotations

import json
import multiprocessing
import tempfile
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from proxy.corpus import grams
from proxy.corpus.folding import prose
from proxy.corpus.index import FACTS, Index, opened
from proxy.corpus.layout import WAY_OUT, Writer, alone, verify, written
from proxy.corpus.sources import Facts, Piece, Read, Source, pieces, sources, tokenised
from proxy.corpus.table import APART, LENGTHS, LIMIT, Form, Section, Segment, Tokens
from proxy.corpus.titles import title_keys
from proxy.errors import IndexFileError

CAP = 8  # places that are kept of one n-gram: more say nothing of where a text is from, and cost time with every match
RUN = 4 << 20  # n-grams that are sorted in memory at once
WINDOW = 4  # of winnowing
SEGMENTS = 8  # an index with more is merged when it is extended
SMALL = 16 << 20  # bytes of sources for which starting processes does not pay

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """How to build. `facts` are those of works that do not say otherwise."""

    tokens: Tokens = "words"
    form: Form = "full"
    jobs: int = 1
    facts: Mapping[str, str] = field(default_factory=dict)


USUAL = Plan()


def quiet(phase: str, done: int, whole: int) -> None:
    """A progress that shows nothing."""


def build(paths: Iterable[Path], out: Path, plan: Plan = USUAL, progress: Progress = quiet) -> None:
    """Index works into a new file. Raises IndexFileError, OSError."""
    with written(out) as writer, Gathered(out.parent, plan.tokens) as gathered:
        gathered.read(sources(paths, plan.tokens), plan, progress)
        gathered.segments(writer, plan, progress)


def extend(path: Path, paths: Iterable[Path], plan: Plan = USUAL, progress: Progress = quiet) -> None:
    """Add works to an index, as a segment of their own; one that has many segments is merged. Raises IndexFileError, OSError."""
    with alone(path):
        _extend(path, paths, plan, progress)


def _extend(path: Path, paths: Iterable[Path], plan: Plan, progress: Progress) -> None:
    old = opened(path)
    with written(path) as writer, Gathered(path.parent, plan.tokens) as gathered:
        alike = [s for s in old.shelves if (s.segment.tokens, s.segment.form) == (plan.tokens, plan.form)]
        merging = len(alike) >= SEGMENTS and plan.form != "hashes"
        for shelf in old.shelves:
            if not (merging and shelf in alike):
                writer.take(path, shelf.segment)
        if merging:
            intact(path)
            gathered.copy(alike)
        gathered.read(sources(paths, plan.tokens), plan, progress)
        gathered.segments(writer, plan, progress)


def merge(paths: Sequence[Path], out: Path, progress: Progress = quiet) -> None:
    """Join indexes, and the segments of each, to one with a segment for each kind. Raises IndexFileError, OSError."""
    with alone(out):
        _merge(paths, out, progress)


def _merge(paths: Sequence[Path], out: Path, progress: Progress) -> None:
    indexes: list[Index] = [opened(path) for path in paths]
    with written(out) as writer:
        shelves = [(index.path, shelf) for index in indexes for shelf in index.shelves]
        kinds = dict.fromkeys((s.segment.tokens, s.segment.form) for _, s in shelves)
        for tokens, form in kinds:
            alike = [(path, s) for path, s in shelves if (s.segment.tokens, s.segment.form) == (tokens, form)]
            if form == "hashes" or len(alike) == 1:
                for path, shelf in alike:
                    writer.take(path, shelf.segment)
                continue
            for path in dict.fromkeys(path for path, _ in alike):
                intact(path)
            with Gathered(out.parent, tokens) as gathered:
                gathered.copy([shelf for _, shelf in alike])
                gathered.segments(writer, Plan(tokens, form), progress)


def intact(path: Path) -> None:
    """Compare all of an index with its checksums before its works are taken from it. Raises IndexFileError."""
    if damaged := verify(path):
        raise IndexFileError(f"{path}: damaged: {', '.join(damaged)} does not fit its checksum: {WAY_OUT}")


class Gathered:
    """Works on their way into an index: their fingerprints and records, in files that are gone afterwards."""

    def __init__(self, folder: Path, tokens: Tokens) -> None:
        self.stack = ExitStack()
        self.folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix=".parapet-index-", dir=folder)))
        self.n = LENGTHS[tokens]
        self.prints: IO[bytes] = self.stack.enter_context((self.folder / "prints").open("w+b"))
        self.records: IO[bytes] = self.stack.enter_context((self.folder / "records").open("w+b"))
        self.offsets = array("Q", [0])
        self.starts, self.counts = array("Q"), array("Q")
        self.titles, self.titled = array("Q"), array("I")
        self.words = 0  # with those that stand between works

    def __enter__(self) -> Gathered:
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    def read(self, files: Sequence[Source], plan: Plan, progress: Progress) -> None:
        """Take the works of files."""
        whole, done = sum(file.size for file in files), 0
        with ExitStack() as stack:
            pool = None
            if plan.jobs > 1 and whole > SMALL:
                context = multiprocessing.get_context("spawn")  # no copy of a process with threads
                pool = stack.enter_context(ProcessPoolExecutor(plan.jobs, context))
            try:
                for source, reads in tokenised_in(pool, files, plan):
                    for read in reads:
                        self.take(read)
                    if source is not None:
                        done += source.size
                        progress("reading", done, whole)
            except BrokenProcessPool:
                raise IndexFileError("a process that read works was killed: try fewer of them, with --jobs 1") from None

    def take(self, read: Read) -> None:
        """Take a work, or more of the last one."""
        count = len(read.prints) // 2
        if read.facts is not None:
            self.begin(read.facts)
        self.prints.write(read.prints)
        self.counts[-1] += count
        self.words += count
        if self.words > LIMIT - APART:
            raise IndexFileError(
                f"more than {LIMIT:,} words in one segment: build several indexes, and name them all in the policy"
            )

    def begin(self, facts: Facts) -> None:
        """Another work."""
        self.prints.write(b"\0\0" * APART)
        self.words += APART
        titles = (str(facts.get("title", "")), *facts.get("aliases", ()))
        keys = set[int]().union(*(title_keys(each, prose()) for each in titles))
        self.titles.extend(keys)
        self.titled.extend([len(self.starts)] * len(keys))
        self.starts.append(self.words)
        self.counts.append(0)
        self.records.write(json.dumps(dict(facts), ensure_ascii=False).encode())
        self.offsets.append(self.records.tell())

    def copy(self, shelves: Iterable[Any]) -> None:
        """Take the works of segments that are indexed already."""
        for shelf in shelves:
            for number in range(shelf.segment.works):
                work = shelf.work(number)
                start = shelf.start(number)
                facts: dict[str, str | list[str]] = {name: value for name in FACTS if (value := getattr(work, name))}
                if work.aliases:
                    facts["aliases"] = list(work.aliases)
                self.take(Read(facts, shelf.arrays["prints"][start : start + work.words].tobytes()))

    def segments(self, writer: Writer, plan: Plan, progress: Progress) -> None:
        """Write what has been taken as a segment."""
        self.prints.write(b"\0\0" * APART)
        self.prints.flush()
        self.records.flush()
        ordered = Sorted(self, plan, progress)
        if not ordered.total:
            raise IndexFileError(f"nothing to index: no work has {self.n} {plan.tokens} in a row")
        made = ordered.hashes() if plan.form == "hashes" else ordered.placed()
        sections = {name: self.section(writer, name) for name in made.names}
        starts = {"starts": self.starts, "counts": self.counts}
        sections |= {name: writer.section(np.array(each, "<u4").tobytes()) for name, each in starts.items()}
        sections["offsets"] = writer.section(np.array(self.offsets, "<u8").tobytes())
        sections["records"] = self.section(writer, "records")
        titles = np.array(self.titles, "<u8")
        order = np.argsort(titles, kind="stable")  # works with one title stay in their order
        sections["titles"] = writer.section(titles[order].tobytes())
        sections["titled"] = writer.section(np.array(self.titled, "<u4")[order].tobytes())
        words = sum(self.counts)
        writer.segments.append(Segment(plan.tokens, plan.form, self.n, made.bits, len(self.starts), words, made.grams, sections))

    def section(self, writer: Writer, name: str) -> Section:
        with (self.folder / name).open("rb") as file:
            return writer.section(file)


def tokenised_in(
    pool: ProcessPoolExecutor | None, files: Sequence[Source], plan: Plan
) -> Iterator[tuple[Source | None, list[Read]]]:
    """What is read of each piece, in order; the source with its last piece. A few pieces are under way at a time."""
    waiting: deque[tuple[Source | None, Future[list[Read]]]] = deque()
    for source in files:
        for piece, last in _marked(pieces(source, plan.facts)):
            done = source if last else None
            if pool is None:
                yield done, tokenised(piece, plan.tokens)
                continue
            waiting.append((done, pool.submit(tokenised, piece, plan.tokens)))
            if len(waiting) > 2 * plan.jobs:
                first, future = waiting.popleft()
                yield first, future.result()
    for first, future in waiting:
        yield first, future.result()


def _marked(made: Iterator[Piece]) -> Iterator[tuple[Piece, bool]]:
    """Each piece, and whether it is the last."""
    before = next(made, None)
    for each in made:
        if before is not None:
            yield before, False
        before = each
    if before is not None:
        yield before, True


@dataclass(frozen=True, slots=True)
class Made:
    """The sections of n-grams that have been written to the folder."""

    names: tuple[str, ...]
    bits: int
    grams: int


class Sorted:
    """The n-grams of gathered works in the order of their hashes."""

    def __init__(self, gathered: Gathered, plan: Plan, progress: Progress) -> None:
        self.gathered, self.plan, self.progress, self.n = gathered, plan, progress, gathered.n
        self.runs: list[Path] = []
        self.total = 0
        self.sorted_runs()
        self.bits = min(28, max(8, self.total.bit_length() - 3))

    def sorted_runs(self) -> None:
        """Write the n-grams of each stretch of words, in order: hash and place in one number, or the whole hash alone."""
        path = self.gathered.folder / "prints"
        whole = path.stat().st_size // 2
        for start in range(0, whole, RUN):
            stretch: NDArray[np.uint16] = np.fromfile(path, "<u2", RUN + self.n - 1, offset=2 * start)
            made = grams.hashes(stretch, self.n)
            kept = grams.inside(stretch, self.n)
            if self.plan.form == "winnowed":
                kept &= grams.winnowed(made, WINDOW)
            places = np.flatnonzero(kept)
            if self.plan.form == "hashes":
                run = distinct(made[places])
            else:
                run = (made[places] >> np.uint64(32) << np.uint64(32)) | (places + start).astype(np.uint64)
                run.sort()
                run = run[rank(run >> np.uint64(32)) < CAP]  # however often a text repeats itself, it is merged in little memory
            if run.size:
                self.runs.append(self.gathered.folder / f"run{len(self.runs)}")
                run.tofile(self.runs[-1])
                self.total += len(run)
            self.progress("sorting", min(whole, start + RUN), whole)

    def parts(self) -> Iterator[tuple[int, int, NDArray[np.uint64]]]:
        """The n-grams of one range of buckets after the other: first bucket, the one after the last, the n-grams in order."""
        count = min(1 << self.bits, 1 << max(0, (self.total // RUN).bit_length()))
        width = (1 << self.bits) // count
        places = [0] * len(self.runs)
        for number in range(count):
            end = (number + 1) * width
            found = []
            for index, path in enumerate(self.runs):
                run = np.memmap(path, np.uint64, mode="r")
                stop = len(run) if end == 1 << self.bits else int(np.searchsorted(run, np.uint64(end << (64 - self.bits))))
                found.append(np.fromfile(path, np.uint64, stop - places[index], offset=8 * places[index]))
                places[index] = stop
            part = np.concatenate(found) if found else np.zeros(0, np.uint64)
            part.sort()
            yield number * width, end, part
            self.progress("merging", number + 1, count)

    def placed(self) -> Made:
        """Write n-grams with their places; of those that are common, the first few places."""
        shift, width, kept = 64 - self.bits, min(16, 32 - self.bits), 0
        with self.open("buckets") as buckets, self.open("keys") as keys, self.open("positions") as positions:
            buckets.write(np.zeros(1, "<u4").tobytes())
            for first, end, each in self.parts():
                part = each[rank(each >> np.uint64(32)) < CAP]
                buckets.write(self.bounds(part, first, end, kept))
                keys.write((part >> np.uint64(shift - width) & np.uint64((1 << width) - 1)).astype("<u2").tobytes())
                positions.write((part & np.uint64(0xFFFFFFFF)).astype("<u4").tobytes())
                kept += len(part)
        return Made(("buckets", "keys", "positions", "prints"), self.bits, kept)

    def hashes(self) -> Made:
        """Write n-grams alone."""
        shift, kept = 64 - self.bits, 0
        with self.open("buckets") as buckets, self.open("keys") as keys:
            buckets.write(np.zeros(1, "<u4").tobytes())
            for first, end, each in self.parts():
                part = each[rank(each) == 0]
                buckets.write(self.bounds(part, first, end, kept))
                keys.write((part >> np.uint64(shift - 32) & np.uint64(0xFFFFFFFF)).astype("<u4").tobytes())
                kept += len(part)
        return Made(("buckets", "keys"), self.bits, kept)

    def bounds(self, part: NDArray[np.uint64], first: int, end: int, before: int) -> bytes:
        """Where each bucket of a range ends."""
        chosen = (part >> np.uint64(64 - self.bits)).astype(np.int64) - first
        return (np.cumsum(np.bincount(chosen, minlength=end - first)) + before).astype("<u4").tobytes()

    def open(self, name: str) -> IO[bytes]:
        return (self.gathered.folder / name).open("wb")


def distinct(made: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """In order, each once; far faster than numpy's unique, which hashes."""
    made.sort()
    first = np.ones(len(made), bool)
    first[1:] = made[1:] != made[:-1]
    return made[first]


def rank(ordered: NDArray[np.uint64]) -> NDArray[np.int64]:
    """How many equal ones stand before each, in an array that is in order."""
    places = np.arange(len(ordered))
    first = np.ones(len(ordered), bool)
    first[1:] = ordered[1:] != ordered[:-1]
    return places - np.maximum.accumulate(np.where(first, places, 0))
