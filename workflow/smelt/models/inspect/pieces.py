"""The pieces of a tokenizer: the kind, the script and the length of each.

A piece is of the first kind that fits: special, bytes that are no whole text, blanks, digits, punctuation and symbols,
single letters; and whatever is longer by what it marks, the start of a word (its end in CLIP's tokenizers) or not.
"""

import shutil
import unicodedata
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import regex

from smelt.disk import scratch_folder
from smelt.model_folder import locate
from smelt.models.reduce.sets import MEMBERS
from smelt.models.vocabulary.kinds import WordPieceKind, byte_pieces
from smelt.models.vocabulary.spelling import BLANK, marks_of_pieces, texts_of_pieces
from smelt.models.vocabulary.tokenizer_files import TOKENIZER, has_part
from smelt.models.vocabulary.vocabulary import Vocabulary, read_vocabulary
from smelt.scripts import script_of
from smelt.training.pieces import bytes_of

SPECIAL, BYTES, BLANKS, NO_PIECE = "special", "bytes and controls", "blanks", "ids without a piece"
_DIGITS, _SIGNS, LETTERS = "digits", "punctuation and symbols", "single letters"
_MARKED = {
    "start": ("starts of words", "inside words"),
    "end": ("ends of words", "before the end"),
}
KINDS = (SPECIAL, BYTES, BLANKS, _DIGITS, _SIGNS, LETTERS, *_MARKED["start"], *_MARKED["end"], NO_PIECE)
"""All kinds, in the order in which they are shown."""
_LETTER = regex.compile(r"\p{L}\p{M}*")


@dataclass(frozen=True)
class SpeltPiece:
    """A piece, and what it stands for."""

    piece: str
    """As the tokenizer spells it."""
    text: str
    """Without marks and blanks around it; "" for special pieces, and for bytes that are no whole text."""
    kind: str
    place: str
    """Where in a word it stands, by its mark: at its start (or end), or not."""
    script: str
    """ISO 15924; "" where it has no letters."""


class InspectedTokenizer:
    """A tokenizer whose pieces are looked at one by one."""

    def __init__(self, name: str, vocabulary: Vocabulary) -> None:
        """Take its vocabulary, and its name in tables."""
        self.name, self.vocabulary = name, vocabulary

    @property
    def algorithm(self) -> str:
        """WordPiece, Unigram or BPE."""
        return str(self.vocabulary.tree["model"]["type"])

    @property
    def marked(self) -> str:
        """What its pieces mark: starts or ends of words."""
        return marks_of_pieces(self.vocabulary)[0]

    @property
    def unknown(self) -> int | None:
        """The id of the unknown piece, if there is one."""
        model = self.vocabulary.tree["model"]
        if "unk_id" in model:
            return None if model["unk_id"] is None else int(model["unk_id"])
        piece = model.get("unk_token")
        return self.vocabulary.pieces.index(piece) if piece in self.vocabulary.pieces else None

    @cached_property
    def pieces(self) -> list[SpeltPiece]:
        """All pieces, by id."""
        vocabulary = self.vocabulary
        kind_of, (what, marked) = _kinds(vocabulary), marks_of_pieces(vocabulary)
        found = []
        for identity, (piece, text) in enumerate(zip(vocabulary.pieces, texts_of_pieces(vocabulary), strict=True)):
            place = _MARKED[what][0 if marked(piece) else 1]
            found.append(SpeltPiece(piece, text, kind_of(identity, piece, text) or place, place, script_of(text)))
        return found

    def by_kind(self) -> dict[str, int]:
        """Return the number of pieces of each kind that there is, in the order of `KINDS`."""
        counts = Counter(piece.kind for piece in self.pieces)
        return {kind: counts[kind] for kind in KINDS if counts[kind]}

    def by_script(self) -> dict[str, int]:
        """Return the number of pieces of each script, the most first."""
        return dict(Counter(piece.script for piece in self.pieces).most_common())

    def by_length(self) -> dict[int, int]:
        """Return the number of pieces with letters by their characters, without marks."""
        return dict(sorted(Counter(len(piece.text) for piece in self.pieces if piece.script).items()))


def read_tokenizer_of(name: str, revision: str) -> InspectedTokenizer:
    """Return the tokenizer of a folder, of a tokenizer.json, or of a name on the hub.

    Raises:
        SmeltError: there is none, or it is of a kind that smelt does not know.
    """
    if not Path(name).is_file():
        source = locate(name, revision, weights=False)
        return InspectedTokenizer(name, read_vocabulary(source.folder, source.where))
    with scratch_folder("inspect") as folder:
        shutil.copy(name, folder / TOKENIZER)
        return InspectedTokenizer(name, read_vocabulary(folder, name))


def _kinds(vocabulary: Vocabulary) -> Callable[[int, str, str], str]:
    """Return a function from a piece's id, spelling and text to its kind; "" where its place decides."""
    special = {token["id"] for token in vocabulary.tree["added_tokens"]} | set(vocabulary.tokenizer.all_special_ids)
    if isinstance(vocabulary.kind, WordPieceKind):
        special |= {vocabulary.kind.ids[piece] for piece in vocabulary.kind.reserved}
    single = set(byte_pieces(dict(vocabulary.kind.base)))
    unknown = vocabulary.tree["model"].get("unk_id")
    special |= set() if unknown is None else {unknown}
    of_bytes = has_part(vocabulary.tree, "ByteLevel")

    def is_blank(piece: str) -> bool:
        return bytes_of(piece).isspace() if of_bytes else piece.replace(BLANK, " ").isspace()

    def kind_of(identity: int, piece: str, text: str) -> str:
        if not piece:
            return NO_PIECE
        if identity in special:
            return SPECIAL
        if not text:
            return BLANKS if identity not in single and is_blank(piece) else BYTES
        if all(unicodedata.category(sign)[0] == "C" for sign in text):
            return BYTES
        if MEMBERS["digits"](text):
            return _DIGITS
        if any(MEMBERS[name](text) for name in ("punctuation", "symbols", "emoji")):
            return _SIGNS
        return LETTERS if _LETTER.fullmatch(text) else ""

    return kind_of
