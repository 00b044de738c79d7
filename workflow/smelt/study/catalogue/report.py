"""What tables, figures and the page are made from."""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from smelt.report.figures import FIGURES, of_table
from smelt.report.figures.base import TableFigure
from smelt.report.tables import Table
from smelt.study.catalogue.efficiency import Efficiencies
from smelt.study.schema import Study
from smelt.tasks.kinds import kind_of
from smelt.tasks.task_file import TaskFile


class TablesView:
    """What tables and figures ask of the study (`smelt.report.tables.base.StudyOfTables`)."""

    def __init__(self, catalogue: Efficiencies) -> None:
        """Answer from a catalogue."""
        self._catalogue, study = catalogue, catalogue.study
        self.where = f"study {study.study}"
        self.results = catalogue.results
        self.makers: Mapping[str, str] = {name: model.maker for name, model in study.models.items()}
        self.measured: Sequence[str] = study.measured
        self.latency_shapes = (study.efficiency.lengths, study.efficiency.batches) if study.efficiency else None
        self.runs = catalogue.runs
        self.tested_languages = catalogue.tested_languages
        self.efficiency_task = catalogue.shown_task
        self.efficiencies = catalogue.efficiencies
        self.shares_teacher = catalogue.shares_teacher
        self.corpus_statistics = catalogue.corpus_statistics
        self.learning_curves = catalogue.learning_curves

    @property
    def seeds(self) -> Sequence[int]:
        """The seeds of fine-tuning."""
        return self._catalogue.seeds

    @property
    def tasks(self) -> Mapping[str, TaskFile]:
        """The study's tasks by name."""
        return self._catalogue.tasks

    @property
    def vocabularies(self) -> Mapping[str, int]:
        """Pieces of each model whose tokenizer the study trains."""
        trained = {name: self._catalogue.pretrained(name).tokenizer for name in self._catalogue.made_by("pretrain")}
        return {name: self._catalogue.study.tokenizers[tokenizer].vocabulary for name, tokenizer in trained.items()}

    def metrics(self, model: str, task: str) -> list[str]:
        """Return metrics.json of a model on a task, a file a seed."""
        return self._catalogue.finetuned(task, model)

    def tokenisations(self) -> list[str]:
        """Return the tokenisation studies: one for each model and task that labels words."""
        return [
            f"{self.results}/tokenisation/{model}/{task}.json"
            for model, task in self.runs()
            if kind_of(self.tasks[task]).labels_words
        ]


class Reports(Efficiencies):
    """Measurements, tables, figures and the page."""

    def __init__(self, study: Study, *task_folders: Path) -> None:
        """Take a checked study.

        Raises:
            SmeltError: besides what a wrong task file raises: a table shows a task of another kind, a model or a
                language of which it has no score, or means over different languages in one column.
        """
        super().__init__(study, *task_folders)
        self._shown = TablesView(self)
        for name, table in study.tables.items():
            table.check(self._shown, f"tables.{name}")

    def predictions_of_run(self, wildcards: Any) -> list[str]:
        """Return the predictions of {model} on {task}, one file a seed."""
        return self.finetuned(wildcards.task, wildcards.model, "predictions.parquet")

    def tokenisations(self) -> list[str]:
        """Return the tokenisation studies."""
        return self._shown.tokenisations()

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

    def table_settings(self, wildcards: Any) -> str:
        """Return the entry of {table}, as JSON, with its models, vocabularies, titles of tasks and the seed shown."""
        table = self.table(wildcards)
        titles = {task: self.tasks[task].title for task in table.tasks}
        shown = table.settings(self._shown) | {"titles": titles, "seed": next(iter(self.seeds), None)}
        return json.dumps(shown | {"vocabularies": self._shown.vocabularies})

    def table_sources(self, wildcards: Any) -> list[str]:
        """Return the files that {table} is made from."""
        return self.table(wildcards).sources(self._shown)

    def table_tasks(self, wildcards: Any) -> list[str]:
        """Return the descriptions of the tasks whose scores {table} shows; its notes name their repeated examples."""
        table = self.table(wildcards)
        return self.task_descriptions(table.tasks) if table.shows_scores else []

    def task_descriptions(self, tasks: Iterable[str] | None = None) -> list[str]:
        """Return task.json of some tasks, by default all, as far as a model runs on them."""
        run = dict.fromkeys(task for _, task in self.runs())
        return [f"{self.results}/tasks/{task}/task.json" for task in (run if tasks is None else tasks) if task in run]

    def significance_settings(self, wildcards: Any) -> str:  # noqa: ARG002 - Snakemake passes its wildcards
        """Return how differences are tested, as JSON."""
        return json.dumps(self.study.significance.model_dump())

    def interval_settings(self, wildcards: Any) -> str:  # noqa: ARG002 - Snakemake passes its wildcards
        """Return the part of `significance` that intervals rest on, as JSON: no test, level or correction."""
        return json.dumps(self.study.significance.model_dump(include={"confidence", "resamples", "seed"}))

    def figures(self) -> list[str]:
        """Return the figures of the study and of its tables."""
        return [*(name for name, figure in FIGURES.items() if figure.sources(self._shown)), *self._figures_of_tables]

    @cached_property
    def _figures_of_tables(self) -> dict[str, tuple[TableFigure, Table]]:
        """The figures that belong to a table, by name."""
        found = [(table, of_table(name, table, self._shown)) for name, table in self.study.tables.items()]
        return {figure[0]: (figure[1], table) for table, figure in found if figure}

    def figure_settings(self, wildcards: Any) -> str:
        """Return the entry of the table that {figure} belongs to, as JSON; nothing where it belongs to none.

        Its caption is left out: it stands above the table only.
        """
        if wildcards.figure not in self._figures_of_tables:
            return json.dumps({})
        _, table = self._figures_of_tables[wildcards.figure]
        shown = table.settings(self._shown)
        return json.dumps({key: value for key, value in shown.items() if key != "caption"})

    def figure_sources(self, wildcards: Any) -> list[str]:
        """Return the files that {figure} is drawn from."""
        if wildcards.figure in self._figures_of_tables:
            figure, table = self._figures_of_tables[wildcards.figure]
            return figure.sources(table, self._shown)
        return FIGURES[wildcards.figure].sources(self._shown)

    def statistics(self) -> list[str]:
        """Return the files of the comparisons; none where nothing is fine-tuned."""
        names = ("summary", "pairs", "across") if self.runs() else ()
        return [f"{self.results}/statistics/{name}.csv" for name in names]
