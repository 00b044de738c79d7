"""What stages took: from Snakemake's measurements, what jobs recorded, and the files that they left."""

import json
from pathlib import Path

import pytest

from smelt.study.measured import MeasuredStage, measure, ratios, read_measurement
from smelt.study.plan import StagePlan, planned_stages
from smelt.study.workflow import catalogue_of

STUDY = """
study: planned
corpora: {wiki: {text: {sw: sw.txt, en: en.txt}}}
tokenizers: {small: {algorithm: unigram, vocabulary: 8000, corpus: wiki}}
models:
  tiny: {maker: pretrain, architecture: albert-tiny, tokenizer: small, corpus: wiki, recipe: small}
  base: {maker: pretrain, architecture: albert-base, tokenizer: small, corpus: wiki, recipe: small}
tasks: {conll2003: {limit: 100}}
finetuning: {seeds: [1, 2]}
"""
HEAD = "s\th:m:s\tmax_rss\tcpu_time\n"


@pytest.fixture(autouse=True)
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work where a study lies whose texts are there."""
    monkeypatch.chdir(tmp_path)
    Path("study.yaml").write_text(STUDY)
    for language in ("sw", "en"):
        Path(f"{language}.txt").write_bytes(bytes(1_000_000))


def took(name: str, *rows: str) -> None:
    """Write a measurement, as Snakemake does."""
    write(f"benchmarks/planned/{name}.tsv", HEAD + "".join(f"{row}\n" for row in rows))


def write(path: str, text: str) -> None:
    """Write a file of a study."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)


def record(folder: str, hours: float, gpus: int, kwh: float | None) -> None:
    """Write what a model or fine-tuning recorded."""
    machine = {"processes": max(gpus, 1), "gpus": ["A100"] * gpus, "cores": 8, "processor": "EPYC"}
    energy = None if kwh is None else {"kwh": kwh}
    write(
        f"{folder}/provenance.json", json.dumps({"command": "x", "hours": hours, "machine": machine, "energy": energy})
    )


def measured() -> dict[str, MeasuredStage]:
    """Return what the stages of the study took."""
    return measure(catalogue_of([Path("study.yaml")], {}))


def test_nothing_is_measured_of_a_study_that_has_not_run() -> None:
    assert measured() == {}


def test_times_add_up_memory_is_the_largest_and_disk_is_what_is_left() -> None:
    took("corpora/wiki/sw", "30\t0:00:30\t1000.00\t20.5")
    took("corpora/wiki/en", "40\t0:00:40\t500.00\t30.5")
    write("results/planned/corpora/wiki/sw/documents.parquet", "x" * 700)
    write("results/planned/corpora/wiki/en/documents.parquet", "x" * 300)
    write("results/planned/corpora/old/en/documents.parquet", "x" * 5000)  # of a corpus that the study no longer has
    assert measured() == {
        "documents": MeasuredStage(2, 51.0, disk=1000.0, memory=pytest.approx(1048.576))  # Snakemake writes MiB
    }


def test_jobs_that_were_too_short_to_measure_are_not_counted() -> None:
    took("corpora/wiki/sw", "0.1\t0:00:00\t-\t-")
    took("corpora/wiki/en", "0.1\t0:00:00\tNA\tNA")
    assert "documents" not in measured()
    assert read_measurement(Path("benchmarks/planned/corpora/wiki/sw.tsv")) == (None, 0.0)


def test_gpu_time_and_energy_are_those_that_models_and_fine_tunings_recorded() -> None:
    for name, hours, gpus, kwh in (("tiny", 0.5, 0, 0.1), ("base", 2.0, 4, 3.0)):
        took(f"models/{name}", "10\t0:00:10\t100\t10")
        record(f"results/planned/models/{name}", hours, gpus, kwh)
        took(f"finetuned/{name}/conll2003/seed-1", "10\t0:00:10\t100\t10")
        record(f"results/planned/finetuned/{name}/conll2003/seed-1", 1.0, gpus, None)
    found = measured()
    assert found["models: pretrain"].gpu_seconds == 2 * 4 * 3600
    assert found["models: pretrain"].kwh == pytest.approx(3.1)
    assert found["fine-tuning"].gpu_seconds == 4 * 3600
    assert found["fine-tuning"].kwh is None  # a run did not record it


def test_runs_of_models_and_tasks_that_the_study_no_longer_has_are_passed_over() -> None:
    for name in ("finetuned/old/conll2003/seed-1", "finetuned/tiny/old/seed-1", "models/old", "tokenisation/x"):
        took(name, "10\t0:00:10\t100\t10")
    assert measured() == {}


def test_a_ratio_is_that_of_a_stage_whose_jobs_were_all_measured() -> None:
    took("corpora/wiki/sw", "30\t0:00:30\t100\t20")
    took("blocks/wiki/small/stream-512/sw", "30\t0:00:30\t100\t20")
    catalogue = catalogue_of([Path("study.yaml")], {})
    plan = planned_stages(catalogue)
    assert ratios(plan, measure(catalogue)) == {}
    took("corpora/wiki/en", "30\t0:00:30\t100\t40")
    planned = next(stage for stage in plan if stage.name == "documents")
    assert ratios(plan, measure(catalogue)) == {"documents": pytest.approx(60 / planned.cpu_seconds)}


def test_a_stage_is_whole_by_its_number_of_jobs() -> None:
    assert MeasuredStage(jobs=2).is_whole(StagePlan("documents", jobs=2))
    assert not MeasuredStage(jobs=1).is_whole(StagePlan("documents", jobs=2))
    assert not MeasuredStage().is_whole(StagePlan("documents"))


def test_no_plan_is_made_of_sizes_that_are_not_known() -> None:
    Path("en.txt").unlink()
    assert planned_stages(catalogue_of([Path("study.yaml")], {})) == []
