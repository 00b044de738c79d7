import json
from collections.abc import Callable
from pathlib import Path

import pytest
import sentencepiece
from invented_corpus import settings, write_documents

from smelt.__main__ import main
from smelt.errors import SmeltError
from smelt.tokenizers.command import make
from smelt.tokenizers.sample import lines

Documents = Callable[[str, list[str]], Path]


def test_the_statistics_give_each_languages_lines_and_ratios(tokenizer_folder: Path) -> None:
    statistics = json.loads((tokenizer_folder / "statistics.json").read_text())
    languages = statistics["languages"]
    assert set(languages) == {"xl", "xg", "xd", "xj"}
    assert statistics["sampled_lines"] == sum(entry["sampled_lines"] for entry in languages.values()) == 1000
    assert statistics["threads"] == 4
    for entry in languages.values():
        assert entry["held_out_lines"] == 30
        assert entry["fertility"] >= 1
        assert 0 <= entry["unknown_share"] < 0.2


def test_fertility_is_pieces_over_words_of_held_out_lines(tokenizer_folder: Path, corpus: list[Path]) -> None:
    reader = sentencepiece.SentencePieceProcessor(model_file=str(tokenizer_folder / "spiece.model"))
    held_out = list(lines(corpus[0], held_out=True))
    expected = sum(len(reader.encode(line)) for line in held_out) / sum(len(line.split()) for line in held_out)
    statistics = json.loads((tokenizer_folder / "statistics.json").read_text())
    assert statistics["languages"]["xl"]["fertility"] == pytest.approx(expected)


def test_the_same_settings_give_the_same_files(corpus: list[Path], tokenizer_folder: Path, tmp_path: Path) -> None:
    make(corpus, settings(), tmp_path / "again")
    for name in ("spiece.model", "tokenizer.json", "tokenizer_config.json", "config.json"):
        assert (tmp_path / "again" / name).read_bytes() == (tokenizer_folder / name).read_bytes()


def test_sizes_with_one_seed_learn_from_the_same_sample(
    corpus: list[Path], tokenizer_folder: Path, tmp_path: Path
) -> None:
    make(corpus, settings(vocabulary=500), tmp_path / "larger")
    make(corpus, settings(seed=2), tmp_path / "other")
    folders = (tokenizer_folder, tmp_path / "larger", tmp_path / "other")
    small, large, other = (json.loads((folder / "statistics.json").read_text())["sample_sha256"] for folder in folders)
    assert small == large != other


def test_a_vocabulary_too_large_is_refused_with_the_size_that_works(documents: Documents, tmp_path: Path) -> None:
    file = documents("xx", [f"word{number} other{number % 7} thing" for number in range(60)])
    with pytest.raises(
        SmeltError, match=r"tokenizer big: a vocabulary of 50000 is larger .* at most \d+ pieces"
    ) as caught:
        make([file], settings(vocabulary=50_000), tmp_path / "out" / "big")
    assert not (tmp_path / "out").exists()
    possible = int(caught.value.message.split("at most ")[1].split()[0])
    make([file], settings(vocabulary=possible), tmp_path / "possible")
    assert len(_pieces(tmp_path / "possible")) == possible


def test_a_vocabulary_too_small_is_refused_with_the_number_of_characters(corpus: list[Path], tmp_path: Path) -> None:
    with pytest.raises(SmeltError, match=r"a vocabulary of 64 is smaller .* at least (\d+) pieces") as caught:
        make(corpus, settings(vocabulary=64), tmp_path / "out" / "small")
    needed = int(caught.value.message.split("at least ")[1].split()[0])
    assert 100 < needed < 130
    assert not (tmp_path / "out").exists()


def test_broken_input_gives_one_line_and_no_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "xx" / "documents.parquet"
    broken.parent.mkdir()
    broken.write_text("<html>not found</html>")
    for file, problem in (
        (broken, "is no whole Parquet file"),
        (tmp_path / "yy" / "documents.parquet", "no such file"),
    ):
        words = ["tokenizer", "--documents", str(file), "--settings", settings().model_dump_json()]
        assert main([*words, "--output", str(tmp_path / "out")]) == 1
        error = capsys.readouterr().err
        assert problem in error
        assert error.startswith(f"smelt: {file}")
        assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_lines_with_characters_that_sentencepiece_reserves_are_learnt_from(
    documents: Documents, tmp_path: Path
) -> None:
    texts = [f"zebra\tquagga▅{number}" for number in range(40)]
    make([documents("xx", texts)], settings(vocabulary=26), tmp_path / "out")
    assert set("zebraqug") <= set("".join(_pieces(tmp_path / "out")))


def test_a_language_without_held_out_lines_is_reported_as_unmeasured(tmp_path: Path) -> None:
    file = write_documents(tmp_path / "corpus" / "xx", ["", *["some words here", "others there"] * 20], every=1000)
    make([file], settings(vocabulary=18), tmp_path / "out")
    entry = json.loads((tmp_path / "out" / "statistics.json").read_text())["languages"]["xx"]
    assert (entry["held_out_lines"], entry["fertility"]) == (0, None)


def _pieces(folder: Path) -> list[str]:
    reader = sentencepiece.SentencePieceProcessor(model_file=str(folder / "spiece.model"))
    return [reader.id_to_piece(number) for number in range(reader.get_piece_size())]
