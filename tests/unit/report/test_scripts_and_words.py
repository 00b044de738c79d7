"""Scripts of vocabularies and words cut into pieces: Eliquare's Figures 1 and 2."""

import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from small_results import Results
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from smelt.report.figures import scripts as figure
from smelt.report.figures.style import style
from smelt.report.tables import table_of
from smelt.report.vocabularies import VocabularyPieces
from smelt.scripts import script_of

DATA = os.environ.get("SMELT_DATA")
MIXED = [
    "[PAD]",
    "[UNK]",
    "[unused1]",
    "7",
    "##.",
    "ing",
    "##ing",
    "ée",
    "中",
    "ひ",
    "カ",
    "한",
    "да",
    "चि",
    "##क",
    "ক",
]
CJK = {"CJK": ["Hani", "Hira", "Kana", "Hang"], "Indic": ["Deva", "Beng"]}


def wordpiece(folder: Path, pieces: list[str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer(models.WordPiece({piece: number for number, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens(["[PAD]", "[UNK]"])
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def byte_level(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: number for number, letter in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def scripts(results: Results, folders: list[Path], **settings: Any) -> pd.DataFrame:
    listed = {"kind": "scripts", "models": [folder.name for folder in folders]}
    assert results.table("figure_1", listed | settings, folders) == 0
    return pd.read_csv(results.path("tables", "figure_1.csv"))


def test_pieces_count_for_the_script_of_their_letters(results: Results) -> None:
    frame = scripts(results, [wordpiece(results.path("models", "m"), MIXED)])
    found = dict(zip(frame["script"], frame["pieces"], strict=True))
    assert found == {
        **{"Latin": 3, "Devanagari": 2, "Han": 1, "Hiragana": 1, "Katakana": 1, "Hangul": 1},
        **{"Cyrillic": 1, "Bengali": 1, "no letters": 5},
    }
    assert set(frame["vocabulary"]) == {16}
    assert frame["share"].sum() == pytest.approx(1)
    text = results.read("tables", "figure_1.md")
    assert text.index("| Latin | 3 | 18.8% |") < text.index("| Devanagari | 2 |") < text.index("| no letters | 5 |")


def test_scripts_may_be_counted_together(results: Results) -> None:
    frame = scripts(results, [wordpiece(results.path("models", "m"), MIXED)], groups=CJK)
    found = frame.set_index("script")
    assert dict(found["pieces"]) == {"CJK": 4, "Latin": 3, "Indic": 3, "Cyrillic": 1, "no letters": 5}
    assert found.loc["Indic", "codes"] == "Deva Beng"
    assert "CJK: Han, Hiragana, Katakana, Hangul; Indic: Devanagari, Bengali." in results.read("tables", "figure_1.md")


def test_the_figure_has_a_bar_for_each_script(results: Results) -> None:
    folders = [wordpiece(results.path("models", "m"), MIXED), byte_level(results.path("models", "bytes"))]
    table = table_of({"kind": "scripts", "models": ["m", "bytes"], "groups": CJK})
    with style():
        drawn = figure.draw(folders, table)
    first, *_ = drawn.axes
    labels = [label.get_text() for label in first.get_yticklabels()]
    bars = dict(zip(labels, (bar.get_width() for bar in first.patches), strict=True))
    assert bars == {"Cyrillic": 1, "Indic": 3, "Latin": 3, "CJK": 4}
    assert labels[0] == "CJK"
    assert first.yaxis_inverted()  # so that it stands at the top
    one, *_ = figure.chart(folders, table).panels
    marks = [mark for series in one.series for mark in series.marks]
    assert {mark.y: mark.x for mark in marks} == bars
    assert marks[0].about == ["CJK in m", "4 pieces, 25.0% of 16"]
    assert "bytes" in {axis.get_title(loc="left") for axis in drawn.axes}


@pytest.mark.skipif(not DATA, reason="SMELT_DATA names no folder of real data")
def test_mberts_scripts_are_about_those_of_eliquares_figure_1(results: Results) -> None:
    seen = Path(DATA or "") / "mbert-counts" / "pieces-seen.txt"
    pieces = ["[UNK]", *seen.read_text(encoding="utf-8").removesuffix("\n").split("\n")]
    indic = ["Deva", "Beng", "Guru", "Gujr", "Orya", "Taml", "Telu", "Knda", "Mlym", "Sinh"]
    folder = wordpiece(results.path("models", "mbert"), list(dict.fromkeys(pieces)))
    found = scripts(results, [folder], groups={"Indic": indic}).set_index("script")["pieces"]
    # 13,549 of mBERT's 119,547 pieces are not in the list, so that these are at most the paper's 13,782 and 6,545.
    assert (found["Cyrillic"], found["Indic"]) == (12_807, 5_273)
    assert found["Thai"] == 370  # the paper's number
    assert found["Latin"] > 60_000


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"groups": {"CJK": ["Hans!"]}}, "no script has the code 'Hans!'"),
        ({"groups": {"a": ["Latn"], "b": ["Latn"]}}, "groups: Latn stands in two groups"),
    ],
)
def test_groups_that_cannot_be_are_refused(
    results: Results, capsys: pytest.CaptureFixture[str], settings: dict[str, Any], said: str
) -> None:
    folder = wordpiece(results.path("models", "m"), MIXED)
    assert results.table("figure_1", {"kind": "scripts", "models": ["m"]} | settings, [folder]) == 1
    assert said in capsys.readouterr().err


def test_a_folder_without_a_tokenizer_is_refused(results: Results, capsys: pytest.CaptureFixture[str]) -> None:
    folder = results.path("models", "none")
    folder.mkdir(parents=True)
    assert results.table("figure_1", {"kind": "scripts", "models": ["none"]}, [folder]) == 1
    assert "tokenizer.json" in capsys.readouterr().err
    (folder / "tokenizer.json").write_text("{}")
    assert results.table("figure_1", {"kind": "scripts", "models": ["none"]}, [folder]) == 1
    assert "is no tokenizer that can be read" in capsys.readouterr().err


def test_bytes_of_letters_have_no_script(results: Results) -> None:
    vocabulary = VocabularyPieces(byte_level(results.path("models", "bytes")))
    assert vocabulary.cut("né")[:1] == ["n"]
    assert sum(script_of(piece) == "Latn" for piece in vocabulary.pieces()) == 52
    assert script_of("中a中") == "Hani"


# Eliquare (Singh, De Clercq and Lefever 2023), Figure 2; the paper's text leaves the virama of the third piece out.
CUTS = {
    "nl": ("onbegrijpelijkheid", ["on", "##be", "##gri", "##jp", "##elijk", "##heid"], ["onbegrijpelijk", "##heid"]),
    "hi": ("चिकित्सक", ["च", "##िक", "##ित्", "##स", "##क"], ["चिकित्सक"]),
}


def test_words_are_cut_as_in_eliquares_figure_2(results: Results) -> None:
    several = wordpiece(
        results.path("models", "mbert"), ["[PAD]", "[UNK]", *(p for cut in CUTS.values() for p in cut[1])]
    )
    single = [wordpiece(results.path("models", f"upper-{code}"), ["[UNK]", *cut[2]]) for code, cut in CUTS.items()]
    settings = {"kind": "words", "words": {code: [cut[0]] for code, cut in CUTS.items()} | {"ur": ["قسطنطنيه"]}}
    settings |= {"columns": {"mBERT": "mbert", "monolingual": "upper-{language}"}}
    assert results.table("figure_2", settings, [several, *single]) == 0
    text = results.read("tables", "figure_2.md")
    assert r"| onbegrijpelijkheid | on · \#\#be · \#\#gri · \#\#jp · \#\#elijk · \#\#heid (6) |" in text
    assert r"| onbegrijpelijk · \#\#heid (2) |" in text
    assert r"| चिकित्सक | च · \#\#िक · \#\#ित् · \#\#स · \#\#क (5) | चिकित्सक (1) |" in text
    assert r"| قسطنطنيه | \[UNK\] (1) | – |" in text
    assert "–: the study has no such model for the language." in text
    frame = pd.read_csv(results.path("tables", "figure_2.csv"))
    assert list(frame["pieces"]) == [6, 2, 5, 1, 1]
