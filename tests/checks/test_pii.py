"""Personal data: what Presidio finds is found, scored by the words around it; nothing of a text gets into a log."""

from __future__ import annotations

import dataclasses
import functools
import logging
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from proxy.checks import CATALOGUE, overlaps, pii, recognizers
from proxy.checks.screen import CONTEXT, Screened
from proxy.core import Finding, Segment
from proxy.errors import PolicyError
from proxy.policy import parse
from tests.examples import examples, thorough

SAMPLES = {
    "ABA_ROUTING_NUMBER": ("routing number 121000358", "routing number 121000359"),
    "AU_ABN": ("abn 51 824 753 556", "abn 51 824 753 557"),
    "AU_ACN": ("acn 000 000 019", "acn 000 000 018"),
    "AU_MEDICARE": ("medicare 2123 45670 1", "medicare 2123 45671 1"),
    "AU_TFN": ("tfn 876 543 210", "tfn 876 543 211"),
    "CA_POSTAL_CODE": ("postal code K1A 0B1", "postal code D1A 0B1"),
    "CA_SIN": ("social insurance 130-692-544", "social insurance 130-692-54"),
    "DE_BSNR": ("Betriebsstättennummer 021234568", "Betriebsstättennummer 02123456"),
    "DE_FUEHRERSCHEIN": ("Führerschein BO12345678A", "Führerschein BO1234567A"),
    "DE_HANDELSREGISTER": ("Handelsregister HRB 12345", "Handelsregister HRC 12345"),
    "DE_HEALTH_INSURANCE": ("Versichertennummer A123456780", "Versichertennummer A123456781"),
    "DE_ID_CARD": ("Personalausweis T22000129", "Personalausweis 22000129"),
    "DE_KFZ": ("Kennzeichen M-AB 1234", "Kennzeichen M-AB 12345"),
    "DE_LANR": ("Arztnummer 123456601", "Arztnummer 12345660"),
    "DE_PASSPORT": ("Reisepass C01X00T41", "Reisepass A01X00T41"),
    "DE_PLZ": ("PLZ 10115", "PLZ 1011"),
    "DE_SOCIAL_SECURITY": ("Rentenversicherungsnummer 65170839J003", "Rentenversicherungsnummer 65170839J004"),
    "DE_TAX_ID": ("Steuer-ID 86095742719", "Steuer-ID 86095742710"),
    "DE_TAX_NUMBER": ("Steuernummer 181/815/08155", "Steuernummer 181-815-08155"),
    "DE_VAT_ID": ("USt-IdNr DE136695976", "USt-IdNr DE13669597"),
    "ES_NIE": ("NIE Z8078221M", "NIE Z8078221N"),
    "ES_NIF": ("DNI 55555555K", "DNI 55555555L"),
    "ES_PASSPORT": ("pasaporte AAA123456", "pasaporte AAA12345"),
    "FI_PERSONAL_IDENTITY_CODE": ("hetu 010594Y9032", "hetu 010594Y9031"),
    "AGE": ("my daughter is 12 years old", "a loan that runs 12 years"),
    "STREET_ADDRESS": ("send it to 7557 Alder Lane, Fairview, GA 37257", "the road is 20 minutes long"),
    "FR_NIR": ("NIR 2 69 05 49 588 157 80", "NIR 2 69 05 49 588 157 81"),
    "IN_AADHAAR": ("aadhaar 312345678909", "aadhaar 312345678908"),
    "IN_GSTIN": ("gstin 27AAPFU0939F1ZV", "gstin 27AAPFU0939F1XV"),
    "IN_PAN": ("pan AAASA1111R", "pan AAASA111RR"),
    "IN_PASSPORT": ("passport A3456781", "passport A0456780"),
    "IN_VEHICLE_REGISTRATION": ("vehicle KA53ME3456", "vehicle K53ME3456"),
    "IN_VOTER": ("voter KSD1287349", "voter KSD128734"),
    "IT_DRIVER_LICENSE": ("patente AA0123456B", "patente AA012345B"),
    "IT_FISCAL_CODE": ("codice fiscale AAAAAA00B11C333N", "codice fiscale AAAAAA00B11C333"),
    "IT_IDENTITY_CARD": ("carta AA 1234567", "carta AA 123456"),
    "IT_PASSPORT": ("passaporto AA1234567", "passaporto AA123456"),
    "IT_VAT_CODE": ("partita iva 01333550323", "partita iva 01333550322"),
    "KR_BRN": ("사업자등록번호 104-81-32569", "사업자등록번호 104-81-32562"),
    "KR_DRIVER_LICENSE": ("운전면허 11-22-333333-44", "운전면허 11-22-33333-44"),
    "KR_FRN": ("외국인등록번호 900101-5234567", "외국인등록번호 901301-5234567"),
    "KR_PASSPORT": ("여권 M123A4567", "여권 M123A456"),
    "KR_RRN": ("RRN 960121-1234567", "RRN 961321-1234567"),
    "NG_NIN": ("nin 12345678918", "nin 1234567891"),
    "NG_VEHICLE_REGISTRATION": ("plate number ABC-123DE", "plate number ABC-12DE"),
    "NL_BSN": ("BSN 111222333", "BSN 111222334"),
    "PH_PASSPORT": ("passport P1234567A", "passport P123456A"),
    "PH_TIN": ("tin 123-456-782-000", "tin 123-456-789-000"),
    "PH_UMID": ("umid 0111-2345678-9", "umid 0111-234567-9"),
    "PL_PESEL": ("PESEL 44051401359", "PESEL 44051401358"),
    "SE_ORGANISATIONSNUMMER": ("organisationsnummer 556703-7485", "organisationsnummer 556703-7486"),
    "SE_PERSONNUMMER": ("personnummer 811218-9876", "personnummer 811218-9875"),
    "SG_NRIC_FIN": ("nric S2740116C", "nric S274011C"),
    "SG_UEN": ("uen 53125226D", "uen 53125226E"),
    "TH_TNIN": ("TNIN 1101700230708", "TNIN 1101700230700"),
    "TR_LICENSE_PLATE": ("plaka 34 ABC 123", "plaka 99 ABC 123"),
    "TR_NATIONAL_ID": ("tc kimlik 10000000146", "tc kimlik 10000000147"),
    "UK_DRIVING_LICENCE": ("driving licence MORGA657054SM9IJ", "driving licence MORGA657954SM9IJ"),
    "UK_NINO": ("nino AA123456B", "nino BG123456B"),
    "UK_PASSPORT": ("passport AB1234567", "passport AB123456"),
    "UK_POSTCODE": ("postcode SW1A 1AA", "postcode SW1A 1A"),
    "UK_VEHICLE_REGISTRATION": ("number plate AB51 ABC", "number plate AB5 AB1"),
    "US_CLAIM_NUMBER": ("claim CLM-1234560", "claim form"),
    "US_HEALTH_INSURANCE_MEMBER_ID": ("member XQ123456789", "member XQ"),
    "US_MBI": ("medicare 1EG4-TE5-MK73", "medicare 1EG4-TE5-MK7"),
    "US_NPI": ("npi 1234567893", "npi 1234567890"),
    "US_PRESCRIPTION_NUMBER": ("rx 12345678", "rx 12345"),
    "US_PRIOR_AUTHORIZATION_NUMBER": ("prior authorization PA-1234567", "prior authorization PA-12345"),
    "US_PROVIDER_TAX_ID": ("billing provider tax id 12-3456789", "billing provider tax id 12-345678"),
    "US_REFERRAL_NUMBER": ("referral REF-1234567", "referral REF-12345"),
    "ZA_COMPANY_REGISTRATION": ("cipc 2019/123456/07", "cipc 2019/12345/07"),
    "ZA_DRIVER_LICENSE": ("driving licence 123456789ABC", "driving licence ABC"),
    "ZA_ID_NUMBER": ("id 8001015009087", "id 8001015009086"),
    "ZA_INCOME_TAX_NUMBER": ("sars 0001339050", "sars 000133905"),
    "ZA_LICENSE_PLATE": ("licence plate CA123GP", "licence plate CA123XX"),
    "ZA_PASSPORT": ("passport A12345678", "passport A1234567"),
    "ZA_TRAFFIC_REGISTER_NUMBER": ("trn 1234567890123", "trn 123456789012"),
    "ZA_VAT_NUMBER": ("vat 4123456782", "vat 5123456782"),
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


HERE = tuple(entity for entity, home in recognizers.HOMES.items() if home in ("us", recognizers.INTERNATIONAL))


@functools.cache
def everything() -> pii.Pii:
    return pii.Pii(HERE, locales=["us"])


@functools.cache
def presidio() -> Any:
    """Presidio's own engine, with the same recognizers."""
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import NoOpNlpEngine
    from presidio_analyzer.recognizer_registry import RecognizerRegistry

    registry = RecognizerRegistry(recognizers=list(everything().recognizers.values()))
    return AnalyzerEngine(
        registry=registry,
        nlp_engine=NoOpNlpEngine(models=[{"lang_code": "en", "model_name": "none"}]),
        supported_languages=["en"],
    )


@functools.cache
def guard() -> Screened:
    return Screened([everything()], hyperscan=thorough())


@functools.cache
def usual() -> Screened:
    return Screened([pii.Pii(pii.DEFAULTS)], hyperscan=thorough())


def guarded(text: str, check: Screened | None = None) -> list[Finding]:
    [report] = (check or guard())([Segment(text, "user")])
    return list(report.findings)


def rows(findings: list[Finding]) -> list[tuple[str, int, int, float]]:
    return sorted((f.category, f.start, f.end, f.score) for f in findings)


@pytest.mark.slow
@settings(max_examples=examples(80), suppress_health_check=[HealthCheck.too_slow])
@given(parts=st.lists(fragments, max_size=3))
@example(parts=["my phone number is 212-555-0123 and my card 4111 1111 1111 1111"])
def test_short_texts_give_what_presidios_engine_gives(parts: list[str]) -> None:
    """What AnalyzerEngine finds with the same recognizers, and nothing else, but for what lies within something else that rules
    it out; what it is worth is our own to say."""
    text = " ".join(parts)[:CONTEXT]
    theirs = [(r.entity_type, r.start, r.end) for r in presidio().analyze(text, "en")]
    ours = [(f.category, f.start, f.end) for f in guarded(text)]
    assert all(any(within(one, other) or ruled_out(one, other) for other in ours) for one in theirs)
    assert all(any(within(one, other) for other in theirs) for one in ours)


def within(one: tuple[str, int, int], other: tuple[str, int, int]) -> bool:
    """Whether one finding lies within another of the same entity."""
    return one[0] == other[0] and other[1] <= one[1] and one[2] <= other[2]


def ruled_out(one: tuple[str, int, int], other: tuple[str, int, int]) -> bool:
    """Whether one finding lies within another that may rule it out."""
    return overlaps.rivals(other[0], one[0]) and other[1] <= one[1] and one[2] <= other[2]


def test_words_speak_for_a_match_only_from_within_the_context() -> None:
    """Of the words before a match, those count that begin within CONTEXT characters."""
    check = Screened([pii.Pii(["US_PASSPORT"])], hyperscan=False)
    [near] = guarded("passport " + "x" * 80 + " A12345678", check)
    [far] = guarded("passport " + "x" * CONTEXT + " A12345678", check)
    assert (near.score, far.score) == (0.5, 0.1)


@pytest.mark.parametrize("entity", recognizers.ENTITIES)
def test_every_entity_has_a_hit_and_a_near_miss(entity: str) -> None:
    """A rule on the entity alone finds its sample, and nothing in what is nearly one."""
    hit, miss = SAMPLES[entity]
    check = Screened([pii.Pii({entity})], hyperscan=False)
    [finding] = guarded(hit, check)
    assert (finding.category, finding.score >= 0.5) == (entity, True)
    assert guarded(miss, check) == []


def test_findings_are_of_the_entities_asked_for() -> None:
    """A check for some entities is silent on the others, and carries its variant."""
    [finding] = guarded("jane@example.com 4111 1111 1111 1111", Screened([pii.Pii({"EMAIL_ADDRESS"}, "v")]))
    assert dataclasses.replace(finding, detail=()) == Finding("pii", "privacy", "EMAIL_ADDRESS", 1.0, 0, 16, "v")


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


@pytest.mark.slow
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


@pytest.mark.slow
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
    check = Screened([pii.Pii(["PHONE_NUMBER"])], hyperscan=thorough())
    assert [f.score for f in check.whole("Headphones, product 6992792935").findings] == [0.06]
    assert [f.score for f in check.whole("Phones: 6992792935").findings] == [0.55]


def test_a_long_list_of_numbers_is_read() -> None:
    """Though it is one run of digits and signs, longer than any number."""
    check = Screened([pii.Pii(["PHONE_NUMBER"])], hyperscan=thorough())
    numbers = " ".join(f"415-555-{2600 + i}" for i in range(60))
    assert len(check.whole(f"Call {numbers}.").findings) == 60


SCORES = {  # what stands before a match, and what the match is then worth
    "PHONE_NUMBER": {
        "+49 30 901820": 0.6,
        "(415) 555-2671": 0.5,
        "020 7946 0958": 0.5,
        "4155552671": 0.2,
        "call 4155552671": 0.55,
        '"home_phone": "4155552671': 0.55,
        "my number is 4155552671": 0.55,
        "order number 4155552671": 0.06,
        "my phone, for the order, 415-555-2671": 0.15,
        "S/N 415-555-2671": 0.15,
    },
    "US_PASSPORT": {"A12345678": 0.1, "passport A12345678": 0.5, "tell us A12345678": 0.45, "use A12345678": 0.1},
    "US_MBI": {"1EG4-TE5-MK73": 0.5, "version 1EG4-TE5-MK73": 0.15},
    "IP_ADDRESS": {"10.2.14.1": 0.6, "version 10.2.14.1": 0.18, "ip 10.2.14.1": 0.95, "clip 10.2.14.1": 0.6},
    "UK_NHS": {"943 476 5919": 0.45, "nhs 943 476 5919": 0.95, "national health service 943 476 5919": 0.95},
    "CREDIT_CARD": {"4111111111111111": 1.0, "order 4111111111111111": 1.0},
    "FR_NIR": {"269054958815780": 1.0},
}


@pytest.mark.parametrize("entity", SCORES)
def test_a_score_says_how_likely_a_match_is_one(entity: str) -> None:
    """By its form, its check digits, and the nearest word that says what it is, or that it is something else."""
    check = Screened([pii.Pii([entity])], hyperscan=False)
    assert {text: [f.score for f in guarded(text, check)] for text in SCORES[entity]} == {
        text: [score] for text, score in SCORES[entity].items()
    }


def test_a_finding_is_explained() -> None:
    """By the recognizer, its pattern, its validation and the word that spoke for it or against it; not by the text."""
    check = Screened([pii.Pii(["US_SSN", "CREDIT_CARD", "PHONE_NUMBER"])], hyperscan=False)
    found = guarded("my ssn: 536-90-4399, card 4111111111111111, order +14155552671", check)
    details = {f.category: dict(f.detail) for f in found}  # the last of each
    assert details["US_SSN"] == {"recognizer": "UsSsnRecognizer", "pattern": "SSN5 (medium)", "context": "ssn"}
    assert {"recognizer": "CreditCardRecognizer", "validation": "passed"}.items() <= details["CREDIT_CARD"].items()
    assert details["PHONE_NUMBER"] == {"recognizer": "PhoneRecognizer", "form": "international", "against": "order"}


POLICY = """policy: numbers
description: Numbers of people.
rules:
  - id: no-numbers
    description: None.
    check: pii
    with:
      {options}
    direction: prompt
    action: block
"""


def parsed(options: str) -> Any:
    """The rule of a policy with these options."""
    return parse(POLICY.replace("{options}", options), "numbers.yaml", CATALOGUE).rules[0]


def test_a_rule_is_about_the_usual_entities_of_its_locales() -> None:
    """The international ones and those of the United States, unless the rule chooses."""
    assert parsed("entities: [UK_NHS]\n      locales: [us, uk]").categories == {"UK_NHS"}
    assert parsed("locales: [uk]").categories == set(recognizers.usual(["uk"]))
    assert "US_SSN" not in parsed("locales: [uk]").categories
    assert parsed("locales: [uk, us]").variant == parsed("locales: [us, uk]").variant != parsed("locales: [us]").variant == ""


def test_an_entity_of_another_locale_is_refused_with_the_locale() -> None:
    """At its place, with what to write."""
    with pytest.raises(PolicyError) as raised:
        parsed("entities: [US_SSN, UK_NHS]")
    [problem] = raised.value.problems
    assert (problem.line, problem.column) == (8, 26)
    assert "'UK_NHS': of the locale uk: write locales: [us, uk]" in problem.message


@pytest.mark.parametrize("locale", recognizers.LOCALES)
def test_a_locale_is_read_alike_whole_and_streamed(locale: str) -> None:
    """What is found of its samples in a text that comes in pieces is what is found in the whole."""
    names = recognizers.PACKS[locale]
    check = Screened([pii.Pii(names, locales=[locale])], hyperscan=False)
    text = " \n".join(text for name in names for text in SAMPLES[name])
    watch = check.watch("user")
    found: list[Finding] = []
    for start in range(0, len(text), 7):
        found += watch.push(text[start : start + 7], end=start + 7 >= len(text)).findings
    assert rows(found) == rows(guarded(text, check))
    assert {f.category for f in found} == set(names)


@pytest.mark.parametrize(
    ("entity", "text", "said"),
    [
        ("AGE", "a 42-year-old patient came in", "42-year-old"),
        ("AGE", "aged 67, non-smoker", "67"),
        ("AGE", '{"name": "x", "age": 34}', "34"),
        ("AGE", "my son turned 9 years old", "9 years old"),
        ("AGE", "63 y/o, no history", "63 y/o"),
        ("STREET_ADDRESS", "I live at 221B Baker Street in London", "221B Baker Street"),
        ("STREET_ADDRESS", "4157 Angela Mountains Apt. 203\nPort Kathleenland, ME 12345", None),
        ("STREET_ADDRESS", "wohnhaft Hauptstraße 12 in Bonn", "Hauptstraße 12"),
        ("STREET_ADDRESS", "12 bis, rue de la Paix", "12 bis, rue de la Paix"),
        ("STREET_ADDRESS", "Calle de Alcalá 45, Madrid", "Calle de Alcalá 45"),
        ("STREET_ADDRESS", "write to P.O. Box 1234", "P.O. Box 1234"),
        ("AGE", "people aged 18 to 24 and a 30-year-old whisky", ""),
        ("STREET_ADDRESS", "about 20 minutes down the road, then 3 main streets", ""),
    ],
)
def test_ages_and_addresses_are_known_by_their_form(entity: str, text: str, said: str | None) -> None:
    """As people write them in some languages; `None`: all of the text."""
    found = guarded(text, Screened([pii.Pii({entity})], hyperscan=False))
    assert [text[f.start : f.end] for f in found if f.score >= 0.5] == ([text if said is None else said] if said != "" else [])


def test_a_card_of_mastercards_newer_range_is_one() -> None:
    """From 2221 to 2720; with another check digit, or beyond the range, it is none."""
    check = Screened([pii.Pii({"CREDIT_CARD"})], hyperscan=False)
    number = "222300" + "0048410010"
    assert [f.category for f in guarded(f"entered as {number} and", check)] == ["CREDIT_CARD"]
    assert guarded(f"entered as {number[:-1]}1 and", check) == []
    assert guarded("entered as 2721000048410010 and", check) == []


def test_what_is_allowed_is_no_finding() -> None:
    """Values in any case and with other spaces, and what a pattern matches as a whole; parts of values are found."""
    given = parsed(
        "entities: [EMAIL_ADDRESS, PHONE_NUMBER, URL]\n      allow: [Support@Example.com, '+1 800 555 0199']"
        "\n      allow_patterns: ['[a-z]{1,9}@ours\\.example\\.org']"
    )
    kind = CATALOGUE["pii"]
    [check] = kind.build(given.options, given.categories, given.variant)  # type: ignore[misc]  # a tuple, for pii
    text = "support@example.com, my.support@example.com, +1 800 555 0199, jane@ours.example.org, jane@ours.example.org.uk"
    assert isinstance(check, Screened)
    [report] = Screened(check.checks, hyperscan=thorough())([Segment(text, "user")])
    assert [text[f.start : f.end] for f in report.findings] == ["my.support@example.com", "jane@ours.example.org.uk"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("allow_patterns: ['.{1,99}']", "lets everything pass"),
        ("allow_patterns: ['(a{1,20}){1,20}b']", "allow_patterns[0]"),
        ("allow: ['  ']", "expected a word or phrase"),
        ("allow: [17]", "allow[0]"),
    ],
)
def test_a_bad_allow_list_is_refused_with_its_place(options: str, said: str) -> None:
    """When the policy is loaded, which is what lint does."""
    with pytest.raises(PolicyError) as raised:
        parsed(options)
    [problem] = raised.value.problems
    assert said in str(problem)
    assert problem.line == 8
