"""Tiny fine-tuned teachers, and documents for transfer text."""

import json
from pathlib import Path

import pyarrow as arrow
import pyarrow.parquet as parquet
import torch
from invented_tasks import tokenizer
from transformers import BertConfig, BertForMaskedLM, BertForSequenceClassification, BertForTokenClassification


def bert(size: int, **changes: object) -> BertConfig:
    """The numbers of a BERT that takes no time."""
    numbers: dict[str, object] = {
        "vocab_size": size,
        "hidden_size": 24,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 40,
        "pad_token_id": 0,
        "initializer_range": 0.3,
    }
    return BertConfig(**(numbers | changes))


def write_pretrained(folder: Path) -> Path:
    """A model that was never fine-tuned, with its tokenizer."""
    pieces = tokenizer()
    torch.manual_seed(3)
    BertForMaskedLM(bert(len(pieces))).save_pretrained(folder)
    pieces.save_pretrained(folder)
    return folder


def write_teacher(folder: Path, task: Path, seed: int = 5, **changes: object) -> Path:
    """A model with the labels of a task, with random weights that are far from each other, and its tokenizer."""
    description = json.loads((task / "task.json").read_text())
    pieces, labels = tokenizer(), description["labels"]
    kind = BertForTokenClassification if "token" in description["kind"] else BertForSequenceClassification
    names = {"id2label": dict(enumerate(labels)), "label2id": {label: number for number, label in enumerate(labels)}}
    torch.manual_seed(seed)
    kind(bert(len(pieces), num_labels=len(labels), **(names | changes))).save_pretrained(folder)
    pieces.save_pretrained(folder)
    return folder


def write_documents(folder: Path, language: str, texts: list[str], held_out: list[str] = ()) -> Path:
    """A language's documents as `smelt documents` writes them."""
    path = folder / language / "documents.parquet"
    path.parent.mkdir(parents=True)
    rows = [{"id": str(number), "title": "", "text": text, "held_out": False} for number, text in enumerate(texts)]
    rows += [{"id": f"h{number}", "title": "", "text": text, "held_out": True} for number, text in enumerate(held_out)]
    parquet.write_table(arrow.Table.from_pylist(rows), path)
    return path
