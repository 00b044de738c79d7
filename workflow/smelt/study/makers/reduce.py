"""The maker `reduce`: a model of the study with only the pieces that some languages use."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from smelt.entry import Distinct, Entry, Name, refer
from smelt.languages import Language
from smelt.study.makers.base import Definitions, FinetuningRuns, Maker, MakerRules, TextsRead, list_languages
from smelt.study.paths import Paths

# Parts of the rules' params: raise them when the same inputs and settings come to mean other counts, or another model.
# Comments leave them alone.
COUNTING_VERSION = 1
REDUCTION_VERSION = 1

THRESHOLDS = {"paper": 0.0005, "code": 0.00005}
"""As "Smaller multilingual BERT" has it (section 3.1), and as its code computes it, which alone gives its Table 1."""


class SelectionRule(Entry):
    """The pieces over a threshold in any language, or the most frequent ones up to a size."""

    threshold: Annotated[float, Field(gt=0, le=1)] | Literal["paper", "code"] | None = None
    """Keep a piece that this share of a language's lines holds: a number, `paper` (0.0005, the 0.05% of the paper's
    section 3.1) or `code` (0.00005, which its code computes and which alone gives its Table 1); by default `code`."""
    size: PositiveInt | None = None
    """Instead of a threshold: pieces of the reduced model in all, with those that are always kept; those with the
    highest share in any language."""
    of: Literal["lines", "documents", "occurrences"] = "lines"
    """Unit of shares: the `lines` or `documents` that hold a piece, or all `occurrences` of pieces."""

    @model_validator(mode="after")
    def _has_one_measure(self) -> Self:
        if self.threshold is not None and self.size is not None:
            raise ValueError("expected either threshold or size, found both")
        return self

    @property
    def share(self) -> float:
        """The threshold as a number; that of the code where neither it nor a size is given."""
        threshold = self.threshold or "code"
        return THRESHOLDS[threshold] if isinstance(threshold, str) else threshold


class ReductionSettings(SelectionRule):
    """All that decides what a model is reduced to, except the model and the counts."""

    keep: list[str] = Field(default_factory=list)
    """Pieces to keep in any case, as the tokenizer spells them."""
    version: int = 0
    """The same settings under another version mean another model."""


class Reduce(Maker, SelectionRule):
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
    keep: Annotated[list[str], Distinct] = Field(default_factory=list)
    """Further pieces to keep, as the tokenizer spells them; special and unused ones are always kept."""
    counts: Name | None = None
    """An adopted model with the same tokenizer as the source, adopted too, whose counts serve for both; by default the
    source's own."""

    chooses_vocabulary: ClassVar[bool] = True
    selects_pieces: ClassVar[bool] = True

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
    def counted(self) -> str:
        """The model whose vocabulary is counted."""
        return self.counts or self.source

    def check(self, key: str, study: Definitions) -> None:
        """Check its corpus, languages and counts, and that the counts have a name of their own."""
        study.check_texts(key, self.corpus, self.languages)
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
        kept = f"size {self.size:,}" if self.size else f"threshold {self.share:g}"
        languages = list_languages(study.languages(self.corpus, self.languages))
        return f"{self.source}, {self.corpus}", f"{kept} of {self.of}: {languages}"


class ReduceRules(MakerRules[Reduce]):
    """Answers to `rules/reduce.smk`."""

    counting_version = COUNTING_VERSION

    def counted_vocabularies(self) -> list[str]:
        """Return the names of the vocabularies that are counted."""
        return sorted({self.study.vocabulary(model.counted) for model in self.models.values()})

    def counts(self, wildcards: Any) -> list[str]:
        """Return the counts that choose {model}'s pieces, one a language."""
        return self.counts_of(self.entry(wildcards))

    def counts_of(self, model: Reduce) -> list[str]:
        """Return the counts that choose a model's pieces, one file a language."""
        folder = f"{self.paths.results}/counts/{model.corpus}/{self.study.vocabulary(model.counted)}"
        return [f"{folder}/{language}.parquet" for language in self.study.languages(model.corpus, model.languages)]

    def settings(self, wildcards: Any) -> str:
        """Return all that decides what {model} keeps of its source, except the counts, as JSON with the version."""
        model = self.entry(wildcards)
        chosen = model.model_dump(include={"size", "of", "keep"})
        threshold = {} if model.size else {"threshold": model.share}  # "code" and its number are the same
        return ReductionSettings(**chosen, **threshold, version=REDUCTION_VERSION).model_dump_json()

    def further_jobs(self) -> dict[str, int]:
        """Return how many counts there are."""
        return {"counts": len({file for model in self.models.values() for file in self.counts_of(model)})}
