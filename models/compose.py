"""Data of our own: what lies in `models/data`, as it stands, and what is put together from its parts.

Everything comes in twins: for each attack in a document the same kind of document with an ordinary remark at the same place, for
each hateful sentence about a group harmless ones about the same group, for each long chat with a harmful turn one without. The
parts that validation uses are never used in training: a part's own text, or the name of its pair, decides.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from rows import LABELS, Row, plain, read, share
from sources import load

OWN = Path(__file__).parent / "data"
KEPT = 0.08  # of the parts are for validation
SINGLE = (
    "trigger_words ordinary harm_twins bias_rows bias_rows_2 jailbreak_twins moderation answers adversarial "
    "instruction_documents lookalikes genres traffic bias_rows_3 jailbreak_twins_2 harm_twins_2 bias_rows_4"
).split()
TWICE = (  # those that decide
    "trigger_words harm_twins jailbreak_twins moderation adversarial instruction_documents lookalikes genres jailbreak_twins_2 "
    "harm_twins_2"
).split()
SOFT = "harm_twins adversarial lookalikes genres harm_twins_2".split()  # a harmful row of these is of the kinds it names, mostly
TEMPLATES = "bias_templates bias_templates_2 bias_templates_3".split()
GOALS = "advbench harmbench catqa aart hard-multijail".split()  # harmful requests that jailbreaks are put around
COMMANDS = ("tool-command",)  # what a user may well ask for, and a document may not
OPEN = ("ignore-previous", "prompt-leak", "fake-system", "fake-dev", "fake-admin", "reset-rules")  # an attack whoever says it


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of text that rows are made of; `key` decides whether it is for validation."""

    text: str
    kind: str
    key: str
    role: str = "user"
    more: tuple[tuple[str, object], ...] = ()

    @property
    def kept(self) -> bool:
        """Whether it is for validation."""
        return share(self.key, "own") < KEPT


def parts(name: str) -> list[Part]:
    """The parts in one file of `models/data`."""
    path = OWN / f"{name}.jsonl"
    return [
        Part(
            str(each["text"]),
            str(each.get("kind", "")),
            str(each.get("pair") or each["text"]),
            str(each.get("role", "user")),
            tuple(each.items()),
        )
        for each in read(path)
    ]


def own(data: Path, seed: int, *, kept: bool = False) -> list[Row]:
    """The rows made of parts that are for training, or of those that are kept for validation."""
    rng = random.Random(seed * 2 + kept)
    return [*written(kept), *injected(data, rng, kept), *jailbreaks(data, rng, kept), *groups(rng, kept), *chats(data, rng, kept)]


def written(kept: bool) -> Iterable[Row]:
    """The rows that were written one by one."""
    for name in SINGLE:
        for part in parts(name) * (2 if name in TWICE and not kept else 1):
            if part.kept == kept:
                row = plain(dict(part.more), f"own-{name}")
                yield replace(row, soft=0.1 if name in SOFT else 0.0)


def fill(host: Part, text: str) -> str:
    """The remark at its place in a document; within JSON as JSON has it."""
    if host.text.lstrip()[:1] in "{[" and not host.kind.startswith(("ini", "toml")):
        text = json.dumps(text, ensure_ascii=False)[1:-1]
    return re.sub(r" {2,}", " ", host.text.replace("{SLOT}", text)) if not text else host.text.replace("{SLOT}", text)


def injected(data: Path, rng: random.Random, kept: bool) -> Iterable[Row]:
    """Documents and tool results with an instruction that is not their business, and the same with an ordinary remark."""
    hosts = [part for part in parts("inj_hosts") + parts("inj_hosts_2") + parts("inj_hosts_3") if part.kept == kept]
    attacks = [part for part in parts("inj_attacks") + parts("inj_attacks_2") + parts("inj_attacks_3") if part.kept == kept]
    clean = [part for part in parts("inj_clean") + parts("inj_clean_2") + parts("inj_clean_3") if part.kept == kept]
    texts = documents(data, kept)
    rounds = 1 if kept else 4
    for bag, bad in ((attacks, True), (clean, False)):
        for part in bag * rounds:
            host = rng.choice(hosts)
            yield planted(fill(host, part.text), host.role, part, rng, bad=bad)
        for part in bag * (1 if kept else 3):
            yield planted(inserted(rng.choice(texts), part.text, rng), rng.choice(("document", "tool")), part, rng, bad=bad)
        for part in bag:
            yield alone(part, rng, bad=bad)
    for part in attacks:
        if part.kind in COMMANDS:
            yield Row(part.text, {}, "own-commands", benign=1, origin=part.kind)
        elif part.kind in OPEN:
            yield Row(part.text, {"injection": 1}, "own-commands", benign=None, origin=part.kind)
    for host in hosts:
        yield Row(fill(host, ""), {}, "own-hosts", host.role, benign=1, origin=host.kind)


ASKED = (
    "Summarise this for me:\n\n", "What does this say?\n", "Please translate to German:\n\n", "Here is the page:\n",
    "Can you reply to this mail?\n\n",
    "Extract the dates.\n\n", "tl;dr\n", "Is there anything I must do?\n\n",
)  # fmt: skip


def planted(text: str, role: str, part: Part, rng: random.Random, *, bad: bool) -> Row:
    """A document with an attack or an ordinary remark; one in eight is pasted by a user."""
    pasted = rng.random() < 0.12
    text = rng.choice(ASKED) + text if pasted else text
    role = "user" if pasted else role
    if bad:
        return Row(text, {"injection": 1}, "own-injected", role, origin=part.kind, focus=part.text[:40])
    return Row(text, {}, "own-clean", role, benign=1, origin=part.kind, focus=part.text[:40])


def alone(part: Part, rng: random.Random, *, bad: bool) -> Row:
    """A remark that is all there is of a tool result."""
    role = rng.choice(("tool", "document"))
    return Row(part.text, {"injection": 1} if bad else {}, "own-alone", role, benign=None if bad else 1, origin=part.kind)


def documents(data: Path, kept: bool) -> list[str]:
    """Ordinary documents of the given sets, cut to a few hundred characters."""
    names = (
        "benign-medquad benign-project_docs benign-taskmaster benign-tau_bench_data benign-based_cooking hard-site_policy "
        "benign-pubmedqa bold_wiki"
    )
    found = []
    for name in names.split():
        rows = rows_of(data, name)
        found += [row.text[:700] for row in rows if len(row.text) > 60 and (share(row.text, "host") < KEPT) == kept][:400]
    return found


def inserted(text: str, remark: str, rng: random.Random) -> str:
    """The remark between two sentences or lines of the text, or at its end."""
    places = [match.end() for match in re.finditer(r"(?<=[.!?])\s|\n", text)] + [len(text)]
    at = rng.choice(places)
    before, after = rng.choice((("", " "), ("\n", "\n"), (" ", " ")))
    return text[:at] + before + remark + after + text[at:]


def jailbreaks(data: Path, rng: random.Random, kept: bool) -> Iterable[Row]:
    """Wrappers around harmful requests, and around harmless ones: the wrapper is what makes a jailbreak."""
    harmful = [
        row.text
        for name in GOALS
        for row in rows_of(data, name)
        if (share(row.text, "inside") < KEPT) == kept and len(row.text) < 250
    ]
    harmless = [part.text for part in parts("benign_goals") if part.kept == kept]
    for part in parts("jailbreak_wrappers") + parts("jailbreak_wrappers_2"):
        if part.kept != kept:
            continue
        for _ in range(1 if "{GOAL}" not in part.text else 4):
            yield Row(
                part.text.replace("{GOAL}", rng.choice(harmful)), {"jailbreak": 1}, "own-jailbreaks", benign=0, origin=part.kind
            )
        if "{GOAL}" in part.text:
            yield Row(part.text.replace("{GOAL}", rng.choice(harmless)), {"jailbreak": 1}, "own-jailbreaks", origin=part.kind)
    for text in harmless:
        yield Row(text, {}, "own-goals", benign=1)


def rows_of(data: Path, name: str) -> list[Row]:
    """A given set, empty where it is missing."""
    return [row for path in sorted((data / name).glob("data.jsonl*")) for row in load(path)]


def groups(rng: random.Random, kept: bool) -> Iterable[Row]:
    """Sentences about groups of people: each with several groups, so that no group's name says anything by itself."""
    named = list(read(OWN / "bias_groups.jsonl"))
    for part in [part for name in TEMPLATES for part in parts(name)]:
        if part.kept != kept:
            continue
        given = dict(part.more)
        fit = [g for g in named if not given.get("axes") or g["axis"] in given["axes"]]  # type: ignore[operator]  # JSON
        if "{" not in part.text:
            yield plain(given, "own-groups")
            continue
        for group in rng.sample(fit, min(6, len(fit))):
            if clashes(part.text, str(group["group"])):
                continue
            text = named_in(part.text, group)
            yield plain({**given, "text": text, "groups": [group["target"]]}, "own-groups")


def clashes(text: str, group: str) -> bool:
    """Whether the pronouns of the sentence do not fit the group."""
    singular = "{ONE}" in text or "{ADJ}" in text
    if group in ("men", "women") and singular:
        wrong = r"\b(?:she|her|hers)\b" if group == "men" else r"\b(?:he|him|his)\b"
        return re.search(wrong, text, re.IGNORECASE) is not None
    return False


def named_in(text: str, group: dict[str, object]) -> str:
    """The sentence with the group's name in its places."""
    for slot, name in (("{GROUP}", "group"), ("{ONE}", "singular"), ("{ADJ}", "adj")):
        text = text.replace(slot, str(group[name]))
    text = re.sub(r"\b([Aa])n? (?=[aeioAEIO]|un[^i])", r"\1n ", text)
    text = re.sub(r"\b([Aa])n (?![aeiouAEIOUhH8])", r"\1 ", text)
    return text[:1].upper() + text[1:]


FORMS = (("User: ", "Assistant: "), ("Human: ", "AI: "), ("Q: ", "A: "), ("", ""), ("Customer: ", "Agent: "))
ANSWERS = (
    "Sure, here is what I found.",
    "Of course. Is there anything else?",
    "I am not certain, let me look.",
    "Yes, that works.",
    "Here you go:",
    "Could you tell me a little more?",
    "No problem.",
    "It depends on what you want to do with it.",
    "You are welcome!",
    "That is a good question.",
)  # fmt: skip


def chats(data: Path, rng: random.Random, kept: bool) -> Iterable[Row]:
    """Chats of several turns, all harmless, or with one harmful turn among them."""
    names = "clinc_oos sgd_user benign-taskmaster gsm8k banking77 hard-opentrivia".split()
    turns = [row.text for name in names for row in rows_of(data, name)[:1500] if row.role == "user" and len(row.text) < 200]
    turns += [
        part.text
        for name in ("ordinary", "jailbreak_twins", "trigger_words")
        for part in parts(name)
        if part.kept == kept and len(part.text) < 250 and dict(part.more)["labels"] == {"benign": 1}
    ]
    harmful = [
        row
        for name in GOALS[:4]
        for row in rows_of(data, name)
        if (share(row.text, "inside") < KEPT) == kept and len(row.text) < 250
    ]
    for i in range(60 if kept else 700):
        speaker, answer = rng.choice(FORMS)
        chosen = rng.sample(turns, rng.randint(3, 7))
        row = Row("", {}, "own-chats", benign=1)
        if i % 2:
            bad = rng.choice(harmful)
            chosen[rng.randrange(len(chosen))] = bad.text
            row = replace(bad, source="own-chats", soft=0.0, focus=bad.text)
        lines = [line for turn in chosen for line in (speaker + turn, answer + rng.choice(ANSWERS))]
        yield replace(row, text="\n".join(lines[: -rng.randint(0, 1) or None]))


def check() -> None:
    """Look through the files: labels that are none, texts that are there twice."""
    for path in sorted(OWN.glob("*.jsonl")):
        seen: set[str] = set()
        for i, each in enumerate(read(path), 1):
            bad = set(each.get("labels") or {}) - {*LABELS, "benign"}  # type: ignore[call-overload]  # JSON
            twice = str(each.get("text")) in seen and "text" in each
            seen.add(str(each.get("text")))
            if bad or twice:
                print(f"{path.name}, line {i}: {'labels ' + ', '.join(bad) if bad else 'the text is there twice'}")


if __name__ == "__main__":
    check()
