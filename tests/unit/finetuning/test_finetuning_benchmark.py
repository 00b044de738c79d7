"""What `make bench` measures of fine-tuning: commands that are measured, files that both sides read, and ratios."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from bench.finetuning import NEEDED, finetuning, further
from bench.finetuning_data import PARTS, write_for_scripts, write_task_file
from bench.finetuning_ways import SIDE_BY_SIDE, Build, FinetuningWorkload, SeedsFigures, measured, run_all
from bench.measure import SkippedBenchmark
from bench.workers import Ended

from smelt.__main__ import main

BUSY = "import time\nx = bytearray(50_000_000)\nwhile time.process_time() < 0.3: pass"


def test_what_is_missing_is_named_and_skips_the_benchmark(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in NEEDED[1:]:
        monkeypatch.delenv(variable, raising=False)
    skipped = finetuning("finetune-sst2-tiny")
    assert isinstance(skipped, SkippedBenchmark)
    assert not skipped.failed
    assert "TRANSFORMERS_EXAMPLES, EVALUATE_METRICS not set" in skipped.reason


def test_processor_time_and_memory_are_those_of_the_commands(tmp_path: Path) -> None:
    commands = [[sys.executable, "-c", BUSY]] * 3
    found = measured(commands, tmp_path, {}, lambda: [0.5, 0.6, 0.7])
    assert 0.9 <= found.processor_seconds < 3
    assert 48 * min(SIDE_BY_SIDE, 3) < found.memory < 100 * min(SIDE_BY_SIDE, 3)
    assert found.seeds == 3
    assert found.deviation == pytest.approx(0.1)


def test_a_command_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(Ended, match=r"exit code 3: no such label"):
        run_all([[sys.executable, "-c", "import sys; print('no such label'); sys.exit(3)"]], tmp_path, {})


def test_ratios_are_to_ours_and_scores_are_compared_in_deviations() -> None:
    ours = SeedsFigures(5, 100.0, 180.0, 1500.0, [0.40, 0.42, 0.44, 0.46, 0.48])
    peer = SeedsFigures(5, 500.0, 900.0, 3000.0, [0.45, 0.45, 0.46, 0.46, 0.48])
    one = SeedsFigures(1, 30.0, 36.0, 1000.0, [0.40])
    found = further({"ours": [ours], "peer": [peer], "one": [one]})
    assert found["peer to ours, wall"] == pytest.approx(5.0)
    assert found["peer to ours, processor"] == pytest.approx(5.0)
    assert found["five seeds to one, MiB"] == pytest.approx(1.5)
    assert found["ours, seeds/h"] == pytest.approx(180.0)
    assert found["scores apart, deviations"] == pytest.approx(0.02 / 0.0316, rel=1e-2)


@pytest.mark.parametrize("name", PARTS)
def test_a_part_takes_its_shares_of_the_sets_own_files(tmp_path: Path, name: str) -> None:
    part = PARTS[name]
    write_task_file(part, 0.5, tmp_path)
    task = yaml.safe_load((tmp_path / f"{part.task}.yaml").read_text())
    start, end = part.shares["test"]
    assert task["source"]["test"]["take"] == [start, start + (end - start) / 2]
    assert "settings" not in task


def test_scripts_read_the_examples_that_smelt_has_prepared(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    for split, text in (("train", "good film\t1\nbad film\t0\n"), ("dev", "bad\t0\n"), ("test", "so good\t1\n")):
        (tmp_path / f"source/{split}.tsv").write_text(text)
    part = replace(PARTS["sst2"], shares=dict.fromkeys(PARTS["sst2"].shares, (0, 1)))
    write_task_file(part, 1.0, tmp_path)
    file = tmp_path / "sst2.yaml"
    file.write_text(file.read_text().replace("${SMELT_DATA}/tasks/sst2", str(tmp_path / "source")))
    output = tmp_path / "task"
    arguments = ["task", "--name", "sst2", "--folder", str(tmp_path), "--output", str(output)]
    assert main(arguments) == 0
    assert write_for_scripts(output, tmp_path / "scripts") == "sequence-classification"
    rows = [json.loads(line) for line in (tmp_path / "scripts/train.json").read_text().splitlines()]
    assert sorted(rows, key=lambda row: row["label"]) == [
        {"sentence": "bad film", "label": "0"},
        {"sentence": "good film", "label": "1"},
    ]


def test_this_build_makes_all_seeds_in_one_process_and_one_before_each_in_its_own(tmp_path: Path) -> None:
    build = Build.__new__(Build)
    build.folder = tmp_path
    build.workload = FinetuningWorkload("sst2", "albert-tiny", 1e-3, 1.0, tmp_path)
    build.together, build.precision = True, "fp32"
    (command,) = build.commands([1, 2], tmp_path)
    assert command[-6:] == ["--seed", "1", "2", "--output", str(tmp_path / "seed-1"), str(tmp_path / "seed-2")]
    build.together = False
    assert [command[-4:] for command in build.commands([1, 2], tmp_path)] == [
        ["--seed", str(seed), "--output", str(tmp_path / f"seed-{seed}")] for seed in (1, 2)
    ]
