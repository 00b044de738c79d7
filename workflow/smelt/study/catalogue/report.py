"""What tables, figures and the page are made from."""

import json
from typing import Any

from smelt.errors import SmeltError
from smelt.study.catalogue.efficiency import Efficiencies
from smelt.study.families import member_of
from smelt.study.monolingual import MonolingualTable
from smelt.study.schema import Study
from smelt.study.tables import (
    EfficiencyTable,
    ExampleTable,
    LanguagesTable,
    ScoresTable,
    SegmentationTable,
    Table,
    VocabularyTable,
)


class Reports(Efficiencies):
    """Measurements, tables, figures and the page."""

    def __init__(self, study: Study) -> None:
        """Take a checked study.

        Raises:
            SmeltError: besides what a wrong task file raises: a table shows a task of another kind, a model or a
                language of which it has no score, or means over different languages in one column.
        """
        super().__init__(study)
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
            for task in table.tasks if isinstance(table, SegmentationTable | ExampleTable) else []:
                if (kind := self.tasks[task].kind) != "token-classification":
                    raise SmeltError(
                        f"study {self.study.study}",
                        f"tables.{name}: a table of kind {table.kind} shows the words of token-classification tasks;"
                        f" {task!r} is a task of {kind}",
                    )

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

    def predictions_of_run(self, wildcards: Any) -> list[str]:
        """Return the predictions of {model} on {task}, one file a seed."""
        return self.finetuned(wildcards.task, wildcards.model, "predictions.parquet")

    def tokenisations(self) -> list[str]:
        """Return the tokenisation studies: one for each model and token-classification task."""
        return [
            f"{self.results}/tokenisation/{model}/{task}.json"
            for model, task in self.runs()
            if self.tasks[task].kind == "token-classification"
        ]

    def finetuned_folder(self, wildcards: Any) -> str:  # noqa: ARG002 - Snakemake passes its wildcards
        """Return the folder of all fine-tuned models."""
        return f"{self.results}/finetuned"

    def expected_runs(self, wildcards: Any) -> str:  # noqa: ARG002 - Snakemake passes its wildcards
        """Return which runs stand in the scores, as JSON: tasks by model, and seeds; left-over ones do not."""
        runs: dict[str, list[str]] = {}
        for model, task in self.runs():
            runs.setdefault(model, []).append(task)
        return json.dumps({"runs": runs, "seeds": self.seeds})

    def table(self, wildcards: Any) -> Table:
        """Return the entry of {table}."""
        return self.study.tables[wildcards.table]

    def shown_models(self, table: Table) -> list[str]:
        """Return the models that a table shows, in its order."""
        if isinstance(table, LanguagesTable | MonolingualTable):
            return table.members(self.study.models)
        return table.models or (self.study.measured if isinstance(table, EfficiencyTable) else list(self.study.models))

    def table_settings(self, wildcards: Any) -> str:
        """Return the entry of {table}, as JSON, with its models, vocabularies, titles of tasks and the seed shown."""
        table = self.table(wildcards)
        titles = {task: self.tasks[task].title for task in table.tasks}
        sizes = {name: self.study.tokenizers[self.pretrained(name).tokenizer] for name in self.made_by("pretrain")}
        shown: dict[str, Any] = {"models": self.shown_models(table), "titles": titles}
        shown |= {"seed": next(iter(self.seeds), None)}
        shown |= {"vocabularies": {name: tokenizer.vocabulary for name, tokenizer in sizes.items()}}
        return json.dumps(table.model_dump() | shown)

    def table_sources(self, wildcards: Any) -> list[str]:
        """Return what {table} is made from: statistics, tokenisation studies, or predictions of the first seed."""
        table = self.table(wildcards)
        models = self.shown_models(table)
        if isinstance(table, EfficiencyTable):
            return self.efficiencies()  # of all models, because ratios may be to one that is not shown
        if isinstance(table, VocabularyTable):
            return [f"{self.results}/models/{model}" for model in models]
        if isinstance(table, LanguagesTable):
            return [f"{self.results}/scores.csv", *(f"{self.results}/models/{model}" for model in models)]
        if isinstance(table, MonolingualTable):
            return [f"{self.results}/scores.csv"]
        runs = [(model, task) for task in table.tasks for model, _ in self.runs(task) if model in models]
        if isinstance(table, SegmentationTable):
            return [f"{self.results}/tokenisation/{model}/{task}.json" for model, task in runs]
        if isinstance(table, ExampleTable):
            folder = f"{self.results}/finetuned"
            return [f"{folder}/{model}/{task}/seed-{self.seeds[0]}/predictions.parquet" for model, task in runs]
        return [f"{self.results}/statistics/summary.csv", f"{self.results}/statistics/pairs.csv"]

    def significance_settings(self, wildcards: Any) -> str:  # noqa: ARG002 - Snakemake passes its wildcards
        """Return how differences are tested, as JSON."""
        return json.dumps(self.study.significance.model_dump())

    def interval_settings(self, wildcards: Any) -> str:  # noqa: ARG002 - Snakemake passes its wildcards
        """Return the part of `significance` that intervals rest on, as JSON: no test, level or correction."""
        return json.dumps(self.study.significance.model_dump(include={"confidence", "resamples", "seed"}))

    def figures(self) -> list[str]:
        """Return the figures that the study's parts give rise to."""
        names = []
        if self.study.corpora:
            names.append("language-distribution")
        if self.learning_curves():
            names.append("learning-curves")
        if self._sized():
            names.append("score-by-vocabulary")
        if self.tokenisations():
            names.append("splitting-and-errors")
        return [*names, *self._figures_of_tables()]

    def _sized(self) -> list[str]:
        """Return the fine-tuned models whose vocabulary the study has made or chosen."""
        names = [name for maker in ("pretrain", "distil", "reduce", "amplify") for name in self.made_by(maker)]
        return [name for name in names if self.runs(model=name)]

    def _figures_of_tables(self) -> dict[str, MonolingualTable]:
        """Return the figures that belong to a table, with their tables."""
        tables = {name: table for name, table in self.study.tables.items() if isinstance(table, MonolingualTable)}
        return {f"drops-{name}": table for name, table in tables.items() if table.baseline}

    def figure_settings(self, wildcards: Any) -> str:
        """Return the entry of the table that {figure} belongs to, as JSON; nothing where it belongs to none."""
        table = self._figures_of_tables().get(wildcards.figure)
        return json.dumps({} if table is None else table.model_dump(include={"columns", "rows", "baseline"}))

    def figure_sources(self, wildcards: Any) -> list[str]:
        """Return what {figure} is drawn from."""
        if wildcards.figure == "language-distribution":
            return self.corpus_statistics()
        if wildcards.figure == "learning-curves":
            return self.learning_curves()
        if wildcards.figure == "score-by-vocabulary":
            folders = [f"{self.results}/models/{name}" for name in self._sized()]
            return [f"{self.results}/statistics/summary.csv", *folders]
        if wildcards.figure in self._figures_of_tables():
            return [f"{self.results}/scores.csv"]
        return self.tokenisations()

    def statistics(self) -> list[str]:
        """Return the files of the comparisons; none where nothing is fine-tuned."""
        names = ("summary", "pairs", "across") if self.runs() else ()
        return [f"{self.results}/statistics/{name}.csv" for name in names]
