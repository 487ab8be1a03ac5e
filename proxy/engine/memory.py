"""What checks said of texts that have not changed: agents send the whole history with each call, and it is judged once.

A report is remembered by the check as it was built (its version, its options and the files it uses: another policy set builds
others), the role, and the text as checks read it. Reports with failures are never remembered, nor are those of checks whose
answer may change (a service, a model behind one).
"""

from __future__ import annotations

import hashlib
import os
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from proxy.core import Report, Segment

Key = tuple[int, bytes]


@dataclass(slots=True)
class Memory:
    """The reports of the texts that were asked about last; nothing of the texts but digests under a salt of its own.

    `size`: how many reports, and how many findings in all of them, are remembered at most.
    """

    size: int
    salt: bytes = field(default_factory=lambda: os.urandom(16))
    reports: OrderedDict[Key, Report] = field(default_factory=OrderedDict)
    findings: int = 0  # in them

    def keys(self, check: int, segments: Sequence[Segment]) -> list[Key]:
        """Under what a check's reports of these texts are remembered."""
        return [(check, self.digest(segment)) for segment in segments]

    def digest(self, segment: Segment) -> bytes:
        """Of a text and whose it is."""
        text = f"{segment.role}\0{segment.text}".encode("utf-8", "surrogatepass")
        return hashlib.blake2b(text, digest_size=16, key=self.salt).digest()

    def recall(self, key: Key) -> Report | None:
        """The report, if it is known."""
        report = self.reports.get(key)
        if report is not None:
            self.reports.move_to_end(key)
        return report

    def keep(self, key: Key, report: Report) -> None:
        """Remember a report, unless something failed in it; those that nobody asked about for longest go."""
        if report.failures or report.wait is not None or len(report.findings) > self.size:
            return
        before = self.reports.get(key)
        self.findings += len(report.findings) - (len(before.findings) if before else 0)
        self.reports[key] = report
        while len(self.reports) > self.size or self.findings > self.size:
            _, gone = self.reports.popitem(last=False)
            self.findings -= len(gone.findings)
