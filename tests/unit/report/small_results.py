"""A small study's results, written as the stages write them: three models, two tasks, three seeds."""

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from smelt.__main__ import main
from smelt.report.figures import FIGURES

MODELS = ["small_8k", "large_32k", "adopted"]
TASKS = ["ner", "intent"]
SEEDS = [1, 2, 3]
SIGNIFICANCE = {
    "test": "welch",
    "alpha": 0.05,
    "correction": "holm",
    "confidence": 0.95,
    "resamples": 200,
    "seed": 1,
}
# Far apart on ner, so that every pair differs; on intent the first two do not differ significantly.
SCORES: dict[tuple[str, str], list[float]] = {
    ("small_8k", "ner"): [0.50, 0.51, 0.49],
    ("large_32k", "ner"): [0.70, 0.71, 0.69],
    ("adopted", "ner"): [0.90, 0.905, 0.895],
    ("small_8k", "intent"): [0.80, 0.84, 0.79],
    ("large_32k", "intent"): [0.81, 0.83, 0.80],
}
STUDY = {
    "study": "small",
    "title": "A small study <of three> models",
    "tokenizers": {"unigram-8k": {"vocabulary": 8000}},
    "models": {model: {"maker": "adopt" if model == "adopted" else "pretrain"} for model in MODELS},
    "tasks": ["ner", "intent"],
    "finetuning": {"seeds": [1, 2, 3]},
}
WORDS = ["Zoë", "visits", "the", "R&D_50%", "lab", "of", "Ωmega", "#1"]
GOLD = ["B-PER", "O", "O", "B-ORG", "I-ORG", "O", "B-ORG", "I-ORG"]


@dataclass
class Results:
    """The results folder of a small study, and the commands of the report run on it."""

    folder: Path
    settings: dict[str, Any] = field(
        default_factory=lambda: {
            "runs": {"small_8k": TASKS, "large_32k": TASKS, "adopted": ["ner"]},
            "seeds": SEEDS,
        }
    )

    def path(self, *parts: str) -> Path:
        return self.folder.joinpath(*parts)

    def metrics(self, model: str, task: str, seed: int) -> Path:
        return self.path("finetuned", model, task, f"seed-{seed}", "metrics.json")

    def write(self, path: Path, value: Any) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
        return path

    def scores(self) -> int:
        words = ["scores", "--finetuned", str(self.path("finetuned")), "--settings", json.dumps(self.settings)]
        return main([*words, "--output", str(self.path("scores.csv"))])

    def compare(self) -> int:
        words = ["job", "compare", "--scores", str(self.path("scores.csv")), "--settings", json.dumps(SIGNIFICANCE)]
        for name in ("summary", "pairs", "across"):
            words += [f"--{name}", str(self.path("statistics", f"{name}.csv"))]
        return main(words)

    def costs(self) -> int:
        words = ["costs", "--models", *(str(self.path("models", model)) for model in MODELS)]
        words += ["--finetuned", str(self.path("finetuned")), "--settings", json.dumps(self.settings)]
        return main([*words, "--output", str(self.path("costs.csv"))])

    def task(self, name: str) -> Path:
        return self.path("tasks", name, "task.json")

    def table(
        self, name: str, settings: dict[str, Any], sources: list[Path], tasks: Sequence[str] = (), **significance: Any
    ) -> int:
        words = ["table", "--name", name, "--settings", json.dumps(settings)]
        words += ["--tasks", *(str(self.task(task)) for task in tasks)]
        words += ["--significance", json.dumps(SIGNIFICANCE | significance), "--sources", *map(str, sources)]
        for kind, suffix in (("csv", "csv"), ("markdown", "md"), ("latex", "tex"), ("html", "html")):
            words += [f"--{kind}", str(self.path("tables", f"{name}.{suffix}"))]
        return main(words)

    def score_table(self, name: str = "table_1", **changes: Any) -> int:
        settings = {"kind": "scores", "tasks": TASKS, "models": MODELS, "caption": "Scores & more", "titles": {}}
        sources = [self.path("statistics", "summary.csv"), self.path("statistics", "pairs.csv")]
        return self.table(name, settings | changes, sources, settings["tasks"])

    def segmentation_table(self, name: str = "table_4", **changes: Any) -> int:
        settings = {"kind": "segmentation", "tasks": ["ner"], "models": MODELS[:2], "caption": "", "vocabularies": {}}
        sources = [self.path("tokenisation", model, "ner.json") for model in MODELS[:2]]
        return self.table(name, settings | changes, sources)

    def example_table(self, name: str = "table_3", **changes: Any) -> int:
        settings = {"kind": "example", "task": "ner", "models": MODELS[:2], "sentences": 1, "caption": "", "seed": 1}
        sources = [self.path("finetuned", model, "ner", "seed-1", "predictions.parquet") for model in MODELS[:2]]
        return self.table(name, settings | changes, sources)

    def read(self, *parts: str) -> str:
        return self.path(*parts).read_text(encoding="utf-8")

    def figure_sources(self, name: str) -> list[Path]:
        models = [self.path("models", model) for model in MODELS[:2]]
        return {
            "differences": [self.path("statistics", f"{name}.csv") for name in ("summary", "pairs")],
            "ranks": [self.path("statistics", f"{name}.csv") for name in ("summary", "pairs", "across")],
            "score-by-cost": [
                *(self.path("statistics", f"{name}.csv") for name in ("summary", "pairs")),
                *(self.path(f"{name}.csv") for name in ("scores", "costs")),
                *(self.path("models", model) for model in MODELS),
            ],
            "language-distribution": sorted(self.path("corpora").glob("*/*/statistics.json")),
            "learning-curves": sorted(self.path("logs").glob("*.curve.csv")),
            "score-by-vocabulary": [self.path("statistics", "summary.csv"), *models],
            "language-shares": sorted(self.path("corpora").glob("*/*/statistics.json")),
            "splitting-and-errors": sorted(self.path("tokenisation").glob("*/*.json")),
        }[name]

    def figure(self, name: str, folder: str = "figures") -> int:
        words = ["figure", "--name", name, "--sources", *map(str, self.figure_sources(name))]
        words += ["--settings", json.dumps({"mixtures": {"wiki": {"alpha": 0.5}}})] if name == "language-shares" else []
        for kind, suffix in (("svg", "svg"), ("png", "png"), ("chart", "json")):
            words += [f"--{kind}", str(self.path(folder, f"{name}.{suffix}"))]
        return main(words)

    def page(self, choices: Sequence[Path] = (), **study: object) -> str:
        lists = {
            "tables": [self.path("tables", f"{name}.html") for name in ("table_1", "table_3", "table_4")],
            "figures": [self.path("figures", f"{name}.svg") for name in FIGURES],
            "statistics": [self.path("statistics", f"{name}.csv") for name in ("summary", "pairs", "across")],
            "corpora": self.figure_sources("language-distribution"),
            "tokenizers": [self.path("tokenizers", "unigram-8k")],
            "tasks": [self.task("ner"), self.task("intent")],
            "models": [self.path("models", model) for model in MODELS],
            "curves": self.figure_sources("learning-curves"),
            "tokenisation": self.figure_sources("splitting-and-errors"),
            "choices": choices,
        }
        words = ["page", "--study", json.dumps(STUDY | study), "--significance", json.dumps(SIGNIFICANCE)]
        words += ["--logs", str(self.path("logs")), "--costs", str(self.path("costs.csv"))]
        for name, paths in lists.items():
            words += [f"--{name}", *map(str, paths)]
        assert main([*words, "--output", str(self.path("report.html"))]) == 0
        return self.read("report.html")


def make(folder: Path) -> Results:
    """Write the files that the report stage reads."""
    made = Results(folder)
    for (model, task), values in SCORES.items():
        for seed, value in zip(SEEDS, values, strict=True):
            metrics = made.metrics(model, task, seed)
            made.write(metrics, _metrics(model, task, seed, value))
            made.write(metrics.with_name("provenance.json"), provenance("finetune", seed, hours=0.25))
    for number, model in enumerate(MODELS):
        _write_model(made, model, 8000 * 4**number)
    for number, model in enumerate(MODELS[:2]):
        _write_predictions(made, model, splits=number == 0)
        made.write(made.path("tokenisation", model, "ner.json"), _tokenisation(model, 2.0 - 0.5 * number))
        made.write(made.path("logs", f"{model}.curve.csv"), _curve(number))
    for language, words in (("qaa", 120_000), ("qab", 3_000)):
        made.write(made.path("corpora", "wiki", language, "statistics.json"), _corpus(language, words))
    made.write(made.task("ner"), prepared_task("ner", ["qaa"], test=(460, 12)))
    made.write(made.task("intent"), prepared_task("intent", ["qaa"], test=(9, 0)))
    made.write(made.path("tokenizers", "unigram-8k", "statistics.json"), _tokenizer())
    for log in (
        "compare",
        "models/small_8k",
        "tasks/ner",
        "corpora/wiki/qaa",
        "tables/table_1",
        "tokenizers/unigram-8k",
    ):
        made.write(made.path("logs", f"{log}.log"), "python -m smelt job ...\n")
    return made


def _metrics(model: str, task: str, seed: int, value: float) -> dict[str, Any]:
    metric = "f1" if task == "ner" else "accuracy"
    scores = [
        {"split": split, "language": "qaa", "metric": metric, "value": value - (0.01 if split == "validation" else 0)}
        for split in ("validation", "test")
    ]
    chosen = "seqeval-f1" if task == "ner" else "accuracy"
    return {"model": model, "task": task, "seed": seed, "metric": chosen, "scores": scores}


def _write_model(made: Results, model: str, vocabulary: int) -> None:
    shape = {"model_type": "albert", "vocab_size": vocabulary, "num_hidden_layers": 2, "hidden_size": 32}
    made.write(made.path("models", model, "config.json"), shape)
    made.write(made.path("models", model, "provenance.json"), provenance("pretrain", 1, hours=vocabulary / 1000))
    tensors = {
        "__metadata__": {"format": "pt"},
        "albert.embeddings": {"dtype": "F32", "shape": [vocabulary, 16], "data_offsets": [0, 0]},
        "albert.bias": {"dtype": "F32", "shape": [32], "data_offsets": [0, 0]},
    }
    header = json.dumps(tensors).encode()
    made.path("models", model, "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)


def provenance(command: str, seed: int, hours: float, kg_co2e: float | None = None) -> dict[str, Any]:
    """Return the provenance of a job that used 0.2 kWh an hour."""
    energy = {"kwh": 0.2 * hours, "kg_co2e": kg_co2e, "country": None if kg_co2e is None else "FRA"}
    machine = {"system": "Linux", "processor": "A processor", "cores": 8, "memory_gib": 32.0, "gpus": []}
    return {
        "command": command,
        "finished": f"2026-11-0{seed}T12:00:00+00:00",
        "hours": hours,
        "energy": energy,
        "code": {"revision": "0123456789abcdef0123456789abcdef01234567", "modified": False},
        "settings": {},
        "seeds": [seed],
        "libraries": {"python": "3.11.7", "torch": "2.13.0"},
        "machine": machine | {"processes": 1},
    }


def _write_predictions(made: Results, model: str, splits: bool) -> None:
    pieces = [[f"▁{word[:2]}", *word[2:]] if splits else [f"▁{word}"] for word in WORDS]
    predicted = ["O" if splits and word == "Ωmega" else label for word, label in zip(WORDS, GOLD, strict=True)]
    row = {"example": 0, "language": "qaa", "words": WORDS, "gold": GOLD, "predicted": predicted, "pieces": pieces}
    pd.DataFrame([row]).to_parquet(made.path("finetuned", model, "ner", "seed-1", "predictions.parquet"))


def _tokenisation(model: str, fertility: float) -> dict[str, Any]:
    def cut(population: str, words: int, factor: float) -> dict[str, Any]:
        row = {"language": "all", "population": population, "words": words, "pieces": int(words * factor)}
        row |= {"fertility": factor, "added_segmentation": 100 * (factor - 1), "words_kept_whole": 1}
        return row | {"share_kept_whole": 1 / words}

    def correlation(given: list[str], r: float) -> dict[str, Any]:
        row = {
            "population": "entity words",
            "given": given,
            "words": 40,
            "sentences": 9,
            "runs": 3,
            "r": r,
            "p": 0.0004,
        }
        row |= {"low": r - 0.1, "high": r + 0.1, "confidence": 0.95, "degrees_of_freedom": 38, "note": ""}
        return row | {"bootstrap": {"low": r - 0.2, "high": r + 0.2, "method": "percentile", "note": ""}}

    single = {"n": 3, "mean": 0.31, "standard_deviation": 0.02}
    pieces = [
        {
            "population": "entity words",
            "pieces": n,
            "words": 9,
            "missed": n,
            "share_missed": n / 9,
            "low": 0.0,
            "high": 0.9,
        }
        for n in (1, 2, 3)
    ]
    return {
        "model": model,
        "task": "ner",
        "segmentation": [cut("entity words", 40, fertility), cut("other words", 1200, fertility - 0.4)],
        "correlations": [correlation([], 0.44) | {"of_runs": single}, correlation(["log training frequency"], 0.21)],
        "by_pieces": pieces,
    }


def _curve(number: int) -> str:
    rows = ["step,split,language,metric,value", "10,train,all,mlm_loss,7.5"]
    for step in (10, 20, 30):
        for language in ("all", "qaa", "qab"):
            rows.append(f"{step},validation,{language},mlm_loss,{7 - step / 10 - number}")
            rows.append(f"{step},validation,{language},sop_accuracy,{0.5 + step / 100}")
    return "\n".join(rows) + "\n"


def _corpus(language: str, words: int) -> dict[str, Any]:
    pages = {"pages": 90, "extracted": 60, "redirect": 20, "other_namespace": 3, "empty": 5}
    pages |= {"duplicate": 0, "differing": 0, "skipped": 2, "lost": 0}
    sizes = {
        "documents": 60,
        "held_out_documents": 2,
        "paragraphs": 80,
        "words": words,
        "characters": 6 * words,
        "bytes": 10**6,
    }
    markup = {"headings": 9, "list_items": words, "left": {}}
    return {"language": language, **sizes, "pages": pages, "markup": markup, "sources": [], "seconds": 1.0}


def prepared_task(name: str, languages: list[str], test: tuple[int, int], average: str = "examples") -> dict[str, Any]:
    """Return a task of a thousand test examples; `test` counts those also in training, and in validation."""
    sizes = {"train": 5000, "validation": 200, "test": 1000}
    splits = {split: {"examples": size, "languages": dict.fromkeys(languages, 1)} for split, size in sizes.items()}
    repeats = {"repeated_from_train": {"validation": 3, "test": test[0]}, "repeated_from_validation": {"test": test[1]}}
    return {"name": name, "average": average, "splits": splits, **repeats}


def _tokenizer() -> dict[str, Any]:
    languages = {"qaa": {"fertility": 1.5, "words": 10}, "qab": {"fertility": None, "words": 0}}
    return {"settings": {"vocabulary": 8000, "algorithm": "unigram"}, "languages": languages}
