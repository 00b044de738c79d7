"""The sources of tables, figures and the page."""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from smelt.files import whole_file
from smelt.mixture import Mixture
from smelt.report.figures import FIGURES, of_table
from smelt.report.figures.base import StudyFigure, TableFigure
from smelt.report.notes import FinetuningSet
from smelt.report.tables import Table
from smelt.study.makers import MAKERS
from smelt.study.makers.base import FinetuningRuns
from smelt.study.paths import Paths, run_of
from smelt.study.rules.corpora import CorporaRules
from smelt.study.rules.efficiency import EfficiencyRules
from smelt.study.rules.finetune import FinetuneRules
from smelt.study.rules.tokenizers import TokenizerRules
from smelt.study.schema import Study
from smelt.tasks.kinds import kind_of


class TablesView:
    """The study as tables and figures see it (`smelt.report.tables.base.StudyOfTables`)."""

    def __init__(
        self,
        study: Study,
        paths: Paths,
        corpora: CorporaRules,
        tokenizers: TokenizerRules,
        finetune: FinetuneRules,
        efficiency: EfficiencyRules,
    ) -> None:
        """Answer from the parts of a catalogue."""
        runs = finetune.runs
        self.where = paths.where
        self.results = paths.results
        self.makers: Mapping[str, str] = {name: model.maker for name, model in study.models.items()}
        self.measured: Sequence[str] = study.measured
        self.latency_shapes = (study.benchmark.lengths, study.benchmark.batches) if study.benchmark else None
        self.seeds: Sequence[int] = runs.seeds
        self.tasks = runs.tasks
        self.runs = runs.pairs
        self.learns = study.learns
        self.tested_languages = runs.tested_languages
        self.efficiency_task = runs.first_task
        self.efficiencies = efficiency.figures
        self.corpus_statistics = corpora.statistics
        self._study, self._paths, self._finetune = study, paths, finetune
        self.trained: Sequence[str] = tokenizers.read_by()
        self.blocks = tokenizers.blocks()
        self._curves = [f"{paths.logs}/models/{name}.curve.csv" for name in self.trained]

    @property
    def vocabularies(self) -> Mapping[str, int]:
        """Pieces of each model whose tokenizer the study trains."""
        trained = {name: model.trained_tokenizer for name, model in self._study.models.items()}
        return {name: self._study.tokenizers[used].vocabulary for name, used in trained.items() if used is not None}

    def is_compressed(self, model: str) -> bool:
        """Return whether a model is compressed for each of its tasks; not so where the study has no such model."""
        return model in self._study.models and self._study.models[model].is_compressed

    def finetuned_as(self, tasks: Iterable[str]) -> dict[str, FinetuningSet]:
        """Return the named sets of settings that some tasks are fine-tuned by, with these tasks."""
        found = self._study.finetuning.differences() if self._study.finetuning else {}
        members = {name: [task for task in tasks if self._study.options(task).finetuned_as == name] for name in found}
        return {name: {"settings": found[name], "tasks": members[name]} for name in found if members[name]}

    def mixture(self, corpus: str) -> Mixture:
        """Return how the languages of a corpus are mixed."""
        return self._study.corpora[corpus].sampling

    def is_published(self, model: str) -> bool:
        """Return whether a model was trained elsewhere."""
        return self._study.models[model].publishes_vocabulary

    def selects_pieces(self, model: str) -> bool:
        """Return whether a model keeps some of its source's pieces, and records which."""
        return self._study.models[model].selects_pieces

    def sources_of(self, model: str) -> list[str]:
        """Return the models that a model is made from."""
        return self._study.models[model].sources

    def finetuned_from(self, model: str) -> str | None:
        """Return the model whose fine-tunings a model's are made from without more training, if there is one."""
        entry = self._study.models[model]
        return entry.sources[0] if entry.makes_finetuned and not entry.is_compressed else None

    def chosen_vocabularies(self) -> list[str]:
        """Return the models whose vocabulary's size the study decides, in the order of MAKERS."""
        makers = [name for name, maker in MAKERS.items() if maker.chooses_vocabulary]
        return [name for maker in makers for name, own in self.makers.items() if own == maker]

    def shares_teacher(self, model: str) -> bool:
        """Return whether the seeds of a compressed model have one teacher."""
        return self._study.models[model].shares_teacher

    def transfer_texts(self, task: str) -> list[str]:
        """Return the folders of the unlabelled texts that students of a task learn from, with the first seed."""
        found = [
            self._study.models[model].transfer_text(self._paths, task, self.seeds[0]) for model, _ in self.runs(task)
        ]
        return list(dict.fromkeys(folder for folder in found if folder))

    def metrics(self, model: str, task: str) -> list[str]:
        """Return metrics.json of a model on a task, a file a seed."""
        return self._finetune.files(task, model)

    def choices(self) -> list[str]:
        """Return metrics.json of the runs that a grid of settings chose, a file a seed."""
        return [
            file
            for model, task in self.runs()
            if not self.is_compressed(model) and len(self._finetune.grid(model, task).cells) > 1
            for file in self.metrics(model, task)
        ]

    def learning_curves(self) -> list[str]:
        """Return the learning curves of all models that are trained on token blocks."""
        return self._curves

    def tokenisations(self) -> list[str]:
        """Return the tokenisation studies: one for each model and task that labels words."""
        return [
            f"{self.results}/tokenisation/{model}/{task}.json"
            for model, task in self.runs()
            if kind_of(self.tasks[task]).labels_words
        ]


class ReportRules:
    """Answers to `rules/report.smk` and `rules/page.smk`: about scores, tables, figures and the page."""

    def __init__(self, study: Study, paths: Paths, runs: FinetuningRuns, shown: TablesView) -> None:
        """Take a checked study, and what its tables ask of it.

        Raises:
            SmeltError: a table shows a task of another kind, a model or a language without a score in it, or means
                over different languages in one column.
        """
        self.study = study
        self.paths = paths
        self.runs = runs
        self._shown = shown
        for name, table in study.tables.items():
            table.check(self._shown, f"tables.{name}")

    def as_written(self) -> str:
        """Return the study as its author wrote it, without defaults, as JSON."""
        return self.study.model_dump_json(exclude_unset=True)

    def written(self, wildcards: Any, input: Any) -> str:  # noqa: ARG002 - so that it is not compared
        """Return the file that holds it, for jobs: in their commands it would outgrow what Linux allows.

        Snakemake compares no param whose function takes `input`; `identity` stands for this one.
        """
        return f"{self.paths.run}/study.json"

    def text(self, wildcards: Any, input: Any) -> str:  # noqa: ARG002 - so that it is not compared
        """Return the file that holds the text of the study's files, comments included, for the page."""
        return f"{self.paths.run}/study.yaml"

    def write(self, files: Sequence[str | Path] = ()) -> None:
        """Write both files, as a workflow starts.

        files: those that the study is read from; each begins with its path where there are several.
        """
        texts = [Path(file).read_text(encoding="utf-8", errors="replace") for file in files]
        heads = [f"# {file}\n" if len(texts) > 1 else "" for file in files]
        text = "\n".join(head + text for head, text in zip(heads, texts, strict=True))
        for path, content in ((self.written(None, None), self.as_written()), (self.text(None, None), text)):
            with whole_file(Path(path)) as draft:
                draft.write_text(content, encoding="utf-8")

    def lists(self, wildcards: Any, input: Any) -> str:  # noqa: ARG002 - so that it is not compared
        """Return the folder with the inputs of a job in files, for its command: of {table}, or of the page."""
        table = wildcards.get("table")
        return f"{self.paths.run}/lists/{f'tables/{table}' if table else 'page'}"

    def identity(self, wildcards: Any) -> str:  # noqa: ARG002 - Snakemake passes its wildcards
        """Return the study as written, without settings that do not change results; pages are compared by it."""
        study = self.study.model_dump(mode="json", exclude_unset=True)
        for name, model in study["models"].items():
            for part, beside in self.study.models[name].beside_results.items():
                if part in model and not (left := {key: model[part][key] for key in model[part] if key not in beside}):
                    del model[part]
                elif part in model:
                    model[part] = left
        return json.dumps(study)

    def tokenisations(self) -> list[str]:
        """Return the tokenisation studies."""
        return self._shown.tokenisations()

    def learning_curves(self) -> list[str]:
        """Return the learning curves of all models that are trained on token blocks."""
        return self._shown.learning_curves()

    def block_descriptions(self, wildcards: Any, input: Any) -> list[str]:  # noqa: ARG002 - so that it is not compared
        """Return blocks.json of all token blocks, which the page reads where they are there.

        They are no inputs, so that blocks which were deleted after the training are not made again for a table.
        """
        return [f"{folder}/blocks.json" for folder in self._shown.blocks]

    def choices(self) -> list[str]:
        """Return the metrics of the runs that a grid chose, for the page."""
        return self._shown.choices()

    def finetuned_folder(self, wildcards: Any) -> str:  # noqa: ARG002 - Snakemake passes its wildcards
        """Return the folder of all fine-tuned models."""
        return f"{self.paths.results}/finetuned"

    def logs_folder(self, wildcards: Any) -> str:  # noqa: ARG002 - Snakemake passes its wildcards
        """Return the folder of the study's logs, to which the page links."""
        return self.paths.logs

    def expected_runs(self, wildcards: Any) -> str:  # noqa: ARG002 - Snakemake passes its wildcards
        """Return which runs stand in the scores, as JSON: tasks by model, and seeds; left-over ones do not.

        Models that are evaluated as they are have one run, with the first seed.
        """
        runs: dict[str, list[str]] = {}
        for model, task in self.runs.pairs():
            runs.setdefault(model, []).append(task)
        evaluated = self.runs.evaluated()
        once = {"once": [f"{model}/{task}" for model, task in evaluated]} if evaluated else {}
        return json.dumps({"runs": runs, "seeds": self.runs.seeds} | once)

    def table(self, wildcards: Any) -> Table:
        """Return the entry of {table}."""
        return self.study.tables[wildcards.table]

    def table_settings(self, wildcards: Any) -> str:
        """Return the entry of {table} as JSON, with the facts of the study that its kind asks for."""
        return json.dumps(self.table(wildcards).settings(self._shown))

    def table_sources(self, wildcards: Any) -> list[str]:
        """Return the files that {table} is made from."""
        table = self.table(wildcards)
        pooled = [f"{self.paths.results}/correlations/{wildcards.table}.json"] if table.pools_models else []
        return [*table.sources(self._shown), *pooled]

    def pooling_tables(self) -> list[str]:
        """Return the tables for which the words of several models are taken together."""
        return [name for name, table in self.study.tables.items() if table.pools_models]

    def pooled_predictions(self, wildcards: Any) -> list[str]:
        """Return the predictions of the models of {table} on its tasks, one file a seed."""
        table = self.table(wildcards)
        shown = [(model, task) for task in table.tasks for model in table.shown_models(self._shown)]
        return [
            f"{self.paths.finetuned(run_of(model, task, seed))}/predictions.parquet"
            for model, task in shown
            if self.runs.pairs(task, model)
            for seed in self.runs.seeds_of(model, task)
        ]

    def pooled_tasks(self, wildcards: Any) -> list[str]:
        """Return the descriptions of the tasks of {table}."""
        return self.task_descriptions(self.table(wildcards).tasks)

    def pooled_folders(self, wildcards: Any) -> list[str]:
        """Return the folders of the tasks of {table}."""
        return [self.paths.task(task) for task in self.table(wildcards).tasks]

    def table_tasks(self, wildcards: Any) -> list[str]:
        """Return the descriptions of the tasks whose scores {table} shows; its notes name their repeated examples."""
        table = self.table(wildcards)
        return self.task_descriptions(table.shown_tasks(self._shown)) if table.shows_scores else []

    def task_descriptions(self, tasks: Iterable[str] | None = None) -> list[str]:
        """Return task.json of some tasks, by default all, as far as a model runs on them."""
        run = dict.fromkeys(task for _, task in self.runs.pairs())
        return [f"{self.paths.task(task)}/task.json" for task in (run if tasks is None else tasks) if task in run]

    def significance_settings(self, wildcards: Any) -> str:  # noqa: ARG002 - Snakemake passes its wildcards
        """Return how differences are tested, as JSON."""
        return json.dumps(self.study.significance.model_dump())

    def interval_settings(self, wildcards: Any) -> str:  # noqa: ARG002 - Snakemake passes its wildcards
        """Return the part of `significance` that intervals rest on, as JSON: no test, level or correction."""
        return json.dumps(self.study.significance.model_dump(include={"confidence", "resamples", "seed"}))

    def figures(self) -> list[str]:
        """Return the figures of the study and of its tables."""
        return [*self._figures_of_study, *self._figures_of_tables]

    @cached_property
    def _figures_of_study(self) -> dict[str, tuple[StudyFigure, dict[str, Any]]]:
        """The figures of the study, with the facts of each, by name; a large one has several parts."""
        drawn = [figure for figure in FIGURES.values() if figure.sources(self._shown)]
        return {name: (figure, settings) for figure in drawn for name, settings in figure.settings(self._shown).items()}

    @cached_property
    def _figures_of_tables(self) -> dict[str, tuple[TableFigure, Table]]:
        """The figures that belong to a table, by name."""
        found = [(table, of_table(name, table, self._shown)) for name, table in self.study.tables.items()]
        return {figure[0]: (figure[1], table) for table, figure in found if figure}

    def figure_settings(self, wildcards: Any) -> str:
        """Return as JSON the entry of the table that {figure} belongs to, or the facts of a figure of the study.

        A table's caption is left out: it stands above the table only.
        """
        if wildcards.figure not in self._figures_of_tables:
            return json.dumps(self._figures_of_study[wildcards.figure][1])
        _, table = self._figures_of_tables[wildcards.figure]
        shown = table.settings(self._shown)
        return json.dumps({key: value for key, value in shown.items() if key != "caption"})

    def figure_sources(self, wildcards: Any) -> list[str]:
        """Return the files that {figure} is drawn from."""
        if wildcards.figure in self._figures_of_tables:
            figure, table = self._figures_of_tables[wildcards.figure]
            return figure.sources(table, self._shown)
        return self._figures_of_study[wildcards.figure][0].sources(self._shown)

    def examples(self) -> list[str]:
        """Return the files of comparisons over test examples: one for each task on which several models run."""
        models: dict[str, int] = {}
        for _, task in self.runs.pairs():
            models[task] = models.get(task, 0) + 1
        return [f"{self.paths.results}/statistics/examples/{task}.csv" for task, n in models.items() if n > 1]

    def metrics_of_task(self, wildcards: Any) -> list[str]:
        """Return metrics.json of all runs on {task}."""
        return self._of_task(wildcards.task, "metrics.json")

    def predictions_of_task(self, wildcards: Any) -> list[str]:
        """Return predictions.parquet of all runs on {task}."""
        return self._of_task(wildcards.task, "predictions.parquet")

    def contexts_of_task(self, wildcards: Any) -> list[str]:
        """Return the test split of {task}, which has the contexts of examples; nothing where these share none."""
        shared = kind_of(self.runs.tasks[wildcards.task]).context_column
        return [f"{self.paths.task(wildcards.task)}/test.parquet"] if shared else []

    def _of_task(self, task: str, file: str) -> list[str]:
        runs = [(name, seed) for name, _ in self.runs.pairs(task) for seed in self.runs.seeds_of(name, task)]
        return [f"{self.paths.finetuned(run_of(name, task, seed))}/{file}" for name, seed in runs]

    def statistics(self) -> list[str]:
        """Return the files of the comparisons; none where nothing is fine-tuned."""
        names = ("summary", "pairs", "across") if self.runs.pairs() else ()
        return [f"{self.paths.results}/statistics/{name}.csv" for name in names]
