#!/usr/bin/env bash
# datasets 5.2.0 with pyarrow 26.0.1: load_dataset of a local folder gives the old rows after its files were changed
# or removed, without a word, if the folder's README.md lists its files under `configs`, as cards on the hub do.
#
# Without that list, the name of the cached copy holds the times of the files, and a change is noticed. With it, the name
# holds the list as it stands in the card, such as data/test-*, and neither which files that finds nor their times.
#
# Seen, for a split of two files:
#   no card:  [a, a, b, b], the first file written again with "c": [c, c, b, b], the second removed: [c, c]
#   configs:  [a, a, b, b], the same changes:                     [a, a, b, b],                      [a, a, b, b]
#
# Why it matters: a data set that is cleaned or filtered in a clone of its repository, card included, is trained and
# tested on as it was before. download_mode="force_redownload" reads the files; so does another cache_dir.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check datasets==5.2.0 pandas==3.1.1 pyarrow==26.0.1
HF_HUB_OFFLINE=1 HF_HOME="$folder/home" FOLDER="$folder" "$folder/venv/bin/python" - <<'PYTHON'
import os
import sys
from pathlib import Path

import datasets
import pyarrow
from pyarrow import parquet

datasets.disable_progress_bars()
CARD = "---\nconfigs:\n- config_name: default\n  data_files:\n  - {split: test, path: data/test-*}\n---\n"


def loaded(card: str | None) -> list[list[str]]:
    folder = Path(os.environ["FOLDER"], "with-card" if card else "without-card")
    files = [folder / f"data/test-0000{number}-of-00002.parquet" for number in range(2)]
    files[0].parent.mkdir(parents=True)
    if card:
        (folder / "README.md").write_text(card)

    def write(file: Path, text: str) -> None:
        parquet.write_table(pyarrow.table({"text": [text] * 2}), file)

    def load() -> list[str]:
        return datasets.load_dataset(str(folder), split="test")["text"][:]

    write(files[0], "a")
    write(files[1], "b")
    found = [load()]
    write(files[0], "c")
    found.append(load())
    files[1].unlink()
    return [*found, load()]


found = {"no card": loaded(None), "configs": loaded(CARD)}
for name, rows in found.items():
    print(f"{name}:", *(f"[{', '.join(row)}]" for row in rows))
old = list("aabb")
expected = {"no card": [old, list("ccbb"), list("cc")], "configs": [old, old, old]}
sys.exit(0 if found == expected else "the behaviour has changed")
PYTHON
