"""The command line: `smelt <command> ...`, one command per job of the workflow, and a few for users.

`smelt` is the command where the package is installed. Jobs run `python -m smelt`, which does the same and needs no such
installation: by PYTHONPATH, which the Snakefile sets, they import their own checkout in whatever environment they run.

Each command lives in a module of its stage with two functions, `add_arguments(parser)` and `run(arguments)`;
only the module of the chosen command is imported, so that cheap commands start without torch. Those of commands that
read a file with `${NAME}` in it have a third, `variables(arguments)`: the environment variables that they fill in.
"""

import argparse
import importlib
import os
import signal
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from smelt import __version__
from smelt.disk import disk_errno
from smelt.environment import hide_secrets
from smelt.errors import CRASH, ERROR, IO_ERROR, SmeltError

COMMANDS = {
    "check": ("smelt.study.check", "validate a study file and print what it will build"),
    "run": ("smelt.run", "run a study, or go on with it after whatever stopped it"),
    "plan": ("smelt.plan", "estimate jobs, hours, disk, memory and energy of a study"),
    "preflight": ("smelt.preflight.command", "see whether a study can run on this machine or cluster"),
    "pin": ("smelt.study.pin", "look up the commits of the hub's models that a study adopts"),
    "inspect": ("smelt.models.inspect.command", "show what pieces a tokenizer has and who uses them, or compare two"),
    "watch": ("smelt.watch", "show the running jobs of a study from their logs"),
    "schema": ("smelt.study.reference", "write JSON schemas for editors, and the tables of keys in the documentation"),
    "demo-data": ("smelt.demo.command", "generate the demo study's dumps and tasks"),
    "download": ("smelt.corpora.download", "download one wiki's dump and verify it"),
    "dataset": ("smelt.corpora.fetch", "bring a data set of the hub here, or its first rows"),
    "documents": ("smelt.corpora.command", "write one language's documents, from dumps, data sets and text files"),
    "clean-shards": ("smelt.corpora.clean_shards", "clean large data sets in shards, here or on SLURM"),
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
    "compare": ("smelt.report.compare", "test which differences between models are significant"),
    "table": ("smelt.report.table", "write one table as CSV, Markdown, LaTeX and HTML"),
    "figure": ("smelt.report.figure", "draw one figure as SVG and PNG"),
    "page": ("smelt.report.page.write", "write the self-contained report page"),
}

ASKED_BY_PEOPLE = {"check", "run", "preflight", "pin", "inspect", "watch", "schema", "clean-shards"}
"""Commands that are no jobs of the workflow; `plan` is both."""

PASS_ON = {"run"}
"""Commands that pass on to another program what stands behind `--`."""

FILL_IN = {"task"}
"""Jobs that read a file of the user's, with `${NAME}` in it; that of others stands in their words."""


def commands(words: list[str]) -> dict[str, tuple[str, str]]:
    """Return the commands by name, each with its module and what it does.

    Makers have theirs in the study. They are imported only for words that are no other command, which start sooner.
    """
    if words and words[0] in COMMANDS:
        return COMMANDS
    from smelt.study.makers import MAKERS

    return COMMANDS | {name: maker.command for name, maker in MAKERS.items()}


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line like any other error."""

    def error(self, message: str) -> NoReturn:
        """Raise an error in the words given."""
        raise SmeltError(self.prog, f"{message} (--help names the flags)")


def main(words: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 75 run the same command again, others as in `smelt.errors`."""
    # Threads that wait for each other sleep instead of spinning: on a machine that others use too, spinning threads
    # run several times slower. OpenMP reads this as torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    typed = "smelt" if Path(sys.argv[0]).name == "smelt" else "python -m smelt"
    parser = Parser(prog=typed, description=__doc__.split("\n")[0])
    parser.add_argument("--version", action="version", version=f"smelt {__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="command")
    words = sys.argv[1:] if words is None else words
    known = commands(words)
    for name, (module, help_line) in known.items():
        command = subparsers.add_parser(name, help=help_line, description=help_line)
        if words[:1] == [name]:
            importlib.import_module(module).add_arguments(command)
    own = words[: words.index("--")] if "--" in words and words[0] in PASS_ON else words
    try:
        # All words to start the command again elsewhere, and those behind `--`.
        given = argparse.Namespace(words=words, options=words[len(own) + 1 :])
        arguments, unknown = parser.parse_known_args(own, given)
        if unknown:
            listed = " ".join(unknown)
            passed = f"; Snakemake's own stand behind `--`: `smelt {words[0]} ... -- {listed}`"
            parser.error(f"unrecognized arguments: {listed}{passed if words[0] in PASS_ON else ''}")
        importlib.import_module(known[arguments.command][0]).run(arguments)
    except SmeltError as error:
        if not error.reported:
            print(f"smelt: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("smelt: interrupted", file=sys.stderr)
        return 128 + signal.SIGINT
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone (`| head`): nothing to report
        return ERROR
    except OSError as error:  # a full disk, a folder that may not be written to
        print(f"smelt: {error.filename or words[0]}: {error.strerror or error}", file=sys.stderr)
        return IO_ERROR
    except Exception as error:
        if number := disk_errno(error, Path.cwd()):  # of a library in Rust, say
            print(f"smelt: {words[0]}: {os.strerror(number)}", file=sys.stderr)
            return IO_ERROR
        raise
    return 0


def variables(words: list[str]) -> list[str]:
    """Return the environment variables that a command fills in; none where the command itself will complain."""
    if words[0] not in FILL_IN:
        return []
    module = importlib.import_module(COMMANDS[words[0]][0])
    parser = Parser(add_help=False)
    module.add_arguments(parser)
    try:
        return list(module.variables(parser.parse_known_args(words[1:])[0]))
    except SmeltError:
        return []


def start() -> NoReturn:
    """Run the command of this process's own words, and exit with its code."""
    # Snakemake and SLURM end jobs with these; as an exception it takes drafts and child processes away, too.
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    words = sys.argv[1:]
    if not (words and words[0] in commands(words).keys() - ASKED_BY_PEOPLE):
        sys.exit(main())
    from smelt.logs import command_line, ending, is_log, record_exit

    logged, began, code = is_log(), time.monotonic(), CRASH
    if logged:
        print(command_line(words, variables(words)), flush=True)
    try:
        code = main()
    except SystemExit as exit:
        code = exit.code if isinstance(exit.code, int) else CRASH
        raise
    except BaseException:
        print(
            hide_secrets(traceback.format_exc()), end="", file=sys.stderr, flush=True
        )  # before the last line of the log
    finally:
        if logged:
            with suppress(OSError):
                record_exit(code)
            with suppress(OSError):  # a full disk, a reader that has gone: what the job made stands
                print(ending(code, time.monotonic() - began), flush=True)
    sys.exit(code)


if __name__ == "__main__":
    start()
