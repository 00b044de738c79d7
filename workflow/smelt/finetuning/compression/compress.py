"""`smelt job compress`: compress a fine-tuned model into a small student of another architecture, in stages.

IN   a prepared task; the teacher before and after it was fine-tuned on it; its signals; settings of the catalogue
OUT  what fine-tuning writes (metrics.json, predictions.parquet, provenance.json), and the student's folder `model/`

The test split is scored after each phase, for the record; it chooses nothing.
"""

import argparse
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from smelt.cli import KeyValues, add_country, add_examples, add_gpus, hide_gpus, positive, seed
from smelt.energy import Account, Meter
from smelt.files import whole_folder, write_json
from smelt.finetuning.compression.precompute_teacher import check_for_students
from smelt.finetuning.finetune import add_limits, choose_tested, limits_of
from smelt.finetuning.outcome import FinetuningOutcome, describe_outcome, print_scores
from smelt.provenance import write_provenance
from smelt.study.compression import Compression
from smelt.tasks.prepared_task import read_split, read_task

if TYPE_CHECKING:
    from smelt.finetuning.compression.job import CompressionJob


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument("--source", type=Path, required=True, help="folder of the teacher before it was fine-tuned")
    parser.add_argument("--teacher", type=Path, nargs="?", help="folder of the fine-tuned teacher, where it is needed")
    parser.add_argument("--signals", type=Path, nargs="?", help="folder of its signals, where a stage imitates it")
    parser.add_argument("--task", type=Path, required=True, help="folder of the prepared task")
    parser.add_argument("--seed", type=seed, required=True, help="draws the student, the order and dropout")
    parser.add_argument("--settings", action=KeyValues, kind=Compression, required=True, help="all else")
    parser.add_argument("--threads", type=positive, default=1, help="CPU threads")
    add_gpus(parser)
    parser.add_argument("--checkpoints", type=Path, required=True, help="folder for checkpoints")
    add_limits(parser)
    parser.add_argument("--name", help="the model's name; by default that of the folder two above the output")
    add_country(parser)
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    add_examples(
        parser,
        "--source mbert --task sst2 --seed 1 --settings @student.yaml --checkpoints kept --output student",
    )


def run(arguments: argparse.Namespace) -> None:
    """Compress, from a checkpoint of the same settings and inputs if there is one, and write the result."""
    started = time.monotonic()
    hide_gpus(arguments.gpus)
    settings: Compression = arguments.settings
    task = read_task(arguments.task)
    check_for_students(task, arguments.task)
    splits = {split: read_split(arguments.task, split, task) for split in ("validation", "test")}
    splits["test"] = choose_tested(splits["test"], settings.tested_on, arguments.task)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    from smelt.finetuning.compression.job import CompressionInputs, CompressionJob
    from smelt.finetuning.job import gpus

    with Meter(arguments.country, gpus()) as meter:
        account = Account(meter, started)
        inputs = CompressionInputs(arguments.task, arguments.source, arguments.teacher, arguments.signals)
        job = CompressionJob(inputs, task, settings, arguments.seed, arguments.threads)
        with limits_of(arguments.checkpoints, job.identity, arguments, account, started) as limits:
            outcome = job.run(splits, limits)
            with whole_folder(arguments.output) as draft:
                outcome.write_predictions(draft / "predictions.parquet")
                _write(draft, arguments, job, outcome, account)
            limits.checkpoints.remove()
    print_scores(outcome.metrics["scores"], task, splits)


def _write(
    draft: Path, arguments: argparse.Namespace, job: "CompressionJob", outcome: FinetuningOutcome, account: Account
) -> None:
    from smelt.finetuning.compression.job import write_student_card

    name = arguments.name or arguments.output.resolve().parents[1].name
    settings = job.settings.model_dump()
    write_json(draft / "metrics.json", describe_outcome(job.task, name, job.seed, outcome.metrics, settings))
    job.save(draft / "model")
    write_student_card(draft / "model", name, job.task, outcome.metrics)
    used = settings | {"device": str(job.device), "threads": arguments.threads}
    hours, energy = account.hours, account.energy()
    write_provenance(draft, "compress", used, _inputs(job), [job.seed], hours, energy)


def _inputs(job: "CompressionJob") -> dict[str, Path | Sequence[Path]]:
    """Return what the student was made from; signals, which may be large, by what describes them."""
    inputs, vectors = job.inputs, job.settings.embeddings.paths
    found: dict[str, Path | Sequence[Path]] = {"source": inputs.source, "task": inputs.task}
    if inputs.teacher:
        found["teacher"] = inputs.teacher
    if inputs.signals:
        found["signals"] = inputs.signals / "signals.json"
    if vectors:
        found["vectors"] = vectors
    return found
