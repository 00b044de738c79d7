"""Pieces that are kept whatever the counts say: those of sets by name, of texts, and by their spelling."""

import unicodedata
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import regex

from smelt.errors import SmeltError, quote
from smelt.models.vocabulary.spelling import texts_of_pieces
from smelt.models.vocabulary.tensors import Ids
from smelt.models.vocabulary.vocabulary import Vocabulary
from smelt.scripts import is_wholly_of, script_named
from smelt.study.makers.reduce import ONE_LETTER, KeptPiecesRule

_EMOJI = regex.compile(
    r"(?:[\p{Extended_Pictographic}\p{Emoji_Modifier}\p{Regional_Indicator}\u200d\ufe0f\u20e3]|\p{Emoji_Component}\ufe0f?\u20e3)+"
)
MEMBERS: Mapping[str, Callable[[str], bool]] = {
    "digits": lambda text: all(unicodedata.category(sign) == "Nd" for sign in text),
    "punctuation": lambda text: all(unicodedata.category(sign)[0] == "P" for sign in text),
    "symbols": lambda text: all(unicodedata.category(sign)[0] == "S" for sign in text),
    "emoji": lambda text: _EMOJI.fullmatch(text) is not None,
}
"""Whether the text of a piece is of a set."""


def pieces_to_keep(vocabulary: Vocabulary, rule: KeptPiecesRule) -> dict[str, Ids]:
    """Return the ids that the user asks for, by reason.

    Raises:
        SmeltError: the vocabulary lacks a piece that is named, has none of a set, or reads a text as nothing.
    """
    found = {"named by the user": named_pieces(vocabulary, rule.keep)}
    if rule.keep_sets:
        texts = list(texts_of_pieces(vocabulary))
        found |= {f"of the set {name}": pieces_of_set(vocabulary, texts, name) for name in rule.keep_sets}
    if rule.keep_texts:
        found["of the user's texts"] = pieces_of_texts(vocabulary, rule.keep_texts)
    return found


def named_pieces(vocabulary: Vocabulary, pieces: Sequence[str]) -> Ids:
    """Return the ids of pieces that are named by their spelling.

    Raises:
        SmeltError: the vocabulary does not have one of them.
    """
    ids = {piece: number for number, piece in enumerate(vocabulary.pieces)}
    for piece in pieces:
        if piece not in ids:
            raise SmeltError(vocabulary.where, f"keep: {piece!r} is no piece of its tokenizer")
    return np.array([ids[piece] for piece in pieces], np.int64)


def pieces_of_texts(vocabulary: Vocabulary, texts: Sequence[str]) -> Ids:
    """Return the ids of all pieces that texts are cut into.

    Raises:
        SmeltError: a text has no pieces, or unknown ones.
    """
    for text, ids in zip(texts, vocabulary.cut(texts), strict=True):
        if not ids or vocabulary.tokenizer.unk_token_id in ids:
            found = "unknown pieces" if ids else "no pieces"
            raise SmeltError(vocabulary.where, f"keep_texts: its tokenizer finds {found} in {quote(text)}")
    return vocabulary.ids_of_texts(texts)


def pieces_of_set(vocabulary: Vocabulary, texts: Sequence[str], name: str) -> Ids:
    """Return the ids of the pieces whose whole text is of a set; `texts` are those of all pieces.

    Raises:
        SmeltError: there are none.
    """
    belongs = MEMBERS.get(name) or _of_script(name)
    ids = [identity for identity, text in enumerate(texts) if text and belongs(text)]
    if not ids:
        raise SmeltError(vocabulary.where, f"keep_sets: no piece of its tokenizer is of the set {name!r}")
    return np.array(ids, np.int64)


def _of_script(name: str) -> Callable[[str], bool]:
    code = script_named(name.removesuffix(ONE_LETTER))
    one = name.endswith(ONE_LETTER)
    return lambda text: (not one or len(text) == 1) and is_wholly_of(text, code)
