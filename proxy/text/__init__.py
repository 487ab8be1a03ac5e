"""Text as checks read it and as callers get it back: spans, redaction, text that comes in pieces, views against evasion."""

from proxy.text.growing import PlainView, View, Wording, readable, redacted, view, worded
from proxy.text.json_source import JsonView
from proxy.text.normalise import Normalised, normalised
from proxy.text.spans import Span, join, joined, unspanned

__all__ = [
    "JsonView",
    "Normalised",
    "PlainView",
    "Span",
    "View",
    "Wording",
    "join",
    "joined",
    "normalised",
    "readable",
    "redacted",
    "unspanned",
    "view",
    "worded",
]
