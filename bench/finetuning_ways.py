"""Two ways to fine-tune several seeds: `smelt job finetune`, of this build or of one before, and transformers' scripts.

A way is a list of commands; they run side by side, as many as the machine has cores, each with one thread: for models
this small the fastest on both sides. This build makes all seeds in one. Their processor time, and the memory that they
need at once, are measured.
"""

import json
import os
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from bench.commands import Used, run_command
from bench.finetuning_data import PARTS, texts_of, write_encoder, write_for_scripts, write_task_file
from smelt.training.speed import is_emulated

SIDE_BY_SIDE = len(os.sched_getaffinity(0))
EXAMPLES, METRICS, PYTHON = "TRANSFORMERS_EXAMPLES", "EVALUATE_METRICS", "EXAMPLES_PYTHON"
BEFORE = "SMELT_BEFORE"

SCRIPTS = {
    "token-classification": "token-classification/run_ner.py",
    "sequence-classification": "text-classification/run_glue.py",
    "question-answering": "question-answering/run_qa.py",
}

# All that the scripts' commands name beside data, epochs and rate. Two of them pad to the maximum by default, and need
# more time for it.
FLAGS = {
    "token-classification": [],
    "sequence-classification": ["--pad_to_max_length", "False"],
    "question-answering": ["--pad_to_max_length", "False"],
}


@dataclass(frozen=True)
class FinetuningWorkload:
    """What is fine-tuned, on what, and how: as the scripts do by default, but for rates, as encoders are random."""

    part: str
    architecture: str
    rate: float
    scale: float
    folder: Path
    epochs: int = 3
    batch: int = 8

    @property
    def encoder(self) -> Path:
        """Folder of the encoder."""
        return self.folder / "encoder"

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of `smelt job finetune`: no warm-up and no weight decay, as the scripts have none."""
        chosen = {"epochs": self.epochs, "batch": self.batch, "learning_rate": self.rate}
        return chosen | {"warmup": 0, "weight_decay": 0, "length": PARTS[self.part].length}


@dataclass(frozen=True)
class SeedsFigures:
    """What several seeds took."""

    seeds: int
    wall_seconds: float
    processor_seconds: float
    memory: float
    """MiB, of the processes that run at once; each at its peak."""
    scores: list[float]
    """On the test split, by seed."""

    @property
    def mean(self) -> float:
        """Their mean."""
        return statistics.fmean(self.scores)

    @property
    def deviation(self) -> float:
        """Their standard deviation; 0 of a single one."""
        return statistics.stdev(self.scores) if len(self.scores) > 1 else 0.0


class Build:
    """A checkout of smelt, and the part of a set as it prepares it."""

    def __init__(
        self, checkout: Path, workload: FinetuningWorkload, name: str, together: bool, precision: str = "fp32"
    ) -> None:
        """Prepare the part; together: whether one process makes all seeds."""
        self.together, self.precision = together, precision
        self.workload, self.folder = workload, workload.folder / name
        self.environment = {"PYTHONPATH": str(checkout / "workflow")}
        self.folder.mkdir()
        part = PARTS[workload.part]
        write_task_file(part, workload.scale, self.folder)
        words = ["task", "--name", part.task, "--folder", str(self.folder), "--output", str(self.task)]
        run_all([[sys.executable, "-m", "smelt", *words]], self.folder, self.environment)

    @property
    def task(self) -> Path:
        """Folder of the prepared part."""
        return self.folder / "task"

    def __call__(self, seeds: Sequence[int]) -> SeedsFigures:
        """Fine-tune with seeds; the one before it is forgotten."""
        runs = self.folder / "runs"
        shutil.rmtree(runs, ignore_errors=True)
        runs.mkdir()
        return measured(self.commands(seeds, runs), self.folder, self.environment, lambda: self.scores(seeds, runs))

    def commands(self, seeds: Sequence[int], runs: Path) -> list[list[str]]:
        """Return the commands of seeds: one for all, or one for each."""
        words = ["--model", self.workload.encoder, "--task", self.task, "--threads", 1]
        words += ["--settings", json.dumps(self.workload.settings | {"precision": self.precision})]
        command = [sys.executable, "-m", "smelt", "finetune", *map(str, words)]
        return [
            [*command, "--seed", *map(str, part), "--output", *(str(runs / f"seed-{seed}") for seed in part)]
            for part in ([seeds] if self.together else [[seed] for seed in seeds])
        ]

    def scores(self, seeds: Sequence[int], runs: Path) -> list[float]:
        """Return the test score of each seed."""
        found = [json.loads((runs / f"seed-{seed}/metrics.json").read_text()) for seed in seeds]
        return [_test_score(metrics) for metrics in found]


class ExampleScripts:
    """transformers' example scripts at their defaults, with padding to the longest of a batch."""

    def __init__(
        self, examples: Path, metrics: Path, python: str, prepared: Path, workload: FinetuningWorkload
    ) -> None:
        """Write their data.

        examples: the folder examples/pytorch of transformers.
        metrics: the folder metrics of evaluate, which loads those beneath the present folder without asking the hub.
        prepared: the part as smelt has prepared it.
        """
        self.python, self.metrics, self.workload = python, metrics, workload
        self.folder = workload.folder / "scripts"
        self.kind = write_for_scripts(prepared, self.folder / "data")
        self.script = examples / SCRIPTS[self.kind]

    def __call__(self, seeds: Sequence[int]) -> SeedsFigures:
        """Fine-tune with seeds; what datasets kept of those before is forgotten."""
        runs = self.folder / "runs"
        shutil.rmtree(runs, ignore_errors=True)
        runs.mkdir()
        environment = {"HF_HOME": str(runs / "cache"), "HF_HUB_OFFLINE": "1", "PYTHONPATH": "", "PYTHONHASHSEED": "0"}
        return measured(self.commands(seeds, runs), self.metrics, environment, lambda: self.scores(seeds, runs))

    def commands(self, seeds: Sequence[int], runs: Path) -> list[list[str]]:
        """Return the commands of seeds: one for each."""
        words = [self.script, "--model_name_or_path", self.workload.encoder, "--do_train", "--do_eval", "--do_predict"]
        for split in ("train", "validation", "test"):
            words += [f"--{split}_file", self.folder / "data" / f"{split}.json"]
        words += ["--num_train_epochs", self.workload.epochs, "--learning_rate", self.workload.rate]
        command = [self.python, *map(str, words), *FLAGS[self.kind]]
        return [[*command, "--seed", str(seed), "--output_dir", str(runs / f"seed-{seed}")] for seed in seeds]

    def scores(self, seeds: Sequence[int], runs: Path) -> list[float]:
        """Return the test score of each seed."""
        return [self._score(runs / f"seed-{seed}") for seed in seeds]

    def _score(self, run: Path) -> float:
        if self.kind == "sequence-classification":  # the script writes labels alone
            given = [line.split("\t")[1] for line in _lines(run / "predict_results_None.txt")[1:]]
            right = [str(json.loads(line)["label"]) for line in _lines(self.folder / "data/test.json")]
            return statistics.fmean(one == other for one, other in zip(given, right, strict=True))
        found = json.loads((run / "predict_results.json").read_text())
        return float(found["test_f1"] / 100 if self.kind == "question-answering" else found["predict_f1"])


def measured(
    commands: list[list[str]], folder: Path, environment: Mapping[str, str], scores: Callable[[], list[float]]
) -> SeedsFigures:
    """Run the commands of seeds, and return what they took and how they scored."""
    began = time.perf_counter()
    used = run_all(commands, folder, environment)
    wall, found = time.perf_counter() - began, scores()
    processor = sum(one.processor_seconds for one in used)
    peaks = sorted((one.memory for one in used), reverse=True)
    return SeedsFigures(len(found), wall, processor, sum(peaks[:SIDE_BY_SIDE]), found)


def run_all(commands: Sequence[Sequence[str]], folder: Path, environment: Mapping[str, str]) -> list[Used]:
    """Run commands side by side in a folder; return what each used."""
    threads = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        return list(pool.map(lambda command: run_command(command, folder, threads | dict(environment)), commands))


def make_ways(workload: FinetuningWorkload) -> dict[str, Callable[[Sequence[int]], SeedsFigures]]:
    """Return the ways by name, all with their data ready.

    These are ours and peer, `bf16` where the processor does not emulate it, and before where a checkout of it is named.
    """
    checkout = Path(__file__).parents[1]
    builds = {"ours": Build(checkout, workload, "ours", together=True)}
    if not is_emulated("bf16", torch.device("cpu")):
        builds["bf16"] = Build(checkout, workload, "bf16", together=True, precision="bf16")
    if BEFORE in os.environ:
        builds["before"] = Build(Path(os.environ[BEFORE]), workload, "before", together=False)
    prepared = builds["ours"].task
    write_encoder(workload.encoder, workload.architecture, texts_of(prepared))
    examples, metrics = (Path(os.environ[name]) for name in (EXAMPLES, METRICS))
    python = os.environ.get(PYTHON, sys.executable)
    return {**builds, "peer": ExampleScripts(examples, metrics, python, prepared, workload)}


def _test_score(metrics: Mapping[str, Any]) -> float:
    from smelt.tasks.kinds import METRICS

    key = METRICS[metrics["metric"]].key
    rows = [row for row in metrics["scores"] if row["split"] == "test" and row["metric"] == key]
    return float(rows[0]["value"])


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()
