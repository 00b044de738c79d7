"""What breaks on a cluster, one test for each: nothing is lost, and nothing is made twice."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cluster.conftest import (
    MODEL,
    SCRIPT,
    environment,
    has_checkpoint,
    jobs_of,
    kill_driver_of_training,
    number_of,
    on_slurm,
    running,
    start_on_slurm,
    train,
    wait_until,
)
from tests.workflow.conftest import Project, held, training_of

LOG = "logs/small/models/wide.log"
Make = Callable[..., Project]


def ended(process: "subprocess.Popen[str]", project: Project) -> tuple[int, str]:
    code = process.wait(600)
    return code, (project.folder / "printed.txt").read_text()


@pytest.mark.breaks_cluster
def test_a_controller_away_for_a_minute_loses_nothing(cluster: Path, project_with: Make) -> None:
    project = project_with(2500)
    driver = start_on_slurm(project, "--retries", "0", MODEL)
    wait_until(lambda: has_checkpoint(project), driver)
    subprocess.run([SCRIPT, "stop-controller", cluster], check=True)
    time.sleep(50)
    subprocess.run([SCRIPT, "start-controller", cluster], check=True)
    code, printed = ended(driver, project)
    assert code == 0, printed
    assert "SLURM's controller has not answered since " in printed
    assert "SLURM's controller answers again, after 0:0" in printed
    assert len(jobs_of(project)) == 1


def test_a_training_in_several_jobs_has_the_losses_of_one(project_with: Make) -> None:
    parts, whole = project_with(3000, "parts"), project_with(3000, "whole")
    drivers = [
        start_on_slurm(project, MODEL, "--retries", "0", "--set-resources", f"pretrain:runtime={minutes}")
        for project, minutes in ((parts, 1), (whole, 60))
    ]
    wait_until(lambda: has_checkpoint(parts), drivers[0])
    with held(parts):  # else a fast machine is done within the minute, SLURM's least
        time.sleep(45)
    for driver, project in zip(drivers, (parts, whole), strict=True):
        code, printed = ended(driver, project)
        assert code == 0, printed
    assert len(jobs_of(parts)) > 1
    assert (parts.folder / f"{LOG}.1").exists()
    assert len(jobs_of(whole)) == 1
    weights = [(project.folder / MODEL / "model.safetensors").read_bytes() for project in (parts, whole)]
    assert weights[0] == weights[1]
    curves = [
        [line.split(",")[:4] for line in (project.folder / f"{LOG.removesuffix('.log')}.curve.csv").open()]
        for project in (parts, whole)
    ]
    assert curves[0] == curves[1]


def test_an_error_in_the_input_is_tried_once_and_the_rest_goes_on(project_with: Make) -> None:
    project = project_with(100)
    dump = min((project.folder / "resources/dumps").rglob("qabwiki*.bz2"))
    status = dump.stat()
    dump.write_bytes(dump.read_bytes()[:2000])
    os.utime(dump, ns=(status.st_atime_ns, status.st_mtime_ns))
    done = on_slurm(project, "--forcerun", "documents", "--until", "documents")
    printed = done.stdout + done.stderr
    assert done.returncode == 1
    assert printed.count("  FAILED") == 1, printed
    assert f"smelt: {dump.relative_to(project.folder)}" in printed
    assert "log: logs/small/corpora/wiki/qab.log" in printed
    states = sorted(job.split("JobState=")[1].split()[0] for job in jobs_of(project))
    assert states == ["COMPLETED", "FAILED"]


def test_a_job_that_someone_cancels_stays_cancelled_and_goes_on_in_the_next_run(project_with: Make) -> None:
    project = project_with(1500)
    driver = start_on_slurm(project, MODEL)
    wait_until(lambda: has_checkpoint(project), driver)
    subprocess.run(["scancel", running(project)], check=True)
    code, printed = ended(driver, project)
    assert code == 1
    assert "cancelled by someone (scancel): not tried again in this run" in printed
    done = on_slurm(project, MODEL)
    assert done.returncode == 0, done.stderr
    assert "going on from the checkpoint of step" in (project.folder / LOG).read_text()
    assert len(jobs_of(project)) == 2


@pytest.mark.breaks_cluster
def test_a_training_whose_node_fails_goes_on(project_with: Make) -> None:
    project = project_with(1500)
    driver = start_on_slurm(project, MODEL)
    wait_until(lambda: has_checkpoint(project), driver)
    (job,) = jobs_of(project)
    node = job.split(" NodeList=")[1].split()[0]
    subprocess.run(["scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=test"], check=True)
    try:
        wait_until(lambda: len(jobs_of(project)) == 2, driver)
        assert "MissingOutput" not in (project.folder / "printed.txt").read_text()  # srun had ended with 0
    finally:  # it may have come back by itself
        subprocess.run(["scontrol", "update", f"NodeName={node}", "State=RESUME"], stderr=subprocess.DEVNULL)
    code, printed = ended(driver, project)
    assert code == 0, printed
    assert "JobState=NODE_FAIL" in jobs_of(project)[0]
    assert "going on from the checkpoint of step" in (project.folder / LOG).read_text()


def test_a_killed_training_is_tried_again_with_more_memory(project_with: Make) -> None:
    project = project_with(1500)
    driver = start_on_slurm(project, MODEL, "--set-resources", "pretrain:mem_mb=3000")
    wait_until(lambda: has_checkpoint(project), driver)
    os.kill(training_of(project), signal.SIGKILL)
    code, printed = ended(driver, project)
    assert code == 0, printed
    assert "killed, or failed before its command began (FAILED, exit code 1; it had asked for 3000M" in printed
    assert ["MinMemoryNode=3000M" in jobs_of(project)[0], "MinMemoryNode=6000M" in jobs_of(project)[1]] == [True, True]


def test_a_training_that_slurm_kills_for_its_memory_gets_more(project_with: Make) -> None:
    project = project_with(300)
    done = on_slurm(project, MODEL, "--set-resources", "pretrain:mem_mb=400")  # Snakemake itself takes 300
    assert done.returncode == 0, done.stderr
    assert "out of memory: asked for 400M" in done.stderr
    jobs = jobs_of(project)
    assert ["MinMemoryNode=400M" in jobs[0], "MinMemoryNode=800M" in jobs[1]] == [True, True]


def test_a_training_that_outlives_its_driver_is_taken_over(project_with: Make) -> None:
    project = project_with(2500)
    number = kill_driver_of_training(project)
    done = on_slurm(project, MODEL)
    assert done.returncode == 0, done.stderr
    assert f"models/wide: job {number} of an earlier run goes on and is taken over" in done.stderr
    assert len(jobs_of(project)) == 1
    assert project.planned(MODEL) == {}


def test_a_training_that_is_no_longer_wanted_so_is_cancelled_and_made_from_the_new_settings(
    project_with: Make,
) -> None:
    project = project_with(5000)
    number = kill_driver_of_training(project)
    train(project, 300)
    done = on_slurm(project, MODEL)
    assert done.returncode == 0, done.stderr
    assert f"job {number} of an earlier run makes it from other settings or inputs: cancelled" in done.stderr
    assert ["JobState=CANCELLED" in job for job in jobs_of(project)] == [True, False]


def test_a_driver_that_is_a_job_has_a_successor_that_goes_on(project_with: Make) -> None:
    project = project_with(2500)
    words = ["sbatch", "--parsable", "--mem=5000", "profiles/slurm-driver/driver.sh", "study.yaml", "--"]
    words += [MODEL, "--seconds-between-status-checks", "1"]
    variables = environment(project) | {"SMELT_DRIVER_PAUSE": "1"}
    first = subprocess.check_output(words, cwd=project.folder, env=variables, text=True).strip()
    wait_until(lambda: has_checkpoint(project))
    training = number_of(next(job for job in jobs_of(project) if "rule_pretrain" in job))
    driver = json.loads((project.folder / "results/small/.run/lock").read_text())["process"]
    script = int(Path(f"/proc/{driver}/stat").read_text().rsplit(") ", 1)[1].split()[1])
    for process in (script, driver):
        os.kill(process, signal.SIGKILL)
    wait_until(lambda: (project.folder / MODEL / "model.safetensors").exists())
    wait_until(lambda: all("JobState=RUNNING" not in job for job in jobs_of(project)))
    (log,) = {*project.folder.glob("smelt-driver-*.log")} - {project.folder / f"smelt-driver-{first}.log"}
    assert f"models/wide: job {training} of an earlier run goes on and is taken over" in log.read_text()
    assert log.read_text().endswith("smelt: the driver has ended with exit code 0\n")
    assert not [job for job in jobs_of(project) if "JobState=PENDING" in job]
    drivers = [job for job in jobs_of(project) if " JobName=smelt-driver-study\n" in job]
    assert ["MinMemoryNode=5000M" in job for job in drivers] == [True] * 3
    assert ["JobState=CANCELLED" in job for job in drivers] == [False, False, True]
