"""Writes what was measured: one aligned table, the ratios to the bare relay beside their targets, and the figures as JSON."""

from __future__ import annotations

import math
import os
import platform
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from bench import peers
from bench.measure import Kind, Measured, Sample, Scenario
from bench.systems import BACKEND, BASELINE


@dataclass(frozen=True, slots=True)
class Target:
    """How many times the CPU of another system a system may use, `connections` at once."""

    system: str
    kind: Kind
    connections: int
    limit: float
    words: str
    against: str = BASELINE


@dataclass(frozen=True, slots=True)
class Pace:
    """How many times as many calls a second a system must serve as another one, or as itself under another load."""

    system: str
    kind: Kind
    connections: int
    least: float
    against: str
    against_connections: int


TARGETS = (
    Target("parapet-no-policy", "calls", 16, 1.6, "calls, no policy"),
    Target("parapet-baseline", "calls", 16, 3.0, "calls, pii and secrets both directions"),
    Target("parapet-baseline", "streams", 16, 2.0, "streams, pii and secrets both directions"),
    Target("parapet-all", "calls", 16, 5.0, "calls, all families"),
    Target("parapet-all", "streams", 16, 2.5, "streams, all families"),
    Target("parapet-all", "calls", 16, 1 / 10, "calls, all families", "litellm"),
    Target("parapet-all", "calls", 16, 1 / 2, "calls, all families", "portkey-guard"),
    Target("parapet-all", "calls", 16, 1 / 15, "calls, all families", "llm-guard"),
    Target("parapet-all", "calls", 16, 1 / 15, "calls, all families", "nemo-rails"),
)
PACES = (
    Pace("parapet-all", "day", 16, 3.0, "litellm", 16),
    Pace("parapet-all", "calls", 64, 0.95, "parapet-all", 16),
)


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of a figure over the rounds, and its extremes."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The spread of at least one value."""
        return cls(statistics.median(values), min(values), max(values))

    def text(self, digits: int) -> str:
        """The median, and the extremes in brackets."""
        return f"{self.median:.{digits}f} ({self.low:.{digits}f}-{self.high:.{digits}f})"


@dataclass(frozen=True, slots=True)
class Row:
    """One system under one load, over all rounds. CPU is in microseconds, other times in milliseconds."""

    system: str
    scenario: Scenario
    cpu: Spread
    backend_cpu: Spread
    ratio: Spread  # to the bare relay in the same round
    rate: Spread
    p50: Spread
    p99: Spread
    first_added: Spread  # to the first byte of the body, beside the backend called directly in the same round
    added: Spread  # p50 beside the backend's own
    gap: Spread
    rss: float  # megabytes, the largest
    failed: int
    changed: int
    stopped: Spread  # of the calls that should be stopped, the share that were


def rows(measured: Measured) -> list[Row]:
    """All rows, by load and then in the order of the systems."""
    found: dict[tuple[Scenario, str], list[Sample]] = {}
    for sample in measured.samples:
        found.setdefault((sample.scenario, sample.system), []).append(sample)
    order = [start.system for start in measured.starts]
    scenarios = list(dict.fromkeys(scenario for scenario, _ in found))
    keys = sorted(found, key=lambda key: (scenarios.index(key[0]), order.index(key[1])))
    return [_row(found[key], found.get((key[0], BASELINE)), found[key[0], BACKEND]) for key in keys]


def _row(samples: Sequence[Sample], baseline: Sequence[Sample] | None, direct: Sequence[Sample]) -> Row:
    by_round = {sample.round: sample for sample in baseline or ()}
    direct_by_round = {sample.round: sample for sample in direct}
    nothing = float("nan")

    def over(figure: Callable[[Sample], float]) -> Spread:
        return Spread.of([figure(sample) for sample in samples])

    return Row(
        system=samples[0].system,
        scenario=samples[0].scenario,
        cpu=over(lambda sample: 1e6 * sample.cpu),
        backend_cpu=over(lambda sample: 1e6 * sample.backend_cpu),
        ratio=over(lambda sample: sample.cpu / by_round[sample.round].cpu if by_round else nothing),
        rate=over(lambda sample: sample.rate),
        p50=over(lambda sample: 1e3 * sample.p50),
        p99=over(lambda sample: 1e3 * sample.p99),
        first_added=over(lambda sample: 1e3 * (sample.first - direct_by_round[sample.round].first)),
        added=over(lambda sample: 1e3 * (sample.p50 - direct_by_round[sample.round].p50)),
        gap=over(lambda sample: 1e3 * sample.gap),
        rss=max(sample.rss for sample in samples) / 2**20,
        failed=sum(sample.failed for sample in samples),
        changed=sum(sample.changed for sample in samples),
        stopped=over(lambda sample: sample.stopped),
    )


_HEAD = ("system", "load", "CPU us", "x relay", "per s", "p50 ms", "p99 ms", "added ms", "gap ms", "RSS MB", "stopped", "wrong")
_LEGEND = (
    "CPU us: user and system time of all processes of the system, a call or a token of a stream: median (lowest-highest round).",
    "x relay: CPU beside the bare relay in the same round. p50, p99: of a call; of a stream up to its first text.",
    "added: p50 beside the backend called directly. gap: the longest wait within a stream, median; its tokens come 5 ms apart.",
    "N a second: an open loop, calls begin at that rate whatever becomes of others, and their time runs from when they were due.",
    "stopped: of the calls of a day that should be stopped, those that were; whoever redacts instead answers them.",
    "wrong: calls not answered with 200, and answers (8 of each load are looked at) whose text is not the backend's.",
)


def table(found: Sequence[Row]) -> str:
    """One line a row, in aligned columns."""
    lines: list[Sequence[str]] = [_HEAD]
    for row in found:
        streams = row.scenario.kind == "streams"
        lines.append((
            row.system,
            load_of(row.scenario),
            row.cpu.text(1),
            "" if row.system == BACKEND else row.ratio.text(2),
            f"{row.rate.median:,.0f}",
            f"{row.p50.median:.2f}",
            f"{row.p99.median:.2f}",
            f"{row.added.median:+.2f}",
            f"{row.gap.median:.1f}" if streams else "",
            f"{row.rss:.0f}",
            "" if math.isnan(row.stopped.median) else f"{row.stopped.median:.0%}",
            str(row.failed + row.changed),
        ))  # fmt: skip
    return aligned(lines)


def load_of(scenario: Scenario) -> str:
    """A load in words."""
    return f"{scenario.rate:g} a second" if scenario.rate else f"{scenario.connections} {scenario.kind}"


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Columns two spaces apart: the first two lean left, the figures right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    leans = [str.ljust, str.ljust, *[str.rjust] * (len(widths) - 2)]
    cells = (map(_lean, leans, line, widths) for line in lines)
    return "\n".join("  ".join(line).rstrip() for line in cells)


def _lean(lean: Callable[[str, int], str], cell: str, width: int) -> str:
    return lean(cell, width)


def verdicts(found: Sequence[Row]) -> list[str]:
    """For each target PASS or MISS, or why it cannot be told."""
    return [*(verdict(target, found) for target in TARGETS), *(paced(pace, found) for pace in PACES)]


def verdict(target: Target, found: Sequence[Row]) -> str:
    """One target."""
    row = at(found, target.system, target.kind, target.connections)
    other = at(found, target.against, target.kind, target.connections)
    whom = "the bare relay" if target.against == BASELINE else target.against
    claim = f"{target.words}, {target.connections} at once: CPU at most {target.limit:.3g} x {whom}"
    if row is None or row.failed or row.changed or (other is None and target.against != BASELINE):
        return f"----  {claim}: {'not all answers were right' if row and (row.failed or row.changed) else 'not measured'}"
    if target.against == BASELINE or other is None:
        return f"{'PASS' if row.ratio.median <= target.limit else 'MISS'}  {claim}: {row.ratio.text(2)}"
    ratio = row.cpu.median / other.cpu.median
    return f"{'PASS' if ratio <= target.limit else 'MISS'}  {claim}: {ratio:.3f}"


def paced(pace: Pace, found: Sequence[Row]) -> str:
    """One target of calls a second."""
    row, other = at(found, pace.system, pace.kind, pace.connections), at(found, pace.against, pace.kind, pace.against_connections)
    than = f"{pace.against} at {pace.against_connections}"
    claim = f"{pace.system}, {pace.kind}, {pace.connections} at once: at least {pace.least:g} x the calls a second of {than}"
    if row is None or other is None:
        return f"----  {claim}: not measured"
    ratio = row.rate.median / other.rate.median
    return f"{'PASS' if ratio >= pace.least else 'MISS'}  {claim}: {ratio:.2f}"


def at(found: Sequence[Row], system: str, kind: Kind, connections: int) -> Row | None:
    """A system's row under a load."""
    asked = (system, kind, connections)
    return next((row for row in found if (row.system, row.scenario.kind, row.scenario.connections) == asked), None)


def text(measured: Measured) -> str:
    """The whole report."""
    found = rows(measured)
    parts = [table(found), "\n".join(_LEGEND), _started(measured), "\n".join(verdicts(found))]
    return "\n\n".join(parts)


def _started(measured: Measured) -> str:
    lines: list[Sequence[str]] = [("system", "", "start s", "RSS MB when ready")]
    lines += [(each.system, "", f"{each.seconds:.2f}", f"{each.rss / 2**20:.0f}") for each in measured.starts if not each.problem]
    problems = [f"{each.system} did not come up: {each.problem}" for each in measured.starts if each.problem]
    versions = [f"{peer.name}: {', '.join(peer.packages)}" for peer in peers.PEERS if peers.ready(peer.name)]
    machine = f"machine: {os.cpu_count()} CPUs, {platform.platform()}, Python {platform.python_version()}"
    return "\n".join([aligned(lines), *problems, "", machine, *versions])


def figures(measured: Measured) -> dict[str, object]:
    """Everything as plain data: the machine, the starts, the rows, and each sample."""
    found = rows(measured)
    return {
        "machine": {"python": platform.python_version(), "system": platform.platform(), "cpus": os.cpu_count()},
        "peers": {peer.name: peer.packages for peer in peers.PEERS if peers.ready(peer.name)},
        "starts": [asdict(each) for each in measured.starts],
        "rows": [asdict(each) for each in found],
        "samples": [asdict(each) for each in measured.samples],
        "targets": verdicts(found),
    }


def sound(measured: Measured) -> bool:
    """Whether every system came up and every answer was right."""
    wrong = sum(sample.failed + sample.changed for sample in measured.samples)
    return not wrong and not any(each.problem for each in measured.starts)
