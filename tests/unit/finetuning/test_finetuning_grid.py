"""Grids: each run is validated alone, the best is chosen by metric or loss, and it alone is tested."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from invented_tasks import questions, sentences, write_task
from safetensors.torch import load_file
from transformers import AlbertConfig, AlbertForPreTraining, AutoModelForTokenClassification

from smelt.__main__ import main
from smelt.study.finetuning import Finetuning, FinetuningGrid, FinetuningOverrides

SETTINGS = {"epochs": 2, "batch": 8, "learning_rate": 0.003, "length": 32}
RATES = {"slow": 0.00001, "fast": 0.003, "wild": 0.001}


def finetune(model: Path, task: Path, output: Path | list[Path], *flags: object, **settings: object) -> int:
    chosen, outputs = json.dumps(SETTINGS | settings), output if isinstance(output, list) else [output]
    words = ["--model", model, "--task", task, "--output", *outputs, "--seed", 1, "--settings", chosen, *flags]
    return main(["finetune", *map(str, words)])


def names_of(**settings: object) -> list[str]:
    """Return the names of a grid's runs."""
    return list(FinetuningGrid.model_validate(SETTINGS | settings).cells)


def read(folder: Path) -> dict:
    return json.loads((folder / "metrics.json").read_text())


def without_measures(metrics: dict) -> dict:
    return {key: value for key, value in metrics.items() if key != "grid"}


class Grid:
    """A grid of three rates, its runs made."""

    def __init__(self, folder: Path, model: Path, task: Path, **settings: object) -> None:
        self.model, self.task, self.weights, self.folder = model, task, folder / "weights", folder
        self.cells = [folder / "grid" / name for name in RATES]
        tried = {"learning_rate": list(RATES.values())} | settings
        flags = ("--cell", *names_of(**tried), "--weights", self.weights)
        assert finetune(model, task, self.cells, *flags, **tried) == 0

    def choose(self, output: str = "chosen", weights: bool = True, **settings: object) -> int:
        flags = ["--cells", *self.cells, *(["--weights", self.weights] if weights else [])]
        return finetune(self.model, self.task, self.folder / output, *flags, **settings)


@pytest.fixture
def grid(tmp_path, model_folder, entity_task) -> Grid:
    return Grid(tmp_path, model_folder, entity_task)


def test_the_best_run_on_validation_is_chosen_and_it_alone_is_tested(grid, tmp_path):
    for cell in grid.cells:
        assert {row["split"] for row in read(cell)["scores"]} == {"validation"}
        assert not (cell / "predictions.parquet").exists()
        assert set(read(cell)["counts"]) == {"train", "validation"}
    assert len(list(grid.weights.iterdir())) == 3
    assert grid.choose() == 0
    found = read(tmp_path / "chosen")
    assert found["settings"]["learning_rate"] == RATES["fast"]
    assert [row["chosen"] for row in found["grid"]] == [False, True, False]
    assert [row["learning_rate"] for row in found["grid"]] == list(RATES.values())
    scores = [row["validation"]["f1"] for row in found["grid"]]
    assert scores[1] == max(scores) > scores[0]
    assert not grid.weights.exists()
    made_from = json.loads((tmp_path / "chosen/provenance.json").read_text())["inputs"]
    assert set(made_from) == {"model", "task", *(f"grid/{name}" for name in RATES)}  # all of them decided
    # It is what the same settings give alone.
    assert finetune(grid.model, grid.task, tmp_path / "alone", learning_rate=RATES["fast"]) == 0
    assert without_measures(found) == read(tmp_path / "alone")
    for name in ("chosen", "alone"):
        assert (tmp_path / name / "predictions.parquet").is_file()
    predictions = [(tmp_path / name / "predictions.parquet").read_bytes() for name in ("chosen", "alone")]
    assert predictions[0] == predictions[1]


def test_a_choice_removes_the_weights_of_dropped_runs_and_so_does_a_study_without_a_grid(grid, tmp_path):
    (grid.weights / "dropped.safetensors").write_bytes(b"of a run that the study no longer has")
    assert grid.choose() == 0
    assert not grid.weights.exists()
    left = [tmp_path / f"left-{seed}" for seed in (1, 2)]
    for folder in left:
        folder.mkdir()
        (folder / "slow.safetensors").write_bytes(b"of a grid that the study no longer has")
    assert finetune(grid.model, grid.task, tmp_path / "alone", "--weights", *left, learning_rate=RATES["fast"]) == 0
    assert not any(folder.exists() for folder in left)


def test_a_choice_whose_weights_are_gone_trains_them_again_to_the_same_scores(grid, tmp_path):
    shutil.copytree(grid.weights, tmp_path / "kept")
    assert grid.choose("first") == 0
    assert grid.choose("second") == 0
    assert read(tmp_path / "first") == read(tmp_path / "second")
    assert grid.choose("third", weights=False) == 0
    assert read(tmp_path / "first") == read(tmp_path / "third")


def test_weights_that_another_run_left_are_not_tested(grid, tmp_path):
    assert grid.choose("first") == 0
    settings = {"learning_rate": list(RATES.values()), "weight_decay": 0.5}
    flags = ("--cell", *names_of(**settings), "--weights", grid.weights)
    outputs = [tmp_path / "other" / cell.name for cell in grid.cells]  # of the same shape, learnt with another decay
    assert finetune(grid.model, grid.task, outputs, *flags, **settings) == 0
    assert grid.choose("second") == 0
    assert read(tmp_path / "first") == read(tmp_path / "second")


def test_the_loss_chooses_epochs_and_runs_where_the_study_says_so(tmp_path, model_folder, entity_task):
    grid = Grid(tmp_path, model_folder, entity_task, choose="loss", epochs=4)
    for cell in grid.cells:
        losses = [epoch["validation"]["loss"] for epoch in read(cell)["epochs"]]
        assert read(cell)["best_epoch"] == 1 + losses.index(min(losses))
    assert grid.choose() == 0
    rows = read(tmp_path / "chosen")["grid"]
    (chosen,) = [row for row in rows if row["chosen"]]
    assert chosen["validation"]["loss"] == min(row["validation"]["loss"] for row in rows)
    assert "loss" not in {row["metric"] for row in read(tmp_path / "chosen")["scores"]}


@pytest.mark.parametrize("chooses", ["metric", "loss"])
def test_validation_every_few_steps_keeps_the_best_weights_of_them(tmp_path, model_folder, entity_task, chooses):
    """64 sentences in batches of 8 and two epochs are 16 steps."""
    settings = {"evaluate_every": 5, "choose": chooses}
    assert finetune(model_folder, entity_task, tmp_path / "often", **settings) == 0
    found = read(tmp_path / "often")
    assert [row["step"] for row in found["epochs"]] == [5, 10, 15, 16]
    assert [row["epoch"] for row in found["epochs"]] == [0.625, 1.25, 1.875, 2.0]
    key, best = ("loss", min) if chooses == "loss" else ("f1", max)
    values = [row["validation"][key] for row in found["epochs"]]
    assert found["best_epoch"] == found["epochs"][values.index(best(values))]["epoch"]
    scores = {row["metric"]: row["value"] for row in found["scores"] if row["split"] == "validation"}
    assert scores["f1"] == found["epochs"][values.index(best(values))]["validation"]["f1"]
    # Stopped and started again, it measures at the same steps.
    flags = ("--checkpoint-minutes", 0, "--minutes", 0.001)
    while (code := finetune(model_folder, entity_task, tmp_path / "again", *flags, **settings)) == 75:
        flags = ("--checkpoint-minutes", 0)
    assert code == 0
    assert read(tmp_path / "again") == found


def test_a_teacher_that_a_grid_chose_keeps_the_weights_of_the_chosen_run(grid, tmp_path):
    kept = load_file(grid.weights / "fast.safetensors")
    assert grid.choose(keep=True) == 0
    assert not grid.weights.exists()
    model = AutoModelForTokenClassification.from_pretrained(tmp_path / "chosen/model")
    found = model.state_dict()
    assert kept.keys() == found.keys()
    assert all(torch.equal(kept[name], found[name]) for name in kept)
    assert grid.choose("again", keep=True) == 0  # trained again, as the weights are gone
    assert (tmp_path / "again/model/model.safetensors").read_bytes() == (
        tmp_path / "chosen/model/model.safetensors"
    ).read_bytes()


def test_a_choice_is_tested_on_the_languages_of_its_model_alone(tmp_path, model_folder):
    splits = {"train": sentences(64), "validation": sentences(12), "test": sentences(8) + sentences(8, "qaa")}
    task = write_task(tmp_path / "entities", "token-classification", splits, "seqeval-f1", "iob2")
    grid = Grid(tmp_path, model_folder, task)
    shutil.copytree(grid.weights, tmp_path / "kept")
    assert grid.choose("all") == 0
    shutil.copytree(tmp_path / "kept", grid.weights)
    assert grid.choose("some", tested_on=["qaa"]) == 0
    languages = {
        name: {row["language"] for row in read(tmp_path / name)["scores"] if row["split"] == "test"}
        for name in ("all", "some")
    }
    assert languages == {"all": {"en", "qaa", "all", "mean", "deviation"}, "some": {"qaa"}}
    assert read(tmp_path / "all")["grid"] == read(tmp_path / "some")["grid"]
    assert grid.choose("none", tested_on=["de"]) == 1
    assert not (tmp_path / "none").exists()


def test_a_grid_of_questions_is_chosen_by_their_f1(tmp_path, model_folder):
    splits = {"train": questions(64), "validation": questions(16), "test": questions(16)}
    task = write_task(tmp_path / "questions", "question-answering", splits, "squad-f1")
    grid = Grid(tmp_path, model_folder, task, epochs=6)
    assert grid.choose() == 0
    found = read(tmp_path / "chosen")
    (chosen,) = [row for row in found["grid"] if row["chosen"]]
    scores = [row["validation"]["squad_f1"] for row in found["grid"]]
    assert chosen["validation"]["squad_f1"] == max(scores) > min(scores)
    assert {row["metric"] for row in found["scores"]} == {"squad_f1", "exact_match"}
    rate = found["settings"]["learning_rate"]
    assert finetune(model_folder, task, tmp_path / "alone", learning_rate=rate, epochs=6) == 0
    assert without_measures(found) == read(tmp_path / "alone")
    predictions = [(tmp_path / name / "predictions.parquet").read_bytes() for name in ("chosen", "alone")]
    assert predictions[0] == predictions[1]


def test_a_model_that_reads_fewer_tokens_than_a_study_may_ask_for_has_grids_too(tmp_path, model_folder, entity_task):
    short = tmp_path / "short"
    shutil.copytree(model_folder, short)
    torch.manual_seed(0)
    config = AlbertConfig.from_pretrained(model_folder, max_position_embeddings=14)
    AlbertForPreTraining(config).save_pretrained(short)
    grid = Grid(tmp_path, short, entity_task)
    assert {read(cell)["settings"]["length"] for cell in grid.cells} == {14}
    assert grid.choose() == 0
    assert read(tmp_path / "chosen")["settings"]["length"] == 14
    assert grid.choose("again") == 0
    assert read(tmp_path / "chosen") == read(tmp_path / "again")


def test_runs_of_another_seed_or_cut_ones_are_refused_in_one_line(grid, tmp_path, capsys):
    path = grid.cells[1] / "metrics.json"
    whole = json.loads(path.read_text())
    for change, reason in (
        ({"seed": 2}, "is of seed 2: expected a run of a grid of 1"),
        ({"task": "moods"}, "is of task 'moods'"),
        ({"epochs": []}, "expected what `smelt job finetune --cell` writes"),
        ({"settings": whole["settings"] | {"batch": 0}}, "batch"),
        ({"settings": whole["settings"] | {"length": 0}}, "length"),
        ({"settings": {}}, "lacks 'settings.batch': expected what `smelt job finetune --cell` writes"),
        ({"settings": []}, "lacks 'settings.batch'"),
    ):
        path.write_text(json.dumps(whole | change))
        capsys.readouterr()
        assert grid.choose() == 1
        error = capsys.readouterr().err
        assert reason in error
        assert error.count("\n") == 1
        assert not (tmp_path / "chosen").exists()
    path.unlink()
    assert grid.choose() == 1
    assert len(list(grid.weights.iterdir())) == 3


def test_a_grid_is_every_combination_and_a_model_overrides_a_task():
    tried = {"batch": [16, 32, 64], "epochs": [2, 3, 4], "learning_rate": [1e-5, 5e-5]}
    grid = Finetuning.model_validate({"seeds": [42]} | tried)
    assert len(grid.cells) == 18
    assert grid.cells["batch-64_rate-5e-05_epochs-4"].model_dump(include={"batch", "learning_rate", "epochs"}) == {
        "batch": 64, "learning_rate": 5e-5, "epochs": 4,
    }  # fmt: skip
    of_task = FinetuningOverrides.model_validate({"batch": 8, "learning_rate": [1e-4]})
    of_model = FinetuningOverrides.model_validate({"learning_rate": [1e-6, 2e-6]})
    found = grid.override(of_task, None, of_model).cells.values()
    assert {(cell.batch, cell.learning_rate) for cell in found} == {(8, 1e-6), (8, 2e-6)}
    assert len(Finetuning.model_validate({"seeds": [1]}).cells) == 1


@pytest.mark.parametrize("wrong", [{"batch": []}, {"batch": [8, 8]}, {"epochs": [0]}, {"learning_rate": [-1.0]}])
def test_grids_that_try_nothing_or_one_thing_twice_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Finetuning.model_validate({"seeds": [1]} | wrong)
