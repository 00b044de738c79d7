"""A pretraining killed repeatedly, at random moments, gives the same model as an undisturbed one."""

import csv
import json
import random
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from safetensors.numpy import load_file

from bench.commands import kill_all, own_environment, smelt
from bench.measure import BenchmarkOutcome, machine, write
from bench.synthetic import SyntheticCorpus, corpus

VOCABULARY, LENGTH, DOCUMENTS = 12_000, 64, 200
STEPS, CHECKPOINT_EVERY = 200, 4

# Small enough for 200 steps in seconds; the embedding makes a checkpoint heavy enough to be killed in the middle of.
SHAPE = {"family": "albert", "layers": 2, "hidden": 64, "heads": 4, "feed_forward": 128, "embedding": 128}


@dataclass(frozen=True)
class PretrainCommand:
    """One command `pretrain`, with all that it writes in one folder."""

    corpus: SyntheticCorpus
    folder: Path
    steps: int = STEPS
    processes: int = 1

    @property
    def command(self) -> list[str]:
        """The words to run it with."""
        words = ["--blocks", self.corpus.blocks, "--tokenizer", self.corpus.tokenizer, "--threads", self.processes]
        words += ["--settings", json.dumps(self._settings), "--checkpoints", self.folder / "checkpoints"]
        words += ["--output", self.folder / "model", "--curve", self.folder / "curve.csv"]
        if self.processes > 1:
            words += ["--processes", self.processes]
        return smelt("pretrain", *words)

    @property
    def kept(self) -> int:
        """The step of the newest checkpoint; 0 where there is none."""
        names = [path.name.removeprefix("step-") for path in self.folder.glob("checkpoints/*/step-*")]
        return max((int(name) for name in names if name.isdigit()), default=0)

    @property
    def writing(self) -> bool:
        """Whether a checkpoint lies there that is half written, or half removed."""
        return any(not path.name.removeprefix("step-").isdigit() for path in self.folder.glob("checkpoints/*/step-*"))

    @property
    def weights(self) -> dict[str, np.ndarray]:
        """The model's tensors."""
        return load_file(self.folder / "model" / "model.safetensors")

    @property
    def curve(self) -> dict[str, np.ndarray]:
        """The learning curve, without the speeds."""
        rows = list(csv.reader((self.folder / "curve.csv").open(encoding="utf-8")))[1:]
        return {" ".join(row[:-1]): np.array(float(row[-1])) for row in rows if row[3] != "tokens_per_second"}

    @property
    def _settings(self) -> dict[str, object]:
        recipe = {
            "data": {"batch": 8, "length": LENGTH},
            "model": {"dropout": 0.1},
            "optimizer": {"name": "adamw", "learning_rate": 1e-3},
            "schedule": {"steps": self.steps, "warmup": 0.1},
            "validation": {"every": self.steps // 5, "blocks": 8},
            "machine": {"micro_batch": 8 // self.processes},
            "checkpoints": {"every": CHECKPOINT_EVERY},
        }
        return {"shape": SHAPE, "recipe": recipe, "alpha": 1.0, "seed": 1, "version": 1}


@dataclass(frozen=True)
class Survived:
    """How a job that was killed on its way differs from one that was not."""

    kills: int
    in_writes: int
    """Kills that left a checkpoint half written or half removed."""
    values: int
    """Weights and values of the curve of the undisturbed job."""
    same_bits: int
    """How many of them the killed job has, bit for bit."""
    greatest_difference: float
    """Of any value, against the largest of its tensor; infinite where one is missing."""


def survive(undisturbed: PretrainCommand, killed: PretrainCommand, kills: int, seed: int) -> Survived:
    """Run a job undisturbed, and another of the same settings with a number of kills; compare them.

    The moments are drawn over what is left of the training, so that kills fall from its first step to its last.
    """
    seconds = run(undisturbed)
    draw, done, in_writes = random.Random(seed), 0, 0
    while done < kills:
        left = seconds * (1 - killed.kept / killed.steps)
        if not kill(killed, draw.uniform(0, min(1.5 / (kills - done), 0.6)) * left):
            break  # it ended sooner than the undisturbed one did
        done += 1
        in_writes += killed.writing
    run(killed)
    values, same_bits, difference = compared(undisturbed, killed)
    return Survived(done, in_writes, values, same_bits, difference)


def run(job: PretrainCommand) -> float:
    """Run a job to its end; return the seconds from its first line about a step."""
    with start(job) as running:
        began = first_step(running)
        refuse_failure(job, running.wait())
    return time.monotonic() - began


def kill(job: PretrainCommand, seconds: float) -> bool:
    """Run a job and kill it some seconds after its first line about a step; return whether it was still running."""
    with start(job) as running:
        moment = first_step(running) + seconds
        try:
            refuse_failure(job, running.wait(max(moment - time.monotonic(), 0)))
        except subprocess.TimeoutExpired:
            kill_all(psutil.Process(running.pid))
            return True
    return False


def start(job: PretrainCommand) -> subprocess.Popen[str]:
    """Start a job's command."""
    job.folder.mkdir(parents=True, exist_ok=True)
    with (job.folder / "errors.txt").open("w") as errors:
        return subprocess.Popen(job.command, stdout=subprocess.PIPE, stderr=errors, text=True, env=own_environment())


def refuse_failure(job: PretrainCommand, code: int) -> None:
    """Raise what a job said, if it failed."""
    if code:
        raise RuntimeError(f"pretrain ended with exit code {code}: {(job.folder / 'errors.txt').read_text().strip()}")


def first_step(running: subprocess.Popen[str]) -> float:
    """Return when the first line about a step came."""
    assert running.stdout is not None
    for line in running.stdout:
        if "step" in line:
            break
    return time.monotonic()


def compared(one: PretrainCommand, other: PretrainCommand) -> tuple[int, int, float]:
    """Return how many values there are, how many are the same bits, and the greatest difference."""
    values = same = 0
    greatest = 0.0
    for expected, found in ((one.weights, other.weights), (one.curve, other.curve)):
        if expected.keys() != found.keys():
            greatest = float("inf")
        for name in expected.keys() & found.keys():
            values += expected[name].size
            same += int((expected[name] == found[name]).sum())
            scale = max(float(np.abs(expected[name]).max()), 1e-12)
            greatest = max(greatest, float(np.abs(expected[name] - found[name]).max()) / scale)
    return values, same, greatest


def kills(name: str) -> BenchmarkOutcome:
    """How many values survive the kills in the name: resume-<kills>-kills, or -<n>-processes after that."""
    _, number, _, *several = name.split("-")
    processes = int(several[0]) if several else 1
    with tempfile.TemporaryDirectory(prefix="smelt-bench-") as folder:
        made = corpus(Path(folder), VOCABULARY, LENGTH, DOCUMENTS)
        undisturbed, killed = (
            PretrainCommand(made, Path(folder, part), STEPS, processes) for part in ("undisturbed", "killed")
        )
        survived = survive(undisturbed, killed, int(number), seed=1)
    outcome = BenchmarkOutcome(
        name=name,
        unit="weights and values of the curve, the same bits",
        ours=survived.same_bits,
        peer=survived.values,
        peer_name="the same run, undisturbed",
        ratio=survived.same_bits / survived.values,
        runs=1,
        machine=machine(),
        further={
            "kills": survived.kills,
            "kills in the middle of a checkpoint": survived.in_writes,
            "greatest relative difference": survived.greatest_difference,
        },
    )
    write(outcome)
    return outcome
