"""A fine-tuned model that is reduced afterwards reads texts of kept pieces exactly as before, and is scored again."""

import json
import shutil
from pathlib import Path
from unittest.mock import Mock

import pyarrow.parquet as parquet
import pytest
from embedding_toy import retrieval_task, sentence_model
from invented_tasks import NAMES, PLACES, VERBS, sentences

from smelt.__main__ import main

SETTINGS = {"epochs": 2, "batch": 8, "learning_rate": 0.003, "length": 32, "keep": "best"}
LEFT_OUT = "boris"


def finetune(model: Path, task: Path, output: Path, **settings: object) -> Path:
    words = ["--model", model, "--task", task, "--seed", 1, "--output", output]
    assert main(["finetune", *map(str, words), "--settings", json.dumps(SETTINGS | settings)]) == 0
    return output


def reduce(run: Path, lines: list[str], output: Path) -> Path:
    """Reduce the model of a run to the pieces of some lines; whatever they hold is kept."""
    text = output.with_name("en.txt")
    text.parent.mkdir(parents=True, exist_ok=True)
    text.write_text("\n".join(lines * 5) + "\n")
    words = ["--model", run / "model", "--corpus", text, "--coverage", 1, "--output", output, "--threads", 1]
    assert main(["reduce", *map(str, words)]) == 0
    return output


def evaluate(run: Path, model: Path, task: Path, output: Path, *more: str) -> int:
    words = ["--model", model, "--name", "small", "--task", task, "--metrics", run / "metrics.json", "--output", output]
    return main(["evaluate", *map(str, words), *more])


def texts_of(rows: list[dict]) -> list[str]:
    return [" ".join(row["words"]) for row in rows]


@pytest.mark.parametrize("kind", ["entity_task", "text_task"])
def test_of_kept_pieces_the_predictions_are_those_of_the_source(kind, request, model_folder, tmp_path):
    task = request.getfixturevalue(kind)
    run = finetune(model_folder, task, tmp_path / "run")
    model = reduce(run, texts_of(sentences(64)), tmp_path / "out/model")
    assert evaluate(run, model, task, tmp_path / "out") == 0
    before, after = (parquet.read_table(folder / "predictions.parquet") for folder in (run, tmp_path / "out"))
    assert after.equals(before)  # probabilities too, bit for bit
    old, new = (json.loads((folder / "metrics.json").read_text()) for folder in (run, tmp_path / "out"))
    assert new.pop("model") == "small"
    assert old.pop("model") == "tiny"
    assert new == old
    provenance = json.loads((tmp_path / "out/provenance.json").read_text())
    assert (provenance["command"], provenance["seeds"]) == ("evaluate", [1])
    assert set(provenance["inputs"]) == {"model", "task", "metrics"}
    pieces = json.loads((model / "reduction.json").read_text())
    assert pieces["pieces"] < pieces["pieces_before"]


@pytest.mark.parametrize("prompts", [{}, {"prompts": {"query": "the ", "document": ""}}])
def test_embeddings_of_kept_pieces_are_ranked_as_by_the_source(prompts, model_folder, tmp_path):
    task = retrieval_task(tmp_path / "task")
    folder = sentence_model(model_folder, tmp_path / "tiny")
    run = finetune(folder, task, tmp_path / "run", **prompts)
    lines = [f"{name} {verb} the {place}" for name in NAMES for verb in VERBS for place in PLACES]
    model = reduce(run, lines, tmp_path / "out/model")
    assert evaluate(run, model, task, tmp_path / "out") == 0
    old, new = (json.loads((folder / "metrics.json").read_text()) for folder in (run, tmp_path / "out"))
    assert new["scores"] == old["scores"]
    assert new["settings"] == old["settings"]
    before, after = (parquet.read_table(folder / "predictions.parquet") for folder in (run, tmp_path / "out"))
    assert after.column_names == before.column_names
    assert after.num_rows == before.num_rows


def test_a_task_with_a_test_split_alone_is_scored_where_nothing_was_learnt(model_folder, tmp_path, capsys):
    task = retrieval_task(tmp_path / "task")
    for split in ("train", "validation"):
        path = task / f"{split}.parquet"
        parquet.write_table(parquet.read_table(path).slice(0, 0), path)
    folder = sentence_model(model_folder, tmp_path / "tiny")
    run = tmp_path / "run"
    words = ["--model", folder, "--task", task, "--seed", 1, "--output", run, "--settings", '{"epochs": 0}']
    assert main(["finetune", *map(str, words)]) == 0
    assert evaluate(run, folder, task, tmp_path / "out") == 0
    old, new = (json.loads((folder / "metrics.json").read_text()) for folder in (run, tmp_path / "out"))
    assert new["scores"] == old["scores"]
    learnt = old | {"settings": old["settings"] | {"epochs": 1}}
    (run / "metrics.json").write_text(json.dumps(learnt))
    assert evaluate(run, folder, task, tmp_path / "other") == 1
    assert "task: has a test split alone: expected epochs: 0" in capsys.readouterr().err


def test_texts_of_pieces_that_were_left_out_alone_are_read_otherwise(model_folder, text_task, tmp_path):
    run = finetune(model_folder, text_task, tmp_path / "run")
    known = [row for row in sentences(64) if LEFT_OUT not in row["words"]]
    model = reduce(run, texts_of(known), tmp_path / "out/model")
    assert evaluate(run, model, text_task, tmp_path / "out") == 0
    before, after = (parquet.read_table(folder / "predictions.parquet") for folder in (run, tmp_path / "out"))
    differ = {
        row["words"][0]
        for row, old, new in zip(sentences(16), before.to_pylist(), after.to_pylist(), strict=True)
        if old != new
    }
    assert differ == {LEFT_OUT}  # no other word has a "b"


def test_a_limit_of_languages_is_kept(model_folder, entity_task, tmp_path, capsys):
    run = finetune(model_folder, entity_task, tmp_path / "run")
    assert evaluate(run, run / "model", entity_task, tmp_path / "out", "--tested-on", "de") == 1
    assert "test.parquet: holds no example in de" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_what_is_cut_off_leaves_no_scores_of_another_time(model_folder, entity_task, tmp_path, monkeypatch):
    run = finetune(model_folder, entity_task, tmp_path / "run", epochs=1)
    assert evaluate(run, run / "model", entity_task, tmp_path / "out") == 0

    monkeypatch.setattr("smelt.finetuning.evaluate.write_json", Mock(side_effect=KeyboardInterrupt))
    assert evaluate(run, run / "model", entity_task, tmp_path / "out") != 0
    assert (tmp_path / "out/predictions.parquet").exists()
    assert not (tmp_path / "out/metrics.json").exists()


def test_what_does_not_belong_together_is_one_line(model_folder, entity_task, text_task, tmp_path, capsys):
    run = finetune(model_folder, entity_task, tmp_path / "run")
    capsys.readouterr()
    assert evaluate(run, run / "model", text_task, tmp_path / "out") == 1
    assert "metrics.json: is of a fine-tuning on 'entities'; expected 'moods'" in capsys.readouterr().err
    assert evaluate(run, model_folder, entity_task, tmp_path / "out") == 1
    assert "its labels are not those of the task entities" in capsys.readouterr().err
    bare = shutil.copytree(run, tmp_path / "bare")
    (bare / "metrics.json").write_text("{}")
    assert evaluate(bare, run / "model", entity_task, tmp_path / "out") == 1
    assert "expected the metrics.json of a fine-tuning, with its seed and settings" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
