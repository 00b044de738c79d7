"""`smelt watch` shows what a study's logs say: running, stuck, failed and finished jobs."""

import os
import time
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from smelt import watch
from smelt.__main__ import main
from smelt.energy import Energy
from smelt.logs import ending, read_log
from smelt.training.progress import Position, Report, say

COMMAND = "cd /home/somebody && /usr/bin/python3 -m smelt {} --output o\n"
SECONDS_OF_A_DAY = 86_400
STUDY = {
    "study": "small",
    "corpora": {"wiki": {"text": {"sw": "sw.txt"}}},
    "tokenizers": {"unigram": {"algorithm": "unigram", "vocabulary": 300, "corpus": "wiki"}},
    "models": {"mbert": {"maker": "adopt", "folder": "mbert"}},
}


def report(step: int, **others: float) -> Report:
    metrics = {"mlm_loss": 5.25, "mlm_accuracy": 0.1, "sop_loss": 0.7}
    return Report(step, 12_000, metrics, 3e-4, 4321.0, timedelta(seconds=3700), **others)


def printed(line: str, capsys: pytest.CaptureFixture[str]) -> str:
    say(line)
    return capsys.readouterr().out.removesuffix("\n")


def test_the_position_of_a_run_is_read_from_its_lines(capsys: pytest.CaptureFixture[str]) -> None:
    full = report(
        1_200, share_of_peak=0.4, memory=2**30, energy=Energy(0.5, 0.5, 0.0, 0.0, 60.0, None, None, {}, "3.3.2")
    )
    for each in (report(1_200), full):
        position = Position.read(printed(each.line(), capsys))
        assert position == Position("step", 1_200, 12_000, "mlm_loss 5.2500", "1:01:40 left")
        assert position.words() == "step 1,200 of 12,000 (10%)  mlm_loss 5.2500  1:01:40 left"
    staged = printed("stage 1, head: epoch 0.5  step 3 of 50  loss 0.3000  900 tokens/s", capsys)
    assert Position.read(staged) == Position("step", 3, 50, "loss 0.3000", None)
    assert Position.read(printed("step 40  validation  mlm_loss 5.1", capsys)) is None
    assert Position.read("going on") is None
    assert Position.read("") is None


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a study file, and the folder of its logs, which is not there yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "150")
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(STUDY))
    return tmp_path / "logs/small"


def write(log: Path, text: str, age: float = 0.0) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(text)
    os.utime(log, (time.time() - age, time.time() - age))


def watched(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    assert main(["watch", "study.yaml", "--once", *words]) == 0
    return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]


def test_before_the_first_log_it_says_so(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert not study.exists()
    assert "".join(watched(capsys)) == f"{study}: no job has written a log yet"


def test_the_folder_of_the_run_may_be_another(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = study.parents[1] / "other"
    write(other / "logs/small/a.log", COMMAND.format("pretrain"))
    write(other / "logs/dumps/b.log", COMMAND.format("download"))
    lines = watched(capsys, "--directory", "other")
    assert lines[0].endswith(f"{other}/logs/small: 2 running, 0 finished, 0 failed")
    assert "pretrain other/logs/small/a.log" in lines
    assert "".join(watched(capsys, "--directory", "nowhere")).startswith(f"{study.parents[1]}/nowhere/logs/small: no ")


def test_several_study_files_are_one_study_as_for_snakemake(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("more.yaml").write_text("study: second\n")
    assert main(["watch", "study.yaml", "more.yaml", "--once"]) == 0
    assert "".join(capsys.readouterr().out.split("\n")).startswith(str(study.with_name("second")))


def test_a_log_of_an_ended_job_is_read_again_only_where_it_changed(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(study / "done.log", COMMAND.format("task") + f"a\n{ending(0, 3)}\n")
    write(study / "wrong.log", COMMAND.format("task") + f"a\nsmelt: b\n   c\n    d\n{ending(1, 3)}\n")
    write(study / "runs.log", COMMAND.format("task") + "a\n")
    read: list[str] = []
    monkeypatch.setattr(watch, "read_log", lambda path: read.append(path.stem) or read_log(path))
    logs = watch.Logs([study])
    first, second = logs.read(), logs.read()
    assert read == ["done", "runs", "wrong", "runs"]
    assert {path: (log.end, log.took, log.complaint() * log.failed) for path, log in second.items()} == {
        path: (log.end, log.took, log.complaint() * log.failed) for path, log in first.items()
    }
    write(study / "wrong.log", COMMAND.format("task") + "again\n")
    assert logs.read()[study / "wrong.log"].end is None


@pytest.mark.parametrize("size", [100, 20_000, 3_000_000])
def test_a_command_is_no_last_word_of_a_log_however_long_it_is(tmp_path: Path, size: int) -> None:
    command = COMMAND.format("scores").replace("o\n", f"{'o' * size}\n")
    write(tmp_path / "log", command)
    log = read_log(tmp_path / "log")
    assert log is not None
    assert (log.command, log.lines, log.state(time.time())) == ("scores", [], "")
    write(tmp_path / "log", command.rstrip())  # not yet written to its end
    assert (log := read_log(tmp_path / "log"))
    assert (log.command, log.lines) == ("scores", [])
    write(tmp_path / "log", command + "first\nlast\n")
    assert (log := read_log(tmp_path / "log"))
    assert log.lines == ["first", "last"]


def test_a_line_is_shown_from_its_start_and_not_at_any_length(tmp_path: Path) -> None:
    write(tmp_path / "log", COMMAND.format("scores") + "x" * 16_383 + "\n")
    log = read_log(tmp_path / "log")
    assert log is not None
    assert log.state(time.time()) == "x" * 199 + "…"
    write(tmp_path / "log", COMMAND.format("scores") + "x" * 20_000 + "\n" + "y" * 10 + "\n")
    assert (log := read_log(tmp_path / "log"))
    assert log.lines == ["y" * 10]


def test_jobs_are_shown_by_how_they_are(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = printed(report(600).line(), capsys)
    write(study / "models/runs.log", COMMAND.format("pretrain") + f"{line}\n")
    write(study / "models/begins.log", COMMAND.format("distil"))
    write(study / "models/stuck.log", COMMAND.format("pretrain") + f"{line}\n", age=3 * SECONDS_OF_A_DAY)
    error = "smelt: train.tsv:3: expected 2 columns, found 1\n       as its header says\n"
    write(study / "tasks/wrong.log", COMMAND.format("task") + f"smelt: warning: slow\n{error}{ending(1, 3.2)}\n")
    write(study / "models/traceback.log", COMMAND.format("adopt") + f"a\nb\nKeyError: 'd'\n{ending(1, 3.2)}\nbye\n")
    write(study / "corpora/wiki/qaa.log", COMMAND.format("documents") + f"qaa: 3 documents\n{ending(0, 3700)}\n")
    write(study / "older.log", "a log that no command of smelt wrote, or an older smelt\n")
    write(Path("logs/dumps/qaawiki.log"), COMMAND.format("download") + "part 1: 3 of 9 MB after 4 s\n")
    lines = watched(capsys)
    assert lines[0].endswith("logs/small: 4 running, 1 finished, 2 failed")
    since = time.strftime("%Y-%m-%d %H:%M", time.localtime((study / "models/stuck.log").stat().st_mtime))
    progress = "step 600 of 12,000 (5%) mlm_loss 5.2500 1:01:40 left"
    for expected in (
        f"pretrain logs/small/models/runs.log {progress}",
        "distil logs/small/models/begins.log",
        f"pretrain logs/small/models/stuck.log {progress} no line since {since}",
        "download logs/dumps/qaawiki.log part 1: 3 of 9 MB after 4 s",
        "task logs/small/tasks/wrong.log smelt: train.tsv:3: expected 2 columns, found 1",
        "as its header says",
        "KeyError: 'd'",
        "documents logs/small/corpora/wiki/qaa.log 1:01:40",
    ):
        assert expected in lines
    assert not any("older.log" in line or "warning" in line for line in lines)


def test_only_the_ends_of_a_long_log_are_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = printed(report(600).line(), capsys)
    write(tmp_path / "log", COMMAND.format("finetune") + f"{'x' * 100}\n" * 100_000 + f"{line}\n{ending(75, 60)}\n")
    log = read_log(tmp_path / "log")
    assert log is not None
    assert (log.command, log.end, log.took) == ("finetune", "ended with exit code 75", "0:01:00")
    assert log.position is not None
    assert log.position.done == 600
    assert sum(map(len, log.lines)) < 20_000


def test_a_wrong_study_file_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", "nowhere.yaml"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("smelt: nowhere.yaml: no such file")
    assert error.count("\n") == 1
