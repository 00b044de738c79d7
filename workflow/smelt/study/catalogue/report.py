"""What tables, figures and the page are made from."""

import json
from collections.abc import Iterable
from typing import Any

from smelt.study.catalogue.tables import Tables
from smelt.study.grids import GridTable
from smelt.study.monolingual import MonolingualTable
from smelt.study.students import StagesTable, TradeoffTable
from smelt.study.tables import (
    EfficiencyTable,
    ExampleTable,
    LanguagesTable,
    SegmentationTable,
    Table,
    VocabularyTable,
)


class Reports(Tables):
    """Measurements, tables, figures and the page."""

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
        if isinstance(table, LanguagesTable | MonolingualTable | GridTable):
            return table.members(self.study.models)
        return table.models or (self.study.measured if isinstance(table, EfficiencyTable) else list(self.study.models))

    def table_settings(self, wildcards: Any) -> str:
        """Return the entry of {table}, as JSON, with its models, vocabularies, titles of tasks and the seed shown."""
        table = self.table(wildcards)
        titles = {task: self.tasks[task].title for task in table.tasks}
        shown = self._shown(table) | {"titles": titles, "seed": next(iter(self.seeds), None)}
        sizes = {name: self.study.tokenizers[self.pretrained(name).tokenizer] for name in self.made_by("pretrain")}
        shown |= {"vocabularies": {name: tokenizer.vocabulary for name, tokenizer in sizes.items()}}
        return json.dumps(shown)

    def _shown(self, table: Table) -> dict[str, Any]:
        """Return the entry of a table, with its models and what the study as a whole says of it."""
        shown = table.model_dump() | {"models": self.shown_models(table)}
        if isinstance(table, GridTable | StagesTable | TradeoffTable):
            shown |= {"one_teacher": [name for name in self.shown_models(table) if self.shares_teacher(name)]}
        if isinstance(table, TradeoffTable) and (measured := self.study.efficiency):
            shown |= {"length": table.length or measured.lengths[0], "batches": table.batches or measured.batches}
        return shown

    def table_sources(self, wildcards: Any) -> list[str]:
        """Return what {table} is made from: statistics, tokenisation studies, or predictions of the first seed."""
        table = self.table(wildcards)
        models = self.shown_models(table)
        if isinstance(table, StagesTable):
            return self.finetuned(table.task, table.model)
        if isinstance(table, TradeoffTable):
            return [f"{self.results}/scores.csv", *self.efficiencies()]
        if isinstance(table, EfficiencyTable):
            return self.efficiencies()  # of all models, because ratios may be to one that is not shown
        if isinstance(table, VocabularyTable):
            return [f"{self.results}/models/{model}" for model in models]
        if isinstance(table, LanguagesTable):
            return [f"{self.results}/scores.csv", *(f"{self.results}/models/{model}" for model in models)]
        if isinstance(table, MonolingualTable):
            return [f"{self.results}/scores.csv"]
        if isinstance(table, GridTable):
            return [f"{self.results}/scores.csv", *self._compressions(table)]
        runs = [(model, task) for task in table.tasks for model, _ in self.runs(task) if model in models]
        if isinstance(table, SegmentationTable):
            return [f"{self.results}/tokenisation/{model}/{task}.json" for model, task in runs]
        if isinstance(table, ExampleTable):
            folder = f"{self.results}/finetuned"
            return [f"{folder}/{model}/{task}/seed-{self.seeds[0]}/predictions.parquet" for model, task in runs]
        return [f"{self.results}/statistics/summary.csv", f"{self.results}/statistics/pairs.csv"]

    def table_tasks(self, wildcards: Any) -> list[str]:
        """Return the descriptions of the tasks whose scores {table} shows; its notes name their repeated examples."""
        table = self.table(wildcards)
        shown = not isinstance(table, SegmentationTable | ExampleTable)
        return self.task_descriptions(table.tasks) if shown else []

    def task_descriptions(self, tasks: Iterable[str] | None = None) -> list[str]:
        """Return task.json of some tasks, by default all, as far as a model runs on them."""
        run = dict.fromkeys(task for _, task in self.runs())
        return [f"{self.results}/tasks/{task}/task.json" for task in (run if tasks is None else tasks) if task in run]

    def _compressions(self, table: GridTable) -> list[str]:
        """Return the metrics of the compressed models that a table shows, which say how long they learnt."""
        runs = [run for place in table.places() for run in place.runs(table.languages or [])]
        made = [(model, task) for model, task in dict.fromkeys(runs) if model in self.made_by("compress")]
        return [path for model, task in made for path in self.finetuned(task, model)]

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

    def _figures_of_tables(self) -> dict[str, str]:
        """Return the figures that belong to a table, with their tables' names."""
        kinds = {name: self._kind_of_figure(table) for name, table in self.study.tables.items()}
        return {f"{kind}-{name}": name for name, kind in kinds.items() if kind}

    def _kind_of_figure(self, table: Table) -> str | None:
        """Return what figure a table has, if it has one."""
        if isinstance(table, MonolingualTable):
            return "drops" if table.baseline else None
        if isinstance(table, LanguagesTable):
            return "by-language" if len(table.languages) > 1 else None
        if isinstance(table, GridTable):
            tested = table.languages or max((self.tasks[task].languages_of("test") for task in table.tasks), key=len)
            return "by-language" if len(tested) > 1 else None
        return "tradeoff" if isinstance(table, TradeoffTable) else None

    def figure_settings(self, wildcards: Any) -> str:
        """Return the entry of the table that {figure} belongs to, as JSON; nothing where it belongs to none.

        Its caption is left out: it stands above the table only.
        """
        name = self._figures_of_tables().get(wildcards.figure)
        shown = {} if name is None else self._shown(self.study.tables[name])
        return json.dumps({key: value for key, value in shown.items() if key != "caption"})

    def figure_sources(self, wildcards: Any) -> list[str]:
        """Return what {figure} is drawn from."""
        if wildcards.figure == "language-distribution":
            return self.corpus_statistics()
        if wildcards.figure == "learning-curves":
            return self.learning_curves()
        if wildcards.figure == "score-by-vocabulary":
            folders = [f"{self.results}/models/{name}" for name in self._sized()]
            return [f"{self.results}/statistics/summary.csv", *folders]
        if name := self._figures_of_tables().get(wildcards.figure):
            return [f"{self.results}/scores.csv", *self._beside_scores(self.study.tables[name])]
        return self.tokenisations()

    def _beside_scores(self, table: Table) -> list[str]:
        """Return what the figure of a table is drawn from besides the scores."""
        if isinstance(table, TradeoffTable):
            return self.efficiencies()
        if isinstance(table, LanguagesTable | GridTable):
            return [f"{self.results}/tasks/{task}/task.json" for task in table.tasks]
        return []

    def statistics(self) -> list[str]:
        """Return the files of the comparisons; none where nothing is fine-tuned."""
        names = ("summary", "pairs", "across") if self.runs() else ()
        return [f"{self.results}/statistics/{name}.csv" for name in names]
