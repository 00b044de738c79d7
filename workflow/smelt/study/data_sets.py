"""Data sets among the sources of a corpus: of the Hugging Face hub, or a folder of Parquet or JSON lines."""

import hashlib
import json
import re
from pathlib import PurePosixPath
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from smelt.complaints import explain
from smelt.entry import Entry, SourcePath, refuse_idle
from smelt.languages import Language
from smelt.licences import Licence
from smelt.numbers import RowCount

COMMIT = explain(r"^[0-9a-f]{7,40}$", "the commit of the hub's repository, 40 digits of 0 to 9 and a to f")
REPOSITORY = explain(r"^[\w.-]+/[\w.-]+$", "a repository of the hub, such as wikimedia/wikipedia")


class DocumentColumns(Entry):
    """The columns of a data set that make a document."""

    text: str = "text"
    """The text: paragraphs are lines, blank lines and white space around lines go."""
    id: str | None = None
    """What names a document; by default `id`, or the number of the row where there is no such column."""
    title: str | None = None
    """The title; by default `title`, or nothing where there is no such column."""

    @property
    def named(self) -> list[str]:
        """The columns that the study names, which have to be there."""
        return list(filter(None, [self.text, self.id, self.title]))


class DataSet(Entry):
    """A data set that the `datasets` library reads: of the Hugging Face hub, or a folder of Parquet or JSON lines."""

    hub: Annotated[str, StringConstraints(pattern=REPOSITORY)] | None = None
    """Repository of the hub, `organisation/name`. A job on the machine that runs Snakemake brings it here."""
    revision: Annotated[str, StringConstraints(pattern=COMMIT)] | None = None
    """Commit of the hub's repository, so that the study means the same documents tomorrow."""
    folder: SourcePath | None = None
    """Local folder, in place of `hub`: laid out as a repository of the hub, or any with `files`."""
    configs: dict[Language, str] = Field(default_factory=dict)
    """The configuration of each language, such as `20231101.sw` or `swh_Latn`; in a folder without a card (README.md),
    the folder in it."""
    files: dict[Language, str | list[str]] = Field(default_factory=dict)
    """Of a folder: the files of each language, `.parquet`, `.arrow`, `.jsonl` or `.json`, also as patterns such as
    `sw/*.parquet`. JSON lines may be compressed (`.jsonl.gz`, `.jsonl.zst`)."""
    split: str = "train"
    """The split of the configurations."""
    licence: Licence | None = None
    """Its licence, by the hub's name: `odc-by`. Cards of models that learn from it name it."""
    columns: DocumentColumns = DocumentColumns()
    """Which columns make a document."""
    limit: RowCount | None = None
    """Number of rows of each language that are taken, the first ones. Of the hub, only these are brought here."""

    @model_validator(mode="after")
    def _is_one_of_two(self) -> Self:
        if (self.hub is None) == (self.folder is None):
            raise ValueError("expected either hub (with revision) or folder")
        if self.hub is not None:
            if self.revision is None:
                raise ValueError("expected a revision: the commit of the hub's repository to pin")
            refuse_idle("", self, {"files": "on the hub; they belong to a folder"})
        else:
            refuse_idle("", self, {"revision": "on a folder; it belongs to hub"})
        if not self.languages:
            raise ValueError(f"expected configs{', or files,' if self.folder else ''} of each language")
        if twice := self.configs.keys() & self.files.keys():
            raise ValueError(f"files.{min(twice)}: configs has this language, too; name it once")
        if not self.configs:
            refuse_idle("", self, {"split": "on files; it belongs to configs"})
        return self

    @property
    def languages(self) -> list[str]:
        """Its languages, in the order of the study."""
        return [*self.configs, *self.files]

    def part(self, name: str, language: str) -> "DataSetPart":
        """Return what a job needs to know of the data set to read a language; name: that of the data set."""
        files = self.files.get(language, [])
        return DataSetPart(
            name=name,
            hub=self.hub,
            revision=self.revision,
            folder=self.folder,
            config=self.configs.get(language),
            files=[files] if isinstance(files, str) else files,
            **{key: getattr(self, key) for key in ("split", "columns", "limit")},
        )


class DataSetPart(Entry):
    """One language of a data set, as a job reads it."""

    name: str
    """The data set's name in the study."""
    hub: str | None = None
    """Repository of the hub."""
    revision: str | None = None
    """Its commit."""
    folder: str | None = None
    """Local folder in its place."""
    config: str | None = None
    """The language's configuration."""
    files: list[str] = Field(default_factory=list)
    """Files of the folder in its place, as patterns."""
    split: str = "train"
    """The split of the configuration."""
    columns: DocumentColumns = DocumentColumns()
    """Which columns make a document."""
    limit: int | None = None
    """Number of rows that are taken, the first ones."""

    @property
    def fetched_as(self) -> str:
        """The path, below the folder of all data sets, of what is brought here from the hub.

        The whole split depends on the repository, commit, configuration and split alone. Of the first rows the named
        columns are kept, so that their names are part of the path, too.
        """
        assert self.hub is not None, "a folder stays where it is"
        name = re.sub(r"[^\w.-]", "_", f"{self.config}-{self.split}")
        if self.limit:
            columns = json.dumps(self.columns.model_dump()).encode()
            name += f"-first-{self.limit}-{hashlib.sha256(columns).hexdigest()[:8]}"
        return str(PurePosixPath(self.hub.replace("/", "+"), str(self.revision), name))
