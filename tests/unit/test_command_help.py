"""The help of each command: flags that are explained, and examples that parse; those of people run."""

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from smelt.__main__ import main
from smelt.cli import KeyValues, Parser
from smelt.commands import JOBS, STUDIES, TOOLS, commands, parser_of

JOB_COMMANDS = sorted(commands(["job"]))
COMMANDS = [*([name] for name in STUDIES | TOOLS), *(["job", name] for name in JOB_COMMANDS)]


def parser_named(words: list[str]) -> Parser:
    """Return the parser of one command."""
    parser: Any = parser_of(words, "smelt")
    for word in words:
        (subparsers,) = [action for action in parser._actions if isinstance(action.choices, dict)]
        parser = subparsers.choices[word]
    assert isinstance(parser, Parser)
    return parser


def examples_of(words: list[str]) -> list[list[str]]:
    """Return the words of each example in a command's help, without the program's name."""
    parser = parser_named(words)
    lines = (parser.epilog or "").replace("%(prog)s", parser.prog).splitlines()
    assert lines[:1] == ["examples:"], words
    return [shlex.split(line.partition(" > ")[0], comments=True)[1:] for line in lines[1:]]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_each_flag_has_a_help_and_each_example_parses(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    flags = [action for action in parser_named(words)._actions if action.option_strings]
    assert [action.option_strings for action in flags if not action.help] == []
    examples = examples_of(words)
    assert examples
    read = KeyValues.__call__

    def read_what_is_there(flag: KeyValues, parser: Any, namespace: Any, given: Any, name: str | None = None) -> None:
        if not any(word.startswith("@") for word in given):  # an example's files are not there
            read(flag, parser, namespace, given, name)
        else:
            setattr(namespace, flag.dest, {})

    monkeypatch.setattr(KeyValues, "__call__", read_what_is_there)
    for example in examples:
        own = example[: example.index("--")] if "--" in example else example
        assert own[: len(words)] == words
        _, unknown = parser_of(own, "smelt").parse_known_args(own)
        assert unknown == [], example


def test_help_for_people_loads_no_torch() -> None:
    code = f"from smelt.commands import parser_of\nfor name in {list(STUDIES)}: parser_of([name], 'smelt')"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print('torch' in sys.modules)"], capture_output=True
    )
    assert done.stdout == b"False\n", done.stderr


def test_there_are_examples_for_all_jobs() -> None:
    assert set(JOBS) <= set(JOB_COMMANDS)
    assert {"pretrain", "reduce"} <= set(JOB_COMMANDS)


STUDY = {
    "study": "my-study",
    "corpora": {"wiki": {"text": {"sw": "sw.txt"}}},
    "tokenizers": {"unigram": {"algorithm": "unigram", "vocabulary": 300, "corpus": "wiki"}},
    "models": {"mbert": {"maker": "adopt", "folder": "mbert"}},
}


@pytest.mark.parametrize(
    ("command", "number"),
    [("new", 1), ("check", 0), ("plan", 0), ("watch", 1), ("open", 1), ("compare", 0)],
)
def test_examples_of_people_run(
    command: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("sw.txt").write_text("Habari ya asubuhi.\n\nKaribu sana nyumbani.\n" * 500)
    for name in ("my-study", "before", "after"):
        Path(f"{name}.yaml").write_text(yaml.safe_dump(STUDY | {"study": name}))
    Path("mbert").mkdir()
    Path("mbert/config.json").write_text("{}")
    Path("results/my-study").mkdir(parents=True)
    Path("results/my-study/report.html").write_text("a page")
    assert main(examples_of([command])[number]) == 0, capsys.readouterr().err
