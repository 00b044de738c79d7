"""Examples that stand in two splits, tags cut to their first characters, and both metrics of classes."""

import json
import os

import pyarrow.parquet as parquet
import pytest

from smelt.__main__ import main
from smelt.tasks.formats.conllu import Conllu, read_conllu
from smelt.tasks.splits import SPLITS

REVIEWS = """
title: Invented reviews
kind: sequence-classification
languages: [nl]
source:
  folder: {data}
  train: train.csv
  validation: validation.csv
  test: test.csv
format:
  table:
    {{separator: ",", header: false, quoted: true, text: 1, label: 0, rename: {{"-1": negative, "1": positive}}}}
metric: macro-f1
repeats: drop
licence: none
cite: nobody
"""
FILES = {
    "train.csv": '"1","Goed, dit"\n"-1","Slecht.\nEcht slecht."\n"1","Mooi"\n"1","Fijn"\n',
    "validation.csv": '"-1","Niet best"\n"1","Mooi"\n"1","Heel mooi"\n',
    "test.csv": '"1","Goed, dit"\n"-1","Niet best"\n',
}


def written(write_task, tmp_path, **changes):
    tasks = write_task(REVIEWS, FILES, **changes)
    assert main(["task", "--name", "sample", "--folder", str(tasks), "--output", str(tmp_path / "out")]) == 0
    splits = {split: parquet.read_table(tmp_path / "out" / f"{split}.parquet")["text"].to_pylist() for split in SPLITS}
    return json.loads((tmp_path / "out" / "task.json").read_text()), splits


def test_an_example_of_several_splits_stays_in_the_last_of_them_only(write_task, tmp_path, capsys):
    description, texts = written(write_task, tmp_path)
    log = capsys.readouterr().out.splitlines()
    assert [line.partition("; ")[2] for line in log] == [
        "2 left out, because they also stand in a later split",
        "1 left out, because they also stand in a later split",
        "",
    ]
    assert texts == {
        "train": ["Slecht.\nEcht slecht.", "Fijn"],
        "validation": ["Mooi", "Heel mooi"],
        "test": ["Goed, dit", "Niet best"],
    }
    assert [description["splits"][split]["dropped_repeats"] for split in SPLITS] == [2, 1, 0]
    assert description["repeated_from_train"] == {"validation": 0, "test": 0}


def test_examples_are_kept_as_published_unless_the_task_file_says_otherwise(write_task, tmp_path, capsys):
    description, texts = written(write_task, tmp_path, **{"repeats: drop": "repeats: keep"})
    assert [len(texts[split]) for split in SPLITS] == [4, 3, 2]
    assert description["repeated_from_train"] == {"validation": 1, "test": 1}
    assert description["repeated_from_validation"] == {"test": 1}
    assert capsys.readouterr().out.splitlines() == [
        "sample: train: 4 examples, 7 words",
        "sample: validation: 3 examples, 5 words; 1 (33.3%) also stand in training, word for word",
        "sample: test: 2 examples, 4 words; 1 (50.0%) also stand in training, word for word;"
        " 1 (50.0%) also stand in validation, word for word",
        "sample: set `repeats: drop` in the task file to leave these out of training",
    ]
    assert description["labels"] == ["negative", "positive"]


def test_a_split_of_nothing_but_repeats_is_refused(write_task, tmp_path, capsys):
    tasks = write_task(REVIEWS, FILES | {"validation.csv": FILES["test.csv"]})
    assert main(["task", "--name", "sample", "--folder", str(tasks), "--output", str(tmp_path / "out")]) == 1
    assert "repeats: every example of validation stands in a later split too" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_first_characters_of_a_tag_can_be_what_counts(tmp_path):
    path = tmp_path / "data"
    rows = [("Tega", "Pd-msg"), ("dne", "Ncmsg"), (".", "_")]
    path.write_text("".join(f"{n}\t{w}\t_\t_\t{t}" + "\t_" * 5 + "\n" for n, (w, t) in enumerate(rows, 1)))
    (sentence,) = read_conllu(path, Conllu(label="xpos", leading=1))
    assert sentence.labels == ["P", "N", "_"]
    (sentence,) = read_conllu(path, Conllu(label="xpos"))
    assert sentence.labels == ["Pd-msg", "Ncmsg", "_"]


# Labels other than O, and how many examples train, validation and test have.
REAL = {
    "masakhaner-sw": (8, [2109, 300, 604]),
    "masakhanews-sw": (7, [350, 237, 476]),
    "ssj500k-ner": (10, [7432, 1164, 893]),
    "ud-ssj": (13, [4234, 1073, 1128]),
    "hebrew-sentiment": (3, [5926, 846, 1695]),
    "dutch-reviews": (2, [2395, 300, 300]),
    "french-reviews": (2, [1129, 144, 150]),
    "wikiann-fr": (6, [8071, 916, 10000]),
    "udpos-dev.monolingual.fr": (17, [2324, 581, 5013]),
    "udpos-dev.monolingual.hi": (15, [1327, 332, 2684]),
    "udpos": (17, [45079, 5852, 7402]),
}


@pytest.mark.slow
@pytest.mark.skipif("SMELT_DATA" not in os.environ, reason="SMELT_DATA names no folder of real data")
@pytest.mark.parametrize("name", REAL)
def test_real_tasks_of_eliquares_languages_have_their_examples_and_labels(name, tmp_path):
    assert main(["task", "--name", name, "--output", str(tmp_path / "out")]) == 0
    description = json.loads((tmp_path / "out" / "task.json").read_text())
    found = [description["splits"][split]["examples"] for split in SPLITS]
    assert (len(set(description["labels"]) - {"O"}), found) == REAL[name]
    for split in SPLITS:
        column = "words" if description["kind"] == "token-classification" else "text"
        assert all(parquet.read_table(tmp_path / "out" / f"{split}.parquet")[column].to_pylist())
