"""`smelt job compressed`: copy one student of a model to the models, to measure its size and speed.

IN   the student's folder; the provenance of the job that compressed it
OUT  a model's folder: the same files, and provenance.json
"""

import argparse
import shutil
from pathlib import Path

from smelt.cli import add_examples
from smelt.files import whole_folder
from smelt.model_folder import refuse_no_model


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument("--model", type=Path, required=True, help="folder of the student")
    parser.add_argument("--provenance", type=Path, required=True, help="provenance.json of its compression")
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    add_examples(
        parser,
        "--model finetuned/small/sst2/seed-1/model --provenance provenance.json --output models/small",
    )


def run(arguments: argparse.Namespace) -> None:
    """Copy the student and its provenance."""
    refuse_no_model(arguments.model, arguments.model)
    with whole_folder(arguments.output) as draft:
        # copyfile gives a file the mode of any that the user writes.
        shutil.copytree(arguments.model, draft, copy_function=shutil.copyfile, dirs_exist_ok=True)
        shutil.copyfile(arguments.provenance, draft / "provenance.json")
    print(f"{arguments.output}: copied from {arguments.model}")
