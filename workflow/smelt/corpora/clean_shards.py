"""`smelt clean-shards`: clean large data sets in shards, on datatrove's executors: this machine, or SLURM.

datatrove is the engine: it runs the stages in their order, shard by shard, as a pool of processes or as arrays of SLURM
jobs, and remembers which shards are done. A rerun does what is missing.
"""

import argparse
import hashlib
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING

from smelt.cli import KeyValues, add_examples, positive
from smelt.corpora.command import data_sets_of, tests_of
from smelt.corpora.shard_stages import Places, ShardStage, stages
from smelt.corpora.shards import keep_plan, plan_shards
from smelt.errors import SmeltError
from smelt.study.cleaning import Cleaning

if TYPE_CHECKING:
    from datatrove.executor import SlurmPipelineExecutor


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument("--language", required=True, help="code of the language")
    parser.add_argument("--data-set", nargs="+", required=True, help="name, place and columns of each: JSON, or @FILE")
    parser.add_argument("--fetched", type=Path, nargs="*", default=[], help="folders of those of the hub, in order")
    parser.add_argument(
        "--cleaning", action=KeyValues, kind=Cleaning, default=Cleaning(), help="steps, as in a study; none by default"
    )
    parser.add_argument("--tests", nargs="*", default=[], metavar="TASK=FOLDER", help="prepared tasks to look for")
    parser.add_argument("--output", type=Path, required=True, help="folder of documents/*.parquet and statistics.json")
    parser.add_argument("--shards", type=positive, default=100, help="into how many the documents are divided, at most")
    parser.add_argument("--executor", choices=("local", "slurm"), default="local", help="where shards are cleaned")
    parser.add_argument("--workers", type=positive, help="shards that are cleaned at once; 1 here, no limit on SLURM")
    slurm = parser.add_argument_group("with --executor slurm")
    slurm.add_argument("--partition", help="of all jobs")
    slurm.add_argument("--time", default="12:00:00", help="limit of each job")
    slurm.add_argument("--memory", type=positive, default=4, help="GB of a shard's job")
    slurm.add_argument("--decide-memory", type=positive, default=32, help="GB of a job that decides about duplicates")
    slurm.add_argument(
        "--sbatch", type=_option, nargs="*", default=[], metavar="NAME=VALUE", help="further options: account=me"
    )
    add_examples(
        parser,
        "--language sw --data-set @fineweb.yaml --fetched fineweb --cleaning nfc=true --output cleaned --workers 4",
        "--language sw --data-set @fineweb.yaml --fetched fineweb --output cleaned --executor slurm --partition cpu",
    )


def _option(word: str) -> tuple[str, str]:
    name, given, value = word.partition("=")
    if not given or not name.strip("-"):
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, found {word!r}")
    return name.lstrip("-"), value


def run(arguments: argparse.Namespace) -> None:
    """Plan the shards; clean them here, or hand them to SLURM."""
    _need_datatrove()
    places = Places(arguments.output.resolve())
    if arguments.executor == "slurm":
        _refuse_second_run(places)
    plan = plan_shards(
        arguments.language,
        arguments.cleaning,
        data_sets_of(arguments.data_set, arguments.fetched),
        tests_of(arguments.tests),
        arguments.shards,
    )
    keep_plan(plan, places.plan)
    if places.statistics.exists():
        print(f"{places.statistics}: everything is done")
        return
    todo = stages(plan, places)
    if arguments.executor == "local":
        _run_here(todo, places, arguments.workers or 1)
    else:
        _submit(todo, places, arguments)


def _need_datatrove() -> None:
    try:
        import datatrove  # noqa: F401
    except ModuleNotFoundError:
        raise SmeltError("clean-shards", "needs datatrove: pip install datatrove==0.10.1") from None


def _run_here(todo: list[ShardStage], places: Places, workers: int) -> None:
    """Run the stages one after the other, with several processes each."""
    from datatrove.executor import LocalPipelineExecutor

    with _errors_in(places.output / "work" / "engine.log"):
        for stage in todo:
            executor = LocalPipelineExecutor(
                [stage.task],
                tasks=stage.shards,
                workers=min(workers, stage.shards),
                logging_dir=str(places.log(stage.name)),
            )
            missing = len(executor.get_incomplete_ranks())
            print(f"{stage.name}: {missing} of {stage.shards} to do", flush=True)
            executor.run()


@contextmanager
def _errors_in(path: Path) -> Iterator[None]:
    """Write standard error, where the engine logs, to a file within the block."""
    sys.stderr.flush()
    shown = os.dup(2)
    with path.open("a", encoding="utf-8") as log, redirect_stderr(log):
        os.dup2(log.fileno(), 2)  # for the processes that start here
        try:
            yield
        finally:
            os.dup2(shown, 2)
            os.close(shown)


def _submit(todo: list[ShardStage], places: Places, arguments: argparse.Namespace) -> None:
    """Hand all stages to SLURM, each to begin when the one before has ended well."""
    if not arguments.partition:
        raise SmeltError("--partition", "expected the partition of SLURM to run in")
    before: SlurmPipelineExecutor | None = None
    log = places.output / "work" / "engine.log"
    with _errors_in(log):
        for stage in todo:
            before = _slurm_executor(stage, places, arguments, before)
        assert before is not None, "there is a stage"
        try:
            before.run()
        except subprocess.CalledProcessError as error:
            raise SmeltError("sbatch", f"refused a job (exit code {error.returncode}): {log} says why") from None
    name, work = _job_name(places), places.output / "work"
    print(f"submitted as {name}; done when {places.statistics} is there")
    print(f"if `squeue --name {name}` lists nothing and it is not there: `grep -rh ^smelt {work}` says why,")
    print("and the same command does what is missing")


def _slurm_executor(
    stage: ShardStage, places: Places, arguments: argparse.Namespace, before: "SlurmPipelineExecutor | None"
) -> "SlurmPipelineExecutor":
    from datatrove.executor import SlurmPipelineExecutor

    interpreter = Path(sys.executable).parent
    package = Path(__file__).parents[2]
    # A rerun of the command is the one way in which a shard is done again.
    words = {"no-requeue": "", "kill-on-invalid-dep": "yes", **dict(arguments.sbatch)}
    return SlurmPipelineExecutor(
        [stage.task],
        tasks=stage.shards,
        workers=arguments.workers or -1,
        time=arguments.time,
        partition=arguments.partition,
        mem_per_cpu_gb=arguments.decide_memory if stage.name.startswith("decide") else arguments.memory,
        job_name=_job_name(places),
        qos="",
        env_command=f"export PATH={shlex.quote(str(interpreter))}:$PATH PYTHONPATH={shlex.quote(str(package))}",
        sbatch_args=words,
        depends=before,
        logging_dir=str(places.log(stage.name)),
        requeue=False,
        requeue_signals=None,
    )


def _job_name(places: Places) -> str:
    return f"smelt-{places.output.name}-{hashlib.sha256(str(places.output).encode()).hexdigest()[:6]}"


def _refuse_second_run(places: Places) -> None:
    """Refuse to submit what is in SLURM's queue: two jobs would write the same files."""
    command = ["squeue", "--noheader", "--format", "%i", "--name", _job_name(places)]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    except FileNotFoundError:
        raise SmeltError("--executor slurm", "there is no squeue here: run it where jobs are submitted") from None
    except subprocess.CalledProcessError as error:
        raise SmeltError("squeue", f"failed: {error.stderr.strip()}") from None
    if listed:
        mend = f"wait for them, or `scancel --name {_job_name(places)}`"
        raise SmeltError(places.output, f"{len(listed)} jobs of an earlier call are in SLURM's queue: {mend}")
