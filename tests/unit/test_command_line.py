"""Wrong words on the command line are one clear line, like any other mistake."""

import importlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from smelt.__main__ import main, start
from smelt.cli import KeyValues, Parser, PathList
from smelt.commands import STUDIES, TOOLS, is_job, module_of
from smelt.errors import SmeltError
from smelt.report.significance import Significance

PACKAGE = Path(__file__).parents[2] / "workflow"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "argument --settings: is not JSON"),
        ("@none.json", "argument --settings: none.json: no such file"),
        ("[1]", "argument --settings: expected key=value, a JSON object or @FILE, found list"),
        ("runs={}", "argument --settings: lacks seeds: expected runs, seeds"),
        ("runs={", "argument --settings: runs:1: is not YAML"),
        ('{"runs": {}}', "argument --settings: lacks seeds: expected runs, seeds"),
    ],
)
def test_wrong_json_is_one_line_that_names_the_flag(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, complaint: str
) -> None:
    output = tmp_path / "scores.csv"
    assert main(["scores", "--finetuned", str(tmp_path), "--settings", text, "--output", str(output)]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"smelt: python -m smelt scores: {complaint}")
    assert error.count("\n") == 1
    assert not output.exists()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["chekc", "study.yaml"], "smelt: chekc: no such command: did you mean check? Expected one of new, check, "),
        (["job", "tabel"], "smelt: job tabel: no such command: did you mean table? Expected one of "),
        (
            ["check", "study.yaml", "--hlep"],
            "smelt: python -m smelt check: no such flag as --hlep; did you mean --help?",
        ),
        (
            ["job", "task", "--per", "labels"],
            "argument --per: found 'labels': expected one of all, language, label; did",
        ),
        (["job", "scores", "--finetund=x"], "no such flag as --finetund; did you mean --finetuned?"),
    ],
)
def test_a_command_or_flag_like_another_is_asked_about(
    capsys: pytest.CaptureFixture[str], words: list[str], complaint: str
) -> None:
    assert main(words) == 1
    error = capsys.readouterr().err
    assert complaint in error
    assert "did you mean" in error
    assert error.count("\n") == 1


def test_the_first_help_begins_with_the_commands_for_a_study(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    listed = re.findall(r"^  ([a-z-]+) {2,}", capsys.readouterr().out, re.MULTILINE)
    assert [name for name in listed if name in STUDIES] == listed[: len(STUDIES)]
    assert set(TOOLS) | {"job", "reduce"} <= set(listed)
    assert not {"finetune", "pretrain", "page"} & set(listed)


def test_jobs_have_a_list_of_their_own_and_are_found_as_earlier_versions_called_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["job", "--help"])
    assert {"pretrain", "reduce", "table", "plan"} <= set(re.findall(r"^  ([a-z-]+) ", capsys.readouterr().out, re.M))
    assert module_of(["job", "finetune"]) == module_of(["finetune"])
    assert is_job(["finetune"])
    assert is_job(["job", "plan"])
    assert not is_job(["plan"])


@pytest.mark.parametrize(
    "words",
    [
        ["seed=2", "alpha=0.1", "test=paired-t"],
        ['{"seed": 2, "alpha": 0.1, "test": "paired-t"}'],
        ["@settings.yaml"],
        ["@settings.json", "alpha=0.1"],
    ],
)
def test_settings_are_pairs_or_files_or_json(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("settings.yaml").write_text("# as in a study\nseed: 2\nalpha: 0.1\ntest: paired-t\n")
    Path("settings.json").write_text('{"seed": 2, "alpha": 0.3, "test": "paired-t"}')
    parser = Parser()
    parser.add_argument("--settings", action=KeyValues, kind=Significance)
    found = parser.parse_args(["--settings", *words]).settings
    assert found == Significance(seed=2, alpha=0.1, test="paired-t")


def test_dots_lead_into_parts_and_values_are_those_of_a_study() -> None:
    parser = Parser()
    parser.add_argument("--settings", action=KeyValues)
    words = ["schedule.steps=100", "languages=[no, sw]", "schedule.warmup=0.1", "name=a=b", "rate=2.0e-5"]
    assert parser.parse_args(["--settings", *words]).settings == {
        "schedule": {"steps": 100, "warmup": 0.1},
        "languages": ["no", "sw"],
        "name": "a=b",
        "rate": 2e-5,
    }


def test_paths_stand_in_the_command_or_a_line_each_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("")
    (tmp_path / "models").write_text("a b\nc\n")
    parser = Parser()
    parser.add_argument("--models", action=PathList, nargs="*", default=[])
    words = ["--models", "first", f"@{tmp_path}/empty", f"@{tmp_path}/models"]
    assert parser.parse_args(words).models == [Path("first"), Path("a b"), Path("c")]
    assert parser.parse_args([]).models == []
    with pytest.raises(SmeltError, match="none: no such file: expected a path a line"):
        parser.parse_args(["--models", "@none"])


def test_a_missing_flag_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["job", "compare", "--scores", "scores.csv"]) == 1
    error = capsys.readouterr().err
    assert "required: --settings, --summary, --pairs, --across" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("seed", ["-1", "x", "4294967296"])
def test_a_seed_that_no_generator_takes_is_refused(capsys: pytest.CaptureFixture[str], seed: str) -> None:
    words = ["finetune", "--model", "m", "--task", "t", f"--seed={seed}", "--settings", "{}", "--output", "o"]
    assert main(words) == 1
    assert f"argument --seed: expected a whole number from 0 to 4294967295, found '{seed}'" in capsys.readouterr().err


def test_a_json_file_that_holds_no_object_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "task.json").write_text("[1]")
    words = ["finetune", "--model", "m", "--task", str(tmp_path), "--seed", "1", "--settings", "{}", "--output", "o"]
    assert main(words) == 1
    assert capsys.readouterr().err == f"smelt: {tmp_path / 'task.json'}: expected a JSON object, found list\n"


def log_of(words: list[str], folder: Path, **environment: str) -> str:
    """Return what `python -m smelt` prints into a log, run in a folder."""
    with (folder / "log").open("w") as log:
        subprocess.run(
            [sys.executable, "-m", "smelt", *words],
            cwd=folder,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(PACKAGE)} | environment,
            stdout=log,
            stderr=log,
        )
    return (folder / "log").read_text()


@pytest.mark.slow
def test_a_log_opens_with_a_line_of_shell_that_writes_the_same_log(tmp_path: Path) -> None:
    folder = tmp_path / "it's here"
    folder.mkdir()
    words = ["table", "--settings", '{"title": "L\'été $HOME"}', "--output", "a b"]
    written = log_of(words, folder, SMELT_COUNTRY="FRA")
    command, complaint, end = written.splitlines()
    assert re.fullmatch(r"\d\d:\d\d:\d\d  ended with exit code 1 after 0:00:\d\d", end)
    assert complaint.startswith("smelt: python -m smelt table: ")
    assert shlex.split(command)[:5] == ["cd", str(folder), "&&", f"PYTHONPATH={PACKAGE}", "SMELT_COUNTRY=FRA"]
    assert shlex.split(command)[6:] == ["-m", "smelt", *words]
    pasted = subprocess.run(["bash", "-c", f"({command}) 2>&1"], cwd="/", env={}, capture_output=True, text=True)
    assert pasted.stdout.splitlines()[:2] == [command, complaint]


TASK = """
title: $HOME, ${{SMELT_TITLE}}
kind: sequence-classification
languages: [en]
source:
  folder: ${{{folder}}}/sst2
  train: {{file: train.tsv}}
  validation: {{file: train.tsv}}
  test: {{folder: "${{SMELT_TEST}}", file: test.tsv}}
format: {{table: {{separator: "\t", text: text, label: label}}}}
metric: accuracy
licence: none
cite: nobody
"""


@pytest.mark.slow
def test_the_first_line_of_a_log_sets_the_variables_that_the_task_file_names(tmp_path: Path) -> None:
    data, folder = tmp_path / "my data", tmp_path / "run"
    (data / "sst2").mkdir(parents=True)
    (folder / "tasks").mkdir(parents=True)
    (folder / "tasks/own.yaml").write_text(TASK.format(folder="SMELT_OWN"))
    for name in ("train", "test"):
        (data / f"sst2/{name}.tsv").write_text(f"text\tlabel\n{name} good\tyes\n{name} bad\tno\n")
    words = ["task", "--name", "own", "--folder", "tasks", "--output", "task"]
    variables = {"SMELT_OWN": str(data), "SMELT_TEST": str(data / "sst2")}
    written = log_of(words, folder, **variables, SMELT_TITLE="A title", SMELT_KEY="secret")
    command = written.splitlines()[0]
    assert written.splitlines()[-1].partition("  ")[2].startswith("finished"), written
    environment = shlex.split(command)[3:6]
    assert environment == [f"PYTHONPATH={PACKAGE}", *(f"{name}={value}" for name, value in variables.items())]
    made = (folder / "task/test.parquet").read_bytes()
    shutil.rmtree(folder / "task")
    subprocess.run(["bash", "-c", command], cwd="/", env={}, check=True, capture_output=True)
    assert (folder / "task/test.parquet").read_bytes() == made


@pytest.mark.slow
@pytest.mark.parametrize(
    "words", [["task"], ["task", "--name", "none-such", "--output", "o"], ["task", "--limit", "x"]]
)
def test_wrong_words_for_a_task_stand_in_its_log_with_one_complaint(tmp_path: Path, words: list[str]) -> None:
    command, complaint, _ = log_of(words, tmp_path).splitlines()
    assert command.endswith(shlex.join(words))
    assert complaint.startswith("smelt: ")


@pytest.mark.slow
def test_a_command_stands_once_in_a_log_that_several_processes_write(tmp_path: Path) -> None:
    words = ["table", "--settings", "{}"]
    assert "-m smelt" in log_of(words, tmp_path).splitlines()[0]
    for mark in ("TORCHELASTIC_RUN_ID", "SMELT_RENDEZVOUS"):
        written = log_of(words, tmp_path, **{mark: "1"})
        assert written.startswith("smelt: ")
        assert len(written.splitlines()) == 1


@pytest.mark.slow
def test_a_check_and_a_command_outside_a_log_print_no_command_line(tmp_path: Path) -> None:
    missing = f"smelt: nowhere.yaml: no such file (looked for {tmp_path / 'nowhere.yaml'})\n"
    assert log_of(["check", "nowhere.yaml"], tmp_path) == missing
    apart = subprocess.run([sys.executable, "-m", "smelt", "table"], capture_output=True, text=True, cwd=PACKAGE)
    assert apart.stdout == ""


@pytest.mark.slow
@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_log_says_that_a_job_was_stopped_by_a_signal(tmp_path: Path, signal_number: signal.Signals) -> None:
    fifo, log = tmp_path / "waits", tmp_path / "log"
    os.mkfifo(fifo)  # the job waits for a writer that never comes
    words = ["scores", "--finetuned", ".", "--settings", str(fifo), "--output", "o"]
    sleeper = f"import sys; from smelt import __main__ as m; m.main = lambda: open({str(fifo)!r}); m.start()"
    with log.open("w") as stream:
        command = [sys.executable, "-c", sleeper, *words]
        process = subprocess.Popen(command, env={"PYTHONPATH": str(PACKAGE)}, stdout=stream, stderr=stream)
    deadline = time.monotonic() + 60
    while not log.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal_number)
    assert process.wait(60) == 128 + signal_number
    assert f"  ended with exit code {128 + signal_number} after 0:00:" in log.read_text().splitlines()[-1]


def test_a_log_of_a_fault_of_ours_ends_with_its_end(tmp_path: Path) -> None:
    code = "import sys; from smelt import __main__ as m; m.main = lambda: {}['key']; m.start()"
    with (tmp_path / "log").open("w") as log:
        command = [sys.executable, "-c", code, "scores"]
        done = subprocess.run(command, env={"PYTHONPATH": str(PACKAGE)}, stdout=log, stderr=log)
    assert done.returncode == 70
    lines = (tmp_path / "log").read_text().splitlines()
    assert "Traceback (most recent call last):" in lines
    assert lines[-2] == "KeyError: 'key'"
    assert "  ended with exit code 70 after 0:00:" in lines[-1]


def test_smelt_is_a_command_with_a_version(capsys: pytest.CaptureFixture[str]) -> None:
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())["project"]
    module, function = project["scripts"]["smelt"].split(":")
    assert getattr(importlib.import_module(module), function) is start
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"smelt {project['version']}\n"
