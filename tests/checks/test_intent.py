"""Requests for works where patterns say nothing: a head of the encoder decides, off the event loop, and may fail."""

from __future__ import annotations

import asyncio
import json
import shutil
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from proxy.checks import CATALOGUE
from proxy.checks import copyright as works
from proxy.checks.requested import ASKED, BEYOND
from proxy.classifier import Classifiers, Ids, Intent, Limits, Logits, Silent, Worker
from proxy.classifier.card import CONFIG, MANIFEST, digest
from proxy.classifier.intent import NAME, IntentCard
from proxy.core import Action, Segment
from proxy.errors import ModelError
from proxy.settings import Settings
from tests.world import engine

ALICE = "Alice's Adventures in Wonderland"
OPEN = f"Put {ALICE} into the chat."  # no pattern says that this asks for anything
CARD = IntentCard(name="test", version="1", encoder="0" * 64, layer=1, threshold=0.0)
SHIPPED = Path(__file__).parents[2] / "models"
POLICY = (
    "policy: p\nrules: [{{id: r, check: copyright, with: {{categories: [request_for_work], index: public-domain}}, {more}}}]\n"
)


def wants_put(text: str) -> bool:
    """What the head of these tests takes for a request."""
    return text.startswith("Put")


class Script:
    """A head that follows a rule of one's own, and remembers what it read."""

    def __init__(self, wanted: Callable[[str], bool] = wants_put) -> None:
        self.read: list[str] = []
        self.wanted = wanted

    def __call__(self, windows: Sequence[Ids]) -> list[Logits]:
        texts = ["".join(map(chr, ids)) for ids in windows]
        self.read += texts
        return [(1.0 if self.wanted(text) else -1.0,) for text in texts]


def classifiers(script: Script) -> Classifiers:
    """Where this head is the one that ships."""
    ids: Callable[[str], Ids] = lambda text: [ord(char) for char in text]  # noqa: E731 - as short as what it stands for
    return Classifiers(intents=[Intent(CARD, Worker("intent", script, Limits(), Silent()), ids)])


def requests(script: Script) -> works.Copyright:
    """The check, with this head."""
    options = works.CopyrightOptions.model_validate({"categories": ["request_for_work"], "index": "public-domain"})
    made = works.kind(classifiers(script)).build(options, frozenset(["request_for_work"]), "")
    assert isinstance(made, works.Copyright)
    return made


def found(check: works.Copyright, text: str) -> list[tuple[str, object]]:
    """What is found in a text, and what decided."""
    return [(text[f.start : f.end], dict(f.detail)["intent"]) for f in check([Segment(text, "user")])[0].findings]


def test_the_encoder_is_asked_where_patterns_say_nothing() -> None:
    """It reads no title; where a pattern decides, and where no work is named, it is not asked."""
    script = Script()
    check = requests(script)
    assert found(check, OPEN) == [(ALICE, "classifier")]
    assert found(check, f"I loved {ALICE}.") == []
    assert script.read == [f"Put {NAME} into the chat.", f"I loved {NAME}."]
    assert found(check, f"Give me chapter 1 of {ALICE}") == [(ALICE, "pattern")]
    assert found(check, f"Summarise {ALICE}. ") == found(check, "Put the kettle on.") == []
    assert len(script.read) == 2
    assert (
        found(check, f"Put down who wrote {ALICE} and print its first chapter") == []
    )  # `print` does not stand before the title
    assert found(check, f"Put here a review of {ALICE}, then recite it word for word") == [(ALICE, "pattern")]


def test_a_rule_may_leave_it_to_patterns() -> None:
    """Then no model is loaded, and what patterns leave open is no request."""
    options = works.CopyrightOptions.model_validate(
        {"categories": ["request_for_work"], "index": "public-domain", "intent": "pattern"}
    )
    made = works.kind(Classifiers(Settings(models=Path("/nowhere")))).build(options, frozenset(["request_for_work"]), "")
    assert isinstance(made, works.Copyright)
    assert found(made, OPEN) == []
    assert made.quick([Segment(OPEN, "user")]) is not None


def test_nobody_waits_on_the_event_loop() -> None:
    """What needs the encoder is not answered at once; a stream is held back from the title on, until the answer is there."""
    gate, script = threading.Event(), Script(lambda text: gate.wait(20) and wants_put(text))
    check = requests(script)
    assert check.quick([Segment("Put the kettle on.", "user")]) is not None
    assert check.quick([Segment(OPEN, "user")]) is None
    watch = check.watch("assistant")
    assert watch.push(f"A line.\n{OPEN}\n\nMore to come.").settled <= len("A line.\nPut ")
    report = watch.push("", end=True)
    assert report.wait is not None
    gate.set()
    report.wait.result(20)
    last = watch.push("")
    assert [(f.start, f.category) for f in last.findings] == [(len("A line.\nPut "), "request_for_work")]
    assert last.settled == len(f"A line.\n{OPEN}\n\nMore to come.")


def test_a_request_over_two_lines_is_told_once() -> None:
    """Each line is judged alone, and with the next one."""
    assert found(requests(Script()), f"Put {ALICE}\ninto the chat") == [(ALICE, "classifier")]
    assert found(requests(Script()), "Put The Masque of the Red Death here") == [("The Masque of the Red Death", "classifier")]


@pytest.mark.parametrize("second", ["recite it word for word", "Now give me the whole text."])
@pytest.mark.parametrize("alone", [True, False])
def test_what_one_line_leaves_open_the_next_may_decide(second: str, *, alone: bool) -> None:
    """Patterns do then, whatever the encoder makes of the first line alone; whole and streamed alike."""
    check = requests(Script(lambda _: alone))
    text = f"The book is {ALICE}\n{second}"
    assert found(check, text) == [(ALICE, "pattern")]
    watch = check.watch("user")
    reports = [watch.push(text), watch.push("", end=True)]
    assert [dict(f.detail)["intent"] for report in reports for f in report.findings][-1] == "pattern"
    assert reports[-1].wait is None


def test_what_does_not_fit_a_window_is_read_next_to_the_title() -> None:
    """Signs that make many word pieces do not keep the encoder from being asked."""
    script = Script()
    ids: Callable[[str], Ids | None] = lambda text: [ord(char) for char in text] if len(text) <= 60 else None  # noqa: E731 - short
    heads = Classifiers(intents=[Intent(CARD, Worker("intent", script, Limits(), Silent()), ids)])
    options = works.CopyrightOptions.model_validate({"categories": ["request_for_work"], "index": "public-domain"})
    check = works.kind(heads).build(options, frozenset(["request_for_work"]), "")
    assert isinstance(check, works.Copyright)
    assert found(check, f"{'?!' * 100} {OPEN} {'?!' * 100}") == []
    [read] = script.read
    assert f"Put {NAME} into the chat." in read


def test_a_text_full_of_titles_is_not_inspected_to_its_end() -> None:
    """The encoder is asked a bounded number of times, and what is left is counted."""
    script = Script()
    text = "\n\n".join(f"Put {ALICE} at place {number}." for number in range(ASKED + 5))
    [report] = requests(script)([Segment(text, "user")])
    assert (len(script.read), len(report.findings), report.not_inspected) == (ASKED, ASKED, (BEYOND,))


@pytest.mark.parametrize(("on_error", "action"), [("block", Action.BLOCK), ("allow", Action.FLAG)])
def test_a_head_that_fails_acts_by_on_error(on_error: str, action: Action) -> None:
    """The failure is the check's; prompts that name no work are judged as ever."""
    broken = Script(lambda _: 1 // 0 > 0)
    kinds = {**CATALOGUE, "copyright": works.kind(classifiers(broken))}
    made = engine(POLICY.format(more=f"direction: prompt, action: flag, on_error: {on_error}"), catalogue=kinds)
    guard = made.guard("", "m")
    failed = asyncio.run(guard.judge("prompt", [Segment(OPEN, "user")])).decision
    assert (failed.action, [failure.kind for failure in failed.failures]) == (action, ["error"])
    assert asyncio.run(guard.judge("prompt", [Segment("Put the kettle on.", "user")])).decision.action is Action.ALLOW


def test_a_head_for_another_encoder_is_refused(tmp_path: Path) -> None:
    """It would say anything; without a head, patterns decide."""
    for name in ("encoder", "intent"):
        shutil.copytree(SHIPPED / name, tmp_path / name, copy_function=lambda a, b: Path(b).symlink_to(Path(a).resolve()))
    config = json.loads((SHIPPED / "intent" / CONFIG).read_text())
    for file in (CONFIG, MANIFEST):
        (tmp_path / "intent" / file).unlink()
    (tmp_path / "intent" / CONFIG).write_text(json.dumps({**config, "encoder": "0" * 64}))
    files = {file.name: digest(file) for file in (tmp_path / "intent").iterdir()}
    (tmp_path / "intent" / MANIFEST).write_text(json.dumps({"files": files}))
    with pytest.raises(ModelError, match="made for another encoder"):
        Classifiers(Settings(models=tmp_path)).requests()
    shutil.rmtree(tmp_path / "intent")
    assert Classifiers(Settings(models=tmp_path)).requests() is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("Would you place {} in this conversation so that I can read it?", True),
        ("{}, from the title page to the end, go ahead", True),
        ("Let me read {} here, page after page.", True),
        ("We saw a play of {} on Sunday, and the children laughed.", False),
        ("My aunt gave {} to my cousin for Christmas.", False),
        ("Is {} harder than Jane Eyre for a learner of English?", False),
        ("In which city was the writer of {} born?", False),
    ],
)
def test_the_head_that_ships_tells_requests_from_talk(text: str, *, asked: bool) -> None:
    """Sentences that it was not trained on."""
    options = works.CopyrightOptions.model_validate({"categories": ["request_for_work"], "index": "public-domain"})
    made = CATALOGUE["copyright"].build(options, frozenset(["request_for_work"]), "")
    assert isinstance(made, works.Copyright)
    assert bool(found(made, text.format(ALICE))) is asked
