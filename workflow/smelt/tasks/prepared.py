"""A prepared task as fine-tuning reads it: its description and its splits."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from smelt.errors import SmeltError
from smelt.files import read_json
from smelt.parquet import damage_named, opened, read_columns

COLUMNS = {
    "token-classification": ["example", "language", "words", "labels"],
    "sequence-classification": ["example", "language", "text", "label"],
}
PORTION = 20_000  # examples that become Python objects together, where all would be too many


@dataclass(frozen=True)
class Task:
    """What task.json says that fine-tuning needs."""

    name: str
    kind: str
    metric: str
    scheme: str | None
    labels: list[str]
    """Labels that a model can give: those of the whole training set."""
    pairs: bool = False
    """Whether each label is that of two texts."""
    setting: str = "standard"
    """Which languages it is trained, chosen and tested on, by the name that its task file gives."""
    average: str = "examples"
    """What stands for several languages: the score over all of their `examples`, or the mean of the `languages`."""

    @property
    def by_word(self) -> bool:
        """Whether each word bears a label, rather than each text."""
        return self.kind == "token-classification"


@dataclass(frozen=True)
class Examples:
    """One split, column by column: words and labels of sentences, or texts, or pairs, with their labels in `gold`."""

    ids: list[int]
    languages: list[str]
    words: list[list[str]]
    """Words of each sentence; empty for texts."""
    texts: list[str]
    """Texts, the first ones of pairs; empty for sentences."""
    gold: list[list[str]]
    """Labels, one a word; for a text a list of one."""
    pairs: list[str] = field(default_factory=list)
    """Second texts of pairs; empty for others."""

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(self.ids)

    def among(self, languages: Sequence[str]) -> "Examples":
        """Return the examples of these languages, in their order."""
        rows = [row for row, language in enumerate(self.languages) if language in languages]
        columns = {name: [values[row] for row in rows] if values else [] for name, values in vars(self).items()}
        return Examples(**columns)


def read_task(folder: Path) -> Task:
    """Return the description of a prepared task."""
    path = folder / "task.json"
    found = read_json(path)
    try:
        task = Task(found["name"], found["kind"], found["metric"], found["scheme"], found["labels"])
        # Tasks that were prepared before there were pairs and settings are none.
        task = replace(task, **{key: found[key] for key in ("pairs", "setting", "average") if key in found})
    except KeyError as error:
        raise SmeltError(path, f"lacks {error}: expected what `python -m smelt task` writes") from None
    if task.kind not in COLUMNS:
        raise SmeltError(path, f"kind {task.kind!r} is none that can be fine-tuned: {', '.join(COLUMNS)}")
    return task


def read_split(folder: Path, split: str, task: Task) -> Examples:
    """Return one split (train, validation or test) of a prepared task."""
    path = folder / f"{split}.parquet"
    columns: dict[str, list[Any]] = read_columns(path, _columns(task)).to_pydict()
    if not columns["example"]:
        raise SmeltError(path, "holds no example")
    return _examples(columns, task)


def read_portions(folder: Path, split: str, task: Task) -> Iterator[Examples]:
    """Yield one split of a prepared task, a portion at a time."""
    path, found = folder / f"{split}.parquet", False
    with opened(path, _columns(task)) as file, damage_named(path):
        for batch in file.iter_batches(batch_size=PORTION, columns=_columns(task)):
            found = True
            yield _examples(batch.to_pydict(), task)
    if not found:
        raise SmeltError(path, "holds no example")


def read_texts(path: Path, task: Task) -> Iterator[list[str] | str]:
    """Yield the sentences, as words, or the texts of a prepared task's file; labels are not read."""
    column = "words" if task.by_word else "text"
    with opened(path, [column]) as file, damage_named(path):
        for batch in file.iter_batches(batch_size=PORTION, columns=[column]):
            yield from batch.column(0).to_pylist()


def _columns(task: Task) -> list[str]:
    return COLUMNS[task.kind] + (["pair"] if task.pairs else [])


def _examples(columns: dict[str, list[Any]], task: Task) -> Examples:
    if task.by_word:
        return Examples(columns["example"], columns["language"], columns["words"], [], columns["labels"])
    gold = [[label] for label in columns["label"]]
    return Examples(columns["example"], columns["language"], [], columns["text"], gold, columns.get("pair", []))
