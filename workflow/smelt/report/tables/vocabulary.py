"""Tables of selected vocabularies: pieces of each language and of their union (Smaller multilingual BERT, Table 1)."""

import operator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from smelt.entry import Distinct, Name
from smelt.errors import SmeltError
from smelt.files import read_json
from smelt.report.render import NONE, NOT_RUN, Cell, Grid, Group, PaperTable, Row
from smelt.report.tables.base import Made, StudyOfTables, TableJob, TableWithoutTasks, unique

COLUMNS = ("model", "language", "pieces", "share", "source_pieces")


class VocabularyTable(TableWithoutTasks):
    """Pieces that reduced models kept for each language, and for all (Smaller multilingual BERT, Table 1)."""

    kind: Literal["vocabulary"]
    models: Annotated[list[Name], Field(min_length=1), Distinct]
    """Models of the maker `reduce`: two columns for each."""
    coverage: Annotated[bool, Field(exclude_if=operator.not_)] = False
    """Whether to add a column for each model: the share of a language's occurrences of pieces whose piece is kept."""

    def check(self, study: StudyOfTables, key: str) -> None:
        """Refuse models that are not reduced."""
        for model in self.models:
            if not study.selects_pieces(model):
                raise SmeltError(
                    study.where,
                    f"{key}.models: a table of kind vocabulary shows what reduced models kept;"
                    f" {model!r} is made by {study.makers[model]}",
                )

    def sources(self, study: StudyOfTables) -> list[str]:
        """Return the folders of the models."""
        return [f"{study.results}/models/{model}" for model in self.models]

    def make(self, job: TableJob) -> Made:
        """Return the table: a row a language and one for the union, two columns a model."""
        kept = [read_kept(folder, self.coverage) for folder in job.sources]
        languages = unique(language for each in kept for language in each.by_language)
        of_model = [f" ({each.model})" if len(kept) > 1 else "" for each in kept]
        names = ("Selected pieces", "Share", *(["Coverage"] if self.coverage else []))
        heads = [f"{head}{model}" for model in of_model for head in names]
        rows = [Row(language, [cell for each in kept for cell in each.row(language)]) for language in languages]
        count = f" ({len(languages)} languages)" if len(languages) > 1 else ""
        rows.append(Row(f"Union{count}", [cell for each in kept for cell in each.union_row()]))
        share = "Share: of the pieces of the source's vocabulary. A piece that several languages select is one in the"
        notes = [f"{share} union.", *(each.note for each in kept)]
        if self.coverage:
            notes.append("Coverage: share of the occurrences of pieces in the texts counted whose piece is kept.")
        grid = Grid("Language", heads, [Group(rows)])
        table = PaperTable(job.name, self.caption or "Selected pieces by language", [grid], notes)
        columns = (*COLUMNS, *(["coverage"] if self.coverage else []))
        return Made(table, [row for each in kept for row in each.rows()], columns)


@dataclass(frozen=True)
class KeptPieces:
    """The part of its source's vocabulary that a reduced model kept, in pieces."""

    model: str
    by_language: dict[str, int]
    """Pieces selected for each language, without those that are always kept."""
    union: int
    """Pieces selected for any language or always kept."""
    always: int
    total: int
    """All pieces of the reduced vocabulary: the union, and what closure added so that the tokenizer can build it."""
    source: int
    """Pieces of the source's vocabulary."""
    coverage: dict[str, float] | None = None
    """Share of each language's occurrences whose piece is kept; None where a table does not show it."""

    @property
    def note(self) -> str:
        """The sizes of the vocabularies in words."""
        added = self.total - self.union
        more = f" {added:,} more are kept because the tokenizer needs them to cut as before." if added else ""
        return (
            f"{self.model}: {self.total:,} of {self.source:,} pieces; {self.always:,} of the union are always kept,"
            f" such as special ones.{more}"
        )

    def row(self, language: str) -> list[Cell]:
        """Return a language's number of pieces, its share of the source's, and the coverage where a table shows it."""
        if language not in self.by_language:
            return [Cell(NOT_RUN)] * (2 if self.coverage is None else 3)
        covered = [] if self.coverage is None else [Cell(f"{self.coverage[language]:.3%}")]
        return [*self._cells(self.by_language[language]), *covered]

    def union_row(self) -> list[Cell]:
        """Return the same of the union, which has no coverage."""
        return [*self._cells(self.union), *([] if self.coverage is None else [Cell(NONE)])]

    def _cells(self, count: int) -> list[Cell]:
        return [Cell(f"{count:,}"), Cell(f"{count / self.source:.1%}")]

    def rows(self) -> list[tuple[str | int | float | None, ...]]:
        """Return a row for each language, one for the union and one for all, under COLUMNS."""
        counts = [*self.by_language.items(), ("union", self.union), ("all", self.total)]
        rows = [(self.model, language, count, count / self.source, self.source) for language, count in counts]
        if self.coverage is None:
            return [*rows]
        return [(*row, self.coverage.get(row[1])) for row in rows]


def read_kept(folder: Path, coverage: bool = False) -> KeptPieces:
    """Return the record of a reduced vocabulary, from the reduction.json of a model's folder.

    coverage: whether to read each language's coverage, too.

    Raises:
        SmeltError: the file is missing, or holds something else.
    """
    path = folder / "reduction.json"
    found = read_json(path)
    try:
        kept = found["kept"]
        by_language = {str(language): int(count) for language, count in kept["selected_by_language"].items()}
        always, union = int(kept["always_kept"]), int(kept["selected_and_always_kept"])
        total, source = int(found["pieces"]), int(found["pieces_before"])
        covered = {language: float(found["coverage"][language]) for language in by_language} if coverage else None
        return KeptPieces(folder.name, by_language, union, always, total, source, covered)
    except (KeyError, TypeError, ValueError, AttributeError):
        expected = "expected what `smelt reduce` writes"
        raise SmeltError(path, f"does not say which pieces were kept: {expected}") from None
