"""A rule's own lists and patterns: what they find, what they let pass, and what is refused when the policy is loaded."""

from __future__ import annotations

import re
from typing import Any

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.checks import CATALOGUE
from proxy.checks.allowed import FOLDED, REACH
from proxy.checks.backtracking import bounded
from proxy.checks.listed import listed
from proxy.core import Finding, Segment
from proxy.errors import ExpressionError, PolicyError
from proxy.policy import Rule, parse
from tests.examples import examples

POLICY = """policy: own
description: Words and numbers of ours.
rules:
  - id: ours
    description: None.
    check: custom
    with:
OPTIONS
    direction: prompt
    action: block
"""
OURS = """      patterns:
        - {entity: BADGE, pattern: 'E-\\d{6}', score: 0.3, context: [employee, staff pass]}
        - {entity: MEMBER, pattern: '\\d{4}-\\d{4}', validation: luhn}
      deny:
        - {entity: PROJECT, words: [Bluebird, "Project  X"]}
      allow: [e-000000]
      allow_patterns: ['project y']"""


def rule(options: str) -> Rule:
    """The rule of a policy with these options."""
    return parse(POLICY.replace("OPTIONS", options), "own.yaml", CATALOGUE).rules[0]


def check(options: str) -> Any:
    """The check of that rule, as the engine has it."""
    made = rule(options)
    return CATALOGUE["custom"].build(made.options, made.categories, made.variant)


def found(options: str, text: str) -> list[Finding]:
    """What the rule's check finds in a text."""
    [report] = check(options)([Segment(text, "user")])
    assert report.failures == []
    return list(report.findings)


def rows(findings: list[Finding], text: str) -> list[tuple[str, str, float]]:
    return [(f.category, text[f.start : f.end], f.score) for f in findings]


def test_a_rule_finds_what_its_patterns_and_lists_say() -> None:
    """Scored by context, validated by name, whole words in any case, and without what is allowed."""
    text = "employee e-123456, staff pass: E-654321; so E-777777, E-000000; 0000-0018 0000-0019; project x, BLUEBIRD, bluebirds"
    seen = found(OURS, text)
    assert rows(seen, text) == [
        ("BADGE", "e-123456", 0.65),
        ("BADGE", "E-654321", 0.65),
        ("BADGE", "E-777777", 0.65),
        ("MEMBER", "0000-0018", 0.5),
        ("PROJECT", "project x", 1.0),
        ("PROJECT", "BLUEBIRD", 1.0),
    ]
    assert {f.family for f in seen} == {"custom"}


def test_a_pattern_without_a_word_for_it_keeps_its_score() -> None:
    """What the rule says it is worth."""
    text = "number E-777777"
    assert rows(found(OURS, text), text) == [("BADGE", "E-777777", 0.3)]


def test_what_an_expression_allows_as_a_whole_passes() -> None:
    """Not what only contains it."""
    options = OURS.replace('"Project  X"', "Project X, Project Y, Project Y2")
    text = "project y and project y2"
    assert [row[1] for row in rows(found(options, text), text)] == ["project y2"]


def test_capitals_may_have_to_be_as_written() -> None:
    """In lists and in patterns."""
    options = """      deny: [{entity: TEAM, words: [IT], case_sensitive: true}]
      patterns: [{entity: BADGE, pattern: 'E-\\d{6}', case_sensitive: true}]"""
    text = "it asks IT about e-123456 or E-123456"
    assert [row[1] for row in rows(found(options, text), text)] == ["IT", "E-123456"]


def test_a_rule_is_about_the_entities_that_it_names() -> None:
    """Left out, all of them are meant; a name that nothing in the rule has is refused."""
    assert rule(OURS).categories == {"BADGE", "MEMBER", "PROJECT"}
    assert rule(OURS + "\n      entities: [BADGE]").categories == {"BADGE"}
    assert rule(OURS).variant != rule(OURS.replace("0.3", "0.4")).variant
    told = "expected entities that deny or patterns name, PROJECT, BADGE, MEMBER; not CARD"
    assert told in refused(OURS + "\n      entities: [CARD]")


def test_a_long_list_is_found_word_by_word() -> None:
    """In several expressions, the longer word before its beginning."""
    words = [f"codename{i}" for i in range(1500)]
    text = "about codename7, codename1499 and codename 7, not codename1500 or xcodename7"
    listed_words = f"      deny: [{{entity: PROJECT, words: [{', '.join(words)}]}}]"
    assert [row[1] for row in rows(found(listed_words, text), text)] == ["codename7", "codename1499"]


def test_scripts_without_spaces_need_no_edges() -> None:
    """A word of Chinese, Japanese or Arabic is found where it touches others; one of letters with capitals is not."""
    options = "      deny: [{entity: PROJECT, words: [蓝鸟, プロジェクト, Синица]}]"
    text = "关于蓝鸟的事。新プロジェクトです。Синица, Синицами"
    assert [row[1] for row in rows(found(options, text), text)] == ["蓝鸟", "プロジェクト", "Синица"]


def test_a_finding_is_explained_by_its_place_in_the_rule() -> None:
    """The list's words are not repeated."""
    [badge, project] = found(OURS, "employee E-777777 in project x")
    assert dict(badge.detail) == {"entry": "patterns[0]", "context": "employee"}
    assert dict(project.detail) == {"entry": "deny[0]"}


def test_a_stream_finds_what_the_whole_holds() -> None:
    """Character by character, with words that are longer than what has come."""
    text = "our Project \n X is no project y, but E-123456 is staff of bluebird"
    made, seen = check(OURS), list[Finding]()
    watch = made.watch("assistant")
    for number, char in enumerate(text):
        seen += watch.push(char, end=number == len(text) - 1).findings
    assert seen == found(OURS, text)
    assert [f.category for f in seen] == ["PROJECT", "BADGE", "PROJECT"]


def refused(options: str) -> str:
    with pytest.raises(PolicyError) as raised:
        rule(options)
    return raised.value.problems[0].message


REFUSED = {
    "'('": "not a regular expression",
    r"'\d+'": "it has no end",
    r"'a{1,600}'": "it has no end, or one behind 512 characters",
    r"'(a{1,20}){1,20}'": "ways at one place",
    r"'(a|ab|b){30}x'": "ways at one place",
    r"'(\w{1,30}\s?){1,10}!'": "ways at one place",
    r"'x{0,3}'": "matches nothing at all",
    r"'a(?=[^!]{1,400}!)'": "it looks more than 120 characters ahead or back",
    r"'(?P<a>[a-z]{1,9}){1,2}(?P=a)(?:\w|[^a-z]{1,9}){9}'": "ways at one place",
    "'" + r"(?:\w\d){0,40}" * 12 + "x'": "has no end",
}


@pytest.mark.parametrize("pattern", REFUSED)
def test_a_bad_expression_is_refused_at_its_place(pattern: str) -> None:
    """With line, column and what to do, when the policy is loaded."""
    with pytest.raises(PolicyError) as raised:
        rule(f"      patterns:\n        - {{entity: BADGE, pattern: {pattern}}}")
    [problem] = raised.value.problems
    assert (problem.line, problem.column) == (9, 36)
    assert REFUSED[pattern] in problem.message
    with pytest.raises(PolicyError):
        rule(f"      deny: [{{entity: X, words: [y]}}]\n      allow_patterns: [{pattern}]")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("      allow: [x]", "there is nothing to look for"),
        ("      patterns: [{entity: badge, pattern: 'x'}]", "badge"),
        ("      patterns: [{entity: BADGE, pattern: 'x', validation: crc}]", "crc"),
        ("      patterns: [{entity: BADGE, pattern: 'x', score: 2}]", "2"),
        ("      deny: [{entity: BADGE, words: []}]", "words"),
        ("      deny: [{entity: BADGE, words: [' ']}]", "expected a word"),
        ("      deny: [{entity: BADGE, word: [x]}]", "unknown key 'word'"),
    ],
)
def test_options_that_mean_nothing_are_refused(options: str, message: str) -> None:
    """Nothing to look for, a bad name, an unknown validation, a score beyond 1, an empty list."""
    with pytest.raises(PolicyError) as raised:
        rule(options)
    assert any(message in f"{problem.path} {problem.message}" for problem in raised.value.problems)


GOOD = (
    r"E-\d{6}",
    r"[a-z]{1,60}@[a-z]{1,60}\.example",
    r"(?:\d{1,3}\.){3}\d{1,3}",
    r"(?<!\d)\d{3}(?:[ -]?\d{3}){2}(?!\d)",
    r"(?:AB|CD)\d{2,8}x",
    r"[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}",
    r"^Ticket: [A-Z]{2,5}-\d{1,6}$",
)


@pytest.mark.parametrize("pattern", GOOD)
def test_an_ordinary_expression_is_taken(pattern: str) -> None:
    """Repeats with an end that little else runs into."""
    bounded(pattern, FOLDED, REACH)


parts = st.sampled_from(("a", "b", "[ab]", r"\w", "(?:a|ab)", "(?:a{1,9}b?)", "a{1,30}", r"\w{0,40}", "(?:a{1,5}){1,5}", "."))
sources = st.lists(parts, min_size=1, max_size=4).map("".join)


@settings(max_examples=examples(60), deadline=None)
@given(source=sources)
def test_what_is_taken_is_fast(source: str) -> None:
    """On a text that begins to match everywhere and never ends: no more work than the ways allowed at each place."""
    try:
        bounded(source + "!", FOLDED, REACH)
    except ExpressionError:
        return
    assert regex.compile(source + "!", FOLDED).search("ab" * 50, timeout=5) is None


words = st.lists(st.text("abAB .-蓝", min_size=1, max_size=5).filter(str.strip), min_size=1, max_size=30)


@settings(max_examples=examples(60), deadline=None)
@given(words=words, text=st.text("abAB .-蓝", max_size=40))
def test_a_list_finds_each_of_its_words(words: list[str], text: str) -> None:
    """All together, where one of them alone is found, something is found, and what is found is one of them."""
    together = [regex.compile(part.pattern, FOLDED) for part in listed(words)]
    alone = [regex.compile(part.pattern, FOLDED) for word in words for part in listed([word])]
    starts = {match.start() for one in alone for match in one.finditer(text, overlapped=True)}
    assert {match.start() for one in together for match in one.finditer(text, overlapped=True)} == starts
    folded = {" ".join(word.split()).lower() for word in words}
    assert all(re.sub(r"\s+", " ", match[0]).lower() in folded for one in together for match in one.finditer(text))
