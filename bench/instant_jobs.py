"""Snakemake whose jobs take no time: each writes its outputs at once, with nothing in them. Arguments are Snakemake's.

What it leaves behind is a finished study as far as Snakemake is concerned, records of all jobs included. A Snakefile
that calls `make_instant` does the same in every process of a workflow, those of jobs on a cluster included.
"""

import atexit
import json
import os
import resource
import sys
import uuid
from pathlib import Path
from typing import Any

import snakemake.cli
from snakemake.shell import shell

TASK = {"splits": {split: {"examples": 100} for split in ("train", "validation", "test")}}
"""What further jobs read of a task before they run."""
PROCESSOR_TIMES = "BENCH_PROCESSOR_TIMES"  # names the folder to which the processes of jobs write theirs


def write(_: type[shell], __: str, *, bench_record: Any = None, **___: Any) -> None:
    """Write the outputs of the job whose command this would run."""
    outputs, rule = sys._getframe(1).f_locals["output"], sys._getframe(2).f_locals["job_rule"]
    for output, of_rule in zip(outputs, rule.output, strict=True):
        file = Path(output)
        if of_rule.is_directory:
            file.mkdir(parents=True, exist_ok=True)
        else:
            file.write_text(json.dumps(TASK))
    if bench_record:
        bench_record.running_time = 0.0


def make_instant() -> None:
    """Make the jobs of this process instant; the process of a job on a cluster says what of the processor it took."""
    shell.__new__ = write  # type: ignore[method-assign, assignment]
    if "--mode" in sys.argv and PROCESSOR_TIMES in os.environ:
        atexit.register(_write_processor_time, Path(os.environ[PROCESSOR_TIMES]))


def _write_processor_time(folder: Path) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    (folder / uuid.uuid4().hex).write_text(str(used.ru_utime + used.ru_stime))


if __name__ == "__main__":
    make_instant()
    snakemake.cli.main()
