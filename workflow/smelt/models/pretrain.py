"""Pretrain an encoder from scratch on packed token blocks: the command `pretrain`.

IN   block folders, one a language; the tokenizer's folder; the settings that the catalogue gives
OUT  a model's folder: config.json, model.safetensors, tokenizer, README.md (its card), provenance.json; its curve, and
     beside it TensorBoard's events
"""

import argparse
from pathlib import Path

from smelt.entry import check
from smelt.flags import json_object
from smelt.models.job_flags import add_job_flags, run_here, start_processes
from smelt.models.pretrained import PretrainingSettings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `pretrain`."""
    parser.add_argument("--tokenizer", type=Path, required=True, help="folder of the tokenizer")
    parser.add_argument(
        "--settings", type=json_object(), required=True, help="shape, recipe, alpha, seed and version, as JSON"
    )
    add_job_flags(parser)


def run(arguments: argparse.Namespace) -> None:
    """Pretrain one model, in as many processes as the job has GPUs."""
    settings = check(PretrainingSettings, arguments.settings, "--settings")
    start_processes(arguments)
    from smelt.models.pretraining import Pretraining

    run_here(arguments, arguments.tokenizer, Pretraining(settings, arguments.tokenizer))
