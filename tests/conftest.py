"""What all tests share: Hypothesis without deadlines, since no test asserts a time; in CI with the same examples each time.

Without the slow tests it tries fewer examples: `make check` is for every change, and `make test` tries all of them.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import hypothesis
import pytest

hypothesis.settings.register_profile("parapet", deadline=None, print_blob=True, derandomize="CI" in os.environ)
hypothesis.settings.register_profile("quick", hypothesis.settings.get_profile("parapet"), max_examples=10)
hypothesis.settings.load_profile("parapet")
_SLOW = re.compile(r"^pytestmark = (?:\[\s*)?pytest\.mark\.slow\b", re.MULTILINE)


def pytest_configure(config: pytest.Config) -> None:
    """Choose how many examples are tried."""
    if "not slow" in config.getoption("markexpr"):
        hypothesis.settings.load_profile("quick")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave a file out whose tests are all slow: what it imports, in each process again, takes longer than many quick tests."""
    if config.getoption("markexpr") != "not slow" or not collection_path.name.startswith("test_"):
        return None
    return bool(_SLOW.search(collection_path.read_text(encoding="utf-8"))) or None
