"""Kinds of models reduced by smelt and by trimbed, side by side: `TRIMBED=<python> python -m bench.kinds`.

Models are in their publishers' layouts (`published_kinds`), small, with random weights, and their tokenizers are
trained on English and German. trimbed keeps the 2,000 pieces that English uses most, and what these need; smelt keeps
as many in all. Published checkpoints differ in size
alone, as far as these layouts are theirs. The judge (`kinds_judge`) is neither tool: it loads source and result in
transformers, and in sentence-transformers where the source has modules, and reads lines that neither tool has read.
"""

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from bench.commands import Used, run_command, smelt
from bench.kinds_judge import Judged, judge
from bench.published_kinds import KINDS, Scale, write_kind
from bench.tokenizer_layouts import bert, deberta, mt5, xlm_roberta
from bench.workers import Ended

PIECES, SIZE = 4000, 2000
TRAINING, CORPUS, JUDGED = 1500, 2500, 300  # lines of each language to train on; of English to count, and to judge
SHAPE = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128}
THREADS = {"OMP_NUM_THREADS": "2", "RAYON_NUM_THREADS": "2", "HF_HUB_OFFLINE": "1"}
HEAD = (
    "| kind | tool | pieces | exact lines | lines cut otherwise | files | s | MiB | said |\n|---|---|"
    + "---:|" * 6
    + "---|"
)
RESULTS = Path("results/bench/kinds.json")
PROMPTS = {"query": "task: search result | query: ", "document": "title: none | text: "}
INSTRUCTION = {"query": "Instruct: Given a web search query, retrieve relevant passages\nQuery:", "document": ""}


def encoders(lines: list[str]) -> dict[str, Callable[[Path], None]]:
    """Return what writes each kind with a tokenizer as first published, by name."""
    from transformers import (
        BertModel,
        DebertaV2ForMaskedLM,
        MBartForConditionalGeneration,
        MT5ForConditionalGeneration,
        XLMRobertaForMaskedLM,
        XLMRobertaModel,
    )

    sides = {f"{side}_{key}": value for side in ("encoder", "decoder") for key, value in _SIDE.items()}
    unigram = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
    plain = SHAPE | {"max_position_embeddings": 130}
    roberta = plain | unigram | {"type_vocab_size": 1}
    relative = {"relative_attention": True, "position_buckets": 16, "pos_att_type": ["p2c", "c2p"]}
    own = SHAPE | {"max_position_embeddings": 128, "type_vocab_size": 0, **relative}
    mt5_shape = {"d_model": 64, "d_kv": 16, "d_ff": 128, "num_layers": 2, "num_heads": 4, "tie_word_embeddings": False}
    mbart_shape = {"d_model": 64, "max_position_embeddings": 128, **sides, **unigram}
    cut = {"lines": lines, "pieces": PIECES}
    mbart = {"tokenizer_class": "MBartTokenizer", "src_lang": "en_XX", "tgt_lang": "de_DE"}
    return {
        "xlmr": partial(_encoder, partial(xlm_roberta, **cut), XLMRobertaForMaskedLM, roberta),
        "xlmr-encoder": partial(_encoder, partial(xlm_roberta, **cut), XLMRobertaModel, roberta),
        "bert-encoder": partial(_encoder, partial(bert, **cut), BertModel, plain),
        "mdeberta": partial(_encoder, partial(deberta, **cut), DebertaV2ForMaskedLM, own | {"legacy": False}),
        "mdeberta-legacy": partial(_encoder, partial(deberta, **cut), DebertaV2ForMaskedLM, own),
        "mt5": partial(_encoder, partial(mt5, **cut), MT5ForConditionalGeneration, mt5_shape),
        "mbart": partial(
            _encoder, partial(xlm_roberta, **cut), MBartForConditionalGeneration, mbart_shape, settings=mbart
        ),
    }


_SIDE = {"layers": 2, "attention_heads": 4, "ffn_dim": 128}
# Of models that embed sentences: the encoder, how its states become one, dense layers after that, prompts.
EMBEDDERS: dict[str, tuple[str, str, int, dict[str, str]]] = {
    "labse": ("bert-encoder", "cls", 1, {}),
    "minilm": ("bert-encoder", "mean", 0, {}),
    "e5": ("xlmr-encoder", "mean", 0, {"query": "query: ", "passage": "passage: "}),
    "bge-m3": ("xlmr-encoder", "cls", 0, {}),
    "embeddinggemma": ("embeddinggemma", "mean", 2, PROMPTS),
    "qwen-embedding": ("qwen-embedding", "lasttoken", 0, INSTRUCTION),
}
NAMES = [*dict.fromkeys([*KINDS, "xlmr", "mdeberta", "mdeberta-legacy", "mt5", "mbart", *EMBEDDERS])]


def _encoder(
    tokenizer: Callable[[Path], None], kind: Any, shape: dict[str, Any], folder: Path, settings: Any = None
) -> None:
    """Write a model beside the tokenizer files that its publishers have: the first ones, and those of today."""
    import torch
    from transformers import AutoTokenizer

    folder.mkdir()
    tokenizer(folder)
    if settings:
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
        (folder / "config.json").write_text(json.dumps({"model_type": "mbart"}))
    fast = AutoTokenizer.from_pretrained(folder)
    fast.model_max_length = 128
    fast.save_pretrained(folder)
    torch.manual_seed(5)
    rows = len(fast)
    kind(kind.config_class(vocab_size=rows, **shape)).save_pretrained(folder)


def write_source(name: str, folder: Path, lines: list[str]) -> None:
    """Write the model of a kind."""
    scale = Scale(lines, PIECES - 600, SHAPE, positions=128)
    written = encoders(lines)
    if name not in EMBEDDERS:
        written[name](folder) if name in written else write_kind(name, folder, scale)
        return
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense, Normalize, Pooling, Transformer

    encoder, pooling, layers, prompts = EMBEDDERS[name]
    inner = folder.with_name(f"{name}-encoder")
    written[encoder](inner) if encoder in written else write_kind(encoder, inner, scale)
    dense = [Dense(64, 96), Dense(96, 64)] if layers == 2 else [Dense(64, 64)] * layers
    modules = [Transformer(str(inner), max_seq_length=64), Pooling(64, pooling), *dense, Normalize()]
    SentenceTransformer(modules=modules, prompts=prompts).save(str(folder))


@dataclass(frozen=True)
class ToolOutcome:
    """What a tool did with a model of a kind."""

    used: Used | None
    judged: Judged | None
    error: str = ""


def run_tool(
    command: list[str], environment: Mapping[str, str], source: Path, output: Path, lines: list[str]
) -> ToolOutcome:
    """Return what a command made of a model."""
    shutil.rmtree(output, ignore_errors=True)
    try:
        used = run_command(command, source.parent, {**environment, **THREADS})
    except Ended as error:
        said = [line for line in str(error).splitlines() if line.strip() and "ended with exit code" not in line]
        return ToolOutcome(None, judge(source, output, lines) if (output / "config.json").is_file() else None, said[-1])
    return ToolOutcome(used, judge(source, output, lines))


def ours(source: Path, output: Path, corpus: Path, size: int) -> list[str]:
    """Return smelt's command."""
    return smelt("reduce", "--model", source, "--corpus", f"en={corpus}", "--size", size, "--output", output)


def peer(python: str, source: Path, output: Path, corpus: Path) -> list[str]:
    """Return trimbed's command, of its defaults: with its checks, and further files copied."""
    data = {"path": "text", "data_files": [str(corpus)]}
    settings = {"model": str(source), "output_dir": str(output), "corpus": {"datasets": [data]}}
    path = source.parent / "trimbed.yaml"
    path.write_text(yaml.safe_dump(settings | {"selection": {"top_k": SIZE}}))
    return [python, "-m", "trimbed.cli", "trim", "--config", str(path)]


def cells(outcome: ToolOutcome) -> list[str]:
    """Return the cells of a tool's part of a row."""
    told = outcome.error[:110].replace("|", "/")
    if outcome.judged is None:
        return ["", "", "", "", "", "", told]
    found = outcome.judged
    told = "; ".join(filter(None, [found.problem, told]))
    use = [f"{outcome.used.processor_seconds:.1f}", f"{outcome.used.memory:,.0f}"] if outcome.used else ["", ""]
    exact = f"{found.exact} of {found.whole}"
    return [f"{found.pieces:,}", exact, str(found.cut_otherwise), f"{found.files} of {found.files_before}", *use, told]


def main() -> int:
    """Print a row for each kind and tool."""
    parser = argparse.ArgumentParser(prog="python -m bench.kinds")
    parser.add_argument("--only", default="*", help=f"name or pattern of kinds: {', '.join(NAMES)}")
    only = parser.parse_args().only
    python, data = os.environ.get("TRIMBED"), os.environ.get("SMELT_DATA")
    if not python or not data:
        print("not run: needs TRIMBED, the Python of an environment with trimbed 0.0.4, and SMELT_DATA")
        return 0
    texts = {code: Path(data, "text", f"{code}.txt").read_text(encoding="utf-8").splitlines() for code in ("en", "de")}
    english = [line for line in texts["en"] if line.strip()]
    training = [line for code in texts for line in texts[code][:TRAINING]]
    judged = english[CORPUS : CORPUS + JUDGED]
    print(HEAD)
    found: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.is_file() and only != "*" else {}
    for name in (name for name in NAMES if fnmatch(name, only)):
        with tempfile.TemporaryDirectory(prefix="smelt-bench-") as scratch:
            found[name] = _row(name, Path(scratch), training, english[:CORPUS], judged, python)
    found["machine"] = f"{platform.machine()}, {os.cpu_count()} cores"
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(found, indent=2) + "\n")
    return 0


def _row(
    name: str, scratch: Path, training: list[str], corpus: Sequence[str], judged: list[str], python: str
) -> dict[str, Any]:
    source, output, text = scratch / "source", scratch / "output", scratch / "en.txt"
    text.write_text("\n".join(corpus) + "\n", encoding="utf-8")
    write_source(name, source, training)
    own = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    theirs = run_tool(peer(python, source, output, text), {"PYTHONPATH": ""}, source, output, judged)
    size = theirs.judged.pieces if theirs.judged and theirs.judged.pieces else SIZE
    outcomes = {"smelt": run_tool(ours(source, output, text, size), own, source, output, judged), "trimbed": theirs}
    for tool, outcome in outcomes.items():
        print("|", " | ".join([name, tool, *cells(outcome)]), "|", flush=True)
    return {tool: asdict(outcome) for tool, outcome in outcomes.items()}


if __name__ == "__main__":
    sys.exit(main())
