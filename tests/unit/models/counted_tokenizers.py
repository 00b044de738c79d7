"""Small tokenizers of every pipeline whose pieces are counted fast, and of one other, trained on invented words."""

import functools
import io
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from smelt.tokenizers.unigram import SPECIAL_PIECES, fast_tokenizer

ALPHABETS = ("abcdefginorstué'", "αβγδεικλνοπρστώ", "कखगतनपमरलसािे्ं", "日本語東京大学人", "ابتدرسلمنهو", "กขคงจนมรสาิี่")
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ROBERTA = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


@dataclass(frozen=True)
class Built:
    """A tokenizer of the tokenizers library, and what transformers makes of it."""

    whole: PreTrainedTokenizerFast
    splits: bool
    """Whether its lines may be cut at blanks."""

    @property
    def tree(self) -> dict[str, Any]:
        return json.loads(self.whole.backend_tokenizer.to_str())

    @property
    def pieces(self) -> int:
        return len(self.whole)

    @property
    def literal(self) -> bool:
        return bool(self.whole.split_special_tokens)

    def ids(self, line: str) -> list[int]:
        return self.whole(line, add_special_tokens=False)["input_ids"]


def sentence(generator: random.Random) -> str:
    letters = generator.choice(ALPHABETS)
    words = ["".join(generator.choices(letters, k=generator.randint(1, 6))) for _ in range(generator.randint(2, 9))]
    return " ".join(words).capitalize() + generator.choice([".", " !", ", 1984", '"', " (é)"])


def sentences(number: int, seed: int = 1) -> list[str]:
    generator = random.Random(seed)
    return [sentence(generator) for _ in range(number)]


def wordpiece(lowercase: bool) -> Built:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=20))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator(
        sentences(300), trainers.WordPieceTrainer(vocab_size=500, special_tokens=SPECIAL, show_progress=False)
    )
    return Built(PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]", mask_token="[MASK]"), True)


def byte_level(prefix: bool, use_regex: bool = True) -> Built:
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix, use_regex=use_regex)
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=ROBERTA,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(sentences(300), trainer)
    mask = AddedToken("<mask>", lstrip=True, special=True)
    return Built(PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", mask_token=mask), use_regex)


@functools.cache
def trained(**settings: Any) -> sentencepiece_model_pb2.ModelProto:
    """Return a trained SentencePiece model, which normalises by a table in its file."""
    written = io.BytesIO()
    usual = {"model_type": "unigram", "vocab_size": 400, "character_coverage": 1.0, "minloglevel": 2}
    lines = iter([*sentences(400), *["가 각 나 난 é è"] * 20])
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=lines, model_writer=written, hard_vocab_limit=False, **(usual | settings)
    )
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(written.getvalue())
    return proto


def unigram(names: list[str], mark: str = "\u2581") -> Tokenizer:
    learnt = [piece for piece in trained().pieces if piece.piece not in names][3:]
    pieces = [(piece.piece.replace("\u2581", mark), piece.score) for piece in learnt]
    tokenizer = Tokenizer(models.Unigram([(name, 0.0) for name in names] + pieces, unk_id=3))
    tokenizer.add_special_tokens([AddedToken(name, normalized=False, special=True) for name in names])
    return tokenizer


def like_xlm_roberta() -> Built:
    tokenizer = unigram([*ROBERTA[:4], "<mask>"])
    tokenizer.normalizer = normalizers.Precompiled(trained().normalizer_spec.precompiled_charsmap)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme="always")]
    )
    return Built(PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", mask_token="<mask>"), True)


def like_albert() -> Built:
    tokenizer = unigram(["<pad>", "[CLS]", "[SEP]", "<unk>", "[MASK]"])
    steps = [
        normalizers.Replace("``", '"'),
        normalizers.Replace("''", '"'),
        normalizers.NFKD(),
        normalizers.StripAccents(),
        normalizers.Lowercase(),
        normalizers.Precompiled(trained().normalizer_spec.precompiled_charsmap),
        normalizers.Replace(Regex(" {2,}"), " "),
    ]
    tokenizer.normalizer = normalizers.Sequence(steps)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    return Built(PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", mask_token="[MASK]"), True)


def like_ours() -> Built:
    scored = [(piece.piece, piece.score) for piece in trained().pieces[3:]]
    tokenizer = fast_tokenizer([(piece, 0.0) for piece in SPECIAL_PIECES] + scored)
    tokenizer.add_special_tokens([AddedToken(piece, special=True, normalized=False) for piece in SPECIAL_PIECES])
    whole = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", mask_token="[MASK]", split_special_tokens=True
    )
    return Built(whole, True)


def composing() -> Built:
    """Return a tokenizer that composes letters with marks, and jamo with each other."""
    tokenizer = unigram([*ROBERTA[:4], "<mask>"])
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase(), normalizers.Strip()])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    return Built(PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", mask_token="<mask>"), True)


def marked_in_ascii() -> Built:
    """Return a tokenizer that marks a blank with a character that words may hold."""
    tokenizer = unigram([*ROBERTA[:4], "<mask>"], mark="_")
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="_", prepend_scheme="always")
    return Built(PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", mask_token="<mask>"), True)


def unsplit_metaspace() -> Built:
    built = like_xlm_roberta()
    built.whole.backend_tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=False)
    return Built(built.whole, False)


BUILDERS: dict[str, Callable[[], Built]] = {
    "WordPiece, cased": lambda: wordpiece(lowercase=False),
    "WordPiece, uncased": lambda: wordpiece(lowercase=True),
    "byte-level BPE": lambda: byte_level(prefix=False),
    "byte-level BPE, blank before": lambda: byte_level(prefix=True),
    "Unigram, XLM-R's way": like_xlm_roberta,
    "Unigram, ALBERT's way": like_albert,
    "Unigram, ours": like_ours,
    "Unigram, composing": composing,
    "Unigram, marked in ASCII": marked_in_ascii,
    "byte-level BPE over whole lines": lambda: byte_level(prefix=False, use_regex=False),
    "Unigram over whole lines": unsplit_metaspace,
}
