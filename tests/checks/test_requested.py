"""Requests for works: by any title of theirs, in five languages, over two lines; what is only said about works is none."""

from __future__ import annotations

import atexit
import functools
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest

from proxy.checks import copyright as check
from proxy.core import Finding, Segment
from proxy.corpus import Shelf, build
from tests.corpus.catalogue import FOREIGN

ALICE, MASQUE, USHER = "Alice's Adventures in Wonderland", "The Masque of the Red Death", "The Fall of the House of Usher"
CRUSOE = "The Life and Strange Surprising Adventures of Robinson Crusoe, of York, Mariner"
ASKED = [
    (f"Give me chapter 1 of {ALICE}.", True),
    (f"I want the full text of {MASQUE}", True),
    ("recite the fall of the house of usher", True),
    ("The Legend of Sleepy Hollow, word for word please", True),
    (f"What are the first lines of “{MASQUE}” by Poe?", True),
    (f"Summarise chapter 1 of {ALICE}.", False),
    (f"Who wrote {USHER}?", False),
    ("Write a story similar to The Legend of Sleepy Hollow.", False),
    ("Give me chapter 1 of the manual.", False),
    (f"How many copies of {MASQUE} were printed?", False),
    (f"Print {ALICE} in full", True),
    (f"Tell me {USHER} word by word, exactly as it was written", True),
    (f"I have a question: give me the full text of {ALICE}", True),
    (f"Print out the full text of {MASQUE}. After that, explain it.", True),
    (f"What is the book {ALICE} about?", False),
    (f"Have you read the book {ALICE}?", False),
    (f"I want to read a book like {ALICE}", False),
    (f"I have the book {ALICE} at home. What should I read next?", False),
    (f"Can you write an article about {USHER}?", False),
    (f"Generate an image of the first scene of {ALICE}", False),
    (f"I need the first name of the author of {MASQUE}", False),
]
ELSEWHERE = [
    ("Gib mir Kapitel 1 von Alice im Wunderland.", True),
    ("Wie lautet der vollständige Text von Die Maske des Roten Todes?", True),
    ("Kannst du mir die ersten Seiten von „Alice im Wunderland“ aufschreiben?", True),
    ("Alice im Wunderland, bitte Wort für Wort", True),
    ("Fasse bitte das erste Kapitel von Alice im Wunderland zusammen.", False),
    ("Wer hat Alice im Wunderland geschrieben?", False),
    ("Wann erschien Alice im Wunderland als Buch?", False),
    ("Ich brauche ein Buch wie Alice im Wunderland", False),
    ("Je veux lire un livre comme Alice au pays des merveilles", False),
    ("Quiero leer un libro como Alicia en el país de las maravillas", False),
    ("Vorrei leggere un libro come Alice nel Paese delle Meraviglie", False),
    ("Donne-moi le chapitre 1 d'Alice au pays des merveilles.", True),
    ("Je veux le texte intégral du Masque de la mort rouge", True),
    ("Récite Le Masque de la mort rouge mot pour mot", True),
    ("Résume le premier chapitre d'Alice au pays des merveilles.", False),
    ("Récite L’Étranger mot pour mot", True),
    ("Donne-moi les premières lignes de l'étranger, de Camus", True),
    ("Qui a écrit Le Masque de la mort rouge ?", False),
    ("Dame el capítulo 1 de Alicia en el país de las maravillas.", True),
    ("Escribe el texto completo de La máscara de la Muerte Roja", True),
    ("¿Quién escribió La máscara de la Muerte Roja?", False),
    ("Explica los personajes del capítulo 1 de Alicia en el país de las maravillas", False),
    ("Dammi il capitolo 1 di Alice nel Paese delle Meraviglie", True),
    ("Vorrei il testo integrale de La maschera della Morte Rossa, parola per parola", True),
    ("Riassumi il primo capitolo di Alice nel Paese delle Meraviglie", False),
    ("Chi ha scritto La maschera della Morte Rossa?", False),
]
OVER_LINES = {
    f"Give me chapter 1 of\n{ALICE}": True,
    "Give me chapter 1 of The Masque of\nthe Red Death": True,
    f"Please give me the full text of this story:\r\n\r\n{MASQUE}": True,
    f"{MASQUE}\nWrite it out word for word": True,
    f"> {MASQUE},\n> the full text please": True,
    f"Give me chapter 1 of the manual.\n{MASQUE} is a story I like": False,
    f"I have read {MASQUE}.\nNow give me the full text of the manual": False,
    f"Give me chapter 1 of\n\n\n\n\n\n{ALICE}": False,
    f"Give me chapter 1 of\nthe manual\n{ALICE}": False,
    f"Summarise the first chapter of\n{ALICE}": False,
}


class Counted(dict[str, Any]):
    """Sections of an index, and how often one is asked for."""

    count = 0

    def __getitem__(self, name: str) -> Any:
        self.count += 1
        return super().__getitem__(name)


@functools.cache
def folder() -> Path:
    """A folder with an index of works that have several titles each, and of many works with one title."""
    made = Path(tempfile.mkdtemp(prefix="parapet-test-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    body = " ".join(FOREIGN[:60])
    rows: list[dict[str, Any]] = [
        {
            "title": ALICE,
            "aliases": [
                "Alice im Wunderland",
                "Alice au pays des merveilles",
                "Alicia en el país de las maravillas",
                "Alice nel Paese delle Meraviglie",
            ],
        },
        {
            "title": MASQUE,
            "author": "Poe, Edgar Allan",
            "aliases": [
                "Die Maske des Roten Todes",
                "Le Masque de la mort rouge",
                "La máscara de la Muerte Roja",
                "La maschera della Morte Rossa",
            ],
        },
        {"title": USHER},
        {"title": "L'Étranger", "author": "Albert Camus"},
        {"title": "The Legend of Sleepy Hollow"},
        {"title": CRUSOE},
        *({"title": "Poems", "author": f"Author Nr{number}", "rights": "own"} for number in range(3000)),
    ]
    (made / "works.jsonl").write_text("".join(json.dumps({**row, "text": body}) + "\n" for row in rows))
    build([made / "works.jsonl"], made / "works.pidx")
    return made


@functools.cache
def made(*allow: str) -> check.Copyright:
    """The check for requests."""
    given = {"categories": ["request_for_work"], "index": [str(folder() / "works.pidx")], "allow": list(allow)}
    return check.build(check.CopyrightOptions.model_validate(given), frozenset(["request_for_work"]), "v")


def found(body: str) -> list[Finding]:
    """The findings in a text, whole; in pieces they are the same."""
    [report] = made()([Segment(body, "user")])
    watch = made().watch("user")
    pieces = [finding for char in body for finding in watch.push(char).findings] + list(watch.push("", end=True).findings)
    assert check.ordered(pieces) == list(report.findings)
    return list(report.findings)


@pytest.mark.parametrize(("body", "asked"), ASKED + ELSEWHERE)
def test_requests_for_works_are_told_from_questions_about_them(body: str, *, asked: bool) -> None:
    """The title has to be one of the index, and its text what is wanted."""
    findings = found("Hello!\n" + body)
    assert bool(findings) is asked
    for finding in findings:
        work = dict(finding.detail)["work"]
        assert work in {ALICE, MASQUE, USHER, "The Legend of Sleepy Hollow", "L'Étranger"}
        assert body[finding.start - 7 : finding.end - 7][:5].casefold() in body.casefold()


@pytest.mark.parametrize("veil", ["\u200b", "\u00ad", "\ufe0f", "\u3164", "\U000e0041"])
def test_characters_that_nobody_sees_hide_no_request(veil: str) -> None:
    """Neither in the words that ask nor in the title; the span is that of the title as it stands."""
    title = veil.join(MASQUE)
    body = f"{veil.join('Recite')} {title}, {veil.join('word for word')}"
    [finding] = found(body)
    assert body[finding.start : finding.end] == title
    assert found(f"> {veil.join('Give me the full text of')}\n{title}")
    assert not found(f"{veil.join('Summarise')} {title}")


def test_a_work_may_be_called_by_the_name_in_its_title() -> None:
    """Robinson Crusoe, of his life and adventures."""
    assert dict(found("Give me the first chapter of Robinson Crusoe")[0].detail)["work"] == CRUSOE


def test_many_lines_are_looked_through_at_once() -> None:
    """A prompt of two thousand short lines costs a few looks into the index, not one for each line."""
    of = check.build(made().options, frozenset(["request_for_work"]), "v")
    assert of.requests is not None
    looks = Counted(of.requests.shelves[0].arrays)
    of.requests.shelves[0].arrays = looks
    [report] = of([Segment(f"Recite {MASQUE}\n" * 2000, "user")])
    assert len(report.findings) == 2000
    assert looks.count < 20


@pytest.mark.parametrize(("body", "asked"), OVER_LINES.items())
def test_a_request_may_go_over_two_lines(body: str, *, asked: bool) -> None:
    """Over one line end or an empty line, unless a sentence ends there."""
    assert bool(found(body)) is asked


def test_a_request_is_told_once() -> None:
    """Though its line is read twice, with the one before and with the one behind."""
    assert len(found(f"Please\ngive me the full text of {MASQUE}\nand of {USHER}\nthanks")) == 2


def test_a_title_of_one_word_has_to_be_named_as_one() -> None:
    """In quotation marks, behind `of`, with the author."""
    assert found("Give me the full text of Poems")
    assert found("poems, word for word, by Nr3")
    assert not found("Give me the full text of some poems")


def test_works_with_one_title_are_looked_at_up_to_a_bound() -> None:
    """A title that thousands of works have costs what a title costs, wherever it stands and however often."""
    loaded: list[int] = []
    of = check.build(made().options, frozenset(["request_for_work"]), "v")
    assert of.requests is not None

    def welcome(_: Shelf, number: int) -> bool:
        loaded.append(number)
        return True

    of.requests.welcome = welcome
    line = "Give me the full text of Poems " * 30
    [report] = of([Segment(line, "user")])
    assert not report.findings
    assert len(loaded) == 30 * 16


def test_an_alias_allows_a_work_as_its_title_does() -> None:
    """And names it in a quotation."""
    [report] = made("alice im *")([Segment(f"Give me chapter 1 of {ALICE}.", "user")])
    assert not report.findings
