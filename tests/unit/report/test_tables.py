"""Tables: marks that say what was tested, equal numbers in every form, and forms that are well-formed."""

import math
import re
import xml.etree.ElementTree as ElementTree
from importlib.metadata import version

import pandas as pd
import pytest
from small_results import MODELS, SCORES, SIGNIFICANCE, WORDS, Results, prepared_task

from smelt.report.latex import latex
from smelt.report.notes import FinetuningSet, finetuning_note, repeats_note, validation_note
from smelt.report.page.materials import task_table
from smelt.report.page.results import pair_tables
from smelt.report.records import read_tasks
from smelt.report.render import NOT_RUN, Cell, Grid, Group, PaperTable, Row, html, markdown
from smelt.report.significance import Significance
from smelt.report.statistics import Score
from smelt.report.tables.scores import average_cell


def _row(markdown: str, model: str) -> list[str]:
    line = next(line for line in markdown.splitlines() if line.startswith(f"| {model.replace('_', chr(92) + '_')}"))
    return [cell.strip() for cell in line.strip("|").split(" | ")]


def test_a_mark_means_that_every_other_model_differs(compared: Results) -> None:
    assert compared.score_table() == 0
    markdown = compared.read("tables", "table_1.md")
    assert all(_row(markdown, model)[1].split()[0].endswith(r"\*") for model in MODELS)
    assert not any(r"\*" in _row(markdown, model)[2].replace("**", "") for model in MODELS)


def test_one_undecided_pair_takes_the_mark_away(compared: Results) -> None:
    pairs = pd.read_csv(compared.path("statistics", "pairs.csv"))
    undecided = (pairs["task"] == "ner") & (pairs["model_a"] == "small_8k") & (pairs["model_b"] == "large_32k")
    pairs.loc[undecided, "p_corrected"] = 0.06
    pairs.to_csv(compared.path("statistics", "pairs.csv"), index=False)
    assert compared.score_table() == 0
    numbers = pd.read_csv(compared.path("tables", "table_1.csv")).set_index(["task", "model"])
    assert numbers.loc["ner", "marked"].to_dict() == {"small_8k": False, "large_32k": False, "adopted": True}
    assert numbers.loc[("ner", "small_8k"), "largest_p"] == 0.06


def test_the_best_of_a_column_is_bold_and_what_was_not_run_says_so(compared: Results) -> None:
    assert compared.score_table() == 0
    markdown = compared.read("tables", "table_1.md")
    assert _row(markdown, "adopted")[1] == r"**90.00**\* (0.50)"
    assert _row(markdown, "adopted")[2:] == ["N/A", "N/A"]
    assert _row(markdown, "small_8k")[3] == "65.50"
    assert "N/A: the study does not run" in markdown


def test_the_note_names_metric_seeds_test_level_and_correction(compared: Results) -> None:
    assert compared.score_table() == 0
    for suffix in ("md", "tex", "html"):
        text = compared.read("tables", f"table_1.{suffix}").replace("&#x27;", "'").replace("&lt;", "<")
        text = text.replace(r"\<", "<").replace(r"\textless{}", "<")
        assert "over 3 seeds" in text
        assert "Welch's t-test" in text
        assert "p < 0.05" in text
        assert "Holm's correction" in text
        assert "F1 of whole spans" in text


def test_tables_of_spans_say_how_these_are_counted(compared: Results) -> None:
    note = "seqeval 1.2.2 in its default mode, over all types of spans together. It counts as the conlleval script does"
    assert version("seqeval") in note
    assert compared.score_table() == 0
    for suffix in ("md", "tex", "html"):
        assert note in compared.read("tables", f"table_1.{suffix}")
    spans, classes = pair_tables(compared.path("statistics", "pairs.csv"), [], Significance(**SIGNIFICANCE))
    assert note in " ".join(spans.notes)
    assert any(each.startswith("Interval: that of the test, at the level") for each in spans.notes)
    assert "seqeval" not in " ".join(classes.notes)
    assert compared.score_table(tasks=["intent"]) == 0
    assert "seqeval" not in compared.read("tables", "table_1.md")


def test_test_examples_that_stand_in_training_are_named_under_the_table(compared: Results) -> None:
    assert compared.score_table() == 0
    for suffix, percent in (("md", "%"), ("tex", r"\%"), ("html", "%")):
        text = compared.read("tables", f"table_1.{suffix}")
        assert (
            f"also stand in the training set, word for word: ner 46{percent}. Scores on these tasks are likely" in text
        )
        assert "intent 1" not in text  # 9 of 1,000


def test_the_tasks_with_the_most_repeats_are_named(compared: Results) -> None:
    tasks = [f"t{number}" for number in range(10)]
    for number, name in enumerate(tasks):
        compared.write(compared.task(name), prepared_task(name, ["qaa"], (10 * (number + 1), 0)))
    (note,) = repeats_note(read_tasks([compared.task(name) for name in tasks]))
    assert "word for word: t9 10%, t8 9%, t7 8%" in note
    assert "t2 3% and 2 more tasks with smaller shares." in note


def test_a_draw_that_is_chosen_on_a_whole_validation_set_is_named(compared: Results) -> None:
    drawn = prepared_task("ner", ["qaa"], (0, 0))
    for sizes, limits, named in (
        ((100, 3_250), {"limit": 100, "validation_limit": 0}, "(100 against 3,250)"),
        ((4_000, 300), {"limit": 4_000, "validation_limit": 0}, "(4,000 against 300)"),
        ((100, 50), {"limit": 100, "validation_limit": 50}, ""),
        ((100, 3_250), {"limit": 0, "validation_limit": 0}, ""),
    ):
        drawn["splits"]["train"]["examples"], drawn["splits"]["validation"]["examples"] = sizes
        compared.write(compared.task("ner"), drawn | limits)
        note = f"Trained on a draw, and chosen on the whole validation set: ner {named}." if named else ""
        assert " ".join(validation_note(read_tasks([compared.task("ner")]))).startswith(note)
        assert compared.score_table() == 0
        assert ("chosen on the whole validation set" in compared.read("tables", "table_1.md")) is bool(named)


def test_questions_about_contexts_of_training_are_named_apart(compared: Results) -> None:
    counts = {"contexts_from_train": {"validation": 5, "test": 300}, "contexts_from_validation": {"test": 7}}
    compared.write(compared.task("ner"), prepared_task("ner", ["qaa"], (0, 0)) | counts)
    tasks = read_tasks([compared.task("ner")])
    (note,) = repeats_note(tasks)
    assert note.startswith("Share of the test questions about a context that also stands in training: ner 30%. S")
    page = task_table(tasks)
    cells = [cell.text for cell in page.grids[0].groups[0].rows[0].cells]
    assert cells[-6:] == ["3", "0", "0", "5", "300", "7"]
    assert page.grids[0].columns[-2:] == ["Test on contexts of training", "Test on contexts of validation"]
    assert "questions about a context that does" in page.notes[0]
    compared.write(compared.task("ner"), prepared_task("ner", ["qaa"], (300, 0)) | counts)
    (note,) = repeats_note(read_tasks([compared.task("ner")]))
    assert "word for word: ner 30%. Share of the test questions about" in note


def test_the_note_of_a_task_file_stands_under_the_table(compared: Results) -> None:
    note = "scores are of the development set."
    compared.write(compared.task("ner"), prepared_task("ner", ["qaa"], (0, 0)) | {"note": note})
    assert compared.score_table() == 0
    assert f"ner: {note}" in compared.read("tables", "table_1.md")


def test_the_settings_that_tasks_are_fine_tuned_by_stand_under_the_table() -> None:
    sets: dict[str, FinetuningSet] = {
        "published": {"settings": {"warmup": 0.0, "batch": [16, 32]}, "tasks": [f"t{number}" for number in range(10)]},
        "smelt": {"settings": {"warmup": 0.1, "batch": 32}, "tasks": ["t0-smelt"]},
    }
    assert finetuning_note(sets) == [
        "Settings of fine-tuning: published (warmup 0, batch 16 or 32) on t0, t1, t2, t3, t4, t5, t6, t7, 2 more tasks;"
        " smelt (warmup 0.1, batch 32) on t0-smelt."
    ]
    assert finetuning_note({}) == []


def test_what_one_score_of_several_languages_is_stands_under_the_table(compared: Results) -> None:
    compared.write(compared.task("ner"), prepared_task("ner", ["qaa", "qab"], (0, 0)))
    compared.write(compared.task("intent"), prepared_task("intent", ["qaa", "qab", "qac"], (0, 0), "languages"))
    assert compared.score_table() == 0
    assert (
        "Tasks with test sets in several languages: ner (2): one score over the examples of all languages together;"
        " intent (3): the mean of the languages' scores."
    ) in compared.read("tables", "table_1.md")


# Cañete et al. 2022, Tables 3 to 5: POS, NER, MLDoc, PAWS-X and XNLI, F1 / exact match of MLQA, SQAC and XQuAD; then
# the average of Table 6, which cuts its last digit off.
PUBLISHED = {
    "BETO uncased": (97.70, 83.76, 96.38, 84.25, 77.76, (64.12, 40.83), (72.22, 53.45), (74.81, 54.62), 77.48),
    "BETO cased": (98.84, 88.24, 96.65, 89.80, 81.98, (67.65, 43.38), (78.65, 60.94), (77.81, 56.97), 81.02),
    "DistilBETO": (97.50, 81.19, 96.35, 75.80, 76.59, (57.97, 35.50), (64.41, 45.34), (66.97, 46.55), 73.22),
    "tiny": (97.04, 75.11, 95.82, 80.20, 73.43, (51.84, 28.28), (59.28, 39.16), (66.43, 45.71), 70.86),
    "base": (98.08, 83.35, 96.07, 87.95, 79.88, (66.12, 41.10), (77.71, 59.84), (77.18, 57.05), 79.35),
    "large": (97.87, 83.72, 92.22, 86.05, 78.94, (65.56, 40.98), (76.36, 56.54), (76.72, 56.21), 78.12),
    "xlarge": (98.06, 82.30, 95.70, 89.05, 81.68, (68.26, 43.76), (78.64, 59.26), (80.15, 59.66), 80.20),
    "xxlarge": (98.35, 84.36, 96.85, 89.85, 82.42, (70.17, 45.99), (81.49, 62.67), (79.13, 58.40), 81.34),
}


@pytest.mark.parametrize("model", PUBLISHED)
def test_averages_are_those_of_albeto_s_table_6_but_for_its_cut_digits(model: str) -> None:
    *cells, published = PUBLISHED[model]
    scores = []
    for cell in cells:
        f1, exact = cell if isinstance(cell, tuple) else (cell, math.nan)
        scores.append(Score(model=model, n=1, mean=f1 / 100, beside=exact / 100))
    assert 0 <= float(average_cell(scores).text) - published < 0.0101
    assert average_cell([*scores, Score(model=model)]).text == NOT_RUN


def test_one_seed_is_never_marked_and_the_note_says_why(results: Results) -> None:
    results.settings["seeds"] = [1]
    assert (results.scores(), results.compare(), results.score_table()) == (0, 0, 0)
    numbers = pd.read_csv(results.path("tables", "table_1.csv"))
    assert not numbers["marked"].any()
    assert "With a single seed nothing can be tested" in results.read("tables", "table_1.md")


def test_one_model_alone_is_said_to_have_nothing_to_be_compared_with(compared: Results) -> None:
    assert compared.score_table(models=MODELS[:1]) == 0
    text = compared.read("tables", "table_1.md")
    assert "No two models of the table ran on the same task" in text
    assert "None is marked" not in text


def test_a_damaged_prediction_file_is_one_clear_line(compared: Results, capsys: pytest.CaptureFixture[str]) -> None:
    path = compared.path("finetuned", MODELS[0], "ner", "seed-1", "predictions.parquet")
    path.write_bytes(path.read_bytes()[:200])
    assert compared.example_table() == 1
    error = capsys.readouterr().err
    assert error.startswith(f"smelt: {path}: is no whole Parquet file")
    assert error.count("\n") == 1
    assert not compared.path("tables", "table_3.csv").exists()


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [({"kind": "score"}, "kind 'score' is none: expected scores, segmentation, example"), ({}, "lacks tasks, models")],
)
def test_a_wrong_table_is_named(
    compared: Results, capsys: pytest.CaptureFixture[str], changes: dict[str, str], complaint: str
) -> None:
    assert compared.table("other", {"kind": "scores"} | changes, []) == 1
    assert f"smelt: --settings: {complaint}" in capsys.readouterr().err


def test_the_csv_holds_the_numbers_in_full(compared: Results) -> None:
    assert compared.score_table() == 0
    numbers = pd.read_csv(compared.path("tables", "table_1.csv")).set_index(["model", "task"])
    summary = pd.read_csv(compared.path("statistics", "summary.csv")).set_index(["model", "task"])
    for key in SCORES:
        for column in ("mean", "standard_deviation", "n"):
            assert numbers.loc[key, column] == summary.loc[key, column]
    assert numbers.loc[("adopted", "intent"), "n"] == 0


def test_p_values_of_another_test_are_refused(compared: Results, capsys: pytest.CaptureFixture[str]) -> None:
    sources = [compared.path("statistics", "summary.csv"), compared.path("statistics", "pairs.csv")]
    settings = {"kind": "scores", "tasks": ["ner"], "models": MODELS}
    assert compared.table("other", settings, sources, test="wilcoxon") == 1
    assert "holds the test welch; the study asks for wilcoxon" in capsys.readouterr().err


def test_a_missing_column_is_one_clear_line(compared: Results, capsys: pytest.CaptureFixture[str]) -> None:
    path = compared.path("statistics", "summary.csv")
    pd.read_csv(path).drop(columns=["mean"]).to_csv(path, index=False)
    assert compared.score_table() == 1
    error = capsys.readouterr().err
    assert f"{path}: has no column mean: expected task, metric, model, n, mean" in error
    assert error.count("\n") == 1
    assert not compared.path("tables", "table_1.csv").exists()


def test_texts_with_markup_are_shown_as_they_stand() -> None:
    text = '<b>R&D</b> | 5% of _it_ &lt; $x$ {a} # ~ ^ \\ "q"'
    cell = Cell(text, mark="<i>", detail="&<u>", bold=True)
    grid = Grid(text, [text], [Group([Row(text, [cell])], title=text)])
    table = PaperTable("t", text, [grid], [text])
    page = html(table)
    parsed = ElementTree.fromstring(page)
    assert {element.tag for element in parsed.iter()} & {"b", "i", "u"} == set()
    assert "".join(parsed.itertext()).count(text) == 7  # caption, corner, column, title, head, cell and note
    assert len(re.findall(r"\\textless\{\}b\\textgreater\{\}", latex(table))) == 7
    shown = markdown(table)
    assert not re.search(r"(?<!\\)<|(?<!\\)[_#~]|(?<!\\)&lt;", shown)
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in shown.splitlines() if line.startswith("|")}) == 1


def test_markdown_tables_have_equal_columns(compared: Results) -> None:
    assert (compared.score_table(), compared.segmentation_table(), compared.example_table()) == (0, 0, 0)
    for name in ("table_1", "table_3", "table_4"):
        lines = [line for line in compared.read("tables", f"{name}.md").splitlines() if line.startswith("|")]
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1


def test_segmentation_separates_entity_words_from_others(compared: Results) -> None:
    assert compared.segmentation_table(vocabularies={"small_8k": 8000}) == 0
    markdown = compared.read("tables", "table_4.md")
    assert _row(markdown, "entity words")[1:] == ["100.00", "50.00", "40"]
    assert _row(markdown, "other words")[1:] == ["60.00", "10.00", "1,200"]
    assert r"small\_8k (8,000)" in markdown
    numbers = pd.read_csv(compared.path("tables", "table_4.csv"))
    assert numbers["added_segmentation"].tolist() == pytest.approx([100, 60, 50, 10])


def test_an_example_aligns_words_references_pieces_and_labels(compared: Results) -> None:
    assert compared.example_table() == 0
    numbers = pd.read_csv(compared.path("tables", "table_3.csv"), keep_default_na=False)
    of_small = numbers[numbers["model"] == "small_8k"]
    assert of_small["word"].tolist() == WORDS
    assert of_small.iloc[6][["reference", "predicted", "pieces"]].tolist() == ["B-ORG", "O", "▁Ωm e g a"]
    markdown = compared.read("tables", "table_3.md")
    assert "**O**" in markdown
    assert "Predictions of seed 1." in markdown


def test_html_fragments_are_ascii_and_name_their_heads(compared: Results) -> None:
    assert compared.example_table() == 0
    text = compared.path("tables", "table_3.html").read_text(encoding="ascii")
    assert text.count('<th scope="col">') == len(WORDS) + 1
    assert '<th scope="row">Reference</th>' in text
    assert "&#937;mega" in text
