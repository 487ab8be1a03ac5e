"""Personal data: what Presidio finds is found, no more and no less; nothing of a text gets into a log."""

from __future__ import annotations

import functools
import logging
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from proxy.checks import pii
from proxy.checks.screen import CONTEXT, Screened
from proxy.core import Finding, Segment

SAMPLES = {
    "CREDIT_CARD": ("my card is 4111 1111 1111 1111 thanks", "4111 1111 1111 1112"),
    "CRYPTO": ("send to 16Yeky6GMjeNkAiNcBY7ZhrLoMSgg1BoyZ", "16Yeky6GMjeNkAiNcBY7ZhrLoMSgg1BoyX"),
    "DATE_TIME": ("on 2024-01-31 we met", "on 2024-13-51 we met"),
    "EMAIL_ADDRESS": ("write to jane.doe@example.com", "write to jane.doe@example.invalidtld"),
    "IBAN_CODE": ("pay GB29 NWBK 6016 1331 9268 19 now", "pay GB28 NWBK 6016 1331 9268 19 now"),
    "IP_ADDRESS": ("host 192.168.0.1 is up", "host 192.168.0.256 is up"),
    "MAC_ADDRESS": ("nic 00:1B:44:11:3A:B7", "nic 00:1B:44:11:3A:G7"),
    "MEDICAL_LICENSE": ("certificate BB1388568", "certificate BB1388569"),
    "PHONE_NUMBER": ("call +1 (415) 555-2671", "call +1 (415) 555-26"),
    "UK_NHS": ("nhs 943 476 5919", "nhs 943 476 5918"),
    "URL": ("see https://example.com/a", "see https://localhost/a"),
    "US_BANK_NUMBER": ("bank account 945456787654", "bank account 9454567"),
    "US_DRIVER_LICENSE": ("driver license H12345678", "driver license H"),
    "US_ITIN": ("itin 912-70-1234", "itin 912-20-1234"),
    "US_PASSPORT": ("passport A12345678", "passport AB12345"),
    "US_SSN": ("ssn 536-90-4399", "ssn 000-90-4399"),
    "UUID": ("id 550e8400-e29b-41d4-a716-446655440000", "id 550e8400-e29b-41d4-a716-44665544000"),
}
WORDS = (
    "phone",
    "call me",
    "my card",
    "ssn:",
    "IBAN",
    "passport",
    "account#",
    "e-mail",
    "the",
    "and",
    "tax id",
    "12",
    "2024",
    "(",
    ",",
    "\n",
    "é",
)
fragments = st.one_of(
    st.sampled_from([text for pair in SAMPLES.values() for text in pair]),
    st.sampled_from([text.rsplit(" ", 1)[-1] for pair in SAMPLES.values() for text in pair]),
    st.sampled_from(WORDS),
    st.text("0123456789-. ", min_size=3, max_size=16),
    st.text(max_size=5),
)


@functools.cache
def everything() -> pii.Pii:
    return pii.Pii(pii.ENTITIES)


@functools.cache
def presidio() -> Any:
    """Presidio's own engine, with the same recognizers and the same words."""
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.recognizer_registry import RecognizerRegistry

    registry = RecognizerRegistry(recognizers=list(everything().recognizers.values()))
    return AnalyzerEngine(registry=registry, nlp_engine=pii.language_engine(), supported_languages=["en"])


@functools.cache
def guard() -> Screened:
    return Screened([everything()])


@functools.cache
def usual() -> Screened:
    return Screened([pii.Pii(pii.DEFAULTS)])


def guarded(text: str, check: Screened | None = None) -> list[Finding]:
    [report] = (check or guard())([Segment(text, "user")])
    return list(report.findings)


def rows(findings: list[Finding]) -> list[tuple[str, int, int, float]]:
    return sorted((f.category, f.start, f.end, f.score) for f in findings)


@pytest.mark.slow
@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow])
@given(parts=st.lists(fragments, max_size=3))
@example(parts=["my phone number is 212-555-0123 and my card 4111 1111 1111 1111"])
def test_short_texts_give_what_presidios_engine_gives(parts: list[str]) -> None:
    """Entities, spans and scores are those of AnalyzerEngine with the same recognizers, where context is not cut."""
    text = " ".join(parts)[:CONTEXT]
    expected = sorted((r.entity_type, r.start, r.end, round(r.score, 4)) for r in presidio().analyze(text, "en"))
    assert rows(guarded(text)) == expected


def test_words_speak_for_a_match_only_from_within_the_context() -> None:
    """The one difference to Presidio: of the five words before a match, those count that begin within CONTEXT characters."""
    near, far = "credit " + "x" * 80 + " 4111-1111-1111-1112", "passport " + "x" * CONTEXT + " A12345678"
    assert rows(guarded(near)) == sorted((r.entity_type, r.start, r.end, r.score) for r in presidio().analyze(near, "en"))
    [(_, _, _, score)] = [row for row in rows(guarded(far)) if row[0] == "US_PASSPORT"]
    [theirs] = [r.score for r in presidio().analyze(far, "en") if r.entity_type == "US_PASSPORT"]
    assert score < theirs


@pytest.mark.parametrize("entity", pii.ENTITIES)
def test_every_entity_has_a_hit_and_a_near_miss(entity: str) -> None:
    """A rule on the entity alone finds its sample, and nothing in what is nearly one."""
    hit, miss = SAMPLES[entity]
    check = Screened([pii.Pii({entity})])
    assert {finding.category for finding in guarded(hit, check)} == {entity}
    assert guarded(miss, check) == []


def test_findings_are_of_the_entities_asked_for() -> None:
    """A check for some entities is silent on the others, and carries its variant."""
    [finding] = guarded("jane@example.com 4111 1111 1111 1111", Screened([pii.Pii({"EMAIL_ADDRESS"}, "v")]))
    assert finding == Finding("pii", "privacy", "EMAIL_ADDRESS", 1.0, 0, 16, "v")


class Kept(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@pytest.fixture
def kept() -> Iterator[Kept]:
    """A handler of the root logger that sees every level."""
    root, handler = logging.getLogger(), Kept()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler
    root.removeHandler(handler)
    root.setLevel(level)


def test_no_text_gets_into_a_log(kept: Kept, capfd: pytest.CaptureFixture[str]) -> None:
    """Whatever is found, the root logger, at its most talkative, and the terminal hear nothing of it."""
    logging.getLogger("test").debug("heard")
    for hit, miss in SAMPLES.values():
        guarded(f"{hit}, {miss}")
    assert kept.lines == ["heard"]
    assert capfd.readouterr() == ("", "")


def test_nothing_is_asked_of_the_network() -> None:
    """Domains are validated by the list in the package: a check that is new and asked works where no socket can be made."""
    source = (
        "import socket\n"
        "def refuse(*a, **k): raise OSError('no network')\n"
        "socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse\n"
        "from proxy.checks import pii\n"
        "import sys\n"
        "found = pii.Pii({'EMAIL_ADDRESS', 'URL'}).confirm('jane@example.co.uk', pii.Pii({'EMAIL_ADDRESS'}).expressions)\n"
        "assert [f.category for f in found] == ['EMAIL_ADDRESS'], found\n"
        "assert 'torch' not in sys.modules\n"
        "import importlib.util\n"
        "importlib.util.find_spec('torch')\n"
    )
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("text", ["a", "1", "@", "1 ", "a@", "\n", "1-", "a.", "A1 ", "1.", "::", "日"])
def test_a_hostile_text_is_read_to_its_end(text: str) -> None:
    """A long run takes no time that grows with its square, in which Presidio would give up, and what is behind it is found."""
    found = guarded(text * (20_000 // len(text)) + " \n jane@example.com", usual())
    assert "EMAIL_ADDRESS" in {finding.category for finding in found}


@pytest.mark.parametrize("between", ["\u00a0", "  ", "\n", ".", "\u2013", "\u200b", "_", "/", "\u00ad", "-", " "])
def test_a_card_is_found_however_its_groups_are_kept_apart(between: str) -> None:
    """As it is pasted from a table or a letter; with a wrong check digit it is none."""
    check = Screened([pii.Pii(["CREDIT_CARD"])])
    card = between.join(["4111", "1111", "1111", "1111"])
    assert [(f.start, f.end, f.score) for f in check.whole(f"Pay {card} now").findings] == [(4, 4 + len(card), 1.0)]
    assert check.whole(f"Pay {card[:-1]}2 now").findings == []


def test_a_column_of_years_is_no_card() -> None:
    """Though one in ten such columns passes the checksum of cards."""
    check = Screened([pii.Pii(["CREDIT_CARD"])])
    assert [f for year in range(1900, 2090) for f in check.whole("\n".join(str(year + i) for i in range(4))).findings] == []


def test_a_word_that_ends_like_a_hint_is_none() -> None:
    """Headphones are not phones."""
    check = Screened([pii.Pii(["PHONE_NUMBER"])])
    assert [f.score for f in check.whole("Headphones, product 6992792935").findings] == [0.4]
    assert [f.score for f in check.whole("Phones: 6992792935").findings] == [0.75]


def test_a_long_list_of_numbers_is_read() -> None:
    """Though it is one run of digits and signs, longer than any number."""
    check = Screened([pii.Pii(["PHONE_NUMBER"])])
    numbers = " ".join(f"415-555-{2600 + i}" for i in range(60))
    assert len(check.whole(f"Call {numbers}.").findings) == 60
