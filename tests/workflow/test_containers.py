"""Jobs of `--sdm apptainer` run in the image and import the package of the rules. (A script stands for Apptainer.)"""

import shutil
from pathlib import Path

import pytest

from tests.workflow.conftest import ROOT, new_project

APPTAINER = """#!/bin/sh
if [ "$1" = --version ]; then echo "apptainer version 1.4.5"; exit; fi
{ echo "$APPTAINER_BIND"; printf '%s|' "$@"; echo; } >> "$CALLS"
for command; do true; done
exec bash -c "$command"
"""
"""It notes how it is called, and runs what was to run in the image."""


@pytest.mark.slow
def test_a_job_runs_in_the_image_and_sees_the_package_of_its_rules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = new_project(tmp_path / "project")
    elsewhere = tmp_path / "a checkout, elsewhere"
    for part in ("workflow", "envs"):
        shutil.copytree(ROOT / part, elsewhere / part, ignore=shutil.ignore_patterns("__pycache__"))
    for name, text, mode in (("apptainer", APPTAINER, 0o755), ("smelt.sif", "", 0o644)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(mode)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.setenv("SMELT_CONTAINER", str(tmp_path / "smelt.sif"))
    monkeypatch.setenv("APPTAINER_BIND", "/of/the/user")
    task = "resources/demo/tasks/demo-intent/train-qaa.tsv"
    snakefile = str(elsewhere / "workflow/Snakefile")
    project.snakemake("--snakefile", snakefile, "--sdm", "apptainer", "--apptainer-args=--nv", task)
    assert (project.folder / task).exists()
    bound, called = (tmp_path / "calls").read_text().splitlines()
    assert bound == "/of/the/user," + str(elsewhere / "workflow").replace(",", r"\,")
    words = called.split("|")
    assert words[:3] == ["exec", "--home", str(project.folder)]
    assert "--nv" in words
    assert words.index(str(tmp_path / "smelt.sif")) == words.index("-c") - 2
