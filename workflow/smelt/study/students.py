"""Tables of small models: what each phase of a compression brings, and which model is worth its size and time."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from smelt.entry import Distinct, Entry, Name
from smelt.languages import Language


class StagesTable(Entry):
    """A row for each phase of a compression: what is learnt, by which part, and what it scores then (XtremeDistil,
    Table 4)."""

    kind: Literal["stages"]
    model: Name
    """A model of the maker `compress`."""
    task: Name
    caption: str = ""

    @property
    def tasks(self) -> list[str]:
        """The one task, as the other tables give theirs."""
        return [self.task]

    @property
    def models(self) -> list[str]:
        """The one model, as the other tables give theirs."""
        return [self.model]


class TradeoffTable(Entry):
    """Score, size and latency of models that run on one task: which is worth it at which budget (XtremeDistil, Tables
    15 and 16)."""

    kind: Literal["tradeoff"]
    task: Name
    models: Annotated[list[Name], Field(min_length=1), Distinct]
    """Rows: models that run on the task and whose efficiency is measured."""
    languages: Annotated[list[Language], Field(min_length=1), Distinct] | None = None
    """Score each model by its mean over these; by default by what stands for the task."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where the latencies were measured."""
    length: PositiveInt | None = None
    """Tokens in a row of the latencies; by default the first of the study's `efficiency.lengths`."""
    batches: Annotated[list[PositiveInt], Field(min_length=1), Distinct] | None = None
    """Rows in a pass, a pair of columns each; what is worth it is judged by the last. By default all of the study's
    `efficiency.batches`."""
    caption: str = ""

    @property
    def tasks(self) -> list[str]:
        """The one task, as the other tables give theirs."""
        return [self.task]
