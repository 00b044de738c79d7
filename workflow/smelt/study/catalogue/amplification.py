"""What amplified models are made from: their source, and documents to learn new pieces from."""

from typing import Any

from smelt.study.catalogue.reduction import Reduced
from smelt.study.makers import Amplify
from smelt.study.new_pieces import AmplificationSettings

# Part of the rule's params: raise it when the same inputs and settings come to mean another model.
# Comments and refactorings leave it alone.
AMPLIFICATION_VERSION = 1


class Amplified(Reduced):
    """Models with more pieces than their sources."""

    def amplified(self, name: str) -> Amplify:
        """Return the entry of a model that is amplified."""
        model = self.study.models[name]
        assert isinstance(model, Amplify)
        return model

    def languages_of_amplified(self, name: str) -> list[str]:
        """Return the languages whose pieces an amplified model gains."""
        model = self.amplified(name)
        return model.languages or self.study.corpora[model.corpus].languages

    def amplified_source_of_model(self, wildcards: Any) -> str:
        """Return the folder of the model that {model} is amplified from."""
        return f"{self.results}/models/{self.amplified(wildcards.model).source}"

    def amplifying_documents_of_model(self, wildcards: Any) -> list[str]:
        """Return the documents that {model}'s new pieces are learnt from and that it is proven on, one a language."""
        folder = f"{self.results}/corpora/{self.amplified(wildcards.model).corpus}"
        return [f"{folder}/{language}/documents.parquet" for language in self.languages_of_amplified(wildcards.model)]

    def amplification_settings(self, wildcards: Any) -> str:
        """Return all that decides what {model} gains, besides the documents, as JSON with the version."""
        chosen = self.amplified(wildcards.model).model_dump(include={"pieces", "start", "sample", "seed"})
        return AmplificationSettings(**chosen, version=AMPLIFICATION_VERSION).model_dump_json()
