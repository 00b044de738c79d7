"""What pieces stand for: the text of each, and where in a word it stands."""

from collections.abc import Callable, Iterator

from tokenizers import decoders

from smelt.models.vocabulary.kinds import UnigramKind, WordPieceKind
from smelt.models.vocabulary.tokenizer_files import Tree, has_part
from smelt.models.vocabulary.vocabulary import Vocabulary

BLANK = "\u2581"
"""SentencePiece's mark of a blank."""
_BYTE_BLANK = "\u0120"
"""Byte-level BPE's letter for a blank."""
_NO_TEXT = "\ufffd"


def texts_of_pieces(vocabulary: Vocabulary) -> Iterator[str]:
    """Yield the text of each piece in the order of ids, without marks and blanks around it.

    It is "" for special pieces, and for bytes that are no whole text.
    """
    kind, special = vocabulary.kind, set(vocabulary.always.tolist())
    bare = _bytes_as_text if has_part(vocabulary.tree, "ByteLevel") else _without_marks(kind, vocabulary.tree)
    for identity, piece in enumerate(vocabulary.pieces):
        yield bare(piece).strip() if identity not in special or len(piece) == 1 else ""


def _bytes_as_text(piece: str, decoder: decoders.ByteLevel = decoders.ByteLevel()) -> str:  # noqa: B008 - has no state
    text = decoder.decode([piece])
    return "" if _NO_TEXT in text else text


def _without_marks(kind: object, tree: Tree) -> Callable[[str], str]:
    """Return a function that takes off a piece what marks a blank, the middle of a word or its end."""
    if isinstance(kind, WordPieceKind):
        return lambda piece: "" if piece in kind.reserved else piece.removeprefix(kind.prefix)
    if isinstance(kind, UnigramKind):
        return lambda piece: piece.replace(BLANK, " ")
    prefix, suffix = (tree["model"].get(key) or "" for key in ("continuing_subword_prefix", "end_of_word_suffix"))
    return lambda piece: piece.removeprefix(prefix).removesuffix(suffix).replace(BLANK, " ")


def marks_of_pieces(vocabulary: Vocabulary) -> tuple[str, Callable[[str], bool]]:
    """Return what a vocabulary marks, starts or ends of words, and whether a piece, as it is spelt, has the mark.

    WordPiece marks what is inside a word instead, so that pieces without its mark start one.
    """
    kind, tree = vocabulary.kind, vocabulary.tree
    if isinstance(kind, WordPieceKind):
        return "start", lambda piece: not piece.startswith(kind.prefix)
    if suffix := tree["model"].get("end_of_word_suffix"):
        return "end", lambda piece: piece.endswith(suffix)
    if has_part(tree, "ByteLevel"):
        return "start", lambda piece: piece.startswith(_BYTE_BLANK)
    return "start", lambda piece: piece.startswith(BLANK)
