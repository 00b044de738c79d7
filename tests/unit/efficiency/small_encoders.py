"""Small encoders of four families, as folders with configuration and random weights."""

from pathlib import Path
from typing import Any

import torch
from transformers import (
    AlbertConfig,
    AlbertForPreTraining,
    BertConfig,
    BertForPreTraining,
    DistilBertConfig,
    DistilBertForMaskedLM,
    XLMRobertaConfig,
    XLMRobertaForMaskedLM,
)

PIECES = 300
SHAPE = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 64}


def encoder(family: str) -> Any:
    """Return a model with its masked-language-model head."""
    torch.manual_seed(3)
    if family == "distilbert":
        return DistilBertForMaskedLM(DistilBertConfig(vocab_size=PIECES, dim=32, n_layers=3, n_heads=4, hidden_dim=64))
    if family == "albert":
        return AlbertForPreTraining(AlbertConfig(vocab_size=PIECES, embedding_size=16, **SHAPE))
    if family == "xlm-roberta":
        return XLMRobertaForMaskedLM(XLMRobertaConfig(vocab_size=PIECES, max_position_embeddings=514, **SHAPE))
    return BertForPreTraining(BertConfig(vocab_size=PIECES, **SHAPE))


def write_encoder(folder: Path, family: str = "bert") -> Path:
    """Write a model's configuration and weights."""
    encoder(family).save_pretrained(folder)
    return folder


def bert_base(folder: Path, pieces: int) -> Path:
    """Write the configuration of multilingual BERT with a vocabulary of any size, and no weights."""
    configuration = BertConfig(vocab_size=pieces, architectures=["BertForPreTraining"])
    configuration.save_pretrained(folder)
    return folder
