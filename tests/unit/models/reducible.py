"""Small models of every layout with tokenizers of invented words, to reduce."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from transformers import (
    AlbertConfig,
    AlbertForPreTraining,
    BartConfig,
    BartForConditionalGeneration,
    BertConfig,
    BertForMaskedLM,
    BertForPreTraining,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
    CamembertConfig,
    CamembertForMaskedLM,
    DebertaV2Config,
    DebertaV2ForMaskedLM,
    DistilBertConfig,
    DistilBertForMaskedLM,
    MBartConfig,
    MBartForConditionalGeneration,
    MT5Config,
    MT5ForConditionalGeneration,
    PreTrainedModel,
    RobertaConfig,
    RobertaForMaskedLM,
    T5Config,
    T5ForConditionalGeneration,
    XLMRobertaConfig,
    XLMRobertaForMaskedLM,
    pipeline,
)

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ONSETS = {"qaa": "ptkmnl", "qab": "bdgrsz"}
SHAPE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
SMALL = SHAPE | {"max_position_embeddings": 64, "initializer_range": 0.5}

Make = Callable[[int], PreTrainedModel]


def syllables(language: str) -> list[str]:
    """Return the syllables that a language's words are made of; two languages share none."""
    return [onset + vowel for onset in ONSETS[language] for vowel in "aeiou"]


def pieces_of_words() -> list[str]:
    """Return a WordPiece vocabulary in which both languages' syllables begin and go on with words, one after the other.

    Letters follow, so that no word of either is unknown.
    """
    both = zip(syllables("qaa"), syllables("qab"), strict=True)
    mixed = [syllable for pair in both for syllable in pair]
    letters = sorted({letter for syllable in mixed for letter in syllable})
    words = [part for syllable in mixed for part in (syllable, f"##{syllable}")]
    return [*SPECIAL, *words, *letters, *(f"##{letter}" for letter in letters), "."]


PIECES = pieces_of_words()


def sentence(language: str, generator: random.Random) -> str:
    """Return a line of words of up to four syllables."""
    known = syllables(language)
    words = ["".join(generator.choices(known, k=generator.randint(1, 4))) for _ in range(generator.randint(3, 9))]
    return " ".join(words) + (" ." if generator.random() < 0.9 else "")


def write_texts(folder: Path, lines: int = 60, mixed: int = 0) -> dict[str, Path]:
    """Write documents.parquet of both languages, every third document held out.

    mixed: the number of held-out lines that end in a word of the other language.
    """
    written = {}
    for language, other in (("qaa", "qab"), ("qab", "qaa")):
        generator = random.Random(f"{language} 1")
        texts = [sentence(language, generator) for _ in range(lines)]
        for number in range(0, 3 * mixed, 3):
            texts[number] += " " + sentence(other, generator)
        path = folder / language / "documents.parquet"
        path.parent.mkdir(parents=True)
        names = [str(number) for number in range(lines)]
        held_out = [number % 3 == 0 for number in range(lines)]
        pq.write_table(pa.table({"id": names, "title": names, "text": texts, "held_out": held_out}), path)
        written[language] = path
    return written


def write_wordpiece(folder: Path, pieces: list[str] = PIECES) -> None:
    """Write a BERT tokenizer as old checkpoints have it: vocab.txt and its configuration."""
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    kind = {"tokenizer_class": "BertTokenizer", "do_lower_case": False, "model_max_length": 64}
    (folder / "tokenizer_config.json").write_text(json.dumps(kind))


def bert_like(kind: type[PreTrainedModel], configuration: Any = BertConfig, **settings: Any) -> Make:
    """Return a maker of a model with this head, of as many rows as it is called with."""
    return lambda rows: kind(configuration(vocab_size=rows, **(SMALL | settings)))


def distilbert(rows: int) -> PreTrainedModel:
    """Return a DistilBERT, whose configuration has names of its own."""
    shape = {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 48, "max_position_embeddings": 64}
    return DistilBertForMaskedLM(DistilBertConfig(vocab_size=rows, initializer_range=0.5, **shape))


def of_roberta(kind: type[PreTrainedModel], configuration: Any) -> Make:
    """Return a maker of a model whose positions are counted from the id of padding."""
    return bert_like(kind, configuration, pad_token_id=0, bos_token_id=2, eos_token_id=3, type_vocab_size=1)


def deberta(legacy: bool) -> Make:
    """Return a maker of a DeBERTa with the head that transformers once gave it, or its own."""
    relative = {"relative_attention": True, "position_buckets": 16, "pos_att_type": ["p2c", "c2p"]}
    return bert_like(DebertaV2ForMaskedLM, DebertaV2Config, legacy=legacy, type_vocab_size=0, **relative)


def with_decoder(kind: type[PreTrainedModel], configuration: Any) -> Make:
    """Return a maker of an encoder with a decoder, as BART and mBART are."""
    sides = {"layers": 2, "attention_heads": 4, "ffn_dim": 48}
    shape = {f"{side}_{key}": value for side in ("encoder", "decoder") for key, value in sides.items()}
    shape |= {"d_model": 32, "max_position_embeddings": 64, "init_std": 0.5}
    ids = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3, "decoder_start_token_id": 3}
    return lambda rows: kind(configuration(vocab_size=rows, forced_eos_token_id=3, **shape, **ids))


def mt5(rows: int) -> PreTrainedModel:
    """Return an mT5, whose tables for input and output are two."""
    shape = {"d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4, "eos_token_id": 3}
    return MT5ForConditionalGeneration(MT5Config(vocab_size=rows, tie_word_embeddings=False, **shape))


def t5(rows: int) -> PreTrainedModel:
    """Return a T5, whose one table is scaled where it predicts."""
    shape = {"d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4, "eos_token_id": 3}
    return T5ForConditionalGeneration(T5Config(vocab_size=rows, tie_word_embeddings=True, **shape))


MODELS: dict[str, Make] = {
    "bert-masked": bert_like(BertForMaskedLM),
    "bert-untied": bert_like(BertForMaskedLM, tie_word_embeddings=False),
    "bert-pretraining": bert_like(BertForPreTraining),
    "bert-encoder": bert_like(BertModel),
    "bert-sequence": bert_like(BertForSequenceClassification, num_labels=3),
    "bert-tokens": bert_like(BertForTokenClassification, num_labels=5),
    "bert-answers": bert_like(BertForQuestionAnswering),
    "distilbert": distilbert,
    "albert": bert_like(AlbertForPreTraining, AlbertConfig, embedding_size=16, bos_token_id=2, eos_token_id=3),
    "roberta": of_roberta(RobertaForMaskedLM, RobertaConfig),
    "xlm-roberta": of_roberta(XLMRobertaForMaskedLM, XLMRobertaConfig),
    "camembert": of_roberta(CamembertForMaskedLM, CamembertConfig),
    "deberta-v3": deberta(legacy=True),
    "deberta-v3-own-head": deberta(legacy=False),
    "mt5": mt5,
    "t5": t5,
    "mbart": with_decoder(MBartForConditionalGeneration, MBartConfig),
    "bart": with_decoder(BartForConditionalGeneration, BartConfig),
}


def write_model(folder: Path, make: Make = MODELS["bert-masked"], rows: int = len(PIECES), **how: Any) -> Path:
    """Write a model with random weights and biases, and its tokenizer."""
    torch.manual_seed(3)
    model = make(rows)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.normal_()
    model.save_pretrained(folder, **how)
    write_wordpiece(folder)
    return folder


def spoil_for_pipelines(source: Path) -> None:
    """Rewrite a model's tokenizer as earlier versions of smelt wrote it: masks are text, and no text is too long."""
    path = source / "tokenizer_config.json"
    settings = json.loads(path.read_text())
    settings.pop("model_max_length", None)
    path.write_text(json.dumps(settings | {"split_special_tokens": True}))


def check_pipelines(folder: Path, text: str, max_length: int) -> None:
    """Check that a model fills a mask, and that a text longer than it reads is cut where that is asked for."""
    fill = pipeline("fill-mask", model=str(folder))
    assert fill.tokenizer.model_max_length == max_length
    prompt = f"{text} {fill.tokenizer.mask_token}"
    assert len(fill(prompt, top_k=2)) == 2
    assert len(fill(prompt + f" {text}" * max_length, top_k=2, tokenizer_kwargs={"truncation": True})) == 2
