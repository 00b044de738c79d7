"""Byte-level byte-pair encoding (Radford et al. 2019, section 2.2), with RoBERTa's special pieces.

Two things differ from the published RoBERTa, whose tokenizer comes from GPT-2. The first word of a text has a blank
before it like any other (add_prefix_space), so that a word is split alike everywhere and words can be given one by
one. And a pair of texts has one separator and token types, as BERT's and ALBERT's pairs do: smelt uses these pieces to
pretrain encoders of those families.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import tokenizers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from smelt.errors import SmeltError
from smelt.tokenizers.folder import TrainedTokenizer, too_large
from smelt.tokenizers.wordpiece import LEAST

_SPECIAL = {
    "bos_token": "<s>",
    "pad_token": "<pad>",
    "eos_token": "</s>",
    "unk_token": "<unk>",
    "mask_token": "<mask>",
    "cls_token": "<s>",
    "sep_token": "</s>",
}


def learn(lines: Sequence[str], vocabulary: int, where: str) -> TrainedTokenizer:
    """Return a trained tokenizer.

    Its pieces and their ids depend on the lines and on the version of tokenizers; not on threads, machine or process.

    Args:
        lines: what to learn from.
        vocabulary: number of pieces, bytes and special ones included.
        where: the tokenizer's name, for messages.

    Raises:
        SmeltError: the vocabulary is larger than the lines can fill.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=LEAST,
        special_tokens=list(dict.fromkeys(_SPECIAL.values())),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(lines, trainer, length=len(lines))
    if (found := tokenizer.get_vocab_size()) < vocabulary:
        raise SmeltError(where, too_large(vocabulary, found))
    learnt = json.loads(tokenizer.to_str())["model"]
    return TrainedTokenizer(
        tokenizer=_tokenizer(learnt["vocab"], [(left, right) for left, right in learnt["merges"]]),
        special=_SPECIAL,
        model_type="roberta",
        options={"add_prefix_space": True},
        write_files=lambda folder: tokenizer.model.save(str(Path(folder))),
        facts={"merges": len(learnt["merges"]), "least_occurrences": LEAST, "tokenizers": tokenizers.__version__},
    )


def _tokenizer(ids: dict[str, int], merges: list[tuple[str, str]]) -> Tokenizer:
    cls, sep = _SPECIAL["cls_token"], _SPECIAL["sep_token"]
    tokenizer = Tokenizer(models.BPE(ids, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    around = processors.TemplateProcessing(
        single=f"{cls}:0 $A:0 {sep}:0",
        pair=f"{cls}:0 $A:0 {sep}:0 $B:1 {sep}:1",
        special_tokens=[(piece, ids[piece]) for piece in (cls, sep)],
    )
    # Offsets are those of the word, without the blank before it.
    tokenizer.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=True), around])
    return tokenizer
