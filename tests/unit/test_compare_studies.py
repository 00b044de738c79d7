"""`smelt compare` shows what differs between two studies: settings by key, and scores with a test of the difference."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from scipy.stats import ttest_ind

from smelt.__main__ import main
from smelt.compare_studies import differences

STUDY: dict[str, Any] = {
    "study": "before",
    "title": "A study",
    "models": {"mbert": {"maker": "adopt", "folder": "mbert"}, "xlmr": {"maker": "adopt", "folder": "xlmr"}},
    "tasks": ["demo-ner", "demo-intent"],
    "finetuning": {"seeds": [1, 2, 3], "epochs": 3},
    "tables": {"scores": {"kind": "scores", "tasks": ["demo-ner"]}},
}
BEFORE = {"mbert": [0.70, 0.72, 0.71], "xlmr": [0.60, 0.61, 0.65]}
AFTER = {"mbert": [0.80, 0.83, 0.81], "xlmr": [0.61, 0.60, 0.66]}


def write(name: str, scores: dict[str, list[float]] | None, **changed: Any) -> None:
    Path(f"{name}.yaml").write_text(yaml.safe_dump(STUDY | {"study": name} | changed))
    if scores is not None:
        rows = [
            f"{model},demo-ner,qaa,standard,{seed},test,f1,{value}"
            for model, values in scores.items()
            for seed, value in enumerate(values, 1)
        ]
        path = Path(f"results/{name}/scores.csv")
        path.parent.mkdir(parents=True)
        path.write_text("\n".join(["model,task,language,setting,seed,split,metric,value", *rows]) + "\n")


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def compared(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    assert main(["compare", *words]) == 0
    return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]


def test_settings_are_compared_by_key_with_defaults_as_written(capsys: pytest.CaptureFixture[str]) -> None:
    write("before", None)
    later = {"seeds": [1, 2, 3], "epochs": 5, "batch": 32}  # 32 is the default
    models = {"mbert": {"maker": "adopt", "folder": "other"}}
    write("after", None, finetuning=later, models=models, title="Another", tables={})
    lines = compared(capsys, "before.yaml", "after.yaml")
    assert lines[0] == "Settings that differ: 3"
    assert "models.mbert.folder mbert other" in lines
    assert "finetuning.epochs 3 5" in lines
    assert sum(line.startswith("models.xlmr ") for line in lines) == 1
    assert "No scores yet: before, after. `smelt run` makes them." in lines


def test_scores_are_tested_with_the_studys_test_corrected_over_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    write("before", BEFORE)
    write("after", AFTER | {"third": [0.5]})
    lines = compared(capsys, "before.yaml", "after.yaml", "--output", "compared.html")
    assert lines[0] == "Settings that differ: 0"
    p = {model: float(ttest_ind(BEFORE[model], AFTER[model], equal_var=False).pvalue) for model in BEFORE}
    assert p["mbert"] * 2 < 0.05 < p["xlmr"]
    rows = {line.split()[0]: line for line in lines if line.split()[:1] in (["mbert"], ["xlmr"])}
    assert re.search(r"mbert 71\.00 \(1\.00; n = 3\) 81\.33 \(1\.53; n = 3\) \+10\.33 .* differs", rows["mbert"])
    assert f" {2 * p['mbert']:.3f} differs" in rows["mbert"].replace("< 0.001", f"{2 * p['mbert']:.3f}")
    assert f" {p['xlmr']:.3f} no difference shown" in rows["xlmr"]
    text = "\n".join(lines)
    assert "Welch's t-test over seeds, two-sided, p < 0.05, Holm's correction over the 2 comparisons" in text
    assert "Only in after, models: third." in lines
    page = Path("compared.html").read_text()
    assert page.count("<table") == 1
    assert "before and after" in page
    assert re.findall(r'title="([^"]*)">difference<', page) == ["Score of after minus that of before, in points."]
    assert "http" not in page


def test_a_folder_of_results_is_a_study_as_it_was_run(capsys: pytest.CaptureFixture[str]) -> None:
    for name, scores in (("before", BEFORE), ("after", AFTER)):
        write(name, scores)
        kept = Path(f"results/{name}/.run/study.json")
        kept.parent.mkdir()
        kept.write_text(json.dumps(STUDY | {"study": name}))
    files = compared(capsys, "before.yaml", "after.yaml")
    assert compared(capsys, "results/before", "results/after") == files


def test_a_study_is_not_compared_with_itself(capsys: pytest.CaptureFixture[str]) -> None:
    write("before", BEFORE)
    Path("link.yaml").symlink_to("before.yaml")
    for same in ("before.yaml", "./before.yaml", "link.yaml"):
        assert main(["compare", "before.yaml", same]) == 1
        assert capsys.readouterr().err == f"smelt: {Path(same)}: is the study that it is compared with: expected two\n"


def test_settings_since_the_run_are_compared_and_scores_are_not(capsys: pytest.CaptureFixture[str]) -> None:
    write("before", BEFORE, finetuning={"seeds": [1, 2, 3], "epochs": 5})
    kept = Path("results/before/.run/study.json")
    kept.parent.mkdir()
    kept.write_text(json.dumps(STUDY))
    lines = compared(capsys, "results/before", "before.yaml")
    assert "finetuning.epochs 3 5" in lines
    assert "Both have the same scores, those of before." in lines


def test_studies_of_one_name_are_labelled_by_what_differs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, scores in (("one", BEFORE), ("two", AFTER)):
        write("before", scores)
        kept = Path("results/before/.run/study.json")
        kept.parent.mkdir()
        kept.write_text(json.dumps(STUDY))
        Path(name).mkdir()
        Path("results").rename(f"{name}/results")
    lines = compared(capsys, str(tmp_path / "one/results/before"), "two/results/before", "--output", "page.html")
    assert any("difference: before (two) minus before (one)" in line for line in lines)
    assert str(tmp_path) not in Path("page.html").read_text() + "".join(lines)


def test_other_languages_or_metrics_are_not_compared(capsys: pytest.CaptureFixture[str]) -> None:
    write("before", BEFORE)
    write("after", AFTER)
    path = Path("results/after/scores.csv")
    path.write_text(path.read_text().replace(",f1,", ",accuracy,"))
    assert "0 scores that both studies have; 0 of them differ" in compared(capsys, "before.yaml", "after.yaml")


def test_what_is_no_study_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    write("before", None)
    Path("results").mkdir()
    assert main(["compare", "before.yaml", "results"]) == 1
    assert capsys.readouterr().err == (
        "smelt: results: is no folder of results: expected .run/study.json in it, which a run writes\n"
    )
    assert main(["compare", "before.yaml", "none.yaml"]) == 1
    assert capsys.readouterr().err.startswith("smelt: none.yaml: no such file")


def test_a_part_that_one_side_lacks_is_one_difference_and_nothing_is_like_empty() -> None:
    a = {"models": {"x": {"a": 1, "b": 2}, "y": {"c": 1}}, "tasks": {}}
    assert list(differences(a, {"models": {"y": {"c": 2}}})) == [
        ("models.x", {"a": 1, "b": 2}, None),
        ("models.y.c", 1, 2),
    ]
