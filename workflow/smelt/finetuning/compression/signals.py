"""Signals: the transfer text of a task, with what a teacher says of it, stored or to be asked anew (live).

The folder has `signals.json`, which says what they were made from, the text under `text/` and, where they are stored,
shards under `shards/`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smelt.errors import SmeltError
from smelt.files import checksum, read_json
from smelt.finetuning.batches import Batch
from smelt.finetuning.compression.shards import Shards
from smelt.finetuning.compression.teacher import Teacher, Told
from smelt.finetuning.compression.transfer import Transfer, read_transfer
from smelt.finetuning.compression.windows import Whole
from smelt.finetuning.data import Task
from smelt.finetuning.tokenizer import Pieces
from smelt.provenance import digest, sha256_of

NAME, TEXT, SHARDS = "signals.json", "text", "shards"
FORMAT = 2


@dataclass(frozen=True)
class Made:
    """What signals are made from, as far as it decides whether they fit a compression."""

    teacher: str
    """sha256 of the teacher's folder."""
    task: str
    """Digest of the labels and training texts."""
    pieces: str
    """Digest of the vocabulary."""
    length: int
    held_out: float

    def refuse_others(self, found: dict[str, Any], where: Path) -> None:
        """Raise a SmeltError where signals were made from something else, and name it."""
        what = {"teacher": "of another teacher", "task": "of another task", "pieces": "of another vocabulary"}
        for key, wanted in vars(self).items():
            if found.get(key) != wanted:
                numbers = f"of {key} {found.get(key)}, and {wanted} is asked for"
                raise SmeltError(where, f"holds signals {what.get(key, numbers)}: make them anew")


def made_from(teacher: Teacher, task_folder: Path, task: Task, pieces: Pieces, length: int, held_out: float) -> Made:
    """Return what signals are made from."""
    sums = [checksum(path) for name in ("train", "unlabelled") if (path := task_folder / f"{name}.parquet").is_file()]
    vocabulary = pieces.tokenizer.convert_ids_to_tokens(range(len(pieces.tokenizer)))
    of_task = digest([task.kind, task.labels, sums])
    return Made(sha256_of(teacher.folder), of_task, digest(vocabulary), length, held_out)


class Signals:
    """Transfer text and what its teacher says of it: logits, and states of one layer where a stage imitates them."""

    def __init__(self, folder: Path, made: Made, teacher: Teacher, pieces: Pieces) -> None:
        """Open the folder.

        Args:
            folder: as `python -m smelt signals` writes it.
            made: what it must be made from.
            teacher: it has the layer that will be asked for, or none.
            pieces: of the tokenizer.

        Raises:
            SmeltError: it holds no signals, or those of something else.
        """
        path = folder / NAME
        self.about = read_json(path)
        if self.about.get("format") != FORMAT:
            raise SmeltError(path, f"is of format {self.about.get('format')}; expected {FORMAT}: make the signals anew")
        made.refuse_others(self.about, path)
        self.layer = teacher.layers[0] if teacher.layers else None
        if self.layer is not None and self.layer not in self.about["layers"]:
            known = ", ".join(map(str, self.about["layers"])) or "none"
            raise SmeltError(path, f"holds signals of layers {known}, and {self.layer} is asked for: make them anew")
        self.transfer: Transfer = read_transfer(folder / TEXT, len(pieces.tokenizer))
        self._teacher: Teacher | None = None
        self._shards: Shards | None = None
        if self.about["mode"] == "live":
            self._teacher = teacher
        else:  # the teacher may go
            self._shards = Shards(folder / SHARDS, self.transfer.windows, self.layer, teacher.width, teacher.labels)

    def told(self, numbers: Whole, batch: Batch, states: bool, logits: bool) -> Told:
        """Return what the teacher says of the labelled tokens of some windows, which make this batch."""
        if self._teacher is not None:
            found, of_labels = self._teacher(batch, self._teacher.layers if states else [])
            return Told(found[0] if states else None, of_labels if logits else None)
        assert self._shards is not None
        told = self._shards.told(numbers, states, logits)
        device = batch.ids.device
        return Told(*(None if part is None else part.to(device) for part in (told.states, told.logits)))
