"""Small dumps and mirrors of them, made for each test, and servers of these."""

import bz2
import functools
import http.server
import random
import shutil
import tempfile
import threading
from pathlib import Path

import pytest
from dump_server import DATE, WIKI, Behaviour, Handler
from made_documents import Output
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


@pytest.fixture
def behaviour() -> Behaviour:
    return Behaviour()


@pytest.fixture
def server(mirror, behaviour):
    handler = functools.partial(Handler, directory=str(mirror), behaviour=behaviour)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


@pytest.fixture
def archive(mirror, tmp_path) -> Path:
    """An archive with a folder for each dump, which keeps the sums and not dumpstatus.json."""
    folder = tmp_path / "archive/xxwiki-20230501"
    shutil.copytree(mirror / WIKI / DATE, folder)
    (folder / "dumpstatus.json").unlink()
    return folder.parent


@pytest.fixture
def output(tmp_path) -> Output:
    """Where a test's documents go."""
    return Output(tmp_path / "out")
