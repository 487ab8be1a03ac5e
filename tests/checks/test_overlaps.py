"""What lies within something else is resolved by the written rule: proven before likely, longer before shorter."""

from __future__ import annotations

import functools
import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.checks import overlaps, pii
from proxy.checks.overlaps import Matched, holds, resolved, ruling
from proxy.checks.screen import Screened
from proxy.core import Finding, Segment

ENTITIES = ("CREDIT_CARD", "IBAN_CODE", "PHONE_NUMBER", "DATE_TIME", "US_SSN", "URL", "EMAIL_ADDRESS", "AGE", "UUID")


@st.composite
def matched(draw: st.DrawFn) -> Matched:
    entity = draw(st.sampled_from(ENTITIES))
    start, size = draw(st.integers(0, 12)), draw(st.integers(1, 8))
    score = draw(st.sampled_from((0.05, 0.45, 0.5, 0.65, 0.95)))
    hint = draw(st.sampled_from(("", "word")))
    finding = Finding("pii", "privacy", entity, score, start, start + size)
    away = draw(st.integers(1, 5)) if hint else 0
    return Matched(
        finding,
        entity in overlaps.CERTAIN or entity in ("URL", "EMAIL_ADDRESS"),
        hint,
        min(score, 0.6),
        away,
        draw(st.booleans()),
    )


matches = st.lists(matched(), max_size=12)


def places(found: list[Matched], entity: str) -> list[tuple[int, int, float]]:
    return sorted((m.finding.start, m.finding.end, m.finding.score) for m in found if m.finding.category == entity)


@given(matches, st.randoms(use_true_random=False))
def test_order_means_nothing_and_twice_is_once(found: list[Matched], dice: random.Random) -> None:
    """Whatever order matches come in, the same are left; of those that are left, all are."""
    kept = resolved(found, ENTITIES)
    mixed = list(found)
    dice.shuffle(mixed)
    assert sorted(resolved(mixed, ENTITIES), key=repr) == sorted(kept, key=repr)
    assert sorted(resolved(kept, ENTITIES), key=repr) == sorted(kept, key=repr)


@given(matches)
def test_what_is_dropped_lies_within_something_as_strong_that_is_left(found: list[Matched]) -> None:
    """So nothing that was covered is uncovered, and what is proven goes for nothing less."""
    kept = resolved(found, ENTITIES)
    for each in found:
        if each not in kept:
            assert any(holds(one, each) and one.strength >= each.strength for one in kept)
    for each in kept:
        assert not any(holds(one, each) and one.rules_out(each) for one in found)


@given(matches, st.sets(st.sampled_from(ENTITIES)))
def test_what_else_is_asked_for_changes_nothing(found: list[Matched], asked: set[str]) -> None:
    """The findings of an entity are the same whatever other entities a rule is about."""
    judges = ruling(ENTITIES, ())
    every = resolved(found, judges)
    for entity in asked:
        sought = {entity, *ruling([entity], ())}
        alone = resolved([m for m in found if m.finding.category in sought], ruling([entity], ()))
        assert places(alone, entity) == places(every, entity)


@functools.cache
def check(*asked: str) -> Screened:
    return Screened([pii.Pii(asked, locales=["us", "uk"])], hyperscan=False)


def named(text: str, *asked: str) -> list[tuple[str, str]]:
    [report] = check(*asked)([Segment(text, "user")])
    return [(f.category, text[f.start : f.end]) for f in report.findings if f.score >= 0.5]


@pytest.mark.parametrize(
    ("asked", "text", "said"),
    [
        ("CREDIT_CARD", "to IBAN PT90 4239 8279 8816 3508 3101 1 please", []),
        ("CREDIT_CARD", "card 4239 8279 8816 3508 please", ["4239 8279 8816 3508"]),
        ("PHONE_NUMBER", "social security number is 645-82-6009, thanks", []),
        ("PHONE_NUMBER", '"phone": "404-865-8624", "ssn": "435-50-1918"', ["404-865-8624"]),
        ("PHONE_NUMBER", "NHS number 2551462304, was admitted on 09.03.03", []),
        ("PHONE_NUMBER", "Passport number 98927443, issued", []),
        ("PHONE_NUMBER", "my number is 4155552671", ["4155552671"]),
        ("PHONE_NUMBER", "from AT794852927810661371 to GB85 TZQU 0716 0003 1302 80", []),
        ("DATE_TIME", "access from 95.8.12.39 on 8.12.2039", ["8.12.2039"]),
        ("URL", "mail jane@example.com or see example.com/a", ["example.com/a"]),
        ("URL", "Hervás y Alcántara S.Com. and Asociados S.Coop. at H.No. 69", []),
        ("URL", "http://massey-yang.biz:8080/a and www.parker.biz", ["http://massey-yang.biz:8080/a", "www.parker.biz"]),
        ("URL", "run main.py, then user.id; website main.py", ["main.py"]),
        ("EMAIL_ADDRESS", 'href="mailto:jane@example.com">x.example.com', ["jane@example.com"]),
        ("PHONE_NUMBER", "943 476 5919", ["943 476 5919"]),
        ("US_SSN", "https://example.com/?ssn=536-90-4399", ["536-90-4399"]),
        ("IP_ADDRESS", "multiply by 17.\nThe server at 188.192.191.221", ["188.192.191.221"]),
    ],
)
def test_a_number_within_another_is_none(asked: str, text: str, said: list[str]) -> None:
    """Though the rule is about the inner one alone; what stands in a link or beside it is found."""
    assert [found for _, found in named(text, asked)] == said


def streamed(check: Screened, text: str, size: int) -> list[Finding]:
    watch = check.watch("user")
    return [f for at in range(0, len(text), size) for f in watch.push(text[at : at + size], end=at + size >= len(text)).findings]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"evil.com/{'p' * 50}@{'b_' * 300}.com and", f"evil.com/{'p' * 50}"),
        (f"see https://example.com/{'a/' * 300} now", f"https://example.com/{'a/' * 199}a"),
    ],
)
def test_what_is_too_long_to_be_reported_hides_nothing(text: str, said: str) -> None:
    """An address or a link that is longer than the reach is none: what lies within it is found, whole and streamed."""
    [report] = check("URL")([Segment(text, "user")])
    assert [text[f.start : f.end] for f in report.findings] == [said]
    assert streamed(check("URL"), text, 7) == list(report.findings)


def test_a_run_of_what_is_nearly_a_link_is_read_in_time() -> None:
    """Each place where a domain may end is looked at once, and not once for each domain that there is."""
    begun = time.thread_time()
    check("URL")([Segment("a.comx" * 500, "user")])
    assert time.thread_time() - begun < 1.0


def test_a_further_entity_takes_no_finding_away() -> None:
    """A rule on cards and account numbers finds as many cards as one on cards."""
    text = "card 4239 8279 8816 3508, IBAN PT90 4239 8279 8816 3508 3101 1, ssn 435-50-1918, call 404-865-8624"
    both = named(text, "CREDIT_CARD", "IBAN_CODE", "PHONE_NUMBER", "US_SSN")
    for entity in ("CREDIT_CARD", "IBAN_CODE", "PHONE_NUMBER", "US_SSN"):
        assert [each for each in both if each[0] == entity] == named(text, entity) != []
