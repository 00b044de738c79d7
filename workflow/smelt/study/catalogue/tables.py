"""Whether what a study's tables show will be there: every row and column has a score that could stand in it."""

from pathlib import Path

from smelt.errors import SmeltError
from smelt.families import member_of
from smelt.study.catalogue.efficiency import Efficiencies
from smelt.study.catalogue.grids import check_grid
from smelt.study.grids import GridTable
from smelt.study.monolingual import MonolingualTable
from smelt.study.schema import Study
from smelt.study.students import StagesTable, TradeoffTable
from smelt.study.tables import ExampleTable, LanguagesTable, ScoresTable, SegmentationTable, VocabularyTable


class Tables(Efficiencies):
    """Tables, checked against the runs of the study."""

    def __init__(self, study: Study, *task_folders: Path) -> None:
        """Take a checked study.

        Raises:
            SmeltError: besides what a wrong task file raises: a table shows a task of another kind, a model or a
                language of which it has no score, or means over different languages in one column.
        """
        super().__init__(study, *task_folders)
        self._check_tables()

    def _check_tables(self) -> None:
        for name, table in self.study.tables.items():
            if isinstance(table, VocabularyTable):
                self._check_reduced(name, table)
            if isinstance(table, ScoresTable):
                self._check_alike(name, table)
            if isinstance(table, LanguagesTable):
                self._check_filled(name, table)
            if isinstance(table, MonolingualTable):
                self._check_columns(name, table)
            if isinstance(table, GridTable):
                check_grid(self, f"tables.{name}", table)
            if isinstance(table, StagesTable):
                self._check_stages(name, table)
            if isinstance(table, TradeoffTable):
                self._check_tradeoff(name, table)
            for task in table.tasks if isinstance(table, SegmentationTable | ExampleTable) else []:
                if (kind := self.tasks[task].kind) != "token-classification":
                    raise SmeltError(
                        f"study {self.study.study}",
                        f"tables.{name}: a table of kind {table.kind} shows the words of token-classification tasks;"
                        f" {task!r} is a task of {kind}",
                    )

    def _check_stages(self, name: str, table: StagesTable) -> None:
        where = f"study {self.study.study}"
        if (maker := str(self.study.models[table.model].maker)) != "compress":
            found = f"{table.model!r} is made by {maker}"
            raise SmeltError(where, f"tables.{name}.model: a table of kind stages shows a compression; {found}")
        if not self.runs(table.task, table.model):
            raise SmeltError(where, f"tables.{name}.model: {table.model!r} is not compressed for {table.task!r}")

    def _check_tradeoff(self, name: str, table: TradeoffTable) -> None:
        """Refuse models without a score, a student's size on another task, and scores of other languages."""
        where = f"study {self.study.study}"
        for model in table.models:
            if not self.runs(table.task, model):
                raise SmeltError(where, f"tables.{name}.models: {model!r} is not fine-tuned on {table.task!r}")
            if self.study.models[model].maker == "compress" and (shown := self.shown_task(model)) != table.task:
                found = f"{model!r} is weighed and timed as it is for {shown!r}, the first of its tasks"
                raise SmeltError(where, f"tables.{name}.models: {found}; expected one for {table.task!r} alone")
            tested = self.tested_languages(model, table.task)
            if table.languages is None and tested != (first := self.tested_languages(table.models[0], table.task)):
                found = f"{table.models[0]!r} is tested in {' '.join(first)} and {model!r} in {' '.join(tested)}"
                raise SmeltError(where, f"tables.{name}: {found}: name the `languages` that their scores are of")
            if missing := [code for code in table.languages or [] if code not in tested]:
                raise SmeltError(where, f"tables.{name}.languages: {model!r} is not tested in {missing[0]!r}")

    def _check_reduced(self, name: str, table: VocabularyTable) -> None:
        for model in table.models:
            if (maker := str(self.study.models[model].maker)) != "reduce":
                raise SmeltError(
                    f"study {self.study.study}",
                    f"tables.{name}.models: a table of kind vocabulary shows what reduced models kept;"
                    f" {model!r} is made by {maker}",
                )

    def _check_alike(self, name: str, table: ScoresTable) -> None:
        """Refuse means over different languages in one column."""
        for task in table.tasks:
            models = [model for model, _ in self.runs(task) if table.models is None or model in table.models]
            for model in models:
                first, found = (" ".join(self.tested_languages(each, task)) for each in (models[0], model))
                if first != found:
                    raise SmeltError(
                        f"study {self.study.study}",
                        f"tables.{name}: on {task}, {models[0]!r} is tested in {first} and {model!r} in {found}: one"
                        " column cannot hold means of different languages; choose models, or a table of kind languages",
                    )

    def _check_filled(self, name: str, table: LanguagesTable) -> None:
        """Refuse rows and columns of a table of languages in which no score could ever stand."""
        where, shown = f"study {self.study.study}", set[str]()
        for number, section in enumerate(table.sections):
            for row in section.models:
                tested = self._tested_in(table, section.task, row)
                shown |= tested
                if not tested:
                    key = f"tables.{name}.sections.{number}.models"
                    found = f"{row!r} is not fine-tuned on {section.task!r}, or tested in no language of the table"
                    raise SmeltError(where, f"{key}: {found}")
        for language in table.languages:
            if language not in shown:
                raise SmeltError(where, f"tables.{name}.languages: no model of the table is tested in {language!r}")

    def _check_columns(self, name: str, table: MonolingualTable) -> None:
        """Refuse columns of other languages, rows without any score, and a baseline without the score of a column."""
        where, key = f"study {self.study.study}", f"tables.{name}"
        for language, tasks in table.columns.items():
            for task in tasks:
                if (tested := self.tasks[task].languages_of("test")) != [language]:
                    found = f"{task!r} tests {', '.join(tested)}"
                    raise SmeltError(
                        where, f"{key}.columns.{language}: {found}; expected a task of that language alone"
                    )
                if table.baseline and not self._run_in(table.rows[table.baseline], language, task):
                    raise SmeltError(where, f"{key}.baseline: {table.baseline!r} is not fine-tuned on {task!r}")
        for label, row in table.rows.items():
            if not any(self._run_in(row, code, task) for code, tasks in table.columns.items() for task in tasks):
                raise SmeltError(where, f"{key}.rows: {label!r} ({row}) is fine-tuned on no task of the table")

    def _run_in(self, row: str, language: str, task: str) -> bool:
        return bool(self.runs(task, member_of(row, language)))

    def _tested_in(self, table: LanguagesTable, task: str, row: str) -> set[str]:
        """Return the languages of a table in which a row, a model or a family, is tested on a section's task."""
        models, tasks = ({member_of(pattern, language) for language in table.languages} for pattern in (row, task))
        runs = [(model, of_task) for model, of_task in self.runs() if model in models and of_task in tasks]
        return {language for run in runs for language in self.tested_languages(*run)} & set(table.languages)
