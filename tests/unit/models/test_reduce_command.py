"""`smelt reduce` writes a folder that is proven exact, or one clear line and nothing."""

import gc
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reducible import (
    MODELS,
    PIECES,
    check_pipelines,
    spoil_for_pipelines,
    syllables,
    write_model,
    write_texts,
    write_wordpiece,
)
from safetensors.torch import load_file
from transformers import AutoModelForMaskedLM, AutoTokenizer

from smelt.__main__ import main
from smelt.models.reduce.selection import PieceCounts, write_counts
from smelt.models.vocabulary.states import prove_states
from smelt.models.vocabulary.texts import held_out_lines
from smelt.models.vocabulary.vocabulary import Vocabulary, digest


def write_small_counts(folder: Path, texts: dict[str, Path], tokenizer: Path, others: int = 0) -> list[Path]:
    """Count the pieces of the held-out lines of each language, which are like the others; and as many lines of none."""
    cut = AutoTokenizer.from_pretrained(tokenizer)
    pieces = [cut.convert_ids_to_tokens(number) for number in range(len(cut))]
    written = []
    for language, path in texts.items():
        lines = cut(held_out_lines(path, 1000), add_special_tokens=False)["input_ids"]
        every = np.bincount(np.concatenate(lines), minlength=len(pieces))
        each = np.bincount(np.concatenate([np.unique(line) for line in lines]), minlength=len(pieces))
        total = len(lines) + others
        counts = PieceCounts(language, total, total, int(every.sum()), digest(pieces), each, each, every)
        written.append(folder / f"{language}.parquet")
        write_counts(written[-1], counts, pieces)
    return written


@pytest.fixture
def given(tmp_path: Path) -> dict[str, Any]:
    """A model, texts of two languages and their counts."""
    source = write_model(tmp_path / "source")
    texts = write_texts(tmp_path / "texts", lines=180, mixed=3)
    return {"source": source, "texts": texts, "counts": write_small_counts(tmp_path / "counts", texts, source)}


def reduce(given: dict[str, Any], output: Path, *words: str, languages: tuple[str, ...] = ("qaa",)) -> int:
    of = [list(given["texts"]).index(language) for language in languages]
    counts = [str(given["counts"][number]) for number in of]
    held_out = [str(given["texts"][language]) for language in languages]
    files = ["--counts", *counts, "--held-out", *held_out]
    return main(["reduce", "--model", str(given["source"]), *files, *words, "--output", str(output), "--threads", "1"])


def vocabularies() -> list[Vocabulary]:
    """Return all that are in memory."""
    return [part for part in gc.get_objects() if isinstance(part, Vocabulary)]


def test_the_vocabulary_is_gone_before_models_are_loaded(
    given: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def prove(*arguments: Any) -> dict[str, Any]:
        assert not [part for part in vocabularies() if part.where == str(given["source"])]
        return prove_states(*arguments)

    monkeypatch.setattr("smelt.models.vocabulary.states.prove_states", prove)
    assert reduce(given, tmp_path / "out", "--threshold", "0.08") == 0


def test_a_reduced_folder_holds_all_that_a_model_has_and_what_was_kept(given: dict[str, Any], tmp_path: Path) -> None:
    assert reduce(given, tmp_path / "out", "--threshold", "0.08") == 0
    names = {"config.json", "model.safetensors", "vocab.txt", "tokenizer_config.json"}
    assert names | {"README.md", "provenance.json", "reduction.json"} <= {
        path.name for path in (tmp_path / "out").iterdir()
    }
    record = json.loads((tmp_path / "out/reduction.json").read_text())
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    assert set(tokenizer.get_vocab()) < set(PIECES)
    assert {"pa", "##pa", "[PAD]", "[MASK]"} <= set(tokenizer.get_vocab())
    assert "ba" not in tokenizer.get_vocab()
    assert (record["pieces_before"], record["pieces"]) == (len(PIECES), len(tokenizer))
    assert record["kept"]["selected_by_language"] == {"qaa": record["pieces"] - 5}
    row = record["proof"]["languages"]["qaa"]
    assert (row["lines"], row["lines_whose_pieces_are_all_kept"]) == (60, 57)
    assert row["states"]["lines"] == 2
    assert AutoModelForMaskedLM.from_pretrained(tmp_path / "out").num_parameters() == record["parameters"]


@pytest.mark.parametrize(("model", "max_length"), [("bert-masked", 64), ("roberta", 63)])
def test_a_reduced_model_works_in_pipelines_whatever_its_source_is_like(
    model: str, max_length: int, given: dict[str, Any], tmp_path: Path
) -> None:
    given["source"] = write_model(tmp_path / model, MODELS[model])
    spoil_for_pipelines(given["source"])
    assert reduce(given, tmp_path / "out", "--threshold", "0.08") == 0
    check_pipelines(tmp_path / "out", "pata kimo", max_length)


def test_card_and_provenance_say_where_it_comes_from(given: dict[str, Any], tmp_path: Path) -> None:
    card = "---\nlicense: apache-2.0\nbase_model: some/bert\n---\n"
    (given["source"] / "README.md").write_text(card)
    assert reduce(given, tmp_path / "out") == 0
    written = (tmp_path / "out/README.md").read_text()
    assert all(part in written for part in ("license: apache-2.0", "base_model: some/bert", "| qaa | 60 |"))
    provenance = json.loads((tmp_path / "out/provenance.json").read_text())
    assert set(provenance["inputs"]) == {"source", "counts", "held_out"}
    assert provenance["command"] == "reduce"


def test_two_languages_keep_the_union_of_their_pieces(given: dict[str, Any], tmp_path: Path) -> None:
    assert reduce(given, tmp_path / "out", "--threshold", "0.08", languages=("qaa", "qab")) == 0
    pieces = set(AutoTokenizer.from_pretrained(tmp_path / "out").get_vocab())
    assert pieces >= {syllable for language in ("qaa", "qab") for syllable in syllables(language)}


def test_the_record_and_the_card_state_the_share_of_occurrences_that_each_language_keeps(
    given: dict[str, Any], tmp_path: Path
) -> None:
    assert reduce(given, tmp_path / "out", "--threshold", "0.08", languages=("qaa", "qab")) == 0
    kept = AutoTokenizer.from_pretrained(tmp_path / "out").get_vocab()
    whole = AutoTokenizer.from_pretrained(given["source"])
    stated = json.loads((tmp_path / "out/reduction.json").read_text())["coverage"]
    card = (tmp_path / "out/README.md").read_text()
    for language, documents in given["texts"].items():
        pieces = [piece for line in held_out_lines(documents, 1000) for piece in whole.tokenize(line)]
        share = sum(piece in kept for piece in pieces) / len(pieces)
        assert 0.9 < share <= 1
        assert stated[language] == share
        assert f"| {share:.4%} |" in card


def test_a_size_is_that_of_the_reduced_model(given: dict[str, Any], tmp_path: Path) -> None:
    assert reduce(given, tmp_path / "out", "--size", "70", "--keep", "ba", "##ze") == 0
    pieces = AutoTokenizer.from_pretrained(tmp_path / "out").get_vocab()
    assert len(pieces) == 70
    assert {"ba", "##ze"} < set(pieces)


def test_a_reduced_model_can_be_reduced_again(given: dict[str, Any], tmp_path: Path) -> None:
    assert reduce(given, tmp_path / "both", "--threshold", "0.08", languages=("qaa", "qab")) == 0
    again = given | {"source": tmp_path / "both"}
    again["counts"] = write_small_counts(tmp_path / "again", given["texts"], tmp_path / "both")
    assert reduce(again, tmp_path / "twice", "--threshold", "0.08") == 0
    assert reduce(given, tmp_path / "once", "--threshold", "0.08") == 0
    once, twice = (load_file(tmp_path / name / "model.safetensors") for name in ("once", "twice"))
    assert all((once[name] == tensor).all() for name, tensor in twice.items())
    vocabularies = [(tmp_path / name / "vocab.txt").read_text() for name in ("once", "twice")]
    assert vocabularies[0] == vocabularies[1]


def test_settings_as_json_do_what_flags_do(given: dict[str, Any], tmp_path: Path) -> None:
    assert reduce(given, tmp_path / "flags", "--threshold", "0.08", "--keep", "ba") == 0
    assert reduce(given, tmp_path / "json", "--settings", '{"threshold": 0.08, "keep": ["ba"]}') == 0
    for name in ("model.safetensors", "vocab.txt", "reduction.json"):
        assert (tmp_path / "flags" / name).read_bytes() == (tmp_path / "json" / name).read_bytes()


def test_a_language_without_a_proven_line_is_named(
    given: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given["counts"][1] = write_small_counts(tmp_path / "rare", given["texts"], given["source"], others=1000)[1]
    assert reduce(given, tmp_path / "out", "--threshold", "0.08", languages=("qaa", "qab")) == 1
    assert "qab: the threshold 0.08 keeps nothing" in capsys.readouterr().err
    given["counts"][1] = write_small_counts(tmp_path / "rare", given["texts"], given["source"], others=400)[1]
    assert reduce(given, tmp_path / "out", "--threshold", "0.08", languages=("qaa", "qab")) == 0
    record = json.loads((tmp_path / "out/reduction.json").read_text())
    assert record["proof"]["languages"]["qab"]["states"]["lines"] == 0
    printed = capsys.readouterr().out
    assert "out: qab: none of its 60 held-out lines has all its pieces kept: nothing proven" in printed
    assert "qaa: none" not in printed


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--threshold", "1"], "qaa: the threshold 1 keeps nothing"),
        (["--threshold", "high"], "--threshold: expected a number above 0 and up to 1, paper or code, found 'high'"),
        (["--threshold", "2"], "--threshold: expected a number above 0 and up to 1, paper or code, found '2'"),
        (
            ["--threshold", "0.1", "--size", "50"],
            "expected either threshold, coverage or size, found threshold and size",
        ),
        (["--size", "5"], "size: expected more than the 5 pieces always kept, found 5"),
        (["--keep", "xyz"], "keep: 'xyz' is no piece of its tokenizer"),
        (["--settings", '{"sise": 50}'], "--settings: sise: no such key"),
        (["--settings", "{}", "--size", "50"], "--size: stands in --settings already"),
        (["--corpus", "qaa.txt"], "expected either --corpus, or --counts with --held-out"),
    ],
)
def test_a_wrong_rule_is_one_line_that_names_it(
    given: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], complaint: str
) -> None:
    assert reduce(given, tmp_path / "result" / "out", *words) == 1
    message = capsys.readouterr().err
    assert complaint in message
    assert message.count("\n") == 1
    assert not list(tmp_path.glob("result/*"))


def test_nothing_is_overwritten(given: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("x")
    for output in (given["source"], tmp_path / "mine", tmp_path / "mine/notes.txt"):
        assert reduce(given, output, "--threshold", "0.08") == 1
        assert f"{output}: exists: expected an --output that is not there yet" in capsys.readouterr().err
    assert (given["source"] / "model.safetensors").is_file()
    assert (tmp_path / "mine/notes.txt").read_text() == "x"


def test_held_out_documents_of_one_language_stand_once(
    given: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert reduce(given, tmp_path / "out", "--held-out", str(given["texts"]["qaa"]), str(given["texts"]["qaa"])) == 1
    assert "--held-out: two files lie in folders of one name" in capsys.readouterr().err


def of_another_tokenizer(given: dict[str, Any], _: Path) -> None:
    write_wordpiece(given["source"], [*PIECES[:-2], "pipi", PIECES[-1]])


def without_documents(given: dict[str, Any], folder: Path) -> None:
    elsewhere = folder / "elsewhere"
    given["texts"]["qaa"].parent.rename(elsewhere)
    given["texts"]["qaa"] = elsewhere / "documents.parquet"


def with_too_many_pieces(given: dict[str, Any], folder: Path) -> None:
    write_wordpiece(given["source"], [*PIECES, "pipi"])
    given["counts"] = write_small_counts(folder / "more", given["texts"], given["source"])


def with_broken_weights(given: dict[str, Any], _: Path) -> None:
    weights = given["source"] / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-9])


def with_word_level(given: dict[str, Any], _: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    for name in ("vocab.txt", "tokenizer_config.json"):
        (given["source"] / name).unlink()
    words = Tokenizer(models.WordLevel({piece: number for number, piece in enumerate(PIECES)}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]").save_pretrained(given["source"])


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (of_another_tokenizer, "counts of another tokenizer"),
        (without_documents, "qaa: is counted but has no documents among --held-out"),
        (with_too_many_pieces, f"has {len(PIECES) + 1} pieces but its embeddings only {len(PIECES)} rows"),
        (with_broken_weights, "is no whole safetensors file"),
        (with_word_level, "its tokenizer is of the kind WordLevel; expected one of WordPiece, Unigram, BPE"),
    ],
)
def test_what_does_not_fit_is_one_line_and_nothing_is_written(
    spoil: Any, complaint: str, given: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(given, tmp_path)
    capsys.readouterr()
    assert reduce(given, tmp_path / "result" / "out", "--threshold", "0.08") == 1
    message = capsys.readouterr().err.split("smelt: ")[-1]
    assert complaint in message
    assert message.count("\n") == 1
    assert not list(tmp_path.glob("result/*"))


def test_a_model_that_is_nowhere_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--corpus", "x.txt", "--output", str(tmp_path / "out")]
    assert main(["reduce", "--model", str(tmp_path / "none"), *words]) == 1
    assert "no such folder, and no name on the hub (organisation/model)" in capsys.readouterr().err


@pytest.mark.parametrize("layout", ["roberta", "albert", "distilbert", "bert-tokens"])
def test_other_layouts_are_reduced_too(layout: str, given: dict[str, Any], tmp_path: Path) -> None:
    given["source"] = write_model(tmp_path / layout, MODELS[layout], rows=len(PIECES) + 8)
    assert reduce(given, tmp_path / "out", "--threshold", "0.08") == 0
    record = json.loads((tmp_path / "out/reduction.json").read_text())
    assert record["embedding_rows_beyond_the_tokenizer"] == 8
    assert record["proof"]["languages"]["qaa"]["states"]["lines"] == 2
