#!/usr/bin/env bash
# datasets 4.4.1 with pandas 3.1.1 and pyarrow 26.0.1: load_dataset("csv") shifts the columns of EVERY row, without a
# word, where the first row of a file has one cell more than the header: one comma too many in its text.
#
# pandas takes the first column of such a file for an index (index_col=None infers it from the first row), so all other
# names move one column to the right: `text` holds what `label` should in each good row, `label` is null. The same comma
# in any later row is an error ("Expected 3 fields in line 3, saw 4"): whether a file fails or is mislabelled depends on
# the order of its rows alone. Where the ids are numbers, the index is dropped and no column gives the shift away.
#
# Seen:
#   comma in row 1: id='good food' text=' nice staff' label='positive'
#                   id='bad food' text='negative' label=None
#   comma in row 2: DatasetGenerationError
#
# Why it matters: labelled data with unquoted commas is common, and a classifier is trained on shifted texts with nulls
# for labels, or on other columns' values. Pass index_col=False (the extra cell is then cut off, which also loses the
# label), or compare the number of cells with the header before loading.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check datasets==4.4.1 pandas==3.1.1 pyarrow==26.0.1
printf 'id,text,label\n1,good food, nice staff,positive\n2,bad food,negative\n3,fine,positive\n' > "$folder/first.csv"
printf 'id,text,label\n2,bad food,negative\n1,good food, nice staff,positive\n3,fine,positive\n' > "$folder/second.csv"
HF_HUB_OFFLINE=1 HF_HOME="$folder/home" FOLDER="$folder" "$folder/venv/bin/python" - <<'PYTHON'
import os
import sys

import datasets

datasets.disable_progress_bars()
folder = os.environ["FOLDER"]
rows = datasets.load_dataset("csv", data_files=f"{folder}/first.csv", split="train").to_list()
print("comma in row 1:", *(" ".join(f"{key}={value!r}" for key, value in row.items()) for row in rows), sep="\n  ")
try:
    datasets.load_dataset("csv", data_files=f"{folder}/second.csv", split="train")
    second = "no error"
except datasets.exceptions.DatasetGenerationError as error:
    second = type(error).__name__
print("comma in row 2:", second)
shifted = [
    {"id": "good food", "text": " nice staff", "label": "positive"},
    {"id": "bad food", "text": "negative", "label": None},
    {"id": "fine", "text": "positive", "label": None},
]
sys.exit(0 if (rows, second) == (shifted, "DatasetGenerationError") else "the behaviour has changed")
PYTHON
