"""What long and hostile texts may take: slices, deadlines, their share of the queue; characters that no word piece has."""

from __future__ import annotations

import time

import pytest

from proxy.classifier import Bounds, Limits, Reader, Silent
from proxy.classifier.reading import SLICE
from proxy.classifier.worker import EARLY
from proxy.errors import CheckOverloaded, CheckTimeout
from tests.classifier.world import Script, model


def reader(limits: Limits | None = None, script: Script | None = None) -> Reader:
    return Reader(model(script or Script(), limits), Bounds(), Silent())


def test_a_long_text_gives_up_at_its_deadline() -> None:
    """It is cut slice by slice, so that nobody works for a call that has gone."""
    text = "word " * 400_000
    begun = time.perf_counter()
    with pytest.raises(CheckTimeout):
        reader(Limits(queue=10**6)).whole(text, "speaker", time.monotonic() + 0.05)
    assert time.perf_counter() - begun < 2


def test_slices_make_the_windows_of_the_whole() -> None:
    """Where a slice ends is not seen in the windows."""
    text = "".join(f"w{i} " for i in range(SLICE // 3))
    made = reader(Limits(queue=10**6))
    windows = [judgement.window for judgement in made.whole(text, "speaker").open]
    assert windows == list(made.model.cutter("speaker").push(text, end=True))


def test_one_long_text_does_not_shut_out_the_others() -> None:
    """It is turned away when half of the queue is full, and a short text still finds room."""
    stop = time.monotonic() + 1.0
    made = reader(Limits(queue=4 * EARLY), Script(act=lambda: time.sleep(max(0.0, stop - time.monotonic()))))
    long = " ".join(f"w{i}" for i in range(8 * 6 * EARLY))
    with pytest.raises(CheckOverloaded):
        made.whole(long, "speaker")
    short = made.whole("a few other words", "speaker")
    [answer] = short.pending
    assert answer.result(10)
