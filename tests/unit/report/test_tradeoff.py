"""Tables of score, size and latency: XtremeDistil's Table 16, computed again from what lies under it."""

import json
import math
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from small_results import Results
from test_efficiency_table import record, spread

from smelt.report.figures.style import panels, style
from smelt.report.figures.tradeoff import CostPoint, draw_fronts
from smelt.report.tables.tradeoff import front

# XtremeDistil, Table 16: F1 and its deviation over languages, parameters in millions, how many times fewer than mBERT's
# 179 million they are, and how much faster with batches of 32 and of 1; of students of E dimensions and H states.
PUBLISHED = {
    "300-600": (88.64, 3.8, 31.8, 5.6, 14, 8),
    "200-600": (88.50, 3.8, 22.5, 8.0, 15, 9),
    "300-400": (88.21, 4.0, 29.4, 6.1, 23, 11),
    "50-600": (87.67, 4.0, 8.5, 21.1, 16, 10),
    "300-200": (87.54, 4.1, 27.7, 6.5, 40, 15),
    "200-200": (87.47, 4.2, 18.7, 9.6, 46, 16),
    "50-200": (86.46, 4.3, 5.1, 35.1, 51, 16),
    "300-100": (86.19, 4.3, 27.0, 6.6, 62, 16),
    "50-100": (84.60, 4.7, 4.7, 38.1, 77, 16),
}
MBERT = (91.86, 2.7, 179.0, 1.0, 1, 1)
ROWS = {"mbert": MBERT} | PUBLISHED
SETTINGS = {
    "kind": "tradeoff",
    "task": "panx",
    "models": list(ROWS),
    "languages": None,
    "length": 32,
    "batches": [1, 32],
    "caption": "",
    "titles": {},
}


def latency(batch: int, factor: float) -> dict[str, Any]:
    """Return a record: mBERT takes 40 ms with one row and 800 ms with 32; the others take `factor` of that."""
    seconds = {1: 0.04, 32: 0.8}[batch] * factor
    shape = {"batch": batch, "length": 32, "tokens_per_second": 32 * batch / seconds}
    return shape | {"seconds": spread(seconds, 100), "ratio": {"n": 10, "median": factor, "quartiles": [factor] * 2}}


def write(folder: Path, model: str, row: tuple[float, ...]) -> Path:
    millions, at_32, at_1 = row[2], row[4], row[5]
    entry = record(model, 1, 1, bytes={"fp32": 4e6 * millions})
    entry["parameters"] = {"total": 1e6 * millions, "encoder": 1e6 * millions - 5e5, "embedding": 4e6}
    entry["devices"]["cpu"]["latency"] = [latency(1, 1 / at_1), latency(32, 1 / at_32)]
    path = folder / f"{model}.json"
    path.write_text(json.dumps(entry))
    return path


@pytest.fixture
def sources(results: Results) -> list[Path]:
    return write_sources(results.folder)


def write_sources(folder: Path) -> list[Path]:
    """Write scores of two languages and two seeds around the published ones, and the records of efficiency."""
    rows = []
    for model, (score, deviation, *_) in ROWS.items():
        for seed, shift in ((1, -0.2), (2, 0.2)):
            half = deviation / 2**0.5
            of = {"bn": score + shift + half, "de": score + shift - half, "mean": score + shift}
            fixed = {"model": model, "task": "panx", "setting": "standard", "seed": seed, "split": "test"}
            rows += [fixed | {"language": code, "metric": "f1", "value": value / 100} for code, value in of.items()]
    scores = folder / "scores.csv"
    pd.DataFrame(rows).to_csv(scores, index=False)
    return [scores, *(write(folder, model, row) for model, row in ROWS.items())]


def test_compression_and_speed_are_the_published_ones(results: Results, sources: list[Path]) -> None:
    assert results.table("table_16", SETTINGS, sources) == 0
    frame = pd.read_csv(results.path("tables", "table_16.csv")).set_index("model")
    for model, (score, deviation, millions, compression, at_32, at_1) in PUBLISHED.items():
        found = frame.loc[model]
        assert found["mean"] == pytest.approx(score / 100)
        assert found["deviation_over_languages"] == pytest.approx(deviation / 100)
        assert found["deviation_over_seeds"] == pytest.approx(0.004 / 2**0.5)
        assert found["parameters"] == pytest.approx(1e6 * millions)
        assert round(found["compression"], 1) == compression
        assert found["speedup_batch_32"] == pytest.approx(at_32)
        assert found["speedup_batch_1"] == pytest.approx(at_1)
        assert found["n"] == 2


def test_a_row_shows_score_size_and_times(results: Results, sources: list[Path]) -> None:
    assert results.table("table_16", SETTINGS, sources) == 0
    text = results.read("tables", "table_16.md")
    # 179 / 5.1, 4 bytes a parameter, 40 / 16 ms and 800 / 51 ms.
    assert "| 50-200 | 86.46 (4.30) | 5.10 | 35.1× | 20.4 | 2.50 | 16.0× | 15.7 | 51.0× | **yes** |" in text
    assert "| mbert | **91.86** (2.70) | 179 | 1.00× | 716 | 40.0 | 1.00× | 800 | 1.00× | **yes** |" in text
    assert "over 2 languages, mean over the seeds). Best of a column in bold." in text
    assert "to the last hidden states, or to the logits of a compact student, median of 100 passes, with all" in text
    assert "with all models taking turns in one job on Z80, 1 thread." in text
    assert "share one teacher" not in text
    assert results.table("table_16", SETTINGS | {"one_teacher": ["50-200"]}, sources) == 0
    assert "The seeds of 50-200 share one teacher" in results.read("tables", "table_16.md")
    assert "Mean over 2 seeds (standard deviation" in text
    assert (
        "no other model of the table has at least its mean score and at most its latency at 32 × 32. Neither is" in text
    )


def test_what_another_beats_in_score_and_latency_is_not_worth_it(results: Results, sources: list[Path]) -> None:
    assert results.table("table_16", SETTINGS, sources) == 0
    frame = pd.read_csv(results.path("tables", "table_16.csv")).set_index("model")
    # 50-600 is slower than 300-400, which scores more; of all others each that is faster scores less.
    assert frame.index[~frame["worth_it"]].tolist() == ["50-600"]
    # At one row 50-100 and 300-100 are no faster than 200-200, nor 50-200, and score less.
    assert results.table("table_16", SETTINGS | {"batches": [32, 1]}, sources) == 0
    frame = pd.read_csv(results.path("tables", "table_16.csv")).set_index("model")
    assert frame.index[~frame["worth_it"]].tolist() == ["50-600", "50-200", "300-100", "50-100"]


def test_names_of_many_points_cover_neither_each_other_nor_the_line() -> None:
    found = [CostPoint(f"model-{size:02}", size, *[55 + 1.5 * size] * 3, "") for size in range(1, 21)]
    with style():
        figure, (axis,) = panels(1, 4.2, 3.4)
        draw_fronts(figure, [axis], {"parameters (millions)": found})
        names = [each for each in axis.texts if each.get_text().startswith("model-")]
        boxes = [each.get_window_extent() for each in names]
        line = axis.lines[0].get_path().transformed(axis.transData)
    assert len(names) == 20
    assert not any(one.overlaps(other) for place, one in enumerate(boxes) for other in boxes[place + 1 :])
    assert not any(line.intersects_bbox(box, filled=False) for box in boxes)


def test_all_equal_points_are_worth_it_and_no_unknown_one_is() -> None:
    points = [(0.8, 5.0), (0.8, 5.0), (0.8, 6.0), (0.7, 5.0), (0.9, 9.0), (math.nan, 1.0)]
    assert front(points) == [True, True, False, False, True, False]


def test_scores_may_be_of_chosen_languages(results: Results, sources: list[Path]) -> None:
    assert results.table("table_16", SETTINGS | {"languages": ["de"]}, sources) == 0
    text = results.read("tables", "table_16.md")
    assert f"| 50-200 | {86.46 - 4.3 / 2**0.5:.2f} (0.28) |" in text
    assert "Mean (standard deviation) over 2 seeds; 1 language." in text


def test_the_reference_need_not_be_shown(results: Results, sources: list[Path]) -> None:
    assert results.table("table_16", SETTINGS | {"models": ["50-200"]}, sources) == 0
    assert "| 35.1× |" in results.read("tables", "table_16.md")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"length": 64}, "'mbert' has no latency of 1 × 64 tokens on cpu: measure it, or show what was"),
        ({"device": "cuda"}, "'mbert' has no latency of 1 × 32 tokens on cuda"),
        ({"models": ["mbert", "none"]}, "has no score of 'none' on 'panx'"),
        ({"task": "ner"}, "has no score of 'mbert' on 'ner'"),
    ],
)
def test_what_was_not_measured_is_refused_by_name(
    results: Results, sources: list[Path], capsys: pytest.CaptureFixture[str], changes: dict[str, Any], message: str
) -> None:
    assert results.table("table_16", SETTINGS | changes, sources) == 1
    assert message in capsys.readouterr().err
    assert not results.path("tables", "table_16.csv").exists()


def test_figures_of_another_job_are_refused(
    results: Results, sources: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    other = json.loads(sources[-1].read_text())
    results.write(sources[-1], other | {"threads": 8})
    assert results.table("table_16", SETTINGS, sources) == 1
    assert "was measured in another job" in capsys.readouterr().err
    sources[-1].unlink()
    assert results.table("table_16", SETTINGS, sources[:-1]) == 1
    assert "hold no efficiency of the model '50-100'" in capsys.readouterr().err


# The paper's two set-ups: batches of 32 on a GPU, single queries on the CPU.
TWO = {"setups": [{"device": "cuda", "batch": 32}, {"device": "cpu", "batch": 1}], "batches": None}


def with_gpu(path: Path, models: Collection[str] = ROWS) -> None:
    """Add to a record what a GPU would take: a tenth of the CPU's time."""
    entry = json.loads(path.read_text())
    entry["machine"] = entry["machine"] | {"gpus": ["P100"]}
    if entry["model"] in models:
        entry["devices"]["cuda"] = json.loads(json.dumps(entry["devices"]["cpu"]))
        for one in entry["devices"]["cuda"]["latency"]:
            one["seconds"]["median"] /= 10
    path.write_text(json.dumps(entry))


def test_batches_on_a_gpu_stand_beside_single_rows_on_the_cpu(results: Results, sources: list[Path]) -> None:
    for path in sources[1:]:
        with_gpu(path)
    assert results.table("table_16", SETTINGS | TWO | {"reference": "mbert"}, sources) == 0
    text = results.read("tables", "table_16.md")
    assert "| 32 × 32, cuda (ms) | Speed-up | 1 × 32, cpu (ms) | Speed-up | Worth it |" in text
    # 86.46 of 91.86; 800 / 10 / 51 ms and 40 / 16 ms.
    assert "| 50-200 | 86.46 (4.30) | 94.12% (−5.40) | 5.10 | 35.1× | 20.4 | 1.57 | 51.0× | 2.50 | 16.0× |" in text
    assert "| mbert | **91.86** (2.70) |  | 179 |" in text
    assert "on the device of the column" in text
    assert "one job on Z80, P100, 1 thread." in text
    assert "at most its latency at 1 × 32 on cpu." in text
    assert "not measured" not in text
    frame = pd.read_csv(results.path("tables", "table_16.csv")).set_index("model")
    for model, row in PUBLISHED.items():
        found = frame.loc[model]
        speeds = (found["speedup_cuda_batch_32"], found["speedup_cpu_batch_1"])
        assert speeds == (pytest.approx(row[4]), pytest.approx(row[5]))
        assert found["kept"] == pytest.approx(row[0] / MBERT[0])


def test_without_a_gpu_its_cells_are_empty_and_a_note_says_why(results: Results, sources: list[Path]) -> None:
    assert results.table("table_16", SETTINGS | TWO, sources) == 0
    text = results.read("tables", "table_16.md")
    assert "| 50-200 | 86.46 (4.30) | 5.10 | 35.1× | 20.4 | – | – | 2.50 | 16.0× |" in text
    assert "–: not measured on cuda: the job had no such device, or did not find it." in text
    frame = pd.read_csv(results.path("tables", "table_16.csv"))
    assert frame["milliseconds_cuda_batch_32"].isna().all()
    assert set(frame["passes_cuda_batch_32"]) == {0}


def test_a_model_that_does_not_run_on_the_gpu_is_named_apart(results: Results, sources: list[Path]) -> None:
    for path in sources[1:]:
        with_gpu(path, ["mbert", "50-200"])
    last = {"setups": TWO["setups"][::-1]}
    assert results.table("table_16", SETTINGS | TWO | last, sources) == 0
    text = results.read("tables", "table_16.md")
    assert "–: not measured on cuda: some models do not run there." in text
    worth = [line.split("|")[1].strip() for line in text.splitlines() if line.endswith("| **yes** |")]
    assert worth == ["mbert", "50-200"]  # judged by the last set-up, which the others do not have


def test_with_no_set_up_measured_nothing_is_judged(results: Results, sources: list[Path]) -> None:
    only = {"setups": [{"device": "cuda", "batch": 32}]}
    assert results.table("table_16", SETTINGS | TWO | only, sources) == 0
    text = results.read("tables", "table_16.md")
    assert "Worth it: not judged, because no latency of the table was measured." in text
    assert "**yes**" not in text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"batches": [1]}, "setups: stand in the place of `device` and `batches`"),
        ({"device": "cuda"}, "setups: stand in the place of `device` and `batches`"),
        ({"reference": "bert"}, "reference: 'bert' is no model of the table"),
        ({"setups": [{"device": "tpu", "batch": 1}]}, "device"),
        ({"setups": [{"device": "cpu", "batch": 64}]}, "has no latency of 64 × 32 tokens on cpu"),
    ],
)
def test_set_ups_that_cannot_be_are_refused(
    results: Results, sources: list[Path], capsys: pytest.CaptureFixture[str], changes: dict[str, Any], said: str
) -> None:
    assert results.table("table_16", SETTINGS | TWO | changes, sources) == 1
    assert said in capsys.readouterr().err
