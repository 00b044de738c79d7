"""Tables of stages and of trade-offs in the study file: what they show is compressed, run and measured."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from smelt.errors import SmeltError
from smelt.study.catalogue import Catalogue

ADOPTED = {"maker": "adopt", "folder": "models/a"}
STUDENT = {"maker": "compress", "teacher": "mbert", "student": {"kind": "bilstm", "embedding": 50, "hidden": 200}}
STAGES = {"kind": "stages", "model": "d42", "task": "masakhaner-sw"}
TRADEOFF = {"kind": "tradeoff", "task": "masakhaner-sw", "models": ["mbert", "d42"]}


def study(**table: Any) -> dict[str, Any]:
    return {
        "study": "small",
        "models": {
            "mbert": ADOPTED,
            "d42": STUDENT | {"strategy": "D4.2", "tasks": ["masakhaner-sw"]},
            "other": ADOPTED | {"tasks": ["masakhanews-sw"]},
            "unmeasured": ADOPTED,
        },
        "tasks": ["masakhaner-sw", "masakhanews-sw"],
        "finetuning": {"seeds": [1, 2]},
        "efficiency": {"models": ["mbert", "d42", "other"], "lengths": [32, 128], "batches": [32, 1]},
        "tables": {"table": table},
    }


def catalogue(folder: Path, content: dict[str, Any]) -> Catalogue:
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return Catalogue.load(path)


class Wildcards:
    table = "table"
    figure = "tradeoff-table"


def test_stages_are_read_from_the_metrics_of_all_seeds(tmp_path: Path) -> None:
    found = catalogue(tmp_path, study(**STAGES))
    folder = "results/small/finetuned/d42/masakhaner-sw"
    assert found.report.table_sources(Wildcards()) == [f"{folder}/seed-{seed}/metrics.json" for seed in (1, 2)]


def test_a_grid_is_read_from_scores_and_the_metrics_of_its_students(tmp_path: Path) -> None:
    grid = {"kind": "grid", "model": "{row}", "task": "masakhaner-sw", "rows": {"T": "mbert", "S": "d42"}}
    content = study(**grid)
    found = catalogue(tmp_path, content)
    folder = "results/small/finetuned/d42/masakhaner-sw"
    metrics = [f"{folder}/seed-{seed}/metrics.json" for seed in (1, 2)]
    assert found.report.table_sources(Wildcards()) == ["results/small/scores.csv", *metrics]
    assert json.loads(found.report.table_settings(Wildcards()))["one_teacher"] == []
    content["models"]["d42"]["teacher_seed"] = 1
    assert json.loads(catalogue(tmp_path, content).report.table_settings(Wildcards()))["one_teacher"] == ["d42"]


@pytest.mark.parametrize(
    ("table", "facts"),
    [
        ({"kind": "scores", "tasks": ["masakhanews-sw"]}, {"titles"}),
        ({"kind": "segmentation", "tasks": ["masakhaner-sw"]}, {"vocabularies"}),
        ({"kind": "example", "task": "masakhaner-sw"}, {"seed"}),
        (STAGES, {"models", "one_teacher"}),
        (TRADEOFF, {"one_teacher"}),
        ({"kind": "efficiency"}, set()),
    ],
)
def test_a_table_has_the_facts_of_the_study_that_its_kind_asks_for(
    tmp_path: Path, table: dict[str, Any], facts: set[str]
) -> None:
    found = catalogue(tmp_path, study(**table))
    entry = found.study.tables["table"]
    assert json.loads(found.report.table_settings(Wildcards())).keys() - type(entry).model_fields.keys() == facts


def test_a_student_is_not_weighed_by_what_it_is_for_another_task(tmp_path: Path) -> None:
    content = study(**TRADEOFF | {"task": "panx.joint"})
    content["tasks"].append("panx.joint")
    content["models"]["d42"]["tasks"] = ["masakhaner-sw", "panx.joint"]
    found = "tables.table.models: 'd42' is weighed and timed as it is for 'masakhaner-sw', the first of its tasks"
    with pytest.raises(SmeltError, match=re.escape(f"{found}; expected one for 'panx.joint' alone")):
        catalogue(tmp_path, content)
    content["models"]["d42"]["tasks"] = ["panx.joint"]
    assert catalogue(tmp_path, content).runs.first_task("d42") == "panx.joint"


def test_a_tradeoff_is_read_from_scores_and_all_that_is_measured(tmp_path: Path) -> None:
    found = catalogue(tmp_path, study(**TRADEOFF))
    files = [f"results/small/efficiency/{model}.json" for model in ("mbert", "d42", "other")]
    assert found.report.table_sources(Wildcards()) == ["results/small/scores.csv", *files]
    assert "tradeoff-table" in found.report.figures()
    assert found.report.figure_sources(Wildcards()) == found.report.table_sources(Wildcards())
    assert json.loads(found.report.figure_settings(Wildcards()))["batches"] == [32, 1]
    settings = json.loads(found.report.table_settings(Wildcards()))
    assert (settings["models"], settings["length"], settings["batches"]) == (["mbert", "d42"], 32, [32, 1])
    chosen = catalogue(tmp_path, study(**TRADEOFF, length=128, batches=[1]))
    settings = json.loads(chosen.report.table_settings(Wildcards()))
    assert (settings["length"], settings["batches"]) == (128, [1])


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (STAGES | {"model": "mbert"}, "table.model: a table of kind stages shows a compression; 'mbert' is made"),
        (STAGES | {"task": "masakhanews-sw"}, "'d42' is not compressed for 'masakhanews-sw'"),
        (STAGES | {"model": "absent"}, "tables.table.model: 'absent' is not in the study"),
        (TRADEOFF | {"models": ["mbert", "other"]}, "table.models: 'other' is not fine-tuned on 'masakhaner-sw'"),
        (
            TRADEOFF | {"models": ["unmeasured"]},
            "tables.table.models: 'unmeasured' is not measured: expected one of mbert, d42, other",
        ),
        (TRADEOFF | {"length": 64}, "tables.table.length: 64 is not measured: expected one of 32, 128"),
        (TRADEOFF | {"batches": [1, 8]}, "tables.table.batches: 8 is not measured: expected one of 32, 1"),
        (TRADEOFF | {"languages": ["fr"]}, "tables.table.languages: 'mbert' is not tested in 'fr'"),
    ],
)
def test_what_could_never_be_shown_is_refused_by_name(tmp_path: Path, table: dict[str, Any], message: str) -> None:
    with pytest.raises(SmeltError, match=re.escape(message)):
        catalogue(tmp_path, study(**table))


def test_a_tradeoff_of_a_study_that_measures_nothing_is_refused(tmp_path: Path) -> None:
    content = study(**TRADEOFF)
    del content["efficiency"]
    with pytest.raises(SmeltError, match=r"tables\.table: shows efficiency, and the key `efficiency` is missing"):
        catalogue(tmp_path, content)
