"""The benchmark on two small encoders: what it writes, and what it refuses."""

import json
from pathlib import Path
from typing import Any

import pytest
from small_encoders import write_encoder

from smelt.__main__ import main

pytestmark = pytest.mark.slow

SETTINGS = {"lengths": [8, 16], "batches": [1, 3], "items": 12, "warmup": 1, "loads": 1, "reference": "wide"}


def measure(tmp_path: Path, models: list[Path], **settings: Any) -> int:
    words = ["efficiency", "--models", *map(str, models), "--output", str(tmp_path / "figures")]
    return main([*words, "--settings", json.dumps(SETTINGS | settings), "--memory", "1000"])


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What is written of two models."""
    folder = tmp_path_factory.mktemp("models")
    models = [write_encoder(folder / name, family) for name, family in {"narrow": "albert", "wide": "bert"}.items()]
    assert measure(folder, models) == 0
    return {path.stem: json.loads(path.read_text()) for path in (folder / "figures").iterdir()}


def test_every_model_has_a_file_that_says_with_what_and_where(figures: dict[str, Any]) -> None:
    assert set(figures) == {"narrow", "wide"}
    for model, record in figures.items():
        assert (record["model"], record["reference"], record["threads"], record["precision"]) == (
            model,
            "wide",
            1,
            "fp32",
        )
        assert {"processor", "cores", "memory_gib", "load_average_before"} <= set(record["machine"])
        assert {"torch", "transformers"} <= set(record["libraries"])
        assert set(record["bytes"]) == {"fp32", "bf16"}
        assert set(record["operations_per_token"]) == {"8", "16"}


def test_every_setting_has_all_its_passes(figures: dict[str, Any]) -> None:
    for record in figures.values():
        passes = record["devices"]["cpu"]["latency"]
        assert [(entry["batch"], entry["length"]) for entry in passes] == [(1, 8), (1, 16), (3, 8), (3, 16)]
        for entry in passes:
            assert (entry["seconds"]["n"], len(entry["all_seconds"]), entry["ratio"]["n"]) == (12, 12, 2)
            assert 0 < entry["seconds"]["median"] <= entry["seconds"]["percentile_95"]
            speed = entry["batch"] * entry["length"] / entry["seconds"]["median"]
            assert entry["tokens_per_second"] == pytest.approx(speed)


def test_loads_and_memory_are_of_fresh_processes(figures: dict[str, Any]) -> None:
    for record in figures.values():
        measured = record["devices"]["cpu"]
        assert 0 < measured["loading"]["mapped_seconds"] < measured["loading"]["seconds"]["median"]
        assert len(measured["loading"]["all_seconds"]) == measured["loading"]["ratio"]["n"] == 1
        memory = measured["memory"]
        assert memory["libraries"] > 50_000_000  # torch alone
        assert 0 < memory["mapped"] <= memory["loaded"] <= memory["used"]
        assert memory["on_gpu"] is None


def test_the_reference_is_as_fast_as_itself(figures: dict[str, Any]) -> None:
    measured = figures["wide"]["devices"]["cpu"]
    assert [entry["ratio"]["median"] for entry in measured["latency"]] == [1.0] * 4
    assert measured["loading"]["ratio"]["median"] == 1.0


def test_rows_longer_than_a_model_reads_are_refused_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = write_encoder(tmp_path / "wide")
    capsys.readouterr()
    assert measure(tmp_path, [model], lengths=[512, 513]) == 1
    assert capsys.readouterr().err == f"smelt: {model}: reads 512 tokens at once; lengths ask for 513\n"
    assert not (tmp_path / "figures").exists()


def test_broken_weights_are_one_clear_line_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = write_encoder(tmp_path / "wide")
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    capsys.readouterr()
    assert measure(tmp_path, [model]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"smelt: {model}: its weights cannot be read")
    assert error.count("\n") == 1
    assert not (tmp_path / "figures").exists()


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert measure(tmp_path, [tmp_path / "wide"]) == 1
    assert "wide: no such folder: expected a model" in capsys.readouterr().err
