"""Where the files of a task lie (smelt/tasks/library/<task>.yaml, `source`)."""

from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator

from smelt.entry import Distinct, Entry
from smelt.languages import Language
from smelt.study.formats import Format

SPLITS = ("train", "validation", "test")

Share = Annotated[float, Field(ge=0, le=1)]
Shares = tuple[Share, Share]


class Split(Entry):
    """Where the examples of one split lie: a file's name is enough where the whole file is meant."""

    file: str
    """File (for SlotGated a folder) below the source; `{language}` stands for each language's code."""
    take: Shares = (0.0, 1.0)
    """Share of the file's examples, for sets that lack a labelled split: [0, 0.5] and [0.5, 1] halve it.
    Examples are ranked by a hash of their position, so the parts are disjoint, random and always the same."""
    languages: Annotated[list[Language], Field(min_length=1), Distinct] | None = None
    """Languages of this split; those of the task by default."""
    folder: str | None = None
    """Local folder of this split, where it lies elsewhere than the others; `${NAME}` is filled in."""
    format: Format | None = None
    """How this split's files are written, where that is otherwise than the task's."""

    @model_validator(mode="before")
    @classmethod
    def _file_alone(cls, value: Any) -> Any:
        return {"file": value} if isinstance(value, str) else value

    @field_validator("take")
    @classmethod
    def _takes_something(cls, value: tuple[float, float]) -> tuple[float, float]:
        return takes_something(value)


def takes_something(value: Shares) -> Shares:
    """Return a share from low to high.

    Raises:
        ValueError: nothing lies between the two.
    """
    if value[0] >= value[1]:
        raise ValueError(f"expected a share from low to high, such as [0, 0.5]; found {list(value)}")
    return value


class Source(Entry):
    """Where a task's files lie: a local folder, or a data set on the Hugging Face hub at a pinned revision."""

    folder: str | None = None
    """Local folder; `${NAME}` is filled in from the environment."""
    hub: str | None = None
    """Name of a data set on the hub: organisation/name."""
    revision: str | None = None
    """Commit of the hub's repository, so that the task means the same data tomorrow."""
    codes: dict[Language, str] = Field(default_factory=dict)
    """The source's own codes of languages, where they are others: {en: en-US}."""
    train: Split
    validation: Split
    test: Split

    @model_validator(mode="after")
    def _is_one_pinned_place(self) -> Self:
        if (self.folder is None) == (self.hub is None):
            raise ValueError("expected either folder or hub (with revision)")
        if (self.hub is None) != (self.revision is None):
            raise ValueError("expected a revision with hub, and only there: the commit to pin")
        return self

    def split(self, name: str) -> Split:
        """Return the split called train, validation or test."""
        return {"train": self.train, "validation": self.validation, "test": self.test}[name]
