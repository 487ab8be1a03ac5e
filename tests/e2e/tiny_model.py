"""A tiny language model made on the spot: a Llama of 2 layers over single characters, which learns a few answers by heart.

As a command, in a process of its own: `python -m tests.e2e.tiny_model FOLDER < answers.json`.
"""

from __future__ import annotations

import json
import string
import sys
from collections.abc import Mapping
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

PAD, ASKED, ANSWERED, END, UNKNOWN = "<|pad|>", "<|user|>", "<|assistant|>", "<|end|>", "<|unknown|>"
TEMPLATE = "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}{% endfor %}<|assistant|>"
LEARNT = 0.003  # mean loss per character at which each answer is the likeliest by far


def make(folder: Path, answers: Mapping[str, str]) -> None:
    """Write a model and its tokenizer into `folder`, in the format that every server of such models reads.

    Asked one of the questions, it gives the answer; asked anything else, it says something.
    """
    tokens = tokenizer()
    torch.manual_seed(1)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokens),
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=512,
            pad_token_id=tokens.pad_token_id,
            bos_token_id=None,
            eos_token_id=tokens.eos_token_id,
        )
    )
    learn(model, tokens, [f"{ASKED}{question}{ANSWERED}{answer}{END}" for question, answer in answers.items()])
    model.generation_config = GenerationConfig(  # type: ignore[no-untyped-call]  # transformers says nothing of its types
        do_sample=False, max_new_tokens=1024, eos_token_id=tokens.eos_token_id, pad_token_id=tokens.pad_token_id
    )
    model.save_pretrained(folder)
    tokens.save_pretrained(folder)


def tokenizer() -> PreTrainedTokenizerFast:
    """One token a character."""
    characters = [*string.printable]
    vocabulary = {token: i for i, token in enumerate([PAD, ASKED, ANSWERED, END, UNKNOWN, *characters])}
    made = Tokenizer(models.WordLevel(vocabulary, UNKNOWN))
    made.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    made.decoder = decoders.Fuse()
    fast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]  # transformers says nothing of its types
        tokenizer_object=made,
        pad_token=PAD,
        eos_token=END,
        unk_token=UNKNOWN,
        additional_special_tokens=[ASKED, ANSWERED],
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = TEMPLATE
    return fast


def learn(model: LlamaForCausalLM, tokens: PreTrainedTokenizerFast, texts: list[str]) -> None:
    """Train until it knows them by heart: seconds. Raises RuntimeError when it does not."""
    batch = tokens(texts, padding=True, return_tensors="pt", add_special_tokens=False)
    asked = batch["input_ids"] == tokens.convert_tokens_to_ids(ANSWERED)
    labels = batch["input_ids"].masked_fill((asked.cumsum(1) == 0) | (batch["attention_mask"] == 0), -100)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    model.train()
    for _ in range(2000):
        loss = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], labels=labels).loss
        if loss.item() < LEARNT:
            model.train(False)
            return
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    raise RuntimeError("the tiny model did not learn its answers")


if __name__ == "__main__":
    make(Path(sys.argv[1]), json.load(sys.stdin))
