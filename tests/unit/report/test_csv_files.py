"""CSV files between the parts of a report: rows are read as pandas reads tables, and faults are named."""

import math
from pathlib import Path

import pytest

from smelt.errors import SmeltError
from smelt.report.csv_files import read_csv, read_rows, write_csv

ROWS = [
    {"model": "007", "task": "nan", "n": 3, "p": 0.1 + 0.2, "seeds": 4, "significant": True, "note": 'a "b", c\nd'},
    {"model": "1e5", "task": "na", "n": 10, "p": 1e-300, "seeds": None, "significant": None, "note": "é"},
    {"model": "é", "task": "", "n": 0, "p": None, "seeds": None, "significant": False, "note": ""},
]


def test_rows_are_those_of_the_table(tmp_path: Path) -> None:
    write_csv(path := tmp_path / "t.csv", ROWS, counts=["seeds"])
    columns = ["note", "model", "task", "p", "n", "significant", "seeds"]
    rows = read_rows(path, columns)
    assert [list(row) for row in rows] == [columns] * 3
    table = read_csv(path, columns).to_dict("records")
    for row, expected in zip(rows, table, strict=True):
        for column in columns:
            assert str(row[column]) == str(expected[column]) or row[column] == expected[column]
    assert [type(row["n"]) for row in rows] == [int] * 3  # to be shown as 3, not as 3.0
    assert rows[0]["p"] == 0.1 + 0.2
    assert math.isnan(rows[1]["seeds"])


@pytest.mark.parametrize("column", ["note", "significant", "correction", "interval_method", "test", "no_worse_a_shown"])
@pytest.mark.parametrize("text", ["1_000", "007", "inf", "nan", "1e5", "True"])
def test_texts_are_never_numbers(tmp_path: Path, column: str, text: str) -> None:
    (path := tmp_path / "t.csv").write_text(f"model,{column}\na,{text}\n", encoding="utf-8")
    assert read_rows(path, [column]) == read_csv(path, [column])[[column]].to_dict("records") == [{column: text}]


@pytest.mark.parametrize("values", [[0.1 + 0.2, 1e-300, 1e22], [math.inf, -math.inf], [-3, 10**15], [1, 2.5], []])
def test_numbers_are_read_as_they_were_written(tmp_path: Path, values: list[float]) -> None:
    write_csv(path := tmp_path / "t.csv", [{"p": value} for value in values], ["p"])
    assert [row["p"] for row in read_rows(path, ["p"])] == values == read_csv(path, ["p"])["p"].to_list()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is empty: expected the columns model, p"),
        (b"model,q\n", "has no column p: expected model, p; found model, q"),
        (b"model,p\na\n", "row 1 has 1 cells: expected 2"),
        (b'model,p\n"a,1\n', "is not a CSV table"),
        (b"model,p\n\xff,1\n", "is not a CSV table"),
        *(
            (f"model,p\na,1\nb,{cell}\n".encode(), f"p of row 2 is '{cell}'")
            for cell in ("1_000", "nan", "١", " 1", "x")
        ),
        (None, "no such file"),
    ],
)
def test_a_broken_file_is_refused(tmp_path: Path, content: bytes | None, complaint: str) -> None:
    path = tmp_path / "t.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SmeltError, match=rf"t\.csv: {complaint}"):
        read_rows(path, ["model", "p"])
