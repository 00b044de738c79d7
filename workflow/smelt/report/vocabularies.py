"""Vocabularies as models have them: their pieces, the scripts of these, and how words are cut into them.

Scripts are those of Unicode, by fontTools, which comes with matplotlib. tokenizers and fontTools are loaded within
functions only, because the study imports the kinds of tables for every job.
"""

import re
from collections import Counter
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from smelt.errors import SmeltError, not_found

if TYPE_CHECKING:
    from tokenizers import Tokenizer

NO_SCRIPT = ""
"""The script of pieces without letters: digits, punctuation, special pieces, and bytes that are no whole letter."""
_SHARED = {"Zyyy", "Zinh", "Zzzz"}  # common to scripts, inherited from the letter before, unknown
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


def script_of(text: str) -> str:
    """Return the code of a text's script: that of most of its letters, the first of equals; or NO_SCRIPT."""
    from fontTools import unicodedata

    counts = Counter(script for letter in text if (script := unicodedata.script(letter)) not in _SHARED)
    return counts.most_common(1)[0][0] if counts else NO_SCRIPT


def name_of_script(code: str) -> str:
    """Return the name of a script.

    Raises:
        KeyError: the code is none of ISO 15924.
    """
    from fontTools import unicodedata

    return str(unicodedata.script_name(code)).replace("_", " ")


def known_script(code: str) -> str:
    """Return the code of a script.

    Raises:
        ValueError: it is none.
    """
    try:
        name_of_script(code)
    except KeyError:
        raise ValueError(f"no script has the code {code!r}: expected one of ISO 15924, such as Latn or Deva") from None
    return code
