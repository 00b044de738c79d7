"""The small study's results stand where the design says, and hold what they should."""

import json
import os
import re
import stat
from pathlib import Path
from urllib.parse import unquote

import pandas as pd
import pytest
from transformers import AutoModelForMaskedLM, AutoModelForTokenClassification, AutoTokenizer, pipeline

from tests.workflow.conftest import Project

pytestmark = pytest.mark.slow


def test_every_result_of_a_study_stands_in_its_place(finished: Project) -> None:
    results = finished.folder / "results/small"
    expected = [
        "corpora/wiki/qaa/documents.parquet",
        "corpora/wiki/qaa/statistics.json",
        "tokenizers/unigram-300/spiece.model",
        "models/narrow/config.json",
        "models/narrow/model.safetensors",
        "models/narrow/README.md",
        "models/narrow/provenance.json",
        "counts/wiki/unigram-300/qaa.parquet",
        "models/narrow-qaa/model.safetensors",
        "models/narrow-qaa/reduction.json",
        "models/student-qaa/model.safetensors",
        "models/student-qaa/README.md",
        "tasks/demo-ner/train.parquet",
        "tasks/demo-ner/task.json",
        "finetuned/wide/demo-intent/seed-2/metrics.json",
        "finetuned/wide/demo-intent/seed-2/predictions.parquet",
        "finetuned/wide/demo-intent/seed-2/provenance.json",
        "tokenisation/wide/demo-ner.json",
        "scores.csv",
        "statistics/summary.csv",
        "statistics/pairs.csv",
        "statistics/across.csv",
        *(f"tables/{table}.{kind}" for table in ("slots", "segmentation", "example") for kind in ("csv", "md", "tex")),
        "figures/learning-curves.svg",
        "figures/learning-curves.png",
        "report.html",
    ]
    assert [name for name in expected if not (results / name).is_file()] == []


def test_links_of_the_page_lead_to_files_of_the_study(finished: Project) -> None:
    results = finished.folder / "results/small"
    page = (results / "report.html").read_text().partition("<footer>")[0]
    addresses = set(re.findall(r' href="([^"#]+)"', page))
    assert [address for address in addresses if not (results / unquote(address)).exists()] == []
    logs = ["models/narrow", "tables/slots", "figures/learning-curves", "tasks/demo-ner", "corpora/wiki/qaa", "compare"]
    logs += ["tokenizers/unigram-300", "costs", "plan", "statistics/examples/demo-ner", "tokenisation/wide/demo-ner"]
    places = ["models/narrow/", "models/narrow/README.md", "tasks/demo-ner/", "tables/slots.csv"]
    assert {*places, *(f"../../logs/small/{log}.log" for log in logs)} <= addresses


def test_a_pretrained_model_loads_without_smelt(finished: Project) -> None:
    folder = finished.folder / "results/small/models/wide"
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForTokenClassification.from_pretrained(folder, num_labels=3)
    assert len(tokenizer) == 600 == model.config.vocab_size


@pytest.mark.parametrize("name", ["wide", "narrow-qaa", "student-qaa"])
def test_pretrained_reduced_and_distilled_models_work_in_pipelines(name: str, finished: Project) -> None:
    folder = str(finished.folder / "results/small/models" / name)
    documents = pd.read_parquet(finished.folder / "results/small/corpora/wiki/qaa/documents.parquet")
    text = " ".join(documents["text"])[:20_000]
    fill = pipeline("fill-mask", model=folder)
    prompt = f"{text[:40]} {fill.tokenizer.mask_token} {text[40:80]}"
    assert len(fill(prompt, top_k=3)) == 3
    assert len(fill(prompt + text, top_k=3, tokenizer_kwargs={"truncation": True})) == 3
    features = pipeline("feature-extraction", model=folder)
    assert len(features(text, truncation=True)[0]) == features.model.config.max_position_embeddings


def test_results_are_as_readable_as_the_umask_lets_them_be(finished: Project) -> None:
    os.umask(mask := os.umask(0))
    files = [path for folder in ("results", "logs") for path in (finished.folder / folder).rglob("*") if path.is_file()]
    modes = {str(path): stat.S_IMODE(path.stat().st_mode) for path in files if path.name != ".snakemake_timestamp"}
    assert {path: oct(mode) for path, mode in modes.items() if mode != 0o666 & ~mask} == {}


def test_a_reduced_model_predicts_the_same_with_fewer_pieces(finished: Project) -> None:
    models = finished.folder / "results/small/models"
    record = json.loads((models / "narrow-qaa/reduction.json").read_text())
    tokenizer = AutoTokenizer.from_pretrained(models / "narrow-qaa")
    assert len(tokenizer) == record["pieces"] < record["pieces_before"] == 300
    proof = record["proof"]["languages"]["qaa"]
    assert proof["states"]["lines"] > 0
    pieces = set(tokenizer.get_vocab())
    assert not any("ა" <= letter <= "ჰ" for piece in pieces for letter in piece), "qab is written in Georgian letters"
    assert not (finished.folder / "results/small/counts/wiki/unigram-300/qab.parquet").exists()


def test_a_student_has_its_teachers_pieces_and_with_all_its_layers_starts_equal_to_it(finished: Project) -> None:
    folder = finished.folder / "results/small/models/student-qaa"
    model, report = AutoModelForMaskedLM.from_pretrained(folder, output_loading_info=True)
    assert not any(report.values())
    assert model.config.vocab_size == len(AutoTokenizer.from_pretrained(folder)) == 300
    curve = pd.read_csv(finished.folder / "logs/small/models/student-qaa.curve.csv")
    held_out = curve[(curve["split"] == "validation") & (curve["metric"] == "kl_loss")].set_index("language")["value"]
    assert set(held_out.index) == {"qaa", "all"}
    assert held_out["all"].iloc[0] < 1e-5  # the teacher has one layer, and so has the student


def test_scores_hold_one_row_for_each_run_and_score(finished: Project) -> None:
    scores = pd.read_csv(finished.folder / "results/small/scores.csv")
    assert list(scores.columns) == ["model", "task", "language", "setting", "seed", "split", "metric", "value"]
    runs = scores[["model", "task", "seed"]].drop_duplicates()
    assert len(runs) == 2 * 2 * 2
    assert scores["value"].between(0, 1).all()


def test_no_draft_and_no_checkpoint_is_left_behind(finished: Project) -> None:
    left = [str(path) for path in Path(finished.folder).rglob("*.draft")]
    left += [str(path) for path in (finished.folder / "checkpoints").rglob("*") if path.is_file()]
    assert left == []


def test_provenance_names_what_a_model_was_made_from(finished: Project) -> None:
    provenance = json.loads((finished.folder / "results/small/models/narrow/provenance.json").read_text())
    assert {"code", "settings", "inputs", "libraries", "seeds", "hours"} <= set(provenance)


def test_jobs_know_the_country_of_the_study(finished: Project) -> None:
    folders = [finished.folder / "results/small" / name for name in ("models/narrow", "finetuned/wide/demo-ner/seed-1")]
    energy = [json.loads((folder / "provenance.json").read_text())["energy"] for folder in folders]
    assert [part["country"] for part in energy] == ["FRA", "FRA"]
    assert all(0 < part["kg_co2e"] < part["kwh"] for part in energy)
