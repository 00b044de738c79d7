"""Several processes write the blocks that one writes, or none."""

import random
import subprocess
import sys
import time
from itertools import chain
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from training_toy import LENGTH, Toy, sentence

from smelt.__main__ import main
from smelt.errors import CRASH
from smelt.training import encoding
from smelt.training.pack import pack
from smelt.training.pieces import load_tokenizer, pieces_of
from smelt.training.recipes import Packing

EMPTY = [["", " \n"], [""]]


def write_groups(path: Path, groups: list[list[str]]) -> Path:
    """Write documents in these row groups; every fourth is held out."""
    rows = [{"text": text, "held_out": number % 4 == 0} for number, text in enumerate(chain.from_iterable(groups))]
    with pq.ParquetWriter(path, pa.schema([("text", pa.string()), ("held_out", pa.bool_())])) as writer:
        for group in groups:
            writer.write_table(pa.Table.from_pylist([rows.pop(0) for _ in group], schema=writer.schema))
    return path


def texts_of(number: int, lines: int) -> list[str]:
    draw = random.Random(number)

    def text() -> str:
        return "\n".join(f"{sentence(draw, place)} {sentence(draw, 3)}" for place in range(draw.randrange(lines)))

    return [text() for _ in range(90)]


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    groups = [["kal"], *(texts_of(number, lines) for number, lines in enumerate((3, 60, 9, 1)))]
    return write_groups(tmp_path / "documents.parquet", [*EMPTY, *groups, ["Kal dap mirt urm.\n" * 3000], *EMPTY])


def blocks_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("packing", ["stream", "sentences", "lines"])
def test_any_number_of_processes_writes_the_same_bytes(
    packing: Packing, tmp_path: Path, documents: Path, toy: Toy
) -> None:
    written = []
    for processes in (1, 2, 3):
        about = pack(documents, toy.tokenizer, LENGTH, tmp_path / f"{processes}", packing, "", processes)
        assert about["train"]["documents"] + about["validation"]["documents"] == 368
        assert about["train"]["blocks"] > 400
        written.append(blocks_of(tmp_path / f"{processes}"))
    assert written[0] == written[1] == written[2]
    assert {path.name for path in tmp_path.iterdir()} == {"1", "2", "3", "documents.parquet"}


def test_a_tokenizer_that_is_not_read_as_it_is_written_is_loaded_by_each_process(documents: Path, toy: Toy) -> None:
    pieces, group = pieces_of(load_tokenizer(toy.tokenizer)), 3
    asked = encoding.Encoding(documents, toy.tokenizer, LENGTH, "stream", "")
    written = encoding.line_encoder(load_tokenizer(toy.tokenizer)).written
    assert written is not None
    loaded, read = (encoding.encoder_of_process(asked, pieces, each, True)(group) for each in (None, written))
    assert [split for split, _ in loaded] == [split for split, _ in read]
    assert sum(len(stretch.ids) for _, stretch in loaded) > 500
    for (_, one), (_, other) in zip(loaded, read, strict=True):
        assert one.ids.tolist() == other.ids.tolist()
        assert one.counts == other.counts


def start(documents: Path, toy: Toy, output: Path) -> subprocess.Popen[str]:
    words = ["blocks", "--documents", documents, "--tokenizer", toy.tokenizer, "--length", LENGTH, "--threads", 2]
    words += ["--output", output]
    return subprocess.Popen(
        [sys.executable, "-m", "smelt", *map(str, words)], stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def encoders_of(running: subprocess.Popen[str]) -> list[psutil.Process]:
    """Return the two processes that encode, as soon as they are there."""
    while running.poll() is None:
        children = psutil.Process(running.pid).children()
        found = [child for child in children if "spawn_main" in " ".join(child.cmdline())]
        if len(found) == 2:
            return found
        time.sleep(0.005)
    raise AssertionError("it ended before its processes were seen")


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Documents that take seconds."""
    texts = [texts_of(number, 400) for number in range(3)]
    return write_groups(tmp_path_factory.mktemp("large") / "large.parquet", texts * 20)


@pytest.mark.parametrize("seconds", [0, 0.7])
def test_a_killed_process_is_one_clear_line_and_leaves_nothing(
    seconds: float, tmp_path: Path, large: Path, toy: Toy
) -> None:
    with start(large, toy, tmp_path / "out" / "xa") as running:
        encoders = encoders_of(running)
        time.sleep(seconds)
        encoders[1].kill()
        try:
            _, said = running.communicate(timeout=60)
        finally:
            running.kill()
    assert running.returncode == CRASH
    assert said == (
        f"smelt: {large}: a process that encoded it was killed, most likely for want of memory: run again with fewer"
        " --threads, or more memory\n"
    )
    assert list((tmp_path / "out").iterdir()) == []


def test_processes_end_with_a_killed_command_and_the_next_one_clears_up(
    tmp_path: Path, large: Path, documents: Path, toy: Toy
) -> None:
    with start(large, toy, tmp_path / "out" / "xa") as running:
        left = encoders_of(running)
        running.kill()
    _, alive = psutil.wait_procs(left, timeout=20)
    assert alive == []
    assert len(list((tmp_path / "out").iterdir())) == 1
    pack(documents, toy.tokenizer, LENGTH, tmp_path / "out" / "xa", processes=2)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["xa"]


@pytest.mark.parametrize("threads", ["1", "2"])
def test_a_damaged_row_group_is_one_clear_line(
    threads: str, tmp_path: Path, large: Path, toy: Toy, capfd: pytest.CaptureFixture[str]
) -> None:
    content = bytearray(large.read_bytes())
    content[100_000:120_000] = bytes(20_000)
    damaged = tmp_path / "damaged.parquet"
    damaged.write_bytes(content)
    words = ["--documents", damaged, "--tokenizer", toy.tokenizer, "--length", LENGTH, "--threads", threads]
    assert main(["blocks", *map(str, words), "--output", str(tmp_path / "out" / "xa")]) == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert f"{damaged}: is no Parquet file of documents" in line
    assert list((tmp_path / "out").iterdir()) == []
