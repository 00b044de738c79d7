"""SentencePiece's unigram language model (Kudo and Richardson 2018), with ALBERT's special pieces.

The rules that prepare text are written twice, for SentencePiece and for tokenizers, and do the same. They replace
blanks and characters that show nothing by one blank, and spell out special pieces. Letters and accents stay, and so
does case unless the tokenizer lower-cases. MediaWiki's text is composed Unicode already. SentencePiece's own rules,
nmt_nfkc, are not used: the Precompiled normaliser of tokenizers reads the same table grapheme by grapheme and drops
marks on the way, so the two would cut some lines differently.
"""

import io
import re
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import chain, product
from pathlib import Path
from typing import Any

import sentencepiece
import tokenizers
from sentencepiece import sentencepiece_model_pb2
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from smelt.errors import SmeltError
from smelt.tokenizers.folder import TrainedTokenizer, too_large, too_small
from smelt.tokenizers.sample import LONGEST_LINE

THREADS = 4
"""Threads of SentencePiece's trainer. Another number gives other pieces, so it does not depend on the machine."""

SCORE_STEP = 1 / 64
"""Pieces' scores (natural logarithms) are rounded to this.

SentencePiece adds scores up in single precision and tokenizers in double, so that two segmentations of a word that are
almost equally likely (hear+ing, hea+ring) come out differently. Sums of multiples of 1/64 are exact in both, up to some
25,000 pieces a line.
"""

# SentencePiece skips a line with one of these, which it uses itself (kUPPBoundaryStr, kUNKStr).
_RESERVED = str.maketrans({"\t": " ", "\u2585": " "})

SPECIAL_PIECES = ("<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]")
"""ALBERT's special pieces; a piece's place is its id."""

# Unicode's White_Space, and SentencePiece's mark of a blank.
_SPACES = [0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F]
_BLANK_MARK = 0x2581
# Characters that show nothing: controls, zero-width space, marks of direction, byte order mark. The joiners
# U+200C and U+200D stay, because Persian, Hindi and Bengali spell with them, and so does the soft hyphen,
# because a blank in its place would cut the word.
_CONTROLS = [*range(0x01, 0x09), *range(0x0E, 0x20), *range(0x7F, 0x85), *range(0x86, 0xA0)]
_INVISIBLE = [0x200B, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2060, 0x2065), *range(0x2066, 0x206A), 0xFEFF]
BLANKS = [*_SPACES, 0x3000, _BLANK_MARK, *_CONTROLS, *_INVISIBLE]
"""Code points read as one blank."""

_PAD, _UNKNOWN, _CLS, _SEP, _MASK = SPECIAL_PIECES
_SPECIAL = {"pad_token": _PAD, "unk_token": _UNKNOWN, "cls_token": _CLS, "sep_token": _SEP, "mask_token": _MASK}


def learn(
    lines: Sequence[str], vocabulary: int, character_coverage: float, lowercase: bool, where: str
) -> TrainedTokenizer:
    """Return a trained tokenizer; arguments and errors are those of `train`."""
    model = train(lines, vocabulary, character_coverage, lowercase, where)
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(model)
    facts = {"threads": THREADS, "score_step": SCORE_STEP, "sentencepiece": sentencepiece.__version__}
    return TrainedTokenizer(
        tokenizer=fast_tokenizer([(piece.piece, piece.score) for piece in proto.pieces], lowercase),
        special=_SPECIAL,
        model_type="albert",
        options={"do_lower_case": lowercase, "keep_accents": True},
        write_files=lambda folder: Path(folder, "spiece.model").write_bytes(model),
        facts=facts | ({"tokenizers": tokenizers.__version__} if lowercase else {}),  # whose table of letters it is
    )


def fast_tokenizer(pieces: list[tuple[str, float]], lowercase: bool = False) -> Tokenizer:
    """Return the tokenizer of pieces and their scores, in the order of their ids."""
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=SPECIAL_PIECES.index(_UNKNOWN), byte_fallback=False))
    tokenizer.normalizer = normalizer(lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=True)
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{_CLS}:0 $A:0 {_SEP}:0",
        pair=f"{_CLS}:0 $A:0 {_SEP}:0 $B:1 {_SEP}:1",
        special_tokens=[(piece, SPECIAL_PIECES.index(piece)) for piece in (_CLS, _SEP)],
    )
    return tokenizer


def train(lines: Sequence[str], vocabulary: int, character_coverage: float, lowercase: bool, where: str) -> bytes:
    """Return a trained model, as the bytes of a `spiece.model` file.

    Args:
        lines: what to learn from.
        vocabulary: number of pieces, special ones included.
        character_coverage: share of the characters' occurrences that get a piece of their own.
        lowercase: whether the model lower-cases what it is given, in training and afterwards; accents stay.
        where: the tokenizer's name, for messages.

    Raises:
        SmeltError: the vocabulary is larger than the lines can fill, or smaller than their characters need.
    """
    written = io.BytesIO()
    with tempfile.NamedTemporaryFile("w", suffix=".tsv", encoding="ascii") as rules:
        rules.write(sentencepiece_rules(lowercase))
        rules.flush()
        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=(line.translate(_RESERVED) for line in lines),
                model_writer=written,
                model_type="unigram",
                vocab_size=vocabulary,
                character_coverage=character_coverage,
                normalization_rule_tsv=rules.name,
                num_threads=THREADS,
                max_sentence_length=2 * LONGEST_LINE,
                **_special_pieces(),
            )
        except (RuntimeError, OSError) as error:
            raise SmeltError(where, _explain(str(error), vocabulary)) from None
    return _round_scores(written.getvalue())


def _special_pieces() -> dict[str, Any]:
    pad, unknown, *control = SPECIAL_PIECES
    ids = {"pad_id": 0, "unk_id": 1, "bos_id": -1, "eos_id": -1}
    return {**ids, "pad_piece": pad, "unk_piece": unknown, "control_symbols": control}


def _round_scores(model: bytes) -> bytes:
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(model)
    for piece in proto.pieces:
        piece.score = round(piece.score / SCORE_STEP) * SCORE_STEP
    proto.normalizer_spec.normalization_rule_tsv = ""  # a temporary file's name; the model contains the rules
    return bytes(proto.SerializeToString(deterministic=True))


def _explain(message: str, vocabulary: int) -> str:
    if found := re.search(r"too high.*<= (\d+)", message):
        return too_large(vocabulary, found[1])
    if found := re.search(r"smaller than required_chars\. \d+ vs (\d+)", message):
        return too_small(vocabulary, found[1])
    return f"sentencepiece cannot train on this sample ({' '.join(message.split())})"


def spell_out(special: str) -> str:
    """Return the text that replaces a special piece in a text: `[MASK]` is read as `[ MASK ]`.

    Otherwise a treebank's <unk> or an article about BERT would give special ids.
    """
    return f"{special[0]} {special[1:-1]} {special[-1]}"


def sentencepiece_rules(lowercase: bool = False) -> str:
    """Return the rules in SentencePiece's format: code points, a tab, their replacement.

    SentencePiece applies one rule to a place, the longest that fits. So where it lower-cases, each spelling that would
    become a special piece has a rule of its own: `<PAD>` is read as `< pad >`.
    """
    rules = [(chr(point), " ") for point in BLANKS]
    if not lowercase:
        rules += [(piece, spell_out(piece)) for piece in SPECIAL_PIECES]
    else:
        lower = _lower_case()
        for piece in filter(str.islower, SPECIAL_PIECES):
            letters = [[char, *(other for other, small in lower.items() if small == char)] for char in piece]
            rules += [("".join(spelling), spell_out(piece)) for spelling in product(*letters)]
        rules += lower.items()
    return "".join(f"{_hexadecimal(source)}\t{_hexadecimal(target)}\n" for source, target in rules)


@cache
def _lower_case() -> Mapping[str, str]:
    """Return the characters that tokenizers lower-cases, with what they become; it reads each character by itself.

    Python's own table is that of another version of Unicode.
    """
    lower = normalizers.Lowercase().normalize_str
    every = (chr(point) for point in chain(range(0xD800), range(0xE000, 0x110000)))  # without surrogates
    return {char: small for char in every if (small := lower(char)) != char}


def normalizer(lowercase: bool = False) -> normalizers.Normalizer:
    """Return the same rules as a normaliser of tokenizers; SentencePiece joins and strips blanks by itself."""
    blanks = "".join(f"\\x{{{point:X}}}" for point in BLANKS)
    first = [normalizers.Lowercase()] if lowercase else []
    special = filter(str.islower, SPECIAL_PIECES) if lowercase else SPECIAL_PIECES
    return normalizers.Sequence(
        [
            *first,
            *(normalizers.Replace(piece, spell_out(piece)) for piece in special),
            normalizers.Replace(Regex(f"[{blanks}]"), " "),
            normalizers.Replace(Regex(" {2,}"), " "),
            normalizers.Strip(),
        ]
    )


def _hexadecimal(text: str) -> str:
    return " ".join(f"{ord(character):X}" for character in text)
