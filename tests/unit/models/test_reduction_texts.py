"""`smelt reduce --corpus`: from a model and text files to a reduced model, without a study."""

import json
import random
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from reducible import sentence, write_model
from transformers import AutoTokenizer

from smelt.__main__ import main
from smelt.errors import SmeltError
from smelt.models.vocabulary.texts import texts_by_language, write_texts


def write_lines(path: Path, language: str, lines: int = 120) -> Path:
    generator = random.Random(language)
    paragraphs = [sentence(language, generator) + ("\n" if number % 5 == 0 else "") for number in range(lines)]
    path.write_text("\n".join(paragraphs), encoding="utf-8")
    return path


def reduce(folder: Path, *words: str) -> int:
    source = folder / "source"
    if not source.exists():
        write_model(source)
    return main(["reduce", "--model", str(source), *words, "--output", str(folder / "made/out"), "--threads", "1"])


def test_text_files_alone_reduce_a_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = write_lines(tmp_path / "news.qaa.txt", "qaa"), write_lines(tmp_path / "other.txt", "qab")
    words = ["--corpus", str(one), f"qab={other}", "--languages", "qaa", "--held-out-share", "0.1"]
    assert reduce(tmp_path, *words, "--threshold", "0.02") == 0
    assert "proven exact" in capsys.readouterr().out
    record = json.loads((tmp_path / "made/out/reduction.json").read_text())
    assert list(record["proof"]["languages"]) == ["qaa"]
    assert record["counted"]["qaa"]["lines"] == 108
    assert record["proof"]["languages"]["qaa"]["lines"] == 12
    pieces = AutoTokenizer.from_pretrained(tmp_path / "made/out").get_vocab()
    assert "##pa" in pieces
    assert "##ba" not in pieces


def test_provenance_names_the_text_files_and_how_lines_were_held_out(tmp_path: Path) -> None:
    text = write_lines(tmp_path / "qaa.txt", "qaa")
    assert reduce(tmp_path, "--corpus", str(text), "--held-out-share", "0.1", "--seed", "7") == 0
    provenance = json.loads((tmp_path / "made/out/provenance.json").read_text())
    assert set(provenance["inputs"]) == {"source", "corpus"}
    assert [file["path"] for file in provenance["inputs"]["corpus"]] == [str(text)]
    assert provenance["settings"]["held_out_share"] == 0.1
    assert provenance["seeds"] == [7]


def test_missing_weights_are_reported_before_anything_is_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (write_model(tmp_path / "source") / "model.safetensors").unlink()
    assert reduce(tmp_path, "--corpus", str(tmp_path / "there-is-none.qaa.txt")) == 1
    assert "has no weights: expected *.safetensors" in capsys.readouterr().err


def test_a_share_of_the_lines_is_held_out_and_another_with_another_seed(tmp_path: Path) -> None:
    text = write_lines(tmp_path / "qaa.txt", "qaa")
    drawn = []
    for seed in (1, 1, 2):
        write_texts(texts_by_language([str(text)], None)["qaa"], tmp_path / "documents.parquet", 0.05, seed)
        rows = pq.read_table(tmp_path / "documents.parquet").to_pylist()
        held_out = [line for row in rows if row["held_out"] for line in row["text"].split("\n")]
        others = [line for row in rows if not row["held_out"] for line in row["text"].split("\n")]
        assert sorted([*held_out, *others]) == sorted(line for line in text.read_text().split("\n") if line)
        assert len(held_out) == 6
        drawn.append(held_out)
    assert drawn[0] == drawn[1] != drawn[2]


def test_blank_lines_separate_documents(tmp_path: Path) -> None:
    (tmp_path / "sw.txt").write_text("\ufeffmoja\nmbili\n\n\ntatu\n")
    (tmp_path / "more.txt").write_text("nne\ntano")
    texts = texts_by_language([str(tmp_path / "sw.txt"), f"sw={tmp_path / 'more.txt'}"], None)["sw"]
    write_texts(texts, tmp_path / "documents.parquet", 0.2, 1)
    rows = pq.read_table(tmp_path / "documents.parquet").to_pylist()
    assert {row["id"] for row in rows} == {"0", "2", "3"}
    assert sum(row["text"].count("\n") + 1 for row in rows) == 5


def test_the_language_of_a_file_is_in_its_name_or_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "en").mkdir()
    for name in ("sw.txt", "news.sw.txt.gz", "news.txt", "a=b.txt", "x:y.txt"):
        (tmp_path / name).touch()
    found = texts_by_language(["sw.txt", "*.sw.txt.gz", "en=news.txt", "a=b.txt", "fr=x:y.txt"], None)
    files = {language: [str(file) for text in texts for file in text.files] for language, texts in found.items()}
    assert files == {"sw": ["sw.txt", "news.sw.txt.gz"], "en": ["news.txt"], "a=b": ["a=b.txt"], "fr": ["x:y.txt"]}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "no such file"),
        (b"", "qaa.txt: holds no text"),
        (b"\n \n", "qaa.txt: holds no text"),
        (b"pa ta ka pa ta ka\n", "0 of its 1 lines are held out"),
        (b"\xff\xfep\x00a\x00", "is not UTF-8: byte 0xff"),
        (b"pa\x00ta\n", "qaa.txt:1: is not text: the line holds a NUL byte"),
    ],
)
def test_a_file_that_is_no_text_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, complaint: str
) -> None:
    if content is not None:
        (tmp_path / "qaa.txt").write_bytes(content)
    write_model(tmp_path / "source")
    capsys.readouterr()
    assert reduce(tmp_path, "--corpus", str(tmp_path / "qaa.txt")) == 1
    message = capsys.readouterr().err.split("smelt: ")[-1]
    assert message.startswith(str(tmp_path / "qaa.txt"))
    assert complaint in message
    assert message.count("\n") == 1
    assert not list(tmp_path.glob("made/*"))


def test_a_language_without_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(SmeltError, match=r"sw: has no text: expected a file sw\.txt or sw=<file> among --corpus"):
        texts_by_language([str(tmp_path / "en.txt")], ["en", "sw"])


def test_a_language_of_short_lines_only_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "qaa.txt").write_text("pa\n" * 100)
    assert reduce(tmp_path, "--corpus", str(tmp_path / "qaa.txt"), "--held-out-share", "0.1") == 1
    assert "qaa has no text: no line of more than five characters" in capsys.readouterr().err


def test_the_card_names_languages_by_iso_639_for_the_hub(tmp_path: Path) -> None:
    text = write_lines(tmp_path / "news.txt", "qaa")
    assert reduce(tmp_path, "--corpus", f"als={text}", "--held-out-share", "0.1", "--threshold", "0.02") == 0
    assert "language:\n- gsw\n" in (tmp_path / "made/out/README.md").read_text()


def test_lines_end_as_in_a_corpus_and_a_carriage_return_inside_one_is_refused(tmp_path: Path) -> None:
    text, output = tmp_path / "news.qaa.txt", tmp_path / "documents.parquet"
    text.write_bytes("one\u2028two\r\n\r\nthree\n".encode())
    write_texts(texts_by_language([str(text)], None)["qaa"], output, 0.5, 1)
    lines = "\n".join(pq.read_table(output)["text"].to_pylist()).split("\n")
    assert sorted(lines) == ["one\u2028two", "three"]
    text.write_bytes(b"one\rtwo\r")
    with pytest.raises(SmeltError, match=r"news\.qaa\.txt:1: has a carriage return inside the line, at character 4"):
        write_texts(texts_by_language([str(text)], None)["qaa"], output, 0.5, 1)
