"""`smelt open my-study.yaml`: open the page of a study in the browser, or say where it is and what it waits for."""

import argparse
import getpass
import os
import shlex
import socket
import sys
import webbrowser
from pathlib import Path

from smelt.cli import add_examples, add_studies
from smelt.errors import SmeltError
from smelt.study.catalogue import Catalogue
from smelt.study.workflow import catalogue_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take the study file, and the folder of the run."""
    add_studies(parser)
    parser.add_argument("--no-browser", action="store_true", help="print the page's path, and open nothing")
    add_examples(parser, "my-study.yaml", "my-study.yaml --no-browser")


def run(arguments: argparse.Namespace) -> None:
    """Print the path of the page, and open it where there is a screen.

    Raises:
        SmeltError: there is no page yet; the message counts what is made.
    """
    catalogue = catalogue_of(arguments.studies, {})
    page = (arguments.directory / catalogue.paths.results / "report.html").absolute()
    if not page.is_file():
        again = shlex.join(["smelt", "run", *map(str, arguments.studies)])
        raise SmeltError(page, f"no page yet: {made_by_now(catalogue, arguments.directory)}; `{again}` makes the rest")
    print(page)
    if arguments.no_browser:
        return
    if "SSH_CONNECTION" in os.environ:
        there = f"{getpass.getuser()}@{socket.gethostname()}:{page}"
        print(f"To see it, copy this one file to your machine: scp {shlex.quote(there)} .")
    elif not has_screen() or not webbrowser.open(page.as_uri()):
        print("No browser starts here. The page is one file: copy it to where one does, and open it there.")


def has_screen() -> bool:
    """Return whether a browser would have a screen to open on."""
    return sys.platform != "linux" or bool({"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys())


def made_by_now(catalogue: Catalogue, folder: Path) -> str:
    """Return how many of a study's models and fine-tunings there are, in words."""
    wanted = {"models": catalogue.model_folders(), "fine-tunings": catalogue.finetune.files()}
    return ", ".join(
        f"{sum((folder / path).exists() for path in paths)} of {len(paths)} {what}" for what, paths in wanted.items()
    )
