"""Judge the shipped models: `python models/evaluate.py FOLDER... [--write]`. Each folder holds sets as `NAME/data.jsonl[.gz]`.

Prints, and with --write puts into the card and metrics.json: per set and category AUROC, AUPRC, recall at 1 % and 0.1 % false
positives, what each level flags, gaps between identity groups, by language and length, with and without the screen, and the cost.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pack
from calibrate import LEVELS, Table, scored
from card import put, table
from compose import OWN, own
from judge import cleared, judged
from measure import Flags, Numbers, auprc, auroc, recall_at
from rows import LABELS, Row, read, share
from sources import HELD, folder_of, given, load

from proxy.classifier.card import read_card, verify
from proxy.classifier.glance import read_glance, told_by
from proxy.classifier.screen import Screen

HERE = Path(__file__).parent


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="*", help="folders of sets, judged whole")
    parser.add_argument("--data", type=Path, help="the training data: what of it was left out of training is judged")
    parser.add_argument("--model", type=Path, default=HERE / "encoder")
    parser.add_argument("--screen", type=Path, default=HERE / "screen")
    parser.add_argument("--glance", type=Path, default=HERE / "glance")
    parser.add_argument("--cap", type=int, default=400, help="rows of a set at most, chosen by their text")
    parser.add_argument("--write", action="store_true", help="put the tables into the card")
    return parser.parse_args()


def chosen(rows: Iterable[Row], cap: int) -> list[Row]:
    """At most so many rows of each source, always the same ones."""
    by: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by[row.source].append(row)
    return [row for name in sorted(by) for row in sorted(by[name], key=lambda r: share(r.text, "evaluate"))[:cap]]


@dataclass(frozen=True, slots=True)
class Passed:
    """Which rows the screen passes on to the encoder's first layers, and which of those a glance passes on to the others."""

    screen: Flags
    glance: Flags


def passed(rows: Sequence[Row], args: argparse.Namespace) -> Passed | None:
    """What screen and glance pass on; None where there is no screen."""
    if not args.screen.is_dir():
        return None
    screen = Screen(args.screen)
    found = np.array([screen.passes(row.text, "material" if row.material else "speaker") for row in rows])
    beyond = found.copy()
    if args.glance.is_dir() and read_glance(args.glance).encoder != told_by(verify(args.model)):
        raise SystemExit(
            f"{args.glance}: it was made for another encoder than {args.model}: run models/distil.py, or name its own"
        )
    if args.glance.is_dir():
        beyond[found] = ~cleared(args.model, args.glance, [row for row, here in zip(rows, found, strict=True) if here])
    return Passed(found, beyond)


class Evaluation:
    """Scores of rows, and the tables over them."""

    def __init__(self, rows: Sequence[Row], logits: Numbers, took: Numbers, card: object, passed: Passed | None) -> None:
        self.rows, self.took, self.passed = rows, took, passed
        self.data = Table(rows, logits)
        self.scores = scored(self.data, card.calibration)  # type: ignore[attr-defined]  # Card
        material = self.data.of("material")
        self.flags: dict[str, Flags] = {}
        for level in LEVELS:
            floor = np.array([[getattr(card.levels[label][kind], level) for label in LABELS] for kind in ("speaker", "material")])  # type: ignore[attr-defined]  # Card
            self.flags[level] = self.scores >= floor[material.astype(int)]
        self.ordinary = self.data.harmless & ~self.data.hard
        self.source = np.array([row.source for row in rows])

    def flagged(self, which: Flags) -> list[float]:
        """The share of rows that each level flags."""
        return [float(self.flags[level][which].any(1).mean()) if which.any() else float("nan") for level in LEVELS]

    def sets(self) -> str:
        """Each set: harmless and harmful rows, and what each level flags of them."""
        lines = []
        for name in sorted(set(self.source)):
            for word, which in (("harmless", self.data.harmless), ("positive", self.positive)):
                if (here := (self.source == name) & which).any():
                    note = "left out whole" if name in HELD else "parts left out" if name.startswith("own-") else ""
                    lines.append([name, word, int(here.sum()), *self.flagged(here), note])
        return table(["set", "rows", "n", *LEVELS, "training"], lines)

    @property
    def positive(self) -> Flags:
        """Rows that violate something."""
        return np.array([row.benign == 0 or any(v == 1 for k, v in row.labels.items() if k in LABELS) for row in self.rows])

    def categories(self) -> str:
        """Each category: areas under curves, and recall at rates of false positives on ordinary texts."""
        lines = []
        for i, label in enumerate(LABELS):
            known = self.data.known(label)
            here, score = known >= 0, self.scores[:, i]
            plain = score[self.ordinary]
            wanted = known == 1
            if wanted.any():
                rates = [
                    recall_at(score[here | self.ordinary], wanted[here | self.ordinary], rate, plain) for rate in (0.01, 0.001)
                ]
                found = float(self.flags["balanced"][wanted, i].mean())
                some = float(self.flags["balanced"][wanted].any(1).mean())
                lines.append(
                    [
                        label,
                        int(wanted.sum()),
                        auroc(score[here], wanted[here]),
                        auprc(score[here], wanted[here]),
                        *rates,
                        found,
                        some,
                    ]
                )
        return table(["category", "n", "AUROC", "AUPRC", "recall at 1 %", "at 0.1 %", "balanced", "any category"], lines)

    def together(self) -> str:
        """Any harm against none, over all rows that say which."""
        any_score, lines = self.scores.max(1), []
        groups = {
            "all": np.ones(len(self.rows), bool),
            "sources left out whole": np.isin(self.source, HELD),
            "moderation-style text": np.isin(self.source, ["own-moderation", "rtp_subset", "own-bias_rows", "toxigen_seeds"]),
            "sentences about groups": np.isin(self.source, ["own-groups", "toxigen_seeds"]),
            "requests": np.isin(
                self.source,
                ["own-harm_twins", "dangerousqa", "forbidden_questions", "gptfuzz_questions", "hard-coconot_contrast"],
            ),
        }
        for name, which in groups.items():
            here = which & (self.positive | self.data.harmless)
            if here.any() and self.positive[here].any():
                caught = float(self.flags["balanced"][here & self.positive].any(1).mean())
                false = self.flagged(here & self.data.harmless)[1]
                correct = float((self.flags["balanced"][here].any(1) == self.positive[here]).mean())
                lines.append(
                    [
                        name,
                        int(here.sum()),
                        auroc(any_score[here], self.positive[here]),
                        auprc(any_score[here], self.positive[here]),
                        caught,
                        false,
                        correct,
                    ]
                )
        return table(["rows", "n", "AUROC", "AUPRC", "caught at balanced", "harmless flagged", "accuracy"], lines)

    def identities(self) -> str:
        """Harmless sentences that name a group: how much more often they are flagged than all of them together."""
        names = sorted({(str(g["group"]), str(g["target"])) for g in read(OWN / "bias_groups.jsonl")})
        words: dict[str, list[str]] = defaultdict(list)
        for group, target in names:
            words[target] += [group, group.rstrip("s")]
        lines = []
        bias = [LABELS.index(label) for label in ("hate", "harassment", "toxicity", "stereotype")]
        flagged = np.array(self.flags["balanced"][:, bias].any(1))
        harmless = self.data.harmless & np.array([len(row.text) < 400 for row in self.rows])
        found: dict[str, Flags] = {}
        for target, forms in words.items():
            pattern = re.compile(r"\b(?:" + "|".join(map(re.escape, forms)) + r")\b", re.IGNORECASE)
            found[target] = np.array(
                [bool(h) and pattern.search(row.text) is not None for h, row in zip(harmless, self.rows, strict=True)]
            )
        every = np.array([any(row) for row in zip(*found.values(), strict=True)], bool)
        base = float(flagged[every].mean()) if every.any() else float("nan")
        for target, here in sorted(found.items(), key=lambda pair: -pair[1].sum()):
            if here.sum() >= 20:
                lines.append([target, int(here.sum()), float(flagged[here].mean()), f"{flagged[here].mean() - base:+.3f}"])
        return table(["group named", "n", "flagged for bias", "gap"], [["all", int(every.sum()), base, ""], *lines])

    def kinds(self) -> str:
        """By language and by length: harmless rows flagged, positives caught."""
        tongue = np.array([language(row.text) for row in self.rows])
        size = np.array([len(row.text) for row in self.rows])
        lines = []
        for name in ("English", *sorted({*tongue} - {"English"})):
            lines.append(self.line(name, tongue == name))
        for low, high in ((0, 60), (60, 200), (200, 800), (800, 3000), (3000, 10**9)):
            lines.append(
                self.line(
                    f"{low} to {high} characters" if high < 10**9 else f"over {low} characters", (size >= low) & (size < high)
                )
            )
        return table(
            ["texts", "harmless n", "strict", "balanced", "lenient", "positive n", "strict", "balanced", "lenient"],
            [line for line in lines if line],
        )

    def line(self, name: str, which: Flags) -> list[object]:
        """One line of `kinds`; nothing for few texts."""
        good, bad = which & self.data.harmless, which & self.positive
        if good.sum() + bad.sum() < 30:
            return []
        return [name, int(good.sum()), *self.flagged(good), int(bad.sum()), *self.flagged(bad)]

    def screened(self) -> str:
        """What screen and glance pass on, and what they cost."""
        if self.passed is None:
            return "There is no screen."
        lines: list[list[object]] = []
        for level in LEVELS:
            hit = self.flags[level].any(1)
            right = hit & self.positive
            kept = [float(which[hit].mean()) if hit.any() else float("nan") for which in (self.passed.screen, self.passed.glance)]
            lost = float((right & ~self.passed.glance).sum() / max(1, right.sum()))
            lines.append([level, *kept, lost])
        parts = {"ordinary": self.ordinary, "resembling harm": self.data.harmless & self.data.hard, "positive": self.positive}
        shares: list[list[object]] = [
            [name, int(which.sum()), float(self.passed.screen[which].mean()), float(self.passed.glance[which].mean())]
            for name, which in parts.items()
        ]
        return (
            table(["rows", "n", "passed on by the screen", "and by the glance"], shares)
            + "\n\n"
            + table(["level", "of the encoder's findings kept by the screen", "by both", "of the right ones lost"], lines)
        )

    def worst(self, most: int = 10) -> Iterator[str]:
        """The harmless rows with the highest scores and the positives with the lowest: for people, never in the card."""
        top = self.scores.max(1)
        for i in [i for i in (-top).argsort() if self.data.harmless[i]][: 3 * most]:
            label = LABELS[self.scores[i].argmax()]
            yield f"false alarm {top[i]:.2f} {label:<12} {self.source[i]:<28} {self.rows[i].text[:150]!r}"
        for j, label in enumerate(LABELS):
            known = self.data.known(label)
            for i in [i for i in self.scores[:, j].argsort() if known[i] == 1][:most]:
                yield f"missed {label} {self.scores[i, j]:.2f} {self.source[i]:<28} {self.rows[i].text[:150]!r}"


SCRIPTS = (
    ("Chinese", r"[\u4e00-\u9fff]"),
    ("Japanese", r"[\u3040-\u30ff]"),
    ("Korean", r"[\uac00-\ud7af]"),
    ("Russian", r"[\u0400-\u04ff]"),
    ("Arabic", r"[\u0600-\u06ff]"),
    ("Hindi", r"[\u0900-\u097f]"),
    ("Thai", r"[\u0e00-\u0e7f]"),
    ("Bengali", r"[\u0980-\u09ff]"),
)  # fmt: skip
TONGUES = {
    "French": "le la les des est une pour dans que qui vous je sur avec",
    "German": "der die das und ist nicht ein eine wie ich zu mit für",
    "Spanish": "el los las una que para cómo con por es del como puedo",
    "Italian": "il che di per una sono come con della non gli",
    "Portuguese": "o os uma que para como não com por você do da em",
    "Vietnamese": "làm thế nào để tôi có thể một của và cho",
    "English": "the a of to and is in for what how do i that with",
}


def language(text: str) -> str:
    """The language of a text, roughly: its script, or its commonest small words."""
    head = text[:600]
    letters = sum(map(str.isalpha, head)) or 1
    for name, pattern in reversed(SCRIPTS):
        if len(re.findall(pattern, head)) > 0.2 * letters:
            return name
    words = re.findall(r"\w+", head.lower())
    counts = {name: sum(word in small.split() for word in words) for name, small in TONGUES.items()}
    best = max(counts, key=lambda name: (counts[name], name == "English"))
    return best if counts[best] > counts["English"] else "English"


def rows_of(args: argparse.Namespace) -> list[Row]:
    """The rows that are judged."""
    rows: list[Row] = []
    if args.data:
        rows += [*given(args.data, 7).held, *own(args.data, 7, kept=True)]
    for folder in args.folders:
        rows += [row for path in folder_of(folder) for row in load(path)]
    if not rows:
        raise SystemExit("name a folder of sets, or the training data with --data")
    return chosen(rows, args.cap)


def main() -> None:
    """Judge, print, and write."""
    args = arguments()
    rows = rows_of(args)
    logits, took = judged(args.model, rows)
    found = Evaluation(rows, logits, took, read_card(args.model), passed(rows, args))
    tables = {
        "all together": found.together(),
        "categories": found.categories(),
        "sets": found.sets(),
        "identity groups": found.identities(),
        "languages and lengths": found.kinds(),
        "screen": found.screened(),
        "cost": table(["texts", "median ms", "mean ms"], [[len(rows), float(np.median(took) * 1e3), float(took.mean() * 1e3)]]),
    }
    for name, text in tables.items():
        print(f"\n## {name}\n\n{text}", flush=True)
    print()
    print("\n".join(found.worst()))
    if args.write:
        write(args.model, tables)


def write(folder: Path, tables: dict[str, str]) -> None:
    """Put the tables into the card, and into metrics.json."""
    for name, made in tables.items():
        put(folder, name, made)
    lines = {name: [line for line in made.splitlines() if line.startswith("|")] for name, made in tables.items()}
    (folder / "metrics.json").write_text(json.dumps(lines, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    pack.seal(folder)


if __name__ == "__main__":
    main()
