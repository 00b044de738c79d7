"""Scores by language: never quantity twice in tests, and tables of settings, families and languages."""

import json
import struct
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from scipy import stats

from smelt.__main__ import main
from smelt.architectures.compact import CompactConfig, CompactForTokenClassification
from smelt.report.page.results import across_table
from smelt.report.records import encoder_parameters
from smelt.report.significance import Significance
from smelt.statistics.p_values import holm

SIGNIFICANCE = {"test": "welch", "alpha": 0.05, "correction": "holm", "resamples": 200}
LANGUAGES = ["en", "fr", "sw"]
SECTIONS = [
    {"title": "Transfer", "task": "nli.transfer", "models": ["full", "small", "en-{language}"]},
    {"title": "", "task": "nli.own.{language}", "models": ["full", "{language}"]},
]


def run(model: str, task: str, setting: str, by_language: dict[str, list[float]]) -> list[dict[str, Any]]:
    """Return the rows of a model's runs, one a seed: languages, and their mean where they are several."""
    fixed = {"model": model, "task": task, "setting": setting, "split": "test", "metric": "accuracy"}
    rows = []
    for seed, values in enumerate(zip(*by_language.values(), strict=True), 1):
        scores = dict(zip(by_language, values, strict=True))
        scores |= {"mean": sum(values) / len(values), "deviation": 0.01} if len(values) > 1 else {}
        rows += [fixed | {"language": language, "seed": seed, "value": value} for language, value in scores.items()]
    return rows


def around(value: float) -> list[float]:
    return [value - 0.01, value, value + 0.01]


SCORES = [
    *run("full", "nli.transfer", "transfer", {"en": around(0.8), "fr": around(0.7), "sw": around(0.5)}),
    *run("small", "nli.transfer", "transfer", {"en": around(0.6), "fr": around(0.705), "sw": around(0.3)}),
    *run("en-fr", "nli.transfer", "transfer", {"en": around(0.82), "fr": around(0.9)}),
    *run("en-sw", "nli.transfer", "transfer", {"en": around(0.84), "sw": around(0.9)}),
    *[
        row
        for language, value in zip(LANGUAGES, (0.8, 0.75, 0.7), strict=True)
        for model, gain in (("full", 0.0), (language, 0.1))
        for row in run(model, f"nli.own.{language}", "own", {language: around(value + gain)})
    ],
]


class Study:
    """scores.csv and the commands that read it."""

    def __init__(self, folder: Path, scores: list[dict[str, Any]]) -> None:
        self.folder = folder
        columns = ["model", "task", "language", "setting", "seed", "split", "metric", "value"]
        pd.DataFrame(scores, columns=columns).to_csv(folder / "scores.csv", index=False)

    def compare(self) -> dict[str, pd.DataFrame]:
        names = ("summary", "pairs", "across")
        words = ["job", "compare", "--scores", str(self.folder / "scores.csv"), "--settings", json.dumps(SIGNIFICANCE)]
        assert (
            main([*words, *(word for name in names for word in (f"--{name}", str(self.folder / f"{name}.csv")))]) == 0
        )
        return {name: pd.read_csv(self.folder / f"{name}.csv") for name in names}

    def model(self, name: str, hidden: int) -> Path:
        tensors = {
            "bert.embeddings.word_embeddings.weight": {"dtype": "F32", "shape": [10**6, hidden]},
            "bert.embeddings.position_ids": {"dtype": "I64", "shape": [1, 10**6]},
            "cls.predictions.bias": {"dtype": "F32", "shape": [10**6]},
        }
        header = json.dumps({key: value | {"data_offsets": [0, 0]} for key, value in tensors.items()}).encode()
        (self.folder / name).mkdir()
        (self.folder / name / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
        return self.folder / name

    def table(self, settings: dict[str, Any], sources: list[Path], **significance: Any) -> pd.DataFrame:
        words = ["table", "--name", "t", "--settings", json.dumps(settings), "--sources", *map(str, sources)]
        words += ["--significance", json.dumps(SIGNIFICANCE | significance)]
        for kind in ("csv", "markdown", "latex", "html"):
            words += [f"--{kind}", str(self.folder / f"t.{kind}")]
        assert main(words) == 0
        return pd.read_csv(self.folder / "t.csv")

    def row(self, head: str, place: int = 0) -> list[str]:
        lines = [line for line in (self.folder / "t.markdown").read_text().splitlines() if line.startswith(f"| {head}")]
        return [cell.strip() for cell in lines[place].strip("|").split("|")]


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study(tmp_path, SCORES)


MODELS = ["full", "small", "en-fr", "en-sw", *LANGUAGES]
TABLE = {"kind": "languages", "languages": LANGUAGES, "sections": SECTIONS, "models": MODELS, "caption": ""}


@pytest.fixture
def table(study: Study) -> pd.DataFrame:
    sizes = {"full": 90, "small": 9, "en-fr": 30, "en-sw": 28, "en": 20, "fr": 20, "sw": 20}
    return study.table(TABLE, [study.folder / "scores.csv", *(study.model(*each) for each in sizes.items())])


def test_the_notes_name_the_metrics_of_the_table_alone(tmp_path: Path) -> None:
    other = [row | {"task": "ner", "metric": "f1"} for row in run("full", "", "standard", {"en": around(0.4)})]
    study = Study(tmp_path, [*SCORES, *other])
    sizes = [study.model(name, 9) for name in MODELS]
    study.table(TABLE, [study.folder / "scores.csv", *sizes])
    notes = (study.folder / "t.markdown").read_text()
    assert "Accuracy; test sets, in percent." in notes
    assert "F1" not in notes
    section = {"title": "Names", "task": "ner", "models": ["full"]}
    study.table(TABLE | {"sections": [*SECTIONS, section]}, [study.folder / "scores.csv", *sizes])
    notes = (study.folder / "t.markdown").read_text()
    assert r"Transfer, nli.own.\{language\}: accuracy; Names: F1 of whole spans (seqeval, default mode); test" in notes


def cell(table: pd.DataFrame, section: int, row: str, language: str) -> pd.Series:
    (found,) = table[(table["section"] == section) & (table["row"] == row) & (table["language"] == language)].iloc
    return found


def test_a_task_is_compared_by_its_mean_over_languages_once_a_seed(study: Study) -> None:
    compared = study.compare()
    (row,) = compared["pairs"].query("task == 'nli.transfer' and model_a == 'full' and model_b == 'small'").iloc
    assert (row["n_a"], row["n_b"]) == (3, 3)
    means = [2.0 / 3, 1.605 / 3]
    assert (row["mean_a"], row["mean_b"]) == pytest.approx(means)
    expected = stats.ttest_ind(around(means[0]), around(means[1]), equal_var=False)
    assert row["welch_p"] == pytest.approx(expected.pvalue)


def test_models_tested_on_other_languages_are_not_compared(study: Study) -> None:
    pairs = study.compare()["pairs"]
    (row,) = pairs.query("task == 'nli.transfer' and model_a == 'full' and model_b == 'en-fr'").iloc
    assert row["note"] == "cannot be tested: full was tested in en fr sw, en-fr in en fr"
    assert pd.isna(row["difference"])
    # The family that Holm corrects over holds the one pair that was tested.
    assert set(pairs.query("task == 'nli.transfer'")["family"]) == {1}


def test_pairs_have_no_row_for_a_task_on_which_neither_model_ran(study: Study) -> None:
    own = study.compare()["pairs"].query("task == 'nli.own.fr'")
    assert set(own["model_a"]) | set(own["model_b"]) == set(MODELS)
    assert len(own) == 6 + 5  # full with every other, and fr with every other but full
    assert own["welch_p"].notna().sum() == 1


def test_the_tasks_that_a_setting_makes_of_languages_count_as_one_task(tmp_path: Path) -> None:
    twin = [row | {"model": "twin", "value": row["value"] - 0.02} for row in SCORES if row["model"] == "full"]
    (row,) = Study(tmp_path, [row for row in SCORES if row["model"] == "full"] + twin).compare()["across"].iloc
    assert (row["tasks"], row["task_names"]) == (2, "nli.transfer nli.own")
    assert (row["wins_a"], row["difference"]) == (2, pytest.approx(0.02))


def test_what_is_not_shared_across_tasks_is_named_with_its_reason(study: Study) -> None:
    across = study.compare()["across"]
    (row,) = across.query("model_a == 'full' and model_b == 'en-fr'").iloc
    assert row["tasks"] == 0
    assert "nli.transfer (tested on other languages), nli.own (no run of en-fr)" in row["note"]


def test_the_summary_says_in_which_languages_each_mean_was_tested(study: Study) -> None:
    found = study.compare()["summary"].query("task == 'nli.transfer'").set_index("model")["languages"]
    assert dict(found) == {"full": "en fr sw", "small": "en fr sw", "en-fr": "en fr", "en-sw": "en sw"}


def test_the_page_leaves_out_many_pairs_that_share_no_task(tmp_path: Path) -> None:
    languages = ["en", "fr", "sw", "de", "es", "ru", "tr", "vi"]  # 28 pairs of monolingual models that share no task
    rows = [row for code in languages for row in run(code, f"nli.own.{code}", "own", {code: around(0.7)})]
    rows += [row for code in languages for row in run("full", f"nli.own.{code}", "own", {code: around(0.6)})]
    Study(tmp_path, rows).compare()
    table = across_table(tmp_path / "across.csv", Significance(**SIGNIFICANCE))
    assert table is not None
    heads = [row.head for group in table.grids[0].groups for row in group.rows]
    assert heads == [f"{code} – full" for code in languages]
    assert any(note.startswith("28 pairs that share no task stand in across.csv") for note in table.notes)


def test_a_family_fills_each_column_with_the_member_of_its_language(table: pd.DataFrame) -> None:
    assert cell(table, 0, "en-{language}", "fr")["mean"] == pytest.approx(0.9)
    assert cell(table, 0, "en-{language}", "fr")["models"] == "en-fr"
    # No member is English's: the mean of the members that were tested in it.
    assert cell(table, 0, "en-{language}", "en")["mean"] == pytest.approx(0.83)
    assert cell(table, 0, "en-{language}", "en")["models"] == "en-fr en-sw"
    assert cell(table, 0, "en-{language}", "average")["mean"] == pytest.approx((0.83 + 0.9 + 0.9) / 3)
    assert [cell(table, 1, "{language}", language)["models"] for language in LANGUAGES] == LANGUAGES


def test_each_column_of_a_section_is_a_family_of_tests(table: pd.DataFrame) -> None:
    values = {row: around(value) for row, value in (("full", 0.5), ("small", 0.3), ("en-{language}", 0.9))}
    pairs = [("full", "small"), ("full", "en-{language}"), ("small", "en-{language}")]
    corrected = holm([float(stats.ttest_ind(values[a], values[b], equal_var=False).pvalue) for a, b in pairs])
    for row in values:
        own = [p for pair, p in zip(pairs, corrected, strict=True) if row in pair and p is not None]
        assert cell(table, 0, row, "sw")["largest_p"] == pytest.approx(max(own))
        assert cell(table, 0, row, "sw")["marked"]
    french = [cell(table, 0, row, "fr")["marked"] for row in values]
    assert french == [False, False, True]  # 0.700 and 0.705 do not differ significantly


def test_the_table_reads_as_the_papers_does(table: pd.DataFrame, study: Study) -> None:
    assert len(table) == (3 + 2) * 4
    # Parameters are the encoder's: no head, no list of positions.
    assert study.row("full")[1] == "90 M"
    assert study.row("small")[1] == "9.0 M"
    assert study.row("en-xx")[1] == "28–30 M"
    assert study.row("xx")[1] == "20 M"
    assert study.row("en-xx")[2:] == [
        "**83.00**\\* (1.00)",
        "**90.00**\\* (1.00)",
        "**90.00**\\* (1.00)",
        "**87.67**\\* (1.00)",
    ]
    text = (study.folder / "t.markdown").read_text()
    assert "| *Transfer* |" in text
    assert "Welch's t-test over seeds, two-sided, p \\< 0.05, Holm's correction over all pairs of rows in the" in text
    assert "Mean (standard deviation) over 3 seeds" in text


def test_what_was_not_run_is_said_to_be_so_and_has_no_average(tmp_path: Path) -> None:
    study = Study(tmp_path, [row for row in SCORES if (row["model"], row["language"]) != ("small", "sw")])
    table = study.table(TABLE, [tmp_path / "scores.csv"])
    assert pd.isna(cell(table, 0, "small", "sw")["mean"])
    assert pd.isna(cell(table, 0, "small", "average")["mean"])
    assert study.row("small")[1:] == ["N/A", "60.00\\* (1.00)", "70.50 (1.00)", "N/A", "N/A"]
    assert "N/A: not run, or not tested in the language." in (tmp_path / "t.markdown").read_text()


def test_a_single_seed_is_never_marked(tmp_path: Path) -> None:
    study = Study(tmp_path, [row for row in SCORES if row["seed"] == 1])
    table = study.table(TABLE, [tmp_path / "scores.csv"])
    assert not table["marked"].any()
    assert "With a single seed nothing can be tested" in (tmp_path / "t.markdown").read_text()


@pytest.mark.parametrize(("test", "p"), [("paired-t", stats.ttest_rel), ("wilcoxon", stats.wilcoxon)])
def test_other_tests_of_the_study_are_used_and_named(tmp_path: Path, test: str, p: Any) -> None:
    values = {"full": [0.5, 0.52, 0.51], "small": [0.4, 0.41, 0.43]}
    study = Study(tmp_path, [row for model in values for row in run(model, "nli.own.sw", "own", {"sw": values[model]})])
    sections = [{"title": "", "task": "nli.own.{language}", "models": ["full", "small"]}]
    settings = TABLE | {"languages": ["sw"], "sections": sections}
    table = study.table(settings, [tmp_path / "scores.csv"], test=test, correction="none")
    text = (tmp_path / "t.markdown").read_text()
    assert {"paired-t": "aired t-test", "wilcoxon": "Wilcoxon's signed-rank test"}[test] in text
    assert "no correction in the section's column" in text
    expected = p(values["full"], values["small"]).pvalue
    assert cell(table, 0, "full", "sw")["largest_p"] == pytest.approx(expected)
    assert cell(table, 0, "full", "sw")["marked"] == (expected < 0.05)


def test_the_encoder_of_a_compressed_student_is_counted_without_its_heads(tmp_path: Path) -> None:
    model = CompactForTokenClassification(CompactConfig(vocab_size=50, rows=20, num_labels=3))
    model.save_pretrained(tmp_path)
    counted = sum(tensor.numel() for tensor in model.compact.parameters())
    assert encoder_parameters(tmp_path / "model.safetensors") == counted
