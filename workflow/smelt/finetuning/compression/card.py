"""The card of a compressed model."""

from pathlib import Path
from typing import Any

from smelt.card import Card, Value, write_card
from smelt.finetuning.data import Task
from smelt.finetuning.metrics import OWN
from smelt.languages import iso_codes

KINDS = {"bilstm": "bidirectional LSTM", "transformer": "Transformer encoder"}
LEARNT = {"representation": "hidden states", "logits": "logits", "labels": "labels"}
LIMITS = """\
It knows the labels of this task and nothing else. What its teacher gets wrong, it has learnt to get wrong; how it does
on texts of other kinds was not measured. The test split chose nothing."""


def write_student_card(folder: Path, name: str, task: Task, metrics: dict[str, Any], languages: list[str]) -> None:
    """Write README.md into a student's folder."""
    student = metrics["student"]
    facts: dict[str, Value] = {key.replace("_", " "): value for key, value in student.items() if value is not None}
    facts |= {"labels": ", ".join(task.labels), "embeddings": _start(metrics["embeddings"])}
    card = Card(
        name,
        f"A {KINDS[student['kind']]} for the task {task.name}, compressed stage by stage from a fine-tuned model "
        "(XtremeDistil, Mukherjee and Awadallah 2020).",
        iso_codes(languages),
        facts,
        tables={"Stages": [_stage(record) for record in metrics["stages"]], "Test": _scores(metrics, task)},
        limits=LIMITS,
        fills_masks=False,
        use=_use(name, task),
        pipeline="token-classification" if task.by_word else "text-classification",
    )
    write_card(folder, card)


def _start(facts: dict[str, Any]) -> str:
    return " of the teacher's, ".join(str(facts[key]) for key in ("start", "of") if key in facts)


def _stage(record: dict[str, Any]) -> dict[str, Value]:
    learnt = " and ".join(LEARNT[name] for name, weight in record["losses"].items() if weight)
    row: dict[str, Value] = {"stage": record["stage"], "learns": learnt, "unfrozen down to": record["unfrozen"]}
    return row | {"epochs": record["epochs"], "best": record["best"], "validation loss": record["validation_loss"]}


def _scores(metrics: dict[str, Any], task: Task) -> list[Any]:
    rows = [row for row in metrics["scores"] if (row["split"], row["metric"]) == ("test", OWN[task.metric])]
    return [{"language": row["language"], OWN[task.metric]: row["value"]} for row in rows]


def _use(name: str, task: Task) -> str:
    kind = "AutoModelForTokenClassification" if task.by_word else "AutoModelForSequenceClassification"
    return (
        f"```python\nfrom transformers import {kind}, AutoTokenizer\n\n"
        f'tokenizer = AutoTokenizer.from_pretrained("path/to/{name}")\n'
        f'model = {kind}.from_pretrained("path/to/{name}", trust_remote_code=True)\n```\n\n'
        "The folder holds the class of the model, which this runs; texts in a batch are padded on their right."
    )
