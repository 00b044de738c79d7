"""Data sets of other schemes, encodings, layouts and languages, read by their task file alone."""

import json
import os

import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
from pydantic import ValidationError

from smelt.__main__ import main
from smelt.errors import SmeltError
from smelt.tasks.formats.columns import Columns, read_columns
from smelt.tasks.formats.conll import Conll, read_conll
from smelt.tasks.formats.label_text import LabelText
from smelt.tasks.kinds.sequence_classification import texts_of
from smelt.tasks.lines import numbered_lines

XSID = (
    "# text = wake me at six\n# intent = alarm/set\n# slots: 11:14:datetime\n"
    "1\twake\talarm/set\tO\n2\tme\talarm/set\tO\n3\tat\talarm/set\tO\n4\tsix\talarm/set\tB-datetime\n\n"
    "# text: play ana\n# intent: play\n1\tplay\tplay\tO\n2\tana\tplay\tB-artist\n"
)
TASK = """
title: Invented data
kind: {kind}
languages: [{language}]
source:
  folder: {{data}}
  train: train
  validation: train
  test: train
format:
  {format}
metric: {metric}
licence: none
cite: nobody
"""


def task_of(write_task, data, written, kind="sequence-classification", language="en", metric="accuracy"):
    written = written.replace("{", "{{").replace("}", "}}")
    text = TASK.format(kind=kind, language=language, format=written, metric=metric)
    return write_task(text, {"train": data})


def rows(tasks, output):
    assert main(["task", "--name", "sample", "--folder", str(tasks), "--output", str(output)]) == 0
    return parquet.read_table(output / "train.parquet").to_pylist()


def refusal(tasks, output, capsys):
    assert main(["task", "--name", "sample", "--folder", str(tasks), "--output", str(output)]) == 1
    assert not output.exists()
    return capsys.readouterr().err


def labels_of(found):
    return [row["label"] for row in found]


@pytest.mark.parametrize("scheme", ["iobes", "bioes", "bilou"])
def test_spans_may_be_marked_with_ends_and_singles(write_task, tmp_path, scheme):
    data = "Ana B-PER\nNovak E-PER\nin O\nBrno S-LOC\n"
    tasks = task_of(write_task, data, f"conll: {{scheme: {scheme}}}", "token-classification", metric="seqeval-f1")
    (sentence,) = rows(tasks, tmp_path / "out")
    assert sentence["labels"] == ["B-PER", "I-PER", "O", "B-LOC"]
    assert json.loads((tmp_path / "out/task.json").read_text())["splits"]["train"]["repaired_labels"] == 0


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16", "utf-16-le", "utf-8-sig"])
def test_files_of_another_encoding_are_read_where_the_task_names_it(write_task, tmp_path, encoding):
    data = "José B-PER\r\nestá O\r\n\r\nMálaga B-LOC\r\n".encode(encoding)
    written = f"conll: {{scheme: iob2, encoding: {encoding}}}"
    tasks = task_of(write_task, data, written, "token-classification", metric="seqeval-f1")
    assert [row["words"] for row in rows(tasks, tmp_path / "out")] == [["José", "está"], ["Málaga"]]


@pytest.mark.parametrize(
    ("written", "data"),
    [
        ("table: {header: false, text: 1, label: 0, encoding: latin-1}", "bien\tcafé\nmal\tté\n"),
        (
            'table: {separator: ",", quoted: true, header: false, text: 1, label: 0, encoding: latin-1}',
            "bien,café\nmal,té\n",
        ),
        ("label-text: {encoding: latin-1}", "bien café\nmal té\n"),
        ("columns: {text: t, label: l, encoding: latin-1}", '{"t": "café", "l": "bien"}\n{"t": "té", "l": "mal"}\n'),
        ("columns: {text: t, label: l, encoding: latin-1}", '[{"t": "café", "l": "bien"},\n{"t": "té", "l": "mal"}]'),
    ],
)
def test_every_format_of_text_files_has_an_encoding(write_task, tmp_path, written, data):
    found = rows(task_of(write_task, data.encode("latin-1"), written), tmp_path / "out")
    assert [(row["text"], row["label"]) for row in found] == [("café", "bien"), ("té", "mal")]


def test_a_line_that_is_not_in_the_encoding_is_named(tmp_path):
    path = tmp_path / "data"
    path.write_bytes("bien\n".encode("utf-16") + "mal\n".encode("utf-16-le") + b"x")
    with pytest.raises(SmeltError, match=r"data:3: is not UTF-16 text \(truncated data\). A file in another encoding"):
        list(numbered_lines(path, "utf-16"))
    path.write_bytes(b"a line\n" * 5000 + b"caf\xe9\n")
    with pytest.raises(SmeltError, match="data:5001: is not UTF-8"):
        list(numbered_lines(path))


@pytest.mark.parametrize("name", ["latin-one", "rot13", "hex", ""])
def test_an_encoding_that_does_not_exist_is_refused(name):
    with pytest.raises(ValidationError, match="expected a text encoding such as utf-8, latin-1"):
        Conll(scheme="none", encoding=name)


def test_whole_numbers_are_one_class_however_a_column_stores_them(tmp_path):
    lines = [{"t": text, "l": label} for text, label in (("3.0", 1), ("b", 1.0), ("c", "1"), (4.0, -0.0), ("e", 1.5))]
    (tmp_path / "data").write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = [(text.text, text.label) for text in read_columns(tmp_path / "data", Columns(text="t", label="l"))]
    assert found == [("3.0", "1"), ("b", "1"), ("c", "1"), ("4.0", "0"), ("e", "1.5")]
    features = {"intent": {"names": ["alarm", "music"], "_type": "ClassLabel"}}
    metadata = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    table = arrow.table({"words": [["2.0", "b"]], "labels": [[2.0, 3]], "intent": [1.0]})
    parquet.write_table(table.replace_schema_metadata(metadata), tmp_path / "data.parquet")
    (sentence,) = read_columns(tmp_path / "data.parquet", Columns(words="words", labels="labels", scheme="none"))
    assert (sentence.words, sentence.labels) == (["2.0", "b"], ["2", "3"])
    (text,) = read_columns(tmp_path / "data.parquet", Columns(text="intent", label="intent"))
    assert text.label == "music"


def test_an_encoding_of_parquet_is_refused(tmp_path):
    parquet.write_table(arrow.table({"text": ["a"], "label": ["b"]}), tmp_path / "data.parquet")
    with pytest.raises(SmeltError, match="is Parquet, which has no other encoding than its own"):
        list(read_columns(tmp_path / "data.parquet", Columns(text="text", label="label", encoding="latin-1")))


@pytest.mark.parametrize(
    "text",
    [
        '{"text": "a", "label": true}\n\n{"text": "b", "label": false}\n',
        '[{"text": "a", "label": true}, {"text": "b", "label": false}]',
        '\ufeff\n [\r\n  {\r\n    "text": "a",\r\n    "label": true\r\n  },\n\n  {"text": "b", "label": false}\n]\n',
    ],
)
def test_json_may_be_lines_with_blank_ones_between_them_or_one_array(tmp_path, text):
    (tmp_path / "data").write_text(text, newline="")
    found = read_columns(tmp_path / "data", Columns(text="text", label="label"))
    assert [(row.text, row.label) for row in found] == [("a", "True"), ("b", "False")]


def test_numbers_of_columns_mean_the_same_names_in_every_row_of_json(tmp_path):
    (tmp_path / "data").write_text('{"text": "a", "label": "b"}\n{"label": "d", "text": "c"}\n')
    found = read_columns(tmp_path / "data", Columns(text=0, label=1))
    assert [(row.text, row.label) for row in found] == [("a", "b"), ("c", "d")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"text": "a", "label": "b"},', r"data: is not JSON, lines or one array \(.*line 1 column"),
        ('[{"text": "a", "label": "b"}, "c"]', "data, row 2: expected a JSON object, found str"),
        ('{"text": "a", "label": "b"}\n["c"]\n', "data:2: expected a JSON object, found list"),
    ],
)
def test_broken_json_is_refused_with_its_place(tmp_path, text, message):
    (tmp_path / "data").write_text(text)
    with pytest.raises(SmeltError, match=message):
        list(read_columns(tmp_path / "data", Columns(text="text", label="label")))


TREC = "DESC:manner How did it end ?\nNUM:dist How far is Brno ?\nDESC:def What is it ?\n"


@pytest.mark.parametrize(
    ("written", "labels"),
    [
        ("label-text: {}", ["DESC:manner", "NUM:dist", "DESC:def"]),
        ('label-text: {label_until: ":"}', ["DESC", "NUM", "DESC"]),
        ('label-text: {label_until: ":", rename: {DESC: description}}', ["description", "NUM", "description"]),
        ('label-text: {rename: {"DESC:manner": DESC}}', ["DESC", "NUM:dist", "DESC:def"]),
    ],
)
def test_fine_labels_are_read_and_coarse_ones_where_the_task_says_so(write_task, tmp_path, written, labels):
    assert labels_of(rows(task_of(write_task, TREC, written), tmp_path / "out")) == labels


@pytest.mark.parametrize(
    ("written", "lines"),
    [
        (
            'label-text: {label_until: "/", rename: {DESC: a, "NUM:dist": b}}',
            [
                "sample: format: label_until: no label has '/' in train, validation, test: it has no effect",
                "sample: format: rename: no label is 'DESC' in train, validation, test: it has no effect",
            ],
        ),
        (
            'label-text: {label_until: ":", rename: {"DESC:def": a, NUM: b}}',
            ["sample: format: rename: no label is 'DESC:def' in train, validation, test: it has no effect"],
        ),
        ('label-text: {label_until: ":", rename: {DESC: a}}', []),
    ],
)
def test_a_rename_that_fits_no_label_is_shown(write_task, tmp_path, capsys, written, lines):
    rows(task_of(write_task, TREC, written), tmp_path / "out")
    assert [line for line in capsys.readouterr().out.splitlines() if "format" in line] == lines


def test_a_rename_in_one_split_alone_has_an_effect(write_task, tmp_path, capsys):
    tasks = write_task(
        TASK.format(
            kind="sequence-classification",
            language="en",
            format="label-text: {{rename: {{contradictory: contradiction, neutral: no}}}}",
            metric="accuracy",
        ).replace("test: train", "test: {{file: test, format: {{label-text: {{rename: {{neither: no}}}}}}}}"),
        {"train": "contradictory b\nneutral d\n", "test": "no a\n"},
    )
    assert labels_of(rows(tasks, tmp_path / "out")) == ["contradiction", "no"]
    out = capsys.readouterr().out.splitlines()
    assert [line for line in out if "format" in line] == [
        "sample: format: rename: no label is 'neither' in test: it has no effect"
    ]


def test_fine_and_coarse_labels_may_be_two_settings_of_one_file(write_task, tmp_path):
    coarse = "{format: {label-text: {label_until: ':'}}}"
    settings = f"settings:\n  fine: {{}}\n  coarse: {{train: {coarse}, validation: {coarse}, test: {coarse}}}\nlicence"
    tasks = task_of(write_task, TREC, "label-text: {}")
    path = tasks / "sample.yaml"
    path.write_text(path.read_text().replace("licence", settings, 1))
    for name, labels in (("fine", ["DESC:manner", "NUM:dist", "DESC:def"]), ("coarse", ["DESC", "NUM", "DESC"])):
        output = tmp_path / name
        assert main(["task", "--name", f"sample.{name}", "--folder", str(tasks), "--output", str(output)]) == 0
        assert labels_of(parquet.read_table(output / "train.parquet").to_pylist()) == labels


def test_labels_of_words_may_be_renamed_too(write_task, tmp_path):
    data = "wake NoLabel\nsix B-time/clock\n"
    written = 'conll: {scheme: iob2, rename: {NoLabel: O}, label_until: "/"}'
    tasks = task_of(write_task, data, written, "token-classification", metric="seqeval-f1")
    assert rows(tasks, tmp_path / "out")[0]["labels"] == ["O", "B-time"]


@pytest.mark.parametrize("label", ["intent", "2"])
def test_an_intent_is_read_from_a_comment_or_from_the_column_that_repeats_it(write_task, tmp_path, label):
    written = f'conll: {{separator: "\\t", word: 1, label: {label}, scheme: none, skip: "# "}}'
    found = rows(task_of(write_task, XSID, written), tmp_path / "out")
    assert [(row["text"], row["label"]) for row in found] == [("wake me at six", "alarm/set"), ("play ana", "play")]


def test_slots_of_the_same_file_are_read_in_a_dialect(write_task, tmp_path):
    written = 'conll: {separator: "\\t", word: 1, label: 3, scheme: iob2, skip: "# "}'
    tasks = task_of(write_task, XSID, written, "token-classification", "de-st", "seqeval-f1")
    first, second = rows(tasks, tmp_path / "out")
    assert (first["language"], first["labels"]) == ("de-st", ["O", "O", "O", "B-datetime"])
    assert second["words"] == ["play", "ana"]


def test_words_of_a_sentence_that_differ_in_its_label_are_refused(tmp_path):
    (tmp_path / "data").write_text("wake alarm\nme play\n")
    sentences = read_conll(tmp_path / "data", Conll(scheme="none"), "en")
    with pytest.raises(SmeltError, match="data:2: expected one label for the sentence, 'alarm' as its first word has"):
        list(texts_of(sentences, tmp_path / "data"))


def test_a_sentence_without_its_comment_does_not_take_that_of_the_one_before(tmp_path):
    (tmp_path / "data").write_text("# intent: alarm\nwake O\n\nplay O\n")
    with pytest.raises(SmeltError, match="data:4: expected the sentence's label before it: # intent: label"):
        list(read_conll(tmp_path / "data", Conll(label="intent", scheme="none"), "en"))


@pytest.mark.parametrize(
    ("written", "kind", "metric", "message"),
    [
        ("conll: {scheme: iob2}", "sequence-classification", "seqeval-f1", "holds token-classification"),
        ("conll: {label: intent, scheme: none}", "token-classification", "accuracy", "holds sequence-classification"),
        ("conll: {label: intent, scheme: iob2}", "sequence-classification", "seqeval-f1", "scheme: expected none"),
        ("conllu: {}", "sequence-classification", "accuracy", "holds token-classification"),
    ],
)
def test_a_kind_that_the_format_does_not_hold_is_refused(write_task, tmp_path, capsys, written, kind, metric, message):
    assert message in refusal(task_of(write_task, XSID, written, kind, metric=metric), tmp_path / "out", capsys)


@pytest.mark.parametrize("language", ["bej", "de-st", "nb", "zh-hant-tw", "ca-valencia", "simple", "zh-min-nan", "qaa"])
def test_a_task_may_be_in_any_language_that_has_a_tag(write_task, tmp_path, language):
    tasks = task_of(write_task, "a b\nc d\n", "label-text: {}", language=language)
    assert rows(tasks, tmp_path / "out")[0]["language"] == language


@pytest.mark.parametrize(
    ("language", "message"),
    [
        ("xx", "no Wikipedia and no language of ISO 639 has the code 'xx': expected one such as en, bej or de-st"),
        ("english", "languages.0: no Wikipedia and no language of ISO 639 has the code 'english'"),
        ("de_st", "no Wikipedia and no language of ISO 639 has the code 'de_st'"),
        ("de-", "no Wikipedia and no language of ISO 639 has the code 'de-'"),
        ("pt-BR", "languages.0: expected lower case, 'pt-br'; found 'pt-BR'"),
        ("all", "languages.0: 'all' stands for all languages in scores"),
    ],
)
def test_what_is_no_tag_of_a_language_is_refused(write_task, tmp_path, capsys, language, message):
    tasks = task_of(write_task, "a b\nc d\n", "label-text: {}", language=language)
    assert message in refusal(tasks, tmp_path / "out", capsys)


def test_label_text_has_no_label_that_ends_with_nothing():
    with pytest.raises(ValidationError, match="label_until"):
        LabelText(label_until="")


# Published cases and what is expected of each: the start of a message, or labels of the training set.
CASES = {
    "csvextra3": "csvextra3/train:2: expected 3 columns, as line 1 has, found 4",
    "extracol": "extracol/train:2: expected 3 columns, as line 1 has, found 2",
    "noform": "noform/train:1: has no word but '_'",
    "onelabel": "onelabel.yaml: every label of train is 'good'",
    "latin1": "latin1/train:1: is not UTF-8 text",
    "emptytext": ["bad", "good"],
    "iobes": ["B-LOC", "B-PER", "I-PER", "O"],
    "jsonl": ["False", "True"],
    "trecfine": ["DESC", "NUM:dist"],
    "xsid-dialect": ["B-artist", "B-datetime", "O"],
    "xsid-intent": ["alarm/set", "play"],
}


@pytest.mark.skipif("SMELT_DATA" not in os.environ, reason="SMELT_DATA names no folder of real data")
@pytest.mark.parametrize("name", CASES)
def test_each_case_at_hand_gives_what_it_should(name, tmp_path, capsys):
    folder, output = f"{os.environ['SMELT_DATA']}/cases/tasks", tmp_path / "out"
    code = main(["task", "--name", name, "--folder", folder, "--output", str(output)])
    if isinstance(CASES[name], str):
        assert code == 1
        assert CASES[name] in capsys.readouterr().err
        assert not output.exists()
    else:
        assert code == 0
        assert json.loads((output / "task.json").read_text())["labels"] == CASES[name]


@pytest.mark.parametrize(
    ("name", "files", "row"),
    [
        (
            "hebrew-comments",
            "Neural-Sentiment-Analyzer-for-Modern-Hebrew/data/token_{}.tsv",
            "{text}\t{label}\n",
        ),
        ("bbc-hindi", "bbc-hindi/hindi-{}.csv", "{label}\t{text}\n"),
    ],
)
def test_quotation_marks_of_the_published_files_are_text(tmp_path, monkeypatch, name, files, row):
    """As CSV, a text that begins with a mark would swallow the rows up to the next one, or be refused."""
    texts = ['"ab" cd', 'ab "cd', '"ab', 'ab"', '"ab"', "''ab''", 'ab ""cd"" ef', "ab"]
    monkeypatch.setenv("SMELT_TASKS", str(tmp_path))
    for split in ("train", "test"):
        path = tmp_path / files.format(split)
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = [row.format(text=f"{text} {split} {n}", label=n % 2) for n, text in enumerate(texts * 5)]
        path.write_text("".join(rows))
    assert main(["task", "--name", name, "--output", str(tmp_path / "out")]) == 0
    found = {part: parquet.read_table(tmp_path / "out" / f"{part}.parquet") for part in ("train", "validation", "test")}
    assert [len(table) for table in found.values()] == [36, 4, 40]
    assert found["test"]["text"].to_pylist() == [f"{text} test {n}" for n, text in enumerate(texts * 5)]
