"""How a study measures the efficiency of its models, and whether what its tables show is measured."""

from collections.abc import Collection, Mapping
from typing import Annotated, Literal

from pydantic import Field

from smelt.entry import Distinct, Entry, Name, Precision, refer
from smelt.numbers import Count
from smelt.report.tables import Table

OnDisk = Literal["fp32", "bf16", "int8"]


class Efficiency(Entry):
    """The efficiency benchmark: size, memory, loading time and latency of models, which alternate in one job."""

    models: Annotated[list[Name], Field(min_length=1), Distinct] | None = None
    """Models to measure; all of the study by default."""
    reference: Name | None = None
    """The model by whose figures the others' are divided (ratios, compression, speed-up), named in the notes of each
    table; by default the first of `models`, or of the study."""
    lengths: Annotated[list[Count], Field(min_length=1), Distinct] = Field(default=[32, 128])
    """Tokens in a row, special ones included; each length is timed with each batch."""
    batches: Annotated[list[Count], Field(min_length=1), Distinct] = Field(default=[1, 32])
    """Rows in a pass."""
    items: Count = 100
    """Passes that are timed for each batch and length."""
    warmup: Count = 10
    """Passes before them that are not."""
    loads: Count = 10
    """Fresh processes that load each model."""
    precision: Precision = "fp32"
    """Of the weights that torch loads; exported models have their own."""
    sizes: Annotated[list[OnDisk], Field(min_length=1), Distinct] = Field(default=["fp32", "bf16", "int8"])
    """Precisions whose bytes on disk are measured; `int8` exports each model for it."""


QUICK = Efficiency(lengths=[32], batches=[1], items=20, warmup=3, loads=1, sizes=["fp32"])
"""What is measured where a study does not say: sizes, and a first look at memory, loading and latency."""


def check_efficiency(settings: Efficiency | None, models: Collection[str], tables: Mapping[str, Table]) -> None:
    """Check that the models measured are there, and that tables show measured ones.

    Raises:
        ValueError: a model is not there or not measured; or a table shows efficiency and nothing is measured, or not in
            that shape.
    """
    measured: Collection[str] = [] if settings is None else settings.models or models
    if settings is not None:
        for model in measured:
            refer("efficiency.models", model, models)
        refer("efficiency.reference", settings.reference or next(iter(measured)), measured, "measured")
    for name, table in tables.items():
        if table.shows_efficiency:
            if settings is None:
                raise ValueError(f"tables.{name}: shows efficiency, and the key `efficiency` is missing")
            for model in table.models or []:
                refer(f"tables.{name}.models", model, measured, "measured")
            _check_latencies(f"tables.{name}", table, settings)


def _check_latencies(key: str, table: Table, settings: Efficiency) -> None:
    for part, listed, chosen in table.latencies():
        known = getattr(settings, listed)
        if missing := [number for number in chosen if number not in known]:
            expected = ", ".join(map(str, known))
            raise ValueError(f"{key}.{part}: {missing[0]} is not measured: expected one of {expected} (`efficiency`)")
