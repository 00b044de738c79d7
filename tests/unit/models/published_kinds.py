"""Small models of the kinds that people reduce today, in their publishers' layouts, with random weights."""

import json
import random
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from reducible import MODELS, SHAPE, sentence, write_model
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense, Normalize, Pooling, Transformer
from tests.unit.models.vocabulary.tokenizer_layouts import xlm_roberta
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    AutoTokenizer,
    CLIPTextConfig,
    CLIPTextModel,
    EuroBertConfig,
    EuroBertForMaskedLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    Gemma3TextModel,
    LlamaConfig,
    LlamaForCausalLM,
    ModernBertConfig,
    ModernBertForMaskedLM,
    PreTrainedModel,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3Model,
    XLMRobertaConfig,
    XLMRobertaModel,
)

POSITIONS = {"max_position_embeddings": 64}
DECODER = SHAPE | POSITIONS | {"num_key_value_heads": 2, "head_dim": 8}
# How Llama 3 and Qwen cut texts: contractions, letters with a mark before them, up to three digits, marks, blanks.
WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
WORDS += r"|\s*[\r\n]+|\s+(?!\S)|\s+"
PROMPTS = {"query": "task: bada | query: ", "document": "title: none | text: "}


def lines() -> list[str]:
    """Return lines of both languages, to train on."""
    generator = random.Random(1)
    return [sentence(language, generator) for _ in range(400) for language in ("qaa", "qab")]


def settings(folder: Path, kind: str, names: dict[str, str], **more: Any) -> None:
    """Write tokenizer_config.json."""
    tokens = {f"{name}_token": token for name, token in names.items()}
    written = {"tokenizer_class": kind, "model_max_length": 64, **tokens, **more}
    (folder / "tokenizer_config.json").write_text(json.dumps(written))


def gemma_tokenizer(folder: Path) -> int:
    """Write a BPE of characters with byte fallback, as Gemma and mmBERT have it; return the number of its pieces."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "<start_of_turn>", "<end_of_turn>"]
    single_bytes = [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=500, special_tokens=[*special, *single_bytes], show_progress=False)
    tokenizer.train_from_iterator(lines(), trainer)
    tree = json.loads(tokenizer.to_str())
    tree["added_tokens"] = [token for token in tree["added_tokens"] if token["content"] in special]
    tokenizer = Tokenizer.from_str(json.dumps(tree))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A <eos>", pair="<bos> $A <eos> <bos> $B <eos>", special_tokens=[("<bos>", 2), ("<eos>", 1)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {name: f"<{name}>" for name in ("pad", "eos", "bos", "unk", "mask")}
    settings(folder, "GemmaTokenizer", names, add_bos_token=True, add_eos_token=True)
    return tokenizer.get_vocab_size()


def byte_tokenizer(folder: Path, kind: str, names: dict[str, str], special: Sequence[str], regex: str = "") -> int:
    """Write a BPE of bytes with special tokens at the end; return the number of its pieces."""
    tokenizer = Tokenizer(models.BPE())
    parts = [pre_tokenizers.Split(Regex(regex), "isolated")] if regex else []
    parts.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=not regex))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(parts)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=420, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(lines(), trainer)
    tokenizer.add_special_tokens(list(special))
    tokenizer.save(str(folder / "tokenizer.json"))
    settings(folder, kind, names)
    return tokenizer.get_vocab_size()


def mmbert(folder: Path) -> PreTrainedModel:
    """ModernBERT's layers with Gemma's tokenizer."""
    pieces = gemma_tokenizer(folder)
    ids = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 1, "cls_token_id": 1, "sep_token_id": 1}
    return ModernBertForMaskedLM(ModernBertConfig(vocab_size=pieces, **SHAPE, **POSITIONS, **ids))


def modernbert(folder: Path) -> PreTrainedModel:
    """ModernBERT, whose table is longer than its tokenizer."""
    special = ("<|endoftext|>", "[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]")
    names = {token.strip("[]").lower(): token for token in special[1:]}
    pieces = byte_tokenizer(folder, "PreTrainedTokenizerFast", names, special)
    first = pieces - len(special)
    ids = {"pad_token_id": first + 4, "bos_token_id": first + 2, "cls_token_id": first + 2}
    ids |= {"eos_token_id": first + 3, "sep_token_id": first + 3}
    return ModernBertForMaskedLM(ModernBertConfig(vocab_size=pieces + 20, **SHAPE, **POSITIONS, **ids))


def eurobert(folder: Path) -> PreTrainedModel:
    """EuroBERT, with Llama 3's tokenizer."""
    special = ("<|begin_of_text|>", "<|end_of_text|>", "<|mask|>", "<|pad|>")
    names = dict(zip(("bos", "eos", "mask", "pad"), special, strict=True))
    pieces = byte_tokenizer(folder, "PreTrainedTokenizerFast", names, special, WORDS)
    ids = {f"{name}_token_id": pieces - 4 + place for place, name in enumerate(("bos", "eos", "mask", "pad"))}
    return EuroBertForMaskedLM(EuroBertConfig(vocab_size=pieces, **DECODER, **ids))


def gemma(kind: type[PreTrainedModel], folder: Path, **more: Any) -> PreTrainedModel:
    """Gemma 3, whose embeddings are scaled."""
    ids = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 1}
    return kind(Gemma3TextConfig(vocab_size=gemma_tokenizer(folder), **DECODER, **ids, **more))


def qwen(kind: type[PreTrainedModel], folder: Path, tied: bool = True) -> PreTrainedModel:
    """Qwen 3."""
    special = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
    pieces = byte_tokenizer(folder, "Qwen2Tokenizer", {"eos": special[2], "pad": special[0]}, special, WORDS)
    ids = {"pad_token_id": pieces - 3, "bos_token_id": pieces - 3, "eos_token_id": pieces - 1}
    return kind(Qwen3Config(vocab_size=pieces + 10, **DECODER, **ids, tie_word_embeddings=tied))


def llama(folder: Path) -> PreTrainedModel:
    """A decoder whose head is a table of its own."""
    ids = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 1}
    return LlamaForCausalLM(LlamaConfig(vocab_size=gemma_tokenizer(folder), **DECODER, **ids))


def clip_text(folder: Path) -> PreTrainedModel:
    """CLIP's text tower, whose pieces mark the ends of words."""
    tokenizer = Tokenizer(models.BPE(unk_token="<|endoftext|>", end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    regex = Regex(r"'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+")
    words = pre_tokenizers.Split(regex, "removed", invert=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([words, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=600, initial_alphabet=alphabet, end_of_word_suffix="</w>", show_progress=False
    )
    tokenizer.train_from_iterator(lines(), trainer)
    tokenizer.add_special_tokens(["<|startoftext|>", "<|endoftext|>"])
    pieces = tokenizer.get_vocab_size()
    ends = ("<|endoftext|>", pieces - 1), ("<|startoftext|>", pieces - 2)
    tokenizer.post_processor = processors.RobertaProcessing(*ends, trim_offsets=False, add_prefix_space=False)
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {"bos": "<|startoftext|>", **dict.fromkeys(("eos", "unk", "pad"), "<|endoftext|>")}
    settings(folder, "CLIPTokenizer", names)
    ids = {"pad_token_id": pieces - 1, "bos_token_id": pieces - 2, "eos_token_id": pieces - 1}
    return CLIPTextModel(CLIPTextConfig(vocab_size=pieces, **SHAPE, **POSITIONS, **ids))


KINDS: dict[str, Callable[[Path], PreTrainedModel]] = {
    "mmbert": mmbert,
    "modernbert": modernbert,
    "eurobert": eurobert,
    "embeddinggemma": partial(gemma, Gemma3TextModel, use_bidirectional_attention=True, sliding_window=16),
    "gemma": partial(gemma, Gemma3ForCausalLM),
    "qwen-embedding": partial(qwen, Qwen3Model),
    "qwen": partial(qwen, Qwen3ForCausalLM),
    "qwen-untied": partial(qwen, Qwen3ForCausalLM, tied=False),
    "llama": llama,
    "clip-text": clip_text,
}

# Of models that embed sentences: the encoder, how its states become one, dense layers after that, prompts.
EMBEDDERS: dict[str, tuple[str, str, int, dict[str, str]]] = {
    "labse": ("bert-encoder", "cls", 1, {}),
    "minilm": ("bert-encoder", "mean", 0, {}),
    "e5": ("e5", "mean", 0, {"query": "query: ", "passage": "passage: "}),
    "bge-m3": ("e5", "cls", 0, {}),
    "embeddinggemma": ("embeddinggemma", "mean", 2, PROMPTS),
    "qwen-embedding": ("qwen-embedding", "lasttoken", 0, {"query": "Instruct: pata\nQuery:", "document": ""}),
}


def write_kind(name: str, folder: Path) -> Path:
    """Write a model of a kind."""
    folder.mkdir()
    torch.manual_seed(5)
    KINDS[name](folder).save_pretrained(folder)
    return folder


def write_xlmr(folder: Path) -> None:
    """Write XLM-R's encoder with SentencePiece's Unigram."""
    folder.mkdir()
    xlm_roberta(folder)
    pieces = len(AutoTokenizer.from_pretrained(folder))
    ids = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
    configuration = XLMRobertaConfig(vocab_size=pieces, type_vocab_size=1, **SHAPE, **POSITIONS, **ids)
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
