"""Words given one by one are cut as in running text, whatever the tokenizer, or the tokenizer is refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from invented_tasks import sentences, write_task
from published_tokenizers import BYTES, SENTENCES, WITH_BLANKS, WITHOUT_BLANKS, in_tokenizer_json
from tokenizers import pre_tokenizers
from transformers import AutoTokenizer, RobertaConfig, RobertaForMaskedLM

from smelt.__main__ import main
from smelt.report.lost_blanks import loses_blanks
from smelt.tasks.kinds import kind_of
from smelt.tasks.kinds.base import Examples, Task
from smelt.tasks.prepared_task import encode
from smelt.tasks.running_text import compare
from smelt.tasks.tokenizer import load_pieces

WORDS = [sentence.split() for sentence in SENTENCES]
TASK = Task("sample", "token-classification", "seqeval-f1", "iob2", ["O"])
ALL = WITHOUT_BLANKS | WITH_BLANKS


def folder_of(write: Callable[[Path], None], folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    write(folder)
    return folder


def examples(words: list[list[str]]) -> Examples:
    return Examples(list(range(len(words))), ["en"] * len(words), {"words": words}, [["O"] * len(row) for row in words])


@pytest.mark.parametrize("name", ALL)
def test_words_have_the_pieces_that_they_have_in_running_text(name: str, tmp_path: Path) -> None:
    pieces = load_pieces(folder_of(ALL[name], tmp_path))
    encoded = encode(examples(WORDS), TASK, pieces, length=500)
    original = AutoTokenizer.from_pretrained(tmp_path)
    for window, words in zip(encoded.windows, WORDS, strict=True):
        text = " ".join(words)
        blank = "" if name in WITH_BLANKS else " "  # the first word has a blank too, as add_prefix_space gives it
        assert list(window.ids) == [*pieces.prefix, *original(blank + text, add_special_tokens=False)["input_ids"],
                                    *pieces.suffix]  # fmt: skip


@pytest.mark.parametrize("name", WITHOUT_BLANKS)
def test_without_the_blank_most_words_would_be_cut_differently(name: str, tmp_path: Path) -> None:
    pieces = load_pieces(folder_of(WITHOUT_BLANKS[name], tmp_path))
    assert compare(pieces.tokenizer, pieces.tokenizer, WORDS).share > 0.3
    assert compare(pieces.for_words, pieces.tokenizer, WORDS).different == 0


@pytest.mark.parametrize("name", WITH_BLANKS)
def test_a_tokenizer_that_cuts_words_alike_stays_as_it_is(name: str, tmp_path: Path) -> None:
    pieces = load_pieces(folder_of(WITH_BLANKS[name], tmp_path))
    assert pieces.for_words is pieces.tokenizer


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("saved", [False, True])
def test_the_report_knows_by_its_files_whether_a_tokenizer_needs_the_blank(
    name: str, saved: bool, tmp_path: Path
) -> None:
    folder = folder_of(ALL[name], tmp_path / "model")
    if saved:
        AutoTokenizer.from_pretrained(folder).save_pretrained(tmp_path / "saved")
        shutil.copy(folder / "config.json", tmp_path / "saved")
        folder = tmp_path / "saved"
    assert loses_blanks(folder) == (load_pieces(folder).with_blanks is not None) == (name in WITHOUT_BLANKS)


def test_the_texts_of_other_tasks_are_cut_as_before(tmp_path: Path) -> None:
    pieces = load_pieces(folder_of(WITHOUT_BLANKS["ModernBERT"], tmp_path))
    task = Task("sample", "sequence-classification", "accuracy", None, ["a"])
    (window,) = encode(Examples([0], ["en"], {"text": ["Anna sees Oslo"]}, [["a"]]), task, pieces, length=50).windows
    bare = AutoTokenizer.from_pretrained(tmp_path)("Anna sees Oslo", add_special_tokens=False)["input_ids"]
    assert list(window.ids) == [*pieces.prefix, *bare, *pieces.suffix]


@pytest.mark.parametrize("name", ALL)
def test_what_is_saved_with_a_model_of_words_cuts_running_text_as_its_words(name: str, tmp_path: Path) -> None:
    pieces = load_pieces(folder_of(ALL[name], tmp_path / "model"))
    pieces.save(tmp_path / "saved", for_words=True)
    saved = AutoTokenizer.from_pretrained(tmp_path / "saved")
    for words in WORDS:
        alone = pieces.for_words(words, is_split_into_words=True, add_special_tokens=False)["input_ids"]
        assert saved(" ".join(words), add_special_tokens=False)["input_ids"] == alone
    assert saved.model_input_names == pieces.tokenizer.model_input_names
    assert load_pieces(tmp_path / "saved").with_blanks is None


@pytest.mark.parametrize("name", ALL)
def test_running_text_of_transfer_has_the_windows_of_its_words(name: str, tmp_path: Path) -> None:
    """A student of words learns on documents what it learns on the task."""
    pieces = load_pieces(folder_of(ALL[name], tmp_path))
    words = ["Anna", "sees", "the", "café"]
    (given,) = encode(examples([words]), TASK, pieces, length=60).windows
    (running,) = kind_of(TASK).encode_running([" ".join(words)], TASK, pieces, 60).windows
    assert list(running.ids) == list(given.ids)
    assert running.positions == given.positions


def test_a_piece_that_crosses_words_is_found_in_both() -> None:
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    letters = {letter: number for number, letter in enumerate("abĠ")}
    core = Tokenizer(models.BPE(letters | {"aĠ": 3, "aĠb": 4}, [("a", "Ġ"), ("aĠ", "b")]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core)
    found = compare(tokenizer, tokenizer, [["a", "b", "b"]])
    assert (found.words, found.different) == (3, 3)
    assert found.example == ("a", "a", "aĠb")


def model(folder: Path, write: Callable[[Path], None]) -> Path:
    """Write a RoBERTa with this tokenizer."""
    folder_of(write, folder)
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    rows = len(AutoTokenizer.from_pretrained(folder))
    config = RobertaConfig(vocab_size=rows, max_position_embeddings=66, pad_token_id=1, **shape)
    RobertaForMaskedLM(config).save_pretrained(folder)
    return folder


def finetune(folder: Path, task: Path, output: Path) -> int:
    settings = {"epochs": 1, "batch": 8, "learning_rate": 0.003, "length": 60, "keep": True}
    command = ["finetune", "--model", str(folder), "--task", str(task), "--seed", "1"]
    return main([*command, "--settings", json.dumps(settings), "--output", str(output)])


def test_the_log_and_metrics_say_how_many_words_are_cut_differently(
    entity_task: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = model(tmp_path / "model", in_tokenizer_json(BYTES, "PreTrainedTokenizerFast", "roberta"))
    assert finetune(folder, entity_task, tmp_path / "out") == 0
    found = json.loads((tmp_path / "out/metrics.json").read_text())["words_in_running_text"]
    assert found == {"words": 256, "cut_otherwise": 0, "share": 0.0, "blank_before_each_word": True}
    printed = (
        "words: 0 of 256 words (0.00%) are cut differently one by one than in running text; each is cut with a blank"
    )
    assert printed in capsys.readouterr().out
    saved = AutoTokenizer.from_pretrained(tmp_path / "out/model")
    assert saved.tokenize("sees the")[0].startswith("Ġ")


def test_a_tokenizer_whose_pieces_cross_words_is_refused_for_tasks_of_words(
    entity_task: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole_lines = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    folder = model(tmp_path / "model", in_tokenizer_json(whole_lines, "PreTrainedTokenizerFast", "roberta"))
    capsys.readouterr()
    assert finetune(folder, entity_task, tmp_path / "out") == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"{folder}: " in error
    assert "are cut differently one by one than in running text, such as" in error
    assert "Take another model" in error
    assert not (tmp_path / "out").exists()


def test_a_few_odd_words_are_said_and_not_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = sentences(64)
    rows[0]["words"][3] = " oslo"  # in running text it has two blanks before it
    splits = {"train": rows, "validation": sentences(12), "test": sentences(16)}
    task = write_task(tmp_path / "task", "token-classification", splits, "seqeval-f1", "iob2")
    folder = model(tmp_path / "model", WITHOUT_BLANKS["RoBERTa"])
    assert finetune(folder, task, tmp_path / "out") == 0
    found = json.loads((tmp_path / "out/metrics.json").read_text())["words_in_running_text"]
    assert 0 < found["cut_otherwise"] <= 2
    assert "such as" in capsys.readouterr().out


def test_tasks_of_texts_say_nothing_of_words(text_task: Path, model_folder: Path, tmp_path: Path) -> None:
    assert finetune(model_folder, text_task, tmp_path / "out") == 0
    assert "words_in_running_text" not in json.loads((tmp_path / "out/metrics.json").read_text())
