"""The speed of a six-layer student with a reduced vocabulary against its 12-layer teacher, beside Eliquare's 5.8x.

The shapes are mBERT's and that of a DistilBERT whose vocabulary makes it the 66M parameters of Eliquare's student
(section 4), with random weights: speed, size and memory do not depend on what weights say. Half of what the student
lacks stands apart: the same layers with the whole vocabulary, and the same vocabulary with all layers.
"""

import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from bench.efficiency import environment, smelt_command, write_model
from bench.measure import RESULTS, BenchmarkOutcome, SkippedBenchmark, machine, write
from smelt.files import read_json

WHOLE = 119_547
REDUCED = 30_050  # pieces at which six layers are 66M parameters
TEACHER, STUDENT = "mbert", "eliquare"
SHAPES = {
    TEACHER: (WHOLE, False),
    "six-layers": (WHOLE, True),
    "reduced-teacher": (REDUCED, False),
    STUDENT: (REDUCED, True),
}
PAPER = {"seconds, mbert": 0.384, "seconds, eliquare": 0.066, "times as fast": 5.8, "parameters (M)": 66.0}
"""Section 4: a batch of 32 on a V100; the length of its texts is not given."""
BATCH, LENGTH = 32, 128
SETTINGS: dict[str, Any] = {
    "reference": TEACHER,
    "lengths": [LENGTH],
    "batches": [1, BATCH],
    "items": 10,
    "warmup": 2,
    "loads": 3,
    "sizes": ["fp32"],
}


def students(name: str) -> BenchmarkOutcome | SkippedBenchmark:
    """Tokens a second of the student against its teacher in batches of 32; all other figures beside them."""
    folder = Path(tempfile.mkdtemp(prefix="smelt-bench-"))
    try:
        for model, (pieces, distilled) in SHAPES.items():
            write_model(folder / model, pieces, distilled)
        models = [folder / model for model in SHAPES]
        settings = json.dumps(SETTINGS)
        command = smelt_command("efficiency", "--settings", settings, "--output", folder / "out", "--models", *models)
        if subprocess.run(command, env=environment()).returncode:
            return SkippedBenchmark(name, "the benchmark failed, as it says above", failed=True)
        shutil.copytree(folder / "out", RESULTS / name, dirs_exist_ok=True)
        return outcome_of(name, {model: read_json(RESULTS / name / f"{model}.json") for model in SHAPES})
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def outcome_of(name: str, records: dict[str, Any]) -> BenchmarkOutcome:
    """Return the outcome of the benchmark's records of all shapes, on a GPU where it measured one."""
    device = "cuda" if "cuda" in records[TEACHER]["devices"] else "cpu"
    passes = {model: _pass(record, device, BATCH) for model, record in records.items()}
    speeds = {model: BATCH * LENGTH / found["seconds"]["median"] for model, found in passes.items()}
    further: dict[str, float] = {}
    for model, record in records.items():
        further |= {
            f"{model}, encoder parameters (M)": record["parameters"]["encoder"] / 1e6,
            f"{model}, MB": record["bytes"]["fp32"] / 1e6,
            f"{model}, memory MB": record["devices"][device]["memory"]["used"] / 1e6,
            f"{model}, seconds a batch of {BATCH}": passes[model]["seconds"]["median"],
            f"{model}, times as fast": 1 / passes[model]["ratio"]["median"],
            f"{model}, times as fast one by one": 1 / _pass(record, device, 1)["ratio"]["median"],
        }
    outcome = BenchmarkOutcome(
        name=name,
        unit="tokens/s",
        ours=speeds[STUDENT],
        peer=speeds[TEACHER],
        peer_name="the 12-layer teacher",
        ratio=1 / passes[STUDENT]["ratio"]["median"],
        runs=SETTINGS["items"],
        machine=machine(),
        further=further | {f"paper, {figure}": value for figure, value in PAPER.items()},
    )
    write(outcome)
    return outcome


def _pass(record: dict[str, Any], device: str, batch: int) -> dict[str, Any]:
    """Return the record's passes of one batch size."""
    found = record["devices"][device]["latency"]
    passes: dict[str, Any] = next(entry for entry in found if (entry["batch"], entry["length"]) == (batch, LENGTH))
    return passes
