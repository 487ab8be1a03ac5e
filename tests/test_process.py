"""Processes of our own for what others wrote."""

from __future__ import annotations

import resource

import pytest

from proxy.engines.house import House
from proxy.errors import ModelError
from proxy.process import LONGEST_PAUSE, pause


def test_an_engine_for_which_there_is_no_process_is_refused_with_the_reason() -> None:
    """As a model that cannot be loaded, so that the policies that were in force stay."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(ModelError, match="the engine spacy could not be started: Too many open files"):
            House({"nlp_engine_name": "spacy", "models": [{"lang_code": "en", "model_name": "none"}]})
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_process_that_dies_again_and_again_is_started_less_often() -> None:
    """At once the first time; never later than after a minute."""
    assert [pause(deaths) for deaths in (1, 2, 3)] == [0.0, 1.0, 3.0]
    assert pause(40) == LONGEST_PAUSE
