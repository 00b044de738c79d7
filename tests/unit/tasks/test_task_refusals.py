"""What a reader of tasks must not take for words and labels, after reports of people who prepare such data."""

import json

import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest

from smelt.__main__ import main
from smelt.errors import SmeltError
from smelt.tasks.formats.bracketed import Bracketed, read_bracketed
from smelt.tasks.formats.columns import Columns, read_columns
from smelt.tasks.formats.conll import Conll, read_conll
from smelt.tasks.formats.conllu import Conllu, read_conllu
from smelt.tasks.formats.label_text import LabelText, read_label_text
from smelt.tasks.formats.table import Delimited, read_table
from smelt.tasks.kinds.sequence_classification import texts_of
from smelt.tasks.lines import numbered_lines

TEXTS = """
title: Invented reviews
kind: sequence-classification
languages: [en]
source:
  folder: {data}
  train: train
  validation: train
  test: train
format:
  table: {{text: text, label: label}}
metric: accuracy
licence: none
cite: nobody
"""


def prepared(tasks, output):
    assert main(["task", "--name", "sample", "--folder", str(tasks), "--output", str(output)]) == 0
    return json.loads((output / "task.json").read_text())


def refusal(tasks, output, capsys):
    assert main(["task", "--name", "sample", "--folder", str(tasks), "--output", str(output)]) == 1
    assert not output.exists()
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


def written(tmp_path, text, name="data"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def treebank(tmp_path, *words, text=None):
    """Write a sentence of (form, lemma, universal tag, other tag)."""
    rows = "".join("\t".join([f"{n}", *word, "_", "0", "root", "_", "_"]) + "\n" for n, word in enumerate(words, 1))
    return written(tmp_path, ("" if text is None else f"# text = {text}\n") + rows + "\n")


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("metric: accuracy", "metric: accuracy\nscores: [0]", "scores.1"),
        ("train: train", "train: {{file: train, take: [0]}}", "source.train.take.1"),
    ],
)
def test_a_pair_with_one_entry_lacks_the_other(tmp_path, capsys, old, new, key):
    (tmp_path / "sample.yaml").write_text(TEXTS.replace(old, new).format(data=tmp_path))
    assert f"sample.yaml: {key}: is missing" in refusal(tmp_path, tmp_path / "out", capsys)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("New York B-LOC\nAna B-PER\n", "data:2: expected 3 columns, as line 1 has, found 2: 'Ana B-PER'"),
        ("Ana B-PER\n\nNew York B-LOC\n", "data:3: expected 2 columns, as line 1 has, found 3: 'New York B-LOC'"),
    ],
)
def test_conll_rows_wider_or_narrower_than_the_first_are_refused(tmp_path, text, message):
    with pytest.raises(SmeltError, match=message):
        list(read_conll(written(tmp_path, text), Conll(scheme="iob2"), "en"))


def test_columns_may_vary_between_sentences_where_the_task_says_so_but_never_within_one(tmp_path):
    columns = Conll(label=1, scheme="none", columns_vary=True)
    path = written(tmp_path, "Ana PROPN A0\nruns VERB V\n\nYes INTJ\n")
    assert [sentence.words for sentence in read_conll(path, columns, "en")] == [["Ana", "runs"], ["Yes"]]
    with pytest.raises(SmeltError, match="data:2: expected 3 columns"):
        list(read_conll(written(tmp_path, "Ana PROPN A0\nruns VERB\n"), columns, "en"))


@pytest.mark.parametrize(
    ("text", "header", "message"),
    [
        (
            "id,text,label\n1,good food, nice staff,positive\n",
            True,
            "data:2: expected 3 columns, as line 1 has, found 4",
        ),
        ("id,text,label,note\n1,fine,positive\n", True, "data:2: expected 4 columns, as line 1 has, found 3"),
        ("1,fine,positive\n2,good food, nice staff,positive\n", False, "data:2: expected 3 columns, as line 1 has"),
        ("1,fine,positive,x\n2,fine,positive\n", False, "data:2: expected 4 columns, as line 1 has, found 3"),
    ],
)
@pytest.mark.parametrize("quoted", [False, True])
def test_table_rows_wider_or_narrower_than_their_header_are_refused(tmp_path, text, header, quoted, message):
    places = {"text": "text", "label": "label"} if header else {"text": 1, "label": 2}
    with pytest.raises(SmeltError, match=message):
        list(read_table(written(tmp_path, text), Delimited(separator=",", quoted=quoted, header=header, **places)))


def test_a_label_and_a_text_with_a_third_column_are_refused(tmp_path):
    with pytest.raises(SmeltError, match="data:1: expected 2 columns, a label and a text, found 3"):
        list(read_label_text(written(tmp_path, "good\tfine food\t5\n"), LabelText(separator="\t")))
    (text,) = read_label_text(written(tmp_path, "good,fine, cheap\n"), LabelText(separator=","))
    assert (text.label, text.text) == ("good", "fine, cheap")


@pytest.mark.parametrize("row", ["1-2\tdu\t_", "1.1\tdu" + "\t_" * 9, "1\tde" + "\t_" * 7])
def test_every_line_of_conllu_has_ten_columns(tmp_path, row):
    with pytest.raises(SmeltError, match=r"data:1: expected CoNLL-U's 10 columns, found (3|11|9)"):
        list(read_conllu(written(tmp_path, row + "\n"), Conllu()))


def test_a_line_of_conllu_without_a_number_is_refused(tmp_path):
    with pytest.raises(SmeltError, match="data:1: expected a word's number in column 1, found 'a'"):
        list(read_conllu(written(tmp_path, "a\tde\tde\tADP" + "\t_" * 6 + "\n"), Conllu()))


def test_equal_names_of_columns_are_refused_in_every_format_with_names(tmp_path):
    columns = {"text": "text", "label": "label"}
    with pytest.raises(SmeltError, match="data:1: has two columns called 'label'"):
        list(read_table(written(tmp_path, "text\tlabel\tlabel\na\tb\tc\n"), Delimited(**columns)))
    table = arrow.Table.from_arrays([arrow.array([word]) for word in "abc"], names=["text", "label", "label"])
    parquet.write_table(table, tmp_path / "data.parquet")
    with pytest.raises(SmeltError, match="has two columns called 'label'"):
        list(read_columns(tmp_path / "data.parquet", Columns(**columns)))
    twice = written(tmp_path, '{"text": "a", "label": "b", "label": "c"}\n', "data.jsonl")
    with pytest.raises(SmeltError, match="the key 'label' stands twice"):
        list(read_columns(twice, Columns(**columns)))


def test_columns_without_a_name_are_left_aside(tmp_path):
    path = written(tmp_path, "text\tlabel\t\t\na\tb\t\t\n")
    (text,) = read_table(path, Delimited(text="text", label="label"))
    assert (text.text, text.label) == ("a", "b")


def test_only_blanks_and_tabs_separate_columns_by_white_space(tmp_path):
    path = written(tmp_path, "10\u00a0000  O\n5\u2009km\t O \n")
    (sentence,) = read_conll(path, Conll(separator="whitespace", label=1, scheme="none"), "fr")
    assert (sentence.words, sentence.labels) == (["10\u00a0000", "5\u2009km"], ["O", "O"])


@pytest.mark.parametrize("columns", [Conll(scheme="none", separator="whitespace"), Conll(scheme="none")])
def test_a_file_whose_lines_end_with_carriage_returns_is_no_single_word(tmp_path, columns):
    with pytest.raises(SmeltError, match="data:1: has a carriage return inside the line, at character 6"):
        list(read_conll(written(tmp_path, "Ana O\rruns O\r"), columns, "en"))


def test_carriage_returns_at_the_end_of_a_line_or_in_a_quoted_cell_are_none_inside_it(tmp_path):
    assert list(numbered_lines(written(tmp_path, "a\r\r\nb\r\nc\r"))) == [(1, "a"), (2, "b"), (3, "c")]
    path = written(tmp_path, 'text,label\r\n"two\rlines",good\r\n')
    (text,) = read_table(path, Delimited(separator=",", quoted=True, text="text", label="label"))
    assert text.text == "two\rlines"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (
            'text,label\n"two\rlines",good\nbad\rone,bad\n',
            "data:3: has a carriage return inside the line, at character 4",
        ),
        ('text,label\n"two\rli\nnes\r",good\rold\n', "data:3: has a carriage return inside the line, at character 11"),
        ("text,label\rfine,good\rbad,bad\r", "data:1: has a carriage return inside the line, at character 11"),
    ],
)
def test_a_carriage_return_outside_quotation_marks_is_named_as_one(tmp_path, text, place):
    with pytest.raises(SmeltError, match=place):
        list(read_table(written(tmp_path, text), Delimited(separator=",", quoted=True, header=False, text=0, label=1)))


LONG = "word " * 2000


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (lambda path: read_conll(path, Conll(scheme="none", separator="\t"), "en"), LONG),
        (lambda path: read_conll(path, Conll(scheme="none", separator="\t"), "en"), f"a\tb\na\tb\t{LONG}"),
        (lambda path: read_conll(path, Conll(scheme="none", label="intent"), "en"), f"# intent: a\n# text: {LONG}"),
        (lambda path: texts_of(read_conll(path, Conll(scheme="none", separator="\t"), "en"), path), f"a\tb\na\t{LONG}"),
        (lambda path: read_conllu(path, Conllu()), LONG),
        (lambda path: read_conllu(path, Conllu()), LONG + "\t_" * 9),
        (lambda path: read_label_text(path, LabelText(separator="\t")), LONG),
        (lambda path: read_label_text(path, LabelText(separator="\t")), f"a\tb\t{LONG}"),
        (lambda path: read_table(path, Delimited(text="text", label="label")), LONG),
        (lambda path: read_table(path, Delimited(text="a", label="b")), f"a\tb\n{LONG}"),
        (lambda path: read_table(path, Delimited(text="a", label="b")), f"{LONG}\t{LONG}"),
        (lambda path: read_columns(path, Columns(text="a", label="b")), json.dumps({"a": [LONG], "b": 1})),
        (lambda path: read_columns(path, Columns(text="a", label="b")), json.dumps(dict.fromkeys(LONG, 1))),
        (lambda path: read_columns(path, Columns(words="a", labels="a", scheme="none")), json.dumps({"a": LONG})),
        (lambda path: read_bracketed(path, Bracketed(utterance="a"), "en"), json.dumps({"a": f"[ {LONG}"})),
    ],
)
def test_a_refusal_shows_the_beginning_of_a_long_row(tmp_path, read, text):
    with pytest.raises(SmeltError) as error:
        list(read(written(tmp_path, text)))
    assert len(error.value.message) < 330
    assert "\n" not in error.value.message


def test_long_or_many_labels_are_shown_in_part(write_task, tmp_path, capsys):
    tasks = write_task(TEXTS, {"train": f"text\tlabel\na\t{LONG}\n"})
    assert len(refusal(tasks, tmp_path / "o", capsys)) < 330
    labels = {"train": "a b\nc d\n", "test": "".join(f"a {n:04d}-{'x' * 5000}\n" for n in range(500))}
    tasks = write_task(files=labels, **{"scheme: iob1": "scheme: none", "seqeval-f1": "accuracy"})
    message = refusal(tasks, tmp_path / "o", capsys)
    assert "; test: '0000-xxx" in message
    assert "x…' (1 time) and 485 others. Mend them, or" in message
    tasks = write_task(files={"train": f"a {'x' * 5000}\n"})
    assert len(refusal(tasks, tmp_path / "o", capsys)) < 330


@pytest.mark.parametrize(
    ("columns", "text", "message"),
    [
        (
            Conll(scheme="none", separator="\t"),
            "# text: a b\nwake\tO\n",
            "data:1: expected at least 2 columns, found 1",
        ),
        (Conll(scheme="none"), "wake O\n# text: a b\n", "data:2: expected 2 columns, as line 1 has, found 4"),
        (
            Conll(scheme="none", label="intent", word=1),
            "# text: a\n# intent: b\n1 a\n",
            "data:1: expected words, found the",
        ),
        (
            Conll(scheme="none", label="intent"),
            "# intent: b\n# text = a\na\n",
            "data:2: expected words, found the comment",
        ),
    ],
)
def test_a_comment_that_is_not_left_out_is_named_with_the_key_that_does_it(tmp_path, columns, text, message):
    with pytest.raises(SmeltError, match=f"{message}.*'# text.*'; lines that begin so are left out with `skip`$"):
        list(read_conll(written(tmp_path, text), columns, "en"))


def test_words_that_are_number_signs_are_no_comments(tmp_path):
    path = written(tmp_path, "# intent: call\n# O\n#tag: O\n\n")
    (sentence,) = read_conll(path, Conll(scheme="none", label="intent"), "en")
    assert (sentence.words, sentence.labels) == (["#", "#tag:"], ["call", "call"])


@pytest.mark.parametrize("mark", ["\u2028", "\u0085", "\x0b", "\x1c"])
def test_other_separators_of_lines_are_text(tmp_path, mark):
    assert list(numbered_lines(written(tmp_path, f"a{mark}b\n"))) == [(1, f"a{mark}b")]


def test_a_treebank_without_its_text_is_refused_at_its_first_word(tmp_path):
    with pytest.raises(SmeltError, match="data:1: has no word but '_', which stands for text that is left out"):
        list(read_conllu(treebank(tmp_path, ("_", "_", "PROPN", "_"), ("_", "_", "VERB", "_")), Conllu()))
    redacted = [("____", "____", "PRON", "PRP"), ("__", "__", "VERB", "VBZ")]
    with pytest.raises(SmeltError, match="data:2: has no word but '____'"):
        list(read_conllu(treebank(tmp_path, *redacted, text="____ __"), Conllu()))


def test_a_form_that_is_left_out_while_its_lemma_stands_is_refused(tmp_path):
    path = treebank(tmp_path, ("Ana", "Ana", "PROPN", "_"), ("_", "run", "VERB", "_"), text="Ana _")
    with pytest.raises(SmeltError, match="data:3: has no word but '_'"):
        list(read_conllu(path, Conllu()))


@pytest.mark.parametrize(
    ("tag", "text"), [("SYM", None), ("PUNCT", "Ana _"), ("X", None), ("NOUN", "Ana _"), ("NOUN", "Ana_")]
)
def test_an_underscore_that_is_a_word_stays(tmp_path, tag, text):
    path = treebank(tmp_path, ("Ana", "Ana", "PROPN", "_"), ("_", "_", tag, "_"), text=text)
    (sentence,) = read_conllu(path, Conllu())
    assert (sentence.words, sentence.labels) == (["Ana", "_"], ["PROPN", tag])


@pytest.mark.parametrize(("label", "tags"), [("upos", ("_", "NNP")), ("xpos", ("PROPN", "_"))])
def test_an_unspecified_tag_of_a_word_is_no_class(tmp_path, label, tags):
    with pytest.raises(SmeltError, match=rf"data:1: has no {label} tag \(_\) for 'Ana'"):
        list(read_conllu(treebank(tmp_path, ("Ana", "Ana", *tags)), Conllu(label=label)))


def test_a_universal_tag_is_expected_of_punctuation_too(tmp_path):
    with pytest.raises(SmeltError, match="data:1: has no upos tag"):
        list(read_conllu(treebank(tmp_path, (".", ".", "_", "_")), Conllu()))


@pytest.mark.parametrize("value", [float("nan"), None])
def test_null_and_nan_are_no_class_and_no_text(tmp_path, value):
    path = tmp_path / "data.parquet"
    parquet.write_table(arrow.table({"text": ["a", "b"], "label": arrow.array([1.0, value])}), path)
    with pytest.raises(SmeltError, match="row 2: lacks column 'label': it has text"):
        list(read_columns(path, Columns(text="text", label="label")))
    with pytest.raises(SmeltError, match="row 2: lacks column 'label': it has text"):
        list(read_columns(path, Columns(text="label", label="text")))
    parquet.write_table(arrow.table({"words": [["a"]], "labels": [[value]]}), path)
    with pytest.raises(SmeltError, match="row 1: expected a list of texts in column 'labels'"):
        list(read_columns(path, Columns(words="words", labels="labels", scheme="none")))


def test_the_nan_of_json_is_no_class(tmp_path):
    with pytest.raises(SmeltError, match="row 1: lacks column 'label'"):
        list(read_columns(written(tmp_path, '{"text": "a", "label": NaN}\n'), Columns(text="text", label="label")))


@pytest.mark.parametrize("value", [["good"], {"name": "good"}, b"good"])
def test_lists_and_bytes_are_no_class(tmp_path, value):
    parquet.write_table(arrow.table({"text": ["a"], "label": [value]}), tmp_path / "data.parquet")
    with pytest.raises(SmeltError, match="row 1: expected a text or a number in column 'label'"):
        list(read_columns(tmp_path / "data.parquet", Columns(text="text", label="label")))


def test_a_task_with_one_label_is_refused(write_task, tmp_path, capsys):
    tasks = write_task(TEXTS, {"train": "text\tlabel\na\tgood\nb\tgood\n"})
    assert "sample.yaml: every label of train is 'good', expected two or more" in refusal(tasks, tmp_path / "o", capsys)
    tasks = write_task(files={"train": "Anna O\n"})
    assert "every label of train is 'O'" in refusal(tasks, tmp_path / "o", capsys)


def test_an_empty_text_is_counted_and_shown(write_task, tmp_path, capsys):
    tasks = write_task(TEXTS, {"train": "text\tlabel\n\tgood\n \tbad\nb\tbad\n"})
    split = prepared(tasks, tmp_path / "out")["splits"]["train"]
    assert (split["examples"], split["empty_texts"]) == (3, 2)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "sample: train: 3 examples, 1 word; texts without a word: 2"


@pytest.mark.parametrize("text", ["\u200b", " \u200b\ufeff\u2060", "\u200e\u00ad", "\u2028", "\x01"])
def test_a_text_in_which_nothing_can_be_seen_is_an_empty_one(write_task, tmp_path, capsys, text):
    rows = [{"text": text, "label": "a"}, {"text": f"{text}b", "label": "b"}]
    data = "".join(json.dumps(row) + "\n" for row in rows)
    tasks = write_task(TEXTS, {"train": data}, **{"table: {": "columns: {"})
    split = prepared(tasks, tmp_path / "out")["splits"]["train"]
    assert (split["examples"], split["empty_texts"], split["words"]) == (2, 1, 1)
    rows = [{"text": "a", "pair": text, "label": "a"}, {"text": "a", "pair": "b", "label": "b"}]
    data = "".join(json.dumps(row) + "\n" for row in rows)
    tasks = write_task(TEXTS, {"train": data}, **{"table: {": "columns: {pair: pair, "})
    assert "train:1: has an empty side of its pair" in refusal(tasks, tmp_path / "o", capsys)


def test_a_sentence_without_a_word_is_left_out_and_counted(write_task, tmp_path):
    rows = [(["Ana"], ["B-PER"]), ([], []), (["runs"], ["O"])]
    lines = "".join(json.dumps({"words": words, "labels": labels}) + "\n" for words, labels in rows)
    tasks = write_task(
        files=dict.fromkeys(("train", "validation", "test"), lines),
        **{'conll: {separator: " ", word: 0, label: 1,': "columns: {words: words, labels: labels,"},
    )
    split = prepared(tasks, tmp_path / "out")["splits"]["train"]
    assert (split["examples"], split["empty_texts"]) == (2, 1)


def test_repairs_and_repeats_of_a_split_are_shown_beside_its_size(write_task, tmp_path, capsys):
    tasks = write_task(
        files={"train": "Anna I-PER\nruns O\n", "test": "Anna I-PER\nruns O\n\nBonn I-LOC\n"},
        **{"iob1": "iob2", "licence": "unseen_labels: count\nlicence"},
    )
    prepared(tasks, tmp_path / "out")
    assert capsys.readouterr().out.splitlines() == [
        "sample: train: 1 example, 2 words; labels repaired: 1",
        "sample: validation: 1 example, 1 word; labels repaired: 1; labels that training lacks: 1",
        "sample: test: 2 examples, 3 words; labels repaired: 2; labels that training lacks: 1; 1 (50.0%) also stand in"
        " training, word for word",
        "sample: set `repeats: drop` in the task file to leave these out of training",
    ]


def test_parquet_is_read_in_pieces_and_damage_in_a_later_one_names_the_file(tmp_path):
    path = tmp_path / "data.parquet"
    texts = [f"{number * 2_654_435_761 % 2**32:032x}" for number in range(20_000)]  # too varied for a dictionary
    parquet.write_table(arrow.table({"text": texts, "label": texts}), path, row_group_size=2_000)
    whole = path.read_bytes()
    half = len(whole) // 2
    path.write_bytes(whole[:half] + bytes(20_000) + whole[half + 20_000 :])
    rows = read_columns(path, Columns(text="text", label="label"))
    assert next(rows).text == texts[0]
    with pytest.raises(SmeltError, match=r"data\.parquet: cannot be read: "):
        list(rows)
