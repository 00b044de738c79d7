"""A prepared task as fine-tuning reads it: its description, its splits, and these as windows."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smelt.errors import SmeltError
from smelt.files import read_json
from smelt.parquet import count_rows, open_parquet, read_columns, refuse_damaged
from smelt.tasks.kinds import KINDS, kind_of
from smelt.tasks.kinds.base import Examples, Task
from smelt.tasks.splits import SPLITS

if TYPE_CHECKING:
    from smelt.tasks.tokenizer import TaskTokenizer
    from smelt.tasks.windows import Encoded

EXAMPLES_AT_ONCE = 20_000  # examples that become Python objects together, where all would be too many


def read_task(folder: Path) -> Task:
    """Return the description of a prepared task."""
    path = folder / "task.json"
    found = read_json(path)
    try:
        task = Task(found["name"], found["kind"], found["metric"], found["scheme"], found["labels"])
        # Tasks that were prepared before there were pairs, settings and labels of all pieces have none.
        later = ("pairs", "setting", "average", "label_pieces")
        task = replace(task, **{key: found[key] for key in later if key in found})
        if scores := found.get("scores"):
            task = replace(task, scores=(float(scores[0]), float(scores[1])))
    except KeyError as error:
        raise SmeltError(path, f"lacks {error}: expected what `smelt task` writes") from None
    if task.kind not in KINDS:
        raise SmeltError(path, f"kind {task.kind!r} is none that can be fine-tuned: {', '.join(KINDS)}")
    return task


def read_split(folder: Path, split: str, task: Task) -> Examples:
    """Return one split (train, validation or test) of a prepared task, with what stands beside it."""
    path = folder / f"{split}.parquet"
    columns: dict[str, list[Any]] = read_columns(path, kind_of(task).columns(task)).to_pydict()
    if not columns["example"]:
        raise SmeltError(path, "holds no example")
    return kind_of(task).read_beside(kind_of(task).examples(columns), folder, split)


def splits_of(folder: Path, learns: bool) -> list[str]:
    """Return the splits to read of a prepared task; where nothing is learnt, those beside training with an example.

    Raises:
        SmeltError: the task has a test split alone, and something is to be learnt.
    """
    if learns:
        if not any(count_rows(folder / f"{split}.parquet") for split in SPLITS[:-1]):
            raise SmeltError(folder, "has a test split alone: expected epochs: 0")
        return list(SPLITS)
    return [split for split in SPLITS[1:] if count_rows(folder / f"{split}.parquet")]


def read_batches(folder: Path, split: str, task: Task) -> Iterator[Examples]:
    """Yield one split of a prepared task, a batch of examples at a time."""
    path, columns, found = folder / f"{split}.parquet", kind_of(task).columns(task), False
    with open_parquet(path, columns) as file, refuse_damaged(path):
        for batch in file.iter_batches(batch_size=EXAMPLES_AT_ONCE, columns=columns):
            found = True
            yield kind_of(task).examples(batch.to_pydict())
    if not found:
        raise SmeltError(path, "holds no example")


def read_texts(path: Path, task: Task) -> Iterator[list[str] | str]:
    """Yield the sentences, as words, or the texts of a prepared task's file; labels are not read."""
    column = kind_of(task).text_column
    with open_parquet(path, [column]) as file, refuse_damaged(path):
        for batch in file.iter_batches(batch_size=EXAMPLES_AT_ONCE, columns=[column]):
            yield from batch.column(0).to_pylist()


def encode(examples: Examples, task: Task, pieces: "TaskTokenizer", length: int) -> "Encoded":
    """Return a split as windows of at most `length` tokens, with their targets."""
    encoded = kind_of(task).encode(examples, task, pieces, length)
    kind_of(task).add_targets(encoded, examples, task)
    return encoded
