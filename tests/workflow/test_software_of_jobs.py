"""Jobs of `--sdm apptainer` and `--sdm conda` run there, with the package of their rules. (Scripts stand for both.)"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workflow.conftest import ROOT, Project, new_project

APPTAINER = """#!/bin/sh
if [ "$1" = --version ]; then echo "apptainer version 1.4.5"; exit; fi
{ echo "$APPTAINER_BIND"; printf '%s|' "$@"; echo; } >> "$CALLS"
for command; do true; done
exec bash -c "$command"
"""
"""It notes how it is called, and runs what was to run in the image."""

CONDA = f"""#!/bin/sh
case "$*" in
    "info --json") echo '{{"conda_prefix": "'"$PLACE"'", "platform": "linux-64"}}' ;;
    --version) echo conda 25.9.1 ;;
    config*) echo '{{"get": {{"channel_priority": "strict"}}}}' ;;
    "env create"*)
        for prefix; do true; done
        mkdir -p "$prefix/bin" "$PLACE/bin"
        echo 'PATH=$1/bin:$PATH' > "$PLACE/bin/activate"
        printf '%s\\n' '#!/bin/sh' 'echo "$PYTHONPATH" >> "$CALLS"' 'exec {sys.executable} "$@"' > "$prefix/bin/python"
        chmod +x "$prefix/bin/python" ;;
esac
"""
"""It makes environments whose Python notes where it looks for packages."""

TASK = "resources/demo/tasks/demo-intent/train-qaa.tsv"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project whose rules are in a checkout elsewhere, on a machine with both programs."""
    for part in ("workflow", "envs"):
        copy = tmp_path / "a checkout, elsewhere" / part
        shutil.copytree(ROOT / part, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in (("apptainer", APPTAINER), ("conda", CONDA)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("PLACE", str(tmp_path / "place"))
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    return new_project(tmp_path / "project")


@pytest.mark.slow
def test_a_job_in_an_image_sees_the_package_of_its_rules(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    checkout, image = project.folder.with_name("a checkout, elsewhere"), project.folder.with_name("smelt.sif")
    image.touch()
    monkeypatch.setenv("SMELT_CONTAINER", str(image))
    monkeypatch.setenv("APPTAINER_BIND", "/of/the/user")
    project.snakemake(
        "--snakefile", str(checkout / "workflow/Snakefile"), "--sdm", "apptainer", "--apptainer-args=--nv", TASK
    )
    assert (project.folder / TASK).exists()
    bound, called = project.folder.with_name("calls").read_text().splitlines()
    assert bound == "/of/the/user," + str(checkout / "workflow").replace(",", r"\,")
    words = called.split("|")
    assert words[:3] == ["exec", "--home", str(project.folder)]
    assert "--nv" in words
    assert words.index(str(image)) == words.index("-c") - 2


@pytest.mark.slow
def test_a_job_in_an_environment_of_conda_imports_the_package_of_its_rules(project: Project) -> None:
    checkout = project.folder.with_name("a checkout, elsewhere")
    assert project.environment()["PYTHONPATH"] == str(project.folder / "workflow")
    project.snakemake("--snakefile", str(checkout / "workflow/Snakefile"), TASK, "--sdm", "conda")
    assert (project.folder / TASK).exists()
    assert project.folder.with_name("calls").read_text().splitlines() == [str(checkout / "workflow")]


@pytest.mark.slow
def test_a_job_of_a_workflow_that_has_smelt_as_a_module_keeps_the_path_of_its_user(project: Project) -> None:
    here = project.folder.with_name("their workflow")
    (here / "their modules").mkdir(parents=True)
    (here / "their modules/helper.py").touch()
    shutil.copy(project.folder / "study.yaml", here)
    rules = project.folder.with_name("a checkout, elsewhere") / "workflow/Snakefile"
    module = ['configfile: "study.yaml"', "module smelt:", f'    snakefile: "{rules}"', "    config: config"]
    rule = ["rule theirs:", '    output: "theirs.txt"', "    shell: \"python -c 'import helper' && touch {output}\""]
    (here / "Snakefile").write_text("\n".join([*module, "use rule * from smelt", *rule, ""]))
    path = {"PYTHONPATH": str(here / "their modules")}
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "theirs.txt", "--sdm", "conda"]
    subprocess.run(command, cwd=here, env=project.environment() | path, check=True)
    assert (here / "theirs.txt").exists()
