"""Links without their scheme: what may as well be a file, a field of an object, or two words without a space between."""

from __future__ import annotations

import re

# Ends of domains that are ends of files, too, or names of fields: main.py, setup.sh, user.id
FILES = frozenset("app cc id md mov name pl ps py rs sh so zip".split())
PLAIN = re.compile(r"[\"']?(?P<name>[\w.-]*)\.(?P<end>[A-Za-z]+)[\"']?")
DOUBTFUL, CERTAIN = 0.3, 1.0


def worth(link: str) -> float:
    """The score that a link has at most: little for a name alone whose end says something else, or looks like a sentence's."""
    found = PLAIN.fullmatch(link)
    if not found or found["name"].lower().startswith("www."):
        return CERTAIN
    end = found["end"]
    glued = end[0].isupper() and end[1:].islower()  # "S.Com.", "H.No. 7", "done.In"
    return DOUBTFUL if glued or end.lower() in FILES else CERTAIN
