"""The page shows what tokenizers make of each language, from the token blocks that are still there."""

import json
from pathlib import Path
from typing import Any

import pytest
from test_corpora_on_page import SIGNIFICANCE, cells, files, records, statistics

from smelt.__main__ import main
from smelt.errors import SmeltError
from smelt.report.page.blocks import BlocksRecord, blocks_tables, read_blocks
from smelt.report.page.corpus_warnings import looks

TRAIN = {"sentences": 100, "characters": 9000, "tokens": 3000, "fertility": 1.5, "characters_per_piece": 3.0}


def write(folder: Path, language: str, vocabulary: str = "u8k", packing: str = "stream-64", **changes: Any) -> Path:
    """Write blocks.json, as `smelt job blocks` does."""
    path = folder / "blocks" / "wiki" / vocabulary / packing / language / "blocks.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"train": TRAIN | {"unknown_share": 0.0} | changes}))
    return path


def test_each_language_has_a_row_for_each_vocabulary(tmp_path: Path) -> None:
    paths = [
        write(tmp_path, "sw", tokens=1000, unknown_share=0.0123),
        write(tmp_path, "en"),
        write(tmp_path, "en", vocabulary="u32k", sentences=0, fertility=None),
        write(tmp_path, "en", packing="lines-128", tokens=1),  # of the same text and pieces
    ]
    small, large = blocks_tables(read_blocks(paths))
    assert cells(small.grids[0]) == {
        "en": ["100", "90", "3,000", "1.50", "3.00", "0.00%"],
        "sw": ["100", "90", "1,000", "1.50", "3.00", "1.23%"],
    }
    assert cells(large.grids[0]) == {"en": ["0", "–", "3,000", "–", "3.00", "0.00%"]}
    assert (small.caption, large.caption) == ("wiki: pieces of u8k", "wiki: pieces of u32k")


def test_blocks_that_were_deleted_are_passed_over(tmp_path: Path) -> None:
    there = write(tmp_path, "sw")
    assert [record.language for record in read_blocks([tmp_path / "wiki/u8k/stream-64/en/blocks.json", there])] == [
        "sw"
    ]
    assert blocks_tables([]) == []


def test_a_file_that_is_no_record_of_blocks_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, "sw")
    path.write_text("{}")
    with pytest.raises(SmeltError, match=r"blocks\.json: has no 'sentences': make the blocks again"):
        read_blocks([path])


@pytest.mark.parametrize(
    ("sentences", "unknown", "lines"),
    [
        (100, 0.01, []),
        (100, 0.0101, ["more than 1% of the pieces are unknown to u8k: sw (1.0%)"]),
        (600, 0.0, []),
        (601, 0.0, ["sentences have fewer than 15 or more than 400 characters on average: sw (15)"]),
        (20, None, ["sentences have fewer than 15 or more than 400 characters on average: sw (450)"]),
    ],
)
def test_odd_sentences_and_unknown_pieces_deserve_a_look(
    tmp_path: Path, sentences: int, unknown: float | None, lines: list[str]
) -> None:
    found = records(tmp_path, statistics("sw"))
    block = BlocksRecord("wiki", "u8k", "sw", sentences, 9000, 3000, 1.5, 3.0, unknown)
    other = BlocksRecord("other", "u8k", "sw", 1, 9000, 3000, 1.5, 3.0, 0.5)  # of a corpus that is not shown
    assert [str(look) for look in looks(found, [block, other])] == [f"wiki: {line}." for line in lines]


def test_the_tables_are_folded_on_the_page(tmp_path: Path) -> None:
    study = {"study": "small", "models": {}, "corpora": {"wiki": {}}}
    words = ["page", "--study", json.dumps(study), "--significance", json.dumps(SIGNIFICANCE)]
    words += ["--corpora", *map(str, files(tmp_path, statistics("sw")))]
    words += ["--blocks", str(write(tmp_path, "sw")), "results/small/blocks/wiki/u8k/stream-64/en/blocks.json"]
    assert main([*words, "--output", str(tmp_path / "report.html")]) == 0
    assert "<summary>wiki: pieces of u8k</summary>" in (tmp_path / "report.html").read_text()
