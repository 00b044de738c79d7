"""Small models of the kinds that people reduce today, trained on invented lines; those that embed sentences, too."""

import random
from pathlib import Path

import bench.published_kinds
import torch
from bench.published_kinds import Scale
from bench.tokenizer_layouts import xlm_roberta
from reducible import MODELS, SHAPE, sentence, write_model
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense, Normalize, Pooling, Transformer
from transformers import AutoTokenizer, XLMRobertaConfig, XLMRobertaModel

PROMPTS = {"query": "task: bada | query: ", "document": "title: none | text: "}
# Of models that embed sentences: the encoder, how its states become one, dense layers after that, prompts.
EMBEDDERS: dict[str, tuple[str, str, int, dict[str, str]]] = {
    "labse": ("bert-encoder", "cls", 1, {}),
    "minilm": ("bert-encoder", "mean", 0, {}),
    "e5": ("e5", "mean", 0, {"query": "query: ", "passage": "passage: "}),
    "bge-m3": ("e5", "cls", 0, {}),
    "embeddinggemma": ("embeddinggemma", "mean", 2, PROMPTS),
    "qwen-embedding": ("qwen-embedding", "lasttoken", 0, {"query": "Instruct: pata\nQuery:", "document": ""}),
}


def lines() -> list[str]:
    """Return lines of both languages, to train on."""
    generator = random.Random(1)
    return [sentence(language, generator) for _ in range(400) for language in ("qaa", "qab")]


def write_kind(name: str, folder: Path) -> Path:
    """Write a small model of a kind."""
    return bench.published_kinds.write_kind(name, folder, Scale(lines(), 200, SHAPE))


def write_xlmr(folder: Path) -> None:
    """Write XLM-R's encoder with SentencePiece's Unigram."""
    folder.mkdir()
    xlm_roberta(folder)
    pieces = len(AutoTokenizer.from_pretrained(folder))
    ids = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
    configuration = XLMRobertaConfig(vocab_size=pieces, type_vocab_size=1, max_position_embeddings=64, **SHAPE, **ids)
    XLMRobertaModel(configuration).save_pretrained(folder)


def write_embedder(name: str, folder: Path) -> Path:
    """Write a model that embeds sentences, as sentence-transformers saves it."""
    encoder, pooling, layers, prompts = EMBEDDERS[name]
    source = folder.with_name(f"{name}-encoder")
    if encoder == "e5":
        write_xlmr(source)
    elif encoder in MODELS:
        write_model(source, MODELS[encoder])
    else:
        write_kind(encoder, source)
    torch.manual_seed(6)
    dense = [Dense(32, 48), Dense(48, 32)] if layers == 2 else [Dense(32, 32)] * layers
    modules = [Transformer(str(source), max_seq_length=40), Pooling(32, pooling), *dense, Normalize()]
    SentenceTransformer(modules=modules, prompts=prompts).save(str(folder))
    return folder
