"""Tiny trained tokenizers in the files that published models have: BERT's, ALBERT's, RoBERTa's, XLM-R's and others'."""

import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sentencepiece
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

SYLLABLES = "ka le mi no tu ré sä ñu во да से 中 文 ن س gra stu plo".split()  # noqa: SIM905
BERT_SPECIAL = ["[PAD]", *(f"[unused{number}]" for number in range(1, 100)), "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ROBERTA_SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]


def sentences(seed: int = 7, lines: int = 300) -> list[str]:
    """Return lines of invented words of several scripts, common and rare ones, with numbers and punctuation."""
    drawn = random.Random(seed)
    words = ["".join(drawn.choices(SYLLABLES, k=drawn.randint(1, 4))) for _ in range(120)]
    weights = [1 / rank for rank in range(1, len(words) + 1)]
    text = []
    for _ in range(lines):
        line = drawn.choices(words, weights, k=drawn.randint(2, 9))
        line.insert(drawn.randint(0, len(line)), drawn.choice(["1984,", "(x)", "No.", "--", "Ka", "12,5"]))
        text.append(" ".join(line))
    return text


def sentencepiece_model(
    kind: str = "unigram", pieces: int = 220, lines: list[str] | None = None, **options: Any
) -> bytes:
    """Return a SentencePiece model trained on lines, the sentences where there are none, as its file's bytes."""
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines or sentences()),
        model_writer=written,
        model_type=kind,
        vocab_size=pieces,
        hard_vocab_limit=False,
        num_threads=1,
        minloglevel=2,
        **options,
    )
    return written.getvalue()


def write_json(path: Path, value: Any) -> None:
    """Write a value in one line, as publishers do."""
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")


def bert(folder: Path, model_type: str = "bert", lines: list[str] | None = None, pieces: int = 330) -> None:
    """Write BERT and DistilBERT as first published: vocab.txt."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=pieces, special_tokens=BERT_SPECIAL, show_progress=False)
    tokenizer.train_from_iterator(lines or sentences(), trainer)
    learnt = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    (folder / "vocab.txt").write_text("".join(f"{piece}\n" for piece, _ in learnt), encoding="utf-8")
    write_json(folder / "tokenizer_config.json", {"do_lower_case": False, "model_max_length": 512})
    write_json(folder / "config.json", {"model_type": model_type, "vocab_size": len(learnt)})


def distilbert(folder: Path) -> None:
    """Write DistilBERT's, which is BERT's."""
    bert(folder, "distilbert")


def bert_with_tokenizer_json(folder: Path) -> None:
    """Write BERT as published later: vocab.txt and a tokenizer.json of the time, whose model has no type."""
    bert(folder)
    pieces = (folder / "vocab.txt").read_text(encoding="utf-8").splitlines()
    special = [pieces.index(name) for name in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")]
    tree = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": number, "special": True, "content": pieces[number]}
            | {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
            for number in special
        ],
        "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True}
        | {"strip_accents": None, "lowercase": False},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [_special("[CLS]"), _text("A"), _special("[SEP]")],
            "pair": [_special("[CLS]"), _text("A"), _special("[SEP]"), _text("B", 1), _special("[SEP]", 1)],
            "special_tokens": {
                name: {"id": name, "ids": [pieces.index(name)], "tokens": [name]} for name in ("[CLS]", "[SEP]")
            },
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": {piece: number for number, piece in enumerate(pieces)},
        },
    }
    write_json(folder / "tokenizer.json", tree)


def albert(folder: Path) -> None:
    """Write ALBERT as published: spiece.model with its special pieces inside."""
    options = {"pad_id": 0, "unk_id": 1, "bos_id": -1, "eos_id": -1, "pad_piece": "<pad>"}
    model = sentencepiece_model(**options, control_symbols=["[CLS]", "[SEP]"], user_defined_symbols=["[MASK]"])
    (folder / "spiece.model").write_bytes(model)
    write_json(folder / "config.json", {"model_type": "albert"})


def xlm_roberta(folder: Path, lines: list[str] | None = None, pieces: int = 220) -> None:
    """Write XLM-R as first published: sentencepiece.bpe.model, whose ids are one below the model's."""
    (folder / "sentencepiece.bpe.model").write_bytes(sentencepiece_model(pieces=pieces, lines=lines))
    write_json(folder / "config.json", {"model_type": "xlm-roberta"})


def camembert(folder: Path) -> None:
    """Write CamemBERT as first published: sentencepiece.bpe.model, whose ids are four below the model's."""
    (folder / "sentencepiece.bpe.model").write_bytes(sentencepiece_model())
    write_json(folder / "config.json", {"model_type": "camembert"})


def mt5(folder: Path, lines: list[str] | None = None, pieces: int = 470) -> None:
    """Write mT5: spiece.model with byte pieces, and a hundred tokens added at the end."""
    options = {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1}
    model = sentencepiece_model(pieces=pieces, lines=lines, byte_fallback=True, **options)
    (folder / "spiece.model").write_bytes(model)
    write_json(folder / "config.json", {"model_type": "mt5"})
    write_json(folder / "tokenizer_config.json", {"tokenizer_class": "T5Tokenizer", "extra_ids": 100})


def deberta(folder: Path, lines: list[str] | None = None, pieces: int = 220) -> None:
    """Write DeBERTa version 3: spm.model, whose mask is an added token."""
    options = {"pad_id": 0, "bos_id": 1, "eos_id": 2, "unk_id": 3}
    names = {"pad_piece": "[PAD]", "bos_piece": "[CLS]", "eos_piece": "[SEP]", "unk_piece": "[UNK]"}
    (folder / "spm.model").write_bytes(sentencepiece_model(pieces=pieces, lines=lines, **options, **names))
    write_json(folder / "config.json", {"model_type": "deberta-v2"})
    write_json(folder / "tokenizer_config.json", {"do_lower_case": False, "vocab_type": "spm"})


def roberta(folder: Path, lines: list[str] | None = None) -> None:
    """Write RoBERTa as first published: vocab.json and merges.txt, with pieces that no text has."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        special_tokens=ROBERTA_SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(lines or sentences(), trainer)
    tokenizer.model.save(str(folder))
    vocabulary = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    for piece in ("madeupword0000", "madeupword0001", "<mask>"):
        vocabulary[piece] = len(vocabulary)
    write_json(folder / "vocab.json", vocabulary)
    write_json(folder / "config.json", {"model_type": "roberta"})


def llama(folder: Path, lines: list[str] | None = None) -> None:
    """Write a SentencePiece BPE with byte fallback, and its protobuf, as Llama has them."""
    (folder / "tokenizer.model").write_bytes(sentencepiece_model("bpe", 470, lines, byte_fallback=True))
    write_json(folder / "config.json", {"model_type": "llama"})
    write_json(folder / "tokenizer_config.json", {"tokenizer_class": "LlamaTokenizer", "add_eos_token": False})


def merged_characters(folder: Path) -> None:
    """Write a BPE of characters that marks continuations and has an unknown token, as tokenizer.json alone."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", continuing_subword_prefix="##", fuse_unk=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.decoder = decoders.WordPiece(prefix="##")
    special = ["<s>", "</s>", "<unk>", "<pad>"]
    trainer = trainers.BpeTrainer(
        vocab_size=260, special_tokens=special, continuing_subword_prefix="##", show_progress=False
    )
    tokenizer.train_from_iterator(sentences(), trainer)
    tokenizer.add_tokens([AddedToken("tweet", single_word=True), AddedToken("ka", lstrip=True)])
    tokenizer.add_special_tokens(["<turn>"])
    tokenizer.post_processor = processors.Sequence(
        [processors.RobertaProcessing(("</s>", 1), ("<s>", 0)), processors.ByteLevel(trim_offsets=False)]
    )
    tokenizer.enable_padding(pad_id=3, pad_token="<pad>")
    tokenizer.enable_truncation(12)
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    write_json(folder / "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast", **names})


def saved_again(write: Callable[[Path], None]) -> Callable[[Path], None]:
    """Return a layout as transformers saves it today, beside the first files, with tokens that a user added."""

    def both(folder: Path) -> None:
        from transformers import AutoTokenizer

        write(folder)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        tokenizer.add_tokens(["newword", AddedToken("[ENT]", special=True)])
        tokenizer.save_pretrained(folder)

    both.__name__ = f"{write.__name__}_saved_again"
    return both


def _special(name: str, segment: int = 0) -> dict[str, Any]:
    return {"SpecialToken": {"id": name, "type_id": segment}}


def _text(name: str, segment: int = 0) -> dict[str, Any]:
    return {"Sequence": {"id": name, "type_id": segment}}


FIRST = [bert, distilbert, albert, xlm_roberta, camembert, mt5, deberta, roberta, llama]
LAYOUTS: list[Callable[[Path], None]] = [
    *FIRST,
    bert_with_tokenizer_json,
    merged_characters,
    *(saved_again(write) for write in FIRST),
]
