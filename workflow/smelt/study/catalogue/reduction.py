"""What reduced models are made from: their source, counts of its pieces, and held-out documents."""

from typing import Any

from smelt.study.catalogue.models import Models
from smelt.study.makers import Reduce
from smelt.study.reductions import counted_vocabulary
from smelt.study.selection import ReductionSettings

# Parts of the rules' params: raise them when the same inputs and settings come to mean other counts, or another model.
# Comments leave them alone.
COUNTING_VERSION = 1
REDUCTION_VERSION = 1


class Reduced(Models):
    """Counts of pieces, and the models reduced by them."""

    def reduced(self, name: str) -> Reduce:
        """Return the entry of a model that is reduced."""
        model = self.study.models[name]
        assert isinstance(model, Reduce)
        return model

    def languages_of_reduced(self, name: str) -> list[str]:
        """Return the languages whose pieces a reduced model keeps."""
        model = self.reduced(name)
        return model.languages or self.study.corpora[model.corpus].languages

    def source_of_model(self, wildcards: Any) -> str:
        """Return the folder of the model that {model} is reduced from."""
        return f"{self.results}/models/{self.reduced(wildcards.model).source}"

    def counts_of_model(self, wildcards: Any) -> list[str]:
        """Return the counts that choose {model}'s pieces, one a language."""
        return self.counts_of(wildcards.model)

    def held_out_of_model(self, wildcards: Any) -> list[str]:
        """Return the documents that {model} is proven on, one file a language."""
        folder = f"{self.results}/corpora/{self.reduced(wildcards.model).corpus}"
        return [f"{folder}/{language}/documents.parquet" for language in self.languages_of_reduced(wildcards.model)]

    def reduction_settings(self, wildcards: Any) -> str:
        """Return all that decides what {model} keeps of its source, besides the counts, as JSON with the version."""
        model = self.reduced(wildcards.model)
        chosen = model.model_dump(include={"size", "of", "keep"})
        threshold = {} if model.size else {"threshold": model.share}  # "code" and its number are the same
        return ReductionSettings(**chosen, **threshold, version=REDUCTION_VERSION).model_dump_json()

    @property
    def counting_version(self) -> int:
        """The version of the counts: raising it makes them again."""
        return COUNTING_VERSION

    def counts(self) -> list[str]:
        """Return all counts that reduced models are chosen by."""
        return sorted({file for name in self.made_by("reduce") for file in self.counts_of(name)})

    def counts_of(self, name: str) -> list[str]:
        """Return the counts that choose a model's pieces, one file a language."""
        model = self.reduced(name)
        folder = f"{self.results}/counts/{model.corpus}/{counted_vocabulary(model, self.study.models)}"
        return [f"{folder}/{language}.parquet" for language in self.languages_of_reduced(name)]

    def counted_vocabularies(self) -> list[str]:
        """Return the names of the vocabularies that are counted."""
        return sorted({counted_vocabulary(self.reduced(name), self.study.models) for name in self.made_by("reduce")})
