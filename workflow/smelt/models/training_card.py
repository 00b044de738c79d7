"""The parts of a trained model's card: training data, recipe, and figures on held-out text."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from smelt.card import TOKENS
from smelt.mixture import Mixture
from smelt.training.blocks import TokenBlocks, count_segmentable
from smelt.training.curve import EVERYTHING
from smelt.training.recipes import Recipe
from smelt.training.sampler import shares

if TYPE_CHECKING:
    from smelt.training.run import Outcome

MASKED = {
    "tokens": "of single pieces (Devlin et al. 2019)",
    "words": "of whole words (Devlin et al. 2019)",
    "ngrams": "of n-grams of up to {} words (Lan et al. 2019)",
    "spans": "of spans of up to {} words (Joshi et al. 2020)",
    "rare": "of single pieces, rare ones more often (Sanh et al. 2019)",
}
TERMS_OF_SENTENCES = {"order": "sop", "next": "nsp"}
NAMES = {"sop": "sentence order prediction", "nsp": "next sentence prediction"}
# The meaning of settings that are left to the machine.
AUTOMATIC = {
    "objective.max_predictions": "no limit",
    "machine.micro_batch": "as many as memory holds",
    "machine.compile": "on GPUs only",
    "machine.attention": "FlashAttention where it runs, else torch's",
}


def in_words(languages: int) -> str:
    """Return a number of languages, in words."""
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


def training_data(
    blocks: Sequence[TokenBlocks], mixture: Mixture, sentences: str
) -> list[Mapping[str, str | int | float]]:
    """Return each language's tokens, how often it was drawn, and which of its blocks can be split, where any is."""
    drawn = shares([part.tokens for part in blocks], mixture)
    found: list[Mapping[str, str | int | float]] = []
    for part, share in zip(blocks, drawn, strict=True):
        row: dict[str, str | int | float] = {"language": part.language, "tokens available": part.tokens}
        row["share of examples"] = float(share)
        if sentences != "none":
            row["share of blocks with two segments"] = count_segmentable(sentences, [part]) / max(len(part), 1)
        found.append(row)
    return found


def training_amounts(sentences: str, blocks: Sequence[TokenBlocks], outcome: "Outcome") -> dict[str, int]:
    """Return how much text there was, and how much the model has seen; repeated text counts each time."""
    found = {"tokens available": sum(part.tokens for part in blocks)}
    seen = outcome.curve.at(outcome.step, "train").get(EVERYTHING, {}).get("tokens")
    found |= {} if seen is None else {TOKENS: int(seen)}
    if (term := TERMS_OF_SENTENCES.get(sentences)) is None:
        return found
    learnt = outcome.curve.training_total(outcome.step, f"{term}_predictions")
    return found | ({} if learnt is None else {f"examples of {NAMES[term]}": learnt})


def effective_settings(recipe: Recipe, hidden: int) -> dict[str, str]:
    """Return the settings that had an effect on a model of that width; those that follow from rules are filled in."""
    rules = {
        "schedule.stop_at": recipe.schedule.last_step,
        "optimizer.learning_rate": f"{recipe.peak_rate:.6g}",
        "schedule.warmup": recipe.warmup_steps,
        "objective.max_ngram": recipe.objective.longest_run,
        "model.dropout": recipe.model.dropout_of(hidden),
        "model.initializer_range": f"{recipe.model.initial_deviation(hidden):.6g}",
    }
    own = {f"{part}.{key}": value for part, settings in recipe.model_dump().items() for key, value in settings.items()}
    automatic = {key: text for key, text in AUTOMATIC.items() if own[key] is None}
    named = {"schedule.warmup": "schedule.warmup_steps"}
    values = own | rules | automatic
    return {named.get(key, key): str(value) for key, value in values.items() if key not in idle_settings(recipe)}


def idle_settings(recipe: Recipe) -> set[str]:
    """Return the settings without effect under the recipe's choice of masking and of sentences."""
    return {*recipe.idle(), *([] if recipe.schedule.epochs is not None else ["schedule.epochs"])}


def held_out(outcome: "Outcome") -> list[Mapping[str, str | int | float]]:
    """Return the validation figures at the step of the model's weights, a row a language."""
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
    """Return mlm_perplexity, exp of the mean loss: how many pieces the model hesitates between at a mask."""
    return {"mlm_perplexity": math.exp(metrics["mlm_loss"])} if "mlm_loss" in metrics else {}
