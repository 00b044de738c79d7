"""Studies of papers fine-tune as published, and their released models are fine-tuned and shown alike."""

import pytest
from published_studies import PAPERS, STUDIES

from smelt.study.finetuning import FinetuningGrid
from smelt.study.makers.adopt import PINNED, Adopt
from smelt.study.revisions import COMMIT
from smelt.study.schema import load_study
from smelt.tasks.kinds import KINDS
from smelt.tasks.task_file import LIBRARY


@pytest.mark.parametrize("paper", PAPERS)
def test_every_paper_is_fine_tuned_as_published_and_as_smelt_does(paper: str) -> None:
    study = load_study(STUDIES / f"{paper}.yaml")
    assert study.finetuning is not None
    sets = {task: study.options(task).finetuned_as for task in study.tasks}
    assert {named.split("-")[0] for named in sets.values() if named} == {"published", "smelt"}
    assert all(sets.values())
    for task, named in sets.items():
        assert task.endswith("-smelt") == (named == "smelt")
        if named == "smelt":  # the same data, in a table, beside the published settings
            published = task.removesuffix("-smelt")
            assert study.task_file(task) == study.task_file(published)
            assert study.options(task).length == study.options(published).length
    shown = {task for table in study.tables.values() for task in table.tasks}
    assert {task for task, named in sets.items() if named == "smelt"} <= shown
    own, defaults = study.finetuning.named("smelt"), FinetuningGrid()
    for key in ("epochs", "batch", "learning_rate", "warmup", "weight_decay", "clip", "choose"):
        assert getattr(own, key) == getattr(defaults, key)


@pytest.mark.parametrize("paper", ["malbert", "smaller-mbert", "albeto"])
def test_scripts_of_transformers_neither_warm_up_nor_decay(paper: str) -> None:
    finetuning = load_study(STUDIES / f"{paper}.yaml").finetuning
    assert finetuning is not None
    assert (finetuning.named("published").warmup, finetuning.named("published").weight_decay) == (0, 0)


def test_malbert_shows_conll2003_as_the_paper_has_it_and_on_the_test_set() -> None:
    tables = load_study(STUDIES / "malbert.yaml").tables
    assert "conll2003.testa" in tables["table-1"].tasks
    assert "conll2003" not in tables["table-1"].tasks
    assert (tables["table-3"].tasks, tables["table-4"].tasks) == (["conll2003.testa"], ["conll2003.testa"])
    both = {"conll2003.testa", "conll2003.testa-smelt", "conll2003", "conll2003-smelt"}
    assert set(tables["conll2003"].tasks) == both


@pytest.mark.parametrize("paper", PAPERS)
def test_released_models_are_fine_tuned_and_shown_as_the_papers_study_does(paper: str) -> None:
    study, released = (load_study(STUDIES / f"{name}.yaml") for name in (paper, f"{paper}-released"))
    assert released.finetuning == study.finetuning
    assert released.significance == study.significance
    assert set(released.tasks) <= set(study.tasks)
    assert paper == "xtremedistil" or set(released.tasks) == set(study.tasks)
    assert all(released.options(task) == study.options(task) for task in released.tasks)
    assert not released.corpora
    assert {model.maker for model in released.models.values()} <= {"adopt", "compress"}
    shared = set(released.tables) & set(study.tables)
    assert shared
    for name in shared:
        ours, theirs = released.tables[name], study.tables[name]
        assert (ours.kind, set(ours.tasks) <= set(theirs.tasks)) == (theirs.kind, True)
        for key in ("reference", "convention", "spread", "baseline", "setups"):
            assert getattr(ours, key, None) == getattr(theirs, key, None), (name, key)


@pytest.mark.parametrize("paper", PAPERS)
def test_released_models_stand_at_commits_and_are_the_papers_study_s_own(paper: str) -> None:
    study, released = (load_study(STUDIES / f"{name}.yaml") for name in (paper, f"{paper}-released"))
    for name, model in released.models.items():
        if not isinstance(model, Adopt):
            continue
        assert model.folder is not None or model.revision == PINNED or COMMIT.fullmatch(model.revision or "")
        assert name in study.models
        assert (model.tasks, model.tested_on) == (study.models[name].tasks, study.models[name].tested_on) or (
            paper == "xtremedistil"
        )
        if isinstance(study.models[name], Adopt):
            assert model.chosen() == study.models[name].chosen()  # type: ignore[attr-defined]


def test_the_released_models_are_those_of_the_papers() -> None:
    hubs = {
        paper: [
            model.hub
            for model in load_study(STUDIES / f"{paper}-released.yaml").models.values()
            if isinstance(model, Adopt) and model.hub
        ]
        for paper in PAPERS
    }
    assert sum(name.startswith("cservan/multilingual-albert-base-cased-") for name in hubs["malbert"]) == 3
    assert sum(name.startswith("Geotrend/bert-base-") for name in hubs["smaller-mbert"]) == 30
    sizes = ["tiny", "base", "large", "xlarge", "xxlarge"]
    assert {f"dccuchile/albert-{size}-spanish" for size in sizes} < set(hubs["albeto"])
    assert len(hubs["albeto"]) == 5 + 1 + 2
    assert "FacebookAI/xlm-roberta-base" in hubs["eliquare"]


def test_the_mini_study_of_tasks_has_every_set_of_the_real_data_that_has_labels() -> None:
    texts = {path.stem: path.read_text() for path in LIBRARY.glob("*.yaml")}
    embedding = [f"kind: {name}\n" for name, kind in KINDS.items() if kind.embeds]
    files = {name for name, text in texts.items() if "${SMELT_DATA}" in text and not any(k in text for k in embedding)}
    study = load_study(STUDIES / "mini-tasks.yaml")
    assert len(files) > 25
    assert files == {name.partition(".")[0] for name in study.tasks}
    shown = [set(study.tables[name].tasks) for name in ("table-1", "table-2")]
    assert shown == [set(study.tasks)] * 2
