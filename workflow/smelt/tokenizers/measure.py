"""Measure a tokenizer on held-out lines: do AutoTokenizer and its own files split them alike, and how finely?

Other programs load spiece.model, vocab.txt or merges.txt, while AutoTokenizer reads tokenizer.json: they have to agree.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import sentencepiece
from tokenizers.implementations.bert_wordpiece import BertWordPieceTokenizer
from tokenizers.implementations.byte_level_bpe import ByteLevelBPETokenizer

from smelt.errors import SmeltError
from smelt.files import read_json
from smelt.model_folder import read_tokenizer
from smelt.tokenizers.sample import lines

LINES = 1000
"""Maximum number of held-out lines of a language to measure on."""


@dataclass
class SplittingCounts:
    """Sums over lines."""

    lines: int = 0
    words: int = 0
    characters: int = 0
    pieces: int = 0
    unknown: int = 0

    def add(self, line: str, ids: list[int], unknown: int) -> None:
        """Count a line and its pieces; `unknown` is the id of the unknown one."""
        self.lines += 1
        self.words += len(line.split())
        self.characters += len(line)
        self.pieces += len(ids)
        self.unknown += ids.count(unknown)

    def ratios(self) -> dict[str, int | float | None]:
        """Return fertility (pieces a whitespace word), unknown share and characters a piece; None without lines."""
        return {
            "held_out_lines": self.lines,
            "fertility": self.pieces / self.words if self.words else None,
            "unknown_share": self.unknown / self.pieces if self.pieces else None,
            "characters_per_piece": self.characters / self.pieces if self.pieces else None,
        }


class TwoReadings:
    """The two readings of one tokenizer folder."""

    def __init__(self, folder: Path) -> None:
        """Load the folder by AutoTokenizer, and its algorithm's own files by their own reader."""
        self.automatic = read_tokenizer(folder)
        self.own = own_reading(folder)

    def measure(self, language: str, documents: Path) -> dict[str, Any]:
        """Return the ratios over a language's held-out lines.

        Raises:
            SmeltError: the two readings cut a line differently.
        """
        counts = SplittingCounts()
        for line, ids in self._read(islice(lines(documents, held_out=True), LINES)):
            if ids != (expected := self.own.encode(line)):
                raise SmeltError(language, self._difference(line, ids, expected))
            counts.add(line, ids, self.automatic.unk_token_id)
        return counts.ratios()

    def _read(self, some: Iterator[str]) -> Iterator[tuple[str, list[int]]]:
        batch = list(some)
        if batch:
            yield from zip(batch, self.automatic(batch, add_special_tokens=False)["input_ids"], strict=True)

    def _difference(self, line: str, found: list[int], expected: list[int]) -> str:
        pairs = zip(found, expected, strict=False)
        place = next((at for at, (ours, theirs) in enumerate(pairs) if ours != theirs), min(len(found), len(expected)))
        near = slice(max(0, place - 2), place + 4)
        ours, theirs = (self.automatic.convert_ids_to_tokens(ids[near]) for ids in (found, expected))
        return (
            f"AutoTokenizer cuts a held-out line as {' '.join(ours)} where {self.own.reader} has {' '.join(theirs)}; "
            f"the two have to agree. The line: {line[:200]!r}"
        )


@dataclass(frozen=True)
class OwnReading:
    """The algorithm's own files and the reader that splits text by them."""

    reader: str
    """The reader's name, in messages."""
    encode: Callable[[str], list[int]]
    """From a text to ids, without special ones."""


def own_reading(folder: Path) -> OwnReading:
    """Return the reading of spiece.model, vocab.txt, or vocab.json and merges.txt, whichever the folder has."""
    if (folder / "spiece.model").is_file():
        processor = sentencepiece.SentencePieceProcessor(model_file=str(folder / "spiece.model"))
        return OwnReading("SentencePiece", lambda text: list(processor.encode(text, out_type=int)))
    if (folder / "vocab.txt").is_file():
        letters = read_json(folder / "tokenizer_config.json")
        words = BertWordPieceTokenizer(
            str(folder / "vocab.txt"), lowercase=letters["do_lower_case"], strip_accents=letters["strip_accents"]
        )
        return OwnReading("vocab.txt", _encode(words))
    files = (str(folder / "vocab.json"), str(folder / "merges.txt"))
    return OwnReading("merges.txt", _encode(ByteLevelBPETokenizer(*files, add_prefix_space=True)))


def _encode(tokenizer: Any) -> Callable[[str], list[int]]:
    tokenizer._tokenizer.encode_special_tokens = True  # a special piece written in a text is text
    return lambda text: list(tokenizer.encode(text, add_special_tokens=False).ids)
