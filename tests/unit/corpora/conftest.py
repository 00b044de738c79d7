"""Small dumps and mirrors of them, made for each test."""

import bz2
import random
import tempfile
from pathlib import Path

import pytest
from small_dumps import BASALT, describe, export, page


@pytest.fixture(autouse=True)
def own_turns(tmp_path, monkeypatch) -> None:
    """Turns at hosts are those of the test alone; tests that run beside it have the same host."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)


@pytest.fixture
def write_dump(tmp_path):
    """A function that writes XML, as text or bytes, to a bz2 file in a dump folder and returns the folder."""

    def write(xml: str | bytes, name: str = "xxwiki-20230501-pages-articles.xml.bz2") -> Path:
        folder = tmp_path / "dumps/xxwiki/20230501"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(bz2.compress(xml.encode() if isinstance(xml, str) else xml))
        return folder

    return write


@pytest.fixture
def mirror(tmp_path, write_dump) -> Path:
    """A mirror with one wiki of two parts, laid out as the dumps server."""
    write_dump(
        export(page(1, "Noise", random.Random(1).randbytes(300_000).hex())),
        "xxwiki-20230501-pages-articles1.xml-p1p4.bz2",
    )
    folder = write_dump(export(page(5, "Basalt", BASALT)), "xxwiki-20230501-pages-articles2.xml-p5p6.bz2")
    describe(folder)
    return tmp_path / "dumps"
