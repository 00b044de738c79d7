"""Tables of reduced models by the way they were made: sizes, scores with their tests, times, and parts by language."""

import json
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pandas as pd
import pytest
from scipy import stats
from small_results import Results
from test_efficiency_table import MACHINE, record
from tokenizers import Tokenizer, models

SCORES = {
    "whole": (0.60, 0.62, 0.61),
    "small": (0.55, 0.58, 0.555),
    "late": (0.50, 0.52, 0.49),
    "student": (0.4, 0.42, 0.45),
}
PIECES = {"whole": 16000, "small": 4000, "late": 4000, "student": 4000}
HOURS = {"whole": 5.0, "small": 0.1, "late": 0.2, "student": 1.0}
LEARNT = {"whole": 0.5, "small": 0.25, "student": 0.125, "late": 0.03}
"""Hours of a run: a fine-tuning, or the evaluation of `late`."""
SETTINGS: dict[str, Any] = {
    "kind": "reductions",
    "tasks": ["ner"],
    "whole": "whole",
    "ways": {"reduced, then fine-tuned": ["small"], "fine-tuned, then reduced": ["late"], "distilled": ["student"]},
    "languages": ["he", "sw", "fr"],
    "caption": "",
    "models": list(SCORES),
    "chains": {"whole": [], "small": ["small"], "late": [], "student": ["student", "small"]},
    "finetuned_from": {"late": "whole"},
    "latency": [1, 128],
    "titles": {},
}
CUTS = {"he": (0.5, 1.4, 1.9), "sw": (0.125, 1.25, 1.5)}


def provenance(hours: float, command: str = "reduce") -> dict[str, Any]:
    machine = {"processor": "Z80", "cores": 2, "gpus": [], "processes": 1}
    return {"command": command, "hours": hours, "energy": None, "machine": machine}


@pytest.fixture
def sources(results: Results) -> list[Path]:
    rows, paths = [], []
    for model, values in SCORES.items():
        for seed, value in enumerate(values, 1):
            of = {"he": value - 0.1, "sw": value + 0.1, "mean": value}
            fixed = {
                "model": model,
                "task": "ner",
                "setting": "standard",
                "seed": seed,
                "split": "test",
                "metric": "f1",
            }
            rows += [fixed | {"language": code, "value": score} for code, score in of.items()]
            run = results.metrics(model, "ner", seed)
            paths.append(results.write(run, {"model": model}))
            if model == "late":
                results.write(run.parent / "model/provenance.json", provenance(0.01 * seed))
            command = "evaluate" if model == "late" else "finetune"
            results.write(run.parent / "provenance.json", provenance(LEARNT[model], command))
        share = PIECES[model] / 16000
        entry = record(model, share, share, reference="whole", bytes={"fp32": 8e6 * share})
        paths.append(results.write(results.path("efficiency", f"{model}.json"), entry))
        folder = results.path("models", model)
        results.write(folder / "config.json", {"vocab_size": PIECES[model] + 64})  # embeddings have rows to spare
        words = {f"w{number}": number for number in range(PIECES[model])}
        Tokenizer(models.WordLevel(words, unk_token="w0")).save(str(folder / "tokenizer.json"))
        results.write(folder / "provenance.json", provenance(HOURS[model]))
        if model in ("small", "late"):
            proof = {
                code: {
                    "share_of_lines_that_tokenise_differently": share,
                    "before": {"fertility": before},
                    "after": {"fertility": after},
                }
                for code, (share, before, after) in CUTS.items()
            }
            results.write(folder / "reduction.json", {"proof": {"languages": proof}})
        paths.append(folder)
    scores = results.path("scores.csv")
    pd.DataFrame(rows).to_csv(scores, index=False)
    return [scores, *paths]


def test_a_row_has_sizes_score_difference_and_the_time_since_the_whole_model(
    results: Results, sources: list[Path]
) -> None:
    assert results.table("t", SETTINGS, sources, test="paired-t") == 0
    frame = pd.read_csv(results.path("tables", "t.csv"))
    whole = frame[frame["language"].isna()].set_index("model")
    p = {model: stats.ttest_rel(SCORES[model], SCORES["whole"]).pvalue for model in ("small", "late", "student")}
    holm, worst = {}, 0.0
    for place, model in enumerate(sorted(p, key=lambda name: p[name])):
        worst = holm[model] = max(worst, min(1, (3 - place) * p[model]))
    for model, values in SCORES.items():
        row = whole.loc[model]
        assert (row["pieces"], row["n"]) == (PIECES[model], 3)
        assert row["mean"] == pytest.approx(fmean(values))
        assert row["standard_deviation"] == pytest.approx(stdev(values))
        assert row["bytes_fp32"] == 8e6 * PIECES[model] / 16000
        if model != "whole":
            assert row["difference"] == pytest.approx(fmean(values) - fmean(SCORES["whole"]))
            assert row["p"] == pytest.approx(p[model])
            assert row["p_corrected"] == pytest.approx(holm[model])
    # Reduced in 0.1 h and learnt in 0.25; the whole model's 0.5 h, 0.02 to reduce what it learnt and 0.03 to score it;
    # all of a student.
    assert whole["hours"].to_dict() == pytest.approx({"whole": 0.5, "small": 0.35, "late": 0.55, "student": 1.225})
    text = results.read("tables", "t.md")
    assert "| *fine-tuned, then reduced* |" in text
    mark = {model: "\\*" if holm[model] < 0.05 else "" for model in p}
    assert f"| small | 4,000 | 44.5 | 2.00 | 60.0 | 56.17 (1.61) | −4.83{mark['small']} | 21.0 min |" in text
    assert "| whole | 16,000 | 178 | 8.00 | 240 | **61.00** (1.00) | – | 30.0 min |" in text
    assert "differs from whole in this column: paired t-test over seeds, two-sided, p \\< 0.05, Holm's" in text
    assert f"one job on {MACHINE['processor']}" in text


def test_languages_show_what_is_cut_otherwise_beside_what_is_lost(results: Results, sources: list[Path]) -> None:
    assert results.table("t", SETTINGS, sources) == 0
    text = results.read("tables", "t.md")
    cut, differences = text.split("\n| ner: difference | he")
    changed, words = cut.split("| Lines cut otherwise (%) |")[1].split("| Pieces a word |")
    assert "| small | 50.0 | 12.5 | – |" in changed
    assert "| student | 50.0 | 12.5 | – |" in changed  # it has its teacher's pieces
    assert "| whole |" not in changed
    assert "| late | 1.90 (1.40) | 1.50 (1.25) | – |" in words
    assert "| small | −4.83 | −4.83 | – |" in differences
    frame = pd.read_csv(results.path("tables", "t.csv")).set_index(["model", "language"])
    assert frame.loc[("late", "he"), "changed_lines"] == 0.5
    assert frame.loc[("late", "sw"), "pieces_a_word"] == 1.5
    assert results.table("t", SETTINGS | {"languages": None}, sources) == 0
    assert "Lines cut otherwise" not in results.read("tables", "t.md")


def test_a_model_that_did_not_run_on_a_task_has_no_score_there(results: Results, sources: list[Path]) -> None:
    frame = pd.read_csv(sources[0])
    more = frame[frame["model"] != "student"].assign(task="intent")
    pd.concat([frame, more]).to_csv(sources[0], index=False)
    for model in ("whole", "small", "late"):
        for seed in (1, 2, 3):
            run = results.metrics(model, "intent", seed).parent
            sources.append(results.write(run / "metrics.json", {}))
            results.write(run / "provenance.json", provenance(0.1))
            if model == "late":
                results.write(run / "model/provenance.json", provenance(0.1))
    assert results.table("t", SETTINGS | {"tasks": ["ner", "intent"], "languages": None}, sources) == 0
    row = next(line for line in results.read("tables", "t.md").splitlines() if line.startswith("| student |"))
    assert row.endswith("| N/A | N/A | N/A |")


@pytest.mark.parametrize(
    ("drop", "settings", "message"),
    [
        ("student.json", {}, "hold no efficiency or folder of the model 'student'"),
        ("", {"latency": [8, 128]}, "'whole' has no latency of 8 × 128 tokens on cpu"),
    ],
)
def test_what_is_missing_is_named(
    results: Results, sources: list[Path], capsys: pytest.CaptureFixture[str], drop: str, settings: Any, message: str
) -> None:
    kept = [path for path in sources if path.name != drop]
    assert results.table("t", SETTINGS | settings, kept) == 1
    assert message in capsys.readouterr().err


def test_a_record_of_something_else_is_one_line(
    results: Results, sources: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    results.path("models/small/reduction.json").write_text(json.dumps({"proof": {}}))
    assert results.table("t", SETTINGS, sources) == 1
    assert "reduction.json: lacks 'languages': expected what `smelt reduce` writes" in capsys.readouterr().err


def test_the_figure_has_a_line_for_each_way_and_a_band_for_the_whole_model(sources: list[Path]) -> None:
    from smelt.report.figures import reductions
    from smelt.report.tables import table_of

    figure = reductions.draw(sources, table_of(SETTINGS))  # type: ignore[arg-type]
    (axis,) = figure.axes
    lines = {container.get_label(): container for container in axis.containers}
    assert list(lines) == list(SETTINGS["ways"])
    mean, margin = fmean(SCORES["small"]), stats.t.ppf(0.975, 2) * stdev(SCORES["small"]) / 3**0.5
    line, _, (bars,) = lines["reduced, then fine-tuned"]
    assert line.get_xydata().tolist() == [[4000, pytest.approx(100 * mean)]]
    ends = bars.get_segments()[0][:, 1]
    assert sorted(ends) == pytest.approx([100 * (mean - margin), 100 * (mean + margin)])


def test_models_of_one_size_in_a_way_are_points_of_their_own(sources: list[Path]) -> None:
    from smelt.report.figures import reductions
    from smelt.report.tables import table_of

    ways = {"reduced": ["small", "late"], "distilled": ["student"]}
    figure = reductions.draw(sources, table_of(SETTINGS | {"ways": ways}))  # type: ignore[arg-type]
    (axis,) = figure.axes
    points = {str(each.get_label()): each[0].get_xdata().tolist() for each in axis.containers}  # type: ignore[index]
    assert list(points) == ["small", "late", "distilled"]
    places = [place for (place,) in points.values()]  # each line has one point
    assert places[0] == 4000
    assert places == sorted(set(places))
