"""Small tokenizers in the files of published models that split words by their blanks, trained on a few sentences."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

SENTENCES = [
    "Anna sees Oslo , don't you ?",
    "Boris doesn't like the café ( in 1984 ) .",
    "the cairo of Carla , the lima of Dmitri : 7% more .",
    "Μαρία likes the 東京 of 12345 years ago .",
]
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
NAMES = {"bos_token": "<s>", "cls_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "sep_token": "</s>"}
NAMES |= {"unk_token": "<unk>", "mask_token": "<mask>"}
# Llama 3's and Qwen's, but for the number of digits.
EXPRESSION = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"
    r"\s+(?!\S)|\s+"
)


def write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")


def bytes_learnt(pre_tokenizer: Any, special: list[str] = SPECIAL, pieces: int = 360) -> Tokenizer:
    """Return byte-level BPE trained on the sentences."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=pieces,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES * 20, trainer)
    return tokenizer


def in_old_files(model_type: str) -> Callable[[Path], None]:
    """Return a writer of vocab.json and merges.txt, as RoBERTa and GPT-2 were published."""

    def write(folder: Path) -> None:
        bytes_learnt(pre_tokenizers.ByteLevel(add_prefix_space=False)).model.save(str(folder))
        write_json(folder / "config.json", {"model_type": model_type})
        write_json(folder / "tokenizer_config.json", NAMES)

    return write


def in_tokenizer_json(pre_tokenizer: Any, kind: str, model_type: str) -> Callable[[Path], None]:
    """Return a writer of tokenizer.json with the class that its tokenizer_config.json names."""

    def write(folder: Path) -> None:
        tokenizer = bytes_learnt(pre_tokenizer)
        tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True, special=True)])
        tokenizer.save(str(folder / "tokenizer.json"))
        write_json(folder / "config.json", {"model_type": model_type})
        write_json(folder / "tokenizer_config.json", NAMES | {"tokenizer_class": kind})

    return write


def from_sentencepiece(
    name: str, family: str, config: dict[str, Any] | None = None, **options: Any
) -> Callable[[Path], None]:
    """Return a writer of a SentencePiece model."""

    def write(folder: Path) -> None:
        written = io.BytesIO()
        usual = {"model_type": "unigram", "vocab_size": 420, "hard_vocab_limit": False, "num_threads": 1}
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(SENTENCES * 20), model_writer=written, minloglevel=2, **(usual | options)
        )
        (folder / name).write_bytes(written.getvalue())
        write_json(folder / "config.json", {"model_type": family})
        write_json(folder / "tokenizer_config.json", config or {})

    return write


def wordpiece(folder: Path) -> None:
    """Write BERT's vocab.txt."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(vocab_size=200, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(SENTENCES * 20, trainer)
    pieces = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    (folder / "vocab.txt").write_text("".join(f"{piece}\n" for piece, _ in pieces), encoding="utf-8")
    write_json(folder / "tokenizer_config.json", {"do_lower_case": False})
    write_json(folder / "config.json", {"model_type": "bert"})


BYTES = pre_tokenizers.ByteLevel(add_prefix_space=False)
SPLIT = pre_tokenizers.Sequence(
    [
        pre_tokenizers.Split(Regex(EXPRESSION), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ]
)
DIGITS = pre_tokenizers.Sequence(
    [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
)
GENERIC = "PreTrainedTokenizerFast"
GEMMA = {"model_type": "bpe", "byte_fallback": True, "add_dummy_prefix": False, "remove_extra_whitespaces": False}
GEMMA |= {"normalization_rule_name": "identity", "pad_id": 0, "eos_id": 1, "bos_id": 2, "unk_id": 3}
DEBERTA = {"pad_id": 0, "bos_id": 1, "eos_id": 2, "unk_id": 3}
DEBERTA |= {"pad_piece": "[PAD]", "bos_piece": "[CLS]", "eos_piece": "[SEP]", "unk_piece": "[UNK]"}
# LlamaTokenizer has no padding piece of its own.
LLAMA = {"tokenizer_class": "LlamaTokenizer", "pad_token": "<unk>"}


def gemma_of_no_class(folder: Path) -> None:
    """Write Gemma's tokenizer in a folder without a class, as mmBERT has it."""
    from transformers import AutoTokenizer

    from_sentencepiece("tokenizer.model", "gemma", {"tokenizer_class": "GemmaTokenizer"}, **GEMMA)(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    (folder / "tokenizer.model").unlink()
    tokenizer.save_pretrained(folder)
    path = folder / "tokenizer_config.json"
    write_json(path, json.loads(path.read_text()) | {"tokenizer_class": GENERIC})
    write_json(folder / "config.json", {"model_type": "modernbert"})


WITHOUT_BLANKS: dict[str, Callable[[Path], None]] = {
    "RoBERTa": in_old_files("roberta"),
    "GPT-2": in_old_files("gpt2"),
    "ModernBERT": in_tokenizer_json(BYTES, GENERIC, "modernbert"),
    "DeBERTa": in_tokenizer_json(BYTES, "DebertaTokenizer", "deberta"),
    "Llama 3": in_tokenizer_json(SPLIT, GENERIC, "llama"),
    "Qwen": in_tokenizer_json(SPLIT, "Qwen2Tokenizer", "qwen2"),
    "digit by digit": in_tokenizer_json(DIGITS, GENERIC, "modernbert"),
    "Gemma": from_sentencepiece("tokenizer.model", "gemma", {"tokenizer_class": "GemmaTokenizer"}, **GEMMA),
    "mmBERT": gemma_of_no_class,
}
"""Published layouts whose words lose their blanks when they are given one by one."""

WITH_BLANKS: dict[str, Callable[[Path], None]] = {
    "BERT": wordpiece,
    "XLM-R": from_sentencepiece("sentencepiece.bpe.model", "xlm-roberta"),
    "DeBERTa-v3": from_sentencepiece("spm.model", "deberta-v2", {"do_lower_case": False}, **DEBERTA),
    "Llama 2": from_sentencepiece("tokenizer.model", "llama", LLAMA, model_type="bpe", byte_fallback=True),
    "smelt's BPE": in_tokenizer_json(pre_tokenizers.ByteLevel(add_prefix_space=True), GENERIC, "bert"),
}
"""Those that cut words given one by one as they cut them in running text."""
