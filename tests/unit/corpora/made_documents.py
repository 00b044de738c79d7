"""What the documents stage makes in a test, and how it refuses; the folder of real data."""

import json
import os
from pathlib import Path

import pyarrow.parquet
import pytest

from smelt.__main__ import main

NAME = "xxwiki-20230501-pages-articles.xml.bz2"


class Output:
    """Where a test's documents go."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.documents = folder / "documents.parquet"

    def make(self, *sources: object, held_out: float = 0.2, workers: int = 1) -> int:
        words = ["documents", "--language", "en", "--held-out", str(held_out), "--workers", str(workers)]
        outputs = ["--output-documents", str(self.documents), "--statistics", str(self.folder / "statistics.json")]
        return main([*words, *outputs, *map(str, sources)])

    def rows(self) -> list[dict]:
        return pyarrow.parquet.read_table(self.documents).to_pylist()

    def texts(self) -> dict[str, str]:
        return {row["title"]: row["text"] for row in self.rows()}

    def statistics(self) -> dict:
        return json.loads((self.folder / "statistics.json").read_text())


def assert_refused(output: Output, capsys, message: str, *sources: object) -> None:
    """Assert one clear line, exit status 1 and nothing left in the output folder."""
    assert output.make(*sources) == 1
    error = capsys.readouterr().err.strip()
    assert "\n" not in error
    assert message in error
    assert not output.folder.exists() or not list(output.folder.iterdir())


def real_data() -> Path:
    data = os.environ.get("SMELT_DATA")
    if not data:
        pytest.skip("SMELT_DATA names no folder of real data")
    return Path(data)
