"""`smelt publish <study> <model> --to <owner/name>`: show what of a model would go to the hub, and send it there.

Without `--upload` nothing leaves this machine: files, sizes, the card and what it lacks are printed. With it the folder
goes to a private repository in one commit. The model's folder in the results stays as it is.
"""

import argparse
import re
import tempfile
from pathlib import Path

from smelt.cli import add_examples
from smelt.errors import SmeltError
from smelt.files import whole_folder
from smelt.publish.card import PublishedCard, make_card
from smelt.publish.folder import PublishedFiles, list_files, write_folder
from smelt.publish.subject import PublishedModel, find_model, refuse_other_weights
from smelt.publish.upload import Destination, check_repository, token_of_environment, upload
from smelt.study.workflow import catalogue_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("study", type=Path, help="a study file")
    parser.add_argument("model", help="a model of it, or <model>/<task>/seed-<n> for one that was fine-tuned and kept")
    parser.add_argument("--to", required=True, metavar="OWNER/NAME", help="the repository on the hub")
    parser.add_argument("--folder", type=Path, help="folder to write, with all that would be published")
    parser.add_argument("--upload", action="store_true", help="send it, with the token in HF_TOKEN")
    parser.add_argument("--public", action="store_true", help="for everybody to see; by default it is private")
    parser.add_argument("--update", action="store_true", help="replace files that the repository holds already")
    parser.add_argument("--no-licence", action="store_true", help="publish without a licence")
    parser.add_argument("--revision", metavar="BRANCH", help="branch to send it to; by default the main one")
    parser.add_argument("--message", default="Published with smelt", help="message of the commit")
    add_examples(
        parser,
        "my-study.yaml small --to me/small  # what would be published, and what is missing",
        "my-study.yaml small --to me/small --folder out  # the same as a folder, to look at",
        "my-study.yaml small --to me/small --upload  # with the token in HF_TOKEN",
        "my-study.yaml small/conll2003/seed-1 --to me/small-ner  # fine-tuned, with `finetuning: {keep: best}`",
    )


def run(arguments: argparse.Namespace) -> None:
    """Show what would be published, and do so if asked to.

    Raises:
        SmeltError: there is no such model, it is not built, or it cannot be published as it is.
    """
    repository = check_repository(arguments.to)
    token = token_of_environment() if arguments.upload else None
    published = find_model(catalogue_of([arguments.study], {}), arguments.model)
    refuse_other_weights(published)
    files, made = list_files(published), make_card(published, repository)
    with tempfile.TemporaryDirectory(prefix="smelt-publish-") as scratch:
        folder = Path(scratch)
        write_folder(published, files, str(made.card), folder, link=True)
        _show(published, files, made, folder, repository)
        if arguments.folder is not None:
            _write(arguments.folder, published, files, made)
        if token is None:
            print("Nothing was sent: `--upload` sends it.")
            return
        if made.terms.licence is None and not arguments.no_licence:
            mend = "set `licence` of the model or of the study, or say --no-licence"
            raise SmeltError(published.catalogue.paths.where, f"{made.terms.why} Nothing was sent: {mend}")
        to = Destination(repository, arguments.revision, arguments.public, arguments.update, arguments.message)
        print(f"sent: {upload(folder, to, token)} ({'public' if to.public else 'private'})")


def _write(output: Path, published: PublishedModel, files: PublishedFiles, made: PublishedCard) -> None:
    """Write the folder, whole.

    Raises:
        SmeltError: something else lies there.
    """
    if output.exists() and any(output.iterdir() if output.is_dir() else [output]):
        raise SmeltError(output, "is not empty: expected a new folder")
    with whole_folder(output) as draft:
        write_folder(published, files, str(made.card), draft, link=False)
    print(f"written: {output}")


def _show(published: PublishedModel, files: PublishedFiles, made: PublishedCard, folder: Path, repository: str) -> None:
    """Print the card, the files and what is missing."""
    print(re.sub(r"\n{3,}", "\n\n", str(made.card)))
    print(f"{published.folder} to {repository}:")
    sent = sorted(path for path in folder.rglob("*") if path.is_file())
    for path in sent:
        print(f"  {path.stat().st_size:>14,}  {path.relative_to(folder).as_posix()}")
    print(f"  {sum(path.stat().st_size for path in sent):>14,}  bytes in {len(sent)} files")
    if files.left:
        print(f"left out: {', '.join(files.left)}")
    for line in made.missing:
        print(f"missing: {line}")
