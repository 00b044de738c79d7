"""Tables of selected vocabularies: pieces of each language and of their union (Smaller multilingual BERT, Table 1)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from smelt.entry import Distinct, Name
from smelt.errors import SmeltError
from smelt.files import read_json
from smelt.report.render import NOT_RUN, Cell, Grid, Group, PaperTable, Row
from smelt.report.tables.base import Made, StudyOfTables, TableJob, TableWithoutTasks, unique

COLUMNS = ("model", "language", "pieces", "share", "source_pieces")


class VocabularyTable(TableWithoutTasks):
    """Pieces that reduced models kept for each language, and for all (Smaller multilingual BERT, Table 1)."""

    kind: Literal["vocabulary"]
    models: Annotated[list[Name], Field(min_length=1), Distinct]
    """Models of the maker `reduce`: two columns for each."""

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
        kept = [read_kept(folder) for folder in job.sources]
        languages = unique(language for each in kept for language in each.by_language)
        of_model = [f" ({each.model})" if len(kept) > 1 else "" for each in kept]
        heads = [f"{head}{model}" for model in of_model for head in ("Selected pieces", "Share")]
        rows = [
            Row(language, [cell for each in kept for cell in each.cells(each.by_language.get(language))])
            for language in languages
        ]
        count = f" ({len(languages)} languages)" if len(languages) > 1 else ""
        rows.append(Row(f"Union{count}", [cell for each in kept for cell in each.cells(each.union)]))
        share = "Share: of the pieces of the source's vocabulary. A piece that several languages select is one in the"
        notes = [f"{share} union.", *(each.note for each in kept)]
        grid = Grid("Language", heads, [Group(rows)])
        table = PaperTable(job.name, self.caption or "Selected pieces by language", [grid], notes)
        return Made(table, [row for each in kept for row in each.rows()], COLUMNS)


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

    @property
    def note(self) -> str:
        """The sizes of the vocabularies in words."""
        added = self.total - self.union
        more = f" {added:,} more are kept because the tokenizer needs them to cut as before." if added else ""
        return (
            f"{self.model}: {self.total:,} of {self.source:,} pieces; {self.always:,} of the union are always kept,"
            f" such as special ones.{more}"
        )

    def cells(self, count: int | None) -> list[Cell]:
        """Return a number of pieces and its share of the source's."""
        return [Cell(NOT_RUN)] * 2 if count is None else [Cell(f"{count:,}"), Cell(f"{count / self.source:.1%}")]

    def rows(self) -> list[tuple[str, str, int, float, int]]:
        """Return a row for each language, one for the union and one for all, under COLUMNS."""
        counts = [*self.by_language.items(), ("union", self.union), ("all", self.total)]
        return [(self.model, language, count, count / self.source, self.source) for language, count in counts]


def read_kept(folder: Path) -> KeptPieces:
    """Return the record of a reduced vocabulary, from the reduction.json of a model's folder.

    Raises:
        SmeltError: the file is missing, or holds something else.
    """
    path = folder / "reduction.json"
    found = read_json(path)
    try:
        kept = found["kept"]
        by_language = {str(language): int(count) for language, count in kept["selected_by_language"].items()}
        numbers = (kept["selected_and_always_kept"], kept["always_kept"], found["pieces"], found["pieces_before"])
        return KeptPieces(folder.name, by_language, *map(int, numbers))
    except (KeyError, TypeError, ValueError, AttributeError):
        expected = "expected what `python -m smelt reduce` writes"
        raise SmeltError(path, f"does not say which pieces were kept: {expected}") from None
