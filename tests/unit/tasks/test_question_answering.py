"""Questions as SQuAD publishes them: read, refused, split by context, and scored by the rules of two scripts."""

import json
import os
import random
import re
import string
import unicodedata
from collections import Counter
from typing import Any

import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest

from smelt.__main__ import main
from smelt.entry import check
from smelt.strict_yaml import read_yaml
from smelt.tasks.answers import MlqaF1, SquadF1
from smelt.tasks.splits import SPLITS
from smelt.tasks.task_file import LIBRARY, TaskFile

CONTEXT = "Anna lives in Oslo. Boris, her brother, lives in Lima."
TASK = """
title: Invented questions
kind: question-answering
languages: [en]
source:
  folder: {data}
  train: {file}
  validation: {file}
  test: {file}
format:
  squad: {keys}
metric: squad-f1
licence: none
cite: nobody
"""


def answer(text: str, start: int | None = None) -> dict[str, Any]:
    return {"text": text, "answer_start": CONTEXT.index(text) if start is None else start}


def asked(name: str, question: str, *answers: dict[str, Any]) -> dict[str, Any]:
    return {"id": name, "question": question, "answers": list(answers)}


WHERE = asked("q1", "Where does Anna live?", answer("Oslo"))
WHO = asked("q2", "Who lives in Lima?", answer("Boris"), answer("Boris, her brother"))


def nested(*questions: dict[str, Any], version: str | None = "1.1", context: str = CONTEXT) -> str:
    whole = {"data": [{"title": "Anna", "paragraphs": [{"context": context, "qas": list(questions)}]}]}
    return json.dumps(whole | ({} if version is None else {"version": version}))


def flat(*questions: dict[str, Any], context: str = CONTEXT) -> list[dict[str, Any]]:
    """The rows that the hub has."""
    return [
        {
            "id": question["id"],
            "question": question["question"],
            "context": context,
            "answers": {key: [each[key] for each in question["answers"]] for key in ("text", "answer_start")},
        }
        for question in questions
    ]


@pytest.fixture
def prepare(tmp_path):
    """Prepare a task of one file with these keys of the format, and return the exit code and the output's folder."""

    def run(content: str | bytes, file: str = "all.json", keys: str = "{}") -> tuple[int, Any]:
        data, tasks, output = tmp_path / "data", tmp_path / "tasks", tmp_path / "output"
        data.mkdir(exist_ok=True)
        tasks.mkdir(exist_ok=True)
        (data / file).write_bytes(content.encode() if isinstance(content, str) else content)
        (tasks / "sample.yaml").write_text(TASK.format(data=data, file=file, keys=keys))
        return main(["task", "--name", "sample", "--folder", str(tasks), "--output", str(output)]), output

    return run


def read(output) -> list[dict[str, Any]]:
    return parquet.read_table(output / "test.parquet").to_pylist()


def test_the_layouts_of_squad_give_the_same_questions(prepare, tmp_path):
    lines = "\n".join(map(json.dumps, flat(WHERE, WHO)))
    arrow_file = tmp_path / "rows.parquet"
    parquet.write_table(arrow.Table.from_pylist(flat(WHERE, WHO)), arrow_file)
    written = {
        "nested.json": nested(WHERE, WHO),
        "unversioned.json": nested(WHERE, WHO, version=None),
        "mlqa.json": nested(WHERE, WHO, version="1.0"),
        "rows.json": json.dumps({"data": flat(WHERE, WHO)}),
        "array.json": json.dumps(flat(WHERE, WHO)),
        "rows.jsonl": lines,
        "rows.parquet": arrow_file.read_bytes(),
    }
    found = {}
    for file, content in written.items():
        code, output = prepare(content, file)
        assert code == 0, file
        found[file] = read(output)
    assert all(rows == found["nested.json"] for rows in found.values()), found
    first, second = found["nested.json"]
    assert first["answers"] == ["Oslo"]
    assert first["starts"] == [CONTEXT.index("Oslo")]
    assert second["answers"] == ["Boris", "Boris, her brother"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            nested(asked("q9", "Where?", answer("Rome", 3))),
            "question 'q9': its answer 'Rome' does not begin at character 3",
        ),
        (nested(asked("q9", "Where?", answer("Oslo", 3))), "but stands elsewhere in its context"),
        (nested(asked("q9", "Where?", answer("brother", -1))), "does not begin at character -1"),
        (nested(asked("q9", " ", answer("Oslo"))), "question 'q9': has an empty question"),
        (nested(asked("q9", "Where?", answer(""))), "question 'q9': has an empty answer"),
        (nested(asked("q9", "Where?")), "question 'q9': has no answer: expected SQuAD 1"),
        (nested(asked("q9", "Where?", answer("", -1))), "question 'q9': has an empty answer"),
        (nested(WHERE | {"is_impossible": True}), "question 'q1': has no answer"),
        (nested(WHERE, WHERE), "question 'q1': stands in the file twice"),
        (nested(WHERE, version="v2.0"), "is version 'v2.0': expected SQuAD 1"),
        (nested(WHERE).replace('"1.1"', "3"), "is version 3: expected SQuAD 1"),
        (nested(asked("q9", "\u200b", answer("Oslo"))), "question 'q9': has an empty question"),
        (
            nested(asked("q9", "Where?", answer("Oslo"), answer("Rome", 3))),
            "its answer 'Rome' does not begin at character 3, but is not in its context: mend it, or",
        ),
        (nested(WHERE, context=" "), "has an empty context"),
        (json.dumps({"data": [{"title": "x", "paragraphs": "none"}]}), "article 1: expected a list of objects"),
        (json.dumps([{"id": 1, "question": "Where?", "context": CONTEXT}]), "row 1: lacks 'answers'"),
        (json.dumps([flat(WHERE)[0] | {"answers": "Oslo"}]), "expected answers, each with text and answer_start"),
        (nested(WHERE)[:-10], "is not JSON"),
        ("", "is empty"),
    ],
)
def test_a_file_that_is_not_squad_is_refused_in_one_line(prepare, capsys, content, reason):
    code, output = prepare(content)
    error = capsys.readouterr().err
    assert code == 1
    assert not output.exists()
    assert error.count("\n") == 1
    assert "all.json" in error
    assert reason in error


def test_misplaced_answers_can_be_counted(prepare, capsys):
    untranslated = asked("q2", "Who?", answer("", -1), answer("Boris"), answer("her brother"))  # as TAR has them
    code, output = prepare(nested(asked("q1", "Where?", answer("Oslo", 3)), untranslated), keys="{misplaced: count}")
    assert code == 0
    assert [row["starts"] for row in read(output)] == [[-1], [CONTEXT.index("Boris"), CONTEXT.index("her")]]
    assert [row["answers"] for row in read(output)] == [["Oslo"], ["Boris", "her brother"]]
    split = json.loads((output / "task.json").read_text())["splits"]["test"]
    assert (split["misplaced_answers"], split["several_answers"]) == (2, 1)
    assert split["unanswered"] == 0
    assert "answers that do not stand at their place, or are empty: 2" in capsys.readouterr().out


def test_answers_that_overlap_are_all_kept_as_right_ones(prepare, capsys):
    overlapping = asked("q0", "Who?", answer("Boris, her"), answer("her brother"), answer("Boris, her brother"))
    code, output = prepare(nested(overlapping, WHERE))
    assert code == 0
    first = read(output)[0]
    assert first["answers"] == ["Boris, her", "her brother", "Boris, her brother"]
    assert first["starts"] == [CONTEXT.index("Boris"), CONTEXT.index("her"), CONTEXT.index("Boris")]
    assert "test: 2 examples, 25 words; questions with several answers: 1" in capsys.readouterr().out


def of_contexts(*names: str) -> str:
    """Return a file with two questions about each context."""
    contexts = [f"{name} lives in Oslo." for name in names]
    questions = [
        [asked(f"{name}-{number}", f"Where {number}?", {"text": "Oslo", "answer_start": len(f"{name} lives in ")})]
        for name in names
        for number in range(2)
    ]
    paragraphs = [{"context": contexts[place // 2], "qas": found} for place, found in enumerate(questions)]
    return json.dumps({"data": [{"paragraphs": paragraphs}]})


@pytest.mark.parametrize("repeats", ["keep", "drop"])
def test_questions_about_a_context_of_another_split_are_counted_or_dropped(tmp_path, capsys, repeats):
    """Other questions about one context: no example stands in two splits, and the answers have been read."""
    parts = {
        "train": of_contexts("Ana", "Ben", "Eva"),
        "validation": of_contexts("Ben", "Zoe").replace("Where", "In which town"),
        "test": of_contexts("Ana", "Zoe", "Max").replace("Where", "What town"),
    }
    text = TASK.format(data=tmp_path, file="x", keys="{}") + f"repeats: {repeats}\n"
    for split, content in parts.items():
        (tmp_path / f"{split}.json").write_text(content)
        text = text.replace(f"{split}: x", f"{split}: {split}.json")
    (tmp_path / "sample.yaml").write_text(text)
    assert main(["task", "--name", "sample", "--folder", str(tmp_path), "--output", str(tmp_path / "out")]) == 0
    found = json.loads((tmp_path / "out" / "task.json").read_text())
    log = [line.partition("words; ")[2] for line in capsys.readouterr().out.splitlines()]
    assert found["repeated_from_train"] == {"validation": 0, "test": 0}
    if repeats == "keep":
        assert found["contexts_from_train"] == {"validation": 2, "test": 2}
        assert found["contexts_from_validation"] == {"test": 2}
        assert log[1:3] == [
            "2 (50.0%) are about contexts of training",
            "2 (33.3%) are about contexts of training; 2 (33.3%) are about contexts of validation",
        ]
        return
    assert [found["splits"][split]["examples"] for split in ("train", "validation", "test")] == [2, 2, 6]
    assert [found["splits"][split]["dropped_repeats"] for split in ("train", "validation", "test")] == [4, 2, 0]
    assert found["contexts_from_train"] == {"validation": 0, "test": 0}
    assert log[0] == "4 left out, because their contexts also stand in a later split"
    contexts = set(parquet.read_table(tmp_path / "out" / "train.parquet")["context"].to_pylist())
    assert contexts == {"Eva lives in Oslo."}


@pytest.mark.skipif("SMELT_DATA" not in os.environ, reason="SMELT_DATA names no folder of real data")
@pytest.mark.parametrize("name", ["xquad-dev.all", "xquad-dev.transfer", "squad-es-dev", "mlqa-dev.in-language.es"])
def test_no_question_of_the_cut_sets_stands_in_two_splits_in_any_language(name, tmp_path):
    assert main(["task", "--name", name, "--output", str(tmp_path / name)]) == 0
    ids = [set(parquet.read_table(tmp_path / name / f"{split}.parquet")["id"].to_pylist()) for split in SPLITS]
    assert all(ids)
    assert not ids[0] & ids[1] | ids[0] & ids[2] | ids[1] & ids[2]
    found = json.loads((tmp_path / name / "task.json").read_text())
    assert found["contexts_from_train"] == {"validation": 0, "test": 0}


def test_the_joint_tasks_of_the_library_are_those_that_are_checked():
    """A new question task that trains on several languages cut from parallel files belongs into the test above."""
    joint = []
    for path in sorted(LIBRARY.glob("*.yaml")):
        file = check(TaskFile, read_yaml(path), path)
        for name in file.settings or [""]:
            each = bool(name) and file.settings[name].of_each_language
            task = file.under(name, file.languages[0] if each else None) if name else file
            cut = any(part.take != (0, 1) for split in SPLITS if (part := task.source.split(split)))
            if task.kind == "question-answering" and len(task.languages) > 1 and cut:
                joint.append(f"{path.stem}.{name}")
    assert joint == ["xquad-dev.transfer", "xquad-dev.all"]


def test_questions_whose_answers_are_all_empty_are_left_out_and_counted(prepare, capsys):
    """Training sets have one answer a question, and translation may have lost it."""
    lost = asked("q3", "Who?", answer("", -1))
    code, output = prepare(nested(WHERE, lost, WHO), keys="{misplaced: count}")
    assert code == 0
    assert [row["id"] for row in read(output)] == ["q1", "q2"]
    split = json.loads((output / "task.json").read_text())["splits"]["test"]
    assert (split["examples"], split["unanswered"], split["empty_texts"]) == (2, 1, 0)
    assert "questions left out, because all their answers are empty: 1" in capsys.readouterr().out


@pytest.mark.parametrize("key", ["unseen_labels: count", "empty_sides: count"])
def test_keys_of_labels_are_refused(tmp_path, capsys, key):
    (tmp_path / "sample.yaml").write_text(TASK.format(data=tmp_path, file="x", keys="{}") + key + "\n")
    assert main(["task", "--name", "sample", "--folder", str(tmp_path), "--output", str(tmp_path / "out")]) == 1
    assert f"{key.partition(':')[0]}: has no effect" in capsys.readouterr().err


def test_no_context_stands_in_two_parts_of_a_file(tmp_path):
    articles = [
        {
            "context": f"Town {number} has {number} wells.",
            "qas": [
                {
                    "id": f"{number}-{which}",
                    "question": f"Wells? {which}",
                    "answers": [{"text": "wells", "answer_start": 0}],
                }
                for which in range(4)
            ],
        }
        for number in range(30)
    ]
    for article in articles:
        for question in article["qas"]:
            question["answers"][0]["answer_start"] = article["context"].index("wells")
    (tmp_path / "all.json").write_text(json.dumps({"data": [{"paragraphs": articles}]}))
    text = TASK.format(data=tmp_path, file="x", keys="{}")
    for split, share in (("train", "[0, 0.5]"), ("validation", "[0.5, 0.75]"), ("test", "[0.75, 1]")):
        text = text.replace(f"{split}: x", f"{split}: {{file: all.json, take: {share}}}")
    (tmp_path / "sample.yaml").write_text(text)
    assert main(["task", "--name", "sample", "--folder", str(tmp_path), "--output", str(tmp_path / "out")]) == 0
    parts = [
        parquet.read_table(tmp_path / f"out/{split}.parquet")["context"].to_pylist()
        for split in ("train", "validation", "test")
    ]
    assert sum(map(len, parts)) == 120
    assert [len(set(part)) for part in parts] == [15, 7, 8]
    assert not set(parts[0]) & set(parts[1]) | set(parts[1]) & set(parts[2]) | set(parts[0]) & set(parts[2])


# The rules again, written from the papers' description and in another way than the module's: by regular expressions.
ARTICLES = {
    "en": "a an the", "es": "un una unos unas el la los las", "vi": "của là cái chiếc những",
    "de": "ein eine einen einem eines einer der die das den dem des",
}  # fmt: skip
WORDS = {
    "en": ["the", "The", "a", "cat", "cats.", "U.S.", "“quote”", "—", "3,000", "a.m.", "theatre", "$5", "C++", "it's"],
    "es": ["el", "La", "los", "¿Qué?", "día,", "«a»", "3.000", "unas", "años", "elefante"],
    "de": ["der", "Die", "Straße", "dem,", "'x'", "Übung", "einer", "eineiig"],
    "hi": ["और।", "का", "के,", "अंग्रेज़ी", "the"],
    "vi": ["của", "là", "Việt", "Nam,", "những"],
    "ar": ["الكتاب", "ال", "كتاب،", "بيت؟", "قال"],
    "zh": ["中国人", "北京，", "2008年", "NBA", "。", "A股", "the"],
}


def rules(text: str, language: str, mlqa: bool) -> list[str]:
    def dropped(letter: str) -> bool:
        return letter in string.punctuation or (mlqa and unicodedata.category(letter)[0] == "P")

    text = "".join("" if dropped(letter) else letter for letter in text.lower())
    spoken = language if mlqa else "en"
    if spoken in ARTICLES:
        words = re.split(r"(\W+)", text)
        text = "".join(" " if word in ARTICLES[spoken].split() else word for word in words)
    if spoken == "ar":
        text = " ".join(text.split("ال"))
    if spoken == "zh":
        return re.findall(r"[\u4e00-\u9fa5]|[^\s\u4e00-\u9fa5]+", text)
    return text.split()


def expected(predicted: str, right: list[str], language: str, mlqa: bool) -> tuple[float, bool]:
    best, exact, given = 0.0, False, rules(predicted, language, mlqa)
    for each in right:
        wanted = rules(each, language, mlqa)
        exact |= given == wanted
        left, shared = Counter(wanted), 0
        for word in given:
            if left[word] > 0:
                left[word] -= 1
                shared += 1
        if shared:
            precision, recall = shared / len(given), shared / len(wanted)
            best = max(best, 2 * precision * recall / (precision + recall))
    return best, exact


@pytest.mark.parametrize("language", WORDS)
@pytest.mark.parametrize("metric", [SquadF1(), MlqaF1()], ids=["squad", "mlqa"])
def test_scores_are_those_of_the_official_rules(metric, language):
    draw = random.Random(language)

    def text() -> str:
        return draw.choice([" ", "  ", "-", ""]).join(draw.choices(WORDS[language], k=draw.randint(0, 5)))

    seen = set()
    for _ in range(1_000):
        predicted, right = text(), [text() for _ in range(draw.randint(1, 3))]
        found = metric.score([right], [[predicted]], [language])
        f1, exact = expected(predicted, right, language, metric.name == "mlqa-f1")
        assert found[metric.key] == pytest.approx(f1, abs=1e-12), (predicted, right)
        assert found["exact_match"] == exact, (predicted, right)
        seen.add((f1 > 0, exact))
    assert len(seen) == 4  # an empty answer matches an empty one, and shares no word with it


def test_scores_are_means_over_questions():
    found = SquadF1().score([["Oslo"], ["in Lima", "Lima"]], [["Oslo!"], ["the city of Lima"]], ["en", "en"])
    assert found == {"squad_f1": pytest.approx((1 + 2 * 1 / (3 + 1)) / 2), "exact_match": 0.5}
