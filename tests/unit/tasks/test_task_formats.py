"""Every format that task files know, on real files."""

import json

import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest

from smelt.errors import SmeltError
from smelt.tasks.formats.bracketed import Bracketed, read_bracketed
from smelt.tasks.formats.columns import Columns, read_columns
from smelt.tasks.formats.conll import Conll, read_conll
from smelt.tasks.formats.conllu import Conllu, read_conllu
from smelt.tasks.formats.label_text import LabelText, read_label_text
from smelt.tasks.formats.offsets import Offsets, read_offsets
from smelt.tasks.formats.slotgated import SlotGated, read_slotgated
from smelt.tasks.formats.table import Delimited, read_table


def pairs(sentences):
    return [list(zip(sentence.words, sentence.labels, strict=True)) for sentence in sentences]


def test_conll_reads_windows_line_ends_a_byte_order_mark_and_documents(tmp_path):
    path = tmp_path / "data"
    path.write_bytes("\ufeff-DOCSTART- -X- O\r\n\r\nAnna N I-PER\r\n\r\nruns V O\r\n".encode())
    columns = Conll(separator=" ", word=0, label=2, scheme="iob1")
    assert pairs(read_conll(path, columns, "en")) == [[("Anna", "I-PER")], [("runs", "O")]]


def test_conll_takes_the_language_off_words_that_bear_it(tmp_path):
    path = tmp_path / "data"
    path.write_text("fr:Upton\tB-ORG\nfr:fr:\tO\n")
    columns = Conll(separator="\t", scheme="iob2", prefix="{language}:")
    assert pairs(read_conll(path, columns, "fr")) == [[("Upton", "B-ORG"), ("fr:", "O")]]


def test_conll_names_the_line_with_too_few_columns(tmp_path):
    path = tmp_path / "data"
    path.write_text("Anna I-PER\nruns\n")
    with pytest.raises(SmeltError, match=r"data:2: expected at least 2 columns, found 1: 'runs'"):
        list(read_conll(path, Conll(separator=" ", scheme="iob1"), "en"))


def test_lines_end_at_line_feeds_only(tmp_path):
    path = tmp_path / "data"
    path.write_text("a\u2028b O\nc\x85d O\n")
    assert pairs(read_conll(path, Conll(separator=" ", scheme="iob1"), "en")) == [[("a\u2028b", "O"), ("c\x85d", "O")]]


def test_a_file_that_is_not_utf8_is_named_with_its_line(tmp_path):
    path = tmp_path / "data"
    path.write_bytes(b"Anna O\ncaf\xe9 O\n")
    with pytest.raises(SmeltError, match=r"data:2: is not UTF-8"):
        list(read_conll(path, Conll(separator=" ", scheme="iob1"), "en"))


def test_conllu_keeps_syntactic_words_without_ranges_and_empty_nodes(tmp_path):
    path = tmp_path / "data"
    rows = [("1-2", "du", "_"), ("1", "de", "ADP"), ("2", "le", "DET"), ("2.1", "x", "_"), ("3", "pain", "NOUN")]
    path.write_text("# text = du pain\n" + "".join(f"{i}\t{w}\t_\t{t}" + "\t_" * 6 + "\n" for i, w, t in rows) + "\n")
    assert pairs(read_conllu(path, Conllu())) == [[("de", "ADP"), ("le", "DET"), ("pain", "NOUN")]]


def slotgated(folder, words, slots, intents="a\n"):
    for name, text in (("seq.in", words), ("seq.out", slots), ("label", intents)):
        (folder / name).write_text(text)
    return folder


def test_slotgated_reads_slots_and_intents_past_doubled_blanks(tmp_path):
    slotgated(tmp_path, "play  jazz \n", "O B-genre \n", "PlayMusic\n")
    assert pairs(read_slotgated(tmp_path, SlotGated(label="slots"))) == [[("play", "O"), ("jazz", "B-genre")]]
    (text,) = read_slotgated(tmp_path, SlotGated(label="intent"))
    assert (text.text, text.label) == ("play jazz", "PlayMusic")


def test_slotgated_names_the_line_whose_words_and_slots_differ_in_number(tmp_path):
    slotgated(tmp_path, "a b\nc d\n", "O O\nO\n")
    with pytest.raises(SmeltError, match=r"seq\.out:2: expected 2 labels, one a word of seq\.in, found 1"):
        list(read_slotgated(tmp_path, SlotGated(label="slots")))


def test_slotgated_files_of_different_lengths_are_an_error(tmp_path):
    slotgated(tmp_path, "a\nb\n", "O\n")
    with pytest.raises(SmeltError, match=r"seq\.out: expected the 2 lines of seq\.in, found 1"):
        list(read_slotgated(tmp_path, SlotGated(label="slots")))


def test_tables_read_columns_by_name_and_csv_quotes(tmp_path):
    path = tmp_path / "data"
    path.write_text('id,mood,text\n1,good,"fine, ""very"" fine"\n')
    (text,) = read_table(path, Delimited(separator=",", quoted=True, text="text", label="mood"))
    assert (text.text, text.label) == ('fine, "very" fine', "good")


def test_a_csv_may_have_blanks_after_its_commas_and_long_articles(tmp_path):
    path = tmp_path / "data"
    article = "habari, " * 30_000
    path.write_text(f'id, text, label\n1, "fine, ""very"" fine", good\n2, "{article}", news\n')
    texts = list(read_table(path, Delimited(separator=",", quoted=True, text="text", label="label")))
    assert [(text.text, text.label) for text in texts] == [('fine, "very" fine', "good"), (article.strip(), "news")]


def test_quotation_marks_are_text_where_a_table_is_not_quoted(tmp_path):
    path = tmp_path / "data"
    path.write_text('"fine\t1\nbad"\t0\n')
    texts = read_table(path, Delimited(separator="\t", header=False, text=0, label=1))
    assert [(text.text, text.label) for text in texts] == [('"fine', "1"), ('bad"', "0")]


def test_tables_may_hold_words_and_labels(tmp_path):
    path = tmp_path / "data"
    path.write_text("id\tutterance\tslots\n1\tto Oslo\tO B-city\n")
    assert pairs(read_table(path, Delimited(words="utterance", labels="slots", scheme="iob2"))) == [
        [("to", "O"), ("Oslo", "B-city")]
    ]


def test_a_column_that_the_header_lacks_is_an_error_that_lists_them(tmp_path):
    path = tmp_path / "data"
    path.write_text("a\tb\n1\t2\n")
    with pytest.raises(SmeltError, match="no column is called 'text': its header names a, b"):
        list(read_table(path, Delimited(text="text", label="b")))


def test_labels_may_stand_before_texts(tmp_path):
    path = tmp_path / "data"
    path.write_text("2 in his first stab\n")
    (text,) = read_label_text(path, LabelText())
    assert (text.text, text.label) == ("in his first stab", "2")


def test_class_numbers_of_hub_files_become_their_names(tmp_path):
    path = tmp_path / "data.parquet"
    features = {"intent": {"names": ["alarm", "music"], "_type": "ClassLabel"}, "utt": {"dtype": "string"}}
    table = arrow.table({"utt": ["play", "wake me"], "intent": [1, 0]})
    metadata = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    parquet.write_table(table.replace_schema_metadata(metadata), path)
    assert [text.label for text in read_columns(path, Columns(text="utt", label="intent"))] == ["music", "alarm"]


def test_bracketed_slots_become_iob2(tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_text(json.dumps({"annot_utt": "wake me at [time : five am] [date : today]"}) + "\n")
    assert pairs(read_bracketed(path, Bracketed(utterance="annot_utt"), "en")) == [
        [("wake", "O"), ("me", "O"), ("at", "O"), ("five", "B-time"), ("am", "I-time"), ("today", "B-date")]
    ]


def test_characters_are_words_where_the_task_says_so(tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_text(json.dumps({"utt": "[date : 今天]好"}, ensure_ascii=False) + "\n")
    read = read_bracketed(path, Bracketed(utterance="utt", characters=["zh"]), "zh")
    assert pairs(read) == [[("今", "B-date"), ("天", "I-date"), ("好", "O")]]


def test_an_unclosed_bracket_is_an_error(tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_text(json.dumps({"utt": "wake me at [time : five"}) + "\n")
    with pytest.raises(SmeltError, match=r"row 1: expected slots as \[name : words\]"):
        list(read_bracketed(path, Bracketed(utterance="utt"), "en"))


def test_spans_by_characters_become_iob2_with_punctuation_apart(tmp_path):
    path = tmp_path / "data"
    path.write_text("a\t13:19:place,5:10:date\tWarm heute,  Berlin?\n\na\t\tHalt an \n")
    assert pairs(read_offsets(path, Offsets(text=2, spans=1))) == [
        [("Warm", "O"), ("heute", "B-date"), (",", "O"), ("Berlin", "B-place"), ("?", "O")],
        [("Halt", "O"), ("an", "O")],
    ]


@pytest.mark.parametrize(
    ("spans", "fault", "labels"),
    [
        ("4:11:date", "does not begin and end with words", ["O", "B-date", "I-date", "O"]),
        ("3:20:date", "does not begin and end with words", ["O", "B-date", "I-date", "I-date"]),
        ("3:8:date,8:13:place", "does not begin and end with words", ["O", "B-date", "B-place", "I-place"]),
        ("3:11:date,8:13:time", "overlaps another span", ["O", "B-date", "I-date", "B-time"]),
        ("-2:2:date", "does not begin and end with words", ["B-date", "O", "O", "O"]),
        ("40:44:date", "has no word", ["O", "O", "O", "O"]),
        ("2:3:date", "has no word", ["O", "O", "O", "O"]),
    ],
)
def test_a_misplaced_span_is_named_or_counted(tmp_path, spans, fault, labels):
    path = tmp_path / "data"
    path.write_text(f"am neun Mai 98\t\nam neun Mai 9\t{spans}\n")
    with pytest.raises(SmeltError, match=f"data:2: .* of 'am neun Mai 9', {fault}: expected the characters of whole"):
        list(read_offsets(path, Offsets(text=0, spans=1)))
    _, found = read_offsets(path, Offsets(text=0, spans=1, misplaced="count"))
    assert found.labels == labels
    assert found.misplaced == 1


@pytest.mark.parametrize("spans", ["3:7", "7:3:date", "a:b:date", "3:7:date;8:9:time:x,1"])
def test_spans_that_are_none_are_refused(tmp_path, spans):
    path = tmp_path / "data"
    path.write_text(f"am neun Mai\t{spans}\n")
    with pytest.raises(SmeltError, match=r"data:1: expected spans as start:end:name, with commas between them, found"):
        list(read_offsets(path, Offsets(text=0, spans=1, misplaced="count")))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"tokens": "Anna runs", "tags": ["B-PER", "O"]}, "row 1: expected a list of texts in column 'tokens'"),
        ({"tokens": ["Anna", None], "tags": ["B-PER", "O"]}, "row 1: expected a list of texts in column 'tokens'"),
        ({"tokens": ["Anna"], "tags": None}, "row 1: lacks column 'tags': it has tokens"),
    ],
)
def test_rows_without_lists_of_words_and_labels_are_refused(tmp_path, row, message):
    path = tmp_path / "data.jsonl"
    path.write_text(json.dumps(row) + "\n")
    with pytest.raises(SmeltError, match=message):
        list(read_columns(path, Columns(words="tokens", labels="tags", scheme="iob2")))
