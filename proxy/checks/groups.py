"""The groups of people that a text names: a small list, so that a record can say whom a finding may be about."""

from __future__ import annotations

import re
from functools import cache

MOST = 5  # groups that are told of one window
GROUPS: dict[str, str] = {  # the group as records name it, and the words that name it; singulars and plurals, in any case
    "women": "wom[ae]n|girls?|females?|mothers",
    "men": "men|males",
    "transgender people": "trans(?:gender(?:ed)?)?|trans ?(?:m[ae]n|wom[ae]n|people|person)|transsexuals?",
    "non-binary people": "non-?binary|genderqueer",
    "intersex people": "intersex",
    "gay people": "gays?|homosexuals?",
    "lesbians": "lesbians?",
    "bisexual people": "bisexuals?",
    "asexual people": "asexuals?",
    "LGBTQ people": "lgbt(?:q|qia?)?\\+?|queers?",
    "Black people": "blacks|black (?:people|person|m[ae]n|wom[ae]n|folks?|kids?|community)|african[- ]americans?|africans?",
    "white people": "whites|white (?:people|person|m[ae]n|wom[ae]n|folks?|kids?)|caucasians?",
    "Asian people": "asians?",
    "Arab people": "arabs?",
    "Latino people": "latin[oa]s?|latinx|hispanics?",
    "Indigenous people": "indigenous|native americans?|aborigin(?:als?|es?)|first nations",
    "Roma people": "roma people|romani|g[iy]ps(?:y|ies)",
    "Kurdish people": "kurds?|kurdish",
    "mixed-race people": "mixed[- ]race|biracial",
    "people of color": "(?:people|person|wom[ae]n|m[ae]n) of colou?r",
    "Jewish people": "jews?|jewish",
    "Muslims": "muslims?|islamic|islam",
    "Christians": "christians?|evangelicals?",
    "Catholics": "catholics?",
    "Mormons": "mormons?",
    "Hindus": "hindus?",
    "Sikhs": "sikhs?",
    "Buddhists": "buddhists?",
    "atheists": "atheists?",
    "immigrants": "(?:im)?migrants?|illegals",
    "refugees": "refugees?|asylum[- ]seekers?",
    "foreigners": "foreigners?",
    "Americans": "americans",
    "Chinese people": "chinese",
    "Filipinos": "filipin[oa]s?",
    "Germans": "germans?",
    "Indians": "indians?",
    "Israelis": "israelis?",
    "Mexicans": "mexicans?",
    "Nigerians": "nigerians?",
    "Pakistanis": "pakistanis?",
    "Palestinians": "palestinians?",
    "Poles": "poles|polish",
    "Romanians": "romanians?",
    "Russians": "russians?",
    "Somalis": "somalis?",
    "Turks": "turks?|turkish",
    "Ukrainians": "ukrainians?",
    "disabled people": "disabled|disabilit(?:y|ies)|handicapped|wheelchair users?|wheelchair-bound",
    "autistic people": "autis(?:tic|m)",
    "blind people": "blind (?:people|person|m[ae]n|wom[ae]n)",
    "deaf people": "deaf(?: (?:people|person))?",
    "people with mental illness": "mentally ill|mental illness|schizophrenics?",
    "older people": "elderly|older people|old people|boomers?|seniors",
    "young people": "young people|teenagers?|millennials?|gen z",
    "poor people": "poor people|the poor",
    "homeless people": "homeless",
    "working-class people": "working[- ]class",
}


@cache
def expression() -> re.Pattern[str]:
    """All of them at once; the number of a group is its place in the table."""
    return re.compile("|".join(rf"\b({words})\b" for words in GROUPS.values()), re.IGNORECASE)


def groups_in(text: str) -> list[str]:
    """The groups that a text names, in the order in which it does, MOST of them at most."""
    names = list(GROUPS)
    found = dict.fromkeys(names[match.lastindex - 1] for match in expression().finditer(text) if match.lastindex)
    return list(found)[:MOST]
