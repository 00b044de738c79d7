"""Pretrain an encoder from scratch on packed token blocks: the command `pretrain`.

IN   block folders, one a language; the tokenizer's folder; the settings that the study gives
OUT  a model's folder: config.json, model.safetensors, tokenizer, README.md (its card), provenance.json; its curve, and
     beside it TensorBoard's events
"""

import argparse
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smelt.card import Card, write_card
from smelt.cli import KeyValues, add_examples
from smelt.errors import SmeltError
from smelt.files import whole_folder
from smelt.languages import iso_codes
from smelt.model_families import FAMILIES, max_positions
from smelt.model_folder import publish_tokenizer
from smelt.models.encoders import new_encoder, resize_vocabulary
from smelt.models.job_flags import add_job_flags, run_here, start_processes
from smelt.models.training_card import (
    MASKED,
    NAMES,
    TERMS_OF_SENTENCES,
    effective_settings,
    facts,
    held_out,
    in_words,
    training_amounts,
    training_data,
)
from smelt.provenance import write_provenance
from smelt.study.makers.pretrain import PretrainingSettings
from smelt.training.blocks import FEW_SEGMENTED, TokenBlocks, count_segmentable
from smelt.training.pieces import Pieces, load_tokenizer
from smelt.training.recipes import Recipe

if TYPE_CHECKING:
    import torch

    from smelt.models.job import Blocks, Trainable
    from smelt.training.run import Outcome


WHY = {
    "order": "None of the {:,} blocks has two sentences of one document between which it could be split. Set"
    " objective.sentences: none; or data.packing: stream, which splits between any two tokens of a document; or"
    " take longer documents",
    "next": "None of the {:,} blocks can be split with another one to take a second segment from. Set"
    " objective.sentences: none, or take a larger corpus",
}
NOT_TOKENIZER = {"config.json", "statistics.json", "README.md", "provenance.json"}
LIMITS = """\
An encoder that was pretrained only: it has learnt no task, and what it says about people and places is what its texts
say. Figures above are of held-out documents of the same corpora."""
PREDICTED = {
    "order": " and sentence order prediction (Lan et al. 2019)",
    "next": " and next sentence prediction (Devlin et al. 2019)",
    "none": "",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `pretrain`."""
    parser.add_argument("--tokenizer", type=Path, required=True, help="folder of the tokenizer")
    parser.add_argument(
        "--settings",
        action=KeyValues,
        kind=PretrainingSettings,
        required=True,
        help="shape, recipe, alpha, seed and version",
    )
    add_job_flags(parser)
    add_examples(
        parser,
        "--blocks sw --tokenizer tokenizer --settings @model.yaml --checkpoints kept --output model --curve curve.csv",
    )


def run(arguments: argparse.Namespace) -> None:
    """Pretrain one model, in as many processes as the job has GPUs."""
    start_processes(arguments)
    run_here(arguments, arguments.tokenizer, PretrainingPlan(arguments.settings, arguments.tokenizer))


@dataclass(frozen=True)
class PretrainingPlan:
    """The training plan of the maker `pretrain`."""

    settings: PretrainingSettings
    tokenizer: Path

    def identity(self, recipe: Recipe) -> dict[str, Any]:
        """Return the settings, without those that make no other model."""
        return {"settings": self.settings.model_dump() | {"recipe": recipe.identity()}}

    def check(self, recipe: Recipe, blocks: "Blocks") -> None:
        """Refuse blocks if none of them can be split and the recipe predicts something about two segments.

        Blocks of a small corpus are repeated.

        Raises:
            SmeltError: none can be split.
        """
        sentences = recipe.objective.sentences
        if sentences != "none" and not count_segmentable(sentences, blocks["train"]):
            why = WHY[sentences].format(sum(map(len, blocks["train"])))
            raise SmeltError("recipe", f"objective.sentences: {sentences} has nothing to learn from. {why}")

    def begin(self, recipe: Recipe, pieces: Pieces, device: "torch.device") -> "Trainable":
        """Return a new encoder and the recipe's objective."""
        from smelt.models.job import Trainable
        from smelt.training.objectives import objective_of

        encoder = new_encoder(self.settings.shape, recipe, pieces, device)
        return Trainable(encoder, objective_of(recipe.objective, pieces))

    def write(
        self, output: Path, model: Any, blocks: Sequence[TokenBlocks], recipe: Recipe, outcome: "Outcome"
    ) -> None:
        """Write the model's folder."""
        settings = self.settings.model_copy(update={"recipe": recipe})
        write_model(output, PretrainedModel(model, self.tokenizer, settings, list(blocks), outcome))


@dataclass(frozen=True)
class PretrainedModel:
    """A model at the end of its training, with all that it was made from."""

    model: Any
    tokenizer: Path
    settings: PretrainingSettings
    blocks: list[TokenBlocks]
    outcome: "Outcome"


def write_model(output: Path, made: PretrainedModel) -> None:
    """Write the folder, whole; the model, whose vocabulary was padded while it trained, gets the tokenizer's size."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    resize_vocabulary(made.model, len(load_tokenizer(made.tokenizer)))
    with whole_folder(output) as folder:
        made.model.to("cpu").save_pretrained(folder)
        for file in made.tokenizer.iterdir():
            if file.is_file() and file.name not in NOT_TOKENIZER:
                shutil.copy(file, folder / file.name)
        publish_tokenizer(folder, max_positions(made.model.config))
        write_card(folder, card(output.name, made))
        # blocks.json holds the checksums of the blocks, which were compared when training began.
        inputs: dict[str, Path | list[Path]] = {
            "blocks": [part.folder / "blocks.json" for part in made.blocks],
            "tokenizer": made.tokenizer,
        }
        settings = made.settings.model_dump()
        write_provenance(
            folder, "pretrain", settings, inputs, [made.settings.seed], made.outcome.hours, made.outcome.energy
        )


def card(name: str, made: PretrainedModel) -> Card:
    """Return the model's card."""
    languages = sorted(part.language for part in made.blocks)
    return Card(
        name=name,
        summary=summary(made.settings, len(languages)),
        languages=iso_codes(languages),
        facts=facts(made.model) | training_amounts(made.settings.recipe.objective.sentences, made.blocks, made.outcome),
        tables={
            "Training data": training_data(made.blocks, made.settings, made.settings.recipe.objective.sentences),
            "Recipe": [
                {"setting": key, "value": value}
                for key, value in effective_settings(made.settings.recipe, made.settings.shape.hidden).items()
            ],
            "On held-out documents": held_out(made.outcome),
        },
        limits=LIMITS + limits_of_sentences(made.settings.recipe.objective.sentences, made.blocks),
    )


def summary(settings: PretrainingSettings, languages: int) -> str:
    """Return the model's kind, objectives and length of training, in a sentence or two."""
    recipe, family = settings.recipe, FAMILIES[settings.shape.family].title
    masked = MASKED[recipe.objective.masking].format(recipe.objective.longest_run)
    chosen = (
        " Its weights are those of the lowest loss on held-out documents." if recipe.validation.choose == "best" else ""
    )
    return (
        f"{family} encoder for {in_words(languages)}, pretrained from scratch with masked language modelling {masked}"
        f"{PREDICTED[recipe.objective.sentences]} for {recipe.schedule.duration}.{chosen}"
    )


def limits_of_sentences(sentences: str, blocks: Sequence[TokenBlocks]) -> str:
    """Return a warning for the card where few blocks had two segments."""
    able, total = count_segmentable(sentences, blocks), sum(map(len, blocks))
    if sentences == "none" or able >= FEW_SEGMENTED * total:
        return ""
    name = NAMES[TERMS_OF_SENTENCES[sentences]]
    name = name[0].upper() + name[1:]
    return f" {name} was learnt on {able:,} of {total:,} blocks only; the others have one segment."
