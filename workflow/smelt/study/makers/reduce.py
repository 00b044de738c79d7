"""The maker `reduce`: a model of the study with only the pieces that some languages use."""

import operator
from collections.abc import Collection
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from smelt.entry import Distinct, Entry, Name, refer, refuse_idle
from smelt.errors import SmeltError
from smelt.languages import Language
from smelt.numbers import MOST_PIECES, NO_TRUTH, PieceCount, Positive, PositiveShare, RowCount, Seed
from smelt.scripts import script_named
from smelt.study.makers.base import Definitions, FinetuningRuns, Maker, MakerRules, TextsRead, list_languages
from smelt.study.paths import Paths, run_of
from smelt.study.resources import examples, gpus_for, libraries_for, megabytes, parameters_in
from smelt.tasks.kinds import kind_of

# Parts of the rules' params: raise them when the same inputs and settings come to mean other counts, or another model.
# Comments leave them alone.
COUNTING_VERSION = 1
REDUCTION_VERSION = 1

REDUCED_RUNS = "reductions of fine-tuned models"

THRESHOLDS = {"paper": 0.0005, "code": 0.00005}
"""As "Smaller multilingual BERT" has it (section 3.1), and as its code computes it, which alone gives its Table 1."""


CHARACTER_SETS = ("digits", "punctuation", "symbols", "emoji")
"""Sets of pieces that have names of their own; others are named after a script."""
ONE_LETTER = "-letters"
"""What stands behind a script's name for its pieces of one letter."""


def known_set(name: str) -> str:
    """Return the name of a set of pieces.

    Raises:
        ValueError: it is neither one of those of its own nor a script's.
    """
    if name not in CHARACTER_SETS:
        try:
            script_named(name.removesuffix(ONE_LETTER))
        except ValueError as error:
            sets = ", ".join(CHARACTER_SETS)
            raise ValueError(f"expected one of {sets}, or a script, such as latin or latin-letters: {error}") from None
    return name


def _text(value: str) -> str:
    if not value.strip():
        raise ValueError(f"expected a text whose pieces are to be kept, found {value!r}")
    return value


PieceSet = Annotated[str, AfterValidator(known_set)]
KeptText = Annotated[str, AfterValidator(_text)]


class SelectionRule(Entry):
    """The most used pieces: over a threshold, up to a share of each language's texts, or up to a size."""

    threshold: PositiveShare | Literal["paper", "code"] | None = None
    """Keep a piece that this share of a language's lines holds: a number, `paper` (0.0005, the 0.05% of the paper's
    section 3.1) or `code` (0.00005, which its code computes and which alone gives its Table 1); by default `code`."""
    coverage: Annotated[PositiveShare | None, Field(exclude_if=lambda value: value is None)] = None
    """Instead of a threshold: the most used pieces of each language, until they make this share of all occurrences of
    pieces in its texts, such as 0.9999. With 1 each piece that occurs is kept."""
    size: PieceCount | None = None
    """Instead of a threshold: pieces of the reduced model in all, with those that are always kept; those with the
    highest share in any language."""
    of: Literal["lines", "documents", "occurrences"] = "lines"
    """Unit of shares: the `lines` or `documents` that hold a piece, or all `occurrences` of pieces."""
    weights: Annotated[dict[str, Positive], Field(exclude_if=operator.not_)] = Field(default_factory=dict)
    """Language → number by which its shares are multiplied before `size` compares them with those of other languages;
    1 by default. A language of weight 2 keeps pieces that are half as frequent as those of the others."""
    multiple_of: Annotated[
        Annotated[int, Field(ge=2, le=MOST_PIECES), NO_TRUTH] | None, Field(exclude_if=lambda value: value is None)
    ] = None
    """Make the number of pieces a multiple of this, such as 8, 64 or 128, which processors multiply faster: the next
    most used pieces are kept until it is one. No row is left empty for it."""

    @model_validator(mode="after")
    def _has_one_measure(self) -> Self:
        given = [name for name in ("threshold", "coverage", "size") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"expected either threshold, coverage or size, found {' and '.join(given)}")
        if self.coverage is not None:
            refuse_idle("", self, {"of": "with coverage, which is a share of occurrences"})
        if self.weights and self.size is None:
            raise ValueError(
                "weights: has no effect without size: shares are compared within each language; leave it out"
            )
        if self.size is not None and self.multiple_of is not None and self.size % self.multiple_of:
            below = self.size - self.size % self.multiple_of
            near = f"{below:,} or {below + self.multiple_of:,}" if below else f"{self.multiple_of:,}"
            raise ValueError(f"size: expected a multiple of {self.multiple_of}, such as {near}; found {self.size:,}")
        return self

    @property
    def share(self) -> float:
        """The threshold as a number; that of the code where neither it nor another rule is given."""
        threshold = self.threshold or "code"
        return THRESHOLDS[threshold] if isinstance(threshold, str) else threshold

    @property
    def named_by(self) -> Literal["threshold", "coverage", "size"]:
        """The key that decides how many pieces are kept."""
        return "size" if self.size is not None else "coverage" if self.coverage is not None else "threshold"

    @property
    def in_words(self) -> str:
        """The rule, as `smelt check` shows it."""
        value = f"{self.size:,}" if self.size else f"{self.coverage or self.share:.10g}"
        of = "occurrences" if self.named_by == "coverage" else self.of
        multiple = f", in multiples of {self.multiple_of}" if self.multiple_of else ""
        return f"{self.named_by} {value} of {of}{multiple}"

    def check_weights(self, languages: Collection[str]) -> None:
        """Check that the weights are of these languages, and change something.

        Raises:
            ValueError: they name another language, or all languages weigh the same.
        """
        for language in self.weights:
            refer("weights", language, languages, "among the languages that are kept")
        if self.weights and len({self.weights.get(language, 1.0) for language in languages}) == 1:
            raise ValueError("weights: has no effect, as all languages weigh the same; leave it out")


class KeptPiecesRule(SelectionRule):
    """The rule, and pieces that are kept whatever it says."""

    keep: Annotated[list[str], Distinct] = Field(default_factory=list)
    """Further pieces to keep, as the tokenizer spells them; special and unused ones are always kept."""
    keep_sets: Annotated[list[PieceSet], Distinct, Field(exclude_if=operator.not_)] = Field(default_factory=list)
    """Sets of pieces to keep: `digits`, `punctuation`, `symbols`, `emoji`; the name of a script for all its pieces
    (`cyrillic`), and with `-letters` behind it for those of one letter (`latin-letters`). A piece is of a set if its
    whole text is, without the mark of a blank or of a word's middle."""
    keep_texts: Annotated[list[KeptText], Distinct, Field(exclude_if=operator.not_)] = Field(default_factory=list)
    """Texts whose pieces are kept, such as the prompts that a model is used with (`"query: "`)."""


class ReductionSettings(KeptPiecesRule):
    """All that decides what a model is reduced to, except the model and the counts."""

    version: int = 0
    """The same settings under another version mean another model."""


class Reduce(Maker, KeptPiecesRule):
    """Another model of the study with only the pieces that some languages use; it computes the same of these."""

    command: ClassVar = ("smelt.models.reduce.command", "reduce a model to the pieces that some languages use")

    maker: Literal["reduce"]
    """The model keeps some of another one's pieces."""
    source: Name
    """The model to reduce, of any maker; it may be a reduced one."""
    corpus: Name
    """The corpus: pieces are counted in its documents that are not held out, and the reduction is proven on those that
    are."""
    languages: Annotated[list[Language], Field(min_length=1), Distinct] | None = None
    """Languages of the corpus whose pieces are kept; all of them by default."""
    order: Annotated[Literal["before", "after"], Field(exclude_if=lambda value: value == "before")] = "before"
    """Reduce `before` fine-tuning: the reduced model is fine-tuned on the tasks like any other; or `after` it: each
    model that the source was fine-tuned to, of every task and seed, is reduced, and scored without more training."""
    sample: Annotated[RowCount | None, Field(exclude_if=lambda value: value is None)] = None
    """Lines of each language to count pieces on, drawn from the corpus by `sample_seed`; by default all. The lines of a
    smaller sample are among those of a larger one. The proof reads the same held-out lines in any case."""
    sample_seed: Annotated[Seed, Field(exclude_if=lambda value: value == 1)] = 1
    """Seed of the sample, 1 by default."""
    counts: Name | None = None
    """An adopted model with the same tokenizer as the source, adopted too, whose counts serve for both; by default the
    source's own."""

    chooses_vocabulary: ClassVar[bool] = True
    selects_pieces: ClassVar[bool] = True

    @model_validator(mode="after")
    def _sets_nothing_idle(self) -> Self:
        if self.sample is None:
            refuse_idle("", self, {"sample_seed": "without sample"})
        if self.makes_finetuned:
            refuse_idle("", self, {"finetuning": "with order: after, where the source is fine-tuned"})
        return self

    @classmethod
    def rules(cls, study: Definitions, paths: Paths, runs: FinetuningRuns) -> "ReduceRules":
        """Return what its rules ask."""
        return ReduceRules(cls, study, paths, runs)

    @property
    def sources(self) -> list[str]:
        """The model that it is reduced from."""
        return [self.source]

    @property
    def texts(self) -> TextsRead:
        """The languages of its corpus."""
        return TextsRead(self.corpus, self.languages)

    @property
    def drawn(self) -> str:
        """The sample as a part of paths; empty where all lines are counted."""
        return f"/sample-{self.sample}-seed-{self.sample_seed}" if self.sample else ""

    @property
    def counted(self) -> str:
        """The model whose vocabulary is counted."""
        return self.counts or self.source

    @property
    def makes_finetuned(self) -> bool:
        """Whether it is reduced after fine-tuning, for each task and seed."""
        return self.order == "after"

    def finetuned_teacher(self, task: str, seed: int) -> str | None:
        """Return the fine-tuning that is reduced, where that is done after fine-tuning."""
        return run_of(self.source, task, seed) if self.makes_finetuned else None

    def refuse_as_source(self, name: str, of: Maker) -> None:  # noqa: ARG002 - other makers need it
        """Refuse to be a source where it is another model for each task and seed."""
        if self.makes_finetuned:
            raise ValueError(
                f"{name!r} is reduced after fine-tuning, once for each task and seed; expected a model of"
                " order: before, with the same pieces"
            )

    def check(self, key: str, study: Definitions) -> None:
        """Check its corpus, languages and counts, and that the counts have a name of their own."""
        study.check_texts(key, self.corpus, self.languages)
        try:
            self.check_weights(study.languages(self.corpus, self.languages))
        except ValueError as error:
            raise ValueError(f"{key}.{error}") from None
        if self.counts is not None:
            refer(f"{key}.counts", self.counts, study.models)
            if not all(study.models[name].publishes_vocabulary for name in (self.counts, self.source)):
                raise ValueError(
                    f"{key}.counts: found {self.counts!r} for {self.source!r}: expected an adopted model for another;"
                    " those of other makers share counts where they share tokenizers"
                )
        study.refuse_ambiguous(f"{key}.source", self.counted)

    def describe(self, study: Definitions) -> tuple[str, str]:
        """Return its source and corpus, and the pieces it keeps."""
        languages = list_languages(study.languages(self.corpus, self.languages))
        sample = f", counted on {self.sample:,} lines" if self.sample else ""
        order = ", after fine-tuning" if self.makes_finetuned else ""
        return f"{self.source}, {self.corpus}", f"{self.in_words}{sample}{order}: {languages}"


class ReduceRules(MakerRules[Reduce]):
    """Answers to `rules/reduce.smk`."""

    counting_version = COUNTING_VERSION

    def __init__(self, kind: type[Reduce], study: Definitions, paths: Paths, runs: FinetuningRuns) -> None:
        """Take the maker's entry type, and the study.

        Raises:
            SmeltError: a model is to be reduced after fine-tuning on a task on which nothing is learnt.
        """
        super().__init__(kind, study, paths, runs)
        for name, task in runs.pairs():
            if name in self.after() and not runs.learns(self.models[name].source, task):
                found = f"{task!r} learns nothing (epochs: 0), so that there is nothing to reduce afterwards"
                raise SmeltError(paths.where, f"models.{name}.order: {found}; expected before, or other tasks")

    def counted_vocabularies(self) -> list[str]:
        """Return the names of the vocabularies that are counted."""
        return sorted({self.study.vocabulary(model.counted) for model in self.models.values()})

    def counts(self, wildcards: Any) -> list[str]:
        """Return the counts that choose {model}'s pieces, one a language."""
        return self.counts_of(self.entry(wildcards))

    def counts_of(self, model: Reduce) -> list[str]:
        """Return the counts that choose a model's pieces, one file a language."""
        folder = f"{self.paths.results}/counts/{model.corpus}/{self.study.vocabulary(model.counted)}{model.drawn}"
        return [f"{folder}/{language}.parquet" for language in self.study.languages(model.corpus, model.languages)]

    def settings(self, wildcards: Any) -> str:
        """Return all that decides what {model} keeps of its source, except the counts, as JSON with the version."""
        model = self.entry(wildcards)
        chosen = model.model_dump(include=set(KeptPiecesRule.model_fields) - {"threshold"})
        idle = {"of"} if model.named_by == "coverage" else set[str]()
        # "code" and its number are the same
        threshold = {"threshold": model.share} if model.named_by == "threshold" else {}
        chosen = {key: value for key, value in chosen.items() if key not in idle} | threshold
        return ReductionSettings(**chosen, version=REDUCTION_VERSION).model_dump_json(exclude=idle)

    def finetuned(self, wildcards: Any) -> str:
        """Return the folder of the run of {task} and {seed} that {model} is reduced from."""
        run = self.entry(wildcards).finetuned_teacher(wildcards.task, int(wildcards.seed))
        assert run is not None
        return self.paths.finetuned(run)

    def finetuned_model(self, wildcards: Any) -> str:
        """Return the model of that run."""
        return f"{self.finetuned(wildcards)}/model"

    def finetuned_metrics(self, wildcards: Any) -> str:
        """Return the metrics of that run."""
        return f"{self.finetuned(wildcards)}/metrics.json"

    def after(self) -> list[str]:
        """Return the models that are reduced after fine-tuning."""
        return [name for name, model in self.models.items() if model.makes_finetuned]

    def tested_on(self, wildcards: Any) -> list[str]:
        """Return the languages that {model} is tested on in {task}; none where it is tested on all."""
        return self.runs.limit_languages(wildcards.model, wildcards.task) or []

    def memory(self, wildcards: Any, input: Any) -> int:
        """Return the MB that an evaluation takes in main memory: the model and libraries, and the task's examples."""
        of_examples = kind_of(self.runs.tasks[wildcards.task]).megabytes_an_example * examples(input)
        return int(libraries_for(parameters_in([input.model])) + 2 * megabytes([input.model]) + of_examples)

    def gpus(self, wildcards: Any, input: Any) -> int:  # noqa: ARG002 - Snakemake passes its wildcards
        """Return how many GPUs an evaluation asks for."""
        return gpus_for(parameters_in([input.model]))

    def further_jobs(self) -> dict[str, int]:
        """Return how many counts there are, and reductions of fine-tuned models."""
        counts = {file for model in self.models.values() for file in self.counts_of(model)}
        pairs = [pair for name in self.after() for pair in self.runs.pairs(model=name)]
        reduced = {REDUCED_RUNS: sum(len(self.runs.seeds_of(*pair)) for pair in pairs)} if pairs else {}
        return {"counts": len(counts), **reduced}
