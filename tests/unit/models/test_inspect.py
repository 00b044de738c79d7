"""`smelt inspect` counts pieces by kind, script and length, and their use by languages, of one or two."""

import json
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bench.tokenizer_layouts import xlm_roberta
from published_kinds import write_kind
from reducible import sentence, write_model, write_wordpiece
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoTokenizer

from smelt.__main__ import main
from smelt.models.inspect.pieces import read_tokenizer_of

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused77]"]
PIECES = [
    *WORDS,
    "a",
    "##a",
    "к",
    "2",
    "##19",
    "!",
    "##?!",
    "🙂",
    "$",
    "pa",
    "##ta",
    "कि",
    "किता",
    "##слово",
    "日本",
    "nə1",
]


def wordpiece(folder: Path, pieces: list[str] = PIECES) -> Path:
    folder.mkdir()
    write_wordpiece(folder, pieces)
    return folder


def unigram(folder: Path) -> Path:
    pieces = ["<unk>", "<0x0A>", "\u2581", "\u2581\u2581", "a", "\u2581a", "\u2581pa", "ta", "\u25812", "!", "\u200d"]
    tokenizer = Tokenizer(models.Unigram([(piece, -1.0) for piece in pieces], unk_id=0, byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    folder.mkdir()
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def byte_level(folder: Path) -> Path:
    pieces = ["Ġ", "Ċ", "ĠĠ", "Ã", "Ã©", "ĠÐº", "ĠÐ", "a", "Ġpa", "ta", "Ġ2", "!", "\u0100"]
    tokenizer = Tokenizer(models.BPE({piece: place for place, piece in enumerate(pieces)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<s>"])
    folder.mkdir()
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def with_ends(folder: Path) -> Path:
    tokenizer = Tokenizer(models.BPE({"a": 0, "a</w>": 1, "pa": 2, "ta</w>": 3}, [], end_of_word_suffix="</w>"))
    folder.mkdir()
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@pytest.mark.parametrize(
    ("write", "kinds", "scripts"),
    [
        (
            wordpiece,
            {
                "special": 6,
                "digits": 2,
                "punctuation and symbols": 4,
                "single letters": 4,
                "starts of words": 4,
                "inside words": 2,
            },
            {"": 12, "Latn": 5, "Deva": 2, "Cyrl": 2, "Hani": 1},
        ),
        (
            unigram,
            {
                "special": 1,
                "bytes and controls": 2,
                "blanks": 2,
                "digits": 1,
                "punctuation and symbols": 1,
                "single letters": 2,
                "starts of words": 1,
                "inside words": 1,
            },
            {"": 7, "Latn": 4},
        ),
        (
            byte_level,
            {
                "special": 1,
                "bytes and controls": 3,
                "blanks": 3,
                "digits": 1,
                "punctuation and symbols": 1,
                "single letters": 3,
                "starts of words": 1,
                "inside words": 1,
            },
            {"": 9, "Latn": 4, "Cyrl": 1},
        ),
        (with_ends, {"single letters": 2, "ends of words": 1, "before the end": 1}, {"Latn": 4}),
    ],
)
def test_each_piece_is_of_one_kind_and_script(
    write: Any, kinds: dict[str, int], scripts: dict[str, int], tmp_path: Path
) -> None:
    tokenizer = read_tokenizer_of(str(write(tmp_path / "tokenizer")), "main")
    assert tokenizer.by_kind() == kinds
    assert tokenizer.by_script() == scripts
    assert sum(kinds.values()) == tokenizer.vocabulary.size


def test_lengths_are_of_characters_without_marks(tmp_path: Path) -> None:
    assert read_tokenizer_of(str(wordpiece(tmp_path / "tokenizer")), "main").by_length() == {
        1: 3,
        2: 4,
        3: 1,
        4: 1,
        5: 1,
    }


def write_lines(folder: Path, language: str, lines: int = 60) -> Path:
    generator = random.Random(language)
    path = folder / f"{language}.txt"
    path.write_text("\n".join(sentence(language, generator) for _ in range(lines)) + "\nnone\n", encoding="utf-8")
    return path


def test_use_by_languages_is_that_of_a_loop_over_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_model(tmp_path / "source")
    texts = {language: write_lines(tmp_path, language) for language in ("qaa", "qab")}
    texts["qab"].write_text(texts["qab"].read_text() + "pata xyz kimo pata\n")
    words = [
        "inspect",
        str(tmp_path / "source"),
        "--corpus",
        *map(str, texts.values()),
        "--output",
        str(tmp_path / "out"),
    ]
    assert main(words) == 0
    cut = AutoTokenizer.from_pretrained(tmp_path / "source")
    rows = pd.read_csv(tmp_path / "out/languages.csv").set_index("language")
    pieces = pd.read_csv(tmp_path / "out/pieces.csv", keep_default_na=False).set_index("id")
    counts = {}
    for language, path in texts.items():
        lines = [line for line in path.read_text().splitlines() if len(line) > 5]
        ids = [identity for line in lines for identity in cut(line, add_special_tokens=False)["input_ids"]]
        counts[language] = np.bincount(ids, minlength=len(cut))
        row, words_in = rows.loc[language], sum(len(line.split()) for line in lines)
        assert (row["lines"], row["words"], row["tokens"]) == (len(lines), words_in, len(ids))
        assert row["fertility"] == len(ids) / words_in
        assert row["characters_per_piece"] == sum(map(len, lines)) / len(ids)
        assert (row["unknown"], row["pieces_seen"]) == (ids.count(cut.unk_token_id), len(set(ids)))
        assert pieces[language].tolist() == counts[language].tolist()
        falling = np.sort(counts[language])[::-1]
        for share in (0.5, 0.9, 0.99, 0.999):
            needed = row[f"pieces_for_{share}"]
            assert falling[:needed].sum() >= share * len(ids) > falling[: needed - 1].sum()
    assert rows.loc["qab", "unknown"] == 1
    used = {language: counts[language] > 0 for language in counts}
    both = int((used["qaa"] & used["qab"]).sum())
    record = json.loads((tmp_path / "out/inspection.json").read_text())["tokenizers"][0]
    none = int((~used["qaa"] & ~used["qab"]).sum())
    one = len(cut) - both - none
    assert record["pieces_by_number_of_languages_that_use_them"] == {"0": none, "1": one, "2": both}
    assert rows.loc["qaa", "pieces_only_here"] == int((used["qaa"] & ~used["qab"]).sum())
    shown = capsys.readouterr().out
    assert f"{none} of {len(cut)} pieces are used by none of these texts, {one} by those of one language" in shown


def test_a_reduced_tokenizer_is_compared_with_its_source(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write_model(tmp_path / "source")
    text = write_lines(tmp_path, "qaa", 200)
    reduce = ["reduce", "--model", str(source), "--corpus", str(text), "--held-out-share", "0.5", "--size", "60"]
    assert main([*reduce, "--output", str(tmp_path / "small")]) == 0
    made = json.loads((tmp_path / "small/reduction.json").read_text())
    capsys.readouterr()
    compare = [
        "inspect",
        str(source),
        str(tmp_path / "small"),
        "--corpus",
        str(text),
        "--output",
        str(tmp_path / "out"),
    ]
    assert main(compare) == 0
    record = json.loads((tmp_path / "out/inspection.json").read_text())
    assert record["pieces_in_both"] == made["pieces"] == 60
    before, after = (AutoTokenizer.from_pretrained(folder) for folder in (source, tmp_path / "small"))
    lines = [line for line in text.read_text().splitlines() if len(line) > 5]
    same = [before.tokenize(line) == after.tokenize(line) for line in lines]
    (row,) = record["comparison"]
    assert (row["lines_compared"], row["lines_cut_alike"]) == (len(lines), sum(same))
    assert 0 < sum(same) < len(lines)
    lengths = [sum(len(cut.tokenize(line)) for line in lines) for cut in (before, after)]
    assert row["length_ratio"] == lengths[1] / lengths[0]
    assert row["fertility_other"] == lengths[1] / sum(len(line.split()) for line in lines)
    assert "60 pieces are in both: the same text at the same place in a word" in capsys.readouterr().out


def test_cuts_are_compared_whatever_marks_pieces(tmp_path: Path) -> None:
    ours = wordpiece(tmp_path / "wordpiece", [*WORDS[:5], "pa", "##ta", "kimo", "!"])
    theirs = tmp_path / "unigram"
    theirs.mkdir()
    pieces = [("<unk>", 0.0), ("\u2581pa", -1.0), ("ta", -1.0), ("\u2581ki", -1.0), ("mo", -1.0), ("!", -1.0)]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=0))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.save(str(theirs / "tokenizer.json"))
    (tmp_path / "qaa.txt").write_text("pata pata !\npata! pata\npata kimo\npata xyz\n")  # xyz is unknown to both
    words = [str(ours), str(theirs), "--corpus", str(tmp_path / "qaa.txt"), "--output", str(tmp_path / "out")]
    assert main(["inspect", *words]) == 0
    record = json.loads((tmp_path / "out/inspection.json").read_text())
    assert record["pieces_in_both"] == 2  # pa at the start of a word, ta inside one; ! is marked as a start in one only
    assert (record["comparison"][0]["lines_compared"], record["comparison"][0]["lines_cut_alike"]) == (4, 3)


def test_rows_without_text_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write_model(tmp_path / "source")
    pq.write_table(pa.table({"text": ["pata kimo pata", None, "kimo pata kimo"]}), tmp_path / "rows.parquet")
    for words in (["inspect", str(source)], ["reduce", "--dry-run", "--held-out-share", "0.5", "--model", str(source)]):
        assert main([*words, "--corpus", f"qaa={tmp_path / 'rows.parquet'}"]) == 0
        assert "1 of 3 rows have no text" in capsys.readouterr().out


def test_lines_to_compare_come_from_all_over_the_text(tmp_path: Path) -> None:
    source = write_model(tmp_path / "source")
    text = write_lines(tmp_path, "qaa", 200)
    words = [
        "inspect",
        str(source),
        str(source),
        "--corpus",
        str(text),
        "--lines",
        "30",
        "--output",
        str(tmp_path / "out"),
    ]
    assert main(words) == 0
    (row,) = json.loads((tmp_path / "out/inspection.json").read_text())["comparison"]
    assert (row["lines_compared"], row["share_cut_alike"], row["length_ratio"]) == (29, 1.0, 1.0)


def test_a_tokenizer_json_alone_is_enough(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_kind("mmbert", tmp_path / "model")
    shutil.copy(tmp_path / "model/tokenizer.json", tmp_path / "mine.json")
    capsys.readouterr()
    for name in ("model", "mine.json"):
        assert main(["inspect", str(tmp_path / name)]) == 0
    first, second = capsys.readouterr().out.split(f"{tmp_path / 'mine.json'}: ")
    assert first.split("\n")[1:] == second.split("\n")[1:]
    assert "bytes and controls" in first


def test_a_published_layout_is_inspected(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    xlm_roberta(tmp_path)
    assert main(["inspect", str(tmp_path), "--output", str(tmp_path / "out")]) == 0
    kinds = pd.read_csv(tmp_path / "out/kinds.csv").set_index("kind")["pieces"]
    assert kinds["special"] == 5
    assert kinds.sum() == len(AutoTokenizer.from_pretrained(tmp_path))
    assert "pieces, Unigram" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["{folder}/none"], "no such folder, and no name on the hub (organisation/model)"),
        (["{folder}/qaa.txt"], "qaa.txt: its tokenizer cannot be read"),
        (["{folder}/source", "--languages", "qaa"], "--languages: has no effect without --corpus"),
        (
            ["{folder}/source", "--output", "{folder}/qaa.txt"],
            "qaa.txt: exists: expected an --output that is not there",
        ),
        (["{folder}/source", "--corpus", "{folder}/none.txt"], "none.txt"),
    ],
)
def test_what_cannot_be_inspected_is_one_line(
    words: list[str], complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_model(tmp_path / "source")
    write_lines(tmp_path, "qaa")
    capsys.readouterr()
    assert main(["inspect", *(word.format(folder=tmp_path) for word in words)]) == 1
    message = capsys.readouterr().err
    assert complaint in message
    assert message.count("\n") == 1
