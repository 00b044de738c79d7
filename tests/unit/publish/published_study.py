"""A small study with results: a pretrained model, a student, an adopted model and what is reduced from it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import BertConfig, BertForMaskedLM, BertForTokenClassification

from smelt.card import Card, write_card
from smelt.energy import Energy
from smelt.finetuning.card import write_finetuned_card
from smelt.models.adopt import adopt
from smelt.provenance import write_provenance
from smelt.report.csv_files import write_csv
from smelt.report.scores import COLUMNS
from smelt.study.makers.adopt import Adopt
from smelt.tasks.kinds.base import Task

STUDY = """\
study: tiny
corpora:
  wiki: {wikipedia: {date: "20240101", languages: [sw, simple]}}
  news: {text: {sw: news.txt}, text_licence: cc-by-4.0}
tokenizers: {pieces: {algorithm: wordpiece, vocabulary: 300, corpus: wiki}}
models:
  small: {maker: pretrain, architecture: bert-base, tokenizer: pieces, corpus: wiki, recipe: small}
  student: {maker: distil, teacher: small, corpus: news, student: {layers: 1}, recipe: distil}
  twin: {maker: distil, teacher: small, corpus: wiki, student: {layers: 1}, recipe: distil}
  own: {maker: adopt, folder: published}
  base: {maker: adopt, hub: org/base, revision: 3f076fd}
  cut: {maker: reduce, source: base, corpus: news, size: 100}
  onnx: {maker: export, source: cut, format: int8}
tasks: [demo-ner, wikiann-dev]
finetuning: {seeds: [1, 2, 3]}
"""
F1 = {1: 0.5, 2: 0.6, 3: 0.7}
ENERGY = Energy(0.5, 0.2, 0.2, 0.1, 90.0, 0.02, "FRA", {"cpu": "estimated", "gpu": "measured"}, "3.3.2")
SHAPE = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}


def write_study(root: Path) -> None:
    """Write the study and its results into a folder, by what its jobs write them with."""
    published = root / "published"
    BertForMaskedLM(BertConfig(vocab_size=8, **SHAPE)).save_pretrained(published)
    (published / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\ntext\n.\n")
    (published / "README.md").write_text("---\nlicense: mit\nlanguage: sw\n---\n")
    (root / "tiny.yaml").write_text(STUDY)
    (root / "news.txt").write_text("Habari.\n")
    for name in ("small", "student", "twin", "own", "base", "cut", "onnx"):
        folder = root / "results/tiny/models" / name
        adopt(Adopt(maker="adopt", folder=str(published)), folder)
        bases = ["org/base"] if name in ("base", "cut", "onnx") else []
        write_card(folder, card(name, base_models=bases, licence="mit" if bases or name == "own" else None))
        (folder / ".snakemake_timestamp").touch()
        energy = ENERGY if name in ("small", "student", "twin") else None
        inputs = {"source": published, "text": Path("news.txt")}
        write_provenance(folder, "made", {"folder": str(published)}, inputs, [1], 0.25, energy)


def card(name: str, **changes: Any) -> Card:
    """Return the card that a job writes."""
    facts = {"parameters": 5000, "tokens trained on": 1234}
    return Card(name, f"Made of `{name}`.", ["sw", "en"], facts, limits="It is small.", **changes)


def write_scores(root: Path) -> None:
    """Write scores.csv of the model `small`: demo-ner with three seeds in two languages, and what is not its own."""
    rows: list[tuple[Any, ...]] = []
    for seed, value in F1.items():
        own = [("sw", value - 0.1), ("qab", value + 0.1), ("all", value)]
        rows += [("small", "demo-ner", code, "standard", seed, "test", "f1", score) for code, score in own]
        rows.append(("small", "demo-ner", "all", "standard", seed, "validation", "f1", 0.99))
        rows.append(("twin", "demo-ner", "all", "standard", seed, "test", "f1", 0.11))
    write_csv(root / "results/tiny/scores.csv", rows, COLUMNS)


def record(folder: Path) -> dict[str, Any]:
    """Return provenance.json of a folder."""
    found: dict[str, Any] = json.loads((folder / "provenance.json").read_text())
    return found


def write_finetuned(run: Path, scores: Mapping[str, float]) -> None:
    """Write the folder of a fine-tuning, <model>/<task>/seed-<n>, with its weights and its scores by language."""
    model, name, seed = run.parts[-3:]
    head = BertForTokenClassification(BertConfig(vocab_size=8, **SHAPE))
    head.save_pretrained(run / "model")
    (run / "model/vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\ntext\n.\n")
    rows = [{"split": "test", "language": code, "metric": "f1", "value": value} for code, value in scores.items()]
    metrics = {"model": model, "task": name, "seed": int(seed.removeprefix("seed-")), "scores": rows}
    metrics |= {"settings": {"epochs": 1}, "best_epoch": 1}
    (run / "metrics.json").write_text(json.dumps(metrics))
    task = Task(name, "token-classification", "seqeval-f1", "iob2", ["O", "B-LOC"])
    write_finetuned_card(run / "model", f"{model}-{name}-{seed}", model, task, metrics)
    write_provenance(run, "finetune", {}, {}, [2], 0.1, ENERGY)
