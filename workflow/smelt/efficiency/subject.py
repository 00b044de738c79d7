"""The interface of a model that the benchmark measures: it lies in a folder, loads, and takes ids of a given shape.

The benchmark uses nothing else of a model; another kind of model is another module with a Subject.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
RunOnce = Callable[[Ids], None]
"""One pass over ids of shape (batch, length), none of them padding; it returns when the result is there."""


@dataclass(frozen=True)
class Parameters:
    """How many numbers a model has; tied weights count once."""

    total: int
    """All of the folder's model, heads included."""
    encoder: int
    """Without heads for words or classes; with the pooler or a student's projection, where the model has one."""
    embedding: int
    """The table of pieces alone: what a reduced vocabulary makes smaller."""


class Subject(Protocol):
    """A model as the benchmark uses it.

    Methods run in processes of their own, one model each, in the order in which they are defined here.
    """

    folder: Path
    kind: str
    """The kind of model and the library that loads it, in words."""
    pieces: int
    """Ids go from 0 to this, exclusively."""
    padding: int | None
    """The padding id; timed rows contain none."""
    max_length: int | None
    """Tokens that it reads at once; None where there is no such limit."""

    def runs_on(self, device: str) -> bool:
        """Return whether it can be measured on `cpu` or `cuda` here."""

    def parameters(self) -> Parameters:
        """Return its parameters."""

    def operations(self, length: int) -> float:
        """Return the floating-point operations a token of a pass over a row of `length` tokens; a multiply-add is 2."""

    def bytes_on_disk(self, precision: str, scratch: Path) -> int | None:
        """Return the bytes of its weights in a precision, as written in `scratch`; None where it has no such form."""

    def prepare(self, device: str, threads: int) -> None:
        """Import and set up all that loading on a device needs, so that loading time does not include it."""

    def load(self) -> RunOnce:
        """Load the weights, and return the function that runs a pass."""

    def touch(self) -> None:
        """Bring all weights into memory: a library that mapped the files reads a page only when it is needed."""

    def allocated(self) -> int | None:
        """Return the bytes that weights and results take on a GPU; None on a CPU."""

    def settings(self) -> Mapping[str, Any]:
        """Return its other settings, for readers of the results."""


def random_ids(subject: Subject, batch: int, length: int) -> Ids:
    """Return the same uniformly drawn ids every time, shape (batch, length), without padding."""
    generator = np.random.default_rng(length)
    allowed = np.arange(subject.pieces)
    if subject.padding is not None:
        allowed = allowed[allowed != subject.padding]
    return generator.choice(allowed, (batch, length)).astype(np.int64)
