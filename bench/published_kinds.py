"""Small models of the kinds that people reduce today, in their publishers' layouts, with random weights.

Tests and benchmarks make them, on lines and in sizes of their own.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
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
)

# How Llama 3 and Qwen cut texts: contractions, letters with a mark before them, up to three digits, marks, blanks.
WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
WORDS += r"|\s*[\r\n]+|\s+(?!\S)|\s+"


@dataclass(frozen=True)
class Scale:
    """How large the models are, and what their tokenizers are trained on."""

    lines: Sequence[str]
    merges: int
    """Pieces of a byte-pair encoding, beyond its alphabet."""
    shape: Mapping[str, int]
    """Keys of a configuration: its width, layers and heads."""
    positions: int = 64

    @property
    def encoder(self) -> dict[str, Any]:
        """The keys of most configurations."""
        return {**self.shape, "max_position_embeddings": self.positions}

    @property
    def decoder(self) -> dict[str, Any]:
        """Those of decoders, whose heads share keys and values in pairs."""
        heads = self.shape["num_attention_heads"]
        return self.encoder | {"num_key_value_heads": heads // 2, "head_dim": self.shape["hidden_size"] // heads}


def settings(folder: Path, scale: Scale, kind: str, names: dict[str, str], **more: Any) -> None:
    """Write tokenizer_config.json."""
    tokens = {f"{name}_token": token for name, token in names.items()}
    written = {"tokenizer_class": kind, "model_max_length": scale.positions, **tokens, **more}
    (folder / "tokenizer_config.json").write_text(json.dumps(written))


def gemma_tokenizer(folder: Path, scale: Scale) -> int:
    """Write a BPE of characters with byte fallback, as Gemma and mmBERT have it; return the number of its pieces."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "<start_of_turn>", "<end_of_turn>"]
    single_bytes = [f"<0x{byte:02X}>" for byte in range(256)]
    pieces = len(special) + 256 + scale.merges
    trainer = trainers.BpeTrainer(vocab_size=pieces, special_tokens=[*special, *single_bytes], show_progress=False)
    tokenizer.train_from_iterator(scale.lines, trainer)
    tree = json.loads(tokenizer.to_str())
    tree["added_tokens"] = [token for token in tree["added_tokens"] if token["content"] in special]
    tokenizer = Tokenizer.from_str(json.dumps(tree))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A <eos>", pair="<bos> $A <eos> <bos> $B <eos>", special_tokens=[("<bos>", 2), ("<eos>", 1)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {name: f"<{name}>" for name in ("pad", "eos", "bos", "unk", "mask")}
    settings(folder, scale, "GemmaTokenizer", names, add_bos_token=True, add_eos_token=True)
    return tokenizer.get_vocab_size()


def byte_tokenizer(
    folder: Path, scale: Scale, kind: str, names: dict[str, str], special: Sequence[str], regex: str = ""
) -> int:
    """Write a BPE of bytes with special tokens at the end; return the number of its pieces."""
    tokenizer = Tokenizer(models.BPE())
    parts = [pre_tokenizers.Split(Regex(regex), "isolated")] if regex else []
    parts.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=not regex))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(parts)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=256 + scale.merges, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(scale.lines, trainer)
    tokenizer.add_special_tokens(list(special))
    tokenizer.save(str(folder / "tokenizer.json"))
    settings(folder, scale, kind, names)
    return tokenizer.get_vocab_size()


def mmbert(folder: Path, scale: Scale) -> PreTrainedModel:
    """ModernBERT's layers with Gemma's tokenizer."""
    pieces = gemma_tokenizer(folder, scale)
    ids = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 1, "cls_token_id": 1, "sep_token_id": 1}
    return ModernBertForMaskedLM(ModernBertConfig(vocab_size=pieces, **scale.encoder, **ids))


def modernbert(folder: Path, scale: Scale) -> PreTrainedModel:
    """ModernBERT, whose table is longer than its tokenizer."""
    special = ("<|endoftext|>", "[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]")
    names = {token.strip("[]").lower(): token for token in special[1:]}
    pieces = byte_tokenizer(folder, scale, "PreTrainedTokenizerFast", names, special)
    first = pieces - len(special)
    ids = {"pad_token_id": first + 4, "bos_token_id": first + 2, "cls_token_id": first + 2}
    ids |= {"eos_token_id": first + 3, "sep_token_id": first + 3}
    return ModernBertForMaskedLM(ModernBertConfig(vocab_size=pieces + 20, **scale.encoder, **ids))


def eurobert(folder: Path, scale: Scale) -> PreTrainedModel:
    """EuroBERT, with Llama 3's tokenizer."""
    special = ("<|begin_of_text|>", "<|end_of_text|>", "<|mask|>", "<|pad|>")
    names = dict(zip(("bos", "eos", "mask", "pad"), special, strict=True))
    pieces = byte_tokenizer(folder, scale, "PreTrainedTokenizerFast", names, special, WORDS)
    ids = {f"{name}_token_id": pieces - 4 + place for place, name in enumerate(("bos", "eos", "mask", "pad"))}
    return EuroBertForMaskedLM(EuroBertConfig(vocab_size=pieces, **scale.decoder, **ids))


def gemma(kind: type[PreTrainedModel], folder: Path, scale: Scale, **more: Any) -> PreTrainedModel:
    """Gemma 3, whose embeddings are scaled."""
    ids = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 1}
    return kind(Gemma3TextConfig(vocab_size=gemma_tokenizer(folder, scale), **scale.decoder, **ids, **more))


def qwen(kind: type[PreTrainedModel], folder: Path, scale: Scale, tied: bool = True) -> PreTrainedModel:
    """Qwen 3."""
    special = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
    pieces = byte_tokenizer(folder, scale, "Qwen2Tokenizer", {"eos": special[2], "pad": special[0]}, special, WORDS)
    ids = {"pad_token_id": pieces - 3, "bos_token_id": pieces - 3, "eos_token_id": pieces - 1}
    return kind(Qwen3Config(vocab_size=pieces + 10, **scale.decoder, **ids, tie_word_embeddings=tied))


def llama(folder: Path, scale: Scale) -> PreTrainedModel:
    """A decoder whose head is a table of its own."""
    ids = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 1}
    return LlamaForCausalLM(LlamaConfig(vocab_size=gemma_tokenizer(folder, scale), **scale.decoder, **ids))


def clip_text(folder: Path, scale: Scale) -> PreTrainedModel:
    """CLIP's text tower, whose pieces mark the ends of words."""
    tokenizer = Tokenizer(models.BPE(unk_token="<|endoftext|>", end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    regex = Regex(r"'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+")
    words = pre_tokenizers.Split(regex, "removed", invert=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([words, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=512 + scale.merges, initial_alphabet=alphabet, end_of_word_suffix="</w>", show_progress=False
    )
    tokenizer.train_from_iterator(scale.lines, trainer)
    ends_of_text = ["<|startoftext|>", "<|endoftext|>"]
    tree = json.loads(tokenizer.to_str())
    for token in ends_of_text:  # pieces of the model, too: one stands for what is unknown
        tree["model"]["vocab"][token] = len(tree["model"]["vocab"])
    tokenizer = Tokenizer.from_str(json.dumps(tree))
    tokenizer.add_special_tokens(ends_of_text)
    pieces = tokenizer.get_vocab_size()
    ends = ("<|endoftext|>", pieces - 1), ("<|startoftext|>", pieces - 2)
    tokenizer.post_processor = processors.RobertaProcessing(*ends, trim_offsets=False, add_prefix_space=False)
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {"bos": "<|startoftext|>", **dict.fromkeys(("eos", "unk", "pad"), "<|endoftext|>")}
    settings(folder, scale, "CLIPTokenizer", names)
    ids = {"pad_token_id": pieces - 1, "bos_token_id": pieces - 2, "eos_token_id": pieces - 1}
    return CLIPTextModel(CLIPTextConfig(vocab_size=pieces, **scale.encoder, **ids))


KINDS: dict[str, Callable[[Path, Scale], PreTrainedModel]] = {
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


def write_kind(name: str, folder: Path, scale: Scale) -> Path:
    """Write a model of a kind."""
    folder.mkdir()
    torch.manual_seed(5)
    KINDS[name](folder, scale).save_pretrained(folder)
    return folder
