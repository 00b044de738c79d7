"""How a study measures the efficiency of its models."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from smelt.entry import Distinct, Entry, Name, Precision

OnDisk = Literal["fp32", "bf16", "int8"]


class Efficiency(Entry):
    """What the ruler measures: size, memory, loading time and latency of models, in turn and in one job."""

    models: Annotated[list[Name], Field(min_length=1), Distinct] | None = None
    """Models to measure; all of the study by default."""
    reference: Name | None = None
    """The model whose figures the others are divided by; by default the first of `models`, or of the study."""
    lengths: Annotated[list[PositiveInt], Field(min_length=1), Distinct] = Field(default=[32, 128])
    """Tokens in a row, special ones included."""
    batches: Annotated[list[PositiveInt], Field(min_length=1), Distinct] = Field(default=[1, 32])
    """Rows in a pass."""
    items: PositiveInt = 100
    """Passes that are timed for each batch and length."""
    warmup: PositiveInt = 10
    """Passes before them that are not."""
    loads: PositiveInt = 10
    """Fresh processes that load each model."""
    precision: Precision = "fp32"
    """Of the weights that are loaded and timed; exported models have their own."""
    sizes: Annotated[list[OnDisk], Field(min_length=1), Distinct] = Field(default=["fp32", "bf16", "int8"])
    """Precisions whose bytes on disk are measured; int8 is an export of its own, made for the purpose."""
