"""What the copyright check finds and what it does not: passages by length and perturbation, false positives, speed.

    python -m bench.copyright WORKS [--held-out 15] [--texts FILE.jsonl.gz ...] [--passages 300]

WORKS is a folder of plain or gzipped texts. The first works in a fixed shuffle are left out of the index, to show what is
found in texts that no index knows.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from proxy.corpus import Shelf, builder, index, matcher, prints_of, prose, title_forms
from proxy.corpus.chains import Limits, Passage
from proxy.corpus.matcher import Matcher

QUOTED = 50  # words that a rule lets pass, quoted and attributed, if it does not say otherwise
LENGTHS = (20, 25, 30, 50, 100, 200)
LOOKALIKES = dict(zip("aeopcyxijsAEOPCTHKMBX", "аеорсухіјѕАЕОРСТНКМВХ", strict=True))
CONFUSED = {
    "e": "c",
    "c": "e",
    "l": "1",
    "i": "l",
    "o": "0",
    "m": "rn",
    "h": "b",
    "n": "u",
    "u": "n",
    "s": "5",
    "a": "o",
    "t": "f",
    "r": "n",
}


def words_of(text: str) -> list[str]:
    """The words of a text, as white space parts them."""
    return text.split()


def substituted(rate: float, pool: list[str]) -> Callable[[list[str], random.Random], str]:
    """Words exchanged, left out or put in, each as often."""

    def change(words: list[str], dice: random.Random) -> str:
        made: list[str] = []
        for word in words:
            if dice.random() >= rate:
                made.append(word)
                continue
            kind = dice.randrange(3)
            made += [[dice.choice(pool)], [], [word, dice.choice(pool)]][kind]
        return " ".join(made)

    return change


def scanned(rate: float) -> Callable[[list[str], random.Random], str]:
    """Characters misread, dropped or doubled, as character recognition does."""

    def change(words: list[str], dice: random.Random) -> str:
        made = []
        for char in " ".join(words):
            if char == " " or dice.random() >= rate:
                made.append(char)
                continue
            kind = dice.random()
            letter = dice.choice("abcdefghijklmnopqrstuvwxyz")
            made.append(
                CONFUSED.get(char, letter) if kind < 0.4 else letter if kind < 0.7 else "" if kind < 0.85 else char + letter
            )
        return "".join(made)

    return change


def bare(words: list[str], _: random.Random) -> str:
    """Upper case, without punctuation."""
    return " ".join("".join(c for c in word.upper() if c.isalnum() or c in "-—") for word in words)


def wrapped(words: list[str], _: random.Random) -> str:
    """Lines of another width, words hyphenated where they end."""
    made, width = [], 0
    for word in words:
        width += len(word) + 1
        if width > 38 and len(word) > 5 and word.isalpha():
            cut = len(word) // 2
            made.append(f"{word[:cut]}-\n{word[cut:]} ")
            width = len(word) - cut
        elif width > 40:
            made.append(f"\n{word} ")
            width = len(word)
        else:
            made.append(f"{word} ")
    return "".join(made)


def disguised(words: list[str], dice: random.Random) -> str:
    """Letters exchanged for those of other scripts that look the same."""
    return "".join(LOOKALIKES.get(c, c) if dice.random() < 0.5 else c for c in " ".join(words))


def interleaved(pool: list[str]) -> Callable[[list[str], random.Random], str]:
    """Fifteen words copied, twelve of another text, in turn."""

    def change(words: list[str], dice: random.Random) -> str:
        made: list[str] = []
        for start in range(0, len(words), 15):
            place = dice.randrange(len(pool) - 12)
            made += words[start : start + 15] + (pool[place : place + 12] if start + 15 < len(words) else [])
        return " ".join(made)

    return change


def kinds(pool: list[str]) -> dict[str, Callable[[list[str], random.Random], str]]:
    """The perturbations, by name."""
    return {
        "verbatim": lambda words, _: " ".join(words),
        "upper case, bare": bare,
        "re-wrapped": wrapped,
        "homoglyphs": disguised,
        "interleaved": interleaved(pool),
        "edits 5 %": substituted(0.05, pool),
        "edits 10 %": substituted(0.10, pool),
        "edits 20 %": substituted(0.20, pool),
        "edits 30 %": substituted(0.30, pool),
        "OCR 2 %": scanned(0.02),
        "OCR 5 %": scanned(0.05),
    }


def grid(found: Matcher, works: dict[str, list[str]], foreign: list[str], count: int) -> None:
    """The table of lengths and perturbations: the part found, and the part of it with the right work and place.

    A passage is set among words of a novel that is not indexed. Where these quote a work, others are taken and counted.
    """
    dice, right, hits, quoting = random.Random(7), 0, 0, 0
    print(f"{'':18}" + "".join(f"{length:>8}" for length in LENGTHS))
    for name, change in kinds(foreign).items():
        row = []
        for length in LENGTHS:
            seen = 0
            for _ in range(count):
                work = dice.choice(list(works))
                start = dice.randrange(len(works[work]) - length)
                at = dice.randrange(len(foreign) - 200)
                while found.whole(" ".join(foreign[at : at + 120])):
                    at, quoting = dice.randrange(len(foreign) - 200), quoting + 1
                text = " ".join(foreign[at : at + 60]) + "\n\n" + change(works[work][start : start + length], dice) + "\n\n"
                passages = found.whole(text + " ".join(foreign[at + 60 : at + 120]))
                seen += bool(passages)
                hits += bool(passages)
                right += bool(passages) and placed(passages[-1], work, start, len(works[work]))
            row.append(seen / count)
        print(f"{name:18}" + "".join(f"{each:8.3f}" for each in row))
    print(f"right work and place: {right / max(1, hits):.4f} of {hits} hits; {quoting} surroundings quote a work themselves")


def placed(passage: Passage, work: str, start: int, size: int) -> bool:
    """Whether a passage names the work, and a place near the real one: tokens are counted otherwise here, so in proportion."""
    return passage.work.path == work and abs(passage.offset / passage.work.words - start / size) < 0.01


def alarms(found: Matcher, texts: Iterable[str], quoting: Matcher) -> str:
    """How many texts there are, and in how many something is found; each of these by name, and whether it is a quotation.

    `quoting` lets pass what is quoted and attributed, as a rule does that says nothing of quotations.
    """
    whole = flagged = let_pass = 0
    for text in texts:
        whole += 1
        if passages := found.whole(text):
            passes = not quoting.whole(text)
            flagged, let_pass = flagged + 1, let_pass + passes
            last = passages[-1]
            kind = "quoted and attributed" if passes else "flagged"
            print(f"   {kind}: {last.work.title}, {last.words} words: {text[last.start : last.end][:300]!r}")
    flags = f"{let_pass} of them quoted and attributed, {flagged - let_pass} flagged"
    return f"{whole}, {flagged} with a passage, {flags}"


def windows(works: dict[str, list[str]], size: int = 300) -> Iterator[str]:
    """All windows of a size, one after the other."""
    for words in works.values():
        for start in range(0, len(words), size):
            yield " ".join(words[start : start + size])


def rows(path: Path) -> Iterator[str]:
    """The texts of a JSON Lines file."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line).get("text", "")


def speed(found: Matcher, text: str, name: str) -> None:
    """Words of a whole text in a second of CPU time, and microseconds a word of a stream."""
    count = len(text.split())
    began = time.process_time()
    found.whole(text)
    whole = time.process_time() - began
    following, times = found.follow(), []
    for word in text.split(" ")[:20000]:
        began = time.perf_counter()
        following.push(word + " ")
        times.append((time.perf_counter() - began) * 1e6)
    times.sort()
    print(f"{name:24} whole {count / whole:9,.0f} words/s   stream {statistics.median(times):5.1f} µs a word at the median, "
          f"{statistics.fmean(times):5.1f} mean, {times[int(len(times) * 0.99)]:6.1f} p99")  # fmt: skip  # one line of a table


def main() -> None:
    """Build, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m bench.copyright")
    parser.add_argument("works", type=Path)
    parser.add_argument("--held-out", type=int, default=15)
    parser.add_argument("--passages", type=int, default=300)
    parser.add_argument("--min-words", type=int, default=25)
    parser.add_argument("--form", choices=("full", "winnowed", "hashes"), default="full")
    parser.add_argument("--texts", type=Path, nargs="*", default=[])
    given = parser.parse_args()
    files = sorted(given.works.iterdir())
    random.Random(1).shuffle(files)
    words = {file.name: words_of(content(file)) for file in files}
    known = {file.name: words[file.name] for file in files[given.held_out :]}
    unknown = {file.name: words[file.name] for file in files[: given.held_out]}
    with tempfile.TemporaryDirectory() as folder:
        found = built(files[given.held_out :], Path(folder) / "bench.pidx", given)
        foreign = [word for each in unknown.values() for word in each]
        grid(found, known, foreign, given.passages)
        quoting = replace(found, limits=replace(found.limits, quoted=QUOTED))
        print("windows of 300 words of works that are not indexed:", alarms(found, windows(unknown), quoting))
        texts = itertools.chain.from_iterable(rows(path) for path in given.texts)
        print("texts:", alarms(found, texts, quoting))
        speed(found, " ".join(foreign[:200000]), "ordinary text")
        speed(found, " ".join(next(iter(known.values()))[:100000]), "a recital")
        speed(found, "at the end of the " * 20000, "one n-gram repeated")
        speed(found, common(known), "common n-grams")


def content(file: Path) -> str:
    """The text of a file, gzipped or not."""
    raw = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    return raw.decode("utf-8", "replace")


def built(files: list[Path], out: Path, given: argparse.Namespace) -> Matcher:
    """A matcher over an index of the files; prints what building and opening took, by the clock and by the processor."""
    began, busy = time.perf_counter(), time.process_time()
    builder.build(files, out, builder.Plan(form=given.form))
    took, busy, size = time.perf_counter() - began, time.process_time() - busy, sum(len(content(file)) for file in files)
    print(f"built from {size / 1e6:.1f} MB in {took:.1f} s, {busy:.1f} s of CPU time ({size / 1e6 / busy:.1f} MB/s of it), "
          f"{out.stat().st_size / size:.2f} B/B")  # fmt: skip  # one line of a table
    began = time.perf_counter()
    opened = index.opened(out)
    print(f"opened in {(time.perf_counter() - began) * 1000:.2f} ms")
    found = matcher.matching([opened], "words", Limits(words=given.min_words), lambda *_: False, called)
    assert found is not None
    return found


def called(shelf: Shelf, number: int) -> list[list[int]]:
    """The names of a work, made of its file's."""
    return [prints_of(form, prose()) for form in title_forms(shelf.work(number).title.title())]


def common(works: dict[str, list[str]]) -> str:
    """A text of the n-grams that are in most works."""
    counts: dict[tuple[str, ...], int] = {}
    for words in list(works.values())[:12]:
        for start in range(len(words) - 5):
            gram = tuple(words[start : start + 5])
            counts[gram] = counts.get(gram, 0) + 1
    best = sorted(counts, key=lambda gram: -counts[gram])[:2000]
    return " ".join(" ".join(gram) for gram in best * 10)


if __name__ == "__main__":
    main()
