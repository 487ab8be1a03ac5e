"""What all tests share: Hypothesis without deadlines, since no test asserts a time; in CI with the same examples each time."""

from __future__ import annotations

import os

import hypothesis

hypothesis.settings.register_profile("parapet", deadline=None, print_blob=True, derandomize="CI" in os.environ)
hypothesis.settings.load_profile("parapet")
