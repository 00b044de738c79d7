"""The learning curve as TensorBoard events, for whoever looks on while a model trains."""

import shutil
from pathlib import Path
from typing import Any, Self

from smelt.training.curve import EVERYTHING, LearningCurve


class Events:
    """Writes each row of a curve as one scalar, once, also over several runs that go on from one another."""

    def __init__(self, folder: Path | None, curve: LearningCurve) -> None:
        """Go on after the rows that the curve has; what a stopped run wrote beyond them will be written again.

        Args:
            folder: to write into; None writes nothing. Where the curve is empty, so will be the folder.
            curve: as it stands after resuming; its rows are added to while it trains.
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
        """Write the rows that have been added to the curve since the last call, so that they can be seen at once."""
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
    """Return a writer of steps from `first` on: those that an earlier run wrote from there on count no more."""
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder), purge_step=first)
