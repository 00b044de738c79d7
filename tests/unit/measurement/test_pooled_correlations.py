"""Correlations over models: the words of all of them in one r, and r within models."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from smelt.__main__ import main

WORDS = [["Ada", "met", "Grace", "Hopper"], ["Turing", "slept"], ["Curie", "and", "Noether"]]
GOLD = [["B-PER", "O", "B-PER", "I-PER"], ["B-PER", "O"], ["B-PER", "O", "B-PER"]]
PIECES = {"fine": [[3, 1, 4, 2], [5, 1], [2, 2, 3]], "coarse": [[1, 1, 2, 1], [2, 1], [1, 1, 2]]}
MISSED = {
    "fine": [[[1, 0, 1, 0], [1, 0], [0, 0, 1]], [[0, 0, 1, 1], [1, 0], [0, 1, 1]]],
    "coarse": [[[0, 0, 1, 0], [0, 0], [0, 0, 1]], [[0, 0, 0, 0], [1, 0], [0, 0, 0]]],
}
TASK = {"name": "ner", "kind": "token-classification", "scheme": "iob2"}


def write(folder: Path, model: str, task: str = "ner", sentences: int = 3) -> list[Path]:
    paths = []
    for seed, missed in enumerate(MISSED[model], 1):
        rows = [
            {
                "example": number,
                "language": "en",
                "words": WORDS[number],
                "gold": GOLD[number],
                "predicted": ["X" if miss else label for miss, label in zip(missed[number], GOLD[number], strict=True)],
                "pieces": [[f"p{piece}" for piece in range(count)] for count in PIECES[model][number]],
            }
            for number in range(sentences)
        ]
        path = folder / model / task / f"seed-{seed}" / "predictions.parquet"
        path.parent.mkdir(parents=True)
        pd.DataFrame(rows).to_parquet(path)
        paths.append(path)
    (folder / "tasks" / task).mkdir(parents=True, exist_ok=True)
    (folder / "tasks" / task / "task.json").write_text(json.dumps(TASK | {"name": task}))
    return paths


def correlate(folder: Path, paths: list[Path], *tasks: str) -> int:
    words = ["correlations", "--predictions", *map(str, paths), "--settings", '{"resamples": 50}']
    words += ["--tasks", *(str(folder / "tasks" / task) for task in tasks or ("ner",))]
    return main([*words, "--output", str(folder / "found.json")])


def found(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "found.json").read_text())
    return content


def flat(values: list[list[int]], inside: bool) -> list[float]:
    pairs = [
        (value, label)
        for row, labels in zip(values, GOLD, strict=True)
        for value, label in zip(row, labels, strict=True)
    ]
    return [float(value) for value, label in pairs if label != "O" or not inside]


@pytest.mark.parametrize(("population", "inside"), [("entity words", True), ("all words", False)])
def test_all_words_of_all_models_are_correlated_and_then_within_models(
    tmp_path: Path, population: str, inside: bool
) -> None:
    assert correlate(tmp_path, [*write(tmp_path, "fine"), *write(tmp_path, "coarse")]) == 0
    pooled = found(tmp_path)["ner"]
    assert pooled["models"] == ["fine", "coarse"]
    rows = {tuple(row["given"]): row for row in pooled["correlations"] if row["population"] == population}
    of_model = []
    for model in ("fine", "coarse"):
        pieces = np.array(flat(PIECES[model], inside))
        missed = np.mean([flat(run, inside) for run in MISSED[model]], axis=0)
        of_model.append((pieces, missed))
    x, y = (np.concatenate(part) for part in zip(*of_model, strict=True))
    assert rows[()]["r"] == pytest.approx(np.corrcoef(x, y)[0, 1])
    centred = [np.concatenate([part - part.mean() for part in parts]) for parts in zip(*of_model, strict=True)]
    assert rows[("model",)]["r"] == pytest.approx(np.corrcoef(*centred)[0, 1])
    assert rows[()]["words"] == len(x) == 2 * len(of_model[0][0])
    assert (rows[()]["sentences"], rows[()]["runs"], rows[()]["of_runs"]["n"]) == (3, 2, 2)
    assert rows[("model",)]["degrees_of_freedom"] == len(x) - 3
    assert rows[()]["bootstrap"]["method"] == "percentile bootstrap of 3 sentences"


def test_a_task_of_one_model_has_nothing_to_pool(tmp_path: Path) -> None:
    paths = [*write(tmp_path, "fine"), *write(tmp_path, "coarse"), *write(tmp_path, "fine", "pos")]
    assert correlate(tmp_path, paths, "ner", "pos") == 0
    assert found(tmp_path).keys() == {"ner"}


def test_models_that_read_other_words_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [*write(tmp_path, "fine"), *write(tmp_path, "coarse", sentences=2)]
    assert correlate(tmp_path, paths) == 1
    assert "smelt: predictions of coarse: hold other words or gold labels than those of fine" in capsys.readouterr().err
    assert not (tmp_path / "found.json").exists()


def test_a_task_without_its_folder_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [*write(tmp_path, "fine"), *write(tmp_path, "fine", "pos")]
    assert correlate(tmp_path, paths, "ner") == 1
    assert "smelt: --tasks: hold no folder of the task 'pos'" in capsys.readouterr().err
