"""The page compares what stages were planned to take with what they took."""

import json
from pathlib import Path
from typing import Any

import pytest
from small_results import SIGNIFICANCE
from test_page import Page

from smelt.__main__ import main
from smelt.report.page.plan import plan_table

NOTHING = {"cpu_seconds": 0.0, "gpu_seconds": 0.0, "disk": 0.0, "memory": 0.0, "kwh": 0.0}


def stage(name: str, jobs: int, measured: dict[str, Any] | None = None, **amounts: float) -> dict[str, Any]:
    """Return a stage of plan.json."""
    took = None if measured is None else NOTHING | {"kwh": None} | measured
    return {"name": name, "jobs": jobs, **NOTHING, **amounts, "ratio": None, "measured": took}


def plan(folder: Path, *stages: dict[str, Any]) -> Path:
    """Write plan.json."""
    path = folder / "plan.json"
    path.write_text(json.dumps({"stages": stages, "rates": {"machine": "two cores"}}))
    return path


def shown(path: Path) -> tuple[list[str], dict[str, list[str]]]:
    """Return the heads of the columns, and the cells of each row."""
    (grid,) = plan_table(path).grids
    rows = {row.head: [f"{cell.text} {cell.detail}".strip() for cell in row.cells] for row in grid.rows}
    return grid.columns, rows


DOCUMENTS = stage(
    "documents",
    52,
    {"jobs": 52, "cpu_seconds": 3600, "disk": 3e10, "memory": 400},
    cpu_seconds=7200,
    disk=2e10,
    memory=500,
)


def test_what_was_measured_stands_beside_what_was_planned_with_the_ratio(tmp_path: Path) -> None:
    models = stage(
        "models", 2, {"jobs": 2, "cpu_seconds": 90, "memory": 2000, "kwh": 0.0005}, cpu_seconds=60, kwh=0.001
    )
    heads, rows = shown(plan(tmp_path, DOCUMENTS, models, stage("tasks", 3, cpu_seconds=5)))
    quantities = ["CPU time", "Disk", "Memory", "Energy"]
    assert heads == ["Jobs", *(head for each in quantities for head in (each, f"{each}, measured"))]
    assert rows["documents"] == [
        *("52", "2.00 h", "1.00 h (0.50)", "20.0 GB", "30.0 GB (1.50)", "500 MB", "400 MB (0.80)", "0", "–")
    ]
    assert rows["models"] == [
        "2",
        "1.00 min",
        "1.50 min (1.50)",
        "0",
        "0",
        "0",
        "2.00 GB",
        "1.00 Wh",
        "0.500 Wh (0.50)",
    ]
    assert rows["tasks"][:3] == ["3", "5.00 s", "–"]
    # Times and disk add up; memory is the most that one takes.
    assert rows["All measured to the end"][:3] == ["54", "2.02 h", "1.02 h (0.51)"]
    assert rows["All measured to the end"][5:7] == ["500 MB", "2.00 GB (4.00)"]
    assert rows["All measured to the end"][7:] == ["1.00 Wh", "–"]  # documents record no energy


def test_models_whose_size_is_assumed_are_named(tmp_path: Path) -> None:
    path = plan(tmp_path, DOCUMENTS)
    before = plan_table(path).notes
    path.write_text(json.dumps(json.loads(path.read_text()) | {"assumed": {"beto": "not here yet", "odd": "no JSON"}}))
    *others, last = plan_table(path).notes
    assert others == before
    assert last == "Planned as large as BERT-base, for want of a better number: beto, odd."


def test_a_stage_that_was_measured_in_part_has_no_ratio(tmp_path: Path) -> None:
    part = stage("fine-tuning", 117, {"jobs": 12, "cpu_seconds": 60}, cpu_seconds=600)
    _, rows = shown(plan(tmp_path, part))
    assert rows == {"fine-tuning": ["117 (12 measured)", "10.0 min", "1.00 min", "0", "0", "0", "0", "0", "–"]}


def test_gpu_time_has_a_column_where_there_is_any(tmp_path: Path) -> None:
    assert "GPU time" in shown(plan(tmp_path, stage("models", 1, gpu_seconds=60)))[0]
    assert "GPU time" in shown(plan(tmp_path, stage("models", 1, {"jobs": 1, "gpu_seconds": 60})))[0]
    assert "GPU time" not in shown(plan(tmp_path, DOCUMENTS))[0]


@pytest.mark.parametrize("text", ["{}", '{"stages": [{}], "rates": {"machine": "x"}}', '{"stages": [1], "rates": 2}'])
def test_what_is_no_plan_is_named(tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "plan.json"
    path.write_text(text)
    assert page(tmp_path, path) == 1
    assert f"smelt: {path}: is no plan (" in capsys.readouterr().err
    assert not (tmp_path / "report.html").exists()


def page(folder: Path, path: Path) -> int:
    """Write the page of a study with a plan alone."""
    words = ["page", "--study", json.dumps({"study": "small", "models": {}}), "--significance"]
    return main([*words, json.dumps(SIGNIFICANCE), "--plan", str(path), "--output", str(folder / "report.html")])


def test_the_plan_has_a_section_of_the_page(tmp_path: Path) -> None:
    assert page(tmp_path, plan(tmp_path, DOCUMENTS)) == 0
    text = (tmp_path / "report.html").read_text()
    assert "plan" in Page(text).values("id")
    assert '<a href="#plan">Plan</a>' in text
    assert "rates of two cores" in text
