"""Flags that several commands share; an error in one becomes the command's one-line message."""

import argparse
import os
import re
from collections.abc import Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any, NoReturn

from smelt.countries import COUNTRIES
from smelt.entry import AnyEntry, Entry, check, merge
from smelt.errors import SmeltError, expected_one_of, not_found, suggest_similar
from smelt.files import parse_json, read_json
from smelt.strict_yaml import parse_yaml, read_yaml

DEMO = Path("config/config.yaml")
PAIR = re.compile(r"(?P<key>[A-Za-z_][\w.-]*)=(?P<value>.*)", re.DOTALL)
HIGHEST_SEED = 2**32 - 1


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line like any other error, and whose text keeps its lines."""

    def __init__(self, **options: Any) -> None:
        """Take the options of argparse."""
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, **options)

    def error(self, message: str) -> NoReturn:
        """Raise an error in the words given."""
        raise SmeltError(self.prog, f"{message} (--help names the flags)")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Refuse what is none of a flag's choices, with similar ones; argparse's own words list them all."""
        if action.choices is not None and value not in action.choices:
            raise argparse.ArgumentError(action, f"found {value!r}: {expected_one_of(value, action.choices)}")

    # Before argparse misses a flag that was asked for under a similar name.
    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Return what argparse does.

        Raises:
            SmeltError: a flag is unknown, and similar to one that there is.
        """
        flags = {flag for action in self._actions for flag in action.option_strings if flag.startswith("--")}
        for word in args or [] if self._subparsers is None else []:
            flag, known = word.partition("=")[0], [name for name in flags if name.startswith(word.partition("=")[0])]
            if word.startswith("--") and not known and (similar := suggest_similar(flag, flags)):
                self.error(f"no such flag as {flag}; {similar}")
        return super().parse_known_args(args, namespace)


def add_examples(parser: argparse.ArgumentParser, *flags: str) -> None:
    """Add examples to a command's help, from the flags of each; what stands behind # explains one."""
    parser.epilog = "\n".join(["examples:", *(f"  %(prog)s {words}".rstrip() for words in flags)])


def add_studies(parser: argparse.ArgumentParser) -> None:
    """Declare a run that was made: its study files, and the folder that it was made in."""
    shown = f"a study file; by default {DEMO}"
    parser.add_argument("studies", metavar="study", type=Path, nargs="*", help=shown)
    parser.add_argument("--directory", type=Path, default=Path(), help="the folder that Snakemake runs in, if not this")


class KeyValues(argparse.Action):
    """A flag whose words are settings: `key=value`, a mapping as JSON, or @FILE with one as YAML or JSON.

    Values are written as in a study file; dots in a key lead into parts: `schedule.steps=100`. The last one counts.
    Linux allows 128 KiB for an argument, and for the whole command of a rule: long mappings stand in files.
    """

    def __init__(
        self,
        *names: Any,
        kind: type[Entry] | None = None,
        keys: Sequence[str] = (),
        fixed: dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        """Take what argparse passes, and what the settings have to be.

        Args:
            names: of the flag and its attribute.
            kind: what they are checked as; by default they stay a mapping.
            keys: that they must have at least.
            fixed: keys that the command knows itself, such as its maker.
            options: of argparse.
        """
        super().__init__(*names, **options | {"nargs": "+", "metavar": "KEY=VALUE"})
        self.kind, self.keys, self.fixed = kind, keys, fixed or {}

    def __call__(self, _: Any, namespace: Any, words: Any, option_string: str | None = None) -> None:
        """Keep the settings that words give."""
        try:
            value = merge({}, *map(mapping_in, words))
        except SmeltError as error:
            raise argparse.ArgumentError(self, str(error) if error.where else error.message) from None
        if missing := [key for key in self.keys if key not in value]:
            raise argparse.ArgumentError(self, f"lacks {', '.join(missing)}: expected {', '.join(self.keys)}")
        flag = str(option_string or self.dest)
        setattr(namespace, self.dest, check(self.kind, value | self.fixed, flag) if self.kind else value)


class PathList(argparse.Action):
    """A flag whose words are paths, or @FILE with one a line: Linux allows 128 KiB for the whole command of a rule."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:  # noqa: ARG002
        """Take the words.

        Raises:
            SmeltError: a file of paths is not there.
        """
        found = [paths_in(Path(word[1:])) if word.startswith("@") else [Path(word)] for word in values]
        setattr(namespace, self.dest, [path for paths in found for path in paths])


def paths_in(file: Path) -> list[Path]:
    """Return the paths of a file that has one a line.

    Raises:
        SmeltError: it is not there.
    """
    try:
        return [Path(line) for line in file.read_text(encoding="utf-8").splitlines()]
    except FileNotFoundError:
        raise not_found(file, expected="a path a line") from None


def mapping_in(word: str, where: str = "") -> dict[str, Any]:
    """Return the settings of one word: `key=value`, a JSON object, or @FILE; `where` names it in complaints."""
    if found := PAIR.fullmatch(word):
        value = parse_yaml(found["value"], found["key"])
        return reduce(lambda inner, key: {key: inner}, reversed(found["key"].split(".")), value)
    path = Path(word[1:])
    if not word.startswith("@"):
        value = parse_json(word, where)
    else:
        value = read_yaml(path) if path.suffix in (".yaml", ".yml") else read_json(path)
    if not isinstance(value, dict):
        raise SmeltError(where, f"expected key=value, a JSON object or @FILE, found {type(value).__name__}")
    return value


def settings_or_flags(kind: type[AnyEntry], arguments: argparse.Namespace, flags: Mapping[str, Any]) -> AnyEntry:
    """Return a command's settings, which it takes either together (`--settings`) or from flags of their own.

    Args:
        kind: what they have to be.
        arguments: with the command's name and `--settings`, None where that is not given.
        flags: the value of each flag, None where it is not given.

    Raises:
        SmeltError: both are given, or the flags are not valid settings.
    """
    given = {key: value for key, value in flags.items() if value is not None}
    if arguments.settings is None:
        return check(kind, given, arguments.command)
    if given:
        raise SmeltError(f"--{next(iter(given))}", "stands in --settings already: give either")
    settings: AnyEntry = arguments.settings
    return settings


def seed(text: str) -> int:
    """Return a seed that every generator takes."""
    if not text.isdecimal() or int(text) > HIGHEST_SEED:
        raise argparse.ArgumentTypeError(f"expected a whole number from 0 to {HIGHEST_SEED}, found {text!r}")
    return int(text)


def positive(text: str) -> int:
    """Return a whole number from 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, found {text!r}")
    return int(text)


def natural(text: str) -> int:
    """Return a whole number from 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number from 0, found {text!r}")
    return int(text)


def add_gpus(parser: argparse.ArgumentParser, machines: str = "") -> None:
    """Declare `--gpus`."""
    shown = f"GPUs of the job{machines}; 0 leaves alone those that are there"
    parser.add_argument("--gpus", type=natural, default=1, help=shown)


def hide_gpus(gpus: int) -> None:
    """Hide the machine's GPUs from a job that has none; call it before torch looks for them."""
    if not gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""


def add_country(parser: argparse.ArgumentParser) -> None:
    """Declare `--country`; the Snakefile sets it for all jobs by the environment, so no rule reruns when it changes."""
    shown = "where this runs, three letters (FRA), to state what its energy emits; by default $SMELT_COUNTRY"
    parser.add_argument("--country", type=_country, default=os.environ.get("SMELT_COUNTRY") or None, help=shown)


def _country(code: str) -> str:
    if code not in COUNTRIES:
        raise argparse.ArgumentTypeError(f"expected a country whose electricity is known, such as FRA; found {code!r}")
    return code


def held_out_share(text: str) -> float:
    """Return a share of lines to hold out: above 0 and up to a half."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 0.5:
        raise argparse.ArgumentTypeError(f"expected a share above 0 and up to 0.5, found {text!r}")
    return value
