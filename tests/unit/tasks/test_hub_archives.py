"""Archives in data sets of the hub: none is unpacked, whatever its name."""

import gzip
import io
import json
import tarfile
from zipfile import ZipFile

import pytest
from hub_cache import SENTIMENT, prepare, snapshot

from smelt.tasks.splits import SPLITS


def zipped(rows: bytes) -> bytes:
    archive = io.BytesIO()
    with ZipFile(archive, "w") as packed:
        packed.writestr("rows.jsonl", rows)
    return archive.getvalue()


def tarred(rows: bytes) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as packed:
        member = tarfile.TarInfo("rows.jsonl")
        member.size = len(rows)
        packed.addfile(member, io.BytesIO(rows))
    return archive.getvalue()


@pytest.mark.parametrize(
    ("name", "pack", "expected"),
    [
        ("train.zip", zipped, "holds train.zip, and no archive is unpacked: expected files in .parquet, "),
        ("train.jsonl.zip", zipped, "holds train.jsonl.zip, and no archive is unpacked"),
        ("train.tar.gz", tarred, "holds train.tar.gz, and no archive is unpacked"),
        ("train.jsonl", zipped, "SetFit/sst5/default/train: cannot be read: "),
        ("train.csv", gzip.compress, "SetFit/sst5/default/train: cannot be read: "),
        ("train.jsonl.gz", gzip.compress, None),
    ],
)
def test_no_archive_of_a_data_set_is_unpacked_whatever_its_name(
    write_task, home, tmp_path, capsys, name, pack, expected
):
    folder = snapshot(home, repository="SetFit/sst5")
    files = [{"split": split, "path": name} for split in SPLITS]
    configs = json.dumps({"configs": [{"config_name": "default", "data_files": files}]})
    (folder / "README.md").write_text(f"---\n{configs}\n---\n")
    rows = [{"text": f"{word} film", "label_text": word} for word in ("good", "bad")]
    (folder / name).write_bytes(pack("".join(json.dumps(row) + "\n" for row in rows).encode()))
    code = prepare(write_task, tmp_path / "out", SENTIMENT)
    said = capsys.readouterr().err
    assert (code, (tmp_path / "out").exists()) == ((1, False) if expected else (0, True)), said
    assert (expected or "") in said
    assert not list((home / "datasets").rglob("*extracted*"))
