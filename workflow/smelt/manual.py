"""`smelt completion bash`: all commands at once, for a shell that completes them, and for docs/commands.md."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import shtab

from smelt.cli import Parser, add_examples
from smelt.commands import ABOUT, ABOUT_JOBS, JOBS_BY_HAND, STUDIES, TOOLS, add_command, commands
from smelt.files import whole_file

SHELLS = ("bash", "zsh", "fish")
HEAD = """\
# Commands

`smelt <command> --help` shows the same on the terminal. This page is made from the commands themselves
(`smelt completion --page docs/commands.md`), and each example is parsed by a test.

`smelt` is there where the environment is active; `python -m smelt` is the same. Flags may be shortened as far as they
stay unique. A flag with `KEY=VALUE` takes settings as `epochs=3 batch=16`, with dots for parts
(`schedule.steps=100`), as `@settings.yaml`, or as a JSON object.

Exit codes: 0 done, 1 an error to fix first, 66 a source is missing, 70 a fault or a process that was killed, 74 a disk
that is full or not to be written to, 75 run the same command again.

## Completion

The shell completes commands, flags, choices and paths. Write the file again after an update of smelt.

```sh
smelt completion bash > ~/.local/share/bash-completion/completions/smelt
smelt completion zsh > ~/.zfunc/_smelt   # with `fpath+=~/.zfunc` before `compinit` in ~/.zshrc
smelt completion fish > ~/.config/fish/completions/smelt.fish
```
"""

OF_JOBS = """\
Rules call them, and the first line of a log is such a command, ready to paste. `smelt job <command> --help` has flags
and an example. `smelt <command>` without `job` means the same where no other command has the name.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take the shell."""
    parser.add_argument("shell", nargs="?", choices=SHELLS, default="bash", help="whose script is printed")
    parser.add_argument("--page", type=Path, help="write the documentation's page of all commands, and print nothing")
    add_examples(
        parser,
        "bash > ~/.local/share/bash-completion/completions/smelt",
        "zsh > ~/.zfunc/_smelt",
        "fish > ~/.config/fish/completions/smelt.fish",
    )


def run(arguments: argparse.Namespace) -> None:
    """Print the script, or write the page."""
    if arguments.page is None:
        print(shtab.complete(whole_parser(), arguments.shell))
        return
    with whole_file(arguments.page) as draft:
        draft.write_text(page(), encoding="utf-8")


def groups() -> Iterator[tuple[str, str, dict[str, tuple[str, str]]]]:
    """Yield the commands by what they are for: a title, what is typed in front of them, and each with its module."""
    jobs = commands(["job"])
    yield "A study, from its file to its page", "smelt", STUDIES
    yield "Tools", "smelt", TOOLS | {name: jobs[name] for name in JOBS_BY_HAND}
    yield "Jobs of the workflow", "smelt job", jobs


def whole_parser() -> Parser:
    """Return the parser of all commands with all their flags, which loads every module."""
    parser = Parser(prog="smelt", description=ABOUT)
    level = parser.add_subparsers(dest="command", prog="smelt")
    job = level.add_parser("job", help=ABOUT_JOBS, description=ABOUT_JOBS)
    below = job.add_subparsers(dest="command", prog="smelt job")
    for _, typed, listed in groups():
        for name, command in listed.items():
            add_command(below if typed == "smelt job" else level, name, *command)
    for one in _parsers_in(parser):
        for action in one._actions:
            if action.type is Path:
                action.complete = shtab.FILE  # type: ignore[attr-defined]
    return parser


def _parsers_in(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for one in action.choices.values():
                yield from _parsers_in(one)


def page() -> str:
    """Return the documentation's page of commands, in Markdown: people's with their flags, jobs by name."""
    parser: Any = whole_parser()
    parsers = next(action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    parts = [HEAD]
    for title, typed, listed in groups():
        parts.append(f"## {title}\n")
        if typed == "smelt job":
            rows = [f"| `smelt job {name}` | {help_line} |" for name, (_, help_line) in listed.items()]
            parts += [OF_JOBS, "\n".join(["| command | what it does |", "|---|---|", *rows]), ""]
        else:
            parts += [f"### {typed} {name}\n\n{_described(parsers[name])}" for name in listed]
    return "\n".join(parts)


def _described(parser: argparse.ArgumentParser) -> str:
    rows = [row for action in parser._actions if (row := _row(action))]
    table = "\n".join(["| flag | meaning |", "|---|---|", *rows]) + "\n\n" if rows else ""
    examples = (parser.epilog or "").replace("%(prog)s", parser.prog).splitlines()[1:]
    shown = "\n".join(line.strip() for line in examples)
    return f"{parser.description}\n\n{table}```sh\n{shown}\n```\n"


def _row(action: argparse.Action) -> str:
    """Return a flag's row: its name with what it takes, and its meaning; nothing for `--help`."""
    if isinstance(action, argparse._HelpAction):
        return ""
    takes = "\\|".join(map(str, action.choices)) if action.choices else action.metavar or action.dest.upper()
    flag = action.option_strings[-1] if action.option_strings else ""
    value = "" if action.nargs == 0 else str(takes)
    needed = "required: " if action.required and flag else ""
    text = f"{needed}{action.help or ''}".replace("%%", "%").replace("|", "\\|")
    return f"| `{' '.join(filter(None, [flag, value]))}` | {text} |"
