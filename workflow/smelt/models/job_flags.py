"""Flags of the commands that train a model, and the start of a process for each GPU of the job.

This stands apart from `job` because help and complaints need no torch.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from smelt.cli import add_country, add_gpus, hide_gpus, positive

if TYPE_CHECKING:
    from smelt.models.job import TrainingJob, TrainingPlan


def add_job_flags(parser: argparse.ArgumentParser) -> None:
    """Declare the flags of the job itself: its blocks, time, machines and files."""
    parser.add_argument("--blocks", type=Path, nargs="+", required=True, help="block folders, one a language")
    parser.add_argument("--checkpoints", type=Path, required=True, help="folder for checkpoints of all runs")
    parser.add_argument("--minutes", type=float, help="time of the job; it keeps a checkpoint before that is over")
    parser.add_argument("--threads", type=positive, help="CPU threads on each machine")
    parser.add_argument("--output", type=Path, required=True, help="folder of the model")
    parser.add_argument("--curve", type=Path, required=True, help="CSV of the learning curve")
    add_gpus(parser, ", on all its machines")
    parser.add_argument("--nodes", type=positive, default=1, help="machines of the SLURM job to train on")
    parser.add_argument("--processes", type=positive, help="processes on each machine, where there are no GPUs")
    add_country(parser)


def start_processes(arguments: argparse.Namespace) -> None:
    """Start the command again in a process for each GPU and exit with them; return in those, or if one is enough."""
    from smelt.training.distributed import is_under_torchrun
    from smelt.training.launch import launch, processes_per_node

    hide_gpus(arguments.gpus)
    if not is_under_torchrun():
        processes = processes_per_node(arguments.gpus, arguments.nodes, arguments.processes)
        if processes * arguments.nodes > 1:
            sys.exit(launch(arguments.words, processes, arguments.nodes))


def run_here(arguments: argparse.Namespace, tokenizer: Path, maker: "TrainingPlan") -> None:
    """Run the job that the flags describe, in this process."""
    from smelt.models.job import run_job

    share_threads(arguments.threads)
    run_job(job_of(arguments, tokenizer), maker)


def job_of(arguments: argparse.Namespace, tokenizer: Path) -> "TrainingJob":
    """Return the job that the flags describe."""
    from smelt.models.job import TrainingJob

    return TrainingJob(
        blocks=arguments.blocks,
        tokenizer=tokenizer,
        checkpoints=arguments.checkpoints,
        curve=arguments.curve,
        output=arguments.output,
        minutes=arguments.minutes,
        country=arguments.country,
    )


def share_threads(threads: int | None) -> None:
    """Give torch this process's share of the threads that the job may use here; one a core by default."""
    import torch

    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    torch.set_num_threads(max((threads or torch.get_num_threads()) // processes, 1))
