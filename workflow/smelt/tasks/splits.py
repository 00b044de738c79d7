"""Where the files of a task lie (smelt/tasks/library/<task>.yaml: `source`, `settings`)."""

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, create_model, field_validator, model_validator

from smelt.complaints import explain
from smelt.entry import Distinct, Entry, SourcePath
from smelt.languages import Language, known_language
from smelt.numbers import Share
from smelt.tasks.formats.base import FileFormat
from smelt.tasks.kinds import KINDS, METRICS

SPLITS = ("train", "validation", "test")
FORMATS = {written.key: written for kind in KINDS.values() for written in kind.formats}
"""Formats of all kinds, by their names in task files."""

if TYPE_CHECKING:
    MetricName = str
else:
    MetricName = Literal[tuple(METRICS)]
LabelPieces = Literal["first", "all"]
Shares = tuple[Share, Share]


class OneFormat(Entry):
    """How the files are written: exactly one of these."""

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if len(self.model_fields_set) != 1 or not self._named():
            raise ValueError(f"expected exactly one of {', '.join(FORMATS)}")
        return self

    @property
    def chosen(self) -> FileFormat:
        """The format that the file names."""
        (chosen,) = self._named()
        return chosen

    def _named(self) -> list[FileFormat]:
        return [written for _, written in self if written is not None]


if TYPE_CHECKING:
    Format = OneFormat
else:
    Format = create_model(
        "Format",
        __base__=OneFormat,
        __doc__=OneFormat.__doc__,
        **{
            key.replace("-", "_"): (Annotated[written | None, Field(alias=key)] if "-" in key else written | None, None)
            for key, written in FORMATS.items()
        },
    )


class Split(Entry):
    """Where the examples of one split lie: a file's name is enough where the whole file is meant."""

    file: str | None = None
    """File (for `slotgated` a folder) below the source; `{language}` stands for each language's code."""
    split: str | None = None
    """In place of a file: the name of a split of the hub's data set, as `load_dataset` has it, with the files and the
    names of labels that the data set gives it."""
    take: Shares = (0.0, 1.0)
    """Share of the file's examples, for sets that lack a labelled split: `[0, 0.5]` and `[0.5, 1]` halve it. Examples
    are ranked by a hash of their position, so the parts are disjoint, random and always the same."""
    languages: Annotated[list[Language], Field(min_length=1), Distinct] | None = None
    """Languages of this split; those of the task by default."""
    folder: SourcePath | None = None
    """Local folder of this split, where it lies elsewhere than the others; `${NAME}` is filled in."""
    format: Format | None = None
    """Format of this split's files, where it differs from the task's."""

    @model_validator(mode="before")
    @classmethod
    def _file_alone(cls, value: Any) -> Any:
        return {"file": value} if isinstance(value, str) else value

    @field_validator("take")
    @classmethod
    def _takes_something(cls, value: tuple[float, float]) -> tuple[float, float]:
        return takes_something(value)

    @model_validator(mode="after")
    def _is_file_or_split(self) -> Self:
        if (self.file is None) == (self.split is None):
            raise ValueError("expected a file, or a split of the hub's data set")
        if self.split is not None and self.folder is not None:
            raise ValueError("folder: has no effect beside a split of the hub's data set; leave it out")
        return self


def takes_something(value: Shares) -> Shares:
    """Return a share from low to high.

    Raises:
        ValueError: nothing lies between the two.
    """
    if value[0] >= value[1]:
        raise ValueError(f"expected a share from low to high, such as [0, 0.5]; found {list(value)}")
    return value


class Source(Entry):
    """Where a task's files lie: a local folder, or a data set on the Hugging Face hub at a pinned revision.

    Of the hub's data set, a split is a file of its repository, or a split as the `datasets` library has it: of Parquet,
    JSON or CSV files, never made by a script.
    """

    folder: SourcePath | None = None
    """Local folder; `${NAME}` is filled in from the environment."""
    hub: str | None = None
    """Name of a data set on the hub: organisation/name."""
    revision: str | None = None
    """Commit of the hub's repository, so that the task means the same data tomorrow."""
    config: str | None = None
    """Configuration of the hub's data set, where its splits are named; `{language}` stands for each language's code.
    Needed where it has several."""
    codes: dict[Language, str] = Field(default_factory=dict)
    """The source's own codes of languages, where they differ: `{en: en-US}`."""
    train: Split | None = None
    """The training split: a file, or where it lies and which part of it is taken. Tasks of embeddings may have a test
    split alone: models are evaluated on them as they are."""
    validation: Split | None = None
    """The validation split; there where there is a training split."""
    test: Split
    """The test split, with labels."""

    @model_validator(mode="after")
    def _is_one_pinned_place(self) -> Self:
        if (self.folder is None) == (self.hub is None):
            raise ValueError("expected either folder or hub (with revision)")
        if (self.hub is None) != (self.revision is None):
            raise ValueError("expected a revision with hub, and only there: the commit to pin")
        if (self.train is None) != (self.validation is None):
            raise ValueError("expected both train and validation, or none of them")
        named = [name for name in self.splits if self.split(name).split is not None]
        if named and self.hub is None:
            raise ValueError(f"{named[0]}.split: expected with hub only; a folder has files")
        if self.config is not None and not named:
            raise ValueError("config: has no effect where no split of the hub's data set is named; leave it out")
        return self

    @property
    def splits(self) -> list[str]:
        """The splits that it has: train, validation and test, or test alone."""
        return [name for name in SPLITS if getattr(self, name) is not None]

    def split(self, name: str) -> Split:
        """Return one of its splits: train, validation or test."""
        found: Split = getattr(self, name)
        return found


STANDARD = "standard"
"""The setting of a task that is called as its file: of files without settings, or with this one among others."""
EACH = "{language}"


def _language_or_each(code: str) -> str:
    return code if code == EACH else known_language(code)


LanguageOrEach = Annotated[str, AfterValidator(_language_or_each)]

# Without dots, which part the names of tasks: <file>.<setting>.<language>.
SETTING = explain(r"^[a-z0-9][a-z0-9_-]*$", "a name of a to z, 0 to 9, '_' and '-', with a letter or digit first")
SettingName = Annotated[str, StringConstraints(pattern=SETTING, max_length=64)]


class SettingSplit(Entry):
    """The changes of a setting to one split; a list of languages is enough where nothing else changes."""

    languages: Annotated[list[LanguageOrEach], Field(min_length=1), Distinct] | None = None
    """Languages of the split, by default all; `{language}` makes the setting one task for each language."""
    file: str | None = None
    """File in place of what `source` names for the split."""
    folder: SourcePath | None = None
    """Local folder of that file; the split's by default."""
    take: Shares | None = None
    """Share of the file's examples; the split's by default."""
    format: Format | None = None
    """How that file is written; as the split's by default."""

    @model_validator(mode="before")
    @classmethod
    def _languages_alone(cls, value: Any) -> Any:
        return {"languages": value} if isinstance(value, list) else value

    @field_validator("take")
    @classmethod
    def _takes_something(cls, value: Shares | None) -> Shares | None:
        return None if value is None else takes_something(value)


class Setting(Entry):
    """A way to train and test on the languages of a task."""

    train: SettingSplit = SettingSplit()
    """The training split: its languages, or what else differs."""
    validation: SettingSplit = SettingSplit()
    """The validation split, which chooses the epoch: of the training language where a transfer may see no example of
    the others."""
    test: SettingSplit = SettingSplit()
    """The test split."""
    metric: MetricName | None = None
    """The metric in this setting; that of the task file by default."""
    label_pieces: LabelPieces | None = None
    """The pieces of words that carry labels in this setting; those of the task file by default."""
    note: str = ""
    """What readers of its scores have to know; stands under each table with one of them."""

    @property
    def of_each_language(self) -> bool:
        """Whether the setting makes one task for each language."""
        return any(EACH in (split.languages or []) for split in (self.train, self.validation, self.test))

    def apply_to(self, name: str, split: Split, language: str | None) -> Split:
        """Return a split of the task's source as the setting has it, for one language where it is of each."""
        change = {"train": self.train, "validation": self.validation, "test": self.test}[name]
        update = {key: value for key, value in dict(change).items() if value is not None}
        if change.file is not None:
            update["split"] = None
        if change.languages is not None:
            named = [str(language) if code == EACH else code for code in change.languages]
            update["languages"] = list(dict.fromkeys(named))  # [en, "{language}"] is English once where it is both
        return split.model_copy(update=update)
