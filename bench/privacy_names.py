"""Names by the encoder, entity by entity, and mixed personal data as one: what of it is found, whatever it is called."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from bench.privacy import Row, Span, findings
from proxy.core import Check

EXACT, HALF, MOST = 1.0, 0.5, 0.75  # of what a span and a finding cover together, the part that both do
BETA = 2  # recall counts so many times as much
OTHER = "OTHER_PII"  # a label of the data for what no entity is: neither right nor wrong
Place = tuple[int, int]
Found = dict[str, list[Place]]


@dataclass(slots=True)
class Sums:
    """What is there, what is said, and how much of each the other bears out."""

    there: int = 0
    said: int = 0
    found: int = 0
    right: int = 0

    def add(self, there: Sequence[Place], said: Sequence[Place], least: float) -> None:
        """Count one text."""
        self.there += len(there)
        self.said += len(said)
        self.found += sum(any(shared(one, other) >= least for other in said) for one in there)
        self.right += sum(any(shared(one, other) >= least for other in there) for one in said)

    def figures(self, beta: float = 1.0) -> str:
        """Precision, recall and their mean."""
        precision, recall = self.right / max(1, self.said), self.found / max(1, self.there)
        weight = beta * beta
        mean = (1 + weight) * precision * recall / max(1e-9, weight * precision + recall)
        return f"{precision:8.3f}{recall:8.3f}{mean:8.3f}"


def shared(one: Place, other: Place) -> float:
    """The part of what two places cover that both do."""
    both = min(one[1], other[1]) - max(one[0], other[0])
    return max(0, both) / (max(one[1], other[1]) - min(one[0], other[0]))


def merged(places: Collection[Place]) -> list[Place]:
    """Places that overlap as one."""
    made: list[Place] = []
    for start, end in sorted(places):
        if made and start < made[-1][1]:
            made[-1] = (made[-1][0], max(end, made[-1][1]))
        else:
            made.append((start, end))
    return made


def names(checks: Sequence[Check], rows: Sequence[Row], labels: Collection[str], title: str) -> None:
    """Print how names are found, to the character and by half."""
    sums: dict[tuple[str, float], Sums] = defaultdict(Sums)
    for row in rows:
        found = by_label((each.category, each.start, each.end) for each in findings(checks, row.text))
        there = by_label((span.label, span.start, span.end) for span in row.spans)
        for label in labels:
            for least in (EXACT, HALF):
                sums[label, least].add(there.get(label, []), found.get(label, []), least)
    print(f"\n{title}\n  {'':20}{'spans':>8}{'P':>8}{'R':>8}{'F1':>8}   by half:{'P':>6}{'R':>8}{'F1':>8}")
    for label in sorted(labels):
        exact, half = sums[label, EXACT], sums[label, HALF]
        print(f"  {label:20}{exact.there:8}{exact.figures()}        {half.figures()}")


def by_label(places: Iterable[tuple[str, int, int]]) -> Found:
    """Places by what they are, each once."""
    made: dict[str, set[Place]] = defaultdict(set)
    for label, start, end in places:
        made[label].add((start, end))
    return {label: sorted(found) for label, found in made.items()}


def mixed(checks: Sequence[Check], rows: Sequence[Row], title: str) -> None:
    """Print how much of all personal data is found, as one entity: by half, and by the three quarters of Presidio's figures."""
    sums = {least: Sums() for least in (HALF, MOST)}
    for row in rows:
        spared = [span for span in row.spans if span.label == OTHER]
        there = merged([(span.start, span.end) for span in row.spans if span.label != OTHER])
        said = [(each.start, each.end) for each in findings(checks, row.text)]
        kept = merged([place for place in said if not any(touches(span, place) for span in spared)])
        for least, counted in sums.items():
            counted.add(there, kept, least)
    print(f"\n{title}: all entities as one\n  {'':20}{'spans':>8}{'P':>8}{'R':>8}{'F2':>8}")
    for least, counted in sums.items():
        print(f"  {f'IoU {least:g} at least':20}{counted.there:8}{counted.figures(BETA)}")


def touches(span: Span, place: Place) -> bool:
    """Whether they share a character."""
    return span.start < place[1] and place[0] < span.end
