"""The Snakefile gets the study that the user meant."""

import re
from pathlib import Path

import pytest
import yaml

from smelt.study.workflow import leading_to, load, names, not_leading_to

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def written(folder: Path) -> Path:
    path = folder / "study.yaml"
    path.write_text("study: one\nmodels: {base: {maker: adopt, hub: some/model, revision: abc}}\n")
    return path


def test_no_file_means_the_demo() -> None:
    assert load([], {}).study.study == "demo"


def test_a_file_is_read_as_it_stands(tmp_path: Path) -> None:
    path = written(tmp_path)
    assert load([path], yaml.safe_load(path.read_text())).study.study == "one"


def test_an_override_from_the_command_line_counts(tmp_path: Path) -> None:
    path = written(tmp_path)
    assert load([path], yaml.safe_load(path.read_text()) | {"study": "two"}).study.study == "two"


def test_a_wrong_study_ends_the_program_with_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path)
    with pytest.raises(SystemExit) as ended:
        load([path], yaml.safe_load(path.read_text()) | {"modells": {}})
    assert ended.value.code == 1
    assert "modells: no such key" in capsys.readouterr().err


def test_names_match_themselves_and_nothing_else() -> None:
    import re

    pattern = names(["a.b", "c"])
    assert [bool(re.fullmatch(pattern, text)) for text in ("a.b", "c", "axb", "")] == [True, True, False, False]
    assert re.fullmatch(names([]), "") is None


def test_an_unset_variable_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("SMELT_DATA", raising=False)
    mini = ROOT / "config/studies/mini.yaml"
    with pytest.raises(SystemExit):
        load([mini], yaml.safe_load(mini.read_text()))
    assert "environment variable SMELT_DATA is not set" in capsys.readouterr().err


def test_tokenisation_studies_rest_on_the_intervals_and_not_on_the_level_of_the_tests(tmp_path: Path) -> None:
    path = written(tmp_path)
    texts = [
        path.read_text() + line for line in ("", "significance: {alpha: 0.01, test: wilcoxon, correction: none}\n")
    ]
    plain, stricter = (load([path], yaml.safe_load(text)) for text in texts)
    assert plain.interval_settings(None) == stricter.interval_settings(None)
    assert plain.significance_settings(None) != stricter.significance_settings(None)


def test_models_are_told_apart_by_where_their_paths_go_on() -> None:
    paths, models = ["base/ner/seed-1", "base-2/ner/seed-11"], ["base", "base-2"]
    found = {
        path: [
            bool(re.match(f"(?P<model>{constraint(paths, models)})/(?P<task>ner|ner-2)/seed-(?P<seed>\\d+)/x$", path))
            for constraint in (leading_to, not_leading_to)
        ]
        for path in (
            "base/ner/seed-1/x",
            "base/ner/seed-11/x",
            "base/ner-2/seed-1/x",
            "base-2/ner/seed-11/x",
            "b/ner/seed-1/x",
        )
    }
    assert list(found.values()) == [[True, False], [False, True], [False, True], [True, False], [False, False]]
    assert re.match(not_leading_to([], models), "base/ner/seed-1/x")
    assert not re.match(leading_to([], models), "base/ner/seed-1/x")
