"""The card of a model with another vocabulary than the one that it was made from: a reduced or an amplified one."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from smelt.card import Card, CardValue, write_card
from smelt.companions import is_sentence_model
from smelt.files import read_json
from smelt.languages import iso_codes
from smelt.model_families import fills_masks
from smelt.model_folder import ModelSource, count_parameters, name_of, read_citation, read_inherited
from smelt.models.vocabulary.weights import WEIGHTS
from smelt.tasks.kinds import KINDS


def write_vocabulary_card(
    folder: Path,
    name: str,
    source: ModelSource,
    languages: Sequence[str],
    pieces: tuple[int, int],
    summary: str,
    tables: Mapping[str, list[Mapping[str, CardValue]]],
    limits: str,
) -> None:
    """Write the card.

    Args:
        folder: the new model's, with configuration and weights.
        name: of the new model.
        source: the model that it was made from.
        languages: those that the vocabulary was changed for.
        pieces: how many there were, and how many there are.
        summary: what was done to the source, to stand behind its name.
        tables: as the card has them.
        limits: as the card has them.
    """
    inherited = read_inherited([source.folder])
    embeds = is_sentence_model(folder)
    architecture = (read_json(folder / "config.json").get("architectures") or ["a bare encoder"])[0]
    origin = f"[{source.hub}](https://huggingface.co/{source.hub})" if source.hub else f"`{name_of(source.folder)}`"
    before, after = pieces
    card = Card(
        name=name,
        summary=f"{origin} {summary}",
        languages=iso_codes(languages),
        facts={
            "architecture": architecture,
            "parameters": count_parameters(folder / WEIGHTS),
            "pieces": after,
            "pieces before": before,
        },
        tables=tables,
        limits=limits,
        fills_masks=fills_masks(architecture),
        **inherited | ({"base_models": [source.hub]} if source.hub else {}),
        citation=read_citation(source.folder),
        library="sentence-transformers" if embeds else "transformers",
        pipeline="sentence-similarity" if embeds else _pipeline_of(architecture),
    )
    write_card(folder, card)


def _pipeline_of(architecture: str) -> str | None:
    """Return the pipeline of a model that was fine-tuned on a task; None of any other."""
    heads = {kind.head.removeprefix("AutoModel"): kind.pipeline for kind in KINDS.values() if not kind.embeds}
    return next((pipeline for head, pipeline in heads.items() if architecture.endswith(head)), None)


def proof_rows(proof: Mapping[str, Any], changed: str) -> list[Mapping[str, CardValue]]:
    """Return the table of a proof, a row a language; `changed` is the key for the share of lines cut differently."""
    return [
        {
            "language": language,
            "lines": row["lines"],
            "cut differently": _number(row[changed], ".1%"),
            "pieces a word before": _number(row["before"]["fertility"]),
            "after": _number(row["after"]["fertility"]),
            "lines whose states are equal bit for bit": row["states"]["lines"],
            "largest difference of logits": _number(row["states"].get("largest_difference")),
        }
        for language, row in proof["languages"].items()
    ]


def any_of(languages: Sequence[str]) -> str:
    """Return languages in words."""
    return languages[0] if len(languages) == 1 else f"any of {', '.join(languages)}"


def _number(value: float | None, form: str = ".4g") -> str:
    return "–" if value is None else format(value, form)
