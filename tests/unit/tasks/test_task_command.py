"""`smelt task`: what it writes, and what it refuses."""

import json
import os
from collections import Counter
from pathlib import Path

import pyarrow.parquet as parquet
import pytest
import yaml

from smelt.__main__ import main
from smelt.entry import check
from smelt.strict_yaml import read_yaml
from smelt.tasks.examples import Text
from smelt.tasks.prepare import draw_examples
from smelt.tasks.splits import SPLITS
from smelt.tasks.task_file import LIBRARY, TaskFile, load_task

LINES = "".join(f"word{number} I-PER\nruns O\n\n" for number in range(40))


def prepare(tasks: Path, output: Path, *flags: str) -> dict:
    assert main(["task", "--name", "sample", "--folder", str(tasks), "--output", str(output), *flags]) == 0
    return json.loads((output / "task.json").read_text())


def words(output: Path, split: str = "train") -> list[list[str]]:
    return parquet.read_table(output / f"{split}.parquet")["words"].to_pylist()


def refusal(tasks: Path, output: Path, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["task", "--name", "sample", "--folder", str(tasks), "--output", str(output)]) == 1
    assert not output.exists()
    return capsys.readouterr().err


def test_splits_and_description_are_written(write_task, tmp_path):
    description = prepare(write_task(), tmp_path / "out")
    assert description["labels"] == ["B-LOC", "B-PER", "O"]
    assert (description["kind"], description["scheme"]) == ("token-classification", "iob2")
    assert description["splits"]["train"]["examples"] == 2
    assert description["splits"]["train"]["sources"][0]["file"] == "train"
    assert parquet.read_table(tmp_path / "out" / "train.parquet").to_pylist()[1] == {
        "example": 1,
        "language": "en",
        "words": ["Oslo"],
        "labels": ["B-LOC"],
    }


def test_a_smaller_limit_draws_from_a_larger_one_and_keeps_all_labels(write_task, tmp_path):
    tasks = write_task(files={"train": LINES + "Oslo I-LOC\n"})
    labels = [prepare(tasks, tmp_path / f"{limit}", "--limit", f"{limit}")["labels"] for limit in (5, 20)]
    few, many = words(tmp_path / "5"), words(tmp_path / "20")
    assert len(few) == 5
    assert len(many) == 20
    assert all(sentence in many for sentence in few)
    assert labels == [["B-LOC", "B-PER", "O"]] * 2


def test_validation_may_be_drawn_too_and_test_never_is(write_task, tmp_path, capsys):
    tasks = write_task(files=dict.fromkeys(("train", "validation", "test"), LINES + "Oslo I-LOC\n"))
    description = prepare(tasks, tmp_path / "few", "--limit", "10", "--validation-limit", "5")
    assert [description["splits"][split]["examples"] for split in ("train", "validation", "test")] == [10, 5, 41]
    assert (description["limit"], description["validation_limit"]) == (10, 5)
    assert len(words(tmp_path / "few", "validation")) == 5
    flags = ["--name", "sample", "--folder", str(tasks), "--output", str(tmp_path / "none"), "--validation-limit", "-1"]
    assert main(["task", *flags]) == 1
    assert "--validation-limit: expected a number of examples, or 0 for all; found -1" in capsys.readouterr().err


def test_what_a_limit_leaves_out_stands_beside_it_without_labels(write_task, tmp_path):
    tasks = write_task(files={"train": LINES + "Oslo I-LOC\n"})
    prepare(tasks, tmp_path / "few", "--limit", "30")
    left = parquet.read_table(tmp_path / "few" / "unlabelled.parquet")
    assert left.column_names == ["example", "language", "words"]
    assert len(left) == 11
    together = words(tmp_path / "few") + words(tmp_path / "few", "unlabelled")
    assert sorted(together) == sorted([["Oslo"], *([f"word{number}", "runs"] for number in range(40))])
    prepare(tasks, tmp_path / "all")
    assert words(tmp_path / "all", "unlabelled") == []


def test_a_limit_for_each_language_or_label_draws_that_number_of_each():
    texts = [Text(f"{number}", "ab"[number % 2], number, "en" if number < 30 else "fr") for number in range(40)]
    of_languages, left = draw_examples(texts, 12, 1, "language")
    assert Counter(text.language for text in of_languages) == {"en": 12, "fr": 10}
    assert len(left) == 18
    assert Counter(text.label for text in draw_examples(texts, 5, 1, "label")[0]) == {"a": 5, "b": 5}
    assert [text.text for text in of_languages] == sorted((text.text for text in of_languages), key=int)


def test_a_limit_of_each_label_is_refused_where_words_have_labels(write_task, tmp_path, capsys):
    tasks = write_task()
    flags = ["--name", "few", "--task", "sample", "--limit", "1", "--per", "label"]
    assert main(["task", *flags, "--folder", str(tasks), "--output", str(tmp_path / "out")]) == 1
    assert "per: label is for tasks whose texts have one label each" in capsys.readouterr().err


def test_a_task_may_have_another_name_than_its_file(write_task, tmp_path):
    flags = ["--task", "sample", "--folder", str(write_task()), "--output", str(tmp_path / "out")]
    assert main(["task", "--name", "few", *flags]) == 0
    assert json.loads((tmp_path / "out/task.json").read_text())["name"] == "few"


def test_the_draw_repeats_for_a_seed_and_changes_with_it(write_task, tmp_path):
    tasks = write_task(files={"train": LINES + "Oslo I-LOC\n"})
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        prepare(tasks, tmp_path / name, "--limit", "10", "--seed", seed)
    assert words(tmp_path / "a") == words(tmp_path / "b")
    assert words(tmp_path / "a") != words(tmp_path / "c")


def test_halves_of_one_file_are_disjoint_and_together_the_whole(write_task, tmp_path):
    tasks = write_task(
        files={"train": LINES, "dev": LINES},
        **{
            "validation: validation": "validation: {file: dev, take: [0, 0.5]}",
            "test: test": "test: {file: dev, take: [0.5, 1]}",
        },
    )
    prepare(tasks, tmp_path / "out")
    halves = [{tuple(sentence) for sentence in words(tmp_path / "out", split)} for split in ("validation", "test")]
    assert [len(half) for half in halves] == [20, 20]
    assert not halves[0] & halves[1]


def test_sentences_that_training_has_too_are_counted_and_kept(write_task, tmp_path):
    description = prepare(write_task(), tmp_path / "out")
    assert description["repeated_from_train"] == {"validation": 1, "test": 1}
    assert description["splits"]["test"]["examples"] == 1


def test_repaired_labels_are_counted(write_task, tmp_path):
    tasks = write_task(**{"iob1": "iob2"})
    assert prepare(tasks, tmp_path / "out")["splits"]["train"]["repaired_labels"] == 2


def test_a_label_that_training_lacks_is_an_error_with_its_split_and_count(write_task, tmp_path, capsys):
    message = refusal(write_task(files={"test": "Oslo I-ORG\n\nBonn I-ORG\n"}), tmp_path / "out", capsys)
    assert "labels that training lacks, in test: 'B-ORG' (2 times)" in message


def test_a_label_that_training_lacks_is_counted_where_the_task_says_so(write_task, tmp_path):
    tasks = write_task(files={"test": "Oslo I-ORG\n"}, **{"licence": "unseen_labels: count\nlicence"})
    description = prepare(tasks, tmp_path / "out")
    assert description["splits"]["test"]["unseen_labels"] == {"B-ORG": 1}
    assert "B-ORG" not in description["labels"]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"test": "\n\n"}, "source.test: no example is in it"),
        ({"test": ""}, "test: is empty"),
        ({"test": "Anna Q-PER\n"}, "test:1: impossible tag 'Q-PER': IOB1 has O, B-type, I-type"),
        ({"test": "Anna\n"}, "test:1: expected at least 2 columns, found 1"),
        ({"test": "Anna \n"}, "test:1: has an empty label"),
        ({"test": "Anna I-PER\n I-PER\n"}, "test:2: has an empty word"),
    ],
)
def test_broken_files_are_refused_in_one_line(write_task, tmp_path, capsys, files, expected):
    message = refusal(write_task(files=files), tmp_path / "out", capsys)
    assert expected in message
    assert message.count("\n") == 1


def test_an_unset_environment_variable_is_named(write_task, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("SMELT_NOWHERE", raising=False)
    tasks = write_task()
    path = tasks / "sample.yaml"
    path.write_text(path.read_text().replace(str(tmp_path / "data"), "${SMELT_NOWHERE}/data"))
    assert "the environment variable SMELT_NOWHERE is not set. Set it, or leave what needs it out" in refusal(
        tasks, tmp_path / "out", capsys
    )


def test_a_missing_folder_is_named(write_task, tmp_path, capsys):
    tasks = write_task()
    (tmp_path / "data").rename(tmp_path / "moved")
    assert f"no such folder: {tmp_path / 'data'}" in refusal(tasks, tmp_path / "out", capsys)


def test_the_best_epoch_may_not_be_chosen_on_the_test_set(write_task, tmp_path, capsys):
    tasks = write_task(**{"choose_on: validation": "choose_on: test"})
    assert "choose_on: expected 'validation'; found 'test'" in refusal(tasks, tmp_path / "out", capsys)


def test_a_task_names_one_format(write_task, tmp_path, capsys):
    tasks = write_task(**{"format:": "format:\n  conllu: {label: upos}"})
    assert "format: expected exactly one of conll, conllu" in refusal(tasks, tmp_path / "out", capsys)


def test_a_format_that_is_only_named_is_shown_how_it_is_written(write_task, tmp_path, capsys):
    path = write_task() / "sample.yaml"
    task = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(task | {"format": "conll"}))
    message = refusal(path.parent, tmp_path / "out", capsys)
    assert "format: expected a mapping with the keys beir, bracketed, columns, conll" in message
    assert "found 'conll'; write {conll: {...}}" in message


@pytest.mark.parametrize(
    ("keys", "complaint"),
    [
        ({"empty_sides": "count"}, "empty_sides: has no effect where a label is of one text, not of a pair"),
        ({"codes": {"fr": "fr-FR"}}, "source.codes.fr: has no effect, as it is none of the languages"),
    ],
)
def test_a_key_without_effect_is_refused(write_task, tmp_path, capsys, keys, complaint):
    path = write_task() / "sample.yaml"
    task = yaml.safe_load(path.read_text())
    task |= {key: value for key, value in keys.items() if key != "codes"}
    task["source"] |= {key: value for key, value in keys.items() if key == "codes"}
    path.write_text(yaml.safe_dump(task))
    assert complaint in refusal(path.parent, tmp_path / "out", capsys)


def test_a_mistyped_key_is_named_with_those_allowed(write_task, tmp_path, capsys):
    tasks = write_task(**{"word: 0": "wrod: 0"})
    message = refusal(tasks, tmp_path / "out", capsys)
    assert "format.conll.wrod: no such key" in message
    assert "word" in message


@pytest.mark.parametrize("path", sorted(LIBRARY.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_task_file_of_the_project_loads(path):
    file = check(TaskFile, read_yaml(path), path)
    names = [
        f"{path.stem}.{name}" + f".{file.languages[-1]}" * setting.of_each_language
        for name, setting in file.settings.items()
    ]
    for task in map(load_task, names or [path.stem]):
        on_hub = task.source.hub is not None and not any(task.source.split(name).folder for name in task.source.splits)
        assert bool(task.local_files()) != on_hub


@pytest.mark.skipif("SMELT_DATA" not in os.environ, reason="SMELT_DATA names no folder of real data")
@pytest.mark.parametrize(
    ("name", "examples"),
    [
        ("conll2003", [14041, 3250, 3453]),
        ("conll2003.testa", [12637, 1404, 3250]),
        ("snips-slots", [13084, 700, 700]),
        ("atis-intents", [4478, 500, 893]),
        ("sst5", [8544, 1101, 2210]),
        ("ud-sequoia", [2231, 412, 456]),
        ("masakhaner-sw", [2109, 300, 604]),
        ("mtod-es-slots", [3616, 1983, 3043]),
        ("lassysmall-dev", [5977, 664, 350]),
        ("xquad-retrieval", [1732, 428, 4 * 1190]),
    ],
)
def test_real_tasks_have_their_published_numbers_of_examples(name, examples, tmp_path):
    assert main(["task", "--name", name, "--output", str(tmp_path / name)]) == 0
    splits = json.loads((tmp_path / name / "task.json").read_text())["splits"]
    assert [splits[split]["examples"] for split in ("train", "validation", "test")] == examples


@pytest.mark.skipif("SMELT_DATA" not in os.environ, reason="SMELT_DATA names no folder of real data")
def test_every_set_of_the_real_data_has_a_task_file():
    folder = Path(os.environ["SMELT_DATA"]) / "tasks"
    sources = "".join(path.read_text() for path in LIBRARY.glob("*.yaml"))
    sets = [path for path in folder.iterdir() if path.name not in ("ud", "snips-atis")]
    sets += [path for name in ("ud", "snips-atis") for path in (folder / name).iterdir()]
    assert len(sets) > 20
    names = [str(path.relative_to(folder)) for path in sets]
    assert [name for name in names if f"folder: ${{SMELT_DATA}}/tasks/{name}\n" not in sources] == []


@pytest.mark.skipif("SMELT_DATA" not in os.environ, reason="SMELT_DATA names no folder of real data")
def test_the_development_set_of_conll2003_is_tested_and_chooses_nothing(tmp_path):
    rows = {}
    for name in ("conll2003", "conll2003.testa"):
        assert main(["task", "--name", name, "--output", str(tmp_path / name)]) == 0
        rows[name] = {
            split: parquet.read_table(tmp_path / name / f"{split}.parquet").column("words").to_pylist()
            for split in SPLITS
        }
    whole, ours = rows["conll2003"], rows["conll2003.testa"]
    assert ours["test"] == whole["validation"]
    assert sorted(ours["train"] + ours["validation"]) == sorted(whole["train"])
    assert len(ours["validation"]) == round(0.1 * len(whole["train"]))
