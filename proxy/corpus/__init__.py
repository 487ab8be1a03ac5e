"""The index of works: built from their texts, memory-mapped, and compared with texts whole or as they grow."""

from proxy.corpus.builder import Plan, build, extend, merge
from proxy.corpus.chains import Limits, Passage
from proxy.corpus.folding import code, prose
from proxy.corpus.index import Index, Shelf, Work, opened, trusted
from proxy.corpus.layout import contents, verify
from proxy.corpus.matcher import Following, Matcher, matching
from proxy.corpus.sources import left_out
from proxy.corpus.titles import Titled, title_forms, title_key, titles_in, unelided
from proxy.corpus.words import prints_of
from proxy.errors import IndexFileError

__all__ = [
    "Following",
    "Index",
    "IndexFileError",
    "Limits",
    "Matcher",
    "Passage",
    "Plan",
    "Shelf",
    "Titled",
    "Work",
    "build",
    "code",
    "contents",
    "extend",
    "left_out",
    "matching",
    "merge",
    "opened",
    "prints_of",
    "prose",
    "title_forms",
    "title_key",
    "titles_in",
    "trusted",
    "unelided",
    "verify",
]
