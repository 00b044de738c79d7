"""The learning curve of a run: sums of measurements, tidy rows of their means, and TensorBoard events."""

import csv
import io
import math
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from smelt.files import whole_file

COLUMNS = ("step", "split", "language", "metric", "value")

Sums = Mapping[str, Iterable[float]]
CurveRow = tuple[int, str, str, str, float]

EVERYTHING = "all"  # the name of all languages together


class Tally:
    """Sums of losses and right predictions by term (mlm, sop), for their means."""

    def __init__(self, sums: Sums | None = None) -> None:
        """Begin at zero, or where `sums` left off."""
        self.sums = {name: list(values) for name, values in (sums or {}).items()}

    def add(self, name: str, total: float, count: float, correct: float) -> None:
        """Add a sum of losses over `count` predictions, `correct` of them right (NaN where none can be)."""
        kept = self.sums.setdefault(name, [0.0, 0.0, 0.0])
        for index, value in enumerate((total, count, correct)):
            kept[index] += value

    def add_all(self, names: Sequence[str], sums: Sequence[float]) -> None:
        """Add (total, count, correct) of several terms, one after the other in `sums`."""
        for index, name in enumerate(names):
            self.add(name, *sums[3 * index : 3 * index + 3])

    def join(self, other: "Tally") -> None:
        """Add the sums of another tally."""
        for name, (total, count, correct) in other.sums.items():
            self.add(name, total, count, correct)

    def loss(self, weights: Mapping[str, float]) -> float:
        """Return the weighted sum of the terms' mean losses; a term without predictions adds nothing."""
        return sum(weights[name] * total / count for name, (total, count, _) in self.sums.items() if count)

    def metrics(self) -> dict[str, float]:
        """Return <name>_loss of each term with predictions, and <name>_accuracy where these can be right."""
        metrics: dict[str, float] = {}
        for name, (total, count, correct) in self.sums.items():
            if count:
                metrics[f"{name}_loss"] = total / count
            if count and not math.isnan(correct):
                metrics[f"{name}_accuracy"] = correct / count
        return metrics

    def predictions(self) -> dict[str, float]:
        """Return <name>_predictions of each term: their number."""
        return {f"{name}_predictions": count for name, (_, count, _) in self.sums.items()}


class LearningCurve:
    """Rows of (step, split, language, metric, value), in the order of measurement."""

    def __init__(self, text: str = "") -> None:
        """Begin empty, or with the rows of a curve's text."""
        rows = list(csv.reader(io.StringIO(text)))[1:]
        self.rows: list[CurveRow] = [
            (int(step), split, language, metric, float(value)) for step, split, language, metric, value in rows
        ]

    def add(self, step: int, split: str, language: str, metrics: Mapping[str, float]) -> None:
        """Add one row for each metric."""
        self.rows += [(step, split, language, metric, value) for metric, value in metrics.items()]

    def has_step(self, step: int) -> bool:
        """Return whether the last rows are of this step."""
        return bool(self.rows) and self.rows[-1][0] == step

    def at(self, step: int, split: str) -> dict[str, dict[str, float]]:
        """Return the metrics of a step, by language, of one split."""
        chosen = [row for row in self.rows if row[:2] == (step, split)]
        languages = dict.fromkeys(language for _, _, language, _, _ in chosen)
        return {
            name: {metric: value for _, _, language, metric, value in chosen if language == name} for name in languages
        }

    def training_total(self, step: int, metric: str) -> int | None:
        """Return the sum of a training metric over the rows up to a step; None if a row lacks it."""
        rows = {row[0]: row[4] for row in self.rows if row[0] <= step and row[1] == "train" and row[3] == metric}
        steps = {row[0] for row in self.rows if row[0] <= step and row[1] == "train"}
        return int(sum(rows.values())) if steps == rows.keys() else None

    def text(self) -> str:
        """Return the curve as CSV; values keep every digit."""
        stream = io.StringIO()
        csv.writer(stream, lineterminator="\n").writerows([COLUMNS, *self.rows])
        return stream.getvalue()

    def write(self, path: Path) -> None:
        """Write the CSV file, whole."""
        with whole_file(path) as draft:
            draft.write_text(self.text(), encoding="utf-8")


class Events:
    """Writes each row of a curve as one scalar, once, even if a run is stopped and resumed."""

    def __init__(self, folder: Path | None, curve: LearningCurve) -> None:
        """Continue after the rows of the curve; rows that a stopped run wrote beyond them will be written again.

        Args:
            folder: to write into; None writes nothing. It is emptied if the curve is empty.
            curve: as it is after resuming; training adds rows to it.
        """
        self._curve, self._written = curve, 0
        self._writer: Any = None
        if folder is None:
            return
        if not curve.rows:
            shutil.rmtree(folder, ignore_errors=True)
        if folder.exists():
            self._written = len(curve.rows)
        self._writer = _writer(folder, curve.rows[-1][0] + 1 if self._written else None)

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()

    def write(self) -> None:
        """Write the rows added to the curve since the last call, and flush them."""
        if self._writer is None:
            return
        for step, split, language, metric, value in self._curve.rows[self._written :]:
            self._writer.add_scalar(tag(split, language, metric), value, step)
        self._written = len(self._curve.rows)
        self._writer.flush()


def tag(split: str, language: str, metric: str) -> str:
    """Return the name of a chart; those with the same first part stand side by side."""
    return f"{metric}/{split}" if language == EVERYTHING else f"{metric}/{split}/{language}"


def _writer(folder: Path, first: int | None) -> Any:
    """Return a writer of steps from `first` on, which discards what an earlier run wrote from there on."""
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder), purge_step=first)
