"""`smelt job count` on real files: what it writes, whatever the number of processes, and after it was killed."""

import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from counted_tokenizers import BUILDERS, Built, sentences

from smelt.__main__ import main
from smelt.models.reduce.count import CountingJob, count_documents
from smelt.models.reduce.counting import draw_lines
from smelt.models.reduce.selection import read_counts
from smelt.models.vocabulary.vocabulary import read_vocabulary


@pytest.fixture(scope="module")
def built() -> Built:
    return BUILDERS["WordPiece, cased"]()


@pytest.fixture(scope="module")
def tokenizer(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    built.whole.save_pretrained(folder)
    return folder


def write_documents(path: Path, groups: int, sentences_each: int = 20) -> Path:
    """Write documents of two lines in row groups; every fifth is held out."""
    schema = pa.schema([("text", pa.string()), ("held_out", pa.bool_())])
    with pq.ParquetWriter(path, schema) as writer:
        for group in range(groups):
            lines = sentences(sentences_each, seed=group)
            texts = ["\n".join(lines[start : start + 2]) for start in range(0, len(lines), 2)]
            held_out = [number % 5 == 0 for number in range(len(texts))]
            writer.write_table(pa.table({"text": texts, "held_out": held_out}, schema=schema))
    return path


def words(documents: Path, tokenizer: Path, output: Path, **flags: str) -> list[str]:
    usual = {"language": "xa", "shards": str(output.with_name("shards"))} | flags
    named = ["--documents", str(documents), "--tokenizer", str(tokenizer), "--output", str(output)]
    return ["count", *named, *(part for name, value in usual.items() for part in (f"--{name}", value))]


def test_it_counts_the_documents_that_are_not_held_out(tmp_path: Path, tokenizer: Path, built: Built) -> None:
    documents = write_documents(tmp_path / "documents.parquet", groups=3)
    assert main(words(documents, tokenizer, tmp_path / "xa.parquet")) == 0
    rows = [row for row in pq.read_table(documents).to_pylist() if not row["held_out"]]
    lines = [line for row in rows for line in row["text"].split("\n")]
    vocabulary = read_vocabulary(tokenizer, "tokenizer")
    counts = read_counts(tmp_path / "xa.parquet", vocabulary.digest)
    expected = Counter(piece for line in lines for piece in set(built.whole.tokenize(line)))
    found = {vocabulary.pieces[number]: counts.in_lines[number] for number in np.flatnonzero(counts.in_lines)}
    assert found == expected
    assert (counts.language, counts.lines, counts.documents) == ("xa", len(lines), len(rows))
    assert counts.tokens == sum(len(built.whole.tokenize(line)) for line in lines)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["documents.parquet", "xa.parquet"]


def test_any_number_of_processes_writes_the_same_file(tmp_path: Path, tokenizer: Path) -> None:
    documents = write_documents(tmp_path / "documents.parquet", groups=5)
    written = set()
    for threads in ("1", "2"):
        assert main(words(documents, tokenizer, tmp_path / "xa.parquet", threads=threads)) == 0
        written.add((tmp_path / "xa.parquet").read_bytes())
    assert len(written) == 1


def shards_of(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.glob("*/*.npz")}


def killed(command: list[str], shards: Path) -> dict[Path, int]:
    """Start a count and kill it with its first shard written; return the shards that are left."""
    process = subprocess.Popen([sys.executable, "-m", "smelt", *command], start_new_session=True)
    while not shards_of(shards):
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    for _ in range(500):  # its processes end with it
        if subprocess.run(["pgrep", "-g", str(process.pid)], capture_output=True).returncode:
            return shards_of(shards)
        time.sleep(0.02)
    raise AssertionError("processes of a killed count are still there")


@pytest.mark.slow
def test_a_killed_count_goes_on_to_the_same_file(
    tmp_path: Path, tokenizer: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    documents = write_documents(tmp_path / "documents.parquet", groups=30, sentences_each=300)
    command = words(documents, tokenizer, tmp_path / "xa.parquet", threads="2")
    left = killed(command, tmp_path / "shards")
    assert main(command) == 0
    assert f"{len(left)} of 30 shards were counted before" in capsys.readouterr().out
    assert main(words(documents, tokenizer, tmp_path / "straight.parquet")) == 0
    assert (tmp_path / "xa.parquet").read_bytes() == (tmp_path / "straight.parquet").read_bytes()


def test_a_special_piece_that_a_text_spells_out_is_counted_as_text(tmp_path: Path) -> None:
    tokenizer = tmp_path / "tokenizer"
    whole = BUILDERS["WordPiece, cased"]().whole
    whole.save_pretrained(tokenizer)
    documents = tmp_path / "documents.parquet"
    pq.write_table(pa.table({"text": ["abc [MASK] abc"], "held_out": [False]}), documents)
    assert main(words(documents, tokenizer, tmp_path / "xa.parquet")) == 0
    counts = read_counts(tmp_path / "xa.parquet", read_vocabulary(tokenizer, "tokenizer").digest)
    assert counts.occurrences[whole.mask_token_id] == 0
    assert whole("abc [MASK] abc")["input_ids"].count(whole.mask_token_id) == 1  # as people read it


@pytest.fixture
def unfinished(tmp_path: Path, tokenizer: Path) -> Path:
    """Documents whose shards are all counted, but not yet added up, in the folder `shards`."""
    documents = write_documents(tmp_path / "documents.parquet", groups=4)
    vocabulary = read_vocabulary(tokenizer, "tokenizer")
    count_documents(CountingJob(documents, vocabulary.tree, vocabulary.size, True), tmp_path / "shards", 1)
    return documents


def test_shards_are_used_again_and_then_removed(
    tmp_path: Path, unfinished: Path, tokenizer: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(unfinished, tokenizer, tmp_path / "xa.parquet")) == 0
    assert "4 of 4 shards were counted before" in capsys.readouterr().out
    assert not (tmp_path / "shards").exists()


@pytest.mark.parametrize("changed", ["documents", "tokenizer"])
def test_shards_of_other_documents_or_another_tokenizer_are_not_used(
    changed: str, tmp_path: Path, unfinished: Path, tokenizer: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if changed == "documents":
        write_documents(unfinished, groups=4, sentences_each=22)
    else:
        tokenizer = tmp_path / "uncased"
        BUILDERS["WordPiece, uncased"]().whole.save_pretrained(tokenizer)
    assert main(words(unfinished, tokenizer, tmp_path / "xa.parquet")) == 0
    assert "were counted before" not in capsys.readouterr().out
    straight = words(unfinished, tokenizer, tmp_path / "straight.parquet", shards=str(tmp_path / "others"))
    assert main(straight) == 0
    assert (tmp_path / "xa.parquet").read_bytes() == (tmp_path / "straight.parquet").read_bytes()


@pytest.mark.parametrize("left", [0, 100, -20])
def test_a_broken_shard_is_counted_again(
    left: int, tmp_path: Path, unfinished: Path, tokenizer: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = min(shards_of(tmp_path / "shards"))
    broken.write_bytes(broken.read_bytes()[:left])
    assert main(words(unfinished, tokenizer, tmp_path / "xa.parquet")) == 0
    assert "3 of 4 shards were counted before" in capsys.readouterr().out
    straight = words(unfinished, tokenizer, tmp_path / "straight.parquet", shards=str(tmp_path / "others"))
    assert main(straight) == 0
    assert (tmp_path / "xa.parquet").read_bytes() == (tmp_path / "straight.parquet").read_bytes()


def test_what_cannot_be_counted_is_refused_in_one_line(
    tmp_path: Path, tokenizer: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    held_out = tmp_path / "held-out.parquet"
    pq.write_table(pa.table({"text": ["a long enough line"], "held_out": [True]}), held_out)
    pq.write_table(pa.table({"text": ["a long enough line"]}), tmp_path / "column.parquet")
    (tmp_path / "broken.parquet").write_bytes(held_out.read_bytes()[:-20])
    for documents, folder, complaint in (
        (held_out, tokenizer, "xa has no text"),
        (tmp_path / "column.parquet", tokenizer, "has no column held_out"),
        (tmp_path / "broken.parquet", tokenizer, "is no whole Parquet file"),
        (tmp_path / "none.parquet", tokenizer, "no such file"),
        (held_out, tmp_path, "has no tokenizer"),
    ):
        assert main(words(documents, folder, tmp_path / "xa.parquet")) == 1
        error = capsys.readouterr().err
        assert complaint in error
        assert error.count("\n") == 1
        assert not (tmp_path / "xa.parquet").exists()


def test_counting_loads_no_torch() -> None:
    code = "import sys, smelt.models.reduce.count; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def sampled(documents: Path, tokenizer: Path, output: Path, size: int, seed: int = 1) -> list[str]:
    named = ["--documents", documents, "--tokenizer", tokenizer, "--output", output, "--language", "xa"]
    return ["count", *map(str, named), "--sample", str(size), "--seed", str(seed)]


def test_a_sample_counts_as_many_lines_and_all_where_there_are_fewer(
    tmp_path: Path, tokenizer: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    documents = write_documents(tmp_path / "documents.parquet", groups=3)
    assert main(words(documents, tokenizer, tmp_path / "whole.parquet")) == 0
    digest = read_vocabulary(tokenizer, "tokenizer").digest
    whole, found = read_counts(tmp_path / "whole.parquet", digest), {}
    for size in (10, 30, 1000):
        assert main(sampled(documents, tokenizer, tmp_path / f"{size}.parquet", size)) == 0
        found[size] = read_counts(tmp_path / f"{size}.parquet", digest)
    assert [each.lines for each in found.values()] == [10, 30, whole.lines]
    assert f"xa has {whole.lines:,} lines that count: fewer than the 1,000 to be drawn" in capsys.readouterr().out
    for column in ("in_lines", "in_documents", "occurrences"):
        small, larger, all_lines, every = (getattr(each, column) for each in (*found.values(), whole))
        assert (small <= larger).all()  # the lines of a smaller sample are among those of a larger one
        assert (larger <= all_lines).all()
        assert (all_lines == every).all()
        assert 0 < small.sum() < larger.sum() < every.sum()


def test_another_seed_draws_other_lines_and_all_are_as_likely() -> None:
    documents = [f"first line {number}\nsecond line {number}\nlast line {number}" for number in range(100)]
    drawn = [draw_lines(documents, 30, seed, "xa") for seed in range(200)]
    assert drawn[0] != drawn[1]
    assert draw_lines(documents, 30, 0, "xa") == drawn[0] != draw_lines(documents, 30, 0, "xb")
    times = Counter(line for sample in drawn for document in sample for line in document.split("\n"))
    assert sum(times.values()) == 30 * 200
    assert len(times) == 300
    assert 5 < min(times.values()) < max(times.values()) < 40  # 20 each, with a deviation of 4.2


def test_a_sample_takes_no_shards(tmp_path: Path, tokenizer: Path, capsys: pytest.CaptureFixture[str]) -> None:
    documents = write_documents(tmp_path / "documents.parquet", groups=1)
    assert main(words(documents, tokenizer, tmp_path / "xa.parquet", sample="10")) == 1
    assert "expected either --shards, to count all lines, or --sample" in capsys.readouterr().err
