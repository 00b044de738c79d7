"""The texts that tokenizers are trained on, and the paths of tokenizers and token blocks."""

import json
from typing import Any

from smelt.sentences import SENTENCES_VERSION
from smelt.study.makers.base import block_folders
from smelt.study.paths import Paths
from smelt.study.schema import Study
from smelt.training.recipes import BLOCKS_VERSION

LINE_BYTES = 300  # of a usual paragraph


class TokenizerRules:
    """Answers to `rules/tokenizers.smk`: about tokenizers and token blocks."""

    def __init__(self, study: Study, paths: Paths) -> None:
        """Take a checked study."""
        self.study = study
        self.paths = paths
        self.definitions = study.definitions

    def documents(self, wildcards: Any) -> list[str]:
        """Return the documents that {tokenizer} is trained on."""
        corpus = self.study.tokenizers[wildcards.tokenizer].corpus
        return self.paths.documents(corpus, self.study.corpora[corpus].languages)

    def settings(self, wildcards: Any) -> str:
        """Return the settings of {tokenizer}, with its corpus's sampling, as JSON."""
        tokenizer = self.study.tokenizers[wildcards.tokenizer]
        return json.dumps(
            tokenizer.model_dump(exclude={"corpus"}) | self.study.corpora[tokenizer.corpus].sampling.model_dump()
        )

    def memory(self, wildcards: Any, input: Any) -> int:
        """Return the MB that training {tokenizer} takes: its sample, or all of its documents where that is less.

        SentencePiece was seen to take 12 bytes for each byte of text; documents are compressed to a third. 600 MB
        are the libraries'.
        """
        sample = self.study.tokenizers[wildcards.tokenizer].sample * LINE_BYTES / 1e6
        return int(600 + 15 * min(sample, 4 * input.size_mb))

    def folders(self) -> list[str]:
        """Return the folders of all tokenizers."""
        return [self.paths.tokenizer(name) for name in self.study.tokenizers]

    def folder_of_vocabulary(self, wildcards: Any) -> str:
        """Return the folder with the tokenizer of {vocabulary}: a tokenizer's, or that of a model with its own."""
        name = wildcards.vocabulary
        trained = {model.trained_tokenizer for model in self.study.models.values()}
        return self.paths.tokenizer(name) if name in trained else self.paths.model(name)

    def read_by(self) -> list[str]:
        """Return the models that are trained on token blocks."""
        return [name for name, model in self.study.models.items() if model.blocks]

    def blocks(self) -> list[str]:
        """Return all block folders that models are trained on."""
        return sorted({folder for name in self.read_by() for folder in self.blocks_of(name)})

    def blocks_of(self, name: str) -> list[str]:
        """Return the block folders that a model is trained on, one a language."""
        return block_folders(name, self.definitions, self.paths)

    def blocks_version(self, wildcards: Any) -> int | str:
        """Return the version of blocks, and of sentences where {packing} cuts there."""
        return (
            f"{BLOCKS_VERSION}, sentences {SENTENCES_VERSION}" if wildcards.packing == "sentences" else BLOCKS_VERSION
        )

    def blocked_vocabularies(self) -> list[str]:
        """Return the names of the vocabularies that documents are encoded with."""
        return sorted({self.definitions.vocabulary(name) for name in self.read_by()})
