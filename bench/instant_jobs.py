"""Snakemake whose jobs take no time: each writes its outputs at once, with nothing in them. Arguments are Snakemake's.

What it leaves behind is a finished study as far as Snakemake is concerned, records of all jobs included.
"""

import json
import sys
from pathlib import Path
from typing import Any

import snakemake.cli
from snakemake.shell import shell

TASK = {"splits": {split: {"examples": 100} for split in ("train", "validation", "test")}}
"""What further jobs read of a task before they run."""


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


if __name__ == "__main__":
    shell.__new__ = write  # type: ignore[method-assign, assignment]
    snakemake.cli.main()
