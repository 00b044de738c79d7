"""Outputs appear whole or not at all, and nothing is left of those that did not."""

import errno
import json
import math
import os
import re
import resource
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models

import smelt
from smelt.disk import scratch_folder
from smelt.errors import SmeltError
from smelt.files import whole_file, whole_folder, write_json


def test_a_file_that_fails_half_way_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError):
        _write_half(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def _write_half(path: Path) -> None:
    with whole_file(path) as draft:
        draft.write_text("half")
        1 / 0  # noqa: B018 - stands for any error


def test_drafts_of_killed_processes_go_with_the_next_writing(tmp_path: Path) -> None:
    (tmp_path / ".out.4711.draft").write_text("half")
    (tmp_path / ".out.x1y2.draft").mkdir()
    (tmp_path / ".other.4711.draft").write_text("another's")
    with whole_folder(tmp_path / "out") as draft:
        (draft / "part").write_text("whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".other.4711.draft", "out"]


def test_json_holds_null_where_a_number_does_not_exist(tmp_path: Path) -> None:
    value = {
        "scores": [math.nan, 1.5, (-math.inf, 2)],
        "deep": {"loss": np.float64("nan")},
        "text": "NaN",
        "none": None,
    }
    write_json(tmp_path / "metrics.json", value)
    assert strictly_read(tmp_path / "metrics.json") == {
        "scores": [None, 1.5, [None, 2]],
        "deep": {"loss": None},
        "text": "NaN",
        "none": None,
    }


def test_a_number_that_does_not_exist_is_refused_where_null_would_mean_another_thing(tmp_path: Path) -> None:
    with pytest.raises(SmeltError, match=r"config.json: layers.1.dropout is inf, which JSON cannot hold"):
        write_json(tmp_path / "config.json", {"layers": [{}, {"dropout": math.inf}]}, exact=True)
    assert list(tmp_path.iterdir()) == []


HASHED = "hashed, and never read"
GIVEN = "given to a command, in the params of a rule"
MAY_CALL_DUMPS = {
    "files.py": "the one writer; it refuses NaN",
    "models/job.py": HASHED,
    "models/reduce/selection.py": "whole numbers and names, beside the columns of a Parquet file",
    "models/reduce/count.py": HASHED,
    "models/vocabulary/tensors.py": "the header of safetensors: names and whole numbers",
    "models/vocabulary/tokenizer_files.py": "a tokenizer.json with the digits that it was read with",
    "training/known_words.py": "given to the tokenizers library, and not to a file",
    "preflight/cluster.py": "on the screen of a job, and not in a file",
    "provenance.py": HASHED,
    "report/scores.py": "in a message",
    "slurm/orphans.py": HASHED,
    "study/makers/adopt.py": GIVEN,
    "study/makers/export.py": GIVEN,
    "study/makers/trained.py": GIVEN,
    "study/data_sets.py": HASHED,
    "study/reference.py": "a default, in the words of a page",
    "study/rules/corpora.py": GIVEN,
    "study/rules/finetune.py": GIVEN,
    "study/rules/report.py": GIVEN,
    "study/rules/tokenizers.py": GIVEN,
    "training/lock.py": "whole numbers and names, in a lock that only smelt reads",
    "training/checkpoints.py": HASHED,
}
"""Modules that may turn values into JSON by themselves, each with the reason."""


def test_no_module_writes_json_that_could_hold_the_word_nan() -> None:
    """json.dump and json.dumps write NaN as a bare word; what goes to files goes through smelt.files."""
    package = Path(smelt.__file__).parent
    calls = re.compile(r"\bjson\.dumps?\b|\bfrom json import|\bimport json as|\bJSONEncoder\b")
    found = {str(file.relative_to(package)) for file in package.rglob("*.py") if calls.search(file.read_text("utf-8"))}
    assert found == MAY_CALL_DUMPS.keys()


def strictly_read(path: Path) -> object:
    def refuse(word: str) -> object:
        raise AssertionError(f"{path} holds {word}")

    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


@pytest.mark.parametrize(("mask", "file", "folder"), [(0o022, 0o644, 0o755), (0o027, 0o640, 0o750)])
def test_all_that_is_written_is_as_readable_as_the_umask_lets_it_be(
    mask: int, file: int, folder: int, tmp_path: Path
) -> None:
    before = os.umask(mask)
    try:
        with whole_folder(tmp_path / "model") as draft:
            save_file({"weight": torch.zeros(2)}, draft / "model.safetensors")  # which writes for its owner alone
            (draft / "part").mkdir(mode=0o700)
            (draft / "part/card").touch(mode=0o400)
        with whole_file(tmp_path / "table") as draft:
            draft.touch(mode=0o600)
    finally:
        os.umask(before)
    modes = {str(path.relative_to(tmp_path)): stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")}
    assert modes == {
        "model": folder,
        "model/model.safetensors": file,
        "model/part": folder,
        "model/part/card": file,
        "table": file,
    }


def test_folders_of_a_shared_one_give_their_group_to_what_is_made_in_them(tmp_path: Path) -> None:
    tmp_path.chmod(0o2775)
    with whole_folder(tmp_path / "models/base") as draft:
        (draft / "part").mkdir()
        (draft / "part/card").touch()
    shared = {str(path.relative_to(tmp_path)): bool(path.stat().st_mode & stat.S_ISGID) for path in tmp_path.rglob("*")}
    assert shared == {"models": True, "models/base": True, "models/base/part": True, "models/base/part/card": False}


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_command_that_is_ended_leaves_nothing_and_no_traceback(number: signal.Signals, tmp_path: Path) -> None:
    # A document file is read from a pipe that never ends, so that the command is in the middle of its work.
    words = ["--language", "en", "--text", "/dev/stdin", "--held-out", "0.1", "--statistics", f"{tmp_path}/out/s.json"]
    job = subprocess.Popen(
        [sys.executable, "-m", "smelt", "documents", *words, "--output-documents", f"{tmp_path}/out/d.parquet"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.monotonic() + 30
    while not list(tmp_path.glob("out/.*.draft")):
        assert time.monotonic() < deadline, "the command did not begin to write"
        time.sleep(0.02)
    job.send_signal(number)
    _, error = job.communicate(timeout=30)
    assert job.returncode == 128 + number
    assert "Traceback" not in error
    assert list((tmp_path / "out").iterdir()) == []


FULL = """
import sys
from pathlib import Path
import pyarrow, tokenizers, torch
from pyarrow import parquet
from safetensors.torch import save_file
from smelt.files import whole_file, whole_folder
disk = Path(sys.argv[1])
(disk / "filler").write_bytes(bytes(80 * 1024))
rows, weights = torch.rand(20_000), {"a": torch.zeros(20_000)}
pieces = tokenizers.Tokenizer(tokenizers.models.WordLevel({"x" * 80_000: 0}, "x"))
for name, write in {
    "text": lambda draft: draft.write_text("x" * 80_000),
    "rows": lambda draft: parquet.write_table(pyarrow.table({"a": rows.numpy()}), draft),
    "weights": lambda draft: save_file(weights, draft / "model.safetensors"),
    "pieces": lambda draft: pieces.save(str(draft / "tokenizer.json")),
}.items():
    try:
        with (whole_folder if name in ("weights", "pieces") else whole_file)(disk / name) as draft:
            write(draft)
    except OSError as error:
        print(error)
print([path.name for path in disk.iterdir()])
"""


def test_a_full_disk_is_named_whichever_library_writes_and_leaves_nothing(tmp_path: Path) -> None:
    mount = ["unshare", "--mount", "--map-root-user"]  # seen by these processes only
    if shutil.which("unshare") is None or subprocess.run([*mount, "mount", "-t", "tmpfs", "x", tmp_path]).returncode:
        pytest.skip("needs to mount a small file system in a name space of its own")
    script = f"mount -t tmpfs -o size=100k full {tmp_path} && exec {sys.executable} - {tmp_path}"
    done = subprocess.run([*mount, "sh", "-c", script], input=FULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    *errors, left = done.stdout.splitlines()
    names = ("text", "rows", "weights", "pieces")
    where = re.compile(r"\[Errno 28\] No space left on device \(.*; nothing of it is kept\): '(.*)'")
    assert [where.fullmatch(error)[1] for error in errors] == [str(tmp_path / name) for name in names]
    assert left == "['filler']"


def tokenizer() -> Tokenizer:
    return Tokenizer(models.WordLevel({f"w{number}": number for number in range(9000)}, unk_token="w0"))


WRITERS: dict[str, Callable[[Path], object]] = {
    "safetensors": lambda path: save_file({"weight": torch.zeros(50_000)}, path),
    "tokenizers": lambda path: tokenizer().save(str(path)),
    "torch": lambda path: torch.save(torch.zeros(50_000), path),
    "numpy": lambda path: np.save(path.open("wb"), np.zeros(50_000)),
    "parquet": lambda path: pq.write_table(pa.table({"number": np.random.default_rng(1).random(50_000)}), path),
    "text": lambda path: path.write_text("x" * 200_000),
}


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Let no file become larger, as a quota or a full disk would."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_what_a_disk_does_not_take_is_one_error_of_all_libraries_and_leaves_nothing(
    tmp_path: Path, write: Callable[[Path], object]
) -> None:
    with (
        pytest.raises(OSError, match="nothing of it is kept") as caught,
        files_of_at_most(20_000),
        whole_folder(tmp_path / "model") as draft,
    ):
        write(draft / "part")
    assert caught.value.filename == str(tmp_path / "model")
    assert re.search(r" \([\d,]+ bytes of it were written, [\d,]+ are free; nothing of it is kept\)", str(caught.value))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_may_not_be_written_to_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / ".out.1.draft"))

    monkeypatch.setattr(Path, "write_text", refused)
    with pytest.raises(PermissionError) as caught:
        write_json(tmp_path / "out", {})
    assert caught.value.filename == str(tmp_path / "out")


def test_an_input_that_may_not_be_read_is_not_taken_for_the_output(tmp_path: Path) -> None:
    with pytest.raises(PermissionError) as caught, whole_folder(tmp_path / "made" / "out"):
        raise PermissionError(errno.EACCES, "Permission denied", "/input")
    assert caught.value.filename == "/input"


def test_scratch_of_a_killed_process_is_removed_and_that_of_a_living_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    held = (
        "import sys, time; from smelt.disk import scratch_folder\n"
        "with scratch_folder('reduce') as folder: (folder / 'part').touch(); print(folder, flush=True); time.sleep(99)"
    )
    start = {"stdout": subprocess.PIPE, "text": True, "env": os.environ | {"TMPDIR": str(tmp_path)}}
    dead, living = (subprocess.Popen([sys.executable, "-c", held], **start) for _ in range(2))
    folders = [Path(process.stdout.readline().strip()) for process in (dead, living)]
    dead.kill()
    dead.wait()
    with scratch_folder("reduce") as ours:
        assert [folder.exists() for folder in (*folders, ours)] == [False, True, True]
    assert not ours.exists()
    living.kill()
    living.wait()
