"""The commands: which there are, in which module each is, and how their words are read.

Each command lives in a module of its stage with two functions, `add_arguments(parser)` and `run(arguments)`; only the
module of the chosen command is imported, so that cheap commands start without torch. Those of commands that read a file
with `${NAME}` in it have a third, `variables(arguments)`: the environment variables that they fill in.
"""

import argparse
import importlib
from collections.abc import Mapping
from typing import Any

from smelt import __version__
from smelt.cli import Parser
from smelt.errors import SmeltError, expected_one_of

ABOUT = "From Wikipedia dump to paper table: language models, their scores, and what differs."
ABOUT_JOBS = "Run one job of the workflow by hand, as the first line of its log does"

STUDIES = {
    "new": ("smelt.new", "write a study to begin with: asks for language, text, task and machine"),
    "check": ("smelt.study.check", "validate a study file and print what it will build"),
    "plan": ("smelt.plan", "estimate jobs, hours, disk, memory and energy of a study"),
    "preflight": ("smelt.preflight.command", "see whether a study can run on this machine or cluster"),
    "run": ("smelt.run", "run a study, or go on with it after whatever stopped it"),
    "watch": ("smelt.watch", "show the running jobs of a study from their logs"),
    "open": ("smelt.open_page", "open the page of a study in the browser"),
    "compare": (
        "smelt.compare_studies",
        "compare two studies: settings, scores, and which differences are significant",
    ),
    "publish": ("smelt.publish.command", "show what of a model would go to the Hugging Face hub, and send it there"),
}
"""Commands for a study, in the order in which they are needed."""

TOOLS = {
    "inspect": ("smelt.models.inspect.command", "show what pieces a tokenizer has and who uses them, or compare two"),
    "pin": ("smelt.study.pin", "look up the commits of the hub's models that a study adopts"),
    "clean-shards": ("smelt.corpora.clean_shards", "clean large data sets in shards, here or on SLURM"),
    "completion": ("smelt.manual", "print a script by which a shell completes commands and flags"),
    "schema": ("smelt.study.reference", "write JSON schemas for editors, and the tables of keys in the documentation"),
}
"""Commands that people use by themselves, with no study or beside one."""

JOBS = {
    "demo-data": ("smelt.demo.command", "generate the demo study's dumps and tasks"),
    "download": ("smelt.corpora.download", "download one wiki's dump and verify it"),
    "dataset": ("smelt.corpora.fetch", "bring a data set of the hub here, or its first rows"),
    "documents": ("smelt.corpora.command", "write one language's documents, from dumps, data sets and text files"),
    "tokenizer": ("smelt.tokenizers.command", "train a tokenizer on a sample of a corpus"),
    "blocks": ("smelt.training.pack", "encode one language's documents into packed token blocks"),
    "count": ("smelt.models.reduce.count", "count how often a language uses each piece of a tokenizer"),
    "task": ("smelt.tasks.prepare", "prepare a task's splits"),
    "finetune": ("smelt.finetuning.finetune", "fine-tune a model on a task with one seed"),
    "evaluate": ("smelt.finetuning.evaluate", "score a fine-tuned model that was reduced, without more training"),
    "compressed": ("smelt.finetuning.compression.copy_student", "put one compressed student where models stand"),
    "signals": (
        "smelt.finetuning.compression.precompute_teacher",
        "write the signals of a fine-tuned teacher on transfer text",
    ),
    "efficiency": ("smelt.efficiency.command", "measure size, memory, loading time and latency of models, alternating"),
    "tokenisation": ("smelt.measurement.tokenisation", "measure what a tokenizer does to the words of a task"),
    "correlations": ("smelt.measurement.pooled", "correlate pieces and misses of words over several models together"),
    "scores": ("smelt.report.scores", "collect the scores of all fine-tuned models"),
    "costs": ("smelt.report.costs", "collect what making and fine-tuning each model took"),
    "compare": ("smelt.report.compare", "test which differences between models are significant"),
    "examples": ("smelt.report.examples", "test which models differ on a task, over its test examples"),
    "table": ("smelt.report.table", "write one table as CSV, Markdown, LaTeX and HTML"),
    "figure": ("smelt.report.figure", "draw one figure as SVG and PNG"),
    "plan": STUDIES["plan"],
    "page": ("smelt.report.page.write", "write the self-contained report page"),
}
"""The commands of the workflow's jobs (`smelt job <name>`); those of makers stand in the study."""

JOBS_BY_HAND = ("reduce", "amplify", "export", "task", "demo-data")
"""Jobs that people use by themselves as well, and that the first help lists among the tools."""

PASS_ON = {"run"}
"""Commands that pass on to another program what stands behind `--`."""

FILL_IN = {"task"}
"""Jobs that read a file of the user's, with `${NAME}` in it; that of others stands in their words."""


def commands(words: list[str]) -> dict[str, tuple[str, str]]:
    """Return the commands among which words name one, each with its module and what it does.

    `smelt X` means the job X where no other command has this name, as in scripts of earlier versions. Makers are
    imported only for words that are no other command, which start sooner.
    """
    job = words[:1] == ["job"]
    known = JOBS if job else JOBS | STUDIES | TOOLS
    if set(words[job:][:1]) & known.keys():
        return known
    from smelt.study.makers import MAKERS

    return {name: maker.command for name, maker in MAKERS.items()} | known


def is_job(words: list[str]) -> bool:
    """Return whether words name a job of the workflow, whose log has a frame, and no other command."""
    return words[0] == "job" or words[0] in commands(words).keys() - STUDIES.keys() - TOOLS.keys()


def module_of(words: list[str]) -> str:
    """Return the module of the command that words name.

    Raises:
        SmeltError: there is no such command; the message gives similar ones.
    """
    known, job = commands(words), words[0] == "job"
    name = words[job]
    if name not in known:
        listed = known if job else [*STUDIES, *TOOLS, *JOBS_BY_HAND, "job"]
        raise SmeltError(" ".join(words[: job + 1]), f"no such command: {expected_one_of(name, listed)}")
    return known[name][0]


def parser_of(words: list[str], prog: str) -> Parser:
    """Return the parser of a command line: it has the flags of the command that words name, and a list without one.

    Args:
        words: the command and its flags.
        prog: what was typed in front of them.

    Raises:
        SmeltError: there is no such command.
    """
    job = words[:1] == ["job"]
    named = [word for word in words[job:][:1] if not word.startswith("-")]
    about = ABOUT if job or named else f"{ABOUT}\n\n{_list_all()}"
    parser = Parser(prog=prog, description=about, usage="%(prog)s [--help] [--version] <command> ...")
    parser.add_argument("--version", action="version", version=f"smelt {__version__}")
    level = _subparsers(parser)
    if job:
        listed = "" if named else _list_commands("jobs of the workflow", commands(["job"]))
        about = f"{ABOUT_JOBS}.\n\n{listed}"
        level = _subparsers(level.add_parser("job", description=about, usage="%(prog)s [--help] <command> ..."))
    if named:
        module_of(words)
        add_command(level, named[0], *commands(words)[named[0]])
    return parser


def _subparsers(parser: Parser) -> Any:
    """Return where a parser's commands are added; its description lists them."""
    return parser.add_subparsers(
        dest="command", required=True, metavar="command", help=argparse.SUPPRESS, prog=parser.prog
    )


def add_command(subparsers: Any, name: str, module: str, help_line: str) -> None:
    """Add a command with its flags to a parser's commands."""
    about = f"{help_line[0].upper()}{help_line[1:]}."
    importlib.import_module(module).add_arguments(subparsers.add_parser(name, help=help_line, description=about))


def _list_all() -> str:
    """Return the commands by what they are for, those for a study first."""
    by_hand = {name: command for name, command in commands(["job"]).items() if name in JOBS_BY_HAND}
    return "\n\n".join(
        [
            _list_commands("a study, from its file to its page", STUDIES),
            _list_commands("tools, with no study or beside one", TOOLS | by_hand),
            _list_commands("the workflow's jobs", {"job": ("", f"{ABOUT_JOBS[0].lower()}{ABOUT_JOBS[1:]}")}),
            "`smelt <command> --help` has a command's flags, and examples.",
        ]
    )


def _list_commands(title: str, listed: Mapping[str, tuple[str, str]]) -> str:
    return "\n".join([f"{title}:", *(f"  {name:<14}{help_line}" for name, (_, help_line) in listed.items())])
