"""All commands at once: completion in shells, and the page of the documentation."""

import subprocess
from pathlib import Path

import pytest

from smelt.__main__ import main
from smelt.manual import SHELLS, page

PAGE = Path(__file__).parents[2] / "docs/commands.md"


def test_the_page_of_commands_is_that_of_the_commands() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `smelt completion --page docs/commands.md` and commit it"


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        (["ch"], ["check"]),
        (["job", "finet"], ["finetune"]),
        (["job", "finetune", "--set"], ["--settings"]),
        (["plan", "--ra"], ["--rates"]),
        (["job", "task", "--per", "lab"], ["label"]),
    ],
)
def test_bash_completes_commands_flags_and_choices(
    words: list[str], completed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", "bash"]) == 0
    typed = " ".join(f"'{word}'" for word in words)
    call = f"_shtab_smelt smelt '{words[-1]}' '{['smelt', *words][-2]}'"
    ask = f"COMP_WORDS=(smelt {typed}); COMP_CWORD={len(words)}; {call}; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    script = capsys.readouterr().out + "\n" + ask
    done = subprocess.run(["bash"], input=script, capture_output=True, text=True, check=True)
    assert done.stdout.split() == completed


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_has_all_commands(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert {name for name in ("compare", "pretrain", "clean-shards") if name not in script} == set()
