"""The numbers of study and task files: each kind with its bounds, which `smelt check` and the JSON schemas know.

A number outside them is a slip of the pen. It would end in a library's error, in a job that begins after all that it
rests on.
"""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

SHORTEST_ROW, LONGEST_ROW = 16, 4096
MOST_PIECES = 10**6


def _refuse_truth(value: Any) -> Any:
    if isinstance(value, bool):
        raise PydanticCustomError("float_type", "expected a number")
    return value


NO_TRUTH = BeforeValidator(_refuse_truth)
"""`true` is no number, though Python takes it for 1. Texts are: those that families fill in, and YAML's 1e-4. It stands
last, so that schemas show the bounds."""

Count = Annotated[int, Field(ge=1, le=10**6), NO_TRUTH]
"""What one process goes through or holds at once: epochs, passes, rows of a batch."""
Natural = Annotated[int, Field(ge=0, le=10**6), NO_TRUTH]
"""The same, or none."""
Steps = Annotated[int, Field(ge=1, le=10**9), NO_TRUTH]
RowCount = Annotated[int, Field(ge=1, le=10**12), NO_TRUTH]
"""Lines, documents or examples of a source."""
Seed = Annotated[int, Field(ge=0, lt=2**32), NO_TRUTH]
ColumnNumber = Annotated[int, Field(ge=0, le=10_000), NO_TRUTH]
"""A column of a file, counted from 0."""
ColumnFromEitherEnd = Annotated[int, Field(ge=-10_000, le=10_000), NO_TRUTH]
"""The same, or from the end: -1 is the last."""

Length = Annotated[int, Field(ge=SHORTEST_ROW, le=LONGEST_ROW), NO_TRUTH]
"""Tokens in a row, special ones included."""
Layers = Annotated[int, Field(ge=1, le=1000), NO_TRUTH]
"""How many layers, or one of them, counted from 1."""
StateWidth = Annotated[int, Field(ge=1, le=2**17), NO_TRUTH]
"""Numbers in a state, an embedding or the feed-forward part of a layer."""
Heads = Annotated[int, Field(ge=1, le=1024), NO_TRUTH]
PieceCount = Annotated[int, Field(ge=1, le=MOST_PIECES), NO_TRUTH]

Share = Annotated[float, Field(ge=0, le=1), NO_TRUTH]
PositiveShare = Annotated[float, Field(gt=0, le=1), NO_TRUTH]
Below1 = Annotated[float, Field(ge=0, lt=1), NO_TRUTH]
Within1 = Annotated[float, Field(gt=0, lt=1), NO_TRUTH]
"""A probability or level that is neither 0 nor 1."""
HeldOut = Annotated[float, Field(gt=0, le=0.5), NO_TRUTH]
"""Share that is kept from training."""

Positive = Annotated[float, Field(gt=0, le=10**9), NO_TRUTH]
NonNegative = Annotated[float, Field(ge=0, le=10**9), NO_TRUTH]
LearningRate = Annotated[float, Field(gt=0, le=10**9), NO_TRUTH]
"""As high as to ruin a run at once, which training itself stops and names."""
Decay = Annotated[float, Field(ge=0, le=100), NO_TRUTH]
Deviation = Annotated[float, Field(gt=0, le=100), NO_TRUTH]
"""A standard deviation of weights."""
Points = Annotated[float, Field(gt=0, lt=100), NO_TRUTH]
"""A difference of scores in percent."""
BoundOfScores = Annotated[float, Field(ge=-(10**9), le=10**9), NO_TRUTH]
