"""`python -m smelt task`: prepare a task's splits as Parquet, with task.json to describe them."""

import argparse
from pathlib import Path
from typing import Any

import pyarrow as arrow
import pyarrow.parquet as parquet

from smelt.errors import SmeltError
from smelt.files import whole_folder, write_json
from smelt.tasks.examples import Example
from smelt.tasks.kinds import kind_of
from smelt.tasks.prepare import (
    PreparedSplit,
    describe,
    limited,
    prepare,
    repeated,
    training_labels,
    unseen_labels,
    without_effect,
)
from smelt.tasks.task_file import TaskFile, load_task, task_file, variables_of_task

PARTS = ("all", "language", "label")
MET = {
    "repaired_labels": "labels repaired",
    "empty_texts": "texts without a word",
    "empty_sides": "pairs with an empty side",
}
"""Counts of a split in task.json, shown where they are not 0."""
ROWS = 50_000  # examples that become Arrow at once: as rows in Python they take much memory


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument("--name", required=True, help="what the task is called")
    parser.add_argument("--task", help="its file <task>.yaml, and its setting; by default the name's")
    parser.add_argument("--folder", type=Path, nargs="*", default=[], help="folders of own task files, before smelt's")
    parser.add_argument("--limit", type=int, default=0, help="training examples to draw; 0 for all")
    parser.add_argument("--per", choices=PARTS, default="all", help="what the limit is of: of all, or of each of these")
    parser.add_argument("--seed", type=int, default=1, help="seed of the draw")
    parser.add_argument("--output", type=Path, required=True, help="folder to write")


def run(arguments: argparse.Namespace) -> None:
    """Prepare the task and write its splits and description."""
    name = arguments.task or arguments.name
    where = str(task_file(name, *arguments.folder)[0])
    task = load_task(name, *arguments.folder)
    _check_draw(arguments, task, where)
    splits = prepare(task, where)
    labels = training_labels(task, splits, where)
    unseen = unseen_labels(task, splits, where)
    train = splits["train"]
    train.examples, left = limited(train.examples, arguments.limit, arguments.seed, arguments.per)
    description = _description(arguments, task, labels) | {
        "splits": {name: describe(split) | {"unseen_labels": unseen[name]} for name, split in splits.items()},
        "repeated_from_train": repeated(splits, "train"),
        "repeated_from_validation": repeated(splits, "validation"),
    }
    write_task(arguments.output, splits, left, description, kind_of(task).schema(task.pairs))
    for line in summary(description) + without_effect(task, splits):
        print(f"{arguments.name}: {line}")


def variables(arguments: argparse.Namespace) -> list[str]:
    """Return the environment variables that the command fills in: those in the paths that the task's file names."""
    return variables_of_task(arguments.task or arguments.name, *arguments.folder)


def summary(description: dict[str, Any]) -> list[str]:
    """Return a line for each split of a task.json, and what to do where test examples stand in training."""
    from_train, from_validation = description["repeated_from_train"], description["repeated_from_validation"]
    lines = []
    for name, split in description["splits"].items():
        line = f"{name}: {_counted(split['examples'], 'example')}, {_counted(split['words'], 'word')}"
        met = {what: split[key] for key, what in MET.items()}
        met["labels that training lacks"] = sum(split["unseen_labels"].values())
        line += "".join(f"; {what}: {count}" for what, count in met.items() if count)
        dropped = split["dropped_repeats"]
        line += f"; {dropped} left out, because they also stand in a later split" if dropped else ""
        for count, where in ((from_train.get(name), "training"), (from_validation.get(name), "validation")):
            line += f"; {count} ({count / split['examples']:.1%}) also stand in {where}, word for word" if count else ""
        lines.append(line)
    if from_train["test"]:
        lines.append("set `repeats: drop` in the task file to leave these out of training")
    return lines


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def write_task(
    folder: Path, splits: dict[str, PreparedSplit], left: list[Example], description: dict[str, Any], schema: Any
) -> None:
    """Write the splits, the training texts that a limit left out (without labels), and task.json; all or none."""
    with whole_folder(folder) as draft:
        for name, split in splits.items():
            parquet.write_table(as_table(split.examples, schema), draft / f"{name}.parquet", compression="zstd")
        unlabelled = as_table(left, schema).drop_columns([schema.names[-1]])
        parquet.write_table(unlabelled, draft / "unlabelled.parquet", compression="zstd")
        write_json(draft / "task.json", description)


def as_table(examples: list[Example], schema: Any) -> Any:
    """Return examples as an Arrow table, numbered from 0."""
    parts = [_rows(examples, start, schema) for start in range(0, max(len(examples), 1), ROWS)]
    return arrow.concat_tables(parts)


def _check_draw(arguments: argparse.Namespace, task: TaskFile, where: str) -> None:
    if arguments.limit < 0:
        raise SmeltError("--limit", f"expected the number of training examples, or 0 for all; found {arguments.limit}")
    if arguments.per == "label" and not kind_of(task).labels_examples:
        raise SmeltError(where, "per: label is for tasks whose texts have one label each; expected language")


def _rows(examples: list[Example], start: int, schema: Any) -> Any:
    chosen = examples[start : start + ROWS]
    columns = {key: [getattr(example, key) for example in chosen] for key in schema.names[1:]}
    return arrow.table({"example": range(start, start + len(chosen))} | columns, schema=schema)


def _description(arguments: argparse.Namespace, task: TaskFile, labels: list[str]) -> dict[str, Any]:
    return {
        "name": arguments.name,
        "title": task.title,
        "kind": task.kind,
        "scheme": task.scheme,
        "metric": task.metric,
        "setting": task.setting,
        "pairs": task.pairs,
        "average": task.average,
        "languages": task.languages,
        "labels": labels,
        "choose_on": task.choose_on,
        "licence": task.licence,
        "cite": task.cite,
        "limit": arguments.limit,
        "per": arguments.per,
        "seed": arguments.seed,
    }
