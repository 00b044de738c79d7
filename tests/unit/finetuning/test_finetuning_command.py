"""`smelt job finetune` on a model and tasks that take a second."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as parquet
import pytest
import torch
from invented_tasks import sentences, texts, write_task
from safetensors.torch import load_file, save_file
from transformers import AutoModelForTokenClassification, AutoTokenizer, pipeline

from smelt.__main__ import main
from smelt.finetuning.job import FineTuningPhase
from smelt.finetuning.model import load_with_classifier
from smelt.tasks.kinds import kind_of
from smelt.tasks.kinds.base import Examples
from smelt.tasks.prepared_task import read_task
from smelt.tasks.tokenizer import load_pieces

SETTINGS = {"epochs": 3, "batch": 8, "learning_rate": 0.003, "length": 32, "version": 1}


def finetune(model: Path, task: Path, output: Path, seed: int = 1, **settings: object) -> int:
    words = ["--model", model, "--task", task, "--output", output, "--seed", seed]
    return main(["finetune", *map(str, words), "--settings", json.dumps(SETTINGS | settings)])


def metrics(output: Path) -> dict:
    return json.loads((output / "metrics.json").read_text())


def value(found: dict, split: str, metric: str, language: str = "en") -> float:
    (entry,) = [
        row for row in found["scores"] if (row["split"], row["metric"], row["language"]) == (split, metric, language)
    ]
    return entry["value"]


@pytest.fixture(scope="module")
def entities(model_folder, entity_task, tmp_path_factory):
    output = tmp_path_factory.mktemp("out") / "seed-1"
    assert finetune(model_folder, entity_task, output) == 0
    return output


def test_a_model_learns_entities_and_says_how_well(entities):
    found = metrics(entities)
    assert (found["model"], found["task"], found["seed"]) == ("tiny", "entities", 1)
    assert value(found, "test", "f1") > 0.8
    assert found["details"]["PER"]["support"] == 16
    assert found["counts"]["test"] == {
        "examples": 16,
        "words": 64,
        "windows": 16,
        "truncated_words": 0,
        "words_without_pieces": 0,
    }


@pytest.mark.parametrize("kind", ["token-classification", "text-classification"])
def test_a_kept_model_works_in_pipelines_however_long_a_text_is(kind, model_folder, entity_task, text_task, tmp_path):
    task = entity_task if kind == "token-classification" else text_task
    assert finetune(model_folder, task, tmp_path / "out", epochs=1, keep=True) == 0
    classifier = pipeline(kind, model=str(tmp_path / "out/model"))
    max_length = classifier.model.config.max_position_embeddings
    assert classifier.tokenizer.model_max_length == max_length
    long = " ".join(["a b"] * max_length)
    cut = {} if kind == "token-classification" else {"truncation": True}  # taggers cut where the tokenizer knows where
    for text in ("a b", long):
        found = classifier(text, **cut)
        assert {row.get("entity", row.get("label")) for row in found} <= set(classifier.model.config.label2id)


@pytest.mark.parametrize(("columns", "by_word"), [(1, True), (1, False), (2, False)])
def test_a_special_piece_that_an_example_spells_out_is_text(columns, by_word, model_folder, entity_task, text_task):
    plain = AutoTokenizer.from_pretrained(model_folder)
    spelt = f"a {plain.mask_token} b"
    assert plain(spelt)["input_ids"].count(plain.mask_token_id) == 1  # as people read it
    task = replace(read_task(entity_task if by_word else text_task), pairs=columns == 2)
    inputs = {"words": [spelt.split()]} if by_word else {"text": [spelt], "pair": [spelt]}
    examples = Examples([0], ["en"], inputs, [["O"]])
    (window,) = kind_of(task).encode(examples, task, load_pieces(model_folder), 32).windows
    special = [piece for piece in window.ids if piece in plain.all_special_ids and piece != plain.unk_token_id]
    assert special == [plain.cls_token_id, *[plain.sep_token_id] * columns]


def test_predictions_hold_every_word_with_its_pieces(entities):
    rows = parquet.read_table(entities / "predictions.parquet").to_pylist()
    assert [row["words"] for row in rows] == [row["words"] for row in sentences(16)]
    assert all(len(row["words"]) == len(row["predicted"]) == len(row["pieces"]) == len(row["gold"]) for row in rows)
    assert all("".join(word).replace("▁", "") == row["words"][0] for row in rows for word in row["pieces"][:1])


def test_the_written_f1_is_that_of_the_written_predictions(entities):
    from seqeval.metrics import f1_score

    table = parquet.read_table(entities / "predictions.parquet")
    assert value(metrics(entities), "test", "f1") == f1_score(table["gold"].to_pylist(), table["predicted"].to_pylist())


def test_predictions_for_validation_lie_beside_those_for_test(entities):
    from seqeval.metrics import f1_score

    table = parquet.read_table(entities / "predictions-validation.parquet")
    assert value(metrics(entities), "validation", "f1") == f1_score(
        table["gold"].to_pylist(), table["predicted"].to_pylist()
    )
    assert table["words"].to_pylist() != parquet.read_table(entities / "predictions.parquet")["words"].to_pylist()


def test_the_best_epoch_is_the_first_with_the_highest_validation_score(entities):
    found = metrics(entities)
    scores = [epoch["validation"]["f1"] for epoch in found["epochs"]]
    assert found["best_epoch"] == 1 + scores.index(max(scores))
    assert value(found, "validation", "f1") == max(scores)


def test_the_provenance_names_what_a_score_was_made_from_and_what_it_took(
    model_folder, entity_task, tmp_path, monkeypatch
):
    monkeypatch.setenv("SMELT_COUNTRY", "FRA")  # as the Snakefile gives it to every job
    assert finetune(model_folder, entity_task, tmp_path / "out") == 0
    provenance = json.loads((tmp_path / "out/provenance.json").read_text())
    assert {name: [part["path"] for part in parts] for name, parts in provenance["inputs"].items()} == {
        "model": [str(model_folder)],
        "task": [str(entity_task)],
    }
    assert provenance["settings"] == metrics(tmp_path / "out")["settings"] | {"device": "cpu", "threads": 1}
    assert provenance["seeds"] == [1]
    energy = provenance["energy"]
    assert 0 < energy["cpu_kwh"] < energy["kwh"]
    assert 0 < energy["seconds"] < provenance["hours"] * 3600 + 1  # hours are rounded
    assert energy["country"] == "FRA"
    assert 0 < energy["kg_co2e"] < energy["kwh"]


def test_an_unknown_country_is_refused(model_folder, entity_task, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SMELT_COUNTRY", "Gallia")
    assert finetune(model_folder, entity_task, tmp_path / "out") == 1
    assert "--country: expected a country whose electricity is known, such as FRA" in capsys.readouterr().err


def test_a_seed_repeats_bit_for_bit(model_folder, entity_task, entities, tmp_path):
    assert finetune(model_folder, entity_task, tmp_path / "again") == 0
    first, second = metrics(entities), metrics(tmp_path / "again")
    assert first["epochs"] == second["epochs"]
    assert first["scores"] == second["scores"]


def test_a_run_by_hand_can_keep_its_weights_and_scores_the_same(model_folder, entity_task, entities, tmp_path):
    assert finetune(model_folder, entity_task, tmp_path / "kept", keep=True) == 0
    assert metrics(tmp_path / "kept")["scores"] == metrics(entities)["scores"]
    assert not (entities / "model").exists()
    model = AutoModelForTokenClassification.from_pretrained(tmp_path / "kept" / "model")
    assert set(model.config.label2id) == set(read_task(entity_task).labels)


def test_seeds_differ(model_folder, entity_task, entities, tmp_path):
    assert finetune(model_folder, entity_task, tmp_path / "other", seed=2) == 0
    assert metrics(tmp_path / "other")["epochs"][0]["train_loss"] != metrics(entities)["epochs"][0]["train_loss"]


def test_the_classifier_is_drawn_by_the_seed_and_the_encoder_is_the_model_s(model_folder, entity_task):
    task = read_task(entity_task)
    one, same, other = (load_with_classifier(model_folder, task, seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(one["classifier.weight"], same["classifier.weight"])
    assert not torch.equal(one["classifier.weight"], other["classifier.weight"])
    name = "albert.embeddings.word_embeddings.weight"
    assert torch.equal(one[name], load_file(model_folder / "model.safetensors")[name])


def test_what_stands_in_the_test_split_changes_no_training(model_folder, entity_task, entities, tmp_path):
    task = tmp_path / "entities"
    shutil.copytree(entity_task, task)
    shutil.copy(task / "train.parquet", task / "test.parquet")
    assert finetune(model_folder, task, tmp_path / "out") == 0
    assert metrics(tmp_path / "out")["epochs"] == metrics(entities)["epochs"]
    assert metrics(tmp_path / "out")["best_epoch"] == metrics(entities)["best_epoch"]


def test_texts_are_classified_with_a_probability_each(model_folder, text_task, tmp_path):
    assert finetune(model_folder, text_task, tmp_path / "out", epochs=8) == 0
    found = metrics(tmp_path / "out")
    rows = parquet.read_table(tmp_path / "out" / "predictions.parquet").to_pylist()
    assert [row["text"] for row in rows] == [row["text"] for row in texts(16)]
    assert value(found, "test", "accuracy") == sum(row["gold"] == row["predicted"] for row in rows) / 16
    assert all(0.5 <= row["probability"] <= 1 for row in rows)
    assert {row["metric"] for row in found["scores"]} == {"accuracy", "macro_f1"}


def test_a_word_tag_task_is_scored_by_accuracy_in_each_language(model_folder, tmp_path):
    rows = sentences(16) + sentences(16, language="fr")
    splits = dict.fromkeys(("train", "validation", "test"), rows)
    task = write_task(tmp_path / "tags", "token-classification", splits, "accuracy")
    assert finetune(model_folder, task, tmp_path / "out", epochs=1) == 0
    found = metrics(tmp_path / "out")
    parts = [value(found, "test", "accuracy", language) for language in ("en", "fr", "all")]
    assert parts[2] == pytest.approx((parts[0] + parts[1]) / 2)


def test_a_label_that_training_lacks_counts_as_an_error(model_folder, tmp_path):
    test = sentences(4)
    for row in test:
        row["labels"][3] = "B-GPE"
    splits = {"train": sentences(32), "validation": sentences(8), "test": test}
    task = write_task(tmp_path / "places", "token-classification", splits, "seqeval-f1")
    assert finetune(model_folder, task, tmp_path / "out") == 0
    missed = metrics(tmp_path / "out")["details"]["GPE"]
    assert missed == {"precision": 0.0, "recall": 0.0, "f1-score": 0.0, "support": 4}


def test_sentences_longer_than_the_model_reads_keep_every_word(model_folder, tmp_path):
    rows = sentences(8)
    for row in rows:
        row["words"], row["labels"] = row["words"] * 20, row["labels"] * 20
    splits = dict.fromkeys(("train", "validation", "test"), rows)
    task = write_task(tmp_path / "long", "token-classification", splits, "seqeval-f1")
    assert finetune(model_folder, task, tmp_path / "out", epochs=1, length=512) == 0
    found = metrics(tmp_path / "out")
    assert found["settings"]["length"] == 64  # what the model reads at once
    assert found["counts"]["test"]["windows"] > 8
    predicted = parquet.read_table(tmp_path / "out" / "predictions.parquet")["predicted"].to_pylist()
    assert [len(labels) for labels in predicted] == [80] * 8


def test_bf16_is_an_option_that_learns_too(model_folder, entity_task, tmp_path):
    assert finetune(model_folder, entity_task, tmp_path / "out", precision="bf16") == 0
    assert value(metrics(tmp_path / "out"), "test", "f1") > 0.5


def refusal(capsys: pytest.CaptureFixture[str], output: Path, code: int) -> str:
    message = capsys.readouterr().err
    assert code == 1
    assert not output.exists()
    assert message.startswith("smelt: ")
    assert "Traceback" not in message
    return message


def test_a_loss_that_is_not_a_number_ends_the_run(model_folder, entity_task, tmp_path, capsys):
    broken = shutil.copytree(model_folder, tmp_path / "broken")
    weights = load_file(broken / "model.safetensors")
    weights["albert.embeddings.LayerNorm.weight"].fill_(float("nan"))
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    message = refusal(capsys, tmp_path / "out", finetune(broken, entity_task, tmp_path / "out"))
    assert "step 1 (epoch 1): the loss is nan" in message


def test_a_validation_score_that_is_not_a_number_is_named(model_folder, entity_task, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(FineTuningPhase, "measure", lambda _: {"f1": float("nan")})
    message = refusal(capsys, tmp_path / "out", finetune(model_folder, entity_task, tmp_path / "out"))
    assert "the validation f1 is nan: lower finetuning.learning_rate" in message


def test_a_model_without_a_tokenizer_is_named(model_folder, entity_task, tmp_path, capsys):
    bare = shutil.copytree(model_folder, tmp_path / "bare", ignore=shutil.ignore_patterns("tokenizer*"))
    message = refusal(capsys, tmp_path / "out", finetune(bare, entity_task, tmp_path / "out"))
    assert f"{bare}: has no tokenizer: expected one of tokenizer.json" in message


def test_a_model_that_lacks_encoder_weights_is_refused(model_folder, entity_task, tmp_path, capsys):
    broken = shutil.copytree(model_folder, tmp_path / "broken")
    weights = load_file(broken / "model.safetensors")
    del weights["albert.embeddings.LayerNorm.weight"]
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    message = refusal(capsys, tmp_path / "out", finetune(broken, entity_task, tmp_path / "out"))
    assert "lacks 1 weights of the encoder, such as albert.embeddings.LayerNorm.weight" in message


@pytest.mark.parametrize("kept", [0, 100, 2000])
def test_weights_cut_short_are_refused(model_folder, entity_task, tmp_path, capsys, kept):
    broken = shutil.copytree(model_folder, tmp_path / "broken")
    weights = (broken / "model.safetensors").read_bytes()
    (broken / "model.safetensors").write_bytes(weights[:kept])
    message = refusal(capsys, tmp_path / "out", finetune(broken, entity_task, tmp_path / "out"))
    assert f"{broken}: no model loads from this folder" in message


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_a_damaged_split_is_named(model_folder, entity_task, tmp_path, capsys, split):
    task = shutil.copytree(entity_task, tmp_path / "entities")
    path = task / f"{split}.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    message = refusal(capsys, tmp_path / "out", finetune(model_folder, task, tmp_path / "out"))
    assert f"{path}: is no whole Parquet file" in message


@pytest.mark.parametrize(
    ("settings", "expected"),
    [({"epochs": 0}, "epochs"), ({"lerning_rate": 1}, "lerning_rate: no such key"), ({"warmup": 1.5}, "warmup")],
)
def test_wrong_settings_are_named(model_folder, entity_task, tmp_path, capsys, settings, expected):
    output = tmp_path / "out"
    assert expected in refusal(capsys, output, finetune(model_folder, entity_task, output, **settings))


def test_a_folder_without_a_model_is_named(entity_task, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    message = refusal(capsys, tmp_path / "out", finetune(tmp_path / "empty", entity_task, tmp_path / "out"))
    assert "it has no config.json" in message
