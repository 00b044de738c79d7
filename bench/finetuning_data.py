"""What the benchmark of fine-tuning works on: parts of public sets, an encoder to begin from, and files for scripts.

The parts are drawn by `smelt task`, so both sides read the same examples. The encoder has random weights.
"""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from smelt.study.architectures import ARCHITECTURES
from smelt.tasks.prepared_task import read_task

LIBRARY = Path(__file__).parents[1] / "workflow/smelt/tasks/library"
SPLITS = ("train", "validation", "test")
PIECES = 8000


@dataclass(frozen=True)
class SetPart:
    """A part of a set: its task file, and the ends of the shares of its files that are training, validation, test."""

    task: str
    shares: dict[str, tuple[float, float]]
    length: int
    """Tokens in an example, as the peer's script has them by default; 512 where it names no number."""
    smallest: float = 0.0
    """The smallest share of the part that has every label in training."""


# About 2,000 training examples, 500 of validation and 1,000 of test; of SNIPS 217 and 350, without labels that its part
# of training lacks, since the peer's script fails at these; of XQuAD, whose examples are ten times as long, 190
# questions, 60 and 120.
PARTS = {
    "conll2003": SetPart("conll2003", {"train": (0, 0.1424), "validation": (0, 0.154), "test": (0, 0.29)}, 512),
    "snips": SetPart("snips-slots", {"train": (0, 0.153), "validation": (0.54, 0.85), "test": (0, 0.5)}, 512, 0.1),
    "sst2": SetPart("sst2", {"train": (0, 0.289), "validation": (0, 0.573), "test": (0, 0.549)}, 128),
    "xquad": SetPart("xquad-dev", {"train": (0, 0.16), "validation": (0.6, 0.65), "test": (0.8, 0.9)}, 384),
}


def write_task_file(part: SetPart, scale: float, folder: Path) -> None:
    """Write the task file of a part; scale: share of it that is taken, for large encoders."""
    task: dict[str, Any] = yaml.safe_load((LIBRARY / f"{part.task}.yaml").read_text(encoding="utf-8"))
    for split, (start, end) in part.shares.items():
        found = task["source"][split]
        file = found["file"] if isinstance(found, dict) else found
        task["source"][split] = {"file": file, "take": [start, start + scale * (end - start)]}
    for key in ("settings", "average"):  # of several languages
        task.pop(key, None)
    task["languages"] = ["en"]
    (folder / f"{part.task}.yaml").write_text(yaml.safe_dump(task), encoding="utf-8")


def texts_of(task: Path) -> list[str]:
    """Return the texts of a prepared task's training split."""
    import pyarrow.parquet as pq

    columns = pq.read_table(task / "train.parquet").to_pydict()
    if "words" in columns:
        return [" ".join(words) for words in columns["words"]]
    return columns["text"] if "text" in columns else [*columns["question"], *dict.fromkeys(columns["context"])]


def write_encoder(folder: Path, architecture: str, texts: Iterable[str]) -> None:
    """Write an ALBERT with random weights, and a WordPiece tokenizer of the texts."""
    import torch
    from tokenizers import BertWordPieceTokenizer
    from transformers import AlbertConfig, AlbertForPreTraining, BertTokenizerFast

    folder.mkdir(parents=True)
    pieces = BertWordPieceTokenizer(lowercase=False, strip_accents=False)
    pieces.train_from_iterator(texts, vocab_size=PIECES, show_progress=False)
    pieces.save_model(str(folder))
    BertTokenizerFast(vocab=str(folder / "vocab.txt"), do_lower_case=False).save_pretrained(folder)
    shape = ARCHITECTURES[architecture]
    config = AlbertConfig(
        vocab_size=pieces.get_vocab_size(),
        embedding_size=shape.embedding,
        hidden_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.feed_forward,
    )
    torch.manual_seed(1)
    AlbertForPreTraining(config).save_pretrained(folder)


def write_for_scripts(task: Path, folder: Path) -> str:
    """Write a prepared task's splits as transformers' example scripts read them; return its kind."""
    import pyarrow.parquet as pq

    kind = read_task(task).kind
    folder.mkdir(parents=True)
    for split in SPLITS:
        rows = [_row(row) for row in pq.read_table(task / f"{split}.parquet").to_pylist()]
        text = json.dumps({"data": rows}) if kind == "question-answering" else "\n".join(map(json.dumps, rows))
        (folder / f"{split}.json").write_text(f"{text}{os.linesep}", encoding="utf-8")
    return kind


def _row(row: dict[str, Any]) -> dict[str, Any]:
    if "words" in row:
        return {"tokens": row["words"], "ner_tags": row["labels"]}
    if "text" in row:
        return {"sentence": row["text"], "label": row["label"]}
    answers = {"text": row["answers"], "answer_start": row["starts"]}
    return {"id": row["id"], "title": "", "question": row["question"], "context": row["context"], "answers": answers}
