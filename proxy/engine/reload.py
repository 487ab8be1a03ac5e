"""Policy files that change are read again and put in force in one step; files with mistakes leave what was in force."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from proxy.core import CheckKind
from proxy.engine.guard import Engine
from proxy.errors import ParapetError
from proxy.metrics import Metrics
from proxy.policy import load

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Signature:
    """The state of the policy files, and of the files that their rules use: an index of works, say."""

    policies: tuple[object, ...]
    used: tuple[object, ...]


class Reloader:
    """Watches the policy files of an engine."""

    def __init__(self, engine: Engine, paths: Sequence[Path], catalogue: Mapping[str, CheckKind], metrics: Metrics) -> None:
        self.engine, self.paths, self.catalogue, self.metrics = engine, tuple(paths), catalogue, metrics
        self.seen: Signature | None = None
        self.problem = ""  # what is wrong with the files as they are now; empty when they are in force

    def start(self) -> None:
        """Read the files for the first time. Raises PolicyError."""
        before = self.signature()
        self.engine.use(load(self.paths, self.catalogue))
        self.seen = Signature(before.policies, self.signature().used)
        self.metrics.policies_loaded(ok=True)
        self.metrics.in_force(self.engine.policies.revision)

    async def run(self, every: float) -> None:
        """Look at the files every so many seconds, for ever."""
        while True:
            await asyncio.sleep(every)
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001 - whatever it is, watching must go on
                self.failed(error)

    def failed(self, error: Exception) -> None:
        """Looking at the files ended in an error that is not theirs: say so, and read them again the next time."""
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(frame.filename).name}, line {frame.lineno}"
        problem = f"the policy files could not be read: {type(error).__name__} in {place}"
        if problem != self.problem:  # it may last: one line in the log is enough
            log.error("policies not reloaded, revision %s stays in force: %s", self.engine.policies.revision, problem)
        self.problem, self.seen = problem, None
        self.metrics.policies_loaded(ok=False)

    async def look(self) -> bool:
        """Read the files again if they have changed; whether a new set is in force. The event loop goes on meanwhile."""
        signature = await asyncio.to_thread(self.signature)
        if signature == self.seen:
            return False
        used = self.seen.used if self.seen else ()
        self.seen = signature
        before = self.engine.policies.revision
        try:
            policies = await asyncio.to_thread(load, self.paths, self.catalogue)
            if policies.revision != before or signature.used != used:
                await asyncio.to_thread(self.engine.use, policies)
        except (ParapetError, OSError) as error:
            self.problem = str(error)
            log.error("policies not reloaded, revision %s stays in force: %s", before, error)
            self.metrics.policies_loaded(ok=False)
            return False
        self.seen = Signature(signature.policies, self.signature().used)  # those that the new rules use
        self.problem = ""
        self.metrics.policies_loaded(ok=True)
        if policies.revision != before:
            self.metrics.in_force(policies.revision)
            log.info("policies reloaded: revision %s replaces %s", policies.revision, before)
        return policies.revision != before

    def signature(self) -> Signature:
        """What tells one state of the files from another, without reading them."""
        files = [file for path in self.paths for file in (sorted(path.glob("*.y*ml")) if path.is_dir() else [path])]
        options = {id(rule.options): rule.options for policy in self.engine.policies.policies for rule in policy.rules}
        used = {file for each in options.values() for file in getattr(each, "files", tuple)()}
        return Signature(states(files), states(sorted(used)))


def states(files: Sequence[Path]) -> tuple[object, ...]:
    """The files that are there, as they are now."""
    found = []
    for file in files:
        with contextlib.suppress(OSError):
            stat = file.stat()
            found.append((str(file), stat.st_mtime_ns, stat.st_size, stat.st_ino))
    return tuple(found)
