"""The workflow is a module of others, also where snakedeploy put it and only the hub of its repository has the code."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.workflow.conftest import PARTS, ROOT

BIN = Path(sys.executable).parent
REPOSITORY = "https://github.com/someone/smelt"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The environment of commands for which git finds the files of GitHub in a folder, so that no network is needed.

    It has one repository, with the files of this checkout.
    """
    hosted = tmp_path / "github"
    repository = hosted / "someone/smelt"
    repository.mkdir(parents=True)
    shutil.copy2(ROOT / "LICENSE", repository)
    for part in PARTS:
        shutil.copytree(ROOT / part, repository / part, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    git = ["git", "-C", str(repository), "-c", "user.name=Someone", "-c", "user.email=someone@example.org"]
    for words in ("init --quiet --initial-branch=main", "add .", "commit --quiet --message=smelt", "tag v1"):
        subprocess.run([*git, *words.split()], check=True)
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "GITHUB_TOKEN")} | {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.file://{hosted}/.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://github.com/",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
    }


def run(folder: Path, environment: dict[str, str], *words: str) -> str:
    """Run a command and return what it printed."""
    done = subprocess.run(words, cwd=folder, env=environment, text=True, capture_output=True)
    printed = done.stdout + done.stderr
    assert done.returncode == 0, printed[-3000:]
    return printed


@pytest.mark.slow
def test_snakedeploy_deploys_a_workflow_whose_jobs_run_the_code_of_its_tag(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    pytest.importorskip("snakedeploy", reason="snakedeploy is not installed: it needs Python 3.12 or older")
    run(tmp_path, environment, "snakedeploy", "deploy-workflow", REPOSITORY, "mine", "--tag", "v1")
    mine = tmp_path / "mine"
    printed = run(mine, environment, "snakemake", "--dry-run", "--cores", "1")
    assert re.search(r"^finetune_1_to_3 +6$", printed, re.MULTILINE), printed
    assert "specific profile profiles/default" in printed

    dump = "resources/demo/dumps/qaawiki/20260101"
    run(mine, environment, "snakemake", "--cores", "1", "--nolock", dump)
    assert (mine / dump).is_dir()
    assert (mine / "results/demo/.run/study.json").is_file(), "what a workflow writes as it starts"
    (package,) = (mine / ".snakemake/smelt").iterdir()
    assert f"PYTHONPATH={package}" in (mine / "logs/resources/demo/dumps/qaawiki-20260101.log").read_text()
    asked = "import smelt.provenance; print(smelt.provenance.code_revision()['revision'])"
    revision = run(mine, environment | {"PYTHONPATH": str(package)}, sys.executable, "-c", asked)
    assert revision.split() == [run(tmp_path / "github/someone/smelt", environment, "git", "rev-parse", "v1").strip()]


def module(folder: Path, config: str, before: str = "") -> None:
    """Write a workflow that uses all rules of the one of this checkout."""
    (folder / "workflow").mkdir()
    lines = [before, "module smelt:", f'    snakefile: "{ROOT}/workflow/Snakefile"', f"    config: {config}"]
    (folder / "workflow/Snakefile").write_text("\n".join([*lines, "use rule * from smelt", ""]))


@pytest.mark.slow
def test_a_module_reads_the_study_of_its_workflow_or_of_the_command_line(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    study = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    for name in ("first", "second"):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(study | {"study": name}))
    module(tmp_path, "config", before='configfile: "first.yaml"')
    plan = ["snakemake", "--dry-run", "--cores", "1"]
    assert "first/report" in run(tmp_path, environment, *plan)
    assert "second/report" in run(tmp_path, environment, *plan, "--configfile", "second.yaml")


@pytest.mark.slow
def test_a_module_with_settings_of_its_own_is_refused_in_one_line(tmp_path: Path, environment: dict[str, str]) -> None:
    module(tmp_path, '{"study": "mine"}')
    done = subprocess.run(
        ["snakemake", "--dry-run", "--cores", "1"], cwd=tmp_path, env=environment, text=True, capture_output=True
    )
    assert done.returncode == 1
    assert "a module of smelt needs `configfile:" in done.stderr


def test_the_catalogue_finds_what_it_shows() -> None:
    """The layout that https://snakemake.github.io/snakemake-workflow-catalog asks for under "standardized usage"."""
    assert all((ROOT / part).is_file() for part in ("workflow/Snakefile", "config/README.md", "config/config.yaml"))
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert set(usage) == {"mandatory-flags", "software-stack-deployment", "report"}
    rules = [path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk")]
    shells = sum(len(re.findall(r"^    shell:", text, re.MULTILINE)) for text in rules)
    environments = sum(len(re.findall(r"^    conda:", text, re.MULTILINE)) for text in rules)
    assert usage["software-stack-deployment"]["conda"] == (shells == environments)
