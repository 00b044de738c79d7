"""A tokenizer's own files, read by another reader than AutoTokenizer, which reads tokenizer.json.

A folder is only as good as the agreement of its files: other programs load spiece.model, vocab.txt or merges.txt.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sentencepiece
from tokenizers.implementations.bert_wordpiece import BertWordPieceTokenizer
from tokenizers.implementations.byte_level_bpe import ByteLevelBPETokenizer

from smelt.files import read_json


@dataclass(frozen=True)
class Reading:
    """How an algorithm's own files cut a text."""

    reader: str
    """What reads them, as messages name it."""
    encode: Callable[[str], list[int]]
    """From a text to ids, without special ones."""


def own_reading(folder: Path) -> Reading:
    """Return the reading of spiece.model, vocab.txt, or vocab.json and merges.txt, whichever the folder has."""
    if (folder / "spiece.model").is_file():
        processor = sentencepiece.SentencePieceProcessor(model_file=str(folder / "spiece.model"))
        return Reading("SentencePiece", lambda text: list(processor.encode(text, out_type=int)))
    if (folder / "vocab.txt").is_file():
        lowercase = read_json(folder / "tokenizer_config.json")["do_lower_case"]
        words = BertWordPieceTokenizer(str(folder / "vocab.txt"), lowercase=lowercase)
        return Reading("vocab.txt", _encode(words))
    files = (str(folder / "vocab.json"), str(folder / "merges.txt"))
    return Reading("merges.txt", _encode(ByteLevelBPETokenizer(*files, add_prefix_space=True)))


def _encode(tokenizer: Any) -> Callable[[str], list[int]]:
    tokenizer._tokenizer.encode_special_tokens = True  # a special piece written in a text is text
    return lambda text: list(tokenizer.encode(text, add_special_tokens=False).ids)
