"""The base encoder: verified, and the same network as the original implementation's."""

from __future__ import annotations

from pathlib import Path

import base
import pack
import pytest
import torch
from safetensors.torch import save_file

from proxy.classifier.network import Encoder, Shape

SMALL = Shape(vocabulary=60, positions=32, layers=2, hidden=24, heads=4, intermediate=48)


def test_the_network_is_the_original_bert(tmp_path: Path) -> None:
    """With the weights of a BERT of the transformers library it gives the same vectors, padded or not."""
    transformers = pytest.importorskip("transformers", reason="the original implementation is an extra")
    torch.manual_seed(1)
    sizes = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
    config = transformers.BertConfig(vocab_size=60, max_position_embeddings=32, **sizes)
    original = transformers.BertModel(config, add_pooling_layer=False).eval()
    save_file({name: value.contiguous() for name, value in original.state_dict().items()}, tmp_path / "model.safetensors")
    ours = Encoder(SMALL, 3, 2).eval()
    base.load(ours, tmp_path)
    ids = torch.randint(1, 60, (3, 12))
    mask = torch.arange(12) < torch.tensor([[12], [7], [1]])
    with torch.inference_mode():
        expected = original(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        assert torch.allclose(ours(ids, mask)[mask], expected[mask], atol=1e-5)


def test_other_files_than_the_published_ones_are_refused(tmp_path: Path) -> None:
    """A changed file is named, with both hashes."""
    for name in base.HASHES:
        (tmp_path / name).write_bytes(b"something else")
    with pytest.raises(SystemExit, match="SHA-256"):
        base.folder(tmp_path)


def test_a_matrix_is_packed_to_within_half_a_step() -> None:
    """int8 times its row's scale is the matrix, up to half a step; vectors stay as they are."""
    torch.manual_seed(1)
    state = {"a.weight": torch.randn(5, 9), "a.bias": torch.randn(5)}
    made = pack.packed(state)
    assert made["a.weight"].dtype == torch.int8
    step = made["a.weight.scale"][:, None]
    assert ((made["a.weight"].float() * step - state["a.weight"]).abs() <= step / 2 + 1e-7).all()
    assert torch.equal(made["a.bias"], state["a.bias"])
