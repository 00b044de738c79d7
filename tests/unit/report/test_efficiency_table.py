"""Tables of efficiency: figures with their spread and ratio, of one job, in every form and on the page."""

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from small_results import SIGNIFICANCE, Results

from smelt.__main__ import main

MACHINE = {"processor": "Z80", "cores": 1, "memory_gib": 3.75, "gpus": [], "load_average_before": [0.5, 0.4, 0.3]}


def spread(median: float, n: int) -> dict[str, Any]:
    quartiles = [0.9 * median, 1.1 * median]
    return {"n": n, "median": median, "quartiles": quartiles, "percentile_95": 1.5 * median, "range": [0, 9]}


def record(model: str, size: float, factor: float, **changes: Any) -> dict[str, Any]:
    """Return the benchmark's record of a model with `size` of the reference's size and `factor` of its time."""
    passes = [
        {
            "batch": batch,
            "length": 128,
            "seconds": spread(0.24 * factor * batch, 100),
            "tokens_per_second": 500 / factor,
        }
        | {"ratio": {"n": 10, "median": factor, "quartiles": [factor, factor]}}
        for batch in (1, 32)
    ]
    memory = {
        "libraries": 400_000_000,
        "mapped": 1e7,
        "loaded": 7e8 * size,
        "used": 7.1e8 * size,
        "highest": 8e8,
        "on_gpu": None,
    }
    loading = {"seconds": spread(4.18 * size, 10), "ratio": {"n": 10, "median": size, "quartiles": [size, size]}}
    return {
        "model": model,
        "reference": "mbert",
        "kind": "encoder of transformers, run by torch",
        "precision": "fp32",
        "parameters": {"total": 178e6 * size, "encoder": 177e6 * size, "embedding": 92e6 * size},
        "bytes": {"fp32": 714e6 * size, "bf16": 357e6 * size},
        "operations_per_token": {"128": 174.6e6},
        "devices": {"cpu": {"memory": memory, "loading": loading, "latency": passes}},
        "machine": MACHINE,
        "threads": 1,
    } | changes


@pytest.fixture
def measured(results: Results) -> list[Path]:
    """The benchmark's files of three models; the int8 one has but one size."""
    exported = {"bytes": {"int8": 98e6}, "precision": "int8", "kind": "exported encoder, run by ONNX Runtime"}
    records = [record("mbert", 1, 1), record("reduced", 0.55, 1.02), record("int8", 0.5, 0.4, **exported)]
    return [results.write(results.path("efficiency", f"{entry['model']}.json"), entry) for entry in records]


def rows(markdown: str, model: str) -> list[list[str]]:
    lines = [line for line in markdown.splitlines() if line.startswith(f"| {model} ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def table(results: Results, paths: list[Path], **settings: Any) -> int:
    return results.table("table_3", {"kind": "efficiency"} | settings, paths)


def test_every_figure_has_its_ratio_and_times_their_spread(results: Results, measured: list[Path]) -> None:
    assert table(results, measured) == 0
    sizes, latency, throughput = rows(results.read("tables", "table_3.md"), "reduced")
    assert sizes[1] == "97.9 (0.55×)"
    assert "393 (0.55×)" in sizes
    assert "2.30 (2.07 to 2.53; 0.55×)" in sizes
    assert latency[1] == "245 (95%: 367; 1.02×)"
    assert throughput[1] == "490 (0.98×)"


def test_what_a_model_does_not_have_says_so(results: Results, measured: list[Path]) -> None:
    assert table(results, measured) == 0
    markdown = results.read("tables", "table_3.md")
    assert rows(markdown, "int8")[0].count("N/A") == 2
    assert rows(markdown, "reduced")[0].count("N/A") == 1
    assert "int8: exported encoder, run by ONNX Runtime, int8" in markdown


def test_notes_state_numbers_reference_machine_threads_and_load(results: Results, measured: list[Path]) -> None:
    assert table(results, measured) == 0
    for suffix in ("md", "tex", "html"):
        text = results.read("tables", f"table_3.{suffix}")
        for part in ("ratio to mbert", "10 fresh", "100 passes", "Z80, 1 core, 3.75 GiB", "1 thread", "0.50"):
            assert part in text, (suffix, part)


def test_models_stand_in_the_tables_order_and_ratios_are_to_a_reference_that_is_not_shown(
    results: Results, measured: list[Path]
) -> None:
    assert table(results, measured, models=["int8", "reduced"]) == 0
    markdown = results.read("tables", "table_3.md")
    heads = [line.split("|")[1].strip() for line in markdown.splitlines() if line.startswith(("| int8", "| reduced"))]
    assert heads == ["int8", "reduced"] * 3
    assert rows(markdown, "reduced")[0][1] == "97.9 (0.55×)"


def test_the_numbers_hold_every_figure(results: Results, measured: list[Path]) -> None:
    assert table(results, measured) == 0
    numbers = pd.read_csv(results.path("tables", "table_3.csv"))
    loads = numbers[(numbers["figure"] == "loading") & (numbers["model"] == "reduced")].iloc[0]
    assert (loads["n"], loads["unit"], loads["ratio"]) == (10, "s", 0.55)
    assert loads["low"] < loads["value"] < loads["high"] < loads["percentile_95"]
    assert set(numbers["figure"]) >= {"parameters", "size", "memory", "latency", "throughput", "operations"}


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"threads": 2}, "was measured in another job"),
        ({"reference": "other"}, "was measured in another job"),
        ({"machine": MACHINE | {"cores": 8}}, "was measured in another job"),
    ],
)
def test_figures_of_different_jobs_are_not_compared(
    results: Results, measured: list[Path], changes: dict[str, Any], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    results.write(measured[1], record("reduced", 0.55, 1, **changes))
    assert table(results, measured) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"smelt: {measured[1]}: {complaint}")
    assert not results.path("tables", "table_3.csv").exists()


def test_a_file_that_is_no_record_is_one_clear_line(
    results: Results, measured: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    measured[0].write_text(json.dumps({"model": "mbert"}))
    assert table(results, measured) == 1
    assert "mbert.json: has no 'reference': expected what `smelt job efficiency` writes" in capsys.readouterr().err
    assert table(results, [], models=["mbert"]) == 1
    assert "expected the records of efficiency" in capsys.readouterr().err


def test_a_model_without_a_file_is_named(
    results: Results, measured: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert table(results, measured[:1], models=["mbert", "reduced"]) == 1
    assert "hold nothing of the model 'reduced'" in capsys.readouterr().err


def test_the_page_shows_all_models_and_an_export_without_a_count_of_its_parameters(
    results: Results, measured: list[Path]
) -> None:
    exported = results.path("models", "int8")
    results.write(exported / "config.json", {"model_type": "bert", "vocab_size": 8000, "num_hidden_layers": 2})
    results.write(exported / "provenance.json", {"command": "export"})
    results.write(exported / "model.onnx", "not read here")
    study = {"study": "small", "models": {"int8": {"maker": "export"}}}
    words = ["page", "--study", json.dumps(study), "--significance", json.dumps(SIGNIFICANCE)]
    words += ["--models", str(exported), "--efficiency", *map(str, measured)]
    assert main([*words, "--output", str(results.path("report.html"))]) == 0
    page = results.read("report.html")
    bare = re.sub(r' <span class="files">.*?</span>|</?a\b.*?>', "", page)  # without links
    section = bare[bare.index('<section id="efficiency">') :]
    assert all(f'<th scope="row">{model}</th>' in section for model in ("mbert", "reduced", "int8"))
    assert '<th scope="row">int8</th><td>export</td><td>8,000</td>' in bare
