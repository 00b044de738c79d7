"""Tables of training, cost and chosen settings state what the runs left, not what the study asked for."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from small_results import Results

from smelt.training.recipes import override_recipe

# Cañete et al. 2022, Table 2: rate, batch, warm-up ratio and steps, steps run, days; the plan is steps / ratio. The
# paper cuts rates and ratios to three digits: 8.83e-4, 3.12e-4, 7.81e-4.
TABLE_2 = {
    "tiny": ("1.25e-3", 2_048, "1.25e-2", 125_000, 10_000_000, 8_300_000, 58.2),
    "base": ("8.839e-4", 960, "6.25e-3", 53_333, 8_533_333, 3_650_000, 70.4),
    "large": ("6.25e-4", 512, "3.125e-3", 12_500, 4_000_000, 1_450_000, 42.0),
    "xlarge": ("3.125e-4", 128, "7.813e-4", 6_250, 8_000_000, 2_775_000, 64.2),
    "xxlarge": ("3.125e-4", 128, "7.813e-4", 3_125, 4_000_000, 1_650_000, 70.7),
}
GIVEN = {"base": {"optimizer": {"learning_rate": 8.839e-4}, "schedule": {"warmup": 6.25e-3}}}
GPUS = {"processor": "Z80", "cores": 16, "gpus": ["H200"] * 8, "processes": 4}
CPU = {"processor": "Z80", "cores": 2, "gpus": [], "processes": 1}


def provenance(
    command: str, hours: float, machine: dict[str, Any], kwh: float | None, **settings: Any
) -> dict[str, Any]:
    energy = None if kwh is None else {"kwh": kwh}
    return {"command": command, "hours": hours, "energy": energy, "machine": machine, "settings": settings}


def write_trained(results: Results, model: str, recipe: dict[str, Any], step: int, hours: float) -> list[Path]:
    """Write the provenance and the curve of a model that was pretrained on four GPUs."""
    found = provenance("pretrain", hours, GPUS, 1000.0, recipe=recipe, seed=1)
    results.write(results.path("models", model, "provenance.json"), found)
    rows = ["step,split,language,metric,value", *(f"{at},validation,all,mlm_loss,2.5" for at in (step // 2, step))]
    curve = results.write(results.path("logs", f"{model}.curve.csv"), "\n".join(rows) + "\n")
    return [results.path("models", model), curve]


def albeto(results: Results) -> list[Path]:
    sources = []
    for size, (_, batch, _, _, planned, step, days) in TABLE_2.items():
        given = GIVEN.get(size, {})
        schedule = given.get("schedule", {}) | {"steps": planned, "stop_at": step}
        recipe = override_recipe("albert", given | {"data": {"batch": batch}, "schedule": schedule})
        sources += write_trained(results, size, recipe.model_dump(), step, 24 * days)
    return sources


def rows_of(text: str) -> dict[str, list[str]]:
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return {cells[0]: cells[1:] for cells in lines[2:]}


def test_training_settings_are_those_of_albeto_s_table_2(results: Results) -> None:
    assert results.table("table_2", {"kind": "training", "models": [*TABLE_2]}, albeto(results)) == 0
    found = rows_of(results.read("tables", "table_2.md"))
    for size, (rate, batch, ratio, warmup, planned, step, days) in TABLE_2.items():
        counts = [f"{count:,}" for count in (warmup, planned, step)]
        assert found[size] == [rate, f"{batch:,}", ratio, *counts, f"{days:.1f} days"]
    numbers = pd.read_csv(results.path("tables", "table_2.csv")).set_index("model")
    assert numbers.loc["tiny", ["steps_planned", "steps_run", "gpus"]].tolist() == [10_000_000, 8_300_000, 4]
    assert "on 4 × H200." in results.read("tables", "table_2.md")


def test_the_steps_that_were_run_come_from_the_curve(results: Results) -> None:
    recipe = override_recipe("small", {"schedule": {"epochs": 2, "steps": None}}).for_blocks(1600)
    assert (recipe.schedule.epochs, recipe.schedule.steps) == (2, 100)  # as a run's own recipe has both
    sources = write_trained(results, "cut", recipe.model_dump(), 40, 0.5)
    assert results.table("training", {"kind": "training", "models": ["cut"]}, sources) == 0
    assert rows_of(results.read("tables", "training.md"))["cut"][3:] == ["10", "100", "40", "30.0 min"]


def test_the_flat_recipe_of_an_earlier_version_is_read(results: Results) -> None:
    recipe = {"optimizer": "adamw", "batch": 16, "length": 64, "steps": 1000, "epochs": None, "stop_at": None}
    recipe |= {"learning_rate": 1e-3, "warmup": 0.1, "choose": "best"}
    sources = write_trained(results, "old", recipe, 1000, 0.01)
    assert results.table("training", {"kind": "training", "models": ["old"]}, sources) == 0
    assert rows_of(results.read("tables", "training.md"))["old"][:3] == ["1e-3", "16", "0.1"]
    assert "old: the weights are those of the best step on held-out" in results.read("tables", "training.md")


@pytest.mark.parametrize(
    ("written", "complaint"),
    [
        (
            provenance("adopt", 0.1, CPU, None, hub="a/b"),
            "has no settings.recipe: expected a model that was pretrained",
        ),
        ({"settings": {"recipe": {"data": {"batch": 3}}}}, "provenance.json: optimizer: is missing"),
        (
            {"settings": {"recipe": override_recipe("small", {}).model_dump()}},
            "provenance.json: lacks 'machine': expected the provenance of a model",
        ),
    ],
)
def test_a_model_that_was_not_trained_is_one_line(
    results: Results, capsys: pytest.CaptureFixture[str], written: dict[str, Any], complaint: str
) -> None:
    sources = write_trained(results, "tiny", {}, 10, 1.0)
    results.write(results.path("models", "tiny", "provenance.json"), written)
    assert results.table("training", {"kind": "training", "models": ["tiny"]}, sources) == 1
    assert complaint in capsys.readouterr().err
    assert not results.path("tables", "training.csv").exists()


def test_a_missing_curve_is_one_line(results: Results, capsys: pytest.CaptureFixture[str]) -> None:
    sources = write_trained(results, "tiny", {}, 10, 1.0)
    assert results.table("training", {"kind": "training", "models": ["tiny"]}, sources[:1]) == 1
    assert "smelt: --sources: hold no learning curve of the model 'tiny'" in capsys.readouterr().err


def test_cost_counts_gpus_that_were_used_and_cores_where_none_was(results: Results) -> None:
    for model, found in {
        "small_8k": provenance("pretrain", 100.0, GPUS, 250.0),
        "large_32k": provenance("reduce", 0.5, CPU, None),
        "adopted": provenance("adopt", 0.1, CPU, None),
    }.items():
        results.write(results.path("models", model, "provenance.json"), found)
        (results.path("models", model) / "model.safetensors").unlink()
        _write_weights(results.path("models", model))
    folders = [results.path("models", model) for model in ("small_8k", "large_32k", "adopted")]
    settings = {"kind": "cost", "models": [folder.name for folder in folders], "students": {"large_32k": "ner"}}
    settings |= {"published": ["adopted"]}
    assert results.table("cost", settings, folders) == 0
    found = rows_of(results.read("tables", "cost.md"))
    assert [cells[3:] for cells in found.values()] == [
        ["4.17 days", "400", "–", "250"],
        ["30.0 min", "–", "1.00", "–"],
        ["–", "–", "–", "–"],
        ["4.19 days", "400", "1.00", "250"],
    ]
    assert found[r"small\_8k"][:2] == ["0.00150", "0.00100"]
    numbers = pd.read_csv(results.path("tables", "cost.csv")).set_index("model")
    for folder in folders:
        size = sum(file.stat().st_size for file in folder.iterdir())
        assert numbers.loc[folder.name, "bytes_on_disk"] == size
    text = results.read("tables", "cost.md").replace("\\", "")
    assert "4 × H200 (small_8k); Z80, 2 cores (large_32k)" in text
    assert "adopted: trained elsewhere" in text
    assert "Electricity was not measured for large_32k." in text
    assert "large_32k (for ner): of one student; there is one for each task and seed." in text


def _write_weights(folder: Path) -> None:
    import numpy as np
    from safetensors.numpy import save_file

    names = {"bert.embeddings.word_embeddings.weight": 1000, "cls.predictions.bias": 500}
    save_file({name: np.zeros(count, "float32") for name, count in names.items()}, folder / "model.safetensors")


def grid_row(batch: int, rate: float, f1: float, chosen: bool, **loss: float) -> dict[str, Any]:
    row = {"batch": batch, "learning_rate": rate, "epochs": 3, "best_epoch": 2, "chosen": chosen}
    return row | {"validation": {"f1": f1, "accuracy": 0.99} | loss}


def write_grid(results: Results, seed: int, *rows: dict[str, Any], choose: str = "metric") -> Path:
    found = {"model": "small_8k", "task": "ner", "seed": seed, "metric": "seqeval-f1", "settings": {"choose": choose}}
    return results.write(results.metrics("small_8k", "ner", seed), found | {"grid": list(rows)})


def test_seeds_that_chose_the_same_share_a_row_and_all_that_was_tried_is_counted(results: Results) -> None:
    sources = [
        write_grid(results, 1, grid_row(16, 1e-5, 0.50, False), grid_row(32, 3e-5, 0.60, True)),
        write_grid(results, 2, grid_row(16, 1e-5, 0.40, False), grid_row(32, 3e-5, 0.70, True)),
        write_grid(results, 3, grid_row(16, 1e-5, 0.80, True), grid_row(32, 3e-5, 0.70, False)),
    ]
    assert results.table("chosen", {"kind": "finetuning", "tasks": ["ner"], "models": ["small_8k"]}, sources) == 0
    text = results.read("tables", "chosen.md")
    assert r"| small\_8k | 1, 2 | 2 | 32 | 3e-5 | 3 | 2 | 65.00 | 40.00 to 70.00 |" in text
    assert r"| small\_8k | 3 | 2 | 16 | 1e-5 | 3 | 2 | 80.00 | 70.00 to 80.00 |" in text
    assert "by the task's metric on validation; the test set chooses nothing" in text
    numbers = pd.read_csv(results.path("tables", "chosen.csv"))
    assert len(numbers) == 6
    assert numbers[numbers["chosen"]]["validation"].tolist() == [0.6, 0.7, 0.8]


def test_a_choice_by_loss_shows_the_loss(results: Results) -> None:
    rows = grid_row(16, 1e-5, 0.5, True, loss=0.25), grid_row(32, 1e-5, 0.6, False, loss=0.5)
    sources = [write_grid(results, 1, *rows, choose="loss")]
    assert results.table("chosen", {"kind": "finetuning", "tasks": ["ner"], "models": ["small_8k"]}, sources) == 0
    assert "| 16 | 1e-5 | 3 | 2 | 50.00 | 50.00 to 60.00 | 0.2500 |" in results.read("tables", "chosen.md")
    assert "by the lowest loss on validation" in results.read("tables", "chosen.md")


def test_a_run_without_a_grid_shows_the_settings_that_it_had(results: Results) -> None:
    path = results.metrics("small_8k", "ner", 1)
    measured = [{"epoch": epoch, "validation": {"f1": epoch / 10}} for epoch in (0.5, 1.25, 2.0)]
    found = json.loads(path.read_text()) | {
        "best_epoch": 1.25,
        "settings": {"batch": 8, "learning_rate": 0.01, "epochs": 2},
    }
    results.write(path, found | {"epochs": measured})
    assert results.table("chosen", {"kind": "finetuning", "tasks": ["ner"], "models": ["small_8k"]}, [path]) == 0
    assert "| 1 | 1 | 8 | 1e-2 | 2 | 1.25 | 12.50 | – |" in results.read("tables", "chosen.md")


def test_metrics_of_another_kind_are_one_line(results: Results, capsys: pytest.CaptureFixture[str]) -> None:
    path = results.metrics("small_8k", "ner", 1)
    settings = {"kind": "finetuning", "tasks": ["ner"], "models": ["small_8k"]}
    assert results.table("chosen", settings, [path]) == 1
    assert f"smelt: {path}: lacks 'settings': expected the metrics of a fine-tuned model" in capsys.readouterr().err
    none = write_grid(results, 2, grid_row(16, 1e-5, 0.5, False))
    assert results.table("chosen", settings, [none]) == 1
    assert f"smelt: {none}: its grid has not one chosen run" in capsys.readouterr().err
