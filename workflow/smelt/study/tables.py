"""The kinds of tables that a study may ask for."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from smelt.study.entry import Distinct, Entry, Name


class ScoresTable(Entry):
    """Mean (standard deviation) over seeds, a row a model and a column a task, with marks of significance."""

    kind: Literal["scores"]
    tasks: Annotated[list[Name], Field(min_length=1), Distinct]
    models: Annotated[list[Name], Distinct] | None = None
    caption: str = ""


class SegmentationTable(Entry):
    """Added segmentation of entity words and other words, a column a model (mALBERT, Table 4)."""

    kind: Literal["segmentation"]
    tasks: Annotated[list[Name], Field(min_length=1), Distinct]
    models: Annotated[list[Name], Distinct] | None = None
    caption: str = ""


class ExampleTable(Entry):
    """Sentences with their pieces and labels under each model, aligned by word (mALBERT, Table 3)."""

    kind: Literal["example"]
    task: Name
    models: Annotated[list[Name], Distinct] | None = None
    sentences: PositiveInt = 1
    caption: str = ""

    @property
    def tasks(self) -> list[str]:
        """The one task, as the other tables give theirs."""
        return [self.task]


Table = Annotated[ScoresTable | SegmentationTable | ExampleTable, Field(discriminator="kind")]
