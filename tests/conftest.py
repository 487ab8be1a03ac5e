"""What all tests share: Hypothesis without deadlines, since no test asserts a time; in CI with the same examples each time.

Without the slow tests it tries fewer examples: `make check` is for every change, and `make test` tries all of them.
"""

from __future__ import annotations

import os

import hypothesis
import pytest

hypothesis.settings.register_profile("parapet", deadline=None, print_blob=True, derandomize="CI" in os.environ)
hypothesis.settings.register_profile("quick", hypothesis.settings.get_profile("parapet"), max_examples=20)
hypothesis.settings.load_profile("parapet")


def pytest_configure(config: pytest.Config) -> None:
    """Choose how many examples are tried."""
    if "not slow" in config.getoption("markexpr"):
        hypothesis.settings.load_profile("quick")
