"""What a study takes before it runs: jobs, hours, disk, memory and energy of each stage.

Work is counted in units that no machine changes: bytes of text, floating-point operations, jobs. The rates of a machine
turn it into hours. What exists already is counted as it is: the sizes of corpora, tokens of blocks, examples of tasks.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace

from smelt.entry import Precision
from smelt.environment import fill_in
from smelt.languages import wiki_of
from smelt.model_families import FAMILIES, operations_per_token
from smelt.study.catalogue import Catalogue
from smelt.study.efficiency import Efficiency
from smelt.study.finetuning import FinetuningSettings
from smelt.study.jobs import count_jobs
from smelt.study.makers.base import Maker
from smelt.study.makers.compress import Compress
from smelt.study.makers.reduce import Reduce
from smelt.study.makers.trained import TrainedOnBlocks
from smelt.study.rates import RATES, Rates, read_rates
from smelt.study.resources import BASE, BYTES, STATES, WITH_GPU_MB, WITHOUT_GPU_MB, gpus_for, pass_megabytes
from smelt.study.rules import finetune_jobs
from smelt.study.rules.finetune import training_examples
from smelt.study.rules.tokenizers import LINE_BYTES
from smelt.study.sizes import Sizes, known_sizes
from smelt.tasks.kinds import kind_of

OTHER_EXAMPLES = 2_000  # assumed of a validation or test split that is not prepared yet
WIDE_PIECES = 2**16  # vocabularies beyond take four bytes a token
REDUCED_FINETUNINGS = "reduced fine-tunings"
"""The stage of models that are reduced after they were fine-tuned, and of their evaluation."""
RUN_BYTES = 300_000  # what a fine-tuning leaves behind without weights
KEPT_STATES = 3  # copies of the weights in a checkpoint: they, and two moments
CHECKPOINTS = 4  # of a training at once: two of the last steps, the best, and one that is being written
PARQUET = 0.4  # bytes of documents.parquet to a byte of text


@dataclass
class StagePlan:
    """What a stage takes."""

    name: str
    jobs: int = 0
    cpu_seconds: float = 0.0
    """Of all cores together."""
    gpu_seconds: float = 0.0
    disk: float = 0.0
    """Bytes that stay."""
    memory: float = 0.0
    """MB of its largest job, at the peak."""
    checkpoints: float = 0.0
    """Bytes beside the disk, at most, until the workflow has ended."""

    def kwh(self, rates: Rates) -> float:
        """Return its energy."""
        gpu = self.gpu_seconds * rates.gpu.watts if rates.gpu else 0.0
        return (self.cpu_seconds * rates.cpu.watts + gpu) / 3.6e6


class StudyPlan:
    """A study with the sizes of its sources and the rates of a machine."""

    def __init__(self, catalogue: Catalogue, sizes: Sizes, rates: Rates) -> None:
        """Take a checked study."""
        self.catalogue, self.sizes, self.rates = catalogue, sizes, rates
        self.study, self.definitions, self.shapes = catalogue.study, catalogue.study.definitions, catalogue.shapes

    def unknown(self) -> list[tuple[str, str]]:
        """Return the corpora and languages whose size is not known."""
        return [
            (name, language)
            for name, corpus in self.study.corpora.items()
            for language in corpus.languages
            if self._parts_of_text(name, language) is None
        ]

    def stages(self) -> list[StagePlan]:
        """Return what each stage takes; call it where no size is unknown."""
        stages = [
            self._downloads(),
            self._documents(),
            self._tokenizers(),
            self._blocks(),
            self._counts(),
            *self._models(),
            self._tasks(),
            self._finetuning(),
            self._students(),
            self._reduced_finetunings(),
            self._efficiency(),
        ]
        return [*(stage for stage in stages if stage.jobs), self._report(sum(stage.jobs for stage in stages))]

    def text_bytes(self, corpus: str, languages: Sequence[str] | None = None) -> float:
        """Return the bytes of a corpus's text, of all languages by default."""
        chosen = languages or self.study.corpora[corpus].languages
        return sum(sum(self._parts_of_text(corpus, language) or ()) for language in chosen)

    def _parts_of_text(self, corpus: str, language: str) -> tuple[float, float] | None:
        """Return the bytes of text from dumps and from text files; None where they are not known."""
        entry = self.study.corpora[corpus]
        dumped = entry.wikipedia is not None and language in entry.wikipedia.languages
        files = [Path(fill_in(file)) for file in entry.texts(language)]
        if (corpus, language) in self.sizes.text:
            whole = self.sizes.text[corpus, language]
            return (whole, 0.0) if dumped else (0.0, whole)
        of_data_sets = any(language in source.languages for source in entry.datasets.values())
        if of_data_sets or not all(file.exists() for file in files):
            return None
        texts = float(sum(file.stat().st_size for file in files))
        if not dumped:
            return 0.0, texts
        assert entry.wikipedia is not None
        size = self.sizes.dumps.get((wiki_of(language), entry.wikipedia.date))
        return None if size is None else (size * self.rates.text_of_dump, texts)

    def _dumped(self) -> dict[tuple[str, str], float]:
        """Return the bytes of each dump, by (wiki, date); by the text where only that is known."""
        found = dict(self.sizes.dumps)
        for name, corpus in self.study.corpora.items():
            for language in corpus.wikipedia.languages if corpus.wikipedia else []:
                assert corpus.wikipedia is not None
                text, _ = self._parts_of_text(name, language) or (0.0, 0.0)
                found.setdefault((wiki_of(language), corpus.wikipedia.date), text / self.rates.text_of_dump)
        return found

    def _downloads(self) -> StagePlan:
        dumps = self._dumped()
        jobs = len(dumps) + len(self.catalogue.corpora.fetched)
        seconds = sum(dumps.values()) / 1e6 / self.rates.download + jobs * self.rates.start
        return StagePlan("downloads", jobs, seconds, disk=sum(dumps.values()), memory=self.rates.memory["other"])

    def _documents(self) -> StagePlan:
        stage = StagePlan("documents", memory=self.rates.memory["documents"])
        for name, corpus in self.study.corpora.items():
            for language in corpus.languages:
                dumped, read = self._parts_of_text(name, language) or (0.0, 0.0)
                stage.jobs += 1
                stage.cpu_seconds += dumped / self.rates.text_of_dump / 1e6 / self.rates.dumps
                stage.cpu_seconds += read / 1e6 / self.rates.texts + self.rates.start
                stage.disk += PARQUET * (dumped + read)
        return stage

    def _tokenizers(self) -> StagePlan:
        stage = StagePlan("tokenizers")
        for name, tokenizer in self.study.tokenizers.items():
            text = min(tokenizer.sample * LINE_BYTES, self.text_bytes(tokenizer.corpus))
            stage.jobs += 1
            stage.cpu_seconds += text / 1e6 / self.rates.tokenizers[tokenizer.algorithm] + self.rates.start
            asked = self.catalogue.tokenizers.memory(
                SimpleNamespace(tokenizer=name), SimpleNamespace(size_mb=PARQUET * text / 1e6)
            )
            stage.memory = max(stage.memory, asked)
            stage.disk += 50.0 * tokenizer.vocabulary
        return stage

    def _blocks(self) -> StagePlan:
        stage = StagePlan("blocks", memory=self.rates.memory["blocks"])
        for folder in self.catalogue.tokenizers.blocks():
            *_, corpus, vocabulary, _, language = Path(folder).parts
            text = self.text_bytes(corpus, [language])
            width = 4 if self.shapes.pieces_of_vocabulary(vocabulary) > WIDE_PIECES else 2
            stage.jobs += 1
            stage.cpu_seconds += text / 1e6 / self.rates.blocks + self.rates.start
            stage.disk += self._tokens(folder, text) * width
        return stage

    def _tokens(self, folder: str, text: float) -> float:
        """Return the tokens of a block folder: as it states them, or by its text."""
        file = Path(folder, "blocks.json")
        if file.exists():
            return float(json.loads(file.read_text(encoding="utf-8"))["train"]["tokens"])
        return text / self.rates.bytes_of_token

    def _counts(self) -> StagePlan:
        stage = StagePlan("counts of pieces", memory=self.rates.memory["counts"])
        for maker in self.catalogue.makers.values():
            stage.jobs += maker.further_jobs().get("counts", 0)
        counted = {
            (self.definitions.vocabulary(model.counted), texts.corpus, language)
            for model in self.study.models.values()
            if isinstance(model, Reduce) and (texts := model.texts)
            for language in self.definitions.languages(*texts)
        }
        text = sum(self.text_bytes(corpus, [language]) for _, corpus, language in counted)
        stage.cpu_seconds = text / 1e6 / self.rates.counts + stage.jobs * self.rates.start
        return stage

    def _models(self) -> Iterator[StagePlan]:
        """Yield a stage for each maker."""
        for maker in self.catalogue.makers:
            stage = StagePlan(f"models: {maker}")
            for name, model in self.study.models.items():
                if model.maker_name() == maker and not isinstance(model, Compress):
                    self._add_model(stage, name, model)
            yield stage

    def _add_model(self, stage: StagePlan, name: str, model: Maker) -> None:
        parameters = self.shapes.parameters(name)
        stage.jobs += 1
        stage.cpu_seconds += self.rates.start_torch
        stage.disk += parameters * BYTES
        memory = self._libraries(parameters) + parameters * BYTES * 2 / 1e6
        if isinstance(model, TrainedOnBlocks):
            training = model.training
            folders = self.catalogue.tokenizers.blocks_of(name)
            available = sum(self._tokens(folder, self.text_bytes(*_corpus_and_language(folder))) for folder in folders)
            tokens = training.trained_tokens(available)
            self._compute(stage, self._operations_of_training(name) * tokens, parameters, training.model.precision)
            passed = (
                0.0
                if self._uses_gpu(parameters)
                else pass_megabytes(self.shapes.shape(name).model_dump(), training.data)
            )
            memory += parameters * BYTES * (STATES - 2) / 1e6 + passed
            stage.checkpoints += CHECKPOINTS * KEPT_STATES * parameters * BYTES
        elif model.texts:
            text = self.text_bytes(model.texts.corpus, self.definitions.languages(*model.texts))
            stage.cpu_seconds += 0.0 if isinstance(model, Reduce) else text / 1e6 / self.rates.counts
        stage.memory = max(stage.memory, memory)

    def _operations_of_training(self, name: str) -> float:
        """Return the operations that a token of a model's training takes, those of its teachers included."""
        model = self.study.models[name]
        assert isinstance(model, TrainedOnBlocks)
        masked, length = model.training.objective.masking_probability, model.training.data.length
        of_teachers = sum(self._operations(source, length, masked) / 3 for source in model.sources)
        return of_teachers + self._operations(name, length, masked)

    def _operations(self, name: str, length: int, predicted: float = 0.0) -> float:
        """Return the operations of a training pass for each token."""
        shape = self.shapes.shape(name)
        factorised = shape.embedding != shape.hidden or FAMILIES[shape.family].shared_layers
        head = shape.embedding * (shape.hidden + self.shapes.pieces(name))
        projection = shape.embedding * shape.hidden if factorised else 0
        return operations_per_token(shape.model_dump(include=set(BASE)), projection, length, predicted, head)

    def _libraries(self, parameters: float) -> int:
        return WITH_GPU_MB if self._uses_gpu(parameters) else WITHOUT_GPU_MB

    def _uses_gpu(self, parameters: float) -> bool:
        return self.rates.gpu is not None and bool(gpus_for(parameters))

    def _compute(self, stage: StagePlan, operations: float, parameters: float, precision: Precision) -> None:
        """Add the time of a model's operations, on a GPU where its job asks for one."""
        if self.rates.gpu is not None and gpus_for(parameters):
            stage.gpu_seconds += operations / getattr(self.rates.gpu, precision)
        else:
            stage.cpu_seconds += operations / getattr(self.rates.cpu, precision)

    def _tasks(self) -> StagePlan:
        number = len(self.catalogue.tasks.files)
        return StagePlan("tasks", number, number * self.rates.start, memory=self.rates.memory["other"])

    @cached_property
    def _examples(self) -> dict[str, dict[str, float]]:
        """Examples of each task's splits: counted where it is prepared, else its limits, or what is typical."""
        found = {}
        for name, task in self.catalogue.tasks.files.items():
            file = Path(self.catalogue.paths.task(name), "task.json")
            if file.exists():
                splits = json.loads(file.read_text(encoding="utf-8"))["splits"]
                found[name] = {split: float(splits[split]["examples"]) for split in splits}
                continue
            options = self.study.options(name)
            validation = options.validation_limit or OTHER_EXAMPLES
            times = len(task.languages_of("validation")) if options.per or not options.validation_limit else 1
            tested = OTHER_EXAMPLES * len(task.languages_of("test"))
            learnt = training_examples(options, task)
            found[name] = {"train": float(learnt), "validation": float(validation * times), "test": float(tested)}
        return found

    def _finetuning(self) -> StagePlan:
        stage, rules = StagePlan("fine-tuning"), self.catalogue.finetune
        stage.jobs = sum(finetune_jobs.count_jobs(rules, gpus=self.rates.gpu is not None)) - len(rules.students())
        alone = [tuple(run.split("/")[:2]) for run in rules.teachers_alone()]
        pairs = [(pair, len(rules.runs.seeds_of(*pair))) for pair in rules.tuned()] + [(pair, 1) for pair in alone]
        for (model, task), seeds in pairs:
            grid = rules.grid(model, task)
            parameters = self.shapes.parameters(model)
            for settings in grid.cells.values():
                self._add_run(stage, model, task, settings, seeds)
            kept = grid.keep == "best" or any(
                run.startswith(f"{model}/{task}/") for run in self.catalogue.runs.teachers
            )
            stage.disk += seeds * (RUN_BYTES + (parameters * BYTES if kept else 0))
            megabytes = kind_of(self.catalogue.runs.tasks[task]).megabytes_an_example
            examples = megabytes * sum(self._examples[task].values())
            stage.memory = max(stage.memory, self._libraries(parameters) + 2 * BYTES * parameters / 1e6 + examples)
        # The whole of a run that is one of several in a job starts once.
        stage.cpu_seconds += stage.jobs * self.rates.start_torch
        return stage

    def _add_run(self, stage: StagePlan, model: str, task: str, settings: FinetuningSettings, seeds: int) -> None:
        examples = self._examples[task]
        length = min(settings.length, kind_of(self.catalogue.runs.tasks[task]).typical_tokens)
        steps = settings.epochs * examples["train"] / settings.batch
        measured = steps / settings.evaluate_every if settings.evaluate_every else settings.epochs
        predicted = measured * examples["validation"] + examples["test"]
        learnt = settings.epochs * examples["train"]
        operations = self._operations(model, length) * length * (learnt + predicted / 3)
        parameters = self.shapes.parameters(model)
        self._compute(stage, seeds * operations, parameters, settings.precision)
        seconds = seeds * (learnt + predicted / 3) * self.rates.example
        if self._uses_gpu(parameters):
            stage.gpu_seconds += seconds
        else:
            stage.cpu_seconds += seconds

    def _students(self) -> StagePlan:
        """Return what compressions take at most: each phase lasts all its epochs."""
        stage = StagePlan("compressions")
        for name, model in self.study.models.items():
            if not isinstance(model, Compress):
                continue
            epochs = sum(len(part.phases()) * part.schedule(model.settings).epochs for part in model.stages)
            for _, task in self.catalogue.runs.pairs(model=name):
                texts = float(model.transfer.sentences or self._examples[task]["train"])
                length = min(model.settings.length, kind_of(self.catalogue.runs.tasks[task]).typical_tokens)
                teacher = self._operations(model.teacher, length) / 3 if model.imitates else 0.0
                operations = texts * length * (epochs * 6 * model.student.weights + teacher)
                stage.jobs += len(self.study.seeds)
                parameters = self.shapes.parameters(model.teacher)
                self._compute(stage, len(self.study.seeds) * operations, parameters, "fp32")
                stage.cpu_seconds += len(self.study.seeds) * self.rates.start_torch
                stage.disk += len(self.study.seeds) * RUN_BYTES
                stage.memory = max(stage.memory, self._libraries(parameters) + 2 * BYTES * parameters / 1e6)
        return stage

    def _reduced_finetunings(self) -> StagePlan:
        """Return what reductions of fine-tuned models take: a job that reduces, and one that evaluates."""
        stage = StagePlan(REDUCED_FINETUNINGS)
        for name, model in self.study.models.items():
            if model.is_compressed or not model.makes_finetuned:
                continue
            parameters = self.shapes.parameters(name)
            for _, task in self.catalogue.runs.pairs(model=name):
                runs, examples = len(self.study.seeds), self._examples[task]
                length = kind_of(self.catalogue.runs.tasks[task]).typical_tokens
                tokens = length * (examples["validation"] + examples["test"])
                stage.jobs += 2 * runs
                self._compute(stage, runs * self._operations(name, length) / 3 * tokens, parameters, "fp32")
                stage.cpu_seconds += 2 * runs * self.rates.start_torch
                stage.disk += runs * (RUN_BYTES + parameters * BYTES)
                stage.memory = max(stage.memory, self._libraries(parameters) + 2 * BYTES * parameters / 1e6)
        return stage

    def _efficiency(self) -> StagePlan:
        models = len(self.catalogue.efficiency.models()) if self.catalogue.efficiency.figures() else 0
        loads = self.study.benchmark.loads if self.study.benchmark else 0
        # Each loading is in a fresh process, and so are the passes; the rate is for as many as are usual.
        share = (loads + 1) / (Efficiency().loads + 1)
        seconds = models * self.rates.measuring * share + self.rates.start_torch
        return StagePlan("efficiency", min(models, 1), seconds, memory=self.rates.memory["other"])

    def _report(self, others: int) -> StagePlan:
        number = max(sum(count_jobs(self.catalogue, gpus=self.rates.gpu is not None).values()) - others, 1)
        return StagePlan("measurement and report", number, number * self.rates.start, memory=self.rates.memory["other"])


def planned_stages(catalogue: Catalogue, rates: Rates | None = None, sizes: Sizes | None = None) -> list[StagePlan]:
    """Return what each stage takes; none where a size is not known.

    `smelt check`, `smelt plan` and the page all have their numbers from here.

    Args:
        catalogue: a checked study.
        rates: of the machine; by default those of a processor in config/rates.yaml.
        sizes: of sources; by default those that are known here.
    """
    plan = StudyPlan(catalogue, sizes or known_sizes(catalogue), rates or read_rates(RATES).of_processors())
    return [] if plan.unknown() else plan.stages()


def _corpus_and_language(folder: str) -> tuple[str, list[str]]:
    """Return the corpus and the language of a block folder."""
    *_, corpus, _, _, language = Path(folder).parts
    return corpus, [language]


def total(stages: Sequence[StagePlan]) -> StagePlan:
    """Return all stages together: disk and checkpoints are sums, the memory is that of the largest job."""
    return StagePlan(
        "all",
        sum(stage.jobs for stage in stages),
        sum(stage.cpu_seconds for stage in stages),
        sum(stage.gpu_seconds for stage in stages),
        sum(stage.disk for stage in stages),
        max(stage.memory for stage in stages),
        sum(stage.checkpoints for stage in stages),
    )
