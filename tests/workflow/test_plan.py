"""`check` predicts what Snakemake plans."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from smelt.slurm.job_script import MINUTES
from smelt.study.catalogue import Catalogue
from smelt.study.jobs import count_jobs
from smelt.study.schema import load_study
from tests.workflow.conftest import STUDY, Project, new_project

RULES = Path(__file__).parents[2] / "workflow/rules"


def fine_tunings(planned: dict[str, int]) -> int:
    """Return how many results the planned jobs of fine-tuning make: those of teachers are not counted."""
    found = {rule: re.fullmatch(r"finetune(?:_(\d+)_to_(\d+))?", rule) for rule in planned}
    return sum(planned[rule] * _runs(match) for rule, match in found.items() if match)


def tried(planned: dict[str, int]) -> int:
    """Return how many runs of grids the planned jobs make."""
    found = {rule: re.fullmatch(r"finetune_cells?(?:_\w+_(\d+)_to_(\d+))?", rule) for rule in planned}
    return sum(planned[rule] * _runs(match) for rule, match in found.items() if match)


def _runs(match: re.Match[str]) -> int:
    return int(match[2]) - int(match[1]) + 1 if match[1] else 1


@pytest.fixture
def untouched(tmp_path: Path) -> Project:
    """A checkout in which nothing has run."""
    return new_project(tmp_path / "project")


@pytest.mark.slow
def test_check_counts_the_jobs_that_snakemake_plans(untouched: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(untouched.folder)
    foretold = count_jobs(Catalogue.load("study.yaml"))
    planned = untouched.planned()
    assert sum(foretold.values()) == sum(planned.values()), (foretold, planned)
    assert foretold["of fine-tuning"] == planned["finetune"]
    assert foretold["block sets"] == planned["blocks"]


@pytest.mark.slow
@pytest.mark.parametrize("left_out", ["tasks", "corpora"])
def test_a_study_without_tasks_or_without_corpora_has_a_plan(
    untouched: Project, monkeypatch: pytest.MonkeyPatch, left_out: str
) -> None:
    study = dict(STUDY)
    if left_out == "tasks":
        study = {key: value for key, value in study.items() if key not in ("tasks", "tables", "finetuning")}
    else:
        adopted = {"base": {"maker": "adopt", "hub": "some/model", "revision": "abc"}}
        study = {key: value for key, value in study.items() if key not in ("corpora", "tokenizers")} | {
            "models": adopted
        }
    untouched.write(study)
    monkeypatch.chdir(untouched.folder)
    assert sum(count_jobs(Catalogue.load("study.yaml")).values()) == sum(untouched.planned().values())


@pytest.mark.slow
def test_the_full_malbert_study_has_a_plan(untouched: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SMELT_DATA", raising=False)
    path = untouched.folder / "config/studies/malbert.yaml"
    (untouched.folder / "study.yaml").write_text(path.read_text())
    monkeypatch.chdir(untouched.folder)
    planned = untouched.planned("--resources", "gpu=8")
    assert (planned["pretrain"], planned["adopt"], fine_tunings(planned)) == (3, 4, 1240)
    # By estimate for a GPU, MASSIVE takes long, what is small goes into one job.
    assert (planned["finetune"], planned["finetune_1_to_10"]) == (300, 84)
    assert planned["download"] == planned["documents"] == 52
    assert sum(planned.values()) == sum(count_jobs(Catalogue.load("study.yaml"), gpus=True).values())


@pytest.mark.slow
def test_the_full_albeto_study_has_a_plan(untouched: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    (untouched.folder / "spanish.txt").write_text("uno\n\ndos\n")
    monkeypatch.setenv("SPANISH_CORPORA", ".")
    path = untouched.folder / "config/studies/albeto.yaml"
    (untouched.folder / "study.yaml").write_text(path.read_text())
    monkeypatch.chdir(untouched.folder)
    planned = untouched.planned("--resources", "gpu=8")
    assert (planned["documents"], planned["tokenizer"], planned["blocks"], planned["pretrain"]) == (1, 1, 2, 5)
    assert (planned["adopt"], planned["distil"]) == (2, 1)
    # Eight models on eight tasks by the published grid, and five of them with smelt's own settings.
    assert (planned["task"], tried(planned), planned["finetune"]) == (16, 8 * 8 * 36, 8 * 8 + 5 * 8)
    assert planned["finetune_cell"] == 12 * 36  # long ones, by estimate; of others several share a job
    assert sum(planned.values()) == sum(count_jobs(Catalogue.load("study.yaml"), gpus=True).values())


@pytest.mark.slow
def test_the_full_study_of_smaller_mberts_has_a_plan(untouched: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SMELT_XNLI", raising=False)
    path = untouched.folder / "config/studies/smaller-mbert.yaml"
    (untouched.folder / "study.yaml").write_text(path.read_text())
    monkeypatch.chdir(untouched.folder)
    planned = untouched.planned()
    # The paper's 30 models, and two of the distilled one; each is fine-tuned on what section 4.2 evaluates it on.
    assert (planned["adopt"], planned["reduce"], planned["count"], planned["task"]) == (2, 32, 15, 19)
    # Transfer also with smelt's own settings, by 18 models.
    assert planned["finetune"] == 3 * (18 + 15 * 5 + 1 + 4 + 6 + 18)
    assert sum(planned.values()) == sum(count_jobs(Catalogue.load("study.yaml")).values())


@pytest.mark.slow
def test_the_full_study_of_eliquare_has_a_plan(untouched: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    for language in ("fr", "he", "sl", "nl", "hi", "sw"):
        (untouched.folder / language).mkdir()
    monkeypatch.setenv("SMELT_UPPER_BOUNDS", ".")
    monkeypatch.delenv("SMELT_TASKS", raising=False)
    path = untouched.folder / "config/studies/eliquare.yaml"
    (untouched.folder / "study.yaml").write_text(path.read_text())
    monkeypatch.chdir(untouched.folder)
    planned = untouched.planned()
    # Upper bounds, two teachers and the baseline; four students of each language and eight more of two of them.
    assert (planned["adopt"], planned["distil"], planned["reduce"]) == (9, 4 * 6 + 2 * 8, 24)
    # Each language has two tasks, run by its upper bound, teachers, baseline and students, over five seeds and
    # with two sets of settings.
    assert planned["finetune"] == 2 * 5 * 2 * (6 * (1 + 3 + 6) + 2 * 8)
    assert (planned["table"], planned["task"], planned["download"]) == (11, 24, 6)
    assert sum(planned.values()) == sum(count_jobs(Catalogue.load("study.yaml")).values())


@pytest.mark.slow
def test_the_full_study_of_xtremedistil_has_a_plan(untouched: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    path = untouched.folder / "config/studies/xtremedistil.yaml"
    languages = load_study(path).corpora["wiki41"].languages
    vectors = ["glove.840B.300d.txt", *(f"wiki.{language}.align.vec" for language in languages)]
    for name in (*vectors, "imdb.txt", "elec.txt", "sst-imdb.txt"):
        (untouched.folder / name).write_text("")
    monkeypatch.setenv("SMELT_VECTORS", ".")
    monkeypatch.setenv("SMELT_REVIEWS", ".")
    for name in ("SMELT_TASKS", "SMELT_DATA"):
        monkeypatch.delenv(name, raising=False)
    (untouched.folder / "study.yaml").write_text(path.read_text())
    monkeypatch.chdir(untouched.folder)
    planned = untouched.planned()
    assert (planned["download"], planned["adopt"], planned["task"]) == (41, 3, 3 + 41 + 14)
    # Of three seeds: mBERT on two of its 43 tasks, BERT base on five and BERT large on nine. With smelt's own settings
    # they teach nothing.
    assert (planned["finetune_kept"], planned["finetune"]) == (3 * (2 + 5 + 9), 3 * (41 + 1 + 5 + 5))
    assert planned["compressed"] == len(Catalogue.load("study.yaml").compress.models)
    assert sum(planned.values()) == sum(count_jobs(Catalogue.load("study.yaml")).values())


@pytest.mark.slow
def test_a_study_of_exports_and_efficiency_has_a_plan(untouched: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    exports = {kind: {"maker": "export", "source": "base", "format": kind} for kind in ("onnx", "int8")}
    models = {"base": {"maker": "adopt", "hub": "some/model", "revision": "abc"}} | exports
    tables = {"table-3": {"kind": "efficiency"}}
    untouched.write({"study": "small", "models": models, "efficiency": {}, "tables": tables})
    monkeypatch.chdir(untouched.folder)
    planned = untouched.planned()
    report = {"table": 1, "costs": 1, "plan": 1, "page": 1}
    assert planned == {"adopt": 1, "export": 2, "weigh_int8": 1, "efficiency": 1} | report
    assert sum(planned.values()) == sum(count_jobs(Catalogue.load("study.yaml")).values())


@pytest.mark.slow
def test_a_dry_run_is_a_page(tmp_path: Path) -> None:
    project = new_project(tmp_path / "project")
    lines = project.snakemake("--dry-run").splitlines()
    jobs = project.planned()
    named = sum(min(count, 5) for count in jobs.values())
    assert len(lines) < named + len(jobs) + 10
    assert max(map(len, lines)) < 120
    assert any(line.split()[:2] == ["pretrain", "small/models/narrow"] for line in lines)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("job", "limit"),
    [({}, ""), ({"SLURM_JOB_ID": "7"}, "--minutes [0-9]+"), ({"SLURM_JOB_ID": "7", MINUTES: "999"}, "--minutes 999")],
)
def test_jobs_have_a_time_limit_in_slurm_only_which_grows_with_an_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, job: dict[str, str], limit: str
) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    printed = new_project(tmp_path / "project").snakemake("--dry-run", "--printshellcmds")
    commands = {line.split()[4]: line for line in re.findall(r"python -m smelt .*--minutes.*", printed)}
    assert {"pretrain", "finetune"} <= set(commands)
    for command in commands.values():
        shown = re.sub(r"<TBD>|\bTBD\b", "300", command).replace("python -m smelt", "echo").split(" > ")[0]
        words = subprocess.run(["bash", "-c", shown], env=os.environ | job, text=True, capture_output=True, check=True)
        found = re.search("--minutes [0-9]+", words.stdout)
        assert re.fullmatch(limit, found[0] if found else "")


def test_every_rule_gives_its_minutes_in_slurm_only() -> None:
    lines = [line for path in RULES.glob("*.smk") for line in path.read_text().splitlines() if "--minutes" in line]
    limit = "${{SLURM_JOB_ID:+--minutes ${{SMELT_MINUTES:-{resources.runtime}}}}}"
    assert {line.strip() for line in lines} == {f'" {limit}"'}
    assert len(lines) >= 5


def test_a_grid_is_counted_and_planned_for_each_seed(untouched: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    grid = {"batch": [16, 32, 64], "learning_rate": [1e-5, 2e-5, 3e-5, 5e-5], "epochs": [2, 3, 4]}
    untouched.write(STUDY | {"finetuning": {"seeds": [42], "runs_per_job": 1} | grid})
    monkeypatch.chdir(untouched.folder)
    counted, planned = count_jobs(Catalogue.load("study.yaml")), untouched.planned()
    assert counted["of runs of grids"] == planned["finetune_cell"] == 2 * 2 * 36
    assert counted["of fine-tuning"] == planned["finetune"] == 2 * 2
    assert sum(counted.values()) == sum(planned.values())


# Of each paper's study of released models: models adopted, tasks, fine-tunings and students.
RELEASED = {
    "malbert-released": (7, 22, 2 * 10 * (5 * 11 + 6 + 1), 0),
    "smaller-mbert-released": (32, 19, 3 * (3 * 19 + 14 * 2 + 2 + 14), 0),
    "eliquare-released": (3 + 6, 24, 5 * 24 * (3 + 1), 0),
    "albeto-released": (8, 16, 8 * 8 + 5 * 8, 0),
    "xtremedistil-released": (3, 8, 3 * (1 + 3 + 3), 8 + 2),  # and as many teachers
}


@pytest.mark.slow
@pytest.mark.parametrize("name", RELEASED)
def test_the_studies_of_released_models_have_a_plan_without_pretraining(
    untouched: Project, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for variable in ("SMELT_DATA", "SMELT_TASKS", "SMELT_XNLI"):
        monkeypatch.delenv(variable, raising=False)
    # One upper bound is absent: what needs it fails, and all else is planned.
    monkeypatch.setenv("SMELT_UPPER_BOUNDS", ".")
    for language in ("fr", "he", "sl", "nl", "hi"):
        (untouched.folder / language).mkdir()
    path = untouched.folder / f"config/studies/{name}.yaml"
    (untouched.folder / "study.yaml").write_text(path.read_text())
    monkeypatch.chdir(untouched.folder)
    printed = untouched.snakemake("--dry-run")
    planned = untouched.planned()
    jobs = (planned["adopt"], planned["task"], fine_tunings(planned), planned.get("compressed", 0))
    assert jobs == RELEASED[name]
    assert not {"pretrain", "distil", "reduce", "download", "documents", "tokenizer"} & planned.keys()
    assert sum(planned.values()) == sum(count_jobs(Catalogue.load("study.yaml")).values())
    assert "what needs them fails, all else is made" in printed
    assert ("sw (models.upper-sw.folder)" in printed) == (name == "eliquare-released")
    assert ("no commit pinned: " in printed) == (name != "eliquare-released")
