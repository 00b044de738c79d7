"""Table 3 of Smaller multilingual BERT, measured by smelt's benchmark on random weights of the same shapes.

Sizes, loading and memory do not depend on what weights say. Vocabularies are those of the authors' threshold: 71,577
pieces for 15 languages, and the means over their 14 bilingual and 15 monolingual models. All models keep their heads.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.measure import RESULTS, BenchmarkOutcome, SkippedBenchmark, machine, ratio, write
from smelt.files import read_json

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
PIECES = {
    "mbert": 119_547,
    "distilmbert": 119_547,
    "15-languages": 71_577,
    "two-languages": 32_712,
    "one-language": 15_985,
}
# Abdaoui et al. 2020, Table 3: MB on disk, MB of memory, seconds to load, seconds an item.
PAPER = {
    "mbert": (714, 1401, 4.18, 0.24),
    "distilmbert": (542, 1070, 3.08, 0.12),
    "15-languages": (564, 1098, 3.14, 0.24),
    "two-languages": (445, 860, 2.76, 0.24),
    "one-language": (393, 760, 2.45, 0.24),
}
FIGURES = ("MB", "memory MB", "loading s", "inference s")
LENGTH = 128
EXPORTED = "one-language-int8"
SETTINGS: dict[str, Any] = {"reference": "mbert", "lengths": [32, LENGTH], "batches": [1], "sizes": ["fp32", "bf16"]}


def efficiency(name: str) -> BenchmarkOutcome | SkippedBenchmark:
    """Loads a second of the one-language model against the whole one; all other figures beside the paper's."""
    folder = Path(tempfile.mkdtemp(prefix="smelt-bench-"))
    try:
        for model, pieces in PIECES.items():
            write_model(folder / model, pieces, distilled=model == "distilmbert")
        models = [folder / model for model in [*PIECES, EXPORTED]]
        source, settings = folder / "one-language", '{"format": "int8"}'
        commands = [
            smelt_command("export", "--source", source, "--settings", settings, "--output", folder / EXPORTED),
            smelt_command(
                "efficiency", "--settings", json.dumps(SETTINGS), "--output", folder / "figures", "--models", *models
            ),
        ]
        for command in commands:
            if subprocess.run(command, env=environment()).returncode:
                return SkippedBenchmark(name, "a command failed, as it says above", failed=True)
        shutil.copytree(folder / "figures", RESULTS / name, dirs_exist_ok=True)
        return _outcome(name, {model.name: read_json(RESULTS / name / f"{model.name}.json") for model in models})
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_model(folder: Path, pieces: int, distilled: bool) -> None:
    """Write a model of BERT-base's or DistilBERT's shape with heads, random weights, a tokenizer of that size."""
    import torch
    from transformers import BertConfig, BertForPreTraining, DistilBertConfig, DistilBertForMaskedLM

    torch.manual_seed(1)
    if distilled:
        model = DistilBertForMaskedLM(DistilBertConfig(vocab_size=pieces))
    else:
        model = BertForPreTraining(BertConfig(vocab_size=pieces))
    model.save_pretrained(folder)
    words = [f"w{number}" for number in range(pieces - len(SPECIAL))]
    (folder / "vocab.txt").write_text("\n".join([*SPECIAL, *words]) + "\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": false}')


def _outcome(name: str, records: dict[str, Any]) -> BenchmarkOutcome:
    seconds = {model: record["devices"]["cpu"]["loading"]["all_seconds"] for model, record in records.items()}
    speeds = {model: [1 / value for value in values] for model, values in seconds.items()}
    further = {}
    for model, record in records.items():
        for figure, value, published in zip(FIGURES, _figures(record), PAPER.get(model, [None] * 4), strict=True):
            further[f"{model}, {figure}"] = value
            if published is not None:
                further[f"{model}, {figure}, paper"] = published
        further[f"{model}, encoder parameters (M)"] = record["parameters"]["encoder"] / 1e6
    outcome = BenchmarkOutcome(
        name=name,
        unit="loads/s",
        ours=sorted(speeds["one-language"])[len(speeds["one-language"]) // 2],
        peer=sorted(speeds["mbert"])[len(speeds["mbert"]) // 2],
        peer_name="the whole model",
        ratio=ratio(speeds["one-language"], speeds["mbert"]),
        runs=len(speeds["mbert"]),
        machine=machine(),
        further=further | _ratios(records),
        speeds=speeds,
    )
    write(outcome)
    return outcome


def _figures(record: dict[str, Any]) -> list[float]:
    measured = record["devices"]["cpu"]
    passes = next(entry for entry in measured["latency"] if entry["length"] == LENGTH)
    size = record["bytes"].get("fp32", record["bytes"].get("int8"))
    loading = measured["loading"]["seconds"]["median"]
    return [size / 1e6, measured["memory"]["used"] / 1e6, loading, passes["seconds"]["median"]]


def _ratios(records: dict[str, Any]) -> dict[str, float]:
    """Return what each model's figures are of the whole model's: of times, the ratios of neighbours in time."""
    whole = _figures(records["mbert"])
    found = {}
    for model, record in records.items():
        measured = record["devices"]["cpu"]
        passes = next(entry for entry in measured["latency"] if entry["length"] == LENGTH)
        size, memory = (one / other for one, other in zip(_figures(record)[:2], whole[:2], strict=True))
        values = (size, memory, measured["loading"]["ratio"]["median"], passes["ratio"]["median"])
        found |= {f"{model}, {figure}, ratio": value for figure, value in zip(FIGURES, values, strict=True)}
    return found


def smelt_command(command: str, *words: str | Path) -> list[str]:
    """Return a command of smelt's as a list of words."""
    return [sys.executable, "-m", "smelt", command, *map(str, words)]


def environment() -> dict[str, str]:
    """Return the environment with this checkout's package in it."""
    package = str(Path(__file__).parents[1] / "workflow")
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))}
