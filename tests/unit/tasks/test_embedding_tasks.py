"""Tasks of similarity and retrieval: what is prepared of their files, and what is refused."""

import json

import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest

from smelt.__main__ import main

PAIRS = """
title: Invented pairs
kind: similarity
languages: [en]
source:
  folder: {data}
  train: pairs.tsv
  validation: pairs.tsv
  test: pairs.tsv
format:
  table: {{text: one, pair: two, label: score}}
metric: {metric}
licence: none
cite: nobody
"""
SEARCH = """
title: Invented queries
kind: retrieval
languages: [en]
source:
  folder: {data}
  train: {file}
  validation: {file}
  test: {file}
format:
  {format}
metric: ndcg-at-10
licence: none
cite: nobody
"""
CORPUS = [
    {"_id": "a", "title": "Oslo", "text": "lies in Norway."},
    {"_id": "b", "title": "", "text": "Lima lies in Peru."},
    {"_id": "c", "text": "Cairo lies in Egypt."},
]
QUERIES = [{"_id": "1", "text": "Where is Oslo?"}, {"_id": "2", "text": "Where is Lima?"}, {"_id": "3", "text": "Who?"}]
JUDGED = "query-id\tcorpus-id\tscore\n1\ta\t2\n1\tb\t1\n2\tb\t1\n2\tc\t0\n"


def lines(rows) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def pairs(tmp_path):
    def write(rows, metric="spearman\nscores: [0, 5]"):
        (tmp_path / "pairs.tsv").write_text("one\ttwo\tscore\n" + "".join(row + "\n" for row in rows))
        (tmp_path / "sample.yaml").write_text(PAIRS.format(data=tmp_path, metric=metric))
        return tmp_path

    return write


@pytest.fixture
def beir(tmp_path):
    def write(corpus=CORPUS, queries=QUERIES, judged=JUDGED, written="beir: {}", file="qrels/test.tsv"):
        (tmp_path / "qrels").mkdir()
        (tmp_path / "corpus.jsonl").write_text(lines(corpus))
        (tmp_path / "queries.jsonl").write_text(lines(queries))
        (tmp_path / file).write_text(judged)
        (tmp_path / "sample.yaml").write_text(SEARCH.format(data=tmp_path, file=file, format=written))
        return tmp_path

    return write


def prepared(folder):
    output = folder / "out"
    assert main(["task", "--name", "sample", "--folder", str(folder), "--output", str(output)]) == 0
    return json.loads((output / "task.json").read_text()), output


def refusal(folder, capsys) -> str:
    assert main(["task", "--name", "sample", "--folder", str(folder), "--output", str(folder / "out")]) == 1
    assert not (folder / "out").exists()
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


# ---- Similarity


def test_pairs_keep_their_scores_and_task_json_their_range(pairs):
    description, output = prepared(pairs(["a b\tc\t0", "d\te f\t2.5", "g\th\t5"]))
    assert description["scores"] == [0, 5]
    assert description["labels"] == []
    assert description["splits"]["test"]["words"] == 8
    rows = parquet.read_table(output / "test.parquet").to_pylist()
    assert rows[1] == {"example": 1, "language": "en", "text": "d", "pair": "e f", "label": "2.5"}


def test_labels_get_other_names(pairs):
    folder = pairs(["a\tb\tsame", "c\td\tother"], metric="average-precision")
    text = (folder / "sample.yaml").read_text()
    (folder / "sample.yaml").write_text(text.replace("label: score", 'label: score, rename: {same: "1", other: "0"}'))
    _, output = prepared(folder)
    assert parquet.read_table(output / "test.parquet")["label"].to_pylist() == ["1", "0"]


@pytest.mark.parametrize("score", ["5.1", "-0.1", "nan", "high"])
def test_a_score_outside_the_range_is_refused_with_its_line(pairs, capsys, score):
    error = refusal(pairs(["a\tb\t1", f"c\td\t{score}"]), capsys)
    assert "pairs.tsv:3: expected a score from 0 to 5, as `scores` has it" in error
    assert score in error


def test_a_label_other_than_0_and_1_is_refused_with_its_line(pairs, capsys):
    error = refusal(pairs(["a\tb\t1", "c\td\tyes"], metric="average-precision"), capsys)
    assert "pairs.tsv:3: expected the label 0 or 1, found" in error


def test_one_score_alone_is_refused(pairs, capsys):
    error = refusal(pairs(["a\tb\t1", "c\td\t1.0"], metric="average-precision"), capsys)
    assert "pairs.tsv:3: expected the label 0 or 1" in error
    error = refusal(pairs(["a\tb\t3", "c\td\t3.0"]), capsys)
    assert "source.train, en: the label of every pair is 3, expected two or more" in error


def test_an_empty_text_is_refused_or_counted(pairs, capsys):
    folder = pairs(["a\tb\t1", "\td\t2"])
    assert "pairs.tsv:3: has an empty side of its pair" in refusal(folder, capsys)
    (folder / "sample.yaml").write_text((folder / "sample.yaml").read_text() + "empty_sides: count\n")
    assert prepared(folder)[0]["splits"]["test"]["empty_sides"] == 1


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("spearman", "scores: expected the lowest and the highest score of a pair for spearman"),
        ("average-precision\nscores: [0, 1]", "scores: has no effect where labels are 0 and 1; leave it out"),
        ("spearman\nscores: [5, 0]", "scores: expected the lowest before the highest"),
        ("average-precision\nunseen_labels: count", "unseen_labels: has no effect where no labels are learnt"),
        ("accuracy", "metric: expected spearman or pearson or average-precision"),
    ],
)
def test_keys_that_do_not_go_together_are_refused(pairs, capsys, metric, expected):
    assert expected in refusal(pairs(["a\tb\t1", "c\td\t0"], metric=metric), capsys)


def test_similarity_needs_two_texts(pairs, capsys):
    folder = pairs(["a\tb\t1", "c\td\t0"])
    (folder / "sample.yaml").write_text((folder / "sample.yaml").read_text().replace("pair: two, ", ""))
    assert "expected `pair`, the column of the second text" in refusal(folder, capsys)


def test_scores_are_for_pairs_alone(pairs, capsys):
    folder = pairs(["a\tb\t1", "c\td\t0"], metric="accuracy\nscores: [0, 1]")
    text = (folder / "sample.yaml").read_text()
    (folder / "sample.yaml").write_text(text.replace("kind: similarity", "kind: sequence-classification"))
    assert "scores: has no effect where nothing is compared with scores" in refusal(folder, capsys)


# ---- Retrieval


def test_queries_have_their_passages_and_grades(beir):
    description, output = prepared(beir())
    rows = parquet.read_table(output / "test.parquet").to_pylist()
    assert [(row["id"], row["text"]) for row in rows] == [("1", "Where is Oslo?"), ("2", "Where is Lima?")]
    assert rows[0]["relevant"] == [{"passage": "a", "grade": 2}, {"passage": "b", "grade": 1}]
    assert rows[1]["relevant"] == [{"passage": "b", "grade": 1}]
    held = parquet.read_table(output / "passages.parquet").to_pylist()
    tested = {row["id"]: row["text"] for row in held if row["split"] == "test"}
    assert tested == {"a": "Oslo lies in Norway.", "b": "Lima lies in Peru.", "c": "Cairo lies in Egypt."}
    assert {row["id"] for row in held if row["split"] == "train"} == {"a", "b"}
    counts = description["splits"]["test"]
    assert (counts["passages"], counts["several_relevant"], counts["without_relevant"]) == (3, 1, 0)
    assert [entry["file"] for entry in counts["sources"]] == ["test.tsv", "corpus.jsonl", "queries.jsonl"]


@pytest.mark.parametrize(
    ("file", "judged"),
    [
        ("qrels/test.trec", "1 0 a 2\n1 0 b 1\n2 0 b 1\n"),
        ("qrels/test.jsonl", lines({"query-id": q, "corpus-id": c, "score": s} for q, c, s in
                                   [("1", "a", 2), ("1", "b", 1), ("2", "b", 1)])),
    ],
)  # fmt: skip
def test_judgements_of_trec_and_of_rows_are_read(beir, file, judged):
    _, output = prepared(beir(judged=judged, file=file))
    rows = parquet.read_table(output / "test.parquet").to_pylist()
    assert [[tuple(each.values()) for each in row["relevant"]] for row in rows] == [[("a", 2), ("b", 1)], [("b", 1)]]


def test_a_query_without_a_relevant_passage_is_left_out_and_counted(beir, capsys):
    description, output = prepared(beir(judged=JUDGED + "3\ta\t0\n"))
    assert len(parquet.read_table(output / "test.parquet")) == 2
    assert description["splits"]["test"]["without_relevant"] == 1
    assert "queries left out, because no passage is relevant to them: 1" in capsys.readouterr().out


def test_a_file_without_any_relevant_passage_is_refused(beir, capsys):
    assert "source.train: no example is in it" in refusal(beir(judged="1\ta\t0\n"), capsys)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"judged": JUDGED + "9\ta\t1\n"}, "test.tsv:6: names the query '9', which the queries lack"),
        ({"judged": JUDGED + "1\tz\t1\n"}, "test.tsv:6: names the passage 'z', which the corpus lacks"),
        ({"judged": JUDGED + "1\ta\t1\n"}, "test.tsv:6: judges query '1' and passage 'a' a second time"),
        ({"judged": JUDGED + "1\tc\thigh\n"}, "test.tsv:6: expected a whole number as the grade, found 'high'"),
        ({"judged": JUDGED + "1\tc\n"}, "test.tsv:6: has 2 columns"),
        ({"corpus": [*CORPUS, CORPUS[0]]}, "corpus.jsonl:4: has the id 'a', as another line before it"),
        ({"queries": [*QUERIES, QUERIES[0]]}, "queries.jsonl:4: has the id '1', as another line before it"),
        ({"queries": [*QUERIES, {"_id": "4", "text": " "}]}, "queries.jsonl:4: has an empty query"),
        ({"corpus": [*CORPUS, {"_id": "d", "text": ""}]}, "corpus.jsonl:4: has an empty passage"),
        ({"corpus": [*CORPUS, {"text": "Somewhere"}]}, "corpus.jsonl:4: lacks column 'id'"),
        ({"written": "beir: {corpus: nowhere.jsonl}"}, "nowhere.jsonl"),
    ],
)
def test_a_broken_set_is_refused_with_its_line(beir, capsys, changes, expected):
    assert expected in refusal(beir(**changes), capsys).replace('"', "'")


def test_empty_passages_may_stand_where_the_task_says_so(beir):
    folder = beir(corpus=[*CORPUS, {"_id": "d", "text": ""}], written="beir: {empty_passages: true}")
    assert prepared(folder)[0]["splits"]["test"]["passages"] == 4


def test_questions_are_queries_for_their_paragraphs_and_take_keeps_these_together(tmp_path):
    paragraphs = [
        {"context": f"Place {number} lies here.", "qas": [
            {"id": f"{number}-{side}", "question": f"Where is {number}, {side}?",
             "answers": [{"text": "here", "answer_start": len(f"Place {number} lies ")}]} for side in "ab"]}
        for number in range(10)
    ]  # fmt: skip
    (tmp_path / "squad.json").write_text(json.dumps({"version": "1.1", "data": [{"paragraphs": paragraphs}]}))
    text = SEARCH.format(data=tmp_path, file="squad.json", format="squad: {}")
    for split, share in (("train", "[0, 0.6]"), ("validation", "[0.6, 0.8]"), ("test", "[0.8, 1]")):
        text = text.replace(f"{split}: squad.json", f"{split}: {{file: squad.json, take: {share}}}")
    (tmp_path / "sample.yaml").write_text(text)
    description, output = prepared(tmp_path)
    assert [description["splits"][split]["examples"] for split in ("train", "validation", "test")] == [12, 4, 4]
    assert description["splits"]["test"]["passages"] == 10
    assert description["contexts_from_train"] == {"validation": 0, "test": 0}
    held = parquet.read_table(output / "passages.parquet").to_pylist()
    texts = {row["id"]: row["text"] for row in held if row["split"] == "test"}
    for row in parquet.read_table(output / "test.parquet").to_pylist():
        assert texts[row["relevant"][0]["passage"]] == f"Place {row['id'][0]} lies here."


def test_a_split_that_is_missing_is_missed_where_labels_are_learnt_or_one_of_two_is_there(pairs, capsys):
    folder = pairs(["a\tb\t1", "c\td\t0"], metric="accuracy")
    text = (folder / "sample.yaml").read_text().replace("kind: similarity", "kind: sequence-classification")
    both = text.replace("  train: pairs.tsv\n", "").replace("  validation: pairs.tsv\n", "")
    (folder / "sample.yaml").write_text(both)
    assert "source.train: is missing" in refusal(folder, capsys)
    (folder / "sample.yaml").write_text(text.replace("  train: pairs.tsv\n", ""))
    assert "expected both train and validation, or none of them" in refusal(folder, capsys)


def test_a_limit_draws_queries_and_keeps_all_passages_of_validation(beir):
    folder = beir()
    words = ["--name", "sample", "--folder", folder, "--output", folder / "out", "--limit", 1, "--validation-limit", 1]
    assert main(["task", *map(str, words)]) == 0
    assert [len(parquet.read_table(folder / "out" / f"{split}.parquet")) for split in ("train", "validation")] == [1, 1]
    held = parquet.read_table(folder / "out" / "passages.parquet")
    assert sum(split == "validation" for split in held["split"].to_pylist()) == 3
    assert parquet.read_table(folder / "out" / "unlabelled.parquet").column_names == [
        "example",
        "language",
        "id",
        "text",
    ]


def test_a_prepared_task_that_lacks_a_passage_is_refused(beir):
    from smelt.errors import SmeltError
    from smelt.tasks.prepared_task import read_split, read_task

    _, output = prepared(beir())
    held = parquet.read_table(output / "passages.parquet").to_pylist()
    parquet.write_table(arrow.Table.from_pylist([row for row in held if row["id"] != "b"]), output / "passages.parquet")
    with pytest.raises(SmeltError, match="lacks 'b' of test: prepare the task again"):
        read_split(output, "test", read_task(output))
