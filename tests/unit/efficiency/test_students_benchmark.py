"""The shapes of the benchmark of students are those that the paper gives."""

import torch
from bench.students import PAPER, REDUCED, STUDENT, TEACHER, outcome_of
from transformers import BertConfig, BertModel, DistilBertConfig, DistilBertModel


def parameters(model: torch.nn.Module) -> float:
    return sum(part.numel() for part in model.parameters()) / 1e6


def test_the_student_has_the_66_million_parameters_of_the_paper_and_the_teacher_mberts() -> None:
    with torch.device("meta"):
        student = DistilBertModel(DistilBertConfig(vocab_size=REDUCED))
        teacher = BertModel(BertConfig(vocab_size=119_547))
    assert round(parameters(student), 1) == PAPER["parameters (M)"]
    assert round(parameters(teacher), 3) == 177.853


def record(seconds: float) -> dict:
    def passes(batch: int) -> dict:
        return {"batch": batch, "length": 128, "seconds": {"median": seconds}, "ratio": {"median": seconds / 4}}

    cpu = {"latency": [passes(1), passes(32)], "memory": {"used": 5e8}}
    return {"parameters": {"encoder": 66e6}, "bytes": {"fp32": 264e6}, "devices": {"cpu": cpu}}


def test_the_speed_is_that_of_batches_of_32_as_the_median_of_neighbours(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)  # where results/bench is written
    records = {name: record(seconds) for name, seconds in ((TEACHER, 4.0), ("six-layers", 2.0), (STUDENT, 1.0))}
    outcome = outcome_of("efficiency-eliquare", records)
    assert (outcome.ratio, outcome.ours, outcome.peer) == (4.0, 32 * 128, 32 * 128 / 4)
    assert outcome.further["six-layers, times as fast"] == 2.0
    assert outcome.further["paper, times as fast"] == 5.8
    assert (tmp_path / "results/bench/efficiency-eliquare.json").is_file()
