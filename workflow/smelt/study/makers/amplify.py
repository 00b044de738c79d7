"""The maker `amplify`: a model of the study with more pieces for some languages."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from smelt.entry import Distinct, Entry, Name
from smelt.languages import Language
from smelt.numbers import PieceCount, RowCount, Seed
from smelt.study.makers.base import Definitions, FinetuningRuns, Maker, MakerRules, TextsRead, list_languages
from smelt.study.paths import Paths

# Part of the rule's params: raise it when the same inputs and settings come to mean another model.
# Comments and refactorings leave it alone.
AMPLIFICATION_VERSION = 1


class NewPieces(Entry):
    """The pieces that some languages need most, learnt from their texts."""

    pieces: PieceCount = 5000
    """How many to add."""
    start: Literal["mean", "gaussian", "random"] = "mean"
    """First weights of a new piece: the `mean` of those of the pieces it was cut into before (Gee et al. 2022);
    drawn from the normal distribution of all old pieces' weights (`gaussian`, Hewitt 2021); or at `random`, as in a new
    model."""
    sample: RowCount = 1_000_000
    """At most this many lines of the corpus, drawn from all its languages together, to learn pieces from."""
    seed: Seed = 1
    """Seed of what is drawn: lines, and weights."""


class AmplificationSettings(NewPieces):
    """All that decides what a model is amplified to, except the model and the texts."""

    version: int = 0
    """The same settings under another version mean another model."""


class Amplify(Maker, NewPieces):
    """Another model of the study with more pieces for some languages; on texts without these it computes the same."""

    command: ClassVar = ("smelt.models.amplify.command", "add pieces for some languages to a model's vocabulary")

    maker: Literal["amplify"]
    """The model gains pieces that another one lacks."""
    source: Name
    """The model to amplify, of any maker but `export`."""
    corpus: Name
    """The corpus: new pieces are learnt from its documents that are not held out, and the model is proven on those that
    are."""
    languages: Annotated[list[Language], Field(min_length=1), Distinct] | None = None
    """Languages of the corpus that gain pieces; all of them by default."""

    chooses_vocabulary: ClassVar[bool] = True
    adds_pieces: ClassVar[bool] = True

    @classmethod
    def rules(cls, study: Definitions, paths: Paths, runs: FinetuningRuns) -> "AmplifyRules":
        """Return what its rule asks."""
        return AmplifyRules(cls, study, paths, runs)

    @property
    def sources(self) -> list[str]:
        """The model that it is amplified from."""
        return [self.source]

    @property
    def texts(self) -> TextsRead:
        """The languages of its corpus."""
        return TextsRead(self.corpus, self.languages)

    def check(self, key: str, study: Definitions) -> None:
        """Check that its corpus and its languages are there."""
        study.check_texts(key, self.corpus, self.languages)

    def describe(self, study: Definitions) -> tuple[str, str]:
        """Return its source and corpus, and the pieces it gains."""
        languages = list_languages(study.languages(self.corpus, self.languages))
        return f"{self.source}, {self.corpus}", f"{self.pieces:,} more: {languages}"


class AmplifyRules(MakerRules[Amplify]):
    """Answers to `rules/amplify.smk`."""

    def settings(self, wildcards: Any) -> str:
        """Return all that decides what {model} gains, except the documents, as JSON with the version."""
        chosen = self.entry(wildcards).model_dump(include=set(NewPieces.model_fields))
        return AmplificationSettings(**chosen, version=AMPLIFICATION_VERSION).model_dump_json()
