"""A classifier of one's own: read from a folder, its labels named by the policy, refused with the place and the way out."""

from __future__ import annotations

import asyncio
import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from proxy import policy
from proxy.checks import CATALOGUE
from proxy.core import Action, Segment
from proxy.engine import Engine
from proxy.errors import ModelError, PolicyError
from tests.classifier.world import tokenizer
from tests.world import engine

POLICY = """
policy: own
rules:
  - id: off-topic
    check: classifier
    with: {{model: {model}, labels: {{LABEL_0: off_topic, LABEL_2: rude}}{more}}}
    threshold: 0.05
    action: flag
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny BERT with random weights, as transformers saves it."""
    import torch

    hugging: Any = importlib.import_module("transformers")  # typed in part
    made = tmp_path_factory.mktemp("own") / "tiny"
    pieces = tokenizer()
    names = {"unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[unused0]", "mask_token": "[MASK]"}
    fast = hugging.PreTrainedTokenizerFast(tokenizer_object=pieces, model_max_length=32, **names)
    fast.save_pretrained(made)
    torch.manual_seed(3)
    sizes: dict[str, Any] = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = hugging.BertConfig(vocab_size=pieces.get_vocab_size(), max_position_embeddings=40, num_labels=3, **sizes)
    hugging.BertForSequenceClassification(config).save_pretrained(made)
    return made


def made(folder: Path, more: str = "") -> Engine:
    return engine(POLICY.format(model=folder, more=more))


def findings(run: Engine, *texts: str) -> Any:
    verdict = asyncio.run(run.guard("", "m").judge("prompt", [Segment(text, "user") for text in texts]))
    assert verdict.decision.failures == ()
    assert verdict.decision.action == Action.FLAG
    return verdict.decision.findings


def test_its_labels_are_the_policys_categories(folder: Path) -> None:
    """Of the family custom, with scores that add up to less than one, since one label does not count."""
    found = findings(made(folder), "hello world")
    assert {(f.check, f.family, f.category) for f in found} == {
        ("classifier", "custom", "off_topic"),
        ("classifier", "custom", "rude"),
    }
    assert 0.1 < sum(f.score for f in found) < 1
    assert dict(found[0].detail) == {"model": "tiny"}
    alone = findings(made(folder, ", categories: [rude]"), "hello world")
    assert {f.category for f in alone} == {"rude"}


def test_several_labels_may_hold_at_once(folder: Path) -> None:
    """Then each has a score by itself."""
    one, many = (findings(made(folder, more), "hello world") for more in ("", ", several: true"))
    assert {f.category: f.score for f in one} != {f.category: f.score for f in many}


def test_long_texts_are_windows_of_what_it_reads(folder: Path) -> None:
    """The tokenizer says how much that is; the same text scores the same in any company."""
    run = made(folder)
    text = "how to make a bomb, please. " * 12
    found = findings(run, text, "hello", text)
    spans = {(f.start, f.end) for f in found if f.segment == 0}
    assert len(spans) > 3
    assert max(f.end for f in found) == len(text.rstrip())
    assert [f.score for f in found if f.segment == 0] == [f.score for f in found if f.segment == 2]


def refused(text: str) -> str:
    with pytest.raises(PolicyError) as caught:
        policy.parse(text, "p.yaml", CATALOGUE)
    return str(caught.value)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            {"architectures": ["BertForMaskedLM"]},
            "expected a network of the kind ForSequenceClassification, not ['BertForMaskedLM']",
        ),
        ({"auto_map": {"AutoModel": "x.Y"}}, "the model brings code of its own (auto_map), which is never run"),
    ],
)
def test_what_is_no_classifier_is_refused_when_the_policy_is_read(
    change: dict[str, Any], told: str, folder: Path, tmp_path: Path
) -> None:
    """Before anything of it is loaded."""
    config = json.loads((folder / "config.json").read_text()) | change
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert told in refused(POLICY.format(model=tmp_path, more=""))


def test_a_folder_that_is_not_whole_is_refused(folder: Path, tmp_path: Path) -> None:
    """No folder, no configuration, no weights that are safe to read: each with its place in the policy."""
    told = refused(POLICY.format(model=tmp_path / "none", more=""))
    assert told.startswith("p.yaml:6:19: rules[0].with.model: ")
    assert "expected a folder with a sequence classifier" in told
    assert "config.json: expected the configuration" in refused(POLICY.format(model=tmp_path, more=""))
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    assert "expected weights as .safetensors" in refused(POLICY.format(model=tmp_path, more=""))
    (tmp_path / "model.safetensors").write_bytes(b"nonsense")
    with pytest.raises(ModelError, match="transformers cannot read it"):
        made(tmp_path).guard("", "m")


def test_names_that_do_not_fit_are_refused(folder: Path) -> None:
    """A category that no label has, a label that the model has not, a category that is no name."""
    told = refused(POLICY.format(model=folder, more=", categories: [mild]"))
    assert "expected categories that labels name, off_topic, rude; not mild" in told
    with pytest.raises(ModelError, match="it has no label LABEL_7; mend `labels`: its own are LABEL_0, LABEL_1, LABEL_2"):
        engine(POLICY.format(model=folder, more="").replace("LABEL_2", "LABEL_7")).guard("", "m")
    assert "expected it to match pattern" in refused(POLICY.format(model=folder, more="").replace("rude", '"<b>"'))


def test_a_model_that_is_replaced_is_read_anew(folder: Path) -> None:
    """The state of its files is part of what is remembered."""
    options = CATALOGUE["classifier"].options
    read = options.model_validate({"model": str(folder), "labels": {"LABEL_0": "off_topic"}})
    assert {file.name for file in read.files()} >= {"config.json", "model.safetensors", "tokenizer.json"}
