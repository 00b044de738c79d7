"""Vocabularies as models have them: their pieces, and how words are cut into them.

tokenizers is loaded within functions only, because the study imports the kinds of tables for every job.
"""

import re
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from smelt.errors import SmeltError, not_found

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_SPECIAL = re.compile(r"\[unused\d+\]")  # BERT's places for pieces of one's own


class VocabularyPieces:
    """The tokenizer of a model's folder."""

    def __init__(self, folder: Path) -> None:
        """Read tokenizer.json.

        Raises:
            SmeltError: the folder has none, or one that cannot be read.
        """
        self.model = folder.name
        self._path = folder / "tokenizer.json"

    @cached_property
    def _tokenizer(self) -> "Tokenizer":
        from tokenizers import Tokenizer

        if not self._path.is_file():
            raise not_found(self._path)
        try:
            return Tokenizer.from_file(str(self._path))
        except Exception as error:  # tokenizers raises no narrower class
            raise SmeltError(self._path, f"is no tokenizer that can be read ({error})") from None

    @cached_property
    def _byte_level(self) -> bool:
        return "ByteLevel" in type(self._tokenizer.decoder).__name__ or "ByteLevel" in str(self._tokenizer.decoder)

    def __len__(self) -> int:
        """Return its number of pieces, which may be fewer than a model's rows of embeddings."""
        return int(self._tokenizer.get_vocab_size())

    def pieces(self) -> list[str]:
        """Return the text of each piece; nothing for special ones."""
        special = {token.content for token in self._tokenizer.get_added_tokens_decoder().values() if token.special}
        names = self._tokenizer.get_vocab()
        return ["" if name in special or _SPECIAL.fullmatch(name) else self._text(name) for name in names]

    def cut(self, word: str) -> list[str]:
        """Return the pieces of a word as the vocabulary writes them; those of bytes as far as they are text."""
        return [self._text(piece) for piece in self._tokenizer.encode(word, add_special_tokens=False).tokens]

    def _text(self, piece: str) -> str:
        return self._tokenizer.decoder.decode([piece]) if self._byte_level else piece
