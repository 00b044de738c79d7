"""WordPiece (Schuster and Nakajima 2012; as BERT cuts words): from the left, always the longest piece that fits.

Why a reduced vocabulary is exact. At each place of a word the full vocabulary takes its longest piece that fits there.
If that piece is kept, it is still the longest that fits, because leaving pieces out adds none. So a word all of whose
pieces are kept is cut as before, piece by piece from the left.

Its limit: an unknown word leaves no trace of the pieces it was tried with. If one of them goes, a shorter one may
lead on to the word's end, so that an unknown word becomes a known one. That takes a kept piece that reaches over a
character which is no continuation piece itself (`##c` lacks). Vocabularies learned by merging have none of these;
`loosened` names them where there are some.
"""

import re
from pathlib import Path
from typing import Any

from smelt.errors import SmeltError
from smelt.models.reduction.kinds import Kept, characters_of, renumbered
from smelt.models.reduction.loading import Tree
from smelt.models.reduction.tensors import Ids

FILE = "vocab.txt"
_RESERVED = re.compile(r"\[.+\]")
_UNUSED = re.compile(r"\[unused[1-9]\]")


class WordPiece:
    """The model's section of a WordPiece tokenizer."""

    def __init__(self, tree: Tree, where: str) -> None:
        """Read the section."""
        self.where = where
        self.model: dict[str, Any] = tree["model"]
        self.prefix: str = self.model["continuing_subword_prefix"]
        self.ids: dict[str, int] = self.model["vocab"]
        self.base = list(self.ids.items())
        self.reserved = {piece for piece in self.ids if piece[:1] == "[" and _RESERVED.fullmatch(piece)}
        unknown = self.ids.get(self.model["unk_token"])
        self.always = [] if unknown is None else [unknown]
        # The reduction paper keeps these nine of BERT's unused pieces, for tasks that give them a meaning.
        self.always += sorted(self.ids[piece] for piece in self.reserved if _UNUSED.fullmatch(piece))

    def needed(self, kept: Kept, characters: bool | None) -> dict[str, list[int]]:
        """Return what kept pieces need: nothing, unless each of their characters shall have a piece of its own."""
        if not characters:
            return {}
        alone = characters_of(self._bare(piece) for piece, identity in self.base if kept[identity])
        forms = [form for character in alone for form in (character, self.prefix + character)]
        return {"characters": [self.ids[form] for form in forms if form in self.ids]}

    def loosened(self, kept: Kept) -> list[int]:
        """Return kept pieces that reach over a character which is no continuation piece of the full vocabulary."""
        return [
            identity
            for piece, identity in self.base
            if kept[identity]
            and piece not in self.reserved
            and any(self.prefix + character not in self.ids for character in self._bare(piece)[1:])
        ]

    def reduced(self, new: Ids) -> dict[str, Any]:
        """Return the section with the kept pieces alone."""
        return self.model | {"vocab": renumbered(self.base, new)}

    def check_files(self, folder: Path) -> None:
        """Refuse a vocab.txt that holds other pieces than the tokenizer that loads."""
        path = folder / FILE
        if path.is_file():
            lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
            read = {line.rstrip(): number for number, line in enumerate(lines)}
            if read != {piece.rstrip(): identity for piece, identity in self.base}:
                raise SmeltError(self.where, f"{path} holds other pieces than the tokenizer that loads; delete one")

    def write_files(self, folder: Path, output: Path, new: Ids) -> None:
        """Write vocab.txt, a piece a line, where the source has one."""
        if (folder / FILE).is_file():
            pieces = renumbered(self.base, new)
            text = "".join(f"{piece}\n" for piece in sorted(pieces, key=pieces.__getitem__))
            (output / FILE).write_text(text, encoding="utf-8", newline="\n")

    def _bare(self, piece: str) -> str:
        return "" if piece in self.reserved else piece.removeprefix(self.prefix)
