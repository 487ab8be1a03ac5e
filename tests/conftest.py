"""What all tests share: Hypothesis without deadlines, since no test asserts a time."""

from __future__ import annotations

import hypothesis

hypothesis.settings.register_profile("parapet", deadline=None, print_blob=True)
hypothesis.settings.load_profile("parapet")
