"""The command line: `smelt <command> ...`, with the jobs of the workflow under `smelt job`.

`smelt` is the command where the package is installed. Jobs run `python -m smelt`, which does the same and needs no such
installation: by PYTHONPATH, which the Snakefile sets, they import their own checkout in whatever environment they run.
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

from smelt.cli import Parser
from smelt.commands import FILL_IN, PASS_ON, is_job, module_of, parser_of
from smelt.disk import disk_errno
from smelt.environment import hide_secrets
from smelt.errors import CRASH, ERROR, IO_ERROR, SmeltError


def main(words: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 75 run the same command again, others as in `smelt.errors`."""
    # Threads that wait for each other sleep instead of spinning: on a machine that others use too, spinning threads
    # run several times slower. OpenMP reads this as torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    typed = "smelt" if Path(sys.argv[0]).name == "smelt" else "python -m smelt"
    words = sys.argv[1:] if words is None else words
    own = words[: words.index("--")] if "--" in words and words[0] in PASS_ON else words
    try:
        parser = parser_of(words, typed)
        # All words to start the command again elsewhere, and those behind `--`.
        given = argparse.Namespace(words=words, options=words[len(own) + 1 :])
        arguments, unknown = parser.parse_known_args(own, given)
        if unknown:
            listed = " ".join(unknown)
            passed = f"; Snakemake's own stand behind `--`: `smelt {words[0]} ... -- {listed}`"
            parser.error(f"unrecognized arguments: {listed}{passed if words[0] in PASS_ON else ''}")
        importlib.import_module(module_of(words)).run(arguments)
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
    own = words[words[0] == "job" :]
    if not set(own[:1]) & FILL_IN:
        return []
    module = importlib.import_module(module_of(words))
    parser = Parser(add_help=False)
    module.add_arguments(parser)
    try:
        return list(module.variables(parser.parse_known_args(own[1:])[0]))
    except SmeltError:
        return []


def start() -> NoReturn:
    """Run the command of this process's own words, and exit with its code."""
    # Snakemake and SLURM end jobs with these; as an exception it takes drafts and child processes away, too.
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    words = sys.argv[1:]
    if not (words and is_job(words)) or {"-h", "--help"} & set(words):
        sys.exit(main())
    from smelt.logs import command_line, ending, is_log, record_exit

    logged, began, code = is_log(), time.monotonic(), CRASH
    try:
        if logged:  # a signal may come as soon as the line is there
            print(command_line(words, variables(words)), flush=True)
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
