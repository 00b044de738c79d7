"""BERT's WordPiece: its normaliser, its rule of words and its special pieces (Devlin et al. 2019, section 3.1).

Google never published its trainer. As in other implementations, the library tokenizers learns these pieces by joining
the most frequent pair of neighbours repeatedly (Sennrich et al. 2016). WordPiece is the way in which they are then
used: a word is split from the left into the longest known pieces, and is [UNK] where that fails.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import tokenizers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from smelt.errors import SmeltError
from smelt.tokenizers.folder import TrainedTokenizer, too_large, too_small

CONTINUATION = "##"
LEAST = 2
"""Minimum occurrences of a pair of pieces that is joined."""

_SPECIAL = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}


@dataclass(frozen=True)
class LetterRules:
    """What becomes of letters before a text is cut."""

    lowercase: bool
    strip_accents: bool | None = None
    """None: where it lower-cases, as BERT's uncased models do."""

    @property
    def normalizer(self) -> normalizers.Normalizer:
        """BERT's normaliser with these rules."""
        return normalizers.BertNormalizer(lowercase=self.lowercase, strip_accents=self.strip_accents)


def learn(
    lines: Sequence[str], vocabulary: int, character_coverage: float, letters: LetterRules, where: str
) -> TrainedTokenizer:
    """Return a trained tokenizer.

    Its pieces and their ids depend on the lines and on the version of tokenizers; not on threads, machine or process.

    Args:
        lines: what to learn from.
        vocabulary: number of pieces, special ones included.
        character_coverage: share of the characters' occurrences that get a piece of their own.
        letters: whether it lower-cases and strips accents.
        where: the tokenizer's name, for messages.

    Raises:
        SmeltError: the vocabulary is larger than the lines can fill, or smaller than their characters need.
    """
    normalizer = letters.normalizer
    normal = [normalizer.normalize_str(line) for line in lines]
    learnt = blank_rare_characters(normal, character_coverage)
    characters = _characters(learnt)
    if len(_SPECIAL) + len(characters) > vocabulary:
        raise SmeltError(where, too_small(vocabulary, len(_SPECIAL) + len(characters)))
    pieces = _pieces(learnt, vocabulary, [*_SPECIAL.values(), *characters])
    if len(pieces) < vocabulary:
        raise SmeltError(where, too_large(vocabulary, len(pieces)))
    return TrainedTokenizer(
        tokenizer=_tokenizer(pieces, letters),
        special=_SPECIAL,
        model_type="bert",
        options={
            "do_lower_case": letters.lowercase,
            "tokenize_chinese_chars": True,
            "strip_accents": letters.strip_accents,
        },
        write_files=lambda folder: Path(folder, "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8"),
        facts={"characters": len(characters), "least_occurrences": LEAST, "tokenizers": tokenizers.__version__},
    )


def blank_rare_characters(lines: Sequence[str], coverage: float) -> list[str]:
    """Return the lines with blanks for the rarest characters, so that the others make up `coverage` of them all."""
    counts: Counter[str] = Counter()
    for line in lines:
        counts.update(line)
    seen = sorted(((count, char) for char, count in counts.items() if not char.isspace()), reverse=True)
    before = accumulate((count for count, _ in seen), initial=0)
    enough = coverage * sum(count for count, _ in seen)
    rare = {ord(char): " " for (_, char), sofar in zip(seen, before, strict=False) if sofar >= enough}
    return [line.translate(rare) for line in lines] if rare else list(lines)


def _characters(lines: Sequence[str]) -> list[str]:
    """Return all characters that begin a word, then all that continue one, each as its piece, sorted."""
    found = set(_pieces(lines, 0, []))
    return sorted(found, key=lambda piece: (len(piece) > 1, piece))


def _pieces(lines: Sequence[str], vocabulary: int, first: list[str]) -> list[str]:
    """Return the pieces of a training, in the order of their ids, those of `first` before all others.

    The trainer numbers the characters within words as it meets them, in an order that changes from process to process,
    and breaks ties between pairs by these numbers. Characters that are given as special pieces have their
    number from the start, which makes training repeatable.
    """
    tokenizer = Tokenizer(models.WordPiece(unk_token=_SPECIAL["unk_token"]))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocabulary,
        min_frequency=LEAST,
        special_tokens=first,
        continuing_subword_prefix=CONTINUATION,
        show_progress=False,
    )
    tokenizer.train_from_iterator(lines, trainer, length=len(lines))
    ids = tokenizer.get_vocab()
    return sorted(ids, key=lambda piece: ids[piece])


def _tokenizer(pieces: list[str], letters: LetterRules) -> Tokenizer:
    ids = {piece: number for number, piece in enumerate(pieces)}
    cls, sep = _SPECIAL["cls_token"], _SPECIAL["sep_token"]
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token=_SPECIAL["unk_token"]))
    tokenizer.normalizer = letters.normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(prefix=CONTINUATION, cleanup=False)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{cls}:0 $A:0 {sep}:0",
        pair=f"{cls}:0 $A:0 {sep}:0 $B:1 {sep}:1",
        special_tokens=[(piece, ids[piece]) for piece in (cls, sep)],
    )
    return tokenizer
