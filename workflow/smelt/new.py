"""`smelt new`: write a study to begin with, from a language, a text, a task and a machine.

What no flag says is asked on the terminal. The file passes `smelt check`, and has comments to go on from.
"""

import argparse
import re
import shlex
import sys
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from rich.prompt import Prompt

from smelt.cli import add_examples
from smelt.complaints import meaning_of
from smelt.corpora.textfiles import check_beginning
from smelt.entry import NAME, check
from smelt.errors import SmeltError, expected_one_of
from smelt.files import whole_file
from smelt.languages import known_language
from smelt.strict_yaml import parse_yaml, read_yaml
from smelt.study.catalogue import Catalogue
from smelt.study.schema import check_study
from smelt.tasks.task_file import LIBRARY, OWN_TASKS, TaskFile, load_task

DUMP = re.compile(r"\d{8}")
HUB = re.compile(r"(?P<hub>[\w.-]+/[\w.-]+)@(?P<revision>[0-9a-f]{7,40}):(?P<config>\S+)")
TEXT = (
    "a text file, the date of a dump of Wikipedia (20230501), a folder of Parquet or JSON lines, or NAME@COMMIT:CONFIG"
)
SMALLEST = 200  # pieces of the larger vocabulary
BYTES_A_PIECE = 250
"""Of text, for each piece of the larger vocabulary: with less, SentencePiece finds too few candidates."""


Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Machine:
    """What a machine can train in reasonable time, and the command that runs a study on it."""

    about: str
    architecture: str
    recipe: str
    settings: str
    vocabularies: tuple[int, int]
    finetuning: str
    seeds: int
    command: str


MACHINES = {
    "laptop": Machine(
        about="two layers: with a small task, `smelt plan` says a quarter of an hour of a processor core",
        architecture="{layers: 2, hidden: 128, heads: 4, feed_forward: 512, embedding: 64}",
        recipe="small",
        settings=(
            "data: {batch: 32, length: 64}\n"
            "schedule: {steps: 4000}\n"
            "optimizer: {learning_rate: 3.0e-3} # as in fine-tuning, small models need more than BERT's rates\n"
            "objective: {masking_probability: 0.3} # of few tokens, more to learn from\n"
            "validation: {every: 500, blocks: 64}"
        ),
        vocabularies=(8000, 2000),
        finetuning="epochs: 10\n  batch: 32\n  learning_rate: 1.0e-3 # small models need more than BERT's rates\n",
        seeds=3,
        command="smelt run {study}",
    ),
    "gpu": Machine(
        about="a small BERT, for about an hour of one GPU",
        architecture="bert-small",
        recipe="fast",
        settings="data: {batch: 512}\nschedule: {steps: 20_000}",
        vocabularies=(32000, 8000),
        finetuning="epochs: 10\n  batch: 32\n  learning_rate: 1.0e-4\n  precision: bf16\n",
        seeds=5,
        command="smelt run {study} -- --resources connections=8 gpu=1",
    ),
    "slurm": Machine(
        about="a medium BERT, for hours of a GPU each",
        architecture="bert-medium",
        recipe="fast",
        settings="data: {batch: 1024}\nschedule: {steps: 30_000}",
        vocabularies=(32000, 8000),
        finetuning="epochs: 10\n  batch: 32\n  learning_rate: 1.0e-4\n  precision: bf16\n",
        seeds=5,
        command="smelt preflight {study} --profile slurm, then smelt run {study} --profile slurm",
    ),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take the answers, each of them a flag; what is left out is asked."""
    parser.add_argument("--language", help="the language's code, such as sw or zh-min-nan")
    parser.add_argument("--text", nargs="+", help=f"{TEXT}; several text files are joined")
    parser.add_argument("--mirror", help="address or folder of the dumps, if not https://dumps.wikimedia.org")
    parser.add_argument("--task", nargs="+", help="tasks of the library, or of files in tasks/ beside the study")
    parser.add_argument(
        "--machine", help=f"where it will run, which decides how large models are: {', '.join(MACHINES)}"
    )
    parser.add_argument("--output", help="the study file to write; its name is that of the study")
    add_examples(
        parser,
        "  # asks",
        "--language sw --text sw.txt --task masakhaner-sw --machine laptop --output sw.yaml",
        "--language sw --text 20230501 --task wikiann.monolingual.sw --machine slurm --output sw.yaml",
    )


def run(arguments: argparse.Namespace) -> None:
    """Write the study, and print what to do next.

    Raises:
        SmeltError: an answer is missing and there is no terminal to ask on, it is wrong, or the file is there.
    """
    named = ("language", "text", "task", "machine", "output")
    missing = [f"--{name}" for name in named if getattr(arguments, name) is None]
    if missing and not sys.stdin.isatty():
        raise SmeltError("smelt new", f"no terminal to ask on: expected {', '.join(missing)}, too")

    def answer(name: str, question: str, read: Callable[[list[str]], Answer], default: str = "") -> Answer:
        given = getattr(arguments, name)
        if given is not None:
            words = given if isinstance(given, list) else [given]
            if not all(words):
                raise SmeltError(f"--{name}", "is empty")
            return read(words)
        while True:
            try:
                return read([Prompt.ask(question, default=default, show_default=bool(default))])
            except SmeltError as error:
                print(f"  {error}")

    path = answer("output", "The study file to write", _path, "my-study.yaml")
    language = answer("language", "The language's code, such as sw", _language)
    corpus, size = answer("text", f"The text: {TEXT}", lambda words: _corpus(words, language, arguments.mirror))
    question = f"Tasks, with blanks between them; in {language} there are {', '.join(tasks_in(language)) or 'none yet'}"
    tasks = answer("task", question, lambda words: _tasks(" ".join(words).split(), language, path))
    about = "; ".join(f"{name}: {machine.about}" for name, machine in MACHINES.items())
    machine = answer("machine", f"The machine ({about})", _machine, "laptop")
    written = study_text(path, language, corpus, size, tasks, machine)
    study = check_study(parse_yaml(written, path), path, [path.parent])
    Catalogue(study, path.parent / OWN_TASKS)
    with whole_file(path) as draft:
        draft.write_text(written, encoding="utf-8")
    shown = shlex.quote(str(path))
    print(f"{path} is written. Next: smelt check {shown}, then {machine.command.format(study=shown)}")


def _path(words: list[str]) -> Path:
    path = Path(words[0])
    if path.exists():
        raise SmeltError(path, "is there already, and stays as it is: expected the name of a new file")
    if path.suffix != ".yaml" or not re.fullmatch(NAME, path.stem):
        raise SmeltError(path, f"expected {meaning_of(NAME)}, and .yaml behind it")
    return path


def _language(words: list[str]) -> str:
    try:
        return known_language(words[0])
    except ValueError as error:
        raise SmeltError("language", str(error)) from None


def _machine(words: list[str]) -> Machine:
    if words[0] not in MACHINES:
        raise SmeltError("machine", f"no such one as {words[0]}: {expected_one_of(words[0], MACHINES)}")
    return MACHINES[words[0]]


def _corpus(words: list[str], language: str, mirror: str | None) -> tuple[dict[str, Any], int | None]:
    """Return the sources of the corpus, and how many bytes they have; None where that is not known yet.

    Raises:
        SmeltError: there is no such source, or a file does not begin as text does.
    """
    paths = [Path(word) for word in words]
    if all(path.is_file() for path in paths):
        for path in paths:
            check_beginning(path)
        return {"text": {language: words[0] if len(words) == 1 else words}}, sum(path.stat().st_size for path in paths)
    if len(words) > 1:
        raise SmeltError(next(path for path in paths if not path.is_file()), "no such file: expected text files")
    (word,) = words
    if DUMP.fullmatch(word):
        return {"wikipedia": {"date": word, "languages": [language]} | ({"mirror": mirror} if mirror else {})}, None
    if paths[0].is_dir():
        patterns = [f"*.{kind}" for kind in ("parquet", "jsonl", "json", "arrow") if any(paths[0].glob(f"*.{kind}"))]
        if not patterns:
            raise SmeltError(word, "holds no .parquet, .arrow, .jsonl or .json: expected the files of one language")
        return {"datasets": {"texts": {"folder": word, "files": {language: patterns}}}}, None
    if found := HUB.fullmatch(word):
        pinned = {"hub": found["hub"], "revision": found["revision"], "configs": {language: found["config"]}}
        return {"datasets": {"texts": pinned}}, None
    raise SmeltError(word, f"no such file or folder: expected {TEXT}")


def tasks_in(language: str) -> list[str]:
    """Return the tasks of the library that have training and test sets in a language alone."""
    names = []
    for path in sorted(LIBRARY.glob("*.yaml")):
        task = check(TaskFile, read_yaml(path), path)
        if language in task.languages and not task.settings and len(task.languages) == 1:
            names.append(path.stem)
        each = [name for name, setting in task.settings.items() if setting.of_each_language]
        names += [f"{path.stem}.{name}.{language}" for name in each if language in task.languages]
    return names


def _tasks(names: list[str], language: str, study: Path) -> list[str]:
    if not names:
        raise SmeltError("task", "expected the name of one at least")
    for name in names:
        task = load_task(name, study.parent / OWN_TASKS)
        if language not in task.languages:
            there = ", ".join(tasks_in(language)) or "none in the library; CONTRIBUTING.md shows how to add one"
            raise SmeltError(
                name, f"has no {language}, but {', '.join(task.languages)}: in {language} there are {there}"
            )
    return names


def study_text(
    path: Path, language: str, corpus: dict[str, Any], size: int | None, tasks: Sequence[str], machine: Machine
) -> str:
    """Return a study file: two vocabularies, a model for each, tasks, and tables.

    Args:
        path: of the file, which names the study.
        language: of its text.
        corpus: the sources of its text.
        size: of the text, in bytes: little text makes small vocabularies. None where it is not known.
        tasks: to fine-tune on.
        machine: that it is for.
    """
    most = machine.vocabularies[0] if size is None else max(size // BYTES_A_PIECE, SMALLEST)
    large = min(machine.vocabularies[0], most // 100 * 100)
    small = max(large * machine.vocabularies[1] // machine.vocabularies[0], 100)
    return TEMPLATE.format(
        path=shlex.quote(str(path)),
        name=path.stem,
        title=f"Two vocabularies in {language}",
        sources="\n".join(f"    {line}" for line in yaml.safe_dump(corpus, allow_unicode=True).splitlines()),
        large=large,
        small=small,
        tasks=", ".join(tasks),
        seeds=list(range(1, machine.seeds + 1)),
        language=language,
        settings=textwrap.indent(machine.settings, " " * 6),
        **{key: getattr(machine, key) for key in ("about", "architecture", "recipe", "finetuning")},
        command=machine.command.format(study=shlex.quote(str(path))),
    )


TEMPLATE = """\
# Written by `smelt new`. config/README.md leads to every key.
#
#   smelt check {path}    what it will build, and what is missing
#   smelt plan {path}     hours, disk, memory and energy, by estimate; 10,000 examples for a task not prepared yet
#   {command}
#   smelt watch {path}    in another window, while it runs
#   smelt open {path}     the page

# The study's name, and that of its folder under results/.
study: {name}
title: {title}

# Texts to learn from. Further languages, files and data sets are joined (docs/reference/corpora.md).
corpora:
  texts:
{sources}
    # Share of documents that tokenizers and training never see, to measure pretraining on.
    held_out: 0.02

# Vocabularies to compare, of the same text. If the text is too small for a size, the job says which is possible.
tokenizers:
  large: {{algorithm: unigram, vocabulary: {large}, corpus: texts}}
  small: {{algorithm: unigram, vocabulary: {small}, corpus: texts}}

# A model for each vocabulary, equal in everything else: {about}.
# docs/reference/models.md has other architectures, and makers that adopt, reduce, distil or compress a model.
models:
  model-{large}: &model
    maker: pretrain
    architecture: {architecture}
    tokenizer: large
    corpus: texts
    recipe: {recipe}
    # More steps make better models. What a recipe sets, and what can be set here: docs/reference/recipes.md.
    # A third model with `schedule: {{steps: 1}}` and `validation: {{every: 1}}` shows what pretraining gives: after few
    # steps on little text, a task may be learnt as well without it.
    settings:
{settings}
    tested_on: [{language}]
  model-{small}: {{<<: *model, tokenizer: small}}

# What the models are judged by; `limit` takes a part of a training set: {{masakhaner-sw: {{limit: 500}}}}.
tasks: [{tasks}]

# One run for each model, task and seed. Fewer than five seeds show only large differences.
finetuning:
  seeds: {seeds}
  {finetuning}  length: 128

# The test for the marks in the tables, and its correction over the pairs of models within a task.
significance: {{test: welch, alpha: 0.05, correction: holm}}

# Tables of the page; docs/reference/tables.md has the other kinds.
tables:
  scores:
    kind: scores
    tasks: [{tasks}]
  training: {{kind: training}}
  cost: {{kind: cost}}
"""
