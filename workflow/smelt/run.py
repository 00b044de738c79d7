"""`smelt run my-study.yaml --profile slurm`: the one command that starts a study and goes on after anything.

It becomes Snakemake, with the Snakefile and the profile of this checkout: signals and exit code are Snakemake's own.
What a killed run left is cleared up by the Snakefile, so that plain `snakemake` does the same.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from smelt.cli import DEMO, add_examples
from smelt.errors import SmeltError, expected_one_of
from smelt.study.origin import SAME_STUDY
from smelt.study.paths import PACKAGE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take the study files and the profile; Snakemake's own options stand behind `--`."""
    parser.usage = "%(prog)s [-h] [--profile PROFILE] [study ...] [-- options of snakemake]"
    parser.add_argument("studies", metavar="study", type=Path, nargs="*", help=f"a study file; by default {DEMO}")
    parser.add_argument(
        "--profile", default="default", help="a folder of profiles/, such as slurm, or a path; by default: this machine"
    )
    parser.add_argument(
        "--same-study", action="store_true", help="go on with the results that another file of the same name has made"
    )
    add_examples(
        parser,
        "my-study.yaml",
        "my-study.yaml --profile slurm",
        "my-study.yaml -- --dry-run  # which jobs would run; any option of Snakemake stands behind --",
    )


def run(arguments: argparse.Namespace) -> None:
    """Become Snakemake.

    Raises:
        SmeltError: there is no such profile, or no Snakefile.
    """
    command, environment = snakemake(arguments.studies, arguments.profile)
    environment |= {SAME_STUDY: "yes"} if arguments.same_study else {}
    sys.stdout.flush()
    os.execve(command[0], [*command, "--rerun-incomplete", *arguments.options], environment)


def snakemake(studies: Sequence[Path], profile: str) -> tuple[list[str], dict[str, str]]:
    """Return the command that runs studies with a profile, and its environment.

    Raises:
        SmeltError: there is no such profile, or no Snakefile.
    """
    checkout = checkout_here()
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(checkout / "workflow/Snakefile")]
    command += ["--workflow-profile", str(profile_folder(profile, checkout))]
    command += ["--configfile", *map(str, studies)] if studies else []
    # Jobs run the `python` that they find; Snakemake finds the executor of this checkout by its path.
    first = {"PATH": Path(sys.executable).parent, "PYTHONPATH": checkout / "workflow"}
    paths = {name: os.pathsep.join([str(path), *filter(None, [os.environ.get(name)])]) for name, path in first.items()}
    return command, os.environ | paths


def checkout_here() -> Path:
    """Return the checkout whose Snakefile is run: this folder, as `snakemake` would take, or that of this package.

    Raises:
        SmeltError: neither is a checkout.
    """
    folders = (Path.cwd(), PACKAGE.parents[1])
    for folder in folders:
        if (folder / "workflow/Snakefile").is_file() and (folder / "workflow/smelt").is_dir():
            return folder
    raise SmeltError(folders[0], "has no Snakefile of smelt, and smelt is not installed from a checkout: run it in one")


def profile_folder(name: str, checkout: Path) -> Path:
    """Return the folder of a profile.

    Raises:
        SmeltError: there is none of this name.
    """
    for folder in (checkout / "profiles" / name, Path(name), checkout / name):
        if any((folder / file).is_file() for file in ("profile.yaml", "config.yaml")):
            return folder
    known = sorted(path.parent.name for path in checkout.glob("profiles/*/config.yaml"))
    raise SmeltError("--profile", f"no such profile as {name}: {expected_one_of(name, known)}, or a folder's path")
