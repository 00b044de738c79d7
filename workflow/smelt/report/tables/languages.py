"""Tables of scores by language: sections of settings, rows of models or families (Smaller multilingual BERT, Table 2).

A row is a model, or a family of models (`mbert-en-{language}`): the column of a language shows the family's member of
that language. Where there is no such member but others were tested in the language, as bilingual models are in
English, the column shows their mean.

A mark means: in this column, this row differs from every other row of its section, by the study's test over seeds,
corrected over all pairs of rows in the section's column. Each column is a family of tests of its own, the average too.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field

from smelt.entry import Distinct, Entry
from smelt.errors import SmeltError
from smelt.families import is_family, member_of
from smelt.languages import Language
from smelt.report.notes import NOTHING_RAN, against_each_other, metric_notes, metrics_in_words, rank, star_note
from smelt.report.records import encoder_parameters
from smelt.report.render import NOT_RUN, Cell, PaperTable
from smelt.report.scores import Scores, read_scores
from smelt.report.significance import BySeed, Significance
from smelt.report.statistics import OVER_SEEDS, Score, mean_over_languages, score_grid, score_of, seeds_sentence
from smelt.report.tables.base import FamiliesTable, Made, StudyOfTables, TableJob, unique

AVERAGE = "average"
COLUMNS = {"section": "section", "row": "row", "language": "column", "models": "model"} | OVER_SEEDS
COLUMNS |= {"largest_p": "p_corrected", "best": "best", "marked": "star"}


class Section(Entry):
    """Rows of a table of languages that were run alike: in one setting of a task."""

    title: str = ""
    """Heading above the section's rows."""
    task: Annotated[str, Field(min_length=1)]
    """A task, or with `{language}` the tasks of a setting: `xnli.translate-train.{language}` takes each column from the
    task of its language."""
    models: Annotated[list[str], Field(min_length=1), Distinct]
    """Rows: models, or families such as `mbert-en-{language}`, one row whose columns show the member of their
    language."""

    @property
    def name(self) -> str:
        """Its name in notes."""
        return self.title or self.task


class LanguagesTable(FamiliesTable):
    """Scores by language and their average, in sections (Smaller multilingual BERT, Table 2)."""

    kind: Literal["languages"]
    languages: Annotated[list[Language], Field(min_length=1), Distinct]
    """Columns, in this order."""
    sections: Annotated[list[Section], Field(min_length=1)]
    """Groups of rows that were run alike."""
    caption: str = ""
    """Caption of the table; by default one of its kind's own."""

    needed = ("models",)
    part = ".sections"

    @property
    def tasks(self) -> list[str]:
        """The tasks of all sections, each once."""
        return unique(member_of(section.task, language) for section in self.sections for language in self.languages)

    @property
    def patterns(self) -> list[str]:
        """The models and families of all sections, each once."""
        return unique(row for section in self.sections for row in section.models)

    def check(self, study: StudyOfTables, key: str) -> None:
        """Refuse rows and columns in which no score could ever stand."""
        shown = set[str]()
        for number, section in enumerate(self.sections):
            for row in section.models:
                tested = self._tested_in(study, section.task, row)
                shown |= tested
                if not tested:
                    found = f"{row!r} is not fine-tuned on {section.task!r}, or tested in no language of the table"
                    raise SmeltError(study.where, f"{key}.sections.{number}.models: {found}")
        for language in self.languages:
            if language not in shown:
                raise SmeltError(study.where, f"{key}.languages: no model of the table is tested in {language!r}")

    def _tested_in(self, study: StudyOfTables, task: str, row: str) -> set[str]:
        """Return the table's languages in which a row, a model or a family, is tested on a section's task."""
        models, tasks = ({member_of(pattern, language) for language in self.languages} for pattern in (row, task))
        runs = [(model, of_task) for model, of_task in study.runs() if model in models and of_task in tasks]
        return {language for run in runs for language in study.tested_languages(*run)} & set(self.languages)

    def sources(self, study: StudyOfTables) -> list[str]:
        """Return scores.csv and the folders of models, which hold their parameters."""
        folders = [f"{study.results}/models/{model}" for model in self.shown_models(study)]
        return [f"{study.results}/scores.csv", *folders]

    def make(self, job: TableJob) -> Made:
        """Return the table: percentages, best of each section's column in bold, marks and notes."""
        if not job.sources:
            raise SmeltError("--sources", "expected scores.csv and the folders of models, found nothing")
        scores = read_scores(job.sources[0])
        parameters = {folder.name: encoder_parameters(folder / "model.safetensors") for folder in job.sources[1:]}
        cells = self._cells(scores, job)
        grid = score_grid(
            "Model",
            ["Parameters", *self.languages, "Average"],
            cells,
            titles=[section.name for section in self.sections],
            label=lambda row: row.replace("{language}", "xx"),
            before=lambda own: [Cell(_size(unique(model for cell in own for model in cell.model.split()), parameters))],
        )
        notes = self._notes(scores, cells, job.significance)
        table = PaperTable(job.name, self.caption or "Scores by language", [grid], notes)
        return Made(table, [cell.numbers(COLUMNS) for cell in cells], list(COLUMNS))

    def _cells(self, scores: Scores, job: TableJob) -> list[Score]:
        """Return a score for each section, column (languages, then their average) and row."""
        cells = []
        for number, section in enumerate(self.sections):
            rows = {row: self.entries(scores, section, row, job.models) for row in section.models}
            for column in [*self.languages, AVERAGE]:
                values = [rows[row][column][0] for row in section.models]
                largest = against_each_other(values, job.significance)
                for row, by_seed, p in zip(section.models, values, largest, strict=True):
                    models = " ".join(rows[row][column][1])
                    score = score_of(by_seed, row=row, column=column, section=number, model=models)
                    cells.append(replace(score, p_corrected=p))
        return rank(cells, lambda cell: (cell.section, cell.column), job.significance.alpha)

    def entries(
        self, scores: Scores, section: Section, row: str, members: Collection[str]
    ) -> dict[str, tuple[BySeed, list[str]]]:
        """Return the scores of a row in each language and on average: values by seed, and the models behind them.

        Args:
            scores: of all models.
            section: of the row.
            row: a model or family.
            members: the study's models, among which the members of families are.
        """
        found = {code: self._entry(scores, section.task, row, code, members) for code in self.languages}
        average = mean_over_languages([values for values, _ in found.values()])
        return found | {AVERAGE: (average, unique(model for _, models in found.values() for model in models))}

    def _entry(
        self, scores: Scores, task: str, row: str, language: str, members: Collection[str]
    ) -> tuple[BySeed, list[str]]:
        named, of_task = member_of(row, language), member_of(task, language)
        if named in members or not is_family(row):
            found = scores.of(of_task, named, language)
            return found, [named] if found else []
        others = [name for other in self.languages if (name := member_of(row, other)) in members]
        tested = {name: values for name in others if (values := scores.of(of_task, name, language))}
        return mean_over_languages(list(tested.values())) if tested else {}, list(tested)

    def _notes(self, scores: Scores, cells: Sequence[Score], significance: Significance) -> list[str]:
        run = [cell for cell in cells if cell.n]
        if not run:
            return [NOTHING_RAN]
        metrics = self._metrics(scores)
        spread = seeds_sentence(run, "section's column")
        notes = [f"{metrics_in_words(metrics)}; test sets, in percent. {spread}", *metric_notes(metrics.values())]
        where = "in the section's column"
        test = significance.in_words(f"over all pairs of rows {where}", f"no correction {where}")
        none = "in no column does one row differ from every other row of its section"
        notes += [star_note(run, test, "every other row of its section in this column", none)]
        notes.append(
            "Average: mean of the languages' scores, computed for each seed, where a row has a score in every language."
            " Parameters: those of the encoder."
        )
        if self.families:
            notes.append(
                "xx: a family with a model for each language. A column shows the family's model of that language; where"
                " there is none, the mean of the family's models that were tested in it."
            )
        return notes + ([f"{NOT_RUN}: not run, or not tested in the language."] if len(run) < len(cells) else [])

    def _metrics(self, scores: Scores) -> dict[str, str]:
        """Return the metric of each section; other tasks of the study have metrics of their own."""
        return {
            section.name: scores.metrics[task]
            for section in self.sections
            for language in self.languages
            if (task := member_of(section.task, language)) in scores.metrics
        }


def _size(models: Sequence[str], parameters: Mapping[str, int]) -> str:
    """Return the parameters of a model, or from the smallest to the largest member of a family, in millions."""
    sizes = [parameters[model] / 1e6 for model in models if model in parameters]
    if not sizes:
        return NOT_RUN
    ends = dict.fromkeys(f"{size:.0f}" if size >= 10 else f"{size:.1f}" for size in (min(sizes), max(sizes)))
    return f"{'–'.join(ends)} M"
