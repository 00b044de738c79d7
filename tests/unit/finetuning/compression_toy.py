"""Tiny fine-tuned teachers, compressions of them, and documents for transfer text."""

import json
from pathlib import Path

import pyarrow as arrow
import pyarrow.parquet as parquet
import torch
from invented_tasks import tokenizer
from transformers import (
    AlbertConfig,
    AlbertForMaskedLM,
    AlbertForTokenClassification,
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    BertForTokenClassification,
)

from smelt.__main__ import main
from smelt.study.compression import STRATEGIES, CompressionSettings

STUDENT = {"kind": "bilstm", "embedding": 12, "hidden": 16}
SETTINGS = {"batch": 16, "epochs": 3, "patience": 3, "cycle": 3, "learning_rate": 0.01, "held_out": 0.25}
SIGNALS = {"layers": [2], "length": 32, "held_out": 0.25, "mode": "stored", "seed": 1}


def bert(size: int, **changes: object) -> BertConfig:
    """Return the configuration of a BERT that takes no time."""
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
    """Write a model that was never fine-tuned, with its tokenizer."""
    pieces = tokenizer()
    torch.manual_seed(3)
    BertForMaskedLM(bert(len(pieces))).save_pretrained(folder)
    pieces.save_pretrained(folder)
    return folder


def write_teacher(folder: Path, task: Path, seed: int = 5, **changes: object) -> Path:
    """Write a model with the labels of a task and random weights far from each other, with its tokenizer."""
    description = json.loads((task / "task.json").read_text())
    pieces, labels = tokenizer(), description["labels"]
    kind = BertForTokenClassification if "token" in description["kind"] else BertForSequenceClassification
    names = {"id2label": dict(enumerate(labels)), "label2id": {label: number for number, label in enumerate(labels)}}
    torch.manual_seed(seed)
    kind(bert(len(pieces), num_labels=len(labels), **(names | changes))).save_pretrained(folder)
    pieces.save_pretrained(folder)
    return folder


def write_documents(folder: Path, language: str, texts: list[str], held_out: list[str] = ()) -> Path:
    """Write a language's documents as `smelt job documents` does."""
    path = folder / language / "documents.parquet"
    path.parent.mkdir(parents=True)
    rows = [{"id": str(number), "title": "", "text": text, "held_out": False} for number, text in enumerate(texts)]
    rows += [{"id": f"h{number}", "title": "", "text": text, "held_out": True} for number, text in enumerate(held_out)]
    parquet.write_table(arrow.Table.from_pylist(rows), path)
    return path


def write_alberts(folder: Path, task: Path) -> tuple[Path, Path]:
    """Write a model whose embeddings are narrower than its states, before and after fine-tuning."""
    numbers = bert(len(tokenizer())).to_dict() | {"model_type": "albert", "embedding_size": 8}
    labels = json.loads((task / "task.json").read_text())["labels"]
    names = {"id2label": dict(enumerate(labels)), "label2id": {label: number for number, label in enumerate(labels)}}
    for name, kind in (("albert", AlbertForMaskedLM), ("fine-tuned-albert", AlbertForTokenClassification)):
        torch.manual_seed(len(name))
        kind(AlbertConfig(**numbers | names)).save_pretrained(folder / name)
        tokenizer().save_pretrained(folder / name)
    return folder / "albert", folder / "fine-tuned-albert"


class Folders:
    """A task, a teacher before and after it was fine-tuned on it, and its signals."""

    def __init__(self, folder: Path, task: Path, models: tuple[Path, Path] | None = None) -> None:
        self.task, self.folder = task, folder
        self.source, self.teacher = models or (
            write_pretrained(folder / "source"),
            write_teacher(folder / "teacher", task),
        )
        self.signals = folder / "signals"
        words = ["--teacher", self.teacher, "--task", task, "--output", self.signals]
        assert main(["signals", *map(str, words), "--settings", json.dumps(SIGNALS)]) == 0

    def words(self, output: Path, strategy: object, seed: int = 1, **changes: object) -> list[str]:
        stages = [stage.model_dump() for stage in STRATEGIES[strategy]] if isinstance(strategy, str) else strategy
        settings = {"student": STUDENT, "stages": stages, "layer": 2, "settings": SETTINGS}
        settings |= {key: value for key, value in changes.items() if key not in CompressionSettings.model_fields}
        inner = {key: value for key, value in changes.items() if key in CompressionSettings.model_fields}
        settings["settings"] = SETTINGS | inner
        words = ["--source", self.source, "--task", self.task, "--seed", seed]
        words += ["--checkpoints", output.with_name(f"{output.name}-kept"), "--output", output, "--name", "small"]
        return ["compress", *map(str, words), "--settings", json.dumps(settings)]

    def compress(self, output: Path, strategy: object, taught: bool = True, seed: int = 1, **changes: object) -> int:
        taught_by = ["--teacher", str(self.teacher), "--signals", str(self.signals)] if taught else []
        return main([*self.words(output, strategy, seed, **changes), *taught_by])
