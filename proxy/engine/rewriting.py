"""How the texts of one direction of a call change: what was found is replaced, names are put back, and both are counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from proxy.core import Action, Decision, Direction, Form, Match, Segment
from proxy.operators import Conversation, Restorer, stem
from proxy.text import Span, redacted

Replaced = dict[tuple[str, str], int]  # how often, by way and category


@dataclass(slots=True)
class Rewriting:
    """The changes of one direction."""

    conversation: Conversation
    direction: Direction
    replaced: Replaced = field(default_factory=dict)
    text: str = ""  # of the segment at hand, as checks read it

    def word(self, span: Span, text: str) -> str:
        """What stands in the place of a span, counted."""
        key = (span.operator.way, span.category)
        self.replaced[key] = self.replaced.get(key, 0) + 1
        if self.direction == "prompt":
            made = self.conversation.word(span, text)
            if span.start and self.text[span.start - 1] == "\\":
                self.conversation.escaped.add(made[1:-1])  # else a model's own escape, which goes when the value comes back
            return made
        return self.conversation.word_of_answer(span, text)

    def prompt(
        self, decision: Decision, segments: Sequence[Segment], read: Sequence[Segment], named: frozenset[str]
    ) -> dict[int, str]:
        """The texts of a prompt that change; the same decision gives the same ones, counted anew."""
        self.replaced.clear()
        spans = by_segment(decision)
        if named:
            stems = frozenset(map(stem, named))
            for i, segment in enumerate(read):
                if looking := self.conversation.literals(segment.text, stems):
                    spans[i] = [*spans.get(i, ()), *looking]
        texts = {}
        for i, found in spans.items():
            self.text = read[i].text
            texts[i] = redacted(segments[i].text, found, segments[i].form, self.word)
        return texts

    def completion(self, decision: Decision, segments: Sequence[Segment], restorer: Restorer | None) -> dict[int, str]:
        """The texts of a completion that change: what was found is replaced, then names are put back."""
        spans = by_segment(decision)
        texts = {i: redacted(segments[i].text, found, segments[i].form, self.word) for i, found in spans.items()}
        if restorer is not None:
            for i, segment in enumerate(segments):
                shown = texts.get(i, segment.text)
                if (back := restorer.whole(shown, segment.form)) != shown:
                    texts[i] = back
        return texts


def wanted(matches: Sequence[Match]) -> list[Match]:
    """The matches of enforced rules that want something replaced."""
    return [m for m in matches if m.mode == "enforce" and m.action == Action.REDACT and m.finding is not None]


def span_of(match: Match) -> Span:
    """What is replaced for a match, and how."""
    if match.finding is None:
        raise ValueError("a failure has no place in a text")
    return Span.of(match.finding, match.operator)


def by_segment(decision: Decision) -> dict[int, list[Span]]:
    """What a decision to redact replaces, by segment."""
    spans: dict[int, list[Span]] = {}
    for match in wanted(decision.matches):
        if match.finding is not None:
            spans.setdefault(match.finding.segment, []).append(span_of(match))
    return spans


def form_of(segment_form: Form, role: str, conversation: Conversation) -> Form:
    """The form of a completion's text: JSON, if it was asked for and is what has come."""
    return "either" if conversation.structured and role == "assistant" and segment_form == "text" else segment_form
