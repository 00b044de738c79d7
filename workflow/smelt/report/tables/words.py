"""Tables of words as models cut them: a row a word, a column a model (Eliquare, Figure 2)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from smelt.entry import Distinct
from smelt.errors import SmeltError
from smelt.families import is_family, member_of
from smelt.languages import Language
from smelt.report.hypotheses import Label
from smelt.report.render import NONE, Cell, Grid, Group, PaperTable, Row
from smelt.report.tables.base import FamiliesTable, Made, StudyOfTables, TableJob, TableWithoutTasks, unique
from smelt.report.vocabularies import VocabularyPieces

COLUMNS = ("language", "word", "column", "model", "pieces", "cut")
SEPARATOR = " · "
TextOfWord = Annotated[str, Field(min_length=1)]


class WordsOfModelsTable(TableWithoutTasks, FamiliesTable):
    """Words and the pieces that models cut them into (Eliquare, Figure 2)."""

    kind: Literal["words"]
    words: Annotated[dict[Language, Annotated[list[TextOfWord], Field(min_length=1), Distinct]], Field(min_length=1)]
    """Language → its words, a row each."""
    columns: Annotated[dict[Label, str], Field(min_length=1)]
    """Label → a model, or a family such as `upper-{language}`, whose member cuts the words of its language."""

    part = ".columns"

    @property
    def languages(self) -> list[str]:
        """The languages of the words."""
        return list(self.words)

    @property
    def patterns(self) -> list[str]:
        """The models and families of the columns."""
        return unique(self.columns.values())

    def sources(self, study: StudyOfTables) -> list[str]:
        """Return the folders of the models."""
        return [f"{study.results}/models/{model}" for model in self.shown_models(study)]

    def make(self, job: TableJob) -> Made:
        """Return the table: a row a word, under its language where there are several."""
        if not job.sources:
            raise SmeltError("--sources", "expected the folders of models, found none")
        read = {folder.name: VocabularyPieces(Path(folder)) for folder in job.sources}
        numbers = [
            (language, word, label, model, len(cut), SEPARATOR.join(cut))
            for language, words in self.words.items()
            for word in words
            for label, model in self._models(language).items()
            if model in read
            for cut in (read[model].cut(word),)
        ]
        cells = {(row[0], row[1], row[2]): Cell(row[5] or NONE, detail=f"({row[4]})") for row in numbers}
        groups = [
            Group([self._row(word, language, cells) for word in words], language if len(self.words) > 1 else "")
            for language, words in self.words.items()
        ]
        notes = ["Pieces as the vocabulary writes them, and how many there are. Each word is cut alone."]
        if len(cells) < len(self.columns) * sum(map(len, self.words.values())):
            notes.append(f"{NONE}: the study has no such model for the language.")
        grid = Grid("Word", list(self.columns), groups, numeric=False)
        return Made(PaperTable(job.name, self.caption or "Words cut into pieces", [grid], notes), numbers, COLUMNS)

    def _row(self, word: str, language: str, cells: Mapping[tuple[str, str, str], Cell]) -> Row:
        return Row(word, [cells.get((language, word, label), Cell(NONE)) for label in self.columns])

    def _models(self, language: str) -> Mapping[str, str]:
        """Return the model of each column for a language."""
        return {
            label: member_of(pattern, language) if is_family(pattern) else pattern
            for label, pattern in self.columns.items()
        }
