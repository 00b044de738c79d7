"""What a training is made of: blocks and pieces that fit, a recipe of known length, and what tells runs apart."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from smelt.errors import SmeltError
from smelt.training.blocks import TokenBlocks
from smelt.training.pieces import Pieces, load_tokenizer, pieces_of
from smelt.training.processes import Processes
from smelt.training.recipes import Recipe

Blocks = dict[str, list[TokenBlocks]]
"""Those of each split, one a language."""


def opened(folders: list[Path], tokenizer: Path, recipe: Recipe, processes: Processes) -> tuple[Pieces, Blocks]:
    """Return the pieces of the tokenizer and the blocks of each split, which the first process compares by checksum.

    Raises:
        SmeltError: the tokenizer cannot be read, or blocks are damaged or of another tokenizer or length.
    """
    pieces = pieces_of(load_tokenizer(tokenizer))
    return pieces, {
        split: open_blocks(folders, split, pieces, recipe, processes.first) for split in ("train", "validation")
    }


def open_blocks(
    folders: list[Path], split: str, pieces: Pieces, recipe: Recipe, verified: bool = True
) -> list[TokenBlocks]:
    """Return the blocks of each language, of this tokenizer and recipe, and whole where they are to be verified."""
    blocks = [TokenBlocks(folder, split, pieces, recipe.length, recipe.packing) for folder in folders]
    for part in blocks if verified else []:
        part.verify()
    return blocks


def recipe_over(recipe: Recipe, blocks: Sequence[TokenBlocks]) -> Recipe:
    """Return the recipe with its epochs over these blocks in steps.

    Raises:
        SmeltError: it stops after its end.
    """
    try:
        return recipe.over(sum(map(len, blocks)))
    except ValueError as error:
        raise SmeltError("recipe", str(error)) from None


def refuse_uneven(recipe: Recipe, processes: Processes) -> None:
    """Refuse a batch that cannot be shared among the processes.

    Raises:
        SmeltError: it has fewer blocks than there are processes; or, where gradients are exchanged at every pass
            (zero: 2), some processes would have more passes than others and wait for them for ever.
    """
    blocks = "1 block" if recipe.batch == 1 else f"{recipe.batch} blocks"
    if recipe.batch < processes.size:
        message = f"batch: {blocks} cannot be shared among {processes.size} processes; start fewer"
        raise processes.alike(SmeltError("recipe", message))
    if recipe.zero == 2 and recipe.batch % processes.size:
        message = f"batch: {blocks} cannot be shared evenly among {processes.size} processes, as zero: 2 needs"
        raise processes.alike(SmeltError("recipe", f"{message}; set zero: 1, or start another number"))


def made_of(blocks: Blocks, pieces: Pieces) -> dict[str, Any]:
    """Return what a checkpoint must agree on of tokenizer and blocks to be gone on from."""
    return {
        "tokenizer": pieces.digest,
        "blocks": {split: {part.language: part.sha256 for part in parts} for split, parts in blocks.items()},
    }


def digest(identity: dict[str, Any]) -> str:
    """Return a short name for an identity: checkpoints of changed settings or blocks lie in another folder."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]
