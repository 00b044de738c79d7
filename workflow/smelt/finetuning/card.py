"""The cards of models that are fine-tuned on a task: README.md beside their weights."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from smelt.card import Card, CardValue, write_card
from smelt.finetuning.outcome import DEVIATION, MEAN
from smelt.languages import ALL, iso_codes
from smelt.tasks.kinds import kind_of, metric_of
from smelt.tasks.kinds.base import Task

LIMITS = (
    "It was fine-tuned with one seed: another one gives other scores. Its best weights were chosen on the validation"
    " set. It was tested on nothing but the set named here."
)


def write_finetuned_card(folder: Path, name: str, base: str, task: Task, metrics: dict[str, Any]) -> None:
    """Write README.md into the folder of a fine-tuned model.

    Args:
        folder: the model's.
        name: its name.
        base: the name of the model that was fine-tuned.
        task: what it was fine-tuned on.
        metrics: the content of its metrics.json.
    """
    embeds = kind_of(task).embeds
    settings = dict(_listed(metrics["settings"] | metrics.get("embedding", {})))
    labels = {} if embeds else {"labels": ", ".join(task.labels)}
    card = Card(
        name,
        f"{base}, fine-tuned on the task {task.name} ({task.setting}) with seed {metrics['seed']}.",
        iso_codes(tested_languages(metrics)),
        {"base model": base, **labels, **settings, "best epoch": metrics["best_epoch"]},
        tables={"Test": test_scores(metrics, task)},
        limits=LIMITS,
        fills_masks=False,
        library="sentence-transformers" if embeds else "transformers",
        pipeline=kind_of(task).pipeline,
    )
    write_card(folder, card)


def _listed(settings: dict[str, Any]) -> Iterator[tuple[str, CardValue]]:
    """Yield the settings that have a value, those of a part each by itself."""
    for key, value in settings.items():
        if isinstance(value, dict):
            yield from ((f"prompt of a {part}", text) for part, text in value.items() if text)
        elif value is not None:
            yield key.replace("_", " "), value


def tested_languages(metrics: dict[str, Any]) -> list[str]:
    """Return the languages that metrics.json has test scores of."""
    found = [row["language"] for row in metrics["scores"] if row["split"] == "test"]
    return [language for language in dict.fromkeys(found) if language not in (ALL, MEAN, DEVIATION)]


def test_scores(metrics: dict[str, Any], task: Task) -> list[Any]:
    """Return the test scores in the task's own metric, a row a language."""
    key = metric_of(task).key
    rows = [row for row in metrics["scores"] if (row["split"], row["metric"]) == ("test", key)]
    return [{"language": row["language"], key: row["value"]} for row in rows]
