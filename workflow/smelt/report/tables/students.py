"""Tables of students: what each learns, in which order, and with which settings (XtremeDistil, Tables 2 and 12)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from smelt.entry import Distinct, Name
from smelt.errors import SmeltError
from smelt.files import read_json
from smelt.model_folder import read_tensor_headers
from smelt.report.render import NONE, Cell, Grid, Group, PaperTable, Row, digits, scientific
from smelt.report.tables.base import Made, StudyOfTables, TableJob, TableWithoutTasks

HEADS = ["Student", "Parameters (M)", "Stages", "Gradual", "Embeddings", "Layer", "Batch", "Dropout", "Rate", "Length"]
COLUMNS = (
    *("model", "student", "embedding", "hidden", "layers", "parameters", "stages", "gradual", "embeddings", "layer"),
    *("batch", "dropout", "learning_rate", "minimum_learning_rate", "length"),
)
KINDS = {"bilstm": "BiLSTM", "transformer": "Transformer"}
LOSSES = {"representation": "states", "logits": "logits", "labels": "labels"}


class StudentsTable(TableWithoutTasks):
    """Shape, stages and settings of compressed students, a row each (XtremeDistil, Tables 2 and 12)."""

    kind: Literal["students"]
    models: Annotated[list[Name], Field(min_length=1), Distinct]
    """Models of the maker `compress`, a row each."""

    def check(self, study: StudyOfTables, key: str) -> None:
        """Refuse models that are no students."""
        for model in self.models:
            if not study.is_compressed(model):
                found = f"{model!r} is made by {study.makers[model]}"
                raise SmeltError(study.where, f"{key}.models: a table of kind students shows compressions; {found}")

    def sources(self, study: StudyOfTables) -> list[str]:
        """Return the folders of the students, each that of its first task and seed."""
        return [f"{study.results}/models/{model}" for model in self.models]

    def make(self, job: TableJob) -> Made:
        """Return the table: a row a student."""
        if not job.sources:
            raise SmeltError("--sources", "expected the folders of students, found none")
        found = [read_student(folder) for folder in job.sources]
        notes = [
            "Stages: the losses of each, in their order: a teacher's states and its logits on unlabelled text, and"
            " labels. Gradual: whether a stage unfreezes its parts one by one. Layer: that of the teacher whose states"
            " are learnt, counted from 1; middle: the one after the middle. Rate: of Adam, from the highest to the"
            " lowest of a cosine. Parameters: of the student of the first task and seed, since the pieces seen differ.",
        ]
        grid = Grid("Model", HEADS, [Group([student.row() for student in found])], numeric=False)
        table = PaperTable(job.name, self.caption or "Students and how they are trained", [grid], notes)
        return Made(table, [student.numbers() for student in found], COLUMNS)


@dataclass(frozen=True)
class StudentRecord:
    """A student, and the settings of its compression."""

    model: str
    parameters: int
    shape: Mapping[str, Any]
    stages: Sequence[tuple[str, bool]]
    """The losses of each stage in words, and whether it unfreezes gradually."""
    embeddings: str
    layer: str
    settings: Mapping[str, Any]

    @property
    def gradual(self) -> bool:
        """Whether any stage unfreezes gradually."""
        return any(gradual for _, gradual in self.stages)

    def row(self) -> Row:
        """Return the row of the table."""
        shape, settings = self.shape, self.settings
        size = f"E={shape['embedding']}, H=2×{shape['hidden']}" if "hidden" in shape else f"E={shape['embedding']}"
        layers = f", {shape['layers']} layers" if shape["layers"] > 1 else ""
        rates = [scientific(settings[key]) for key in ("learning_rate", "minimum_learning_rate")]
        texts = [
            f"{KINDS.get(shape['kind'], shape['kind'])}, {size}{layers}",
            digits(self.parameters / 1e6),
            "; ".join(losses for losses, _ in self.stages),
            "yes" if self.gradual else "no",
            self.embeddings,
            self.layer,
            *(f"{settings[key]:,}" for key in ("batch", "dropout")),
            " to ".join(rates),
            str(settings["length"]),
        ]
        return Row(self.model, [Cell(text) for text in texts])

    def numbers(self) -> tuple[Any, ...]:
        """Return the row of the CSV."""
        shape, settings = self.shape, self.settings
        kept = ("batch", "dropout", "learning_rate", "minimum_learning_rate", "length")
        return (
            *(self.model, shape["kind"], shape["embedding"], shape.get("hidden"), shape["layers"], self.parameters),
            *("; ".join(losses for losses, _ in self.stages), self.gradual, self.embeddings, self.layer),
            *(settings[key] for key in kept),
        )


def read_student(folder: Path) -> StudentRecord:
    """Return a student, from the folder of its model.

    Raises:
        SmeltError: a file is missing, or is not of a student.
    """
    path = folder / "provenance.json"
    used: dict[str, Any] = read_json(path).get("settings") or {}
    try:
        stages = [(_losses(stage["losses"]), stage["unfreeze"] != "all") for stage in used["stages"]]
        imitates = any(stage["losses"]["representation"] for stage in used["stages"])
        start, settings = used["embeddings"], used["settings"]
        of = f", {start['of']}" if start["start"] in ("svd", "ppa", "full") else ""
        missing = [key for key in COLUMNS[-5:] if key not in settings]
        if missing:
            raise KeyError(missing[0])
        layer = str(used["layer"] or "middle") if imitates else NONE
        return StudentRecord(
            folder.name, _parameters(folder), dict(used["student"]), stages, f"{start['start']}{of}", layer, settings
        )
    except (KeyError, TypeError) as error:
        raise SmeltError(path, f"lacks {error}: expected the provenance of a compressed student") from None


def _parameters(folder: Path) -> int:
    """Return how many numbers a student learns: the list that says which piece has which row is none of them."""
    header, _ = read_tensor_headers(folder / "model.safetensors")
    return sum(math.prod(tensor["shape"]) for tensor in header.values() if not tensor["dtype"].startswith("I"))


def _losses(weights: Mapping[str, float]) -> str:
    """Return the losses of a stage, with weights that are not 1."""
    named = {LOSSES.get(loss, loss): weight for loss, weight in weights.items() if weight}
    return " + ".join(name if weight == 1 else f"{weight:g} × {name}" for name, weight in named.items())
