"""The catalogue of entities by locale, and the recognizers that find them: Presidio's, and a few where it has none.

Nothing here needs a model or the network.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import Any, cast

from proxy.checks import validations
from proxy.checks.listed import atoms, tree
from proxy.checks.phones import REGIONS, numbers, phone_expression
from proxy.checks.screen import Expression
from proxy.checks.written_out import addresses, ages

LOCAL = 256  # characters before the @ of an e-mail address; RFC 5321 allows 64
SIGNS = "-._/\u00a0\u00ad\u2002\u2003\u2007\u2009\u200b\u2010\u2011\u2012\u2013\u2014\u202f\u2060\u3000\ufeff"
DOMAINS = re.compile(r"\(\?:(?:\(\?:[a-z]+\)\|?){2,}\)")  # in Presidio's patterns for links: each in a group of its own
WORD = re.compile(r"(?<=\(\?:)[a-z]+")
PATH = r"[^\s()<>\"']{0,400}"  # of a link, with its query
BETWEEN = r"\s" + SIGNS[1:] + "-"  # what may stand between the groups of a card's number, two at most
OURS = ""  # the class of an entity that Presidio knows nothing of
INTERNATIONAL = "international"
PACKS: Mapping[str, Mapping[str, str]] = {  # by locale: each entity, and the class of Presidio's that finds it
    INTERNATIONAL: {
        "AGE": OURS,
        "CREDIT_CARD": "CreditCardRecognizer",
        "CRYPTO": "CryptoRecognizer",
        "DATE_TIME": "DateRecognizer",
        "EMAIL_ADDRESS": "EmailRecognizer",
        "IBAN_CODE": "IbanRecognizer",
        "IP_ADDRESS": "IpRecognizer",
        "MAC_ADDRESS": "MacAddressRecognizer",
        "PHONE_NUMBER": "PhoneRecognizer",
        "STREET_ADDRESS": OURS,
        "URL": "UrlRecognizer",
        "UUID": "UuidRecognizer",
    },
    "us": {
        "ABA_ROUTING_NUMBER": "AbaRoutingRecognizer",
        "MEDICAL_LICENSE": "MedicalLicenseRecognizer",
        "US_BANK_NUMBER": "UsBankRecognizer",
        "US_CLAIM_NUMBER": "UsClaimNumberRecognizer",
        "US_DRIVER_LICENSE": "UsLicenseRecognizer",
        "US_HEALTH_INSURANCE_MEMBER_ID": "UsHealthInsuranceMemberIdRecognizer",
        "US_ITIN": "UsItinRecognizer",
        "US_MBI": "UsMbiRecognizer",
        "US_NPI": "UsNpiRecognizer",
        "US_PASSPORT": "UsPassportRecognizer",
        "US_PRESCRIPTION_NUMBER": "UsPrescriptionNumberRecognizer",
        "US_PRIOR_AUTHORIZATION_NUMBER": "UsPriorAuthorizationNumberRecognizer",
        "US_PROVIDER_TAX_ID": "UsProviderTaxIdRecognizer",
        "US_REFERRAL_NUMBER": "UsReferralNumberRecognizer",
        "US_SSN": "UsSsnRecognizer",
    },
    "uk": {
        "UK_DRIVING_LICENCE": "UkDrivingLicenceRecognizer",
        "UK_NHS": "NhsRecognizer",
        "UK_NINO": "UkNinoRecognizer",
        "UK_PASSPORT": "UkPassportRecognizer",
        "UK_POSTCODE": "UkPostcodeRecognizer",
        "UK_VEHICLE_REGISTRATION": "UkVehicleRegistrationRecognizer",
    },
    "au": {
        "AU_ABN": "AuAbnRecognizer",
        "AU_ACN": "AuAcnRecognizer",
        "AU_MEDICARE": "AuMedicareRecognizer",
        "AU_TFN": "AuTfnRecognizer",
    },
    "ca": {"CA_POSTAL_CODE": "CaPostalCodeRecognizer", "CA_SIN": "CaSinRecognizer"},
    "de": {
        "DE_BSNR": "DeBsnrRecognizer",
        "DE_FUEHRERSCHEIN": "DeFuehrerscheinRecognizer",
        "DE_HANDELSREGISTER": "DeHandelsregisterRecognizer",
        "DE_HEALTH_INSURANCE": "DeHealthInsuranceRecognizer",
        "DE_ID_CARD": "DeIdCardRecognizer",
        "DE_KFZ": "DeKfzRecognizer",
        "DE_LANR": "DeLanrRecognizer",
        "DE_PASSPORT": "DePassportRecognizer",
        "DE_PLZ": "DePlzRecognizer",
        "DE_SOCIAL_SECURITY": "DeSocialSecurityRecognizer",
        "DE_TAX_ID": "DeTaxIdRecognizer",
        "DE_TAX_NUMBER": "DeTaxNumberRecognizer",
        "DE_VAT_ID": "DeVatIdRecognizer",
    },
    "es": {"ES_NIE": "EsNieRecognizer", "ES_NIF": "EsNifRecognizer", "ES_PASSPORT": "EsPassportRecognizer"},
    "fi": {"FI_PERSONAL_IDENTITY_CODE": "FiPersonalIdentityCodeRecognizer"},
    "fr": {"FR_NIR": OURS},
    "in": {
        "IN_AADHAAR": "InAadhaarRecognizer",
        "IN_GSTIN": "InGstinRecognizer",
        "IN_PAN": "InPanRecognizer",
        "IN_PASSPORT": "InPassportRecognizer",
        "IN_VEHICLE_REGISTRATION": "InVehicleRegistrationRecognizer",
        "IN_VOTER": "InVoterRecognizer",
    },
    "it": {
        "IT_DRIVER_LICENSE": "ItDriverLicenseRecognizer",
        "IT_FISCAL_CODE": "ItFiscalCodeRecognizer",
        "IT_IDENTITY_CARD": "ItIdentityCardRecognizer",
        "IT_PASSPORT": "ItPassportRecognizer",
        "IT_VAT_CODE": "ItVatCodeRecognizer",
    },
    "kr": {
        "KR_BRN": "KrBrnRecognizer",
        "KR_DRIVER_LICENSE": "KrDriverLicenseRecognizer",
        "KR_FRN": "KrFrnRecognizer",
        "KR_PASSPORT": "KrPassportRecognizer",
        "KR_RRN": "KrRrnRecognizer",
    },
    "ng": {"NG_NIN": "NgNinRecognizer", "NG_VEHICLE_REGISTRATION": "NgVehicleRegistrationRecognizer"},
    "nl": {"NL_BSN": OURS},
    "ph": {"PH_PASSPORT": "PhPassportRecognizer", "PH_TIN": "PhTinRecognizer", "PH_UMID": "PhUmidRecognizer"},
    "pl": {"PL_PESEL": "PlPeselRecognizer"},
    "se": {"SE_ORGANISATIONSNUMMER": "SeOrganisationsnummerRecognizer", "SE_PERSONNUMMER": "SePersonnummerRecognizer"},
    "sg": {"SG_NRIC_FIN": "SgFinRecognizer", "SG_UEN": "SgUenRecognizer"},
    "th": {"TH_TNIN": "ThTninRecognizer"},
    "tr": {"TR_LICENSE_PLATE": "TrLicensePlateRecognizer", "TR_NATIONAL_ID": "TrNationalIdRecognizer"},
    "za": {
        "ZA_COMPANY_REGISTRATION": "ZaCompanyRegistrationRecognizer",
        "ZA_DRIVER_LICENSE": "ZaDriverLicenseRecognizer",
        "ZA_ID_NUMBER": "ZaIdNumberRecognizer",
        "ZA_INCOME_TAX_NUMBER": "ZaIncomeTaxNumberRecognizer",
        "ZA_LICENSE_PLATE": "ZaLicensePlateRecognizer",
        "ZA_PASSPORT": "ZaPassportRecognizer",
        "ZA_TRAFFIC_REGISTER_NUMBER": "ZaTrafficRegisterNumberRecognizer",
        "ZA_VAT_NUMBER": "ZaVatNumberRecognizer",
    },
}
LOCALES = tuple(name for name in PACKS if name != INTERNATIONAL)
ENTITIES = tuple(sorted(entity for pack in PACKS.values() for entity in pack))
HOMES = {entity: locale for locale, pack in PACKS.items() for entity in pack}
# Dates, links and identifiers are personal data only in company; the others Presidio, too, leaves out until they are asked for.
UNASKED = frozenset(
    "AGE STREET_ADDRESS DATE_TIME "
    "URL UUID IP_ADDRESS MAC_ADDRESS ABA_ROUTING_NUMBER US_CLAIM_NUMBER US_HEALTH_INSURANCE_MEMBER_ID US_MBI US_NPI "
    "US_PRESCRIPTION_NUMBER US_PRIOR_AUTHORIZATION_NUMBER US_PROVIDER_TAX_ID US_REFERRAL_NUMBER".split()
)
PHONE_WORDS = (  # that speak for a phone number, beside Presidio's
    *("tel", "fax", "sms", "whatsapp", "contact", "reach", "dial", "handy", "mobil", "mobiel", "móvil", "celular"),
    *("telefon", "telefono", "telefoon", "teléfono", "téléphone", "puhelin"),
)
REGIONAL = {"uk": "GB"}  # the region of phone numbers, where it is not the locale in capitals


def usual(locales: Iterable[str]) -> tuple[str, ...]:
    """What a rule with these locales is about when it names no entities."""
    return tuple(entity for pack in (INTERNATIONAL, *locales) for entity in sorted(PACKS[pack]) if entity not in UNASKED)


@cache
def presidio() -> ModuleType:
    """Presidio's package, imported without what its engines need, and with its loggers closed.

    Where they are installed, spaCy's thinc would import torch, and Presidio transformers and Stanza: six seconds, for models that
    are not used here. Engines run in a process of their own. Presidio's loggers quote texts.
    """
    with hidden("torch", "transformers", "stanza", "gliner"):
        import presidio_analyzer  # noqa: PLC0415 - a second to import
    for name in ("presidio-analyzer", "decision_process"):
        logger = logging.getLogger(name)
        logger.propagate, logger.disabled = False, True
    return presidio_analyzer


@contextmanager
def hidden(*names: str) -> Iterator[None]:
    """These modules, unless they are there already, cannot be imported by this thread; by others they can."""
    thread = threading.get_ident()

    class Hidden:
        """As `sys.meta_path` asks for a module."""

        @staticmethod
        def find_spec(fullname: str, path: object = None, target: object = None) -> None:  # noqa: ARG004 - its signature
            if fullname in names and threading.get_ident() == thread:
                raise ModuleNotFoundError(f"{fullname} is not needed here", name=fullname)

    sys.meta_path.insert(0, Hidden)
    try:
        yield
    finally:
        sys.meta_path.remove(Hidden)


@cache
def recognizers(locales: frozenset[str] = frozenset(LOCALES)) -> tuple[Any, ...]:
    """The recognizers of the international pack and of `locales`, each of one entity."""
    presidio()
    chosen = [pack for pack in PACKS if pack in locales or pack == INTERNATIONAL]
    return tuple(made(entity, name, locales) for pack in chosen for entity, name in PACKS[pack].items())


def made(entity: str, name: str, locales: Collection[str]) -> Any:
    """The recognizer of one entity, read in English whatever the language of its words is: texts come without theirs."""
    from presidio_analyzer import predefined_recognizers as known  # noqa: PLC0415 - a second to import

    own: dict[str, Callable[[], Any]] = {
        "EMAIL_ADDRESS": offline_email,
        "URL": whole_url,
        "CREDIT_CARD": spaced_card,
        "PHONE_NUMBER": lambda: international_phone(regions(locales)),
        "AGE": ages,
        "STREET_ADDRESS": addresses,
        "FR_NIR": french_number,
        "NL_BSN": dutch_number,
    }
    recognizer: Any = own[entity]() if entity in own else getattr(known, name)()
    recognizer.supported_language = "en"
    if getattr(recognizer, "patterns", None):
        recognizer.patterns = [readable(pattern) for pattern in recognizer.patterns]
    return recognizer


def regions(locales: Collection[str]) -> tuple[str, ...]:
    """Where phone numbers without a country's code may come from."""
    return tuple(dict.fromkeys((*REGIONS, *(REGIONAL.get(name, name.upper()) for name in sorted(locales)))))


def readable(pattern: Any) -> Any:
    """A pattern as the screen can read it: flags stand for the whole, and what is looked back on has its bounds."""
    from presidio_analyzer import Pattern  # noqa: PLC0415 - a second to import

    source = pattern.regex.replace("(?i)", "")  # Presidio ignores case everywhere
    if source.startswith("(?<="):
        source = source.replace(r"\s*", r"\s{0,3}").replace(r"\s+", r"\s{1,3}")
    return Pattern(pattern.name, source, pattern.score)


def spaced_card() -> Any:
    """Presidio's card recognizer, and two more patterns: Mastercard's newer numbers, and four groups of four with one other sign
    between, as people paste them.

    The first digits are those of issuers who write cards so; a column of years or of prices begins otherwise as a rule.
    """
    from presidio_analyzer import Pattern  # noqa: PLC0415 - a second to import
    from presidio_analyzer.predefined_recognizers import CreditCardRecognizer  # noqa: PLC0415 - the same

    spaced = rf"(?<!\d)(?:4\d{{3}}|5[1-5]\d\d|2[2-7]\d\d|6\d{{3}})([{BETWEEN}]{{1,2}})\d{{4}}\1\d{{4}}\1\d{{4}}(?!\d)"
    return CreditCardRecognizer(
        patterns=[
            *CreditCardRecognizer.PATTERNS,
            Pattern("Groups of four (weak)", spaced, 0.3),
            Pattern("Mastercard from 2221 (weak)", r"\b2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}\b", 0.3),
        ],
        name="CreditCardRecognizer",
        replacement_pairs=[(sign, "") for sign in " \t\r\n" + SIGNS],
    )


def offline_email() -> Any:
    """Presidio's e-mail recognizer with the suffix list that tldextract carries; its own may fetch a newer one.

    The name before the @ has LOCAL characters at most: without a limit Presidio's expression takes time that grows with the
    square of a run without spaces, a minute for 100 kB, and then finds nothing.
    """
    import tldextract  # noqa: PLC0415 - needed only here
    from presidio_analyzer import Pattern  # noqa: PLC0415 - a second to import
    from presidio_analyzer.predefined_recognizers import EmailRecognizer  # noqa: PLC0415 - a second to import

    extract = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)

    class OfflineEmailRecognizer(EmailRecognizer):
        """Validates the domain against the list in the package."""

        def validate_result(self, pattern_text: str) -> bool:
            return bool(extract(pattern_text).fqdn)

    patterns = [Pattern(p.name, p.regex.replace("{0,}", f"{{0,{LOCAL - 2}}}"), p.score) for p in EmailRecognizer.PATTERNS]
    return OfflineEmailRecognizer(patterns=patterns, name="EmailRecognizer")


def whole_url() -> Any:
    """Presidio's recognizer of links, whose ends are ends of words: no `S.Co` in `S.Coop`. With a scheme, to any domain.

    Presidio's list of domains lacks some, biz among them, of which it finds the half: `example.bi`. It is read as a tree: one by
    one, its 675 domains took 0.6 ms for each character of `a.comx` over and over. Of a link that is longer than what checks
    report, its first part is found, and not nothing.
    """
    from presidio_analyzer import Pattern  # noqa: PLC0415 - a second to import
    from presidio_analyzer.predefined_recognizers import UrlRecognizer  # noqa: PLC0415 - the same

    def joined(domains: Iterable[str]) -> str:
        return f"(?:{tree([atoms(each) for each in sorted({'biz', *domains})])})"

    def ended(source: str) -> str:
        source = DOMAINS.sub(lambda found: joined(WORD.findall(found[0])), source)
        return source.replace(r"/[^\s()<>\"']*", rf"/{PATH}") + r"(?![a-z0-9_])"

    patterns = [Pattern(p.name, ended(p.regex), p.score) for p in UrlRecognizer.PATTERNS]
    schemed = rf"https?://[a-z0-9.-]{{1,253}}\.[a-z]{{2,24}}(?::\d{{1,5}})?(?:/{PATH})?(?![a-z0-9_])"
    patterns.append(Pattern("Any domain with a scheme", schemed, 0.6))
    return UrlRecognizer(patterns=patterns, name="UrlRecognizer")


def international_phone(regions: Sequence[str]) -> Any:
    """Presidio's phone recognizer, which also takes a number with a country's code for one that nobody has yet."""
    from presidio_analyzer import EntityRecognizer  # noqa: PLC0415 - a second to import
    from presidio_analyzer.predefined_recognizers import PhoneRecognizer  # noqa: PLC0415 - the same

    class InternationalPhoneRecognizer(PhoneRecognizer):
        """Valid numbers of the regions, and possible ones of all countries."""

        def analyze(self, text: str, entities: list[str], nlp_artifacts: Any = None) -> list[Any]:  # noqa: ARG002 - its signature
            result = cast("Any", self._get_recognizer_result)
            found = [result(number, text, number.region, nlp_artifacts) for number in numbers(text, self.supported_regions)]
            return list(EntityRecognizer.remove_duplicates(found))

    context = [*PhoneRecognizer.CONTEXT, *PHONE_WORDS]
    return InternationalPhoneRecognizer(supported_regions=regions, name="PhoneRecognizer", context=context)


def french_number() -> Any:
    """The numéro d'inscription au répertoire (social security), by INSEE's key: 97 less the number modulo 97."""
    number = r"[12378]{s}\d\d{s}(?:0[1-9]|1[0-2]|[2-9]\d){s}(?:\d\d|2[AB]){s}\d{3}{s}\d{3}{s}\d\d".replace("{s}", "[ .-]?")
    hints = ["sécurité sociale", "securite sociale", "nir", "insee", "carte vitale", "assuré", "sécu", "immatriculation"]
    return checked("FR_NIR", "FrNirRecognizer", rf"(?<!\d){number}(?!\d)", 0.3, hints, validations.nir)


def dutch_number() -> Any:
    """The burgerservicenummer, by the elfproef; one in eleven numbers of nine digits passes it, so words have to speak for it."""
    hints = ["bsn", "burgerservicenummer", "sofinummer", "sofi", "citizen service number"]
    return checked("NL_BSN", "NlBsnRecognizer", r"(?<!\d)\d{9}(?!\d)", 0.1, hints, validations.elfproef, certain=False)


def checked(
    entity: str, name: str, source: str, score: float, hints: list[str], valid: Callable[[str], bool], *, certain: bool = True
) -> Any:
    """A recognizer of one pattern with a validation. `certain`: what passes it is one, else it keeps its score."""
    from presidio_analyzer import Pattern, PatternRecognizer  # noqa: PLC0415 - a second to import

    class Checked(PatternRecognizer):
        """As Presidio asks for validation."""

        def validate_result(self, pattern_text: str) -> bool | None:
            passed = valid(pattern_text)
            return passed if certain or not passed else None

    return Checked(entity, name=name, patterns=[Pattern(name, source, score)], context=hints)


def expressions(recognizer: Any) -> Iterable[Expression]:
    """The expressions one of which matches wherever the recognizer can find something."""
    patterns = getattr(recognizer, "patterns", None)
    if patterns:
        return [Expression(pattern.regex, int(recognizer.global_regex_flags)) for pattern in patterns]
    return [phone_expression()]
