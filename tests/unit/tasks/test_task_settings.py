"""Pairs of texts, and tasks in several settings: which languages are trained, chosen and tested on."""

import json
import os

import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest

from smelt.__main__ import main
from smelt.errors import SmeltError
from smelt.tasks.formats.columns import Columns, read_columns
from smelt.tasks.formats.table import Delimited, read_table
from smelt.tasks.task_file import load_task

TASK = """
title: Invented inference
kind: sequence-classification
languages: [en, fr, sw]
source:
  folder: {data}
  train: "{{language}}.tsv"
  validation: "{{language}}.tsv"
  test: "{{language}}.tsv"
format:
  table: {{text: premise, pair: hypothesis, label: label}}
settings:
  transfer: {{train: [en], validation: [en]}}
  each: {{train: ["{{language}}"], validation: ["{{language}}"], test: ["{{language}}"]}}
  together: {{}}
  translated:
    train: [en]
    validation: [en]
    test:
      file: all.tsv
      format:
        table:
          {{text: sentence1, pair: sentence2, label: gold_label, language: language, rename: {{no: neutral}}}}
metric: accuracy
average: languages
licence: none
cite: nobody
"""
HEADER = "premise\thypothesis\tlabel\n"
FILES = {
    "en.tsv": HEADER + "It rains.\tIt is wet.\tyes\nIt rains.\tIt is late.\tneutral\n",
    "fr.tsv": HEADER + "Il pleut.\tIl fait humide.\tyes\nIl pleut.\tIl est tard.\tneutral\n",
    "sw.tsv": HEADER + "Mvua inanyesha.\tKuna maji.\tyes\nMvua inanyesha.\tNi usiku.\tneutral\n",
    "all.tsv": "language\tgold_label\tsentence1\tsentence2\n"
    + "".join(f"{code}\tyes\train {code}\twet\n{code}\tno\train {code}\tlate\n" for code in ("en", "fr", "sw")),
}


def prepared(tasks, output, setting, split="test"):
    assert main(["task", "--name", f"sample.{setting}", "--folder", str(tasks), "--output", str(output)]) == 0
    return parquet.read_table(output / f"{split}.parquet").to_pylist()


def refusal(capsys, tasks, output, name):
    assert main(["task", "--name", name, "--folder", str(tasks), "--output", str(output)]) == 1
    assert not output.exists()
    return capsys.readouterr().err


def test_pairs_are_read_from_tables_and_hub_files(tmp_path):
    (tmp_path / "data.tsv").write_text(FILES["en.tsv"])
    first, _ = read_table(tmp_path / "data.tsv", Delimited(text="premise", pair="hypothesis", label="label"))
    assert (first.text, first.pair, first.label) == ("It rains.", "It is wet.", "yes")
    features = {"label": {"names": ["entailment", "neutral"], "_type": "ClassLabel"}}
    table = arrow.table({"premise": ["It rains."], "hypothesis": ["It is wet."], "label": [0]})
    metadata = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    parquet.write_table(table.replace_schema_metadata(metadata), tmp_path / "data.parquet")
    (only,) = read_columns(tmp_path / "data.parquet", Columns(text="premise", pair="hypothesis", label="label"))
    assert (only.text, only.pair, only.label) == ("It rains.", "It is wet.", "entailment")


def test_a_missing_pair_column_is_named(tmp_path):
    (tmp_path / "data.tsv").write_text(FILES["en.tsv"])
    with pytest.raises(SmeltError, match="no column is called 'second': its header names premise, hypothesis, label"):
        list(read_table(tmp_path / "data.tsv", Delimited(text="premise", pair="second", label="label")))
    parquet.write_table(arrow.table({"premise": ["a"], "label": ["b"]}), tmp_path / "data.parquet")
    with pytest.raises(SmeltError, match=r"row 1: lacks column 'hypothesis': it has premise, label"):
        list(read_columns(tmp_path / "data.parquet", Columns(text="premise", pair="hypothesis", label="label")))


@pytest.mark.parametrize("line", ["It rains.\t\tyes\n", "\tIt is wet.\tyes\n", "It rains.\t \tyes\n"])
def test_an_empty_side_of_a_pair_is_refused_or_counted(write_task, tmp_path, capsys, line):
    tasks = write_task(TASK, FILES | {"en.tsv": FILES["en.tsv"] + line})
    assert "en.tsv:4: has an empty side of its pair" in refusal(capsys, tasks, tmp_path / "out", "sample.transfer")
    tasks = write_task(TASK, **{"metric: accuracy": "metric: accuracy\nempty_sides: count"})
    assert len(prepared(tasks, tmp_path / "out", "transfer", "train")) == 3
    assert json.loads((tmp_path / "out" / "task.json").read_text())["splits"]["train"]["empty_sides"] == 1


def test_transfer_trains_and_chooses_on_english_and_tests_every_language(write_task, tmp_path):
    rows = prepared(write_task(TASK, FILES), tmp_path / "out", "transfer")
    description = json.loads((tmp_path / "out" / "task.json").read_text())
    assert [part["languages"] for part in description["splits"].values()] == [
        {"en": 2},
        {"en": 2},
        {"en": 2, "fr": 2, "sw": 2},
    ]
    assert (description["name"], description["setting"]) == ("sample.transfer", "transfer")
    assert (description["pairs"], description["average"]) == (True, "languages")
    assert rows[2] == {
        "example": 2,
        "language": "fr",
        "text": "Il pleut.",
        "pair": "Il fait humide.",
        "label": "yes",
    }


def test_a_setting_of_each_language_is_a_task_a_language(write_task, tmp_path):
    tasks = write_task(TASK, FILES)
    for split in ("train", "validation", "test"):
        rows = prepared(tasks, tmp_path / split, "each.sw", split)
        assert {row["language"] for row in rows} == {"sw"}
    assert load_task("sample.each.sw", tasks).languages == ["sw"]


def test_a_setting_that_changes_nothing_is_all_languages_together(write_task, tmp_path):
    rows = prepared(write_task(TASK, FILES), tmp_path / "out", "together", "train")
    assert [row["language"] for row in rows] == ["en", "en", "fr", "fr", "sw", "sw"]


def test_a_setting_may_have_files_of_another_format_with_all_languages_in_one(write_task, tmp_path):
    rows = prepared(write_task(TASK, FILES), tmp_path / "out", "translated")
    assert [(row["language"], row["text"], row["label"]) for row in rows] == [
        (code, f"rain {code}", label) for code in ("en", "fr", "sw") for label in ("yes", "neutral")
    ]


def test_a_language_that_a_setting_names_twice_is_read_once(write_task, tmp_path):
    tasks = write_task(TASK, FILES, **{'each: {train: ["{language}"]': 'each: {train: [en, "{language}"]'})
    assert len(prepared(tasks, tmp_path / "en", "each.en", "train")) == 2
    assert [row["language"] for row in prepared(tasks, tmp_path / "fr", "each.fr", "train")] == ["en", "en", "fr", "fr"]


def test_a_file_with_dots_in_its_name_has_settings_too(write_task):
    tasks = write_task(TASK, FILES)
    (tasks / "sample.yaml").rename(tasks / "sample.v2.yaml")
    assert load_task("sample.v2.each.sw", tasks).languages == ["sw"]
    with pytest.raises(SmeltError, match=r"sample.v2.yaml: has several settings: expected sample.v2.transfer"):
        load_task("sample.v2", tasks)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("sample", "has several settings: expected sample.transfer, sample.each.<language>, sample.together"),
        ("sample.zero", "has no setting 'zero': expected sample.transfer"),
        ("sample.each", "sample.each is no task of it: expected"),
        ("sample.transfer.fr", "sample.transfer.fr is no task of it"),
        ("sample.each.de", "'de' is none of its languages: en, fr, sw"),
        ("other.each.de", "task 'other.each.de': no such task: expected one of ag-news, "),
    ],
)
def test_an_unknown_task_is_refused_with_the_known_ones(write_task, tmp_path, capsys, name, message):
    assert message in refusal(capsys, write_task(TASK, FILES), tmp_path / "out", name)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train: [en], validation: [en]": "train: [de]"}, "train: 'de' is none of the task's languages"),
        (
            {"train: [en], validation: [en]": "train: [xx]"},
            "settings.transfer.train.0: no Wikipedia and no language of ISO 639 has",
        ),
        ({"file: all.tsv": "take: [0.5, 0.5]"}, "settings.translated.test.take: expected a share from low to high"),
        (
            {"together: {}": "all.of.them: {}"},
            "settings.all.of.them: expected a name of a to z, 0 to 9, '_' and '-', with a letter",
        ),
        (
            {"together: {}": 'standard: {test: ["{language}"]}'},
            "settings.standard: is the task called as its file: expected no {language} in it",
        ),
        (
            {'test: ["{language}"]}': 'test: [en, "{language}"]}', 'test: "{language}.tsv"': "test: all.tsv"},
            "source.test: expected {language} in the name, or a language column: the languages are several",
        ),
        ({"pair: sentence2, ": ""}, "source.test.format.pair: expected in the formats of all splits, or of none"),
        ({"language: language, ": ""}, "source.test: expected {language} in the name, or a language column"),
        (
            {"text: premise, pair: hypothesis, label": "pair: hypothesis, words: w, labels"},
            "expected words, labels and",
        ),
    ],
)
def test_impossible_settings_are_refused_by_name(write_task, tmp_path, capsys, changes, message):
    tasks = write_task(TASK, FILES, **changes)
    error = refusal(capsys, tasks, tmp_path / "out", "sample.together")
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.skipif("SMELT_DATA" not in os.environ, reason="SMELT_DATA names no folder of real data")
def test_parts_of_real_parallel_sets_share_no_pair_in_any_language(tmp_path):
    assert main(["task", "--name", "xnli-dev.transfer", "--output", str(tmp_path / "transfer")]) == 0
    train, test = (parquet.read_table(tmp_path / "transfer" / f"{split}.parquet") for split in ("train", "test"))
    assert (train.num_rows, test.num_rows) == (1494, 6 * 498)
    english = [(row["text"], row["pair"]) for row in test.to_pylist() if row["language"] == "en"]
    assert not set(english) & {(row["text"], row["pair"]) for row in train.to_pylist()}
    # The sets are parallel and cut by position: the n-th pair of every language is a translation of one pair.
    labels = {
        code: [row["label"] for row in test.to_pylist() if row["language"] == code]
        for code in ("en", "fr", "es", "de", "hi", "sw")
    }
    assert len({tuple(found) for found in labels.values()}) == 1


WORDS = """
title: Invented entities
kind: token-classification
languages: [en]
source: {{folder: {data}, train: all, validation: all, test: all}}
format:
  conll: {{separator: " ", word: 0, label: 1, scheme: {scheme}}}
settings:
  words: {{}}
  published: {{{published}}}
metric: {metric}
licence: none
cite: nobody
"""


@pytest.mark.parametrize(
    ("scheme", "metric", "of_pieces"),
    [("iob2", "seqeval-f1", "seqeval-f1-of-pieces"), ("none", "accuracy", "seqeval-f1-of-tag-pieces")],
)
def test_a_setting_has_its_own_metric_and_labels_all_pieces(tmp_path, scheme, metric, of_pieces):
    (tmp_path / "all").write_text("Anna B-PER\nsees O\n\nBoris B-PER\n")
    published = f"metric: {of_pieces}, label_pieces: all"
    (tmp_path / "sample.yaml").write_text(
        WORDS.format(data=tmp_path, scheme=scheme, metric=metric, published=published)
    )
    for setting, expected in (("words", (metric, "first")), ("published", (of_pieces, "all"))):
        prepared(tmp_path, tmp_path / setting, setting)
        found = json.loads((tmp_path / setting / "task.json").read_text())
        assert (found["metric"], found["label_pieces"]) == expected


@pytest.mark.parametrize(
    ("published", "reason"),
    [
        ("metric: seqeval-f1-of-pieces", "seqeval-f1-of-pieces scores all pieces of words: expected label_pieces: all"),
        ("metric: seqeval-f1-of-tags", "metric: expected seqeval-f1 or seqeval-f1-of-pieces"),
        ("metric: squad-f1", "metric: expected seqeval-f1 or seqeval-f1-of-pieces"),
        ("label_pieces: none", "'first' or 'all'"),
    ],
)
def test_metrics_that_do_not_fit_a_setting_are_refused(tmp_path, capsys, published, reason):
    text = WORDS.format(data=tmp_path, scheme="iob2", metric="seqeval-f1", published=published)
    (tmp_path / "sample.yaml").write_text(text)
    assert reason in refusal(capsys, tmp_path, tmp_path / "out", "sample.published")


def test_pieces_of_texts_have_no_labels(tmp_path, capsys):
    (tmp_path / "sample.yaml").write_text(TASK.format(data=tmp_path) + "label_pieces: all\n")
    assert "label_pieces: has no effect" in refusal(capsys, tmp_path, tmp_path / "out", "sample.together")


def test_a_standard_setting_is_the_task_that_is_called_as_its_file(write_task, tmp_path, capsys):
    tasks = write_task(TASK, FILES, **{"together: {}": "standard: {}"})
    assert main(["task", "--name", "sample", "--folder", str(tasks), "--output", str(tmp_path / "out")]) == 0
    description = json.loads((tmp_path / "out/task.json").read_text())
    assert (description["name"], description["setting"]) == ("sample", "standard")
    assert list(description["splits"]["test"]["languages"]) == ["en", "fr", "sw"]
    capsys.readouterr()
    expected = "expected sample.transfer, sample.each.<language>, sample, sample.translated"
    assert expected in refusal(capsys, tasks, tmp_path / "other", "sample.none")


def test_a_note_of_a_setting_is_kept_for_tables_of_that_setting_alone(write_task, tmp_path):
    tasks = write_task(TASK, FILES, **{"together: {}": "standard: {}\n  together: {note: of the development set.}"})
    notes = {}
    for name in ("sample", "sample.together"):
        assert main(["task", "--name", name, "--folder", str(tasks), "--output", str(tmp_path / name)]) == 0
        notes[name] = json.loads((tmp_path / name / "task.json").read_text()).get("note")
    assert notes == {"sample": None, "sample.together": "of the development set."}
