"""Token blocks to measure on: a made-up vocabulary of any size, and text of it that follows Zipf's law."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from smelt.training.pack import pack

SPECIAL = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}
WORD_STARTS = 0.6  # of the pieces
DOCUMENT = 900  # pieces
SHIFT = 2.7  # of Zipf and Mandelbrot's law


@dataclass(frozen=True)
class SyntheticCorpus:
    """Where a corpus lies; picklable, so that other processes can open it."""

    tokenizer: Path
    blocks: Path
    length: int


def corpus(folder: Path, vocabulary: int, length: int, documents: int) -> SyntheticCorpus:
    """Write a tokenizer and packed blocks, unless they lie there already; the same ones every time."""
    made = SyntheticCorpus(folder / "tokenizer", folder / "blocks" / "xx", length)
    if not (made.blocks / "blocks.json").exists():
        generator = np.random.default_rng(1)
        pieces = _pieces(vocabulary, generator)
        _write_tokenizer(made.tokenizer, pieces)
        _write_documents(folder / "documents.parquet", pieces[len(SPECIAL) :], documents, generator)
        pack(folder / "documents.parquet", made.tokenizer, length, made.blocks)
    return made


def _pieces(vocabulary: int, generator: np.random.Generator) -> list[str]:
    starts = generator.random(vocabulary) < WORD_STARTS
    names = [f"{'▁' if start else ''}{number:x}" for number, start in enumerate(starts)]
    return [*SPECIAL.values(), *names[len(SPECIAL) :]]


def _write_tokenizer(folder: Path, pieces: list[str]) -> None:
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=SPECIAL["unk_token"]))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **SPECIAL).save_pretrained(folder)
    (folder / "config.json").write_text(json.dumps({"model_type": "albert"}))


def _write_documents(path: Path, pieces: list[str], documents: int, generator: np.random.Generator) -> None:
    ranks = np.arange(len(pieces))
    shares = 1 / (ranks + SHIFT)
    drawn = generator.choice(ranks, (documents, DOCUMENT), p=shares / shares.sum())
    texts = [" ".join(pieces[rank] for rank in document) for document in drawn]
    numbers = [str(number) for number in range(documents)]
    held_out = [number % 50 == 0 for number in range(documents)]
    pq.write_table(pa.table({"id": numbers, "title": numbers, "text": texts, "held_out": held_out}), path)
