"""The screen and what stands behind it: what is found does not depend on how a text is cut, nor on Hyperscan."""

from __future__ import annotations

import functools
import operator
from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise

import pytest
import regex
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from proxy.checks import credentials, pii
from proxy.checks.credential_kinds import CATEGORIES
from proxy.checks.expression import folds
from proxy.checks.screen import BLOCK, PatternCheck, Screened
from proxy.core import Finding, Segment
from tests.examples import examples

ENTITIES = (
    "4111 1111 1111 1111", "4111-1111-1111-1111", "378282246310005", "4111111111111112", "5555 5555 5555 4444",
    "GB29 NWBK 6016 1331 9268 19", "DE89370400440532013000", "DE89 3704 0044 0532 0130 00",
    "FR1420041010050500013M02606",
    "+1 (415) 555-2671 ext. 123", "+49 30 901820", "(0) 20 7946 0958", "020 7946 0958 x12", "212-555-0123",
    "+44 20 7946 0958;ext=9",
    "jane.doe@example.com", "a@b.co", "e\u0301va@exa\u0301mple.org", "x@sub-domain.example.co.uk", "\u017fam@example.com",
    "536-90-4399", "536904399", "912-70-1234", "943 476 5919", "9434765919", "2024-01-31",
    "01/31/2024 08:30", "31.12.1999", "10-DEC-99",
    "2024-05-06T07:08:09.123Z", "2012-01-02 08:15", "192.168.0.1", "10.0.0.1/24", "2001:db8::1", "::1",
    "fe80::1%eth0", "::ffff:1.2.3.4",
    "https://example.com/a?b=c", '"https://example.com"', "www.example.org", "example.museum/path", "http://a.io",
    "16Yeky6GMjeNkAiNcBY7ZhrLoMSgg1BoyZ", "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq", "00:1B:44:11:3A:B7", "001b.4411.3ab7",
    "550e8400-e29b-41d4-a716-446655440000", "BB1388568", "A1234567", "H12345678", "164 5", "1690", "12345678901", "C03005988",
    "AKIAQYLPMN5HHHFPZAM2", "ghp_1234567890abcdefghijABCDEFGHIJklmnop", "sk-proj-aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5zA7b",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJlLXNpZ25hdHVyZQ", "password=hunter2!Zq", "password : 'Xk9#mQ2$vL'",
    "api_key = 9f8e7d6c5b4a39281706f5e4d3c2b1a0", "postgres://svc:Zx81kQpL0@db.example:5432/app",
    "Authorization: Bearer aB3dE5fG7hI9jK1lM3nO",
    "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nBKcwggSjAgEAAoIBAQ==\n-----END PRIVATE KEY-----",
)  # fmt: skip  # a list of examples reads better in rows
WORDS = (
    "the", "phone", "call", "card", "credit", "email", "ssn", "social security", "iban", "passport",
    "number", "licence", "bank", "is",
    "and", "ext", "x", "T", "Z", "password", "secret", "token", "http", "www", "AM", "2024", "12", "08:30",
    ":45", "v1.2.3", "größe",
)  # fmt: skip  # the same
ODD = (
    "\u0301", "\u200d", "\ufe0f", "😀", "𝔘", "٣٤٥٦٧٨٩", "٠١", "４１１１", "\u00a0", "\u3000", "\u2009", "ſ", "K",
    "İ", "ı", "²", "½", "日本語",
    "पासवर्ड", "пароль", "\x00", "\x1c", "\x1f", "\ufffd", "\u2028", "ß", "Ǆ",
)  # fmt: skip  # the same
SIGNS = (
    "",
    " ",
    "  ",
    "\n",
    "\r\n",
    "\t",
    ".",
    ",",
    ", ",
    ": ",
    "-",
    "--",
    "/",
    "(",
    ")",
    "'",
    '"',
    "<",
    "@",
    ":",
    ";",
    "=",
    "_",
    "+",
    "#",
    "\\",
)

pieces = st.one_of(
    st.sampled_from(ENTITIES),
    st.sampled_from(ENTITIES).flatmap(lambda entity: st.integers(1, len(entity)).map(lambda cut: entity[:cut])),
    st.sampled_from(WORDS),
    st.sampled_from(ODD),
    st.text(max_size=6),
    st.text("0123456789 -.", min_size=1, max_size=30),
    st.text("abcAKIeyJ019_.@-+/=", min_size=1, max_size=40),
    st.builds(
        operator.mul,
        st.sampled_from(("a", "1", "1 ", "a@", "a.", "x9", "é", "-", "A1B2 ", "日")),
        st.sampled_from((5, 40, 130, 600)),
    ),
)
texts = st.lists(st.tuples(pieces, st.sampled_from(SIGNS)).map("".join), max_size=14).map("".join)
spaced = st.lists(st.one_of(st.sampled_from(ENTITIES), st.sampled_from(WORDS)), max_size=25).map(" ".join)
EVERY = (*pii.DEFAULTS, "DATE_TIME", "URL", "UUID", "IP_ADDRESS", "MAC_ADDRESS", "UK_NHS")
cuts = st.lists(st.integers(0, 4000), max_size=12)
sizes = st.sampled_from((1, 1, 2, 3, 5, 8, 13, 64, 500))


@functools.cache
def guard(kinds: str, *, hyperscan: bool = True) -> Screened:
    """The checks that a test is about, built once."""
    checks: list[PatternCheck] = []
    if kinds != "secrets":
        checks.append(pii.Pii({"few": ("PHONE_NUMBER", "US_SSN"), "mail": ("EMAIL_ADDRESS",)}.get(kinds, EVERY)))
    if kinds in ("secrets", "all"):
        checks.append(credentials.Secrets(credentials.SecretsOptions(), CATEGORIES))
    return Screened(checks, hyperscan=hyperscan)


def shown(findings: Iterable[Finding]) -> list[tuple[str, str, float, int, int]]:
    """Findings in an order of their own."""
    return sorted((f.check, f.category, f.score, f.start, f.end) for f in findings)


def plain(check: Screened, text: str) -> list[tuple[str, str, float, int, int]]:
    """What the checks find in the whole text, without any screen."""
    found = [(one.reach, finding) for one in check.checks for finding in one.confirm(text, list(one.expressions))]
    return shown(finding for reach, finding in found if finding.end - finding.start <= reach)


def streamed(check: Screened, chunks: Sequence[str]) -> list[Finding]:
    """What a watch reports of a text in chunks; fails where it takes back what it has settled."""
    watch, settled, fed = check.watch("assistant"), 0, 0
    seen: list[Finding] = []
    for number, chunk in enumerate(chunks):
        report = watch.push(chunk, end=number == len(chunks) - 1)
        fed += len(chunk)
        assert not report.failures
        assert settled <= report.settled <= fed
        assert all(finding.start >= settled for finding in report.findings)
        assert all(finding.start < report.settled for finding in report.findings)
        seen += report.findings
        settled = report.settled
    assert settled == fed
    return seen


def chopped(text: str, size: int) -> list[str]:
    return [text[i : i + size] for i in range(0, len(text), size)] or [""]


def cut_at(text: str, places: Collection[int]) -> list[str]:
    edges = [0, *sorted(min(place, len(text)) for place in places), len(text)]
    return [text[a:b] for a, b in pairwise(edges)]


QUICK = settings(max_examples=examples(60), suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
TRICKY = (
    "a" * 700 + "@b.com and jane@example.com",
    "1 " * 400 + "212-555-0123",
    "call 212-555-0123 08:30 or 2012-01-02 08:15",
    "my e\u0301va@exa\u0301mple.org",
    "credit " + "x" * 130 + " 4111 1111 1111 1111",
    "phone number" + " " * 200 + "212-555-0123",
    "DE89 3704 0044 0532 0130 00 2 days ago",
    "日本語" * 900 + " jane@example.com",
)


@pytest.mark.slow
@pytest.mark.parametrize("kinds", ["all", "few", "mail", "secrets"])
@QUICK
@given(text=st.one_of(texts, spaced), places=cuts, size=sizes)
def test_a_stream_finds_what_the_whole_holds(kinds: str, text: str, places: list[int], size: int) -> None:
    """Findings are the same for any way to cut a text, and none is taken back or repeated."""
    check = guard(kinds)
    [whole] = check([Segment(text, "assistant")])
    expected = shown(whole.findings)
    assert expected == plain(check, text)
    assert shown(streamed(check, cut_at(text, places))) == expected
    assert shown(streamed(check, chopped(text, max(size, len(text) // 60)))) == expected


@pytest.mark.slow
@pytest.mark.parametrize("text", TRICKY)
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_hard_text_streams_as_it_is(text: str, size: int) -> None:
    """Long runs, long matches, lookaheads and accents come out of a stream as out of the whole."""
    check = guard("all")
    assert shown(streamed(check, chopped(text, size))) == plain(check, text)


@pytest.mark.slow
@settings(QUICK, max_examples=examples(25))
@given(text=st.one_of(texts, spaced), size=sizes)
def test_without_hyperscan_the_findings_are_the_same(text: str, size: int) -> None:
    """The slower way finds the same, whole and streamed."""
    fast, slow = guard("all"), guard("all", hyperscan=False)
    assert shown(slow.whole(text).findings) == shown(fast.whole(text).findings)
    assert shown(streamed(slow, chopped(text, max(size, len(text) // 25)))) == shown(fast.whole(text).findings)


@settings(QUICK, max_examples=examples(10))
@given(
    parts=st.lists(st.one_of(texts, spaced), min_size=1, max_size=4), filler=st.sampled_from(("a word. ", "日本語。", "1 2 3 "))
)
@pytest.mark.slow
def test_a_long_text_is_read_in_blocks_as_in_one_piece(parts: list[str], filler: str) -> None:
    """A text beyond the size of a block is found in as if it were confirmed at once."""
    text = (filler * (2 * BLOCK // len(filler) // len(parts) + 1)).join(["", *parts])
    assert len(text) > 2 * BLOCK
    assert shown(guard("all").whole(text).findings) == plain(guard("all"), text)


@pytest.mark.slow
@QUICK
@given(text=st.one_of(texts, spaced))
@example("e\u0301va@exa\u0301mple.org")
@example("\u0301va@example.org")
@example("a\x1cb@example.org")
def test_the_screen_misses_nothing(text: str) -> None:
    """Where an expression of a recognizer matches, the screen names its key."""
    check = guard("all")
    named = {key.key for key in check.screen.candidates(folds(text))}
    assert {finding.category for finding in check.checks[1].confirm(text, CATEGORIES)} <= named
    for key, recognizer in pii_of(check).recognizers.items():
        found = recognizer.analyze(text=text, entities=recognizer.supported_entities, nlp_artifacts=None)
        assert not found or key in named


@pytest.mark.slow
@settings(QUICK, max_examples=examples(40))
@given(text=st.one_of(texts, spaced), place=st.integers(0, 600))
def test_what_may_become_a_match_is_held(text: str, place: int) -> None:
    """Where a text ends within a match of an expression, all of the match that has come is open."""
    place = min(place, len(text))
    check = guard("pii")
    opening = check.screen.open(folds(text[:place])).match
    slow = guard("pii", hyperscan=False).screen.open(folds(text[:place])).match
    for pattern, flags in spelled(pii_of(check)):
        for match in regex.compile(pattern, flags).finditer(text):
            if match.start() < place < match.end():
                assert opening >= place - match.start()
                assert slow >= place - match.start()


def pii_of(check: Screened) -> pii.Pii:
    [one] = [one for one in check.checks if isinstance(one, pii.Pii)]
    return one


def spelled(check: pii.Pii) -> list[tuple[str, int]]:
    """Presidio's own patterns."""
    return [(p.regex, r.global_regex_flags) for r in check.recognizers.values() for p in getattr(r, "patterns", ())]
