"""The command `demo-data`: write one wiki's dump, or one task's files.

A task's splits lie in one folder, a file for each language and split: `train-qaa.conll`.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

from smelt.cli import add_examples
from smelt.demo import GENERATOR_VERSION, SEED
from smelt.demo.dump import write_dump
from smelt.demo.languages import LANGUAGES, InventedLanguage, language_of
from smelt.demo.tasks import conll, table
from smelt.errors import SmeltError
from smelt.files import whole_file, whole_folder

SPLITS = ("train", "validation", "test")
# What writes a split's file, and its file name's ending.
TASKS: dict[str, tuple[Callable[[InventedLanguage, str, int], str], str]] = {
    "demo-ner": (conll, "conll"),
    "demo-intent": (table, "tsv"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--wiki", help=f"write this wiki's dump: {', '.join(_wikis())}")
    what.add_argument("--task", help=f"write this task's files: {', '.join(TASKS)}")
    parser.add_argument(
        "--date", default="20260101", help="date of the dump, as in its folder's name (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=SEED, help="another seed is another world (default: %(default)s)")
    parser.add_argument(
        "--version",
        type=int,
        default=GENERATOR_VERSION,
        help="version of the generator that is expected (default: this one's)",
    )
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    add_examples(
        parser,
        "--wiki qaawiki --output dumps/qaawiki",
        "--task demo-ner --output demo-ner.conll",
    )


def run(arguments: argparse.Namespace) -> None:
    """Write the folder, whole or not at all."""
    if arguments.version != GENERATOR_VERSION:
        raise SmeltError("--version", f"this is version {GENERATOR_VERSION} of the generator, not {arguments.version}")
    if arguments.wiki:
        _write_wiki(arguments.wiki, arguments.date, arguments.seed, arguments.output)
    else:
        _write_task(arguments.task, arguments.seed, arguments.output)


def _wikis() -> list[str]:
    return [language.wiki for language in LANGUAGES.values()]


def _write_wiki(wiki: str, date: str, seed: int, output: Path) -> None:
    if wiki not in _wikis():
        raise SmeltError("--wiki", f"the demo has no {wiki!r}; expected one of {', '.join(_wikis())}")
    if not (len(date) == 8 and date.isdigit()):
        raise SmeltError("--date", f"{date!r} is no date of a dump; expected eight digits, such as 20260101")
    with whole_folder(output) as folder:
        write_dump(folder, language_of(wiki.removesuffix("wiki")), date, seed)


def _write_task(task: str, seed: int, output: Path) -> None:
    """Write the files one by one, and leave the folder's other files alone: Snakemake makes the folder itself."""
    if task not in TASKS:
        raise SmeltError("--task", f"the demo has no {task!r}; expected one of {', '.join(TASKS)}")
    write, ending = TASKS[task]
    for language in LANGUAGES.values():
        for split in SPLITS:
            with whole_file(output / f"{split}-{language.code}.{ending}") as draft:
                draft.write_text(write(language, split, seed), encoding="utf-8")
