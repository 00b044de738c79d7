"""Tokenizers in a study file: one type an algorithm, so that each has the keys that it uses and refuses the others'."""

import operator
from typing import Annotated, Literal

from pydantic import Field

from smelt.entry import Entry, Name
from smelt.numbers import MOST_PIECES, NO_TRUTH, RowCount, Seed

BYTES, SPECIAL = 256, 5  # what a byte-level vocabulary always holds

Algorithm = Literal["unigram", "wordpiece", "bpe"]
Size = Annotated[int, Field(ge=64, le=MOST_PIECES), NO_TRUTH]


class Unigram(Entry):
    """SentencePiece's unigram language model (Kudo and Richardson 2018), with ALBERT's special pieces."""

    algorithm: Literal["unigram"]
    """SentencePiece's unigram language model (Kudo and Richardson 2018)."""
    vocabulary: Size
    """Number of pieces, special ones included."""
    corpus: Name
    """The corpus that the sample is drawn from."""
    sample: RowCount = 10_000_000
    """Lines drawn from the corpus to train on, at the most."""
    character_coverage: Annotated[float, Field(ge=0.98, le=1), NO_TRUTH] = 0.9995
    """Share of the characters' occurrences that get a piece; any other character is unknown. SentencePiece takes none
    below 0.98."""
    lowercase: Annotated[bool, Field(exclude_if=operator.not_)] = False
    """Lower-case what the tokenizer is given, in training and afterwards, as ALBETO's does; accents stay. The corpus
    stays as it is written."""
    seed: Seed = 1
    """Seed of the sample: tokenizers with the same seed and sample see the same lines, whatever their algorithm."""


class WordPiece(Entry):
    """BERT's WordPiece (Devlin et al. 2019): words cut from the left into the longest pieces there are."""

    algorithm: Literal["wordpiece"]
    """BERT's WordPiece: its normaliser, its rule of words and its special pieces (Devlin et al. 2019)."""
    vocabulary: Size
    """Number of pieces, special ones included."""
    corpus: Name
    """The corpus that the sample is drawn from."""
    sample: RowCount = 10_000_000
    """Lines drawn from the corpus to train on, at the most."""
    character_coverage: Annotated[float, Field(ge=0.9, le=1), NO_TRUTH] = 0.9995
    """Share of the characters' occurrences that get a piece; a word with any other character is [UNK]."""
    lowercase: bool = False
    """Lower-case what the tokenizer is given, as BERT's uncased models do."""
    strip_accents: Annotated[bool | None, Field(exclude_if=lambda value: value is None)] = None
    """Strip accents; by default where it lower-cases, as BERT's uncased models do."""
    seed: Seed = 1
    """Seed of the sample: tokenizers with the same seed and sample see the same lines, whatever their algorithm."""


class ByteLevelBPE(Entry):
    """Byte-level byte-pair encoding (Radford et al. 2019), with RoBERTa's special pieces; nothing is unknown to it."""

    algorithm: Literal["bpe"]
    """Byte-level byte-pair encoding (Radford et al. 2019), cased, with RoBERTa's special pieces."""
    vocabulary: Annotated[int, Field(ge=BYTES + SPECIAL, le=MOST_PIECES), NO_TRUTH]
    """Number of pieces, the 256 bytes and the special ones included."""
    corpus: Name
    """The corpus that the sample is drawn from."""
    sample: RowCount = 10_000_000
    """Lines drawn from the corpus to train on, at the most."""
    seed: Seed = 1
    """Seed of the sample: tokenizers with the same seed and sample see the same lines, whatever their algorithm."""


Tokenizer = Annotated[Unigram | WordPiece | ByteLevelBPE, Field(discriminator="algorithm")]
