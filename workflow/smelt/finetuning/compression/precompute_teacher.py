"""`smelt job signals`: draw the transfer text of a task, and precompute a teacher's outputs for it.

IN   a fine-tuned model's folder, the prepared task's, documents of a corpus
OUT  a folder of signals: signals.json, provenance.json, text/ and, where they are stored, shards/

Finished shards wait in the folder for checkpoints until all are written. After a kill, the same command continues with
the next shard and ends with the same bytes.
"""

import argparse
import contextlib
import math
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smelt.cli import KeyValues, add_country, add_examples, add_gpus, hide_gpus, positive
from smelt.energy import Meter
from smelt.entry import check
from smelt.errors import SmeltError
from smelt.files import read_json, whole_folder, write_json
from smelt.provenance import sha256_of, write_provenance
from smelt.study.compression import SignalSettings
from smelt.tasks.kinds import kind_of
from smelt.tasks.kinds.base import Task
from smelt.tasks.prepared_task import read_task

if TYPE_CHECKING:
    from smelt.energy import Account
    from smelt.finetuning.compression.signals import SignalsOrigin, Teacher
    from smelt.finetuning.compression.transfer import Transfer
    from smelt.tasks.tokenizer import TaskTokenizer

PLAN, SPENT = "plan.json", "spent.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument("--teacher", type=Path, required=True, help="folder of the fine-tuned model")
    parser.add_argument("--task", type=Path, required=True, help="folder of the prepared task")
    parser.add_argument(
        "--documents", type=Path, nargs="*", default=[], help="Parquet files of a corpus's documents, one a language"
    )
    parser.add_argument("--settings", action=KeyValues, required=True, help="layers, length and so on")
    parser.add_argument("--kept", action=KeyValues, default={}, help="mode and max_gigabytes")
    parser.add_argument("--threads", type=positive, default=1, help="CPU threads")
    add_gpus(parser)
    add_country(parser)
    parser.add_argument("--checkpoints", type=Path, help="folder for finished shards; by default one beside the output")
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    add_examples(
        parser,
        "--teacher finetuned/mbert/sst2/seed-1/model --task sst2 --settings layers=[6] length=64 --output signals",
    )


def run(arguments: argparse.Namespace) -> None:
    """Write the signals, going on where an earlier run of the same was stopped."""
    hide_gpus(arguments.gpus)
    settings = check(SignalSettings, arguments.settings | arguments.kept, "--settings")
    task = read_task(arguments.task)
    check_for_students(task, arguments.task)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    os.environ.setdefault("RAYON_NUM_THREADS", str(arguments.threads))
    import torch

    from smelt.energy import Account
    from smelt.finetuning.compression.signals import Teacher
    from smelt.finetuning.job import gpus
    from smelt.tasks.tokenizer import load_pieces
    from smelt.training.lock import Lock

    torch.set_num_threads(arguments.threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    device = torch.device("cuda" if gpus() else "cpu")
    pieces = load_pieces(arguments.teacher)
    teacher = Teacher(arguments.teacher, task, settings.layers, settings.length, device)
    partial = arguments.checkpoints or arguments.output.with_name(f".{arguments.output.name}.partial")
    partial.mkdir(parents=True, exist_ok=True)
    lock = Lock(partial / "lock")
    lock.acquire(patience=math.inf)  # until a job whose Snakemake was killed is done
    try:
        with Meter(arguments.country, gpus()) as meter:
            job = _Precomputation(arguments, settings, task, pieces, teacher, partial, Account(meter))
            job.run()
        job.finish()
    finally:
        lock.release()
    with contextlib.suppress(OSError):  # what somebody else has put there stays
        partial.rmdir()


def check_for_students(task: Task, where: Path) -> None:
    """Check that students can learn a task.

    Raises:
        SmeltError: they cannot.
    """
    if reason := kind_of(task).not_for_students(task.pairs):
        raise SmeltError(where, f"{task.name} {reason}")


@dataclass(frozen=True)
class _Precomputation:
    """One run of the command."""

    arguments: argparse.Namespace
    settings: SignalSettings
    task: Task
    pieces: "TaskTokenizer"
    teacher: "Teacher"
    partial: Path
    account: "Account"

    def run(self) -> None:
        """Write what is not written yet."""
        from smelt.finetuning.compression.signals import FORMAT, NAME, SHARDS, TEXT, describe_origin

        settings = self.settings
        made = describe_origin(
            self.teacher, self.arguments.task, self.task, self.pieces, settings.length, settings.held_out
        )
        self._begin(made)
        transfer = self._text(self.partial / TEXT)
        mode, size = self._mode(transfer)
        if mode == "stored":
            self._write(self.partial / SHARDS, transfer, size)
        windows = transfer.windows
        counts = {"windows": len(windows), "held_out_windows": int(transfer.held_out.sum())}
        counts |= {"tokens": int(windows.starts[-1]), "labelled_tokens": windows.labelled}
        about = {"format": FORMAT, "mode": mode, "bytes": size if mode == "stored" else 0} | vars(made)
        about |= {"text": sha256_of(self.partial / TEXT), "layers": self.teacher.layers, "width": self.teacher.width}
        about |= {"labels": self.task.labels, "seed": settings.seed}
        write_json(self.partial / NAME, about | transfer.about | {"counts": counts})
        inputs: dict[str, Path | Sequence[Path]] = {"teacher": self.teacher.folder, "task": self.arguments.task}
        inputs |= {"documents": self.arguments.documents} if self.arguments.documents else {}
        used = settings.model_dump() | {"device": str(self.teacher.device), "threads": self.arguments.threads}
        write_provenance(
            self.partial, "signals", used, inputs, [settings.seed], self.account.hours, self.account.energy()
        )

    def finish(self) -> None:
        """Move all to the output."""
        with whole_folder(self.arguments.output) as draft:
            for path in [*self.partial.iterdir()]:
                if path.name not in (PLAN, SPENT, "lock"):
                    shutil.move(path, draft / path.name)
        for name in (PLAN, SPENT):
            (self.partial / name).unlink(missing_ok=True)

    def _begin(self, made: "SignalsOrigin") -> None:
        """Remove what a run with other inputs or settings left."""
        from smelt.finetuning.compression.transfer import EVALUATION

        read = [*self.arguments.documents]
        read += [self.arguments.task / f"{split}.parquet" for split in EVALUATION] if read else []
        texts = [[str(path), sha256_of(path)] for path in read]
        plan: dict[str, Any] = {"made": vars(made), "settings": self.settings.model_dump(), "texts": texts}
        path = self.partial / PLAN
        if path.is_file() and read_json(path) == plan:
            if (self.partial / SPENT).is_file():
                self.account.resume(read_json(self.partial / SPENT))
            return
        for left in self.partial.iterdir():
            if left.is_dir():
                shutil.rmtree(left)
            elif left.name != "lock":
                left.unlink()
        write_json(path, plan)

    def _text(self, folder: Path) -> "Transfer":
        from smelt.finetuning.compression.transfer import read_transfer, write_transfer

        if not folder.is_dir():
            with whole_folder(folder) as draft:
                write_transfer(
                    draft, self.arguments.task, self.task, self.arguments.documents, self.pieces, self.settings
                )
        return read_transfer(folder, len(self.pieces.tokenizer))

    def _mode(self, transfer: "Transfer") -> tuple[str, int]:
        """Return whether signals are stored or live, and the bytes that they take or would take; print both."""
        from smelt.finetuning.compression.signals import size_of
        from smelt.training.progress import say

        layers = len(self.teacher.layers)
        size = size_of(transfer.windows.labelled, layers, self.teacher.width, len(self.task.labels))
        mode = self.settings.mode
        if mode == "auto":
            mode = "stored" if size <= self.settings.max_gigabytes * 1e9 else "live"
        texts = f"{sum(transfer.about['texts'].values()):,} texts, {transfer.windows.labelled:,} labelled tokens"
        kept = "of signals" if mode == "stored" else "of signals, not stored: the teacher computes them each time"
        say(f"{texts}: {size / 1e9:.3g} GB {kept}")
        return mode, size

    def _write(self, folder: Path, transfer: "Transfer", size: int) -> None:
        from smelt.finetuning.compression.signals import is_written, numbers_of, write_shard
        from smelt.training.progress import say

        folder.mkdir(exist_ok=True)
        every = list(numbers_of(len(transfer.windows)))
        written = sum(path.stat().st_size for path in folder.glob("*.npy"))
        refuse_little_space(folder, size - written, self.settings.mode)
        for number, windows in every:
            if not is_written(folder, number):
                write_shard(folder, number, transfer.windows, windows, self.teacher, self.pieces.padding)
                write_json(self.partial / SPENT, self.account.state())
                say(f"shard {number + 1:,} of {len(every):,}")


def refuse_little_space(folder: Path, size: int, mode: str) -> None:
    """Refuse to begin where the disk has too little room.

    Raises:
        SmeltError: the bytes do not fit.
    """
    free = shutil.disk_usage(folder).free
    if size > free:
        found = f"the teacher's signals take {size / 1e9:.3g} GB more, and this disk has {free / 1e9:.3g} GB left"
        way_out = "lower transfer.max_gigabytes" if mode == "auto" else "set transfer.signals: live"
        raise SmeltError(folder, f"{found}: make room, or {way_out}")
