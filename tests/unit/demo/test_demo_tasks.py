"""The demo's tasks are as they are designed: sizes, labels, and the share of the test set that training has shown."""

from pathlib import Path

import pytest

from smelt.__main__ import main
from smelt.demo.grammar import Noun, ProperName, Word
from smelt.demo.languages import LANGUAGES
from smelt.demo.lexicon import lexicon_of
from smelt.demo.tasks import INTENTS, REQUESTS, SENTENCES, hold_out, iob1, sentences_of
from smelt.study.schema import load_study
from smelt.tasks.task_file import load_task

SPLITS = ("train", "validation", "test")
PERSON, OTHER, PLACE = (
    ProperName("PER", (Noun("A"), Noun("B"))),
    ProperName("PER", (Noun("C"),)),
    ProperName("LOC", (Noun("D"),)),
)


@pytest.fixture(scope="module")
def tasks(tmp_path_factory) -> Path:
    """A folder with both tasks' files."""
    folder = tmp_path_factory.mktemp("tasks")
    for task in ("demo-ner", "demo-intent"):
        assert main(["demo-data", "--task", task, "--output", str(folder / task)]) == 0
    return folder


def _sentences(file: Path) -> list[list[tuple[str, str]]]:
    blocks = file.read_text(encoding="utf-8").strip().split("\n\n")
    return [[tuple(line.split(" ")) for line in block.split("\n")] for block in blocks]


def _rows(file: Path) -> list[list[str]]:
    return [line.split("\t") for line in file.read_text(encoding="utf-8").splitlines()]


def _mentions(code: str, split: str) -> list[ProperName]:
    sentences = sentences_of(LANGUAGES[code], split, seed=1)
    return [word.name for words in sentences for word in words if word.name is not None and word.begins]


def test_a_name_right_after_one_of_its_type_begins_with_b():
    words = [
        Word("A", PERSON, begins=True),
        Word("B", PERSON),
        Word("C", OTHER, begins=True),
        Word("D", PLACE, begins=True),
        Word("x"),
        Word("C", OTHER, begins=True),
    ]
    assert iob1(words) == ["I-PER", "I-PER", "B-PER", "I-LOC", "O", "I-PER"]


@pytest.mark.parametrize("code", LANGUAGES)
@pytest.mark.parametrize("split", SPLITS)
def test_sentences_are_as_many_as_declared_and_end_in_a_full_stop(tasks, code, split):
    sentences = _sentences(tasks / "demo-ner" / f"{split}-{code}.conll")
    assert len(sentences) == SENTENCES[split]
    assert all(words[-1] == (".", "O") for words in sentences)


@pytest.mark.parametrize("code", LANGUAGES)
def test_labels_are_those_of_iob1(tasks, code):
    before, labels = "O", set()
    for words in _sentences(tasks / "demo-ner" / f"train-{code}.conll"):
        for _, label in words:
            if label.startswith("B-"):
                assert before[2:] == label[2:], "IOB1 has B- only after an entity of the same type"
            before = label
            labels.add(label)
    assert (
        {"O", "I-LOC", "I-ORG", "I-PER"} <= labels <= {"O", *(f"{p}-{k}" for p in "BI" for k in ("LOC", "ORG", "PER"))}
    )


def test_adjoining_names_of_one_type_occur(tasks):
    files = [tasks / "demo-ner" / f"train-{code}.conll" for code in LANGUAGES]
    assert any("B-" in label for file in files for words in _sentences(file) for _, label in words)


@pytest.mark.parametrize("code", LANGUAGES)
def test_half_of_the_mentions_in_the_test_set_are_of_names_unseen_in_training(code):
    seen, mentions = set(_mentions(code, "train")), _mentions(code, "test")
    known = set(lexicon_of(LANGUAGES[code], 1).names_of("PER", "known"))
    known |= set(lexicon_of(LANGUAGES[code], 1).names_of("LOC", "known"))
    known |= set(lexicon_of(LANGUAGES[code], 1).names_of("ORG", "known"))
    assert seen <= known
    assert 0.4 < sum(name not in known for name in mentions) / len(mentions) < 0.6


@pytest.mark.parametrize("code", LANGUAGES)
@pytest.mark.parametrize("split", SPLITS)
def test_requests_are_as_many_as_declared_with_every_intent(tasks, code, split):
    header, *rows = _rows(tasks / "demo-intent" / f"{split}-{code}.tsv")
    assert header == ["id", "text", "intent"]
    assert len(rows) == REQUESTS[split]
    assert {intent for _, _, intent in rows} == set(INTENTS)


def test_training_requests_never_name_the_things_held_out(tasks):
    lexicon = lexicon_of(LANGUAGES["qaa"], seed=1)
    hidden = {noun.stem for topic in INTENTS.values() for noun in hold_out(lexicon.topics[topic].things).items}
    named = {split: _words(tasks / "demo-intent" / f"{split}-qaa.tsv") & hidden for split in SPLITS}
    assert not named["train"]
    assert len(named["test"]) > 12


def _words(file: Path) -> set[str]:
    """Return a file's words in their running form, capitals at the start of a sentence left out as names have them."""
    return {word.strip(".") for _, text, _ in _rows(file)[1:] for word in text.split()}


@pytest.mark.parametrize("task", ["demo-ner", "demo-intent"])
def test_the_same_seed_gives_the_same_task_and_another_seed_another(tasks, tmp_path, task):
    for name, seed in (("same", "1"), ("other", "2")):
        assert main(["demo-data", "--task", task, "--seed", seed, "--output", str(tmp_path / name)]) == 0
    for file in (tasks / task).iterdir():
        assert (tmp_path / "same" / file.name).read_bytes() == file.read_bytes()
        assert (tmp_path / "other" / file.name).read_bytes() != file.read_bytes()


@pytest.mark.parametrize("task", ["demo-ner", "demo-intent"])
def test_the_task_file_names_the_files_that_are_generated(tasks, task):
    named = {Path(file).name for file in load_task(task).local_files()}
    assert named == {file.name for file in (tasks / task).iterdir()}


def test_the_demo_study_compares_three_vocabularies_on_the_generated_wikis():
    study = load_study(Path("config/config.yaml"))
    assert study.corpora["wiki"].languages == list(LANGUAGES)
    assert len({tokenizer.vocabulary for tokenizer in study.tokenizers.values()}) == 3
    assert set(study.tasks) == {"demo-ner", "demo-intent"}
    assert len({(str(model.shape), str(model.training)) for model in study.models.values()}) == 1


def test_an_unknown_task_leaves_one_clear_line(tmp_path, capsys):
    assert main(["demo-data", "--task", "conll2003", "--output", str(tmp_path / "task")]) == 1
    assert "demo-ner, demo-intent" in capsys.readouterr().err
    assert not (tmp_path / "task").exists()
