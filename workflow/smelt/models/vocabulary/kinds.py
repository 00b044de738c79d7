"""The kinds of vocabulary: WordPiece, Unigram and BPE, as a tokenizer.json holds them, and as they are reduced.

The docstring of each kind shows why its reduced vocabulary is exact: a text all of whose pieces are kept is cut as
before.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from tokenizers import pre_tokenizers

from smelt.errors import SmeltError
from smelt.files import json_text, read_json
from smelt.models.vocabulary.tensors import Ids
from smelt.models.vocabulary.tokenizer_files import Tree, has_part

Kept = NDArray[np.bool_]
"""True for each kept piece, shape (pieces,)."""


class Form(Protocol):
    """One of the forms in which a folder may hold a vocabulary."""

    always: list[int]
    """Ids that this form always needs."""

    def needed_ids(self, kept: Kept, characters: bool | None) -> dict[str, list[int]]:
        """Return, by reason, the ids that the kept ones need, whether they are kept or not."""


class Kind(Form, Protocol):
    """The model's section of a tokenizer.json: WordPiece, Unigram or BPE."""

    base: list[tuple[str, int]]
    """Pieces and ids of the base vocabulary, without tokens that were added to it."""

    def find_loosened(self, kept: Kept) -> list[int]:
        """Return kept ids whose pieces may make an unknown word known."""

    def reduce_section(self, new: Ids) -> dict[str, Any]:
        """Return the section with the kept pieces alone; `new[id]` is -1 for the others."""

    def check_files(self, folder: Path) -> None:
        """Refuse older files of the vocabulary that differ from it."""

    def write_files(self, folder: Path, output: Path, new: Ids) -> None:
        """Write the older files of the vocabulary that the source has."""


def renumber(base: Iterable[tuple[str, int]], new: Ids) -> dict[str, int]:
    """Return the kept pieces and their new ids."""
    numbers = new.tolist()
    return {piece: numbers[identity] for piece, identity in base if numbers[identity] >= 0}


def kept_of(base: Sequence[tuple[str, int]], kept: Kept) -> list[tuple[str, int]]:
    """Return the kept pieces and their ids."""
    ids = np.fromiter((identity for _, identity in base), np.int64, len(base))
    return [base[place] for place in np.flatnonzero(kept[ids]).tolist()]


def characters_of(pieces: Iterable[str]) -> set[str]:
    """Return every character that occurs in some piece."""
    return set().union(*pieces)


FILE = "vocab.txt"
_RESERVED = re.compile(r"\[.+\]")
_UNUSED = re.compile(r"\[unused[1-9]\]")


class WordPieceKind:
    """WordPiece (Schuster and Nakajima 2012; as BERT cuts words): from the left, always the longest piece that fits.

    Why a reduced vocabulary is exact. At each place of a word the full vocabulary takes its longest piece that fits
    there. If that piece is kept, it is still the longest that fits, because leaving pieces out adds none. So a word all
    of whose pieces are kept is cut as before, piece by piece from the left.

    Its limit: an unknown word leaves no trace of the pieces that were tried. If one of them is left out, a shorter one
    may lead to the word's end, so that an unknown word becomes known. That takes a kept piece that reaches over a
    character which is no continuation piece itself (`##c` lacks). Vocabularies learned by merging have none of these;
    `find_loosened` names them where there are some.
    """

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

    def needed_ids(self, kept: Kept, characters: bool | None) -> dict[str, list[int]]:
        """Return the ids that kept pieces need: none, unless each of their characters must have its own piece."""
        if not characters:
            return {}
        alone = characters_of(self._bare(piece) for piece, _ in kept_of(self.base, kept))
        forms = [form for character in alone for form in (character, self.prefix + character)]
        return {"characters": [self.ids[form] for form in forms if form in self.ids]}

    def find_loosened(self, kept: Kept) -> list[int]:
        """Return kept pieces that reach over a character which is no continuation piece of the full vocabulary."""
        return [
            identity
            for piece, identity in kept_of(self.base, kept)
            if piece not in self.reserved
            and any(self.prefix + character not in self.ids for character in self._bare(piece)[1:])
        ]

    def reduce_section(self, new: Ids) -> dict[str, Any]:
        """Return the section with the kept pieces alone."""
        return self.model | {"vocab": renumber(self.base, new)}

    def check_files(self, folder: Path) -> None:
        """Refuse a vocab.txt that holds other pieces than the tokenizer that loads."""
        path = folder / FILE
        if path.is_file():
            lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
            if lines == list(self.ids) and list(self.ids.values()) == list(range(len(lines))):
                return
            read = {line.rstrip(): number for number, line in enumerate(lines)}
            if read != {piece.rstrip(): identity for piece, identity in self.base}:
                raise SmeltError(self.where, f"{path} holds other pieces than the tokenizer that loads; delete one")

    def write_files(self, folder: Path, output: Path, new: Ids) -> None:
        """Write vocab.txt, a piece a line, where the source has one."""
        if (folder / FILE).is_file():
            pieces = renumber(self.base, new)
            text = "".join(f"{piece}\n" for piece in sorted(pieces, key=pieces.__getitem__))
            (output / FILE).write_text(text, encoding="utf-8", newline="\n")

    def _bare(self, piece: str) -> str:
        return "" if piece in self.reserved else piece.removeprefix(self.prefix)


class UnigramKind:
    """Unigram (Kudo 2018; ALBERT, XLM-R, T5): the cut whose pieces' scores, natural logarithms, sum to most.

    Why a reduced vocabulary is exact. The search (Viterbi) keeps, for each end in the text, the best sum over cuts up
    to there, and of equal ones that whose last piece is longest, as it is met first. Say that all pieces of a line's
    cut are kept. Leaving others out takes candidates away and adds none but these: where a character's own piece is
    gone, the unknown piece offers itself for it, at the lowest score of the vocabulary less ten. With the lowest score
    unchanged that is below what the character's piece offered at the same place. So at each end no candidate is better
    than it was, the best cut's own are as good as they were, and candidates come in the same order: the same cut wins,
    ties included, and rounding too, as sums of floats never fall when a term grows. Hence the closure keeps a piece of
    the lowest score.

    The characters of kept pieces are kept for another reason: a text that kept pieces can spell stays known throughout.
    """

    def __init__(self, tree: Tree, where: str) -> None:
        """Read the section."""
        self.where = where
        self.model: dict[str, Any] = tree["model"]
        self.scores = np.array([score for _, score in self.model["vocab"]])
        self.base = [(piece, identity) for identity, (piece, _) in enumerate(self.model["vocab"])]
        self.ids = dict(self.base)
        unknown = self.model["unk_id"]
        self.always = [] if unknown is None else [unknown]
        self.always += byte_pieces(self.ids) if self.model.get("byte_fallback") else []
        self.added = {token["content"] for token in tree["added_tokens"]}
        self.twins = _twins(self.base) if len(self.ids) < len(self.base) else []

    def needed_ids(self, kept: Kept, characters: bool | None) -> dict[str, list[int]]:
        """Return the ids that kept pieces need: one of the lowest score, their characters, and others spelt the same.

        A piece that stands twice in the list is looked up as the last of its kind. Were that one alone left out,
        the first would be found in its stead.
        """
        found = {
            "lowest score": lowest(self.scores, kept),
            "same spelling": [identity for group in self.twins if kept[group].any() for identity in group],
        }
        if characters is not False:
            alone = characters_of(piece for piece, _ in kept_of(self.base, kept) if piece not in self.added)
            found["characters"] = [self.ids[character] for character in alone if character in self.ids]
        return found

    def find_loosened(self, kept: Kept) -> list[int]:
        """Return nothing: unknown words stay unknown."""
        del kept
        return []

    def reduce_section(self, new: Ids) -> dict[str, Any]:
        """Return the section with the kept pieces alone, in the old order."""
        vocabulary = self.model["vocab"]
        unknown = self.model["unk_id"]
        return self.model | {
            "vocab": [vocabulary[identity] for identity in np.flatnonzero(new[: len(vocabulary)] >= 0)],
            "unk_id": None if unknown is None else int(new[unknown]),
        }

    def check_files(self, folder: Path) -> None:
        """Do nothing: SentencePiece's protobuf is a form of its own."""

    def write_files(self, folder: Path, output: Path, new: Ids) -> None:
        """Write nothing, for the same reason."""


def lowest(scores: np.ndarray[Any, np.dtype[np.float64]], kept: Kept) -> list[int]:
    """Return the first piece of the lowest score, unless one of that score is kept."""
    ties = np.flatnonzero(scores == scores.min())
    return [] if kept[ties].any() else [int(ties[0])]


def byte_pieces(ids: dict[str, int]) -> list[int]:
    """Return the pieces of single bytes, `<0x00>` to `<0xFF>`, that a vocabulary has."""
    names = (f"<0x{byte:02X}>" for byte in range(256))
    return [ids[name] for name in names if name in ids]


def _twins(base: list[tuple[str, int]]) -> list[list[int]]:
    places: defaultdict[str, list[int]] = defaultdict(list)
    for piece, identity in base:
        places[piece].append(identity)
    return [group for group in places.values() if len(group) > 1]


VOCABULARY, MERGES = "vocab.json", "merges.txt"

Pair = tuple[str, str]


class BytePairKind:
    """Byte-pair encoding (Sennrich et al. 2016; RoBERTa's over bytes, Llama's over characters and single bytes).

    Why a reduced vocabulary is exact. A word's characters are merged pair by pair, the lowest rank first, leftmost of
    equals. Every piece that occurs on the way lies inside one final piece, because merges never cut. Inside a final
    piece's span the merges are those of that piece taken alone: a pair of lowest rank in the whole word is of lowest
    rank in its span. So a final piece is always built the same way, and the closure keeps all pieces on it.

    Now say that all final pieces of a word are kept. Each merge of the full vocabulary on the way then joins kept
    pieces to a kept one, so the reduced vocabulary has it, in the same order among fewer others: it comes first there
    too. A merge whose result is not kept never fires in such a word: its result would lie inside a kept final piece, so
    the closure would have kept it. And where the full vocabulary has no merge left, the reduced one has none.
    So every step is the same. Words with a piece that is not kept may be cut otherwise anywhere within them.
    """

    def __init__(self, tree: Tree, where: str) -> None:
        """Read the section.

        Raises:
            SmeltError: it drops merges at random, so that no two cuts need be the same.
        """
        self.where = where
        self.model: dict[str, Any] = tree["model"]
        if self.model.get("dropout"):
            raise SmeltError(where, "its BPE drops merges at random (dropout), so no reduction of it can be exact")
        self.ids: dict[str, int] = self.model["vocab"]
        self.base = list(self.ids.items())
        self.merges: list[Pair] = [_pair(merge) for merge in self.model["merges"]]
        self.prefix: str = self.model.get("continuing_subword_prefix") or ""
        self.suffix: str = self.model.get("end_of_word_suffix") or ""
        self.always = [self.ids[piece] for piece in {self.model.get("unk_token")} & self.ids.keys()]
        self.always += byte_pieces(self.ids) if self.model.get("byte_fallback") else []
        if has_part(tree, "ByteLevel"):
            alphabet = pre_tokenizers.ByteLevel.alphabet()
            forms = dict.fromkeys(form for byte in alphabet for form in (byte, byte + self.suffix))  # CLIP's has both
            self.always += [self.ids[form] for form in forms if form in self.ids]
        self._ways: dict[str, list[str]] = {}

    def needed_ids(self, kept: Kept, characters: bool | None) -> dict[str, list[int]]:
        """Return the pieces and characters on the way to kept pieces; a BPE without them could not build these."""
        del characters
        halves = self._halves[kept[: len(self._halves)]]
        ways = [part for piece, identity in self._built_in_ways if kept[identity] for part in self._way(piece)]
        on_ways = np.array([self.ids[part] for part in dict.fromkeys(ways) if part in self.ids], np.int64)
        needed = np.unique(np.concatenate([halves[halves >= 0], on_ways]))
        alone = self._alone[needed]
        return {"merges": needed[~alone].tolist(), "characters": needed[alone].tolist()}

    def find_loosened(self, kept: Kept) -> list[int]:
        """Return nothing: unknown words stay unknown."""
        del kept
        return []

    def reduce_section(self, new: Ids) -> dict[str, Any]:
        """Return the section with the kept pieces, and the merges whose parts and result are kept."""
        vocabulary = renumber(self.base, new)
        written = zip(self.model["merges"], self.merges, strict=True)
        merges = [merge for merge, pair in written if self._is_within(pair, vocabulary)]
        return self.model | {"vocab": vocabulary, "merges": merges}

    def check_files(self, folder: Path) -> None:
        """Refuse a vocab.json or a merges.txt that holds something else than the tokenizer that loads."""
        path = folder / VOCABULARY
        if path.is_file() and read_json(path) != self.ids:
            raise SmeltError(self.where, f"{path} holds other pieces than the tokenizer that loads; delete one")
        path = folder / MERGES
        if path.is_file() and _read_merges(path) != self.merges:
            raise SmeltError(self.where, f"{path} holds other merges than the tokenizer that loads; delete one")

    def write_files(self, folder: Path, output: Path, new: Ids) -> None:
        """Write vocab.json and merges.txt, where the source has them."""
        vocabulary = renumber(self.base, new)
        if (folder / VOCABULARY).is_file():
            ordered = dict(sorted(vocabulary.items(), key=lambda item: item[1]))
            (output / VOCABULARY).write_text(json_text(ordered) + "\n", encoding="utf-8")
        if (folder / MERGES).is_file():
            pairs = [pair for pair in self.merges if self._is_within(pair, vocabulary)]
            lines = ["#version: 0.2", *(f"{left} {right}" for left, right in pairs)]
            (output / MERGES).write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")

    @cached_property
    def _ranks(self) -> dict[Pair, int]:
        return {pair: rank for rank, pair in enumerate(self.merges)}

    @cached_property
    def _parts(self) -> dict[str, Pair]:
        """The pair that builds a piece, for pieces that only one pair builds."""
        builders = Counter(self._join(*pair) for pair in self.merges)
        return {piece: pair for pair in self.merges if builders[piece := self._join(*pair)] == 1}

    @cached_property
    def _halves(self) -> Ids:
        """The pieces that the only merge of a piece joins, by its id: shape (ids, 2); -1 where there is none."""
        halves = np.full((1 + max(self.ids.values(), default=-1), 2), -1, np.int64)
        for piece, pair in self._parts.items():
            if piece in self.ids:
                halves[self.ids[piece]] = [self.ids.get(part, -1) for part in pair]
        return halves

    @cached_property
    def _alone(self) -> Kept:
        """Whether a piece is a single character, by its id."""
        alone = np.zeros(len(self._halves), dtype=bool)
        alone[[identity for piece, identity in self.base if len(self._symbols(piece)) == 1]] = True
        return alone

    @cached_property
    def _built_in_ways(self) -> list[tuple[str, int]]:
        """Pieces that several merges build, and their ids."""
        several = {self._join(*pair) for pair in self.merges} - self._parts.keys()
        return [(piece, self.ids[piece]) for piece in several & self.ids.keys()]

    def _way(self, piece: str) -> list[str]:
        """Return the pieces that a piece is built from, where several merges may be its last step.

        If only one merge builds it, its parts are looked up in the next round. SentencePiece's models have a merge for
        every way to halve a piece; there the merges have to be done.
        """
        if piece not in self._ways:
            ranks = self._ranks
            way = pieces_on_the_way(self._symbols(piece), lambda left, right: ranks.get((left, right)), self._join)
            self._ways[piece] = way or []
        return self._ways[piece]

    def _symbols(self, piece: str) -> list[str]:
        """Return the characters of a piece, as they are marked before merging begins."""
        first = self.prefix if self.prefix and piece.startswith(self.prefix) else ""
        last = self.suffix if self.suffix and piece.endswith(self.suffix) else ""
        bare = piece[len(first) : len(piece) - len(last)]
        symbols = [(first if place == 0 else self.prefix) + character for place, character in enumerate(bare)]
        return [*symbols[:-1], symbols[-1] + last] if symbols else [piece]

    def _join(self, left: str, right: str) -> str:
        return left + right[len(self.prefix) :]

    def _is_within(self, pair: Pair, vocabulary: dict[str, int]) -> bool:
        return pair[0] in vocabulary and pair[1] in vocabulary and self._join(*pair) in vocabulary


def _pair(merge: str | list[str]) -> Pair:
    """Return a merge's two pieces; older files have them as one text."""
    left, right = merge.split(" ") if isinstance(merge, str) else merge
    return left, right


def _read_merges(path: Path) -> list[Pair]:
    lines = path.read_text(encoding="utf-8").split("\n")
    return [_pair(line) for line in lines if line and not line.startswith("#version")]


def pieces_on_the_way(
    symbols: list[str], rank: Callable[[str, str], float | None], joined: Callable[[str, str], str]
) -> list[str] | None:
    """Return every piece that occurs while `symbols` are merged into one, themselves and the last included.

    The lowest rank goes first, of equal ones the leftmost, until no pair has a rank: what both tokenizers and
    SentencePiece do, though they find the next pair faster.

    Args:
        symbols: the characters of one piece.
        rank: a pair's rank, lower first, or None where it does not merge.
        joined: what a pair merges into.

    Returns:
        The pieces, or None where merging ends in more than one: then no text is ever cut into this piece by merging.
    """
    met = list(symbols)
    while len(symbols) > 1:
        ranks = [rank(left, right) for left, right in pairwise(symbols)]
        known = [number for number in ranks if number is not None]
        if not known:
            return None
        place = ranks.index(min(known))
        symbols = [*symbols[:place], joined(symbols[place], symbols[place + 1]), *symbols[place + 2 :]]
        met.append(symbols[place])
    return met
