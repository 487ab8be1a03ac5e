"""A small catalogue for tests: works of made-up words, so that what agrees does so because it was copied."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from pathlib import Path

from proxy.corpus import Index, Limits, Matcher, Plan, build, matching, opened

SYLLABLES = (
    "ba",
    "co",
    "du",
    "fe",
    "gi",
    "ho",
    "ka",
    "lu",
    "me",
    "no",
    "pa",
    "qui",
    "ra",
    "so",
    "ta",
    "ve",
    "wa",
    "xu",
    "yo",
    "zen",
)
COMMON = ("the", "of", "and", "a", "to", "in", "that", "was", "it", "for")


def prose(seed: int, count: int) -> list[str]:
    """Words of no language, every fourth a common one."""
    dice = random.Random(seed)
    rare = ["".join(dice.choices(SYLLABLES, k=dice.randint(2, 4))) for _ in range(1500)]
    return [dice.choice(COMMON) if dice.random() < 0.25 else dice.choice(rare) for _ in range(count)]


WORKS = {"first": prose(1, 1200), "second": prose(2, 900), "third": prose(3, 700)}
USUAL, LIMITS = Plan(), Limits()
FOREIGN = prose(99, 3000)


def text(words: Sequence[str]) -> str:
    """Words as a text with lines and full stops."""
    lines = [" ".join(words[start : start + 11]) for start in range(0, len(words), 11)]
    return ".\n".join(lines)


def catalogue(folder: Path, plan: Plan = USUAL, works: Iterable[tuple[str, str]] = ()) -> Path:
    """An index of some works, by default of WORKS, with their facts."""
    rows = list(works) or [(title, text(words)) for title, words in WORKS.items()]
    source = folder / "works.jsonl"
    facts = {"author": "Ada Author", "holder": "House", "rights": "protected"}
    source.write_text("".join(json.dumps({"title": title, "text": body, **facts}) + "\n" for title, body in rows))
    out = folder / f"catalogue-{plan.tokens}-{plan.form}.pidx"
    build([source], out, plan)
    return out


def comparing(index: Index | Path, limits: Limits = LIMITS, tokens: str = "words") -> Matcher:
    """The matcher over an index."""
    found = matching([opened(index) if isinstance(index, Path) else index], tokens, limits, lambda shelf, number: False)  # type: ignore[arg-type]
    assert found is not None
    return found
