"""Published numbers beside ours: which lie in our interval, which print alike, and what is left out."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from small_results import Results
from test_averages import write_model
from test_efficiency_table import record
from test_stages import phases

# Of small_8k on ner the seeds have 49, 50 and 51: their mean's interval of 95% is 50 ± 4.303 / √3, 47.52 to 52.48.
PAPER = {
    "paper": "Small (2024)",
    "studies": ["small"],
    "tables": {
        "table-1": {
            "where": "Table 1",
            "about": "entities and intents",
            "metric": "F1",
            "n": 10,
            "columns": {"NER": {"task": "ner"}, "Intents": {"task": "intent", "metric": "accuracy"}},
            "rows": {
                "Small": {"model": "small_8k", "values": [52.48, 88.15], "deviations": [0.4, None]},
                "Large": {"model": "large_32k", "values": [67.52, 81.3]},
                "Adopted": {"model": "adopted", "values": [89.0, None], "note": "of another commit"},
                "Gone": {"model": "gone", "values": [12.0, 13.0], "note": "of no study here"},
            },
            "note": "the paper's test set is larger",
        },
        "table-2": {
            "where": "Table 2",
            "about": "sizes",
            "columns": {
                "Parameters": {"figure": "parameters"},
                "Latency": {"figure": "latency", "batch": 1, "length": 128},
            },
            "rows": {
                "Small": {"model": "small_8k", "values": [12, None]},
                "mBERT": {"model": "mbert", "values": [178, 0.3]},
            },
        },
    },
}


def table(results: Results, paper: dict[str, Any] = PAPER, **settings: Any) -> pd.DataFrame:
    """Make the table, and return the rows of its CSV by row and column."""
    file = results.write(results.path("paper.yaml"), yaml.safe_dump(paper, sort_keys=False, allow_unicode=True))
    assert results.scores() == 0
    measured = results.write(results.path("efficiency", "mbert.json"), record("mbert", 1, 1))
    folder = results.path("counted", "small_8k")
    sources = [file, results.path("scores.csv"), measured, *([folder] if folder.exists() else [])]
    entry = {"kind": "published", "paper": str(file), "models": ["small_8k", "large_32k", "adopted", "mbert"]}
    assert results.table("published", entry | settings, sources) == 0
    return pd.read_csv(results.path("tables", "published.csv"), keep_default_na=False).set_index(["row", "column"])


def test_a_published_score_lies_inside_our_interval_or_outside(results: Results) -> None:
    made = table(results)
    small = made.loc[("Small", "NER")]
    assert [round(float(small[key]), 2) for key in ("ours", "low", "high")] == [50.0, 47.52, 52.48]
    printed = ("published", "published_deviation", "published_n", "n")
    assert [float(small[key]) for key in printed] == [52.48, 0.4, 10, 3]
    assert small["verdict"] == "inside"
    assert {key: row["verdict"] for key, row in made.loc[made["figure"] == "score"].iterrows()} == {
        ("Small", "NER"): "inside",
        ("Small", "Intents"): "outside",
        ("Large", "NER"): "inside",
        ("Large", "Intents"): "inside",
        ("Adopted", "NER"): "inside",
    }
    paper = {**PAPER, "tables": {"table-1": dict(PAPER["tables"]["table-1"])}}  # type: ignore[index]
    paper["tables"]["table-1"]["rows"] = {"Small": {"model": "small_8k", "values": [52.49, 47.0]}}
    assert list(table(results, paper)["verdict"]) == ["outside", "outside"]


def test_what_no_seed_changes_prints_alike_or_not_and_times_have_no_verdict(results: Results) -> None:
    write_model(results.path("counted", "small_8k"), 11_812_000)
    made = table(results)
    verdicts = {key: row["verdict"] for key, row in made.loc[made["table"] == "Table 2"].iterrows()}
    assert verdicts == {("Small", "Parameters"): "equal", ("mBERT", "Parameters"): "differs", ("mBERT", "Latency"): "–"}
    assert float(made.loc[("mBERT", "Latency"), "ours"]) == pytest.approx(0.24)


def test_compression_and_speed_are_against_the_reference_and_phases_are_those_of_each_seed(results: Results) -> None:
    run = {"model": "d42", "task": "panx"}
    metrics = [
        results.write(results.metrics("d42", "panx", seed), run | {"seed": seed, "stages": phases(shift)})
        for seed, shift in ((1, -1.0), (2, 0.0), (3, 1.0))
    ]
    columns = {
        "F1": {"task": "panx"},
        "Compression": {"figure": "compression"},
        "Speed": {"figure": "speedup", "batch": 32, "length": 128},
    }
    rows = {
        "2, encoder": {"model": "d42", "values": [81.0, None, None], "stage": 2, "unfrozen": "encoder"},
        "3, head": {"model": "d42", "values": [95.0, None, None], "stage": 3, "unfrozen": "head"},
        "small": {"model": "small_8k", "values": [None, 4.0, 16]},
    }
    entry = {"where": "T", "about": "a", "metric": "F1", "columns": columns, "rows": rows}
    file = results.write(results.path("paper.yaml"), yaml.safe_dump(PAPER | {"tables": {"t": entry}}, sort_keys=False))
    measured = [
        results.write(results.path("efficiency", f"{model}.json"), record(model, size, time))
        for model, size, time in (("mbert", 1, 1), ("small_8k", 0.25, 0.1))
    ]
    settings = {"kind": "published", "paper": str(file), "models": ["d42", "small_8k"]}
    assert results.table("published", settings, [file, *measured, *metrics]) == 0
    made = pd.read_csv(results.path("tables", "published.csv"), keep_default_na=False).set_index(["row", "column"])
    assert {key: (round(row["ours"], 2), row["verdict"]) for key, row in made.iterrows()} == {
        ("2, encoder", "F1"): (81.64, "inside"),
        ("3, head", "F1"): (86.38, "outside"),
        ("small", "Compression"): (4.0, "equal"),
        ("small", "Speed"): (10.0, "–"),
    }


def test_notes_say_what_the_interval_is_and_what_differs(results: Results) -> None:
    table(results)
    text = results.read("tables", "published.md")
    assert "mean over 3 seeds, test sets. Interval: Student's t, 95%, of our mean over seeds" in text
    assert "4 of 5 do. No test, no correction" in text
    assert "Published scores are of 10 runs; in brackets their standard deviation over runs" in text
    assert "F1 of the paper is here F1 of whole spans (seqeval, default mode); accuracy of the paper" in text
    assert "Table 1, entities and intents: the paper's test set is larger; Adopted: of another commit." in text
    assert "of no study here" not in text
    assert "3 of the 10 numbers are left out" in text
    assert "| NER | 52.48 (0.40) | 50.00 | 47.52 to 52.48 | −2.48 | inside |" in text.replace("0.4)", "0.40)")
    for suffix in ("tex", "html"):
        assert "52.48" in results.read("tables", f"published.{suffix}")


def test_a_single_seed_has_no_interval_and_no_verdict(results: Results) -> None:
    results.settings["seeds"] = [1]
    made = table(results)
    assert set(made.loc[made["figure"] == "score", "verdict"]) == {"–"}
    assert "too few for an interval" in results.read("tables", "published.md")


def test_models_have_the_names_of_the_study(results: Results) -> None:
    made = table(results, names={"gone": "large_32k"}, tables=["table-1"])
    assert made.loc[("Gone", "NER"), "models"] == "large_32k"
    assert "gone of the paper is large\\_32k here" in results.read("tables", "published.md")


def test_a_mean_over_tasks_and_a_choice_are_made_as_the_paper_makes_them(results: Results) -> None:
    columns = {"NER": {"task": "ner"}, "Average": {"tasks": ["ner", "intent"]}}
    rows = {"Best": {"model": [["small_8k", "large_32k"], "large_32k"], "values": [0.7, 0.75]}}
    tables = {"t": {"where": "T", "about": "a", "unit": "share", "metric": "F1", "columns": columns, "rows": rows}}
    made = table(results, PAPER | {"tables": tables})
    assert made.loc[("Best", "NER"), "models"] == "large_32k"  # 69 against 49 on validation
    assert float(made.loc[("Best", "NER"), "published"]) == pytest.approx(70)
    assert float(made.loc[("Best", "Average"), "ours"]) == pytest.approx((70 + 244 / 3) / 2)


def test_a_family_has_the_member_of_each_language_or_the_mean_of_all(tmp_path: Path, results: Results) -> None:
    shown = [("en-fr", "fr", 0.7), ("en-fr", "en", 0.8), ("en-de", "de", 0.6), ("en-de", "en", 0.9)]
    whole = [("en-fr", "all", 0.7), ("en-de", "all", 0.7)]
    run = {"task": "xnli", "setting": "standard", "split": "test", "metric": "accuracy"}
    scores = [
        run | {"model": model, "language": language, "seed": seed, "value": value + 0.01 * seed}
        for model, language, value in [*shown, *whole]
        for seed in (-1, 0, 1)
    ]
    path = tmp_path / "scores.csv"
    pd.DataFrame(scores).to_csv(path, index=False)
    columns = {code: {"language": code} for code in ("en", "fr", "de")} | {"avg": {"languages": ["en", "fr", "de"]}}
    entry = {"where": "T", "about": "a", "metric": "accuracy", "task": "xnli", "columns": columns}
    entry["rows"] = {"xx": {"model": "en-{language}", "values": [85, 70, 60, 72]}}
    file = results.write(tmp_path / "paper.yaml", yaml.safe_dump(PAPER | {"tables": {"t": entry}}, sort_keys=False))
    settings = {"kind": "published", "paper": str(file), "models": ["en-fr", "en-de"]}
    assert results.table("published", settings, [file, path]) == 0
    made = pd.read_csv(results.path("tables", "published.csv")).set_index("column")
    assert list(made["ours"].round(6)) == [85, 70, 60, 71.666667]
    assert list(made["verdict"]) == ["inside"] * 4
