"""What `pii` and `secrets` find and what they do not: precision and recall by entity, false positives by recognizer.

    python -m bench.privacy DATA [--locales us,uk,de] [--rows 1500] [--names 300]

DATA is a folder of sets: of each `NAME/data.jsonl.gz`, a row has `text` and `spans` with `start`, `end` and `label`. A set whose
spans are labelled SECRET is for `secrets`, one without any span for the false positives, every other one for `pii`. Keys of
families that no row of the table knows are made here, from formats that nobody has published, under names that nobody has.

A finding counts as right where it and a span of the same label share at least half of what both cover. Labels of the data that
the patterns do not look for (names, places) are left out, and so are findings of entities that a set does not label. Names are
counted in tables of their own, to the character and by half, and where a set has both, all personal data as one, with F2.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import string
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from proxy.checks import CATALOGUE, combined
from proxy.checks.pii import DEFAULTS
from proxy.checks.recognizers import ENTITIES, HOMES, INTERNATIONAL, LOCALES
from proxy.core import Check, Finding, Segment

LEAST = 0.5  # the threshold of a rule that names none
MODELS = {"PERSON", "LOCATION", "ORGANIZATION", "NRP"}  # found by a model, and not by patterns
SECRET = "SECRET"  # the label of a span, whatever its family
ALNUM = string.ascii_letters + string.digits
CONTEXTS = (
    "{name}={key}",
    'export {name}="{key}"',
    '{{"{low}": "{key}", "retries": 3}}',
    "{low}: {key}\n",
    "- name: {name}\n  value: {key}\n",
    '<add key="{name}" value="{key}" />',
    "curl -H 'X-Api-Key: {key}' https://api.example/v2",
    "Authorization: Bearer {key}",
    "client = Client({low}='{key}')",
    "my api key is {key}, why is it refused?",
    "https://hooks.example/v1/send?api_key={key}&q=1",
    "postgres://svc:{key}@db.internal:5432/app",
)


@dataclass(slots=True)
class Tally:
    """Hits, misses and false positives of one label."""

    right: int = 0
    missed: int = 0
    wrong: int = 0

    def line(self, name: str) -> str:
        """A row of a table: precision, recall, and what they are counted over."""
        precision = self.right / found if (found := self.right + self.wrong) else 1.0
        recall = self.right / there if (there := self.right + self.missed) else 1.0
        return f"  {name:32}{precision:8.3f}{recall:8.3f}{self.right + self.missed:8}{self.wrong:8}"


@dataclass(slots=True)
class Table:
    """Tallies by label."""

    rows: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))

    def show(self, title: str) -> None:
        """Print it, with the sum of all labels below."""
        print(f"\n{title}\n  {'':32}{'P':>8}{'R':>8}{'spans':>8}{'wrong':>8}")
        for name, tally in sorted(self.rows.items()):
            print(tally.line(name))
        total = Tally(*(sum(getattr(t, part) for t in self.rows.values()) for part in ("right", "missed", "wrong")))
        print(total.line("all"))


@dataclass(frozen=True, slots=True)
class Span:
    """What a row of the data labels."""

    start: int
    end: int
    label: str
    family: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A text with its spans."""

    text: str
    spans: tuple[Span, ...]


def read(path: Path, most: int) -> list[Row]:
    """The rows of a set; of more than `most`, so many in a fixed shuffle."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    random.Random(7).shuffle(rows)
    return [
        Row(row["text"], tuple(Span(s["start"], s["end"], s["label"], s.get("orig", "")) for s in row["spans"]))
        for row in rows[:most]
    ]


def same(span: Span, finding: Finding) -> bool:
    """Whether both share at least half of what they cover."""
    shared = min(span.end, finding.end) - max(span.start, finding.start)
    return shared > 0 and 2 * shared >= max(span.end, finding.end) - min(span.start, finding.start)


def findings(checks: Sequence[Check], text: str) -> list[Finding]:
    """What a rule with the usual threshold sees. Raises where a check has failed."""
    reports = [report for check in checks for report in check([Segment(text, "user")])]
    if failure := next((failure for report in reports for failure in report.failures), None):
        raise RuntimeError(f"{failure.check} gave no answer: {failure.kind}")
    return [finding for report in reports for finding in report.findings if finding.score >= LEAST]


def entities(checks: Sequence[Check], rows: Sequence[Row], labels: Collection[str]) -> Table:
    """Precision and recall of `pii` by entity, of those in `labels`."""
    table = Table()
    for row in rows:
        found = [each for each in findings(checks, row.text) if each.category in labels]
        for span in row.spans:
            if span.label in labels:
                hit = any(each.category == span.label and same(span, each) for each in found)
                table.rows[span.label].right += hit
                table.rows[span.label].missed += not hit
        for each in found:
            table.rows[each.category].wrong += not any(span.label == each.category and same(span, each) for span in row.spans)
    return table


def secrets(checks: Sequence[Check], rows: Sequence[Row]) -> Table:
    """Precision and recall of `secrets` by the family that the data names; false positives by the category found."""
    table = Table()
    for row in rows:
        found = findings(checks, row.text)
        for span in row.spans:
            hit = any(same(span, each) for each in found)
            table.rows[span.family].right += hit
            table.rows[span.family].missed += not hit
        for each in found:
            if not any(each.start < span.end and span.start < each.end for span in row.spans):
                table.rows[f"(nothing) {each.category}"].wrong += 1
    return table


def alarms(checks: Sequence[Check], rows: Sequence[Row]) -> None:
    """Print how many lines without anything to find are flagged, and by whom."""
    counts: Counter[str] = Counter()
    flagged = 0
    for row in rows:
        found = findings(checks, row.text)
        flagged += bool(found)
        counts.update(str(dict(each.detail).get("recognizer", each.category)) for each in found)
    print(f"\nfalse positives: {flagged} of {len(rows)} lines, {100 * flagged / max(1, len(rows)):.2f} %")
    for name, count in counts.most_common():
        print(f"  {name:32}{count:8}")


def unseen(count: int) -> Iterator[Row]:
    """Keys of vendors that there are not, in the places where keys stand."""
    dice = random.Random(11)
    makers: dict[str, Callable[[], str]] = {
        "prefix and 32 of base 62": lambda: f"{word(dice, 3)}_{draw(dice, ALNUM, 32)}",
        "40 of base 62": lambda: draw(dice, ALNUM, 40),
        "32 of base 16": lambda: draw(dice, "0123456789abcdef", 32),
        "64 of base 16": lambda: draw(dice, "0123456789abcdef", 64),
        "24 of base 62": lambda: draw(dice, ALNUM, 24),
        "base 64 with padding": lambda: draw(dice, ALNUM + "+/", 43) + "=",
        "three parts": lambda: ".".join(draw(dice, ALNUM + "-_", size) for size in (12, 24, 32)),
    }
    for number in range(count):
        family, make = list(makers.items())[number % len(makers)]
        vendor, key = word(dice, 6), make()
        name = f"{vendor}_{dice.choice(('api_key', 'secret_key', 'access_token', 'auth_token', 'client_secret'))}"
        context = CONTEXTS[number // len(makers) % len(CONTEXTS)]
        if "://" in context and set(key) & set("/+="):
            key = key.translate(str.maketrans("/+=", "xyz"))
        text = context.format(name=name.upper(), low=name, key=key)
        start = text.index(key)
        yield Row(text, (Span(start, start + len(key), SECRET, family),))


def draw(dice: random.Random, alphabet: str, size: int) -> str:
    """Random characters."""
    return "".join(dice.choices(alphabet, k=size))


def word(dice: random.Random, size: int) -> str:
    """A word of lower-case letters."""
    return draw(dice, string.ascii_lowercase, size)


def built(name: str, **options: Any) -> tuple[Check, ...]:
    """The checks as a rule with these options has them."""
    kind = CATALOGUE[name]
    given = kind.options.model_validate(options)
    made = kind.build(given, frozenset(getattr(given, kind.select) or kind.defaults), "")
    return made if isinstance(made, tuple) else (made,)


def main() -> None:
    """Reads the arguments and prints the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path, help="a folder of sets, each with data.jsonl.gz")
    parser.add_argument("--sets", default="pii-*", metavar="GLOB", help="the sets that are read (pii-*)")
    parser.add_argument("--locales", default=",".join(LOCALES), help="for the entities of labelled sets (all)")
    parser.add_argument("--rows", type=int, default=1500, help="of a set at most (1500)")
    parser.add_argument("--names", type=int, default=300, metavar="ROWS", help="of a set at most, for names; 0: no encoder (300)")
    asked = parser.parse_args()
    from bench.privacy_cost import cost
    from bench.privacy_names import mixed, names

    locales = asked.locales.split(",")
    chosen = [name for name in ENTITIES if name not in MODELS and HOMES[name] in (INTERNATIONAL, *locales)]
    wide = built("pii", locales=locales, entities=chosen)
    usual, keys = built("pii", entities=list(DEFAULTS)), built("secrets")
    cost(combined((*usual, *keys)))
    every = combined(built("pii", locales=locales, entities=sorted({*chosen, *MODELS}))) if asked.names else ()
    for path in sorted(asked.data.glob(f"{asked.sets}/data.jsonl.gz")):
        name, rows = path.parent.name, read(path, asked.rows)
        labels = {span.label for row in rows for span in row.spans}
        if not labels:
            print(f"\n{name}")
            alarms((*usual, *keys), rows)
        elif labels == {SECRET}:
            secrets(keys, rows).show(f"{name}: secrets by family")
        elif known := labels & set(chosen):
            entities(wide, rows, known).show(f"{name}: entities")
        if asked.names and (people := labels & MODELS):
            names(every, rows[: asked.names], people, f"{name}: names")
            if known := labels & set(chosen):
                mixed(every, rows[: asked.names], name)
    secrets(keys, list(unseen(840))).show("keys of families that the table does not know")


if __name__ == "__main__":
    main()
