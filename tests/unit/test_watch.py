"""`smelt watch` shows what a study's logs say: running, stuck, failed and finished jobs."""

import os
import time
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

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


def watched(capsys: pytest.CaptureFixture[str]) -> list[str]:
    assert main(["watch", "study.yaml", "--once"]) == 0
    return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]


def test_before_the_first_log_it_says_so(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert not study.exists()
    assert watched(capsys) == ["logs/small: no job has written a log yet"]


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
