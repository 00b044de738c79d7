"""Distil a smaller model from teachers on token blocks: the command `distil`.

IN   block folders of the first teacher's tokenizer, one a language; the teachers' folders; the settings that the
     catalogue gives
OUT  a model's folder: config.json, model.safetensors, tokenizer, README.md (its card), provenance.json; its curve, and
     beside it TensorBoard's events
"""

import argparse
from pathlib import Path

from smelt.entry import check
from smelt.flags import json_object
from smelt.models.distilled import DistillationSettings
from smelt.models.job_flags import add_job_flags, run_here, start_processes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `distil`."""
    parser.add_argument(
        "--teachers", type=Path, nargs="+", required=True, help="folders of the teachers, that with the tokenizer first"
    )
    parser.add_argument(
        "--settings", type=json_object(), required=True, help="student, losses, recipe, alpha, seed, versions, as JSON"
    )
    add_job_flags(parser)


def run(arguments: argparse.Namespace) -> None:
    """Distil one model, in as many processes as the job has GPUs."""
    settings = check(DistillationSettings, arguments.settings, "--settings")
    start_processes(arguments)
    from smelt.models.distilling import Distilling

    run_here(arguments, arguments.teachers[0], Distilling(settings, arguments.teachers))
