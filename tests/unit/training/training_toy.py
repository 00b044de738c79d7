"""A toy language with a tokenizer, documents and blocks, made from a seed in about a second."""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import sentencepiece
import torch

from smelt.mixture import Mixture
from smelt.models.encoders import new_encoder
from smelt.study.architectures import Shape
from smelt.training.blocks import TokenBlocks
from smelt.training.checkpoints import Checkpoints
from smelt.training.data import Batches
from smelt.training.distributed import ALONE, Processes
from smelt.training.loop import train
from smelt.training.objectives import objective_of
from smelt.training.pieces import Pieces, load_tokenizer, pieces_of
from smelt.training.recipes import Recipe
from smelt.training.run import Run

LENGTH = 32
ROOTS = ["kal", "mirt", "sovun", "dap", "lirien", "tosk", "benga", "urm", "vast", "ilopi", "gren", "hamu"]
ENDINGS = ["", "a", "on", "eti", "ssim"]


@dataclass(frozen=True)
class Toy:
    """Where the toy's files lie."""

    tokenizer: Path
    documents: Path
    blocks: list[Path]

    @cached_property
    def pieces(self) -> Pieces:
        return pieces_of(load_tokenizer(self.tokenizer))


def sentence(draw: random.Random, place: int) -> str:
    """Return a sentence whose words depend on its place in the document, so that order can be learnt."""
    words = [ROOTS[min(place + draw.randrange(2), 11)] + draw.choice(ENDINGS) for _ in range(draw.randint(2, 4))]
    return " ".join(words).capitalize() + draw.choice([".", ".", "!", "?"])


def document(draw: random.Random) -> str:
    sentences = [sentence(draw, place) for place in range(12)]
    return " ".join(sentences[:6]) + "\n" + " ".join(sentences[6:])


def write_documents(path: Path, texts: list[str], held_out_every: int = 8) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    held_out = [number % held_out_every == 0 for number in range(len(texts))]
    names = [str(number) for number in range(len(texts))]
    pq.write_table(pa.table({"id": names, "title": names, "text": texts, "held_out": held_out}), path)
    return path


def train_tokenizer(folder: Path, texts: list[str], pieces: int) -> Path:
    folder.mkdir(parents=True)
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter("\n".join(texts).split("\n")),
        model_prefix=str(folder / "spiece"),
        vocab_size=pieces,
        pad_id=0,
        unk_id=1,
        bos_id=-1,
        eos_id=-1,
        pad_piece="<pad>",
        control_symbols=["[CLS]", "[SEP]", "[MASK]"],
        num_threads=1,
        minloglevel=2,
    )
    (folder / "config.json").write_text(json.dumps({"model_type": "albert"}))
    settings = {"tokenizer_class": "AlbertTokenizer", "do_lower_case": False, "keep_accents": True}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    load_tokenizer(folder).save_pretrained(folder)
    return folder


SHAPE = Shape(layers=2, hidden=32, heads=4, feed_forward=64, embedding=16)
RECIPE = Recipe.model_validate(
    {
        "data": {"batch": 8, "length": LENGTH},
        "model": {"dropout": 0.1},
        "optimizer": {"name": "adamw", "learning_rate": 3e-3},
        "schedule": {"steps": 20, "warmup": 0.1},
        "validation": {"every": 8, "blocks": 12},
        "checkpoints": {"every": 5},
    }
)


def toy_batches(toy: Toy, recipe: Recipe, processes: Processes = ALONE) -> Batches:
    train, validation = (
        [TokenBlocks(folder, split, toy.pieces, LENGTH, recipe.data.packing) for folder in toy.blocks]
        for split in ("train", "validation")
    )
    return Batches(train, validation, toy.pieces, recipe, Mixture(alpha=0.5), 1, processes)


def train_toy(
    toy: Toy,
    folder: Path,
    recipe: Recipe = RECIPE,
    wrap: Callable[[Batches], Any] = lambda batches: batches,
    shape: Shape = SHAPE,
    **run: Any,
) -> tuple[dict[str, torch.Tensor], list[tuple[Any, ...]]]:
    """Train from the newest checkpoint in `folder`; return the weights and the curve without its speeds."""
    torch.set_num_threads(1)
    torch.manual_seed(1)
    model = new_encoder(shape, recipe, toy.pieces)
    batches = wrap(toy_batches(toy, recipe))
    with Checkpoints(folder / "checkpoints", {"recipe": recipe.model_dump()}) as kept:
        surroundings = Run(checkpoints=kept, curve=folder / "curve.csv", seed=1, device=torch.device("cpu"), **run)
        curve = train(model, objective_of(recipe.objective, toy.pieces), batches, recipe, surroundings).curve
    return model.state_dict(), [row for row in curve.rows if row[3] != "tokens_per_second"]
