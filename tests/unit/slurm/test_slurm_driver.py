"""The driver as a job: what it asks of SLURM."""

import os
import subprocess
from pathlib import Path

import pytest
from fake_slurm import Slurm

DRIVER = Path(__file__).parents[3] / "profiles/slurm-driver/driver.sh"
JOB = {"SLURM_JOB_ID": "7", "SLURM_CPUS_PER_TASK": "3", "SLURM_MEM_PER_NODE": "5000"}


def drive(slurm: Slurm, code: int) -> "subprocess.CompletedProcess[str]":
    program = slurm.programs / "smelt"
    program.write_text(f'#!/bin/sh\necho "smelt $@"\nexit {code}\n')
    program.chmod(0o755)
    words = ["bash", DRIVER, "studies/my-study.yaml", "--", "--dry-run"]
    return subprocess.run(words, env=os.environ | JOB, text=True, capture_output=True)


def test_the_successor_of_a_driver_asks_for_what_the_driver_was_given(slurm: Slurm) -> None:
    slurm.answer("squeue", "2-00:00:00|long|my-account|N/A|(null)|(null)\n")
    slurm.answer("sbatch", "8\n")
    done = drive(slurm, 3)
    assert done.returncode == 3
    assert slurm.asked("sbatch") == [
        "--parsable --dependency=afterany:7 --job-name=smelt-driver-my-study --cpus-per-task=3 --mem=5000"
        " --time=2-00:00:00 --partition=long --account=my-account --export=ALL,SMELT_DRIVER_BEFORE=7"
        f" {DRIVER} studies/my-study.yaml -- --dry-run"
    ]
    assert slurm.asked("scontrol") == ["update JobId=7 JobName=smelt-driver-my-study"]
    assert "smelt run --profile slurm studies/my-study.yaml -- --dry-run\n" in done.stdout
    assert slurm.asked("scancel") == ["8"]


@pytest.mark.parametrize("code", [0, 1])
def test_a_driver_without_a_successor_runs_all_the_same(slurm: Slurm, code: int) -> None:
    (slurm.programs / "sbatch").write_text("#!/bin/sh\necho 'sbatch: error: no account' >&2\nexit 1\n")
    done = drive(slurm, code)
    assert done.returncode == code
    assert "smelt: warning: SLURM takes no successor of this driver" in done.stdout
    assert "smelt run --profile slurm" in done.stdout
    assert slurm.asked("scancel") == []
