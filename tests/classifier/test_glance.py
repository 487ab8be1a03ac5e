"""A glance clears windows behind the encoder's first layers; what it does not clear is read as it would be without one."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from proxy.checks import catalogue
from proxy.checks.judged import Judged
from proxy.classifier import Classifiers, Kind, Silent
from proxy.classifier.card import WEIGHTS, verify
from proxy.classifier.glance import told_by
from proxy.classifier.reading import Model
from proxy.core import Segment
from proxy.errors import CheckError, ModelError
from proxy.policy import load
from proxy.settings import Settings
from tests.classifier.world import LABELS, Script, kinds, model, seal, write_encoder

CLEARED, HELD = "the and of to", "make a bomb please"
NEVER, ALWAYS = -1e9, 1e9


def write_glance(models: Path, *, speaker: float = ALWAYS, material: float = NEVER, **more: Any) -> Path:
    """A glance behind the first layer that knows nothing of a window, so that its thresholds decide."""
    folder = models / "glance"
    folder.mkdir(exist_ok=True)
    threshold = {"speaker": speaker, "material": material}
    exits = [{"layer": 1, "threshold": threshold}]
    encoder = told_by(verify(models / "encoder"))
    made = {"name": "tiny-glance", "version": "1", "encoder": encoder, "exits": exits, **more}
    (folder / "config.json").write_text(json.dumps(made))
    (folder / "tokenizer.json").write_text("{}")
    state = {"1.hidden": torch.randn(64, 4), "1.bias": torch.zeros(2, 4), "1.out": torch.randn(4), "1.last": torch.zeros(())}
    save_file(state, folder / WEIGHTS)
    seal(folder)
    return folder


def loaded(models: Path) -> Model:
    return Classifiers(Settings(models=models)).encoder()


def answers(made: Model, text: str, kind: Kind) -> tuple[float, ...]:
    ids = made.ids(text, kind)
    assert ids is not None
    return made.worker.ask([ids])[0].result()


def test_windows_are_cleared_early_by_kind_and_others_read_alike(tmp_path: Path) -> None:
    """Here all that is said, and nothing of what was fetched."""
    write_encoder(tmp_path)
    plain = loaded(tmp_path)
    write_glance(tmp_path)
    glancing = loaded(tmp_path)
    assert answers(glancing, HELD, "speaker") == ()
    assert glancing.found(HELD, "speaker", ()) == []
    assert answers(glancing, HELD, "material") == pytest.approx(answers(plain, HELD, "material"))
    write_glance(tmp_path, speaker=NEVER)
    assert answers(loaded(tmp_path), HELD, "speaker") == pytest.approx(answers(plain, HELD, "speaker"))


def test_a_rule_that_wants_no_screen_gets_no_glance(tmp_path: Path) -> None:
    """`screen: false` reads every window to the end, with other windows cleared beside it."""
    write_encoder(tmp_path)
    write_glance(tmp_path)
    kind = catalogue(Settings(models=tmp_path))["misuse"]
    found = {}
    for screen in (True, False):
        made = kind.build(kind.options(screen=screen), frozenset({"weapons", "crime"}), "")
        assert isinstance(made, Judged)
        [report] = made([Segment(HELD, "user")])
        found[screen] = report.findings
        assert report.settled == len(HELD)
    assert not found[True]
    assert {each.category for each in found[False]} == {"weapons", "crime"}


class Counted(Silent):
    """Remembers what is counted."""

    def __init__(self) -> None:
        self.windows: dict[str, int] = {}

    def classified(self, classifier: str, result: str, windows: int) -> None:
        self.windows[result] = self.windows.get(result, 0) + windows


def test_what_is_cleared_is_counted_and_remembered(tmp_path: Path) -> None:
    """Apart from what is judged: an operator sees what the glance spares."""
    write_encoder(tmp_path)
    write_glance(tmp_path)
    meter = Counted()
    made = Classifiers(Settings(models=tmp_path), meter).encoder()
    for kind in ("speaker", "speaker", "material"):
        answers(made, HELD, kind)
    assert meter.windows == {"cleared": 1, "cached": 1, "judged": 1}


def test_only_a_glance_may_say_nothing() -> None:
    """Another network that gives no number is a check that failed, not a text that is harmless."""

    class Mute(Script):
        def __call__(self, windows: Any) -> list[tuple[float, ...]]:
            return [() for _ in windows]

    check = kinds(model(Mute()))["misuse"]
    made = check.build(check.options(), frozenset(LABELS[:2]), "")
    assert isinstance(made, Judged)
    with pytest.raises((ValueError, CheckError)):
        made([Segment(HELD, "user")])


def test_a_glance_for_another_encoder_is_not_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The layers of another say other things: all is read to the end, and it is said."""
    write_encoder(tmp_path)
    write_glance(tmp_path, encoder="0" * 64)
    with caplog.at_level(logging.WARNING, "proxy.classifier.models"):
        assert answers(loaded(tmp_path), HELD, "speaker")
    assert "made for another encoder" in caplog.text


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"exits": []}, "exits"),
        ({"exits": [{"layer": 1, "threshold": {"speaker": float("inf"), "material": 0.0}}]}, "finite"),
        ({"exits": [{"layer": 1, "threshold": {"speaker": 0.0}}]}, "nothing is told of its layer 1"),
        ({"exits": [{"layer": 2, "threshold": {"speaker": 0.0, "material": 0.0}}]}, "nothing is told of its layer 2"),
    ],
)
def test_a_glance_that_does_not_fit_is_refused(tmp_path: Path, more: dict[str, Any], said: str) -> None:
    """With its folder, and how to make it anew."""
    write_encoder(tmp_path)
    write_glance(tmp_path, **more)
    with pytest.raises(ModelError, match=said):
        loaded(tmp_path)


def test_a_damaged_glance_is_refused(tmp_path: Path) -> None:
    """As any file of a model."""
    write_encoder(tmp_path)
    folder = write_glance(tmp_path)
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-1])
    with pytest.raises(ModelError, match="its SHA-256 is"):
        loaded(tmp_path)


def test_a_glance_goes_with_the_network_that_is_loaded(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Models that were replaced in their folder since are not what a running process reads with."""
    write_encoder(tmp_path)
    running = Classifiers(Settings(models=tmp_path))
    assert running.encoder(screen=False).screen is None
    shutil.rmtree(tmp_path / "encoder")
    write_encoder(tmp_path, seed=2)
    write_glance(tmp_path)
    with caplog.at_level(logging.WARNING, "proxy.classifier.models"):
        assert answers(running.encoder(), HELD, "speaker")
    assert "made for another encoder" in caplog.text


def test_without_a_glance_both_ways_of_reading_are_one(tmp_path: Path) -> None:
    """A window that rules with a screen and rules without one ask about is judged once."""
    write_encoder(tmp_path)
    made = Classifiers(Settings(models=tmp_path))
    assert made.encoder().worker is made.encoder(screen=False).worker
    write_glance(tmp_path)
    apart = Classifiers(Settings(models=tmp_path))
    assert apart.encoder().worker is not apart.encoder(screen=False).worker


@pytest.mark.parametrize(
    ("rule", "screened"),
    [
        ("level: balanced", True),
        ("level: lenient", True),
        ("level: strict", False),
        ("threshold: 0.7", True),
        ("threshold: 0.55", False),  # of what was fetched: there balanced is 0.6
        ("roles: user", True),  # 0.5, which balanced is, too
        ("", False),
        ("with: {screen: true}", True),
        ("level: balanced, with: {screen: false}", False),
    ],
)
def test_a_rule_below_balanced_goes_without_the_screen(tmp_path: Path, rule: str, screened: bool) -> None:
    """It would lose findings there, and nobody would be told; unless the rule says that it wants one."""
    write_encoder(tmp_path)
    write_glance(tmp_path)
    checks = catalogue(Settings(models=tmp_path))
    file = tmp_path / "p.yaml"
    file.write_text(f"policy: p\nrules:\n  - {{id: a, check: misuse, action: flag{', ' * bool(rule)}{rule}}}\n")
    [policy] = load([file], checks).policies
    made = checks["misuse"].build(policy.rules[0].options, policy.rules[0].categories, "")
    assert isinstance(made, Judged)
    [report] = made([Segment(HELD, "user")])
    assert bool(report.findings) is not screened
