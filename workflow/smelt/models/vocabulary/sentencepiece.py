"""SentencePiece's own file of a vocabulary (spiece.model, sentencepiece.bpe.model), a protobuf.

Its ids are not always the model's. XLM-R and CamemBERT put special tokens of fairseq's in front, so that the model's id
is the protobuf's plus one or four, and `<s>` and `<unk>` stand elsewhere; others add tokens at the end. So pieces are
matched by their spelling. All but ordinary pieces of the protobuf (unknown, control, user-defined, byte, or the model's
own) stay, which keeps such offsets.

It is exact for the same reasons as the tokenizers library's forms (see `unigram` and `bpe`), with SentencePiece's own
rules: a merge's rank is the score of what it builds, any two neighbours that spell a piece merge, the penalty of an
unknown character counts from the lowest score of ordinary pieces, and a user-defined piece's score from the highest.
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from smelt.errors import SmeltError, first_line
from smelt.models.vocabulary.kinds import Kept, characters_of, lowest, pieces_on_the_way
from smelt.models.vocabulary.tensors import Ids

# ModelProto.SentencePiece.Type and TrainerSpec.ModelType of sentencepiece_model.proto.
_NORMAL, _USER_DEFINED = 1, 4
_UNIGRAM, _BPE = 1, 2


class Protobuf:
    """One `*.model` file beside the tokenizer's other forms."""

    def __init__(self, path: Path, ids: dict[str, int], where: str) -> None:
        """Read the file and find the model's id of each of its pieces.

        Args:
            path: the file.
            ids: the model's id of each piece's spelling.
            where: the model's name, for messages.

        Raises:
            SmeltError: it is no such file, is of SentencePiece's word or character kind, or has pieces that the
                tokenizer that loads does not know.
        """
        self.path = path
        self.where = where
        self.proto = _read(path, where)
        parts = [(piece.piece, piece.type == _NORMAL, piece.score) for piece in self.proto.pieces]
        self.pieces = [piece for piece, _, _ in parts]
        self.ordinary = np.array([ordinary for _, ordinary, _ in parts])
        self.scores = np.array([score for _, _, score in parts])
        self.ids = np.array([ids.get(piece, -1) for piece in self.pieces])
        unmatched = np.flatnonzero(self.ordinary & (self.ids < 0))
        if len(unmatched):
            raise SmeltError(
                where,
                f"{path} has {len(unmatched)} pieces that the tokenizer that loads does not know, such as "
                f"{self.pieces[unmatched[0]]!r}: the two are of different models",
            )
        # What the protobuf lacks (<s>NOTUSED, <mask>) transformers' classes put in by themselves, whatever is kept.
        ordinary = set(self.ids[self.ordinary].tolist())
        self.always = [identity for identity in ids.values() if identity not in ordinary]
        self._ways: dict[str, list[str]] = {}

    def needed_ids(self, kept: Kept, characters: bool | None) -> dict[str, list[int]]:
        """Return the ids of what the kept pieces need for SentencePiece itself to cut as before."""
        places = np.flatnonzero(self.ordinary & kept[self.ids])
        if self.proto.trainer_spec.model_type == _BPE:
            return self._needed_by_merging(places)
        found = self._outermost_scores(kept)
        if characters is not False:
            found["characters"] = self._ids_of(characters_of(self.pieces[place] for place in places))
        return found

    def write(self, output: Path, new: Ids) -> None:
        """Write the file with the kept pieces, under its own name in `output`.

        Sentences that older versions test a file by (`self_test_data`) are not carried over: SentencePiece refuses a
        file that fails one, and a sentence with a piece that went would.
        """
        keep = ~self.ordinary | (new[self.ids] >= 0)
        ranks = np.where(keep, np.cumsum(keep) - 1, -1)
        self._write(output, [piece for piece, stays in zip(self.proto.pieces, keep, strict=True) if stays], ranks)

    def write_with(self, output: Path, added: Sequence[tuple[str, float]]) -> None:
        """Write the file with pieces and their scores added at the end, under its own name in `output`.

        Raises:
            SmeltError: as `refuse_merging`.
        """
        self.refuse_merging()
        kind = type(self.proto).SentencePiece
        pieces = [*self.proto.pieces, *(kind(piece=piece, score=score) for piece, score in added)]
        self._write(output, pieces, np.arange(len(self.pieces)))

    def refuse_merging(self) -> None:
        """Refuse a file that no pieces can be added to.

        Raises:
            SmeltError: it merges pairs, any that spell a piece: then new pieces could be built in ways not learnt.
        """
        if self.proto.trainer_spec.model_type == _BPE:
            raise SmeltError(
                self.where, f"{self.path} is a SentencePiece model of byte pairs, to which no pieces can be added"
            )

    def _write(self, output: Path, pieces: Sequence[Any], ranks: Ids) -> None:
        """Write pieces with the source's settings; `ranks` are the new places of its own pieces, -1 for none."""
        written = type(self.proto)()
        for name in ("trainer_spec", "normalizer_spec", "denormalizer_spec"):
            if self.proto.HasField(name):
                getattr(written, name).CopyFrom(getattr(self.proto, name))
        written.pieces.extend(pieces)
        spec = written.trainer_spec
        for name in ("unk_id", "bos_id", "eos_id", "pad_id"):
            identity = getattr(spec, name)
            if 0 <= identity < len(ranks) and ranks[identity] >= 0:
                setattr(spec, name, int(ranks[identity]))
        if spec.HasField("vocab_size"):
            spec.vocab_size = len(written.pieces)
        (output / self.path.name).write_bytes(written.SerializeToString(deterministic=True))

    def _outermost_scores(self, kept: Kept) -> dict[str, list[int]]:
        scores, ids = self.scores[self.ordinary], self.ids[self.ordinary]
        found = {"lowest score": [int(ids[place]) for place in lowest(scores, kept[ids])]}
        if self._defines_pieces:
            found["highest score"] = [int(ids[place]) for place in lowest(-scores, kept[ids])]
        return found

    def _needed_by_merging(self, places: Ids) -> dict[str, list[int]]:
        met = {part for place in places for part in self._way(self.pieces[place])}
        return {
            "merges": self._ids_of(part for part in met if len(part) > 1),
            "characters": self._ids_of(part for part in met if len(part) == 1),
        }

    def _ids_of(self, pieces: Any) -> list[int]:
        places = self._places
        return [int(self.ids[places[piece]]) for piece in pieces if piece in places]

    @cached_property
    def _defines_pieces(self) -> bool:
        return any(piece.type == _USER_DEFINED for piece in self.proto.pieces)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {piece: place for place, piece in enumerate(self.pieces) if self.ids[place] >= 0}

    @cached_property
    def _ranks(self) -> dict[str, float]:
        return {
            piece.piece: -piece.score for piece in self.proto.pieces if piece.type not in (2, 3, 6)
        }  # neither unknown nor control nor byte: those are never the result of merging

    def _way(self, piece: str) -> list[str]:
        if piece not in self._ways:
            ranks = self._ranks
            way = pieces_on_the_way(list(piece), lambda left, right: ranks.get(left + right), str.__add__)
            self._ways[piece] = way or []
        return self._ways[piece]


def _read(path: Path, where: str) -> Any:
    from sentencepiece import sentencepiece_model_pb2

    proto = sentencepiece_model_pb2.ModelProto()
    try:
        proto.ParseFromString(path.read_bytes())
    except Exception as error:
        problem = f"{path} is no SentencePiece model ({first_line(error)}); tiktoken's are not supported"
        raise SmeltError(where, problem) from None
    if not proto.pieces:
        raise SmeltError(where, f"{path} is a SentencePiece model without pieces")
    if proto.trainer_spec.model_type not in (_UNIGRAM, _BPE):
        raise SmeltError(where, f"{path} is a SentencePiece model of words or characters; expected unigram or BPE")
    return proto
