"""Each log opens with the command that wrote it, ready to paste."""

import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.workflow.conftest import ROOT, Project

pytestmark = pytest.mark.slow


def first_line(log: Path) -> str:
    return log.read_text().split("\n", 1)[0]


def test_each_log_opens_with_its_command_once(finished: Project) -> None:
    logs = sorted((finished.folder / "logs").rglob("*.log"))
    assert len(logs) > 35
    package = shlex.quote(str(finished.folder / "workflow"))
    started = re.compile(
        rf"cd {re.escape(shlex.quote(str(finished.folder)))} && PYTHONPATH={re.escape(package)} SMELT_COUNTRY=FRA "
        r"\S+ -m smelt job [a-z-]+ --"
    )
    assert [str(log) for log in logs if not started.match(first_line(log))] == []
    assert [str(log) for log in logs if log.read_text().count(" -m smelt ") != 1] == []
    ends = [log.read_text().splitlines()[-1] for log in logs]
    assert [end for end in ends if not re.fullmatch(r"\d\d:\d\d:\d\d  finished after \d:\d\d:\d\d", end)] == []


def test_jobs_of_small_models_leave_gpus_alone(finished: Project) -> None:
    trained = [f"models/{name}" for name in ("narrow", "wide", "student-qaa")]
    logs = [finished.folder / f"logs/small/{name}.log" for name in trained]
    logs += (finished.folder / "logs/small/finetuned").rglob("*.log")
    assert len(logs) == 3 + 2 * 2 * 2
    assert [str(log) for log in logs if " --gpus 0 " not in first_line(log)] == []


def test_the_screen_has_one_line_for_each_job_and_little_more(finished: Project) -> None:
    lines = (finished.folder / "printed.txt").read_text().splitlines()
    logs = [path.relative_to(finished.folder / "logs") for path in (finished.folder / "logs").rglob("*.log")]
    ended = [line for line in lines if re.match(r"\d\d:\d\d:\d\d  +\d+ of 49  +\d:\d\d:\d\d  ", line)]
    assert sorted(line.split()[-1] for line in ended) == sorted(["all", *(str(log.with_suffix("")) for log in logs)])
    running = [line for line in lines if re.match(r"\d\d:\d\d:\d\d  \S+  \S+  \w+ [\d,]+ of [\d,]+ \(", line)]
    assert len(lines) - len(ended) - len(running) < 8
    assert max(map(len, lines)) < 250


def test_the_first_line_of_a_log_runs_from_any_folder_without_an_environment(
    project: Callable[[], Project], tmp_path: Path
) -> None:
    copy = project()
    scores, model = (copy.folder / "results/small" / name for name in ("scores.csv", "models/student-qaa"))
    copy.snakemake("--force", "results/small/scores.csv")
    before = scores.read_bytes()
    scores.unlink()
    # A training's log is of the project that this one is a copy of.
    trained = first_line(copy.folder / "logs/small/models/student-qaa.log")
    weights = (model / "model.safetensors").read_bytes()
    original = re.match(r"cd (\S+) ", trained)
    assert original is not None
    for command in (
        first_line(copy.folder / "logs/small/scores.log"),
        trained.replace(original[1], shlex.quote(str(copy.folder))).replace("models/student-qaa", "models/pasted"),
    ):
        subprocess.run(
            ["bash", "-c", command], cwd=tmp_path, env={"PATH": "/usr/bin:/bin", "HF_HUB_OFFLINE": "1"}, check=True
        )
    assert scores.read_bytes() == before
    assert (model.with_name("pasted") / "model.safetensors").read_bytes() == weights


def test_the_command_of_each_rule_is_one_of_smelt_whose_log_is_all_it_prints() -> None:
    rules = [path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk")]
    shells = [shell for text in rules for shell in re.findall(r" +shell:\n((?: {8,}.*\n)+)", text)]
    assert len(shells) == sum(len(re.findall(r"^(?:rule \w+|    rule):", text, re.MULTILINE)) for text in rules) > 20
    command = re.compile(r'\s*"python -m smelt job [a-z-]+"(\s*" .*"\n)+\s*" > \{log:q\} 2>&1"\n')
    assert [shell for shell in shells if not command.fullmatch(shell)] == []
