"""Engines of one's own for names: a spaCy pipeline and a transformers model made on the spot, in the process they run in."""

from __future__ import annotations

import asyncio
import gc
import json
from pathlib import Path
from typing import Any

import pytest

from proxy.checks import CATALOGUE
from proxy.checks.desk import Silent
from proxy.checks.engine import Engines
from proxy.core import Segment
from proxy.engine import Engine
from proxy.engines.house import House
from proxy.errors import CheckError, CheckTimeout, PolicyError
from proxy.policy import parse
from tests.world import engine

POLICY = """policy: names
description: Names of our own.
rules:
  - id: no-names
    description: None.
    check: pii
    with: {options}
    action: redact
"""
TEXT = "Anna Kowalska moved to Gdansk; write to anna@example.com."


def rule(**options: Any) -> str:
    return POLICY.replace("{options}", json.dumps(options))


def spacy_model(folder: Path) -> Path:
    """A pipeline that knows two people and a town."""
    import spacy

    nlp = spacy.blank("en")
    ruler: Any = nlp.add_pipe("entity_ruler")
    ruler.add_patterns(
        [
            {"label": "PERSON", "pattern": "Anna Kowalska"},
            {"label": "PERSON", "pattern": [{"LOWER": "zbigniew"}]},
            {"label": "GPE", "pattern": "Gdansk"},
        ]
    )
    nlp.to_disk(folder)
    return folder


def spacy_engine(folder: Path) -> dict[str, Any]:
    return {"nlp_engine_name": "spacy", "models": [{"lang_code": "en", "model_name": str(folder)}]}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return spacy_model(tmp_path_factory.mktemp("spacy") / "model")


@pytest.fixture(scope="module")
def made(model: Path) -> Engine:
    given = spacy_engine(model)
    return engine(rule(entities=["PERSON", "LOCATION", "EMAIL_ADDRESS"], engine=given, allow=["zbigniew"]))


def redacted(made: Engine, text: str) -> str:
    verdict = asyncio.run(made.guard("", "m").judge("completion", [Segment(text, "user")]))
    assert not verdict.decision.failures
    return verdict.texts.get(0, text)


async def streamed(made: Engine, text: str, size: int) -> str:
    growing = made.guard("", "m").growing()
    channel = growing.channel("user", "text")
    out = [channel.push(text[at : at + size]) for at in range(0, len(text), size)]
    channel.close()
    while channel.waits:
        await growing.wait(binding=True)
        channel.harvest()
    out.append(channel.rest())
    await growing.finish()
    return "".join(out)


@pytest.mark.slow
def test_a_spacy_pipeline_finds_names_beside_the_patterns(made: Engine) -> None:
    """Its labels are mapped as Presidio maps them; what is allowed stays; the finding says who found it."""
    assert redacted(made, TEXT + " Zbigniew knows.") == "<PERSON> moved to <LOCATION>; write to <EMAIL_ADDRESS>. Zbigniew knows."
    verdict = asyncio.run(made.guard("", "m").judge("completion", [Segment(TEXT, "user")]))
    [person] = [f for f in verdict.decision.findings if f.category == "PERSON"]
    assert dict(person.detail) == {"engine": "spacy", "recognizer": "SpacyRecognizer"}


@pytest.mark.slow
def test_a_stream_shows_what_the_whole_shows(made: Engine) -> None:
    """Window by window, in a text longer than some of them."""
    text = ("Nothing of note was said. " * 45 + TEXT + " ") * 4
    assert asyncio.run(streamed(made, text, 97)) == redacted(made, text)
    assert redacted(made, text).count("<PERSON>") == 4


@pytest.mark.slow
def test_a_process_that_dies_is_replaced_and_never_passes(model: Path) -> None:
    """Whoever asks it hears of it, and the next question goes to another."""
    told: list[str] = []
    house = House(spacy_engine(model), lambda: told.append("again"))
    assert [[e.name for e in one] for one in answers(house, "Anna Kowalska one", "nobody")] == [["PERSON"], []]
    assert house.room.process is not None
    house.room.process.child.kill()
    with pytest.raises(CheckError, match="died"):
        answers(house, "Anna Kowalska two")
    assert [[e.name for e in one] for one in answers(house, "Anna Kowalska three")] == [["PERSON"]]
    assert told == ["again"]
    with pytest.raises(CheckTimeout):
        house.ask(["late"], 0.0).result(60)
    child = house.room.process.child
    house.close()
    assert child.poll() is not None


def answers(house: House, *texts: str) -> list[Any]:
    return house.ask(texts, 60.0).result(120)


@pytest.mark.slow
def test_the_process_goes_with_the_last_check_that_asks_it(model: Path) -> None:
    """A policy that is no longer in force costs nothing; one that asks the same engine shares it."""
    engines = Engines(Silent())
    given = spacy_engine(model)
    assert engines.flaw(given, ["PERSON"]) is None
    checks = [engines.check(given, frozenset({name}), "", lambda _: False) for name in ("PERSON", "LOCATION")]
    child = engines.house(given).room.process.child  # type: ignore[union-attr]  # it runs
    checks.pop()
    gc.collect()
    assert child.poll() is None
    checks.pop()
    gc.collect()
    assert child.poll() is not None
    assert not engines.loaded


@pytest.mark.slow
def test_a_file_of_presidios_is_read_and_its_mapping_holds(model: Path, tmp_path: Path) -> None:
    """Paths in it are relative to it; an entity that nothing maps to is refused."""
    spacy_model(tmp_path / "pipeline")
    (tmp_path / "engine.yaml").write_text(
        "nlp_engine_name: spacy\nmodels:\n  - {lang_code: en, model_name: pipeline}\n"
        "ner_model_configuration:\n  model_to_presidio_entity_mapping: {PERSON: PERSON, GPE: NRP}\n"
    )
    file = str(tmp_path / "policy.yaml")
    parse(rule(entities=["PERSON", "NRP"], engine="engine.yaml"), file, CATALOGUE)
    with pytest.raises(PolicyError, match="knows nothing of LOCATION, but of NRP, PERSON"):
        parse(rule(entities=["LOCATION"], engine="engine.yaml"), file, CATALOGUE)


def tiny(folder: Path) -> Path:
    """A token classifier without training, to which everything is a person."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForTokenClassification

    folder.mkdir()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "anna", "gdansk", "moved", "to"]
    (folder / "vocab.txt").write_text("\n".join(words))
    config = BertConfig(
        vocab_size=len(words), hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8,
        id2label={0: "O", 1: "B-PER"}, label2id={"O": 0, "B-PER": 1},
    )  # fmt: skip
    network = BertForTokenClassification(config)
    with torch.no_grad():
        network.classifier.weight.zero_()
        network.classifier.bias.copy_(torch.tensor([0.0, 4.0]))
    network.save_pretrained(folder)
    AutoTokenizer.from_pretrained(folder).save_pretrained(folder)
    return folder


@pytest.mark.slow
def test_a_transformers_model_finds_names(tmp_path: Path) -> None:
    """By Presidio's own pipeline, whose spaCy part only cuts words; its scores are those of findings."""
    import spacy

    spacy.blank("en").to_disk(tmp_path / "words")
    given = {
        "nlp_engine_name": "transformers",
        "models": [
            {"lang_code": "en", "model_name": {"spacy": str(tmp_path / "words"), "transformers": str(tiny(tmp_path / "t"))}}
        ],
    }
    made = engine(rule(entities=["PERSON"], engine=given))
    verdict = asyncio.run(made.guard("", "m").judge("prompt", [Segment("anna moved to gdansk", "user")]))
    assert not verdict.decision.failures
    assert {(f.category, dict(f.detail)["recognizer"]) for f in verdict.decision.findings} == {
        ("PERSON", "TransformersRecognizer")
    }
    assert all(0.9 < f.score < 1 for f in verdict.decision.findings)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"nlp_engine_name": "watson"}, "expected nlp_engine_name, one of spacy, stanza, transformers, gliner"),
        ({"nlp_engine_name": "spacy", "models": []}, "a list of one with lang_code and model_name"),
        ("nowhere.yaml", "it cannot be read as YAML"),
    ],
)
def test_a_configuration_that_is_none_is_refused(given: Any, said: str) -> None:
    """With the place in the policy, and what was expected."""
    with pytest.raises(PolicyError, match=said) as raised:
        parse(rule(entities=["PERSON"], engine=given), "names.yaml", CATALOGUE)
    assert raised.value.problems[0].line == 7


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "model_name", "said"),
    [
        ("spacy", "en_core_no_such", "there is no spaCy model en_core_no_such: install its package, or name the folder"),
        ("stanza", "en", "needs the package stanza: install parapet\\[stanza\\]"),
        ("gliner", "x/y", "needs the package gliner: install parapet\\[gliner\\]"),
    ],
)
def test_what_is_missing_is_said_with_the_way_out(name: str, model_name: str, said: str) -> None:
    """When the policy is loaded; nothing is fetched."""
    import importlib.util

    if name != "spacy" and importlib.util.find_spec(name):
        pytest.skip(f"{name} is installed here")
    given = {"nlp_engine_name": name, "models": [{"lang_code": "en", "model_name": model_name}]}
    with pytest.raises(PolicyError, match=said):
        parse(rule(entities=["PERSON"], engine=given), "names.yaml", CATALOGUE)
