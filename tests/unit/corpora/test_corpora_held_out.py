"""Which documents are held out, and that documents are written in bounded row groups."""

import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smelt.corpora import documents
from smelt.corpora.census import IdSet
from smelt.corpora.documents import Document, write_documents


def make(count: int, share: float, path, start: int = 0) -> dict[str, bool]:
    texts = (Document(f"text:a-{n}", "", f"Number {n}.") for n in range(start, start + count))
    counts = write_documents(texts, "en", share, path)
    lots = {row["id"]: row["held_out"] for row in pyarrow.parquet.read_table(path).to_pylist()}
    assert counts.held_out_documents == sum(lots.values())
    return lots


def test_about_the_share_is_held_out(tmp_path):
    assert 60 < sum(make(2000, 0.05, tmp_path / "a.parquet").values()) < 140


def test_a_document_is_held_out_or_not_whatever_the_others_are(tmp_path):
    few, many = make(100, 0.3, tmp_path / "a.parquet", start=50), make(500, 0.3, tmp_path / "b.parquet")
    assert few == {name: many[name] for name in few}


@pytest.mark.parametrize("share", [1e-9, 0.5])
@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_both_sides_have_a_document_where_there_are_two(share, count, tmp_path):
    for start in range(0, 50, count):
        assert set(make(count, share, tmp_path / "a.parquet", start).values()) == {True, False}


def test_a_single_document_follows_its_draw(tmp_path):
    assert list(make(1, 1e-9, tmp_path / "a.parquet").values()) == [False]


def test_row_groups_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(documents, "ROW_GROUP_CHARACTERS", 50)
    make(100, 1e-9, tmp_path / "a.parquet")
    file = pyarrow.parquet.ParquetFile(tmp_path / "a.parquet")
    assert file.num_row_groups > 10
    assert [row["id"] for row in file.read().to_pylist()] == [f"text:a-{n}" for n in range(100)]
    assert sum(row["held_out"] for row in file.read().to_pylist()) == 1
    assert file.metadata.row_group(0).column(2).compression == "ZSTD"


def test_nothing_is_left_when_a_source_fails(tmp_path):
    def failing():
        yield Document("text:a-1", "", "One.")
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        write_documents(failing(), "en", 0.1, tmp_path / "a.parquet")
    assert not list(tmp_path.iterdir())


@given(st.lists(st.integers(0, 1 << 34)))
def test_a_set_of_ids_is_a_set(numbers):
    ids, seen = IdSet(), set()
    for number in numbers:
        assert ids.add(number) == (number not in seen)
        seen.add(number)
