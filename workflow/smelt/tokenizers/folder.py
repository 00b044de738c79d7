"""A trained tokenizer as a folder that AutoTokenizer loads, with the files that other readers of its algorithm expect.

By default, AutoTokenizer would build a tokenizer of the class that a model's family usually has: an AlbertTokenizer
turns `` and '' into quotation marks, lowercases and strips accents. So tokenizer.json is written, and
tokenizer_config.json names the class that loads it unchanged.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer

from smelt.files import write_json

MODEL_INPUTS = ["input_ids", "token_type_ids", "attention_mask"]


@dataclass(frozen=True)
class TrainedTokenizer:
    """A trained tokenizer, with all that its folder holds."""

    tokenizer: Tokenizer
    special: Mapping[str, str]
    """Role (pad_token, ...) to piece."""
    model_type: str
    """The family whose tokenizer this is, for config.json."""
    options: Mapping[str, object]
    """Further entries of tokenizer_config.json."""
    write_files: Callable[[Path], object]
    """Writes the algorithm's own files: spiece.model, vocab.txt, or vocab.json and merges.txt."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Facts about the training, for statistics.json."""


def write_folder(folder: Path, trained: TrainedTokenizer) -> None:
    """Write tokenizer.json, the algorithm's own files, tokenizer_config.json, special_tokens_map.json, config.json."""
    tokenizer, special = trained.tokenizer, dict(trained.special)
    trained.write_files(folder)
    tokenizer.add_special_tokens([_special_token(role, piece) for role, piece in special.items()])
    tokenizer.save(str(folder / "tokenizer.json"))
    general = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        **trained.options,
        "clean_up_tokenization_spaces": False,
        "model_input_names": MODEL_INPUTS,
    }
    size, padding = tokenizer.get_vocab_size(), tokenizer.token_to_id(special["pad_token"])
    write_json(folder / "special_tokens_map.json", special)
    write_json(folder / "tokenizer_config.json", general | special)
    write_json(folder / "config.json", {"model_type": trained.model_type, "vocab_size": size, "pad_token_id": padding})


def _special_token(role: str, piece: str) -> AddedToken:
    """Return a special token; a mask takes the blank before it, as RoBERTa's and ALBERT's do: it replaces a word."""
    return AddedToken(piece, special=True, normalized=False, lstrip=role == "mask_token")


def too_large(vocabulary: int, possible: int | str) -> str:
    """Return the message for a vocabulary that a sample cannot fill."""
    return (
        f"a vocabulary of {vocabulary} is larger than its sample can fill: at most {possible} pieces are possible. "
        "Name a smaller vocabulary, or a larger sample or corpus."
    )


def too_small(vocabulary: int, needed: int | str) -> str:
    """Return the message for a vocabulary that a sample's characters do not fit into."""
    return (
        f"a vocabulary of {vocabulary} is smaller than the characters of its sample: at least {needed} pieces "
        "are needed. Name a larger vocabulary, or a lower character_coverage."
    )
