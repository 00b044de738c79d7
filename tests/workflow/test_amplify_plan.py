"""Amplification composes with the other makers in the study file, and Snakemake plans what `check` predicts."""

from pathlib import Path
from typing import Any

import pytest

from smelt.study.catalogue import Catalogue
from smelt.study.jobs import count_jobs
from tests.workflow.conftest import Project, project_of_models

COMPOSED: dict[str, Any] = {
    "more": {"maker": "amplify", "source": "narrow", "corpus": "wiki", "languages": ["qaa"], "pieces": 50},
    "student": {
        "maker": "distil", "teacher": "more", "corpus": "wiki", "recipe": "distil", "languages": ["qaa"],
        "student": {"layers": 1},
    },
    "fewer": {"maker": "reduce", "source": "student", "corpus": "wiki", "languages": ["qaa"]},
}  # fmt: skip


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A checkout in which nothing has run, with an amplified model and a student of it in its study."""
    return project_of_models(tmp_path / "project", COMPOSED)


@pytest.mark.slow
def test_a_student_of_an_amplified_model_has_its_blocks_and_counts(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.folder)
    planned = project.planned()
    assert (planned["pretrain"], planned["amplify"], planned["distil"], planned["reduce"]) == (1, 1, 1, 1)
    assert (planned["blocks"], planned["count"]) == (2 + 1, 1)
    catalogue = Catalogue.load("study.yaml")
    assert sum(planned.values()) == sum(count_jobs(catalogue).values())
    assert catalogue.tokenizers.blocks_of("student") == ["results/small/blocks/wiki/more/stream-128/qaa"]
    assert catalogue.reduce.counts_of(catalogue.reduce.models["fewer"]) == [
        "results/small/counts/wiki/more/qaa.parquet"
    ]


@pytest.mark.slow
def test_the_command_of_an_amplification_can_be_run_by_hand(project: Project) -> None:
    printed = project.snakemake("--dry-run", "--printshellcmds", "results/small/models/more")
    command = next(line for line in printed.splitlines() if "python -m smelt job amplify " in line)
    documents = "results/small/corpora/wiki/qaa/documents.parquet"
    assert f"--model results/small/models/narrow --documents {documents} --settings" in command
    assert '"pieces":50,"start":"mean","sample":1000000,"seed":1,"version":1' in command.replace("\\", "")
    assert "--output results/small/models/more" in command


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"corpus": "wikis"}, "models.more.corpus: 'wikis' is not in the study"),
        ({"languages": ["eo"]}, "models.more.languages: 'eo' is not in corpus wiki"),
        ({"source": "narrower"}, "models.more.source: 'narrower' is not in the study"),
        ({"source": "fewer"}, "goes in a circle"),
        ({"start": "focus"}, "models.more.start"),
    ],
)
def test_what_cannot_be_amplified_is_named(project: Project, change: dict[str, Any], said: str) -> None:
    from smelt.errors import SmeltError
    from smelt.study.schema import load_study

    study = project.study
    study["models"]["more"] |= change
    project.write(study)
    with pytest.raises(SmeltError, match=said):
        load_study(project.folder / "study.yaml")
