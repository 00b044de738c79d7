"""The small study runs on a real SLURM: `make test-cluster`, as root on Debian; it installs what it needs."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from tests.cluster.conftest import jobs_in, jobs_of, on_slurm, slurm_command, wait_until
from tests.workflow.conftest import Project, new_project


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return new_project(tmp_path_factory.mktemp("cluster") / "project")


def test_the_study_runs_to_its_report_with_a_gpu_for_each_training(project: Project) -> None:
    # Models so small ask for none by themselves.
    done = on_slurm(project, "--set-resources", *[f"{rule}:gpu=1" for rule in ("pretrain", "distil", "finetune")])
    assert done.returncode == 0, done.stderr[-5000:]
    assert (project.folder / "results/small/report.html").is_file()
    granted = [job for job in jobs_of(project) if "TresPerJob=gres:gpu:1" in job]
    assert len(granted) >= 2 + 2 * 2 * 2  # pretraining of two models, and their fine-tuning on two tasks, twice
    assert all("JobState=COMPLETED" in job for job in granted)


def test_short_jobs_in_groups_are_two_jobs_and_one_that_fails_is_named(project: Project) -> None:
    profile = project.folder / "profiles/slurm/config.yaml"
    profile.write_text(re.sub("^# (group[^ ]*: )", r"\1", profile.read_text(), flags=re.MULTILINE))
    results = project.folder / "results/small"
    tables = sorted(results.glob("tables/*"))

    def again() -> subprocess.CompletedProcess[str]:
        for made in ("tables", "figures", "tokenisation/narrow"):
            shutil.rmtree(results / made, ignore_errors=True)
        (results / "report.html").unlink(missing_ok=True)
        return on_slurm(project, "--retries", "0")

    measured = results / "tokenisation/wide/demo-ner.json"
    whole = measured.read_text()
    measured.write_text(whole[:40])
    done = again()
    assert done.returncode == 1
    assert "group report: 10 jobs" in done.stderr
    assert f"smelt: {measured.relative_to(project.folder)}: is not JSON" in done.stderr

    measured.write_text(whole)
    before = len(jobs_of(project))
    done = again()
    assert done.returncode == 0, done.stderr[-5000:]
    assert "has been submitted" not in done.stderr
    assert sorted(results.glob("tables/*")) == tables
    asked = [re.search(r"NumCPUs=(\d+).*mem=(\w+)", job, re.DOTALL) for job in jobs_of(project)[before:]]
    assert [found.groups() for found in asked if found] == [("1", "2000M"), ("2", "4000M"), ("1", "2000M")]


def test_a_model_that_outlives_its_killed_driver_is_taken_over_and_never_served_stale(
    tmp_path: Path,
) -> None:
    project = new_project(tmp_path / "project")
    model = project.folder / "results/small/models/wide"
    log = project.folder / "logs/small/models/wide.log"

    def train(steps: int) -> None:
        study = project.study
        study["models"]["wide"]["settings"]["schedule"] = {"steps": steps}
        project.write(study)

    def kill_the_driver_and_let_the_job_end() -> None:
        with subprocess.Popen(slurm_command(str(model.relative_to(project.folder))), cwd=project.folder,
                              env=project.environment(), stderr=subprocess.DEVNULL) as driver:  # fmt: skip
            wait_until(lambda: list(project.folder.glob("checkpoints/**/step-*[0-9]/manifest.json")), driver)
            driver.kill()
        wait_until(lambda: all("JobState=RUNNING" not in job for job in jobs_of(project)))
        assert (model / "model.safetensors").exists()

    train(300)
    kill_the_driver_and_let_the_job_end()
    done = on_slurm(project, str(model.relative_to(project.folder)))
    assert done.returncode == 0, done.stderr[-5000:]
    assert "has made it and is taken over" in done.stderr
    assert "going on from" not in log.read_text(), "it is confirmed at no cost"
    assert project.planned(str(model.relative_to(project.folder))) == {}

    train(310)
    kill_the_driver_and_let_the_job_end()
    train(320)
    assert project.planned(str(model.relative_to(project.folder))) == {"pretrain": 1}


def test_a_pretraining_runs_on_two_machines_of_one_job(project: Project) -> None:
    model = "results/small/models/narrow"
    subprocess.run(["rm", "-rf", model], cwd=project.folder, check=True)
    two = ["gpu=2", "nodes=2", "mpi=srun", "tasks=2", "tasks_per_gpu=0"]
    done = on_slurm(project, "--set-resources", *[f"pretrain:{resource}" for resource in two], "--force", model)
    assert done.returncode == 0, done.stderr[-5000:]
    assert re.search(r"NumNodes=2.*TresPerJob=gres:gpu:2", jobs_of(project)[-1], re.DOTALL)
    log = (project.folder / "logs/small/models/narrow.log").read_text()
    assert log.count("step 40  validation") == 1
    assert "2 processes on 2 machines" in log


def test_shards_are_cleaned_in_arrays_of_jobs_and_a_damaged_one_later(tmp_path: Path) -> None:
    texts = [f"Stone {n // 2} lies in the river by the village {n // 2 * 7} near the old mill." for n in range(90)]
    file = tmp_path / "texts.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"text": texts}), file, row_group_size=30)
    whole = file.read_bytes()
    file.write_bytes(bytes(400) + whole[400:])
    source = json.dumps({"name": "web", "folder": str(tmp_path), "files": ["texts.parquet"]})
    words = [sys.executable, "-m", "smelt", "clean-shards", "--language", "en", "--data-set", source]
    words += ["--cleaning", '{"near_duplicates": {}}', "--output", str(tmp_path / "out"), "--shards", "3"]
    words += ["--executor", "slurm", "--partition", "main", "--memory", "1", "--decide-memory", "1"]

    def submit() -> None:
        subprocess.run(words, check=True)
        waiting = re.compile("JobState=(PENDING|RUNNING|COMPLETING)")
        wait_until(lambda: not any(map(waiting.search, jobs_in(Path.cwd()))))

    submit()
    errors = [line for log in tmp_path.glob("out/work/*/log/logs/*") for line in log.read_text().splitlines()]
    assert any(line.startswith(f"smelt.errors.SmeltError: clean-1, shard 0: {file}: cannot be read") for line in errors)
    assert not (tmp_path / "out/statistics.json").exists()
    file.write_bytes(whole)
    submit()
    statistics = json.loads((tmp_path / "out/statistics.json").read_text())
    assert statistics["documents"] == 45
    assert statistics["cleaning"][0]["within_source"] == 45


def test_preflight_runs_a_tiny_job_and_names_what_no_node_can_grant(tmp_path: Path) -> None:
    project = new_project(tmp_path / "project")

    def preflight() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "smelt", "preflight", "study.yaml", "--profile", "slurm"]
        return subprocess.run(command, cwd=project.folder, env=project.environment(), text=True, capture_output=True)

    done = preflight()
    assert done.returncode == 0, done.stdout + done.stderr
    rows = {line.split()[0]: line for line in done.stdout.splitlines() if " ok " in line}
    assert "2 nodes of up to 8 CPUs, 64,000 MB, 1" in rows["partition"], done.stdout
    assert re.search(r"^compute node  ok  .*Python 3", done.stdout, re.MULTILINE), done.stdout
    profile = project.folder / "profiles/slurm/config.yaml"
    profile.write_text(profile.read_text() + "set-resources: {pretrain: {gpu: 3, nodes: 2}}\n")
    done = preflight()
    assert done.returncode == 1
    assert re.search(r"^rule pretrain +problem  asks for 2 GPUs on 2 nodes", done.stdout, re.MULTILINE), done.stdout
