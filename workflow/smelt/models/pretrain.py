"""Pretrain an encoder from scratch on packed token blocks: the command `pretrain`.

IN   block folders, one a language; the tokenizer's folder; the settings that the catalogue gives
OUT  a model's folder: config.json, model.safetensors, tokenizer, README.md (its card), provenance.json; its curve, and
     beside it TensorBoard's events
"""

import argparse
import os
import sys
from pathlib import Path

from smelt.flags import add_country, json_object, natural, positive
from smelt.models.pretrained import PretrainingSettings
from smelt.study.load import check


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `pretrain`."""
    parser.add_argument("--blocks", type=Path, nargs="+", required=True, help="block folders, one a language")
    parser.add_argument("--tokenizer", type=Path, required=True, help="folder of the tokenizer")
    parser.add_argument(
        "--settings", type=json_object(), required=True, help="shape, recipe, alpha, seed and version, as JSON"
    )
    parser.add_argument("--checkpoints", type=Path, required=True, help="folder for checkpoints of all runs")
    parser.add_argument("--minutes", type=float, help="time of the job; it keeps a checkpoint before that is over")
    parser.add_argument("--threads", type=positive, help="CPU threads on each machine")
    parser.add_argument("--output", type=Path, required=True, help="folder of the model")
    parser.add_argument("--curve", type=Path, required=True, help="CSV of the learning curve")
    parser.add_argument("--gpus", type=natural, default=1, help="GPUs of the job, on all its machines; 0 for none")
    parser.add_argument("--nodes", type=positive, default=1, help="machines of the SLURM job to train on")
    parser.add_argument("--processes", type=positive, help="processes on each machine, where there are no GPUs")
    add_country(parser)


def run(arguments: argparse.Namespace) -> None:
    """Pretrain one model, in as many processes as the job has GPUs."""
    settings = check(PretrainingSettings, arguments.settings, "--settings")
    from smelt.training.launch import launch, processes_per_node
    from smelt.training.processes import launched

    if not arguments.gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    if not launched():
        processes = processes_per_node(arguments.gpus, arguments.nodes, arguments.processes)
        if processes * arguments.nodes > 1:
            sys.exit(launch(arguments.words, processes, arguments.nodes))
    from smelt.models.pretraining import Job, run_job

    share_threads(arguments.threads)
    run_job(
        Job(
            arguments.blocks,
            arguments.tokenizer,
            settings,
            arguments.checkpoints,
            arguments.curve,
            arguments.output,
            arguments.minutes,
            arguments.country,
        )
    )


def share_threads(threads: int | None) -> None:
    """Give torch this process's share of the threads that the job may use here, by default one a core."""
    import torch

    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    torch.set_num_threads(max((threads or torch.get_num_threads()) // processes, 1))
