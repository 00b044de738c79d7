"""The folder of a pretrained model: configuration, weights, tokenizer, card and provenance."""

import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import model_validator

from smelt.card import Card, write_card
from smelt.entry import Entry, Seed
from smelt.files import whole_folder
from smelt.languages import iso_codes
from smelt.model_families import longest_of
from smelt.models.encoders import resize_vocabulary
from smelt.provenance import write_provenance
from smelt.study.architectures import Shape, refuse_unfit
from smelt.training.blocks import FEW_SEGMENTED, TokenBlocks, segmented
from smelt.training.curve import EVERYTHING
from smelt.training.pieces import load_tokenizer, publish_tokenizer
from smelt.training.recipes import Recipe
from smelt.training.sampler import shares

if TYPE_CHECKING:
    from smelt.training.run import Outcome

NOT_TOKENIZER = {"config.json", "statistics.json", "README.md", "provenance.json"}

LIMITS = """\
An encoder that was pretrained only: it has learnt no task, and what it says of people and places is what its texts say.
Figures above are of held-out documents of the same corpora."""

FAMILIES = {"albert": "An ALBERT", "bert": "A BERT", "distilbert": "A DistilBERT"}
MASKED = {
    "tokens": "of single pieces (Devlin et al. 2019)",
    "words": "of whole words (Devlin et al. 2019)",
    "ngrams": "of n-grams of up to {} words (Lan et al. 2019)",
    "spans": "of spans of up to {} words (Joshi et al. 2020)",
    "rare": "of single pieces, rare ones more often (Sanh et al. 2019)",
}
PREDICTED = {
    "order": " and sentence order prediction (Lan et al. 2019)",
    "next": " and next sentence prediction (Devlin et al. 2019)",
    "none": "",
}
TERMS_OF_SENTENCES = {"order": "sop", "next": "nsp"}
NAMES = {"sop": "sentence order prediction", "nsp": "next sentence prediction"}
# What a setting that is left to the machine means.
AUTOMATIC = {
    "most_predictions": "no limit",
    "micro_batch": "as many as memory holds",
    "compile": "on GPUs only",
    "attention": "FlashAttention where it runs, else torch's",
}


class PretrainingSettings(Entry):
    """All that decides what a model becomes, besides its blocks and tokenizer."""

    shape: Shape
    recipe: Recipe
    alpha: float
    """Languages are drawn in proportion to tokens ** alpha."""
    seed: Seed
    version: int
    """RECIPE_VERSION: the same settings under another version mean another model."""

    @model_validator(mode="after")
    def _shape_and_recipe_go_together(self) -> Self:
        refuse_unfit(self.shape, self.recipe)
        return self


@dataclass(frozen=True)
class Pretrained:
    """A model at the end of its training, with all that it came from."""

    model: Any
    tokenizer: Path
    settings: PretrainingSettings
    blocks: list[TokenBlocks]
    outcome: "Outcome"


def write_model(output: Path, made: Pretrained) -> None:
    """Write the folder, whole; the model, whose vocabulary was padded while it trained, gets the tokenizer's size."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    resize_vocabulary(made.model, len(load_tokenizer(made.tokenizer)))
    with whole_folder(output) as folder:
        made.model.to("cpu").save_pretrained(folder)
        for file in made.tokenizer.iterdir():
            if file.is_file() and file.name not in NOT_TOKENIZER:
                shutil.copy(file, folder / file.name)
        publish_tokenizer(folder, longest_of(made.model.config))
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


def card(name: str, made: Pretrained) -> Card:
    """Return what the model's card says."""
    languages = sorted(part.language for part in made.blocks)
    return Card(
        name=name,
        summary=summary(made.settings, len(languages)),
        languages=iso_codes(languages),
        facts=facts(made.model) | trained_on(made.settings.recipe, made.blocks, made.outcome),
        tables={
            "Training data": training_data(made.blocks, made.settings.alpha, made.settings.recipe),
            "Recipe": [
                {"setting": key, "value": value}
                for key, value in stated(made.settings.recipe, made.settings.shape.hidden).items()
            ],
            "On held-out documents": held_out(made.outcome),
        },
        limits=LIMITS + limits_of_sentences(made.settings.recipe, made.blocks),
    )


def summary(settings: PretrainingSettings, languages: int) -> str:
    """Return in a sentence or two what was trained for what, and how long."""
    recipe = settings.recipe
    masked = MASKED[recipe.masking].format(recipe.longest_run)
    chosen = " Its weights are those of the lowest loss on held-out documents." if recipe.choose == "best" else ""
    return (
        f"{FAMILIES[settings.shape.family]} encoder for {counted(languages)}, pretrained from scratch with masked"
        f" language modelling {masked}{PREDICTED[recipe.sentences]} for {recipe.duration}.{chosen}"
    )


def counted(languages: int) -> str:
    """Return a number of languages in words that agree with it."""
    return "one language" if languages == 1 else f"{languages} languages"


def facts(model: Any) -> dict[str, str | int | float]:
    """Return the model's architecture and size."""
    return {
        "architecture": type(model).__name__,
        "parameters": model.num_parameters(),
        "encoder parameters": model.base_model.num_parameters(),
        "pieces": model.config.vocab_size,
        "layers": model.config.num_hidden_layers,
        "hidden size": model.config.hidden_size,
        "attention heads": model.config.num_attention_heads,
    }


def training_data(blocks: Sequence[TokenBlocks], alpha: float, recipe: Recipe) -> list[Mapping[str, str | int | float]]:
    """Return each language's tokens, how often it was drawn, and which of its blocks can be split, where any is."""
    drawn = shares([part.tokens for part in blocks], alpha)
    found: list[Mapping[str, str | int | float]] = []
    for part, share in zip(blocks, drawn, strict=True):
        row: dict[str, str | int | float] = {"language": part.language, "tokens available": part.tokens}
        row["share of examples"] = float(share)
        if recipe.sentences != "none":
            row["share of blocks with two segments"] = segmented(recipe, [part]) / max(len(part), 1)
        found.append(row)
    return found


def trained_on(recipe: Recipe, blocks: Sequence[TokenBlocks], outcome: "Outcome") -> dict[str, int]:
    """Return how much text there was, and how much of it the model has seen, repeated ones counted each time."""
    found = {"tokens available": sum(part.tokens for part in blocks)}
    seen = outcome.curve.at(outcome.step, "train").get(EVERYTHING, {}).get("tokens")
    found |= {} if seen is None else {"tokens trained on": int(seen)}
    if (term := TERMS_OF_SENTENCES.get(recipe.sentences)) is None:
        return found
    learnt = outcome.curve.trained(outcome.step, f"{term}_predictions")
    return found | ({} if learnt is None else {f"examples of {NAMES[term]}": learnt})


def limits_of_sentences(recipe: Recipe, blocks: Sequence[TokenBlocks]) -> str:
    """Return a warning for the card where few blocks had two segments."""
    able, total = segmented(recipe, blocks), sum(map(len, blocks))
    if recipe.sentences == "none" or able >= FEW_SEGMENTED * total:
        return ""
    name = NAMES[TERMS_OF_SENTENCES[recipe.sentences]]
    name = name[0].upper() + name[1:]
    return f" {name} was learnt on {able:,} of {total:,} blocks only; the others have one segment."


def stated(recipe: Recipe, hidden: int) -> dict[str, str]:
    """Return the settings that had an effect on a model of that width, with those that follow from rules filled in."""
    rules = {
        "stop_at": recipe.last_step,
        "learning_rate": f"{recipe.peak_rate:.6g}",
        "warmup": recipe.warmup_steps,
        "longest": recipe.longest_run,
        "dropout": recipe.dropout_of(hidden),
        "initializer_range": f"{recipe.initial_deviation(hidden):.6g}",
    }
    automatic = {key: text for key, text in AUTOMATIC.items() if getattr(recipe, key) is None}
    named = {"warmup": "warmup_steps"}
    values = recipe.model_dump() | rules | automatic
    return {named.get(key, key): str(value) for key, value in values.items() if key not in idle(recipe)}


def idle(recipe: Recipe) -> set[str]:
    """Return the settings that say nothing under the recipe's choice of masking and of sentences."""
    return {*recipe.idle(), *([] if recipe.epochs is not None else ["epochs"])}


def held_out(outcome: "Outcome") -> list[Mapping[str, str | int | float]]:
    """Return what the model's weights measured when training was at their step, a row a language."""
    rows = {
        language: metrics | perplexity(metrics)
        for language, metrics in outcome.curve.at(outcome.step, "validation").items()
    }
    names = list(dict.fromkeys(name for metrics in rows.values() for name in metrics))
    return [
        {"language": language} | {name: metrics.get(name, float("nan")) for name in names}
        for language, metrics in sorted(rows.items(), key=lambda row: (row[0] == EVERYTHING, row[0]))
    ]


def perplexity(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return mlm_perplexity: how many pieces the model wavers between at a mask, exp of the mean loss."""
    return {"mlm_perplexity": math.exp(metrics["mlm_loss"])} if "mlm_loss" in metrics else {}
