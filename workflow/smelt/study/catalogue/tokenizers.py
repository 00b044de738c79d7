"""What tokenizers are trained on, and where they and their token blocks stand."""

import json
from typing import Any

from smelt.study.catalogue.corpora import Corpora
from smelt.training.recipes import BLOCKS_VERSION


class Tokenizers(Corpora):
    """Tokenizers and token blocks."""

    def documents_of_tokenizer(self, wildcards: Any) -> list[str]:
        """Return the documents that {tokenizer} is trained on."""
        return self.documents(self.study.tokenizers[wildcards.tokenizer].corpus)

    def tokenizer_settings(self, wildcards: Any) -> str:
        """Return the settings of {tokenizer}, with its corpus' sampling, as JSON."""
        tokenizer = self.study.tokenizers[wildcards.tokenizer]
        settings = tokenizer.model_dump(exclude={"corpus"}) | {
            "alpha": self.study.corpora[tokenizer.corpus].sampling.alpha
        }
        return json.dumps(settings)

    def tokenizer_memory(self, wildcards: Any, input: Any) -> int:
        """Return the MB that training {tokenizer} takes: its sample, or all of its documents where that is less.

        SentencePiece was seen to take 12 bytes for each of text; documents are compressed to a third, and 300 bytes
        are a usual paragraph. 600 MB are the libraries'.
        """
        sample = self.study.tokenizers[wildcards.tokenizer].sample * 300 / 1e6
        return int(600 + 15 * min(sample, 4 * input.size_mb))

    @property
    def blocks_version(self) -> int:
        """The version of the blocks' files: raising it makes them again."""
        return BLOCKS_VERSION

    def tokenizer_folders(self) -> list[str]:
        """Return the folders of all tokenizers."""
        return [f"{self.results}/tokenizers/{name}" for name in self.study.tokenizers]
