"""`smelt pin <study.yaml>`: look up the commits of the models that a study adopts with `revision: pinned`.

They are written to `revisions.yaml` beside the study. Commits that stand there already stay. Weights have to be
safetensors, because those of PyTorch's older format are pickles, which can run code. Where a repository has pickles
alone, the commit is that of the hub's own conversion, which its bot proposes as a pull request (`refs/pr/<number>`).
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from smelt.cli import add_examples
from smelt.errors import SmeltError
from smelt.files import whole_file
from smelt.hub_errors import Unreachable, hub_errors
from smelt.model_folder import SAFETENSORS
from smelt.study.revisions import REVISIONS, read_revisions, unpinned
from smelt.study.schema import load_study

CONVERTER = "SFconvertbot"
"""The hub's bot that converts weights to safetensors; pull requests of others may hold other weights."""
HEAD = "# Commits of models that studies of this folder adopt with `revision: pinned`, as `smelt pin` found them.\n"


class PinnedCommit(NamedTuple):
    """A commit of a model on the hub, and where it stands there."""

    commit: str
    branch: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take the study file."""
    parser.add_argument("study", type=Path, help="a study file")
    add_examples(
        parser,
        "my-study.yaml",
    )


def run(arguments: argparse.Namespace) -> None:
    """Write the commits that are not known yet, and print each.

    Raises:
        SmeltError: some model has none; the others are written.
    """
    folder = arguments.study.parent
    names = unpinned(load_study(arguments.study).models)
    if not names:
        print(f"{arguments.study}: every model of the hub has its commit")
        return
    found, complaints = _look_up(names)
    for name, (commit, branch) in found.items():
        print(f"{name}: {commit} ({branch})")
    if found:
        pinned = read_revisions([folder]) | {name: commit for name, (commit, _) in found.items()}
        with whole_file(folder / REVISIONS) as draft:
            draft.write_text(HEAD + yaml.safe_dump(pinned), encoding="utf-8")
    if complaints:
        raise SmeltError(
            arguments.study, f"{len(names) - len(found)} of {len(names)} not pinned: {'; '.join(complaints)}"
        )


def _look_up(names: list[str]) -> tuple[dict[str, PinnedCommit], list[str]]:
    """Return the commits of models, and a complaint about each that has none.

    Where the hub does not answer, the others are not asked for: it would not answer for them either.
    """
    found, complaints = {}, []
    for name in names:
        try:
            found[name] = find_commit(name)
        except SmeltError as error:
            complaints.append(str(error))
            if isinstance(error, Unreachable):
                break
    return found, complaints


def find_commit(name: str) -> PinnedCommit:
    """Return the commit of a model: of its main branch, or of the hub's conversion of it to safetensors.

    Raises:
        SmeltError: the hub cannot be reached, has no such model, or has its weights as pickles alone.
    """
    from huggingface_hub import HfApi

    with hub_errors(name):
        for branch in _branches(HfApi(), name):
            info = HfApi().model_info(name, revision=branch)
            files = [file.rfilename for file in info.siblings or []]
            if any("/" not in file and Path(file).match(SAFETENSORS) for file in files):
                assert info.sha is not None
                return PinnedCommit(info.sha, branch)
    converted = f"no conversion of {CONVERTER} to safetensors"
    raise SmeltError(name, f"has {converted} and no safetensors of its own: save its weights so, and adopt the folder")


def _branches(hub: Any, name: str) -> Iterator[str]:
    """Yield the main branch of a model, and then the pull requests of the hub's bot, the newest first."""
    yield "main"
    proposed = hub.get_repo_discussions(name, author=CONVERTER, discussion_type="pull_request")
    own = [request.num for request in proposed if request.author == CONVERTER and request.is_pull_request]
    yield from (f"refs/pr/{number}" for number in sorted(own, reverse=True))
