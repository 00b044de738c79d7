"""Tables of averages: ALBETO's Table 6, computed again from its Tables 3 to 5."""

import json
import struct
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from small_results import Results
from test_tables import PUBLISHED

TASKS = ["pos", "ner", "mldoc", "paws-x", "xnli", "mlqa", "sqac", "xquad"]
# Cañete et al. 2022, Table 6: parameters in millions, and ratios of size and performance to BETO cased.
TABLE_6 = {
    "BETO uncased": (110, "1×", "0.95×"),
    "BETO cased": (110, "1×", "1×"),
    "DistilBETO": (67, "1.64×", "0.90×"),
    "tiny": (5, "22×", "0.87×"),
    "base": (12, "9.16×", "0.97×"),
    "large": (18, "6.11×", "0.96×"),
    "xlarge": (59, "1.86×", "0.98×"),
    "xxlarge": (223, "0.49×", "1×"),
}
# The encoders of these architectures, counted (docs/reference/models.md).
PARAMETERS = {
    "BETO uncased": 109_850_880,
    "BETO cased": 109_850_880,
    "DistilBETO": 66_731_520,
    "tiny": 5_344_000,
    "base": 11_812_000,
    "large": 17_812_000,
    "xlarge": 58_853_000,
    "xxlarge": 222_724_000,
}
SETTINGS = {"kind": "averages", "tasks": TASKS, "reference": "beto-cased", "caption": ""}


def named(model: str) -> str:
    return model.lower().replace(" ", "-")


def write_model(folder: Path, parameters: int) -> Path:
    """Write a model's folder whose file has a header alone, which is all that counting reads; 2,000 in a head."""
    tensors = {
        "albert.embeddings.word_embeddings.weight": {"dtype": "F32", "shape": [parameters - 1_000], "data_offsets": []},
        "albert.pooler.weight": {"dtype": "F32", "shape": [1_000], "data_offsets": []},
        "predictions.bias": {"dtype": "F32", "shape": [2_000], "data_offsets": []},
    }
    header = json.dumps(tensors).encode()
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    return folder


def write_scores(path: Path, seeds: dict[int, float]) -> Path:
    """Write the published scores, those of each seed shifted by some points."""
    rows = []
    for model, (*cells, _) in PUBLISHED.items():
        for task, cell in zip(TASKS, cells, strict=True):
            f1, exact = cell if isinstance(cell, tuple) else (cell, None)
            metric = "squad_f1" if exact is not None else "f1" if task in ("pos", "ner") else "accuracy"
            for seed, shift in seeds.items():
                run = {"model": named(model), "task": task, "language": "es", "setting": "standard", "seed": seed}
                values = {metric: f1} | ({} if exact is None else {"exact_match": exact})
                for name, value in values.items():
                    rows.append(run | {"split": "test", "metric": name, "value": (value + shift) / 100})
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def made(results: Results, seeds: dict[int, float], **settings: Any) -> list[Path]:
    folders = [write_model(results.path("albeto", named(model)), count) for model, count in PARAMETERS.items()]
    sources = [write_scores(results.path("albeto", "scores.csv"), seeds), *folders]
    assert results.table("table_6", SETTINGS | {"models": [*map(named, PUBLISHED)]} | settings, sources) == 0
    return sources


def rows_of(text: str) -> dict[str, list[str]]:
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return {cells[0]: cells[1:] for cells in lines[2:]}


def test_the_published_convention_gives_albeto_s_table_6_to_the_digit(results: Results) -> None:
    made(results, {42: 0.0}, convention="published")
    found = rows_of(results.read("tables", "table_6.md"))
    for model, (millions, size, performance) in TABLE_6.items():
        average = f"{PUBLISHED[model][-1]:.2f}"
        shown = f"**{average}**" if model == "xxlarge" else average
        assert found[named(model)] == [str(millions), shown, size, performance]
    text = results.read("tables", "table_6.md")
    assert "cut after the second digit, not rounded, and ratios of size are of whole millions" in text
    assert "mlqa, sqac, xquad: F1 of answers' words (SQuAD's rules)" in text


def test_rounded_ratios_are_of_exact_counts(results: Results) -> None:
    made(results, {42: 0.0})
    found = rows_of(results.read("tables", "table_6.md"))
    assert found["beto-cased"] == ["110", "81.03", "1.00×", "1.00×"]  # 81.026: the paper has 81.02
    assert found["tiny"] == ["5.34", "70.87", "20.56×", "0.87×"]  # 109.85 / 5.344, where the paper has 22
    assert found["distilbeto"][2:] == ["1.65×", "0.90×"]
    numbers = pd.read_csv(results.path("tables", "table_6.csv")).set_index("model")
    assert numbers.loc["tiny", "size_ratio"] == pytest.approx(109_850_880 / 5_344_000)
    assert numbers["encoder_parameters"].to_dict() == {named(model): count for model, count in PARAMETERS.items()}
    assert "ratios of size are of exact counts" in results.read("tables", "table_6.md")


def test_an_average_has_the_deviation_of_the_averages_of_its_seeds(results: Results) -> None:
    made(results, {1: -1.0, 2: 1.0})
    assert rows_of(results.read("tables", "table_6.md"))["beto-cased"][1] == "81.03 (1.41)"
    assert "Mean (standard deviation) over 2 seeds" in results.read("tables", "table_6.md")


def test_a_model_that_lacks_a_task_has_no_average(results: Results) -> None:
    sources = made(results, {42: 0.0})
    scores = pd.read_csv(sources[0])
    scores[(scores["model"] != "tiny") | (scores["task"] != "sqac")].to_csv(sources[0], index=False)
    settings = SETTINGS | {"models": ["tiny", "base"], "convention": "published"}
    assert results.table("table_6", settings, sources) == 0
    assert rows_of(results.read("tables", "table_6.md"))["tiny"] == ["5", "N/A", "22×", "–"]
    assert "N/A: the model did not run on all of the tasks." in results.read("tables", "table_6.md")


def test_a_model_of_no_whole_million_has_no_published_ratio(results: Results) -> None:
    sources = made(results, {42: 0.0})
    sources.append(write_model(results.path("albeto", "small"), 400_000))
    settings = SETTINGS | {"models": ["small"], "convention": "published"}
    assert results.table("table_6", settings, sources) == 0
    assert rows_of(results.read("tables", "table_6.md"))["small"] == ["–", "N/A", "–", "–"]
    assert "–: of fewer than half a million parameters" in results.read("tables", "table_6.md")
    assert r"Size (beto-cased $\div$ model)" in results.read("tables", "table_6.tex")


def test_a_missing_folder_is_one_line(results: Results, capsys: pytest.CaptureFixture[str]) -> None:
    sources = made(results, {42: 0.0})
    assert results.table("table_6", SETTINGS | {"models": ["tiny"]}, sources[:2]) == 1
    assert "smelt: --sources: hold no folder of the model 'tiny'" in capsys.readouterr().err


# Cañete et al. 2022, Tables 3 to 5: their tasks, and which model of each column is bold there.
PRINTED = {
    "table_3": {"pos": "BETO cased", "ner": "BETO cased"},
    "table_4": {"mldoc": "xxlarge", "paws-x": "xxlarge", "xnli": "xxlarge"},
    "table_5": {"mlqa": "xxlarge", "sqac": "xxlarge", "xquad": "xlarge"},
}


@pytest.mark.parametrize("name", PRINTED)
def test_tables_of_scores_print_albeto_s_tables_3_to_5(results: Results, name: str) -> None:
    write_scores(results.path("scores.csv"), {42: 0.0})
    assert results.compare() == 0
    settings = {"kind": "scores", "tasks": [*PRINTED[name]], "models": [*map(named, PUBLISHED)]}
    sources = [results.path("statistics", f"{part}.csv") for part in ("summary", "pairs")]
    assert results.table(name, settings, sources) == 0
    found = rows_of(results.read("tables", f"{name}.md"))
    for model, cells in PUBLISHED.items():
        for place, (task, best) in enumerate(PRINTED[name].items()):
            cell = cells[TASKS.index(task)]
            text = f"{cell[0]:.2f} / {cell[1]:.2f}" if isinstance(cell, tuple) else f"{cell:.2f}"
            assert found[named(model)][place] == (f"**{text}**" if model == best else text)
    assert "A single seed: no spread. Best score of a column in bold." in results.read("tables", f"{name}.md")
    assert "It mixes metrics" not in results.read("tables", f"{name}.md")
