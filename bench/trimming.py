"""Whole commands that trim a model to the pieces of some texts: `smelt reduce` against trimbed, proofs and checks on.

Two sources: XLM-R base (250,002 pieces of a Unigram tokenizer, to 14,000), and a BERT of MiniLM's shape with LaBSE's
kind of vocabulary (500,000 pieces of WordPiece, to 14,000). Shapes are the published ones; weights are random, and
pieces are the parts of words that the texts use most, then those of invented words. Texts are those of SMELT_DATA in
`LANGUAGES`, or invented ones. trimbed needs Python 3.12 and other versions of libraries: TRIMBED names the Python of an
environment with `trimbed[model,convert]==0.0.4`.

Both have two threads. Speeds are of processor time, all processes of a command together, libraries loaded included.
"""

import functools
import json
import math
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import yaml

from bench.commands import Used, run_command
from bench.measure import Benchmark, Figures, SkippedBenchmark
from bench.prose import write_prose

LANGUAGES = ("en", "de", "es", "fr")
WORDS = 3_000_000  # of invented text: some 18 MB
SIZE = 14_000
THREADS = "2"
XLMR = {
    "vocab_size": 250_002,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "max_position_embeddings": 514,
    "type_vocab_size": 1,
    "pad_token_id": 1,
    "bos_token_id": 0,
    "eos_token_id": 2,
}
MINILM = {
    "vocab_size": 500_000,
    "hidden_size": 384,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 1536,
}
LONGEST = 12  # characters of a piece
USED = 20_000  # pieces that the texts use, of all: a multilingual vocabulary has not many more for four languages
SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")  # which some texts spell out


def trimming(name: str) -> Benchmark | SkippedBenchmark:
    """Commands an hour of processor time; the source's kind stands in the name."""
    peer = os.environ.get("TRIMBED")
    if not peer:
        return SkippedBenchmark(name, "needs TRIMBED: the Python of an environment with trimbed 0.0.4 (Python 3.12)")
    folder = Path(tempfile.mkdtemp(prefix="smelt-bench-"))
    texts = write_texts(folder)
    SOURCES[name.removeprefix("trim-")](folder / "source", texts)
    used: dict[str, list[Used]] = {"ours": [], "peer": []}
    commands = {"ours": _ours(folder, texts), "peer": _peer(folder, texts, peer)}
    return Benchmark(
        name,
        "commands an hour of processor time",
        "trimbed 0.0.4",
        ours=functools.partial(_run, commands["ours"], folder, used["ours"]),
        peer=functools.partial(_run, commands["peer"], folder, used["peer"]),
        runs=3,
        further=lambda _: _further(used),
        rehearse=False,
        close=lambda: shutil.rmtree(folder),
    )


def write_texts(folder: Path) -> dict[str, Path]:
    """Write a text file a language, and return them."""
    given = Path(os.environ.get("SMELT_DATA", ""), "text")
    texts = {language: folder / f"{language}.txt" for language in LANGUAGES}
    for number, path in enumerate(texts.values()):
        if (given / path.name).is_file():
            shutil.copy(given / path.name, path)
            continue
        import pyarrow.parquet as pq

        write_prose(folder / "prose.parquet", WORDS // len(texts), seed=number)
        documents = pq.read_table(folder / "prose.parquet").column("text").to_pylist()
        path.write_text("\n".join(documents) + "\n", encoding="utf-8")
    return texts


def write_xlmr(folder: Path, texts: Mapping[str, Path]) -> None:
    """Write XLM-R base as published: weights, tokenizer.json and SentencePiece's protobuf."""
    from sentencepiece import sentencepiece_model_pb2
    from transformers import XLMRobertaConfig, XLMRobertaForMaskedLM

    from smelt.tokenizers.unigram import fast_tokenizer

    XLMRobertaForMaskedLM(XLMRobertaConfig(**XLMR)).save_pretrained(folder)
    counts = _parts(texts, "▁", "")
    total = sum(counts.values())
    pieces = [(piece, math.log(count / total)) for piece, count in _filled(counts, XLMR["vocab_size"] - 5, "▁", "")]
    proto = sentencepiece_model_pb2.ModelProto()
    proto.trainer_spec.model_type = proto.trainer_spec.UNIGRAM
    proto.normalizer_spec.add_dummy_prefix = True
    kinds = proto.SentencePiece
    first = [("<unk>", 0.0, kinds.UNKNOWN), ("<s>", 0.0, kinds.CONTROL), ("</s>", 0.0, kinds.CONTROL)]
    for piece, score, kind in [*first, *((piece, score, kinds.NORMAL) for piece, score in pieces)]:
        proto.pieces.add(piece=piece, score=score, type=kind)
    (folder / "sentencepiece.bpe.model").write_bytes(proto.SerializeToString())
    special = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    tokenizer = fast_tokenizer([*special, *pieces, ("<mask>", 0.0)])
    tree = json.loads(tokenizer.to_str())
    ids = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "<mask>": XLMR["vocab_size"] - 1}
    tree["model"]["unk_id"] = ids["<unk>"]
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    tree["added_tokens"] = [
        {"id": number, "content": token, **plain, "lstrip": token == "<mask>"} for token, number in ids.items()
    ]
    ends = {token: {"id": token, "ids": [ids[token]], "tokens": [token]} for token in ("<s>", "</s>")}
    tree["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [_special("<s>"), _sequence("A"), _special("</s>")],
        "pair": [_special("<s>"), _sequence("A"), _special("</s>"), _special("</s>"), _sequence("B"), _special("</s>")],
        "special_tokens": ends,
    }
    (folder / "tokenizer.json").write_text(json.dumps(tree, ensure_ascii=False), encoding="utf-8")
    names = {"bos": "<s>", "eos": "</s>", "sep": "</s>", "cls": "<s>", "unk": "<unk>", "pad": "<pad>", "mask": "<mask>"}
    settings = {"tokenizer_class": "XLMRobertaTokenizer", "model_max_length": 512}
    settings |= {f"{name}_token": token for name, token in names.items()}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def write_wordpiece(folder: Path, texts: Mapping[str, Path]) -> None:
    """Write a BERT of MiniLM's shape with LaBSE's kind of vocabulary."""
    from transformers import BertConfig, BertModel, BertTokenizer

    BertModel(BertConfig(**MINILM)).save_pretrained(folder)
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces = [piece for piece, _ in _filled(_parts(texts, "", "##"), MINILM["vocab_size"] - len(special), "", "##")]
    (folder / "vocab.txt").write_text("\n".join([*special, *pieces]) + "\n", encoding="utf-8")
    BertTokenizer(str(folder / "vocab.txt"), do_lower_case=False, model_max_length=512).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join([*special, *pieces]) + "\n", encoding="utf-8")


SOURCES: dict[str, Callable[[Path, Mapping[str, Path]], None]] = {
    "xlmr-14k": write_xlmr,
    "wordpiece-500k": write_wordpiece,
}


def _special(token: str) -> dict[str, object]:
    return {"SpecialToken": {"id": token, "type_id": 0}}


def _sequence(name: str) -> dict[str, object]:
    return {"Sequence": {"id": name, "type_id": 0}}


def _parts(texts: Mapping[str, Path], first: str, further: str) -> Counter[str]:
    """Return how often the texts use each beginning and each end of words, and each character."""
    words: Counter[str] = Counter()
    for path in texts.values():
        words.update(word for word in path.read_text(encoding="utf-8").split() if word not in SPECIAL)
    parts: Counter[str] = Counter()
    for word, count in words.items():
        for length in range(1, min(len(word), LONGEST) + 1):
            parts[first + word[:length]] += count
            parts[further + word[-length:]] += count
        for character in word:
            parts[further + character] += count
    return parts


def _filled(parts: Counter[str], number: int, first: str, further: str) -> Iterable[tuple[str, int]]:
    """Return that many pieces: the characters, the most frequent parts, then pieces of invented words."""
    characters = {part for part in parts if len(part.removeprefix(first).removeprefix(further)) == 1}
    ordered = sorted(parts.items(), key=lambda item: (item[0] not in characters, -item[1] * len(item[0]), item[0]))
    found = dict(ordered[:USED])
    generator = np.random.default_rng(1)
    alphabet = list("abcdefghijklmnopqrstuvwxyzабвгдежзиклмнопрстуαβγδεζηθικλμνξπρστυφχψω")
    while len(found) < number:
        letters = generator.integers(0, len(alphabet), 9)
        word = "".join(alphabet[letter] for letter in letters[: 3 + letters[-1] % 6])
        found.setdefault((first, further)[int(letters[0] % 2)] + word, 1)
    return found.items()


def _ours(folder: Path, texts: Mapping[str, Path]) -> list[str]:
    corpus = [f"{language}={path}" for language, path in texts.items()]
    words = ["reduce", "--model", str(folder / "source"), "--corpus", *corpus, "--size", str(SIZE)]
    return [sys.executable, "-m", "smelt", *words, "--threads", THREADS, "--output", str(folder / "output")]


def _peer(folder: Path, texts: Mapping[str, Path], python: str) -> list[str]:
    files = [str(path) for path in texts.values()]
    settings = {
        "model": str(folder / "source"),
        "output_dir": str(folder / "output"),
        "corpus": {"datasets": [{"path": "text", "data_files": files}]},
        "selection": {"top_k": SIZE},
    }
    (folder / "trimbed.yaml").write_text(yaml.safe_dump(settings))
    return [python, "-m", "trimbed.cli", "trim", "--config", str(folder / "trimbed.yaml")]


def _run(command: list[str], folder: Path, used: list[Used]) -> float:
    shutil.rmtree(folder / "output", ignore_errors=True)
    environment = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)} if "smelt" in command else {}
    threads = {"OMP_NUM_THREADS": THREADS, "RAYON_NUM_THREADS": THREADS, "HF_HUB_OFFLINE": "1"}
    used.append(run_command(command, folder, environment | threads))
    return 3600 / used[-1].processor_seconds


def _further(used: Mapping[str, list[Used]]) -> Figures:
    found: dict[str, float] = {}
    for way, runs in used.items():
        for name in Used._fields:
            found[f"{way}, {name.replace('_', ' ')}"] = float(np.median([getattr(one, name) for one in runs]))
    return found | {"memory, ours to peer": found["ours, memory"] / found["peer, memory"]}
