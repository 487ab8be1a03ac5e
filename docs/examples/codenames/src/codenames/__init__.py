"""A check for Parapet: code names of projects, in any spelling that people give them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pydantic import Field

from proxy.core import Role
from proxy.plug import Hit, Judge, Options, Plug


class CodenameOptions(Options):
    """What a rule may say `with` the check `codenames`."""

    projects: list[str] = Field(min_length=1, description="the code names, as they are usually written")
    release: list[str] = Field(default=[], description="names that are public by now: they are found as `released`")


def build(options: CodenameOptions, wanted: frozenset[str]) -> Judge:
    """The judge of one rule: `Blue Heron` is found as BLUE-HERON and blue_heron, too."""
    released = {name.lower() for name in options.release}
    expressions = {name: re.compile(r"[\s_-]?".join(map(re.escape, name.split())), re.IGNORECASE) for name in options.projects}

    def judge(text: str, role: Role) -> Iterable[Hit]:
        for number, (name, expression) in enumerate(expressions.items()):
            category = "released" if name.lower() in released else "secret"
            if category not in wanted:
                continue
            for found in expression.finditer(text):
                score = 1.0 if found[0] == name else 0.8
                replacement = f"project {number + 1}" if category == "secret" else None
                yield Hit(category, found.start(), found.end(), score, {"by": role}, replacement)

    return judge


PLUG = Plug(
    categories=("secret", "released"),
    build=build,
    description="Code names of projects.",
    family="privacy",
    options=CodenameOptions,
    threads=2,
)
